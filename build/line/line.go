// Package line reads the lines of a checkout: the upstream minor releases that
// gocoro patches, the pin of each, and its patches and overlays.
//
// A line is a directory patches/<name>. The file "pin" in it is the only place
// that has the facts about its upstream. VERSION at the top of the repository
// names the release of the default line.
package line

import (
	"bytes"
	"errors"
	"fmt"
	"go/version"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gocoro/build/hint"
	"gocoro/build/run"
)

// A Repo is a checkout of gocoro.
type Repo struct {
	Dir string // absolute path of the directory that holds VERSION and patches/
}

// FindRepo returns the checkout that dir is in: the nearest directory, dir itself
// or one above it, that has both a VERSION file and a patches directory.
func FindRepo(dir string) (*Repo, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for d := abs; ; d = filepath.Dir(d) {
		if isFile(filepath.Join(d, "VERSION")) && isDir(filepath.Join(d, "patches")) {
			return &Repo{Dir: d}, nil
		}
		if d == filepath.Dir(d) {
			return nil, hint.Add(fmt.Errorf("%s is not in a gocoro checkout: no directory above it has both VERSION and patches/", abs), "cd to your clone of gocoro and run the command again")
		}
	}
}

// Journal and Undo are files in a checkout, in which package workspace lists the
// changes of several files while it makes them, or reverts them.
const (
	Journal = ".edit/journal"
	Undo    = ".edit/undo"
)

// Whole returns an error if a command was killed while it wrote the files of the
// checkout. They may then be a mixture of two series.
func (r *Repo) Whole() error {
	for _, f := range []string{Undo, Journal} {
		if _, err := os.Lstat(filepath.Join(r.Dir, filepath.FromSlash(f))); err == nil {
			return hint.Add(fmt.Errorf("%s is there: a command was killed while it wrote patches/ and src/, or has not finished, and their files may be a mixture of old and new ones", f), "go run ./build status")
		}
	}
	return nil
}

// Lines returns the names of all lines, oldest first.
func (r *Repo) Lines() ([]string, error) {
	ents, err := os.ReadDir(filepath.Join(r.Dir, "patches"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range ents {
		if e.IsDir() && version.IsValid(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, version.Compare)
	return names, nil
}

// All loads all lines, oldest first.
func (r *Repo) All() ([]*Line, error) {
	names, err := r.Lines()
	if err != nil {
		return nil, err
	}
	var lines []*Line
	for _, name := range names {
		l, err := r.Line(name)
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// Default returns the name of the default line: the language version of the
// release that VERSION names.
func (r *Repo) Default() (string, error) {
	name, _, err := r.readVERSION()
	if err != nil {
		return "", err
	}
	return version.Lang(name), nil
}

// Line loads one line. An empty name means the default line. The name of a
// release, such as a tag has, stands for its line, if the line is at it.
//
// For the default line the VERSION file must say exactly what the pin says:
// two places that disagree about a release's name are an error, not a choice.
// Nor does Line load anything of a checkout that is not Whole.
func (r *Repo) Line(name string) (*Line, error) {
	if err := r.Whole(); err != nil {
		return nil, err
	}
	first, text, err := r.readVERSION()
	if err != nil {
		return nil, err
	}
	def := version.Lang(first)
	if name == "" {
		name = def
	}
	release := ""
	if IsName(name) {
		release, name = name, version.Lang(name)
	}
	dir := filepath.Join(r.Dir, "patches", name)
	if valid := name == version.Lang(name); !valid || !isDir(dir) {
		have, err := r.Lines()
		if err != nil {
			return nil, err
		}
		what := fmt.Sprintf("no line %q", name)
		if !valid {
			what = fmt.Sprintf("%q is not the name of a line", name)
		}
		return nil, hint.Add(fmt.Errorf("%s: patches/ has %s", what, strings.Join(have, ", ")), "choose one of these with -line")
	}
	pinFile := filepath.Join(dir, "pin")
	data, err := os.ReadFile(pinFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.Add(fmt.Errorf("line %s has no pin: %s is missing", name, pinFile), "restore it (git checkout -- %s): without it nothing says which upstream the patches are for", r.rel(pinFile))
	}
	if err != nil {
		return nil, err
	}
	if err := CheckLineEnds(pinFile, data); err != nil {
		return nil, err
	}
	pin, err := ParsePin(r.rel(pinFile), data)
	if err != nil {
		return nil, err
	}
	if got := version.Lang(pin.Upstream); got != name {
		return nil, hint.Add(fmt.Errorf("%s: upstream %s belongs to line %s, but the directory is %s", r.rel(pinFile), pin.Upstream, got, name), "correct the upstream line of the pin, or move the directory")
	}
	l := &Line{Name: name, Dir: dir, Pin: pin, repo: r}
	if name == def && text != l.VERSION() {
		return nil, hint.Add(fmt.Errorf("VERSION and %s disagree about the release of line %s\n\tVERSION says:  %q\n\tthe pin says:  %q", r.rel(pinFile), name, text, l.VERSION()), "make VERSION equal to what the pin says")
	}
	for _, o := range pin.Overlays {
		if !isDir(filepath.Join(r.Dir, "src", o)) {
			return nil, hint.Add(fmt.Errorf("%s: overlay %q: there is no directory src/%s", r.rel(pinFile), o, o), "correct the overlay line of the pin")
		}
	}
	if l.HasGODEBUG() {
		if err := checkFile(l.GODEBUG()); err != nil {
			return nil, err
		}
	}
	if release != "" && release != l.Release() {
		return nil, hint.Add(fmt.Errorf("line %s is at %s here, not at %s", name, l.Release(), release), "git checkout %s, if there is such a tag, or -line %s for what is here", release, name)
	}
	return l, nil
}

func (r *Repo) readVERSION() (name, text string, err error) {
	file := filepath.Join(r.Dir, "VERSION")
	data, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	if err := CheckLineEnds(file, data); err != nil {
		return "", "", err
	}
	text = string(data)
	name, _, _ = strings.Cut(text, "\n")
	if !IsName(name) || IsOldName(name) {
		return "", "", hint.Add(fmt.Errorf("%s: first line is %q, want a release name such as go1.22.12-coro1", file, name), "put it back: git -C %s checkout -- VERSION", run.Quote(r.Dir))
	}
	return name, text, nil
}

// CheckLineEnds returns an error if git or an editor has converted the file: if the
// first line of its text ends with CRLF, or the text begins with a byte order mark.
// Such a file looks right but has other bytes and another hash.
func CheckLineEnds(file string, text []byte) error {
	if bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
		return hint.Add(fmt.Errorf("%s begins with a byte order mark, which an editor has put there", file), "take it out: tail -c +4 <%s >%[1]s.new && mv %[1]s.new %[1]s", run.Quote(file))
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	if !bytes.HasSuffix(first, []byte("\r")) {
		return nil
	}
	word := run.Quote(file)
	return hint.Add(fmt.Errorf("%s has CRLF line ends, want LF: git (with core.autocrlf=true) or an editor has converted it", file),
		"this file alone: tr -d '\\r' <%s >%[1]s.lf && mv %[1]s.lf %[1]s\n"+
			"all files, where you have changed none: git config core.autocrlf false && git rm -r -q --cached . && git reset --hard", word)
}

// checkFile is CheckLineEnds for a file, which may be binary.
func checkFile(file string) error {
	data, err := os.ReadFile(file)
	if err != nil || bytes.IndexByte(data, 0) >= 0 {
		return err
	}
	return CheckLineEnds(file, data)
}

func (r *Repo) rel(file string) string {
	if rel, err := filepath.Rel(r.Dir, file); err == nil {
		return rel
	}
	return file
}

// Find is Repo.Line for the checkout that contains the working directory.
func Find(name string) (*Line, error) {
	repo, err := FindRepo(".")
	if err != nil {
		return nil, err
	}
	return repo.Line(name)
}

// A Line is one upstream minor release with the fork's changes to it.
type Line struct {
	Name string // "go1.22"
	Dir  string // absolute path of patches/<name>
	Pin  *Pin

	repo *Repo
	last string // the base name of the last patch, or "" for the whole series
}

// Repo returns the checkout that the line is in.
func (l *Line) Repo() *Repo { return l.repo }

// Release returns the name of the line's release.
func (l *Line) Release() string { return ReleaseName(l.Pin.Upstream, l.Pin.Revision) }

// VERSION returns the text of the release's GOROOT/VERSION file.
func (l *Line) VERSION() string {
	return fmt.Sprintf("%s\ntime %s\n", l.Release(), l.Pin.Time)
}

// Through returns the line with only the patches up to and including the one with
// that base name.
func (l *Line) Through(patch string) *Line {
	prefix := *l
	prefix.last = patch
	return &prefix
}

// Patches returns the absolute paths of the line's patches in series order.
func (l *Line) Patches() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(globQuote(l.Dir), "*.patch"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files) // the numbers in the names are the order
	if l.last == "" {
		return files, nil
	}
	i := slices.Index(files, filepath.Join(l.Dir, l.last))
	if i < 0 {
		return nil, hint.Add(fmt.Errorf("line %s has no patch %s", l.Name, l.last), "look at what is in %s", l.repo.rel(l.Dir))
	}
	return files[:i+1], nil
}

// Numbered checks that the names of the patches begin with 0001, 0002 and so on. If
// a number is missing, a patch was lost; if there are two of it, two series were
// mixed. Neither may be built under the release's name.
func Numbered(patches []string) error {
	for i, p := range patches {
		if want := fmt.Sprintf("%04d-", i+1); !strings.HasPrefix(filepath.Base(p), want) {
			return hint.Add(fmt.Errorf("%s is number %d of its series, want a name that begins with %s: a patch is missing, or one is too many", p, i+1, want), "look at git status; go run ./build edit, then save, renumbers the patches")
		}
	}
	return nil
}

// Stray reports whether the file, by its name relative to src/, is one that an
// editor, git or the system has left, and that does not belong in a release.
func Stray(name string) bool {
	return strings.HasPrefix(name, ".") || strings.Contains(name, "/.") ||
		strings.HasSuffix(name, "~") || strings.HasSuffix(name, ".orig") || strings.HasSuffix(name, ".rej")
}

// API returns the path of the line's API baseline: the go1.txt of the api directory,
// which the module form of a release lacks, compressed by gzip. "go run ./build api"
// makes it. The line keeps it because that takes half a minute.
func (l *Line) API() string { return filepath.Join(l.Dir, "api.gz") }

// HasAPI reports whether the line keeps an API baseline.
func (l *Line) HasAPI() bool { return isFile(l.API()) }

// GODEBUG returns the path of the text that the line adds to doc/godebug.md, where
// the test of internal/godebugs looks for every setting. It cannot be in a patch,
// because only some forms of a release have that file.
func (l *Line) GODEBUG() string { return filepath.Join(l.Dir, "godebug.md") }

// HasGODEBUG reports whether the line adds to doc/godebug.md.
func (l *Line) HasGODEBUG() bool { return isFile(l.GODEBUG()) }

// An OverlayFile is a whole file that upstream does not have.
type OverlayFile struct {
	Name string // slash-separated, relative to GOROOT: "src/runtime/coro_test.go"
	Path string // where it is in the checkout
}

// Overlay returns the files that the line lays over its upstream, sorted by
// name. The same name from two overlay directories is an error.
func (l *Line) Overlay() ([]OverlayFile, error) {
	var files []OverlayFile
	from := map[string]string{}
	for _, o := range l.Pin.Overlays {
		root := filepath.Join(l.repo.Dir, "src", o)
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			if !d.Type().IsRegular() {
				return hint.Add(fmt.Errorf("overlay file %s is not a regular file", l.repo.rel(path)), "take it out of src/")
			}
			if Stray(filepath.ToSlash(rel)) {
				return hint.Add(fmt.Errorf("overlay file %s is one that an editor, git or the system has left, and would get into the release", l.repo.rel(path)), "remove it: rm %s", run.Quote(path))
			}
			name := "src/" + filepath.ToSlash(rel)
			if prev, dup := from[name]; dup {
				return hint.Add(fmt.Errorf("overlays src/%s and src/%s both have %s", prev, o, name), "keep one of them")
			}
			if err := checkFile(path); err != nil {
				return err
			}
			from[name] = o
			files = append(files, OverlayFile{Name: name, Path: path})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(files, func(a, b OverlayFile) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

func isFile(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.Mode().IsRegular()
}

func isDir(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.IsDir()
}

// globQuote returns a pattern for filepath.Glob that matches exactly s.
func globQuote(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}
