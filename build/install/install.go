// Package install installs built toolchains, and links each under its name so
// that GOTOOLCHAIN=<name> finds it on PATH.
//
// The record gocoro.json in an installed GOROOT says what it was made of. The
// package never changes or removes a directory without one, unless its name and its
// VERSION are those of a release, and the user says so. While it works, it uses
// names beside the GOROOT that end in .gocoro-new and .gocoro-old.
package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/run"
	"gocoro/build/store"
	"gocoro/build/tree"
)

// RecordFile is the name of the record in an installed GOROOT.
const RecordFile = "gocoro.json"

// A Record says what an installed toolchain was made of.
type Record struct {
	Release  string   `json:"release"`  // "go1.22.12-coro1"
	Upstream string   `json:"upstream"` // "go1.22.12"
	Source   string   `json:"source"`   // the content it was made from, "h1:..."
	Verified string   `json:"verified"` // what that was checked against
	Key      string   `json:"key"`      // hash of everything that went in
	Patches  []string `json:"patches"`  // base names, in order
	Overlay  []string `json:"overlay"`  // names relative to GOROOT
	Seal     string   `json:"seal"`     // of the directory as it was installed
}

// A Target is where a toolchain is, or will be, installed.
type Target struct {
	Root string // directory of GOROOTs, for example ~/sdk
	Bin  string // directory of the link, a PATH entry
	Name string // "go1.22.12-coro1"

	// Flags are those that make another command mean the same directories, as
	// they are typed, each with a space before it.
	Flags string
}

// Named returns the target of another toolchain in the same directories.
func (t *Target) Named(name string) *Target {
	return &Target{Root: t.Root, Bin: t.Bin, Name: name, Flags: t.Flags}
}

// Repair returns the command that reinstalls a damaged toolchain.
func (t *Target) Repair() string {
	return "go run ./build install -replace -line " + t.Name + t.Flags
}

// GOROOT returns the installed GOROOT.
func (t *Target) GOROOT() string { return filepath.Join(t.Root, t.Name) }

// Link returns the link that the go command looks for on PATH.
func (t *Target) Link() string { return filepath.Join(t.Bin, t.Name) }

// DefaultRoot returns ~/sdk, where the go command's own golang.org/dl
// installers put toolchains.
func DefaultRoot() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", hint.Add(fmt.Errorf("no home directory to install to: %v", err), "give one with -root")
	}
	return filepath.Join(home, "sdk"), nil
}

// DefaultBin returns the directory that go install puts commands in: GOBIN, or
// bin in the first entry of GOPATH.
// If trace is non-nil, it is called before the go command is run.
func DefaultBin(ctx context.Context, trace func(*exec.Cmd)) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOBIN", "GOPATH")
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOROOT=", "GOWORK=off", "PWD="+cmd.Dir)
	if trace != nil {
		trace(cmd)
	}
	out, err := cmd.Output()
	if err != nil {
		return "", hint.Add(fmt.Errorf("go env GOBIN GOPATH: %v", err), "give the directory of the link with -bin")
	}
	gobin, gopath, _ := strings.Cut(strings.TrimRight(string(out), "\n"), "\n")
	if gobin != "" {
		return gobin, nil
	}
	if list := filepath.SplitList(gopath); len(list) > 0 && list[0] != "" {
		return filepath.Join(list[0], "bin"), nil
	}
	return "", hint.Add(errors.New("neither GOBIN nor GOPATH is set"), "give the directory of the link with -bin")
}

// Read returns the record of the GOROOT at dir. The error is fs.ErrNotExist if
// there is nothing of that name. It is a DamagedError if the record is missing,
// cannot be read or is another release's, and VERSION says that dir is the release
// of its name. Another directory without a record is somebody else's, and also an
// error.
func Read(dir string) (*Record, error) {
	switch _, err := os.Lstat(dir); {
	case errors.Is(err, syscall.ENOTDIR): // a file is in the way
		return nil, fs.ErrNotExist
	case err != nil:
		return nil, err
	}
	name := filepath.Base(dir)
	data, _ := os.ReadFile(filepath.Join(dir, "VERSION"))
	version, _, _ := strings.Cut(string(data), "\n")
	ours := line.IsName(name) && version == name
	r, err := readRecord(filepath.Join(dir, RecordFile))
	switch {
	case err == nil && ours && r.Release != name:
		return nil, &DamagedError{dir, fmt.Errorf("it is of %s", r.Release)}
	case err == nil:
		return r, nil
	case ours:
		return nil, &DamagedError{dir, err}
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		return nil, hint.Add(fmt.Errorf("%s exists and was not installed by gocoro (it has no %s)", dir, RecordFile), "move it away, or choose another directory with -root")
	}
	return nil, hint.Add(fmt.Errorf("%s may not be gocoro's: its %s is damaged (%v), and its VERSION is %q", dir, RecordFile, err, version), "look at it, and remove it by hand: rm -rf %s", run.Quote(dir))
}

func readRecord(file string) (*Record, error) {
	data, err := os.ReadFile(file)
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, pe.Err // who reads the error knows the file
	}
	r := new(Record)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, err
	}
	if r.Release == "" {
		return nil, errors.New("it names no release")
	}
	return r, nil
}

// A DamagedError reports an installation without a record that can be used.
type DamagedError struct {
	Dir string
	Err error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the record of an installation is damaged: %s: %v", filepath.Join(e.Dir, RecordFile), e.Err)
}

// State is what Check found at a target.
type State int

const (
	Absent   State = iota // nothing there
	Current               // installed from the same key, unchanged since
	Other                 // installed from another key
	Modified              // installed by gocoro, files changed since
)

// Check compares what is installed at the target with the key it should have.
func (t *Target) Check(key string) (State, error) {
	r, err := Read(t.GOROOT())
	var damaged *DamagedError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Absent, nil
	case errors.As(err, &damaged):
		return Modified, nil
	case err != nil:
		return 0, err
	case r.Key != key:
		return Other, nil
	}
	seal, err := store.Seal(t.GOROOT(), RecordFile)
	if err != nil {
		return 0, err
	}
	if seal != r.Seal {
		return Modified, nil
	}
	return Current, nil
}

// Linked reports whether the link is in place.
func (t *Target) Linked() bool {
	got, err := os.Readlink(t.Link())
	return err == nil && got == t.goBinary()
}

// OnPath reports whether the directories of path, as PATH lists them, include that
// of the link, under this name or another one.
func (t *Target) OnPath(path string) bool {
	bin, _ := os.Stat(t.Bin) // nil if it is to be made
	return slices.ContainsFunc(filepath.SplitList(path), func(dir string) bool {
		st, err := os.Stat(dir)
		return filepath.Clean(dir) == t.Bin || filepath.IsAbs(dir) && err == nil && os.SameFile(st, bin)
	})
}

func (t *Target) goBinary() string { return filepath.Join(t.GOROOT(), "bin", "go") }

// Allowed checks that the target's directories are suitable, and that an existing
// link was made by gocoro. cache is the root of the build cache. It changes
// nothing.
func (t *Target) Allowed(cache string) error {
	for _, v := range []struct{ flag, dir string }{{"-root", t.Root}, {"-bin", t.Bin}} {
		if !filepath.IsAbs(v.dir) {
			return fmt.Errorf("%s %q is not an absolute path", v.flag, v.dir)
		}
		switch st, err := os.Stat(v.dir); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return cannotInstall(v.flag, v.dir, err)
		case !st.IsDir():
			return cannotInstall(v.flag, v.dir, syscall.ENOTDIR)
		}
		if err := store.MayWrite(v.dir); err != nil {
			return cannotInstall(v.flag, v.dir, err)
		}
		if within(v.dir, cache) {
			return hint.Add(fmt.Errorf("%s %s is in the build cache, which go run ./build clean empties", v.flag, v.dir), "choose a directory outside of it with %s", v.flag)
		}
		goroot := around(v.dir, "VERSION", "bin/go")
		if v.flag == "-bin" { // a link in another's bin does no harm
			goroot = around(v.dir, RecordFile)
		}
		if within(v.dir, t.GOROOT()) {
			goroot = t.GOROOT()
		}
		if goroot != "" {
			return hint.Add(fmt.Errorf("%s %s is in a Go toolchain, %s, which must not change", v.flag, v.dir, goroot), "choose a directory outside of it, such as %s %s", v.flag, filepath.Dir(goroot))
		}
	}
	if t.Link() == t.GOROOT() {
		return hint.Add(fmt.Errorf("-root and -bin are both %s, where the toolchain and its link would have the same name", t.Root), "choose another directory with -bin")
	}
	switch to, err := os.Readlink(t.Link()); {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
	case err != nil:
		return hint.Add(fmt.Errorf("%s exists and is not a link made by gocoro", t.Link()), "move it away, or choose another directory with -bin")
	case !strings.HasSuffix(to, filepath.Join("/", t.Name, "bin", "go")):
		return hint.Add(fmt.Errorf("%s is a link to %s, which gocoro did not make", t.Link(), to), "move it away, or choose another directory with -bin")
	}
	return nil
}

// around returns dir or the nearest directory above it that has all of the files,
// or "". Dir need not exist.
func around(dir string, files ...string) string {
	for {
		if !slices.ContainsFunc(files, func(f string) bool { return !isFile(filepath.Join(dir, f)) }) {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

func isFile(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.Mode().IsRegular()
}

// within reports whether path is dir or is in it.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

func cannotInstall(flag, dir string, err error) error {
	return hint.Add(fmt.Errorf("cannot install into %s: %w", dir, err), "choose a directory that you may write to with %s", flag)
}

// Lock keeps other processes from changing what is installed at the target.
func (t *Target) Lock(ctx context.Context, st *store.Store) (io.Closer, error) {
	var k store.Key
	k.Add("install", []byte(t.GOROOT()))
	return st.Lock(ctx, "install-"+k.String())
}

// Writable makes the target's directories and checks that files can be made in
// them. It is called before a build of minutes, not after.
func (t *Target) Writable() error {
	for _, v := range [][2]string{{"-root", t.Root}, {"-bin", t.Bin}} {
		if err := store.Probe(v[1]); err != nil {
			return cannotInstall(v[0], v[1], err)
		}
	}
	return nil
}

// atWrite is called before each change of what is installed, for a test that
// kills the program there.
var atWrite = func(what string) {}

// Install copies the GOROOT at built to the target and links it. An installed
// toolchain stays in place until the copy is complete.
func (t *Target) Install(ctx context.Context, built string, r *Record) error {
	tmp, old := t.GOROOT()+newSuffix, t.GOROOT()+oldSuffix
	if err := store.RemoveAll(tmp); err != nil { // left by a killed run
		return err
	}
	defer store.RemoveAll(tmp)
	atWrite("copy")
	if err := tree.Copy(ctx, tmp, built); err != nil {
		return err
	}
	seal, err := store.Seal(tmp, RecordFile)
	if err != nil {
		return err
	}
	rec := *r
	rec.Seal = seal
	data, err := json.MarshalIndent(&rec, "", "\t")
	if err != nil {
		return err
	}
	atWrite("record")
	if err := store.WriteFile(filepath.Join(tmp, RecordFile), append(data, '\n')); err != nil {
		return err
	}
	// The installed toolchain stays complete until the new one is.
	atWrite("make room")
	if err := store.RemoveAll(old); err != nil {
		return err
	}
	atWrite("move the old away")
	if err := os.Rename(t.GOROOT(), old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	atWrite("move the new in")
	if err := os.Rename(tmp, t.GOROOT()); err != nil {
		os.Rename(old, t.GOROOT())
		return err
	}
	atWrite("remove the old")
	if err := store.RemoveAll(old); err != nil {
		return err
	}
	return t.MakeLink()
}

// MakeLink points the link at the installed go command. The go command finds
// its GOROOT by following the link; a copy of the binary would not.
func (t *Target) MakeLink() error {
	if t.Linked() {
		return nil
	}
	tmp := t.Link() + newSuffix
	atWrite("write the link")
	os.Remove(tmp)
	if err := os.Symlink(t.goBinary(), tmp); err != nil {
		return err
	}
	atWrite("move the link in")
	return os.Rename(tmp, t.Link())
}

// An Entry is a toolchain that is installed in a root.
type Entry struct {
	Name   string
	Record *Record // nil if Err is not
	Err    error   // a *DamagedError
}

// List returns the toolchains installed in root, by name, damaged ones
// included.
func List(root string) ([]Entry, error) {
	ents, err := readDir(root)
	if err != nil {
		return nil, err
	}
	var list []Entry
	for _, e := range ents {
		r, err := Read(filepath.Join(root, e.Name()))
		var damaged *DamagedError
		switch {
		case errors.As(err, &damaged):
			list = append(list, Entry{Name: e.Name(), Err: err})
		case err == nil && r.Release == e.Name():
			list = append(list, Entry{Name: e.Name(), Record: r})
		}
	}
	return list, nil // os.ReadDir sorts
}

// A Leftover is a file or directory that a killed run has left.
type Leftover struct {
	Path string
	Fix  string // the command that puts it right
}

// Leftovers returns what killed runs have left in the root and in the directory
// of the links: unfinished copies, and links to toolchains that are gone.
func Leftovers(root, bin string) ([]Leftover, error) {
	var left []Leftover
	back := map[string]bool{} // names whose toolchain can be restored
	add := func(path string) {
		left = append(left, Leftover{path, "rm -rf " + run.Quote(path)})
	}
	ents, err := readDir(root)
	if err != nil {
		return nil, err
	}
	for _, e := range ents {
		path := filepath.Join(root, e.Name())
		goroot, old := strings.CutSuffix(path, oldSuffix)
		switch {
		case !isTemporary(e.Name()):
		case old && !isDir(goroot) && whole(path):
			// The run was killed between the two renames of an installation, or
			// before an uninstallation removed anything.
			left = append(left, Leftover{path, "mv " + run.Quote(path) + " " + run.Quote(goroot)})
			back[filepath.Base(goroot)] = true
		default:
			add(path)
		}
	}
	if ents, err = readDir(bin); err != nil {
		return nil, err
	}
	for _, e := range ents {
		link := filepath.Join(bin, e.Name())
		if e.Type()&fs.ModeSymlink == 0 {
			continue
		}
		_, err := os.Stat(link)
		if isTemporary(e.Name()) || line.IsName(e.Name()) && errors.Is(err, fs.ErrNotExist) && !back[e.Name()] {
			add(link)
		}
	}
	return left, nil
}

// While gocoro works on a target, it uses the target's name with these suffixes.
const (
	newSuffix = ".gocoro-new"
	oldSuffix = ".gocoro-old"
)

func isTemporary(name string) bool {
	for _, suffix := range []string{newSuffix, oldSuffix} {
		if of, ok := strings.CutSuffix(name, suffix); ok && line.IsName(of) {
			return true
		}
	}
	return false
}

// whole reports whether dir has all files that were installed, unchanged.
func whole(dir string) bool {
	r, err := Read(dir)
	if err != nil {
		return false
	}
	seal, err := store.Seal(dir, RecordFile)
	return err == nil && seal == r.Seal
}

func isDir(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.IsDir()
}

// readDir is os.ReadDir, but takes a directory that does not exist for empty.
func readDir(dir string) ([]fs.DirEntry, error) {
	ents, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return ents, err
}
