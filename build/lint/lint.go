// Package lint finds errors in a series before a long build does.
package lint

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/series"
	"gocoro/build/workspace"
)

// A Problem is one thing that is wrong, and how to correct it.
type Problem struct {
	File string // the patch or overlay file, or the place in it: "0001-x.patch: src/a.go:12"
	Text string // what was expected and found
	Fix  string // what to do
}

func (p Problem) String() string { return p.File + ": " + p.Text + "\n\t" + p.Fix }

// Files checks the files of the line: their names and order, the header of each
// patch, white space and format. up is the unpacked upstream.
func Files(l *line.Line, up string) ([]Problem, error) {
	var problems []Problem
	add := func(file, fix, format string, args ...any) {
		problems = append(problems, Problem{file, fmt.Sprintf(format, args...), fix})
	}
	ents, err := os.ReadDir(l.Dir)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, e := range ents {
		name := e.Name()
		switch {
		case name == "pin" || name == "api.gz" || name == "godebug.md":
			continue
		case !strings.HasSuffix(name, ".patch"):
			add(name, "remove it", "patches/%s holds patches, pin, api.gz and godebug.md, and nothing else", l.Name)
			continue
		}
		n++
		if m := patchName.FindStringSubmatch(name); m == nil {
			add(name, "rename it", "want a name of the form 0001-what-it-does.patch")
		} else if want := fmt.Sprintf("%04d", n); m[1] != want {
			add(name, "rename it, or let save do it: go run ./build edit, then save", "it is number %d in order, want a name that begins with %s", n, want)
		}
	}
	if data, err := os.ReadFile(filepath.Join(up, "VERSION")); err != nil {
		return nil, err
	} else if want, err := line.VersionTime(data); err == nil {
		switch got := l.Pin.Time; {
		case l.Pin.Revision == 1 && got != want:
			add("pin", "correct it, and VERSION too if this is the default line", "the time of revision 1 is %s, want %s, as upstream's VERSION has it", got, want)
		case l.Pin.Revision > 1 && got <= want:
			add("pin", "make it the day of the change, such as 2026-12-01T00:00:00Z", "the time of revision %d is %s, want a later one than upstream's %s", l.Pin.Revision, got, want)
		}
	}
	overlay, err := l.Overlay()
	if err != nil {
		return nil, err
	}
	patches, err := series.ReadAll(l)
	if err != nil {
		return nil, err
	}
	known, err := tests(up, overlay, patches)
	if err != nil {
		return nil, err
	}
	subjects := map[string]string{}
	for _, p := range patches {
		found, subject, err := checkPatch(p, known)
		if err != nil {
			return nil, err
		}
		problems = append(problems, found...)
		if other := subjects[subject]; other != "" {
			add(p.Name, "give it a subject of its own: that is how save knows a patch", "it has the subject of %s", other)
		}
		subjects[subject] = p.Name
	}
	for _, f := range overlay {
		data, err := os.ReadFile(f.Path)
		if err != nil {
			return nil, err
		}
		if _, err := os.Lstat(filepath.Join(up, filepath.FromSlash(f.Name))); err == nil {
			add(f.Path, "change upstream's file with a patch, or give the overlay file another name", "upstream has %s, too", f.Name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if strings.HasSuffix(f.Name, ".go") {
			if text, err := format.Source(data); err != nil {
				add(f.Path, "correct it", "it is not Go: %v", err)
			} else if !bytes.Equal(text, data) {
				add(f.Path, "gofmt -w "+f.Path, "it is not as gofmt formats it")
			}
		}
	}
	return problems, nil
}

var (
	patchName = regexp.MustCompile(`^(\d{4})-[a-z0-9]+(-[a-z0-9]+)*\.patch$`)
	subject   = regexp.MustCompile(`^(\[release-branch\.go1\.\d+\] )?[a-z][a-z0-9/._-]*(, [a-z0-9/._-]+)*: [^ ].*[^. ]$`)
	testName  = regexp.MustCompile(`\bTest[A-Z]\w*`)
	testFunc  = regexp.MustCompile(`(?m)^\+?func (Test[A-Z]\w*)\(`)
)

// tests returns the names of the tests in the overlay, in the patches, and in
// upstream's directories that the overlay adds files to.
func tests(up string, overlay []line.OverlayFile, patches []*series.Patch) (map[string]bool, error) {
	var files []string
	dirs := map[string]bool{}
	for _, f := range overlay {
		files = append(files, f.Path)
		dirs[filepath.Join(up, filepath.Dir(filepath.FromSlash(f.Name)))] = true
	}
	for dir := range dirs {
		ents, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range ents {
			if strings.HasSuffix(e.Name(), "_test.go") {
				files = append(files, filepath.Join(dir, e.Name()))
			}
		}
	}
	for _, p := range patches {
		files = append(files, p.File)
	}
	known := map[string]bool{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, m := range testFunc.FindAllSubmatch(data, -1) {
			known[string(m[1])] = true
		}
	}
	return known, nil
}

const amend = "go run ./build edit, amend its commit there, then save"

// An adder adds a problem, in a place of the patch if where is not empty.
type adder func(where, fix, format string, args ...any)

// checkPatch checks one patch and returns its subject as well.
func checkPatch(p *series.Patch, tests map[string]bool) (problems []Problem, title string, err error) {
	add := func(where, fix, format string, args ...any) {
		if where != "" {
			where = ": " + where
		}
		problems = append(problems, Problem{p.Name + where, fmt.Sprintf(format, args...), fix})
	}
	diffs, preamble, err := gitdiff.Parse(bytes.NewReader(p.Data))
	if err != nil {
		return nil, "", hint.Add(fmt.Errorf("%s: %v", p.File, err), "write it again: %s", amend)
	}
	// What git format-patch --zero-commit writes first into every patch.
	const zero = "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n"
	if !strings.HasPrefix(preamble, zero) {
		first, _, _ := strings.Cut(preamble, "\n")
		add("", "go run ./build edit, then save -rewrite", "its first line is %q, want %q: an id that differs each time tells nothing", first, strings.TrimSpace(zero))
	}
	h, err := gitdiff.ParsePatchHeader(preamble, gitdiff.WithSubjectCleanMode(gitdiff.SubjectCleanPatchOnly))
	if err != nil || h.Author == nil || h.AuthorDate.IsZero() || h.Title == "" {
		add("", "write it again with git format-patch", "it has no From:, Date: and Subject: lines that can be read: %v", err)
		return problems, "", nil
	}
	title = h.Title
	if !subject.MatchString(title) {
		add("", amend, "the subject is %q, want the form \"package: what it does\" with no full stop (and before it no more than the [release-branch.go1.N] of a backport)", title)
	}
	if len(title) > 76 {
		add("", amend, "the subject has %d characters, want 76 at most", len(title))
	}
	lines := strings.Split(strings.TrimSpace(h.Body), "\n")
	for _, l := range lines {
		if len([]rune(l)) > 79 && strings.Contains(l, " ") && !strings.Contains(l, "://") && !isTrailer(l) {
			add("", amend, "a line of the message has %d characters, want 79 at most: %q", len([]rune(l)), l)
		}
	}
	checkTrailers(lines, tests, add)
	for _, f := range diffs {
		checkDiff(f, add)
	}
	return problems, title, nil
}

// checkTrailers checks that the message ends with the trailers, in their order.
func checkTrailers(lines []string, tests map[string]bool, add adder) {
	from := len(lines) - len(workspace.Trailers)
	for i, t := range workspace.Trailers {
		if from < 0 || !strings.HasPrefix(lines[from+i], t+": ") {
			add("", amend, "the message does not end with the lines %s", strings.Join(workspace.Trailers, ":, ")+":")
			break
		}
		value := strings.TrimSpace(strings.TrimPrefix(lines[from+i], t+": "))
		if strings.Contains(value, "TODO") {
			add("", amend, "%s: is not filled in: %q", t, value)
		}
		if t == "Tests" && value != "none" {
			names := testName.FindAllString(value, -1)
			for _, name := range names {
				if !tests[name] {
					add("", amend, "Tests: names %s, which is in no test file of the overlay, the patches, or their directories upstream", name)
				}
			}
			if len(names) == 0 && !strings.Contains(value, "TODO") && !strings.HasPrefix(value, "none") {
				add("", amend, "Tests: is %q, want names of tests, or none", value)
			}
		}
	}
	if from >= 0 && strings.TrimSpace(strings.Join(lines[:from], "")) == "" {
		add("", amend, "the message gives no reason: there is nothing between the subject and the trailers")
	}
}

// checkDiff checks what the patch adds to a file.
func checkDiff(f *gitdiff.File, add adder) {
	name := cmp.Or(f.NewName, f.OldName)
	if f.IsNew && !f.IsRename && strings.HasPrefix(name, "src/") {
		add(name, "move it to src/<overlay>/ in the checkout, and out of the patch", "the patch adds a whole file: those belong to the overlay")
	}
	for _, frag := range f.TextFragments {
		at := int(frag.NewPosition)
		crlf := slices.ContainsFunc(frag.Lines, func(l gitdiff.Line) bool { return l.Op != gitdiff.OpAdd && strings.HasSuffix(l.Line, "\r\n") })
		for _, l := range frag.Lines {
			if l.Op == gitdiff.OpAdd {
				text := strings.TrimSuffix(l.Line, "\n")
				if crlf {
					text = strings.TrimSuffix(text, "\r")
				}
				where := fmt.Sprintf("%s:%d", name, at)
				switch {
				case strings.HasSuffix(text, "\r"):
					add(where, amend, "an added line ends with a carriage return, and the file's others do not")
				case strings.TrimRight(text, " \t") != text:
					add(where, amend, "an added line ends with white space")
				case strings.Contains(text[:len(text)-len(strings.TrimLeft(text, " \t"))], " \t"):
					add(where, amend, "an added line has a space before a tab")
				case strings.HasPrefix(text, "<<<<<<< ") || strings.HasPrefix(text, ">>>>>>> ") || strings.HasPrefix(text, "||||||| "):
					add(where, amend, "an added line is the mark of a conflict")
				}
			}
			if l.Op != gitdiff.OpDelete {
				at++
			}
		}
	}
}

func isTrailer(l string) bool {
	return slices.ContainsFunc(workspace.Trailers, func(t string) bool { return strings.HasPrefix(l, t+": ") })
}

// Canonical compares the patches with the texts that save would write.
func Canonical(l *line.Line, texts map[string][]byte) ([]Problem, error) {
	files, err := l.Patches()
	if err != nil {
		return nil, err
	}
	var problems []Problem
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		name := filepath.Base(file)
		if !bytes.Equal(data, texts[name]) {
			n, got, want := workspace.FirstDifference(string(data), string(texts[name]))
			problems = append(problems, Problem{fmt.Sprintf("%s:%d", name, n),
				fmt.Sprintf("it is not what git format-patch writes on this upstream: it says %q, want %q", got, want),
				"go run ./build edit -line " + l.Name + ", then go run ./build save -rewrite -line " + l.Name})
		}
	}
	return problems, nil
}
