// Package series reads a line's patches and applies them, strictly: a hunk may
// have moved (an offset, which is reported), but its context must match exactly
// (fuzz is refused).
//
// The git binary reads and applies them. It sees neither the user's configuration
// nor any repository around the tree.
package series

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gocoro/build/hint"
	"gocoro/build/line"
)

// A Patch is one parsed patch file.
type Patch struct {
	File  string   // path of the patch file
	Name  string   // its base name
	Files []string // the files it changes, relative to GOROOT
	Data  []byte
}

// generated lists files that cmd/dist writes during a build. The module of a
// release carries them; a patch to one would be lost in make.bash.
// Source: the gentab and bootstrapBuildTools of src/cmd/dist.
var generated = []string{
	"src/go/build/zcgo.go",
	"src/cmd/go/internal/cfg/zdefaultcc.go",
	"src/cmd/cgo/zdefaultcc.go",
	"src/internal/runtime/sys/zversion.go",
	"src/runtime/internal/sys/zversion.go",
	"src/time/tzdata/zzipdata.go",
	"src/cmd/internal/objabi/zbootstrap.go",
	"src/internal/buildcfg/zbootstrap.go",
}

// sources are the directories at the top of a release that people write. A build
// makes the others. Of the files at the top, the driver writes VERSION and go.env,
// and the rest concerns only upstream.
var sources = []string{"api", "doc", "lib", "misc", "src", "test"}

// allowed says why a patch may not touch the file, or returns nil.
func allowed(name string) error {
	top, _, below := strings.Cut(name, "/")
	switch {
	case path.Clean(name) != name || path.IsAbs(name) || name == ".." || top == ".." || name == ".":
		return hint.Add(fmt.Errorf("names the file %q, which is not inside GOROOT", name), "remove that from the patch")
	case strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' }) || slices.ContainsFunc(strings.Split(name, "/"), func(s string) bool { return strings.EqualFold(s, ".git") }):
		return hint.Add(fmt.Errorf("names the file %q, which no release of Go has", name), "remove that from the patch")
	case name == "VERSION" || name == "go.env":
		return hint.Add(fmt.Errorf("changes %s, which the driver writes", name), "remove that from the patch; the pin has the release's revision and time")
	case !below || !slices.Contains(sources, top):
		return hint.Add(fmt.Errorf("changes %s, which is in none of upstream's source directories (%s)", name, strings.Join(sources, ", ")), "remove that from the patch")
	case slices.Contains(generated, name):
		return hint.Add(fmt.Errorf("changes %s, which cmd/dist generates during make.bash", name), "change its generator in src/cmd/dist instead")
	}
	return nil
}

// modeLine matches the lines of a diff that state a file's mode. A line of a file's
// content does not match: it begins with a space, +, - or \.
var modeLine = regexp.MustCompile(`(?m)^(?:(?:old|new|new file|deleted file) mode|index [^ \n]*) +(.*)$`)

// onlyFiles checks that the patch makes and changes regular files only.
func (p *Patch) onlyFiles() error {
	i := bytes.Index(append([]byte("\n"), p.Data...), []byte("\ndiff --git "))
	if i < 0 {
		return nil // git takes the mode of the file that is there
	}
	for _, m := range modeLine.FindAllSubmatch(p.Data[i:], -1) {
		mode, err := strconv.ParseUint(strings.TrimSpace(string(m[1])), 8, 32)
		if err != nil || mode&^0o7777 != 0o100000 {
			return hint.Add(fmt.Errorf("%s has a file of mode %s: a link, a submodule or something else that is not a regular file", p.File, m[1]), "remove that from the patch")
		}
	}
	return nil
}

// Read parses a patch file.
func Read(file string) (*Patch, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return Parse(file, data)
}

// Parse parses the text of a patch file and checks that it changes only what a
// patch may: regular files in upstream's source directories, none of them
// generated.
func Parse(file string, data []byte) (*Patch, error) {
	if err := line.CheckLineEnds(file, data); err != nil {
		return nil, err
	}
	p := &Patch{File: file, Name: filepath.Base(file), Data: data}
	files, err := p.list()
	if err != nil {
		return nil, err
	}
	if err := p.onlyFiles(); err != nil {
		return nil, err
	}
	// Read backwards, a patch that renames a file makes the old one.
	old, err := p.list("-R")
	if err != nil {
		return nil, err
	}
	for _, name := range append(files, old...) {
		if slices.Contains(p.Files, name) {
			continue
		}
		if err := allowed(name); err != nil {
			return nil, fmt.Errorf("%s %w", file, err)
		}
		p.Files = append(p.Files, name)
	}
	return p, nil
}

// ReadAll reads the patches of a line, in order.
func ReadAll(l *line.Line) ([]*Patch, error) {
	files, err := l.Patches()
	if err != nil {
		return nil, err
	}
	patches := make([]*Patch, len(files))
	for i, file := range files {
		if patches[i], err = Read(file); err != nil {
			return nil, err
		}
	}
	return patches, nil
}

// Trailer returns the value of the first line KEY: VALUE of the message, or "".
func (p *Patch) Trailer(key string) string {
	message, _, _ := strings.Cut(string(p.Data), "\n---\n")
	for l := range strings.Lines(message) {
		if v, ok := strings.CutPrefix(l, key+": "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

var testPath = regexp.MustCompile(`\bTest[A-Z]\w*(/\w+)*`)

// Tests returns the names of the tests and subtests that, by the message, pass with
// this patch and those before it.
func (p *Patch) Tests() []string {
	return testPath.FindAllString(p.Trailer("Tests"), -1)
}

// noDiff matches git's error for a patch without a diff, today and before 2.35.
var noDiff = regexp.MustCompile(`^error: (No valid patches in input|unrecognized input)`)

// list returns the names of the files that the patch leaves behind, or of
// those that it removes.
func (p *Patch) list(extra ...string) ([]string, error) {
	cmd := Git(context.Background(), os.TempDir(), append([]string{"apply", "--numstat", "-z"}, append(extra, "-")...)...)
	cmd.Stdin = bytes.NewReader(p.Data)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if _, ok := err.(*exec.ExitError); ok {
		if noDiff.MatchString(stderr.String()) {
			return nil, hint.Add(fmt.Errorf("%s changes nothing: it has no diff", p.File), "remove it, or write it again with git format-patch")
		}
		return nil, hint.Add(fmt.Errorf("%s is not a patch that git can read: %s", p.File, errorLines(stderr.String())), "write it again with git format-patch")
	}
	if err != nil {
		return nil, hint.Add(fmt.Errorf("reading %s: %v", p.File, err), "git is needed to apply patches: install it and run the command again")
	}
	var files []string
	for entry := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if f := strings.SplitN(entry, "\t", 3); len(f) == 3 { // lines added, removed, and the name
			files = append(files, f[2])
		}
	}
	return files, nil
}

// An Offset is a hunk that applied at another place than the patch says.
type Offset struct {
	Patch string // base name of the patch
	File  string // relative to GOROOT
	Hunk  int    // from 1
	Line  int    // where it applied
	Lines int    // how far that is from where the patch says; may be negative
}

func (o Offset) String() string {
	return fmt.Sprintf("%s: %s: hunk %d applied at line %d (offset %d)", o.Patch, o.File, o.Hunk, o.Line, o.Lines)
}

// A ConflictError reports a patch that does not apply.
type ConflictError struct {
	Patch string // path of the patch file
	At    string // "src/runtime/coro.go:12", or what git said of the file
	Fuzz  bool   // it would apply if some lines of context were ignored
	Git   string // git's own words
}

func (e *ConflictError) Error() string {
	s := fmt.Sprintf("%s does not apply at %s", e.Patch, e.At)
	if e.Fuzz {
		s += "\n\tit applies only with fuzz (some lines of its context ignored), which is refused: the lines around the change are not those it was written for"
	}
	return s + "\n\tgit says: " + strings.ReplaceAll(e.Git, "\n", "\n\t          ")
}

// Git returns a git command that runs in dir and sees neither the user's
// configuration nor a repository around dir.
func Git(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "GIT_") && !strings.HasPrefix(kv, "LC_") && !strings.HasPrefix(kv, "LANG") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env,
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CEILING_DIRECTORIES="+filepath.Dir(dir),
		"GIT_TERMINAL_PROMPT=0",
		"LC_ALL=C",
		"PWD="+dir)
	return cmd
}

var (
	checking = regexp.MustCompile(`^Checking patch (.*)\.\.\.$`)
	hunk     = regexp.MustCompile(`^Hunk #(\d+) succeeded at (\d+) \(offset (-?\d+) lines?\)\.$`)
	failedAt = regexp.MustCompile(`(?m)^error: patch failed: (.*:\d+)$`)
	errorAt  = regexp.MustCompile(`(?m)^error: (.*)$`)
	skipped  = regexp.MustCompile(`(?m)^Skipped patch .*$`)
	broken   = regexp.MustCompile(`(?m)^fatal: |^error: (unable to|cannot) `) // a full disk, for example
)

// Apply applies the patch to the tree at dir, wholly or not at all, and
// returns the hunks that had moved.
func (p *Patch) Apply(ctx context.Context, dir string, trace func(*exec.Cmd)) ([]Offset, error) {
	// A patch without a mode would also change a link.
	for _, name := range p.Files {
		if st, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name))); err == nil && !st.Mode().IsRegular() {
			return nil, hint.Add(fmt.Errorf("%s changes %s, which is not a regular file (%v)", p.File, name, st.Mode()), "remove that from the patch")
		}
	}
	return p.ApplyWith(ctx, func(args ...string) *exec.Cmd { return Git(ctx, dir, args...) }, trace)
}

// ApplyWith applies the patch as Apply does, with the git commands that the
// function makes and flags of git apply, such as --cached.
func (p *Patch) ApplyWith(ctx context.Context, git func(args ...string) *exec.Cmd, trace func(*exec.Cmd), flags ...string) ([]Offset, error) {
	var dir string
	apply := func(extra ...string) (string, error) {
		args := append([]string{"-c", "core.autocrlf=false", "apply", "--verbose", "--whitespace=nowarn"}, append(flags[:len(flags):len(flags)], extra...)...)
		cmd := git(append(args, "-")...)
		dir = cmd.Dir
		cmd.Stdin = bytes.NewReader(p.Data)
		if trace != nil {
			shown := *cmd
			shown.Args = append(append([]string{"git"}, args...), p.File)
			trace(&shown)
		}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := apply()
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if _, ok := err.(*exec.ExitError); !ok {
			return nil, hint.Add(fmt.Errorf("applying %s: %v", p.File, err), "git is needed to apply patches: install it and run the command again")
		}
		if broken.MatchString(out) { // not the patch's fault
			return nil, hint.Add(fmt.Errorf("applying %s: git apply: %v: %s", p.File, err, strings.TrimSpace(out)), "fix what git reports, and run the command again")
		}
		e := &ConflictError{Patch: p.File, Git: errorLines(out)}
		if m := failedAt.FindStringSubmatch(out); m != nil {
			e.At = m[1]
			// Less context than the patch has is what fuzz means.
			_, err := apply("--check", "-C1")
			e.Fuzz = err == nil
		} else if m := errorAt.FindStringSubmatch(out); m != nil {
			e.At = m[1]
		}
		return nil, hint.Add(e, "compare the patch with the file; then write it again against this upstream")
	}
	if m := skipped.FindString(out); m != "" {
		// In a subdirectory of a repository git may skip files without failing.
		return nil, hint.Add(fmt.Errorf("applying %s: git treated %s as part of the repository around it and printed: %s", p.File, dir, m), "set GOCORO_CACHE to a directory outside of any git repository")
	}
	var offsets []Offset
	var file string
	for l := range strings.SplitSeq(out, "\n") {
		if m := checking.FindStringSubmatch(l); m != nil {
			file = m[1]
		}
		if m := hunk.FindStringSubmatch(l); m != nil {
			o := Offset{Patch: p.Name, File: file}
			fmt.Sscan(m[1], &o.Hunk)
			fmt.Sscan(m[2], &o.Line)
			fmt.Sscan(m[3], &o.Lines)
			offsets = append(offsets, o)
		}
	}
	return offsets, nil
}

func errorLines(out string) string {
	var lines []string
	for _, m := range errorAt.FindAllStringSubmatch(out, -1) {
		lines = append(lines, m[1])
	}
	if lines == nil {
		return strings.TrimSpace(out)
	}
	return strings.Join(lines, "\n")
}
