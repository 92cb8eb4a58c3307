// Package install puts built toolchains where their users keep them, and
// links each under its name so that GOTOOLCHAIN=<name> finds it on PATH.
//
// The record gocoro.json in an installed GOROOT says what it was made of. A
// folder without one is not ours and is never changed or removed.
package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

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
	Seal     string   `json:"seal"`     // of the folder as it was installed
}

// A Target is where a toolchain is, or will be, installed.
type Target struct {
	Root string // folder of GOROOTs, for example ~/sdk
	Bin  string // folder of the link, a PATH entry
	Name string // "go1.22.12-coro1"
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
		return "", fmt.Errorf("no home folder to install to: %v\n\tgive one with -root", err)
	}
	return filepath.Join(home, "sdk"), nil
}

// DefaultBin returns the folder that go install puts commands in: GOBIN, or
// bin in the first entry of GOPATH.
// trace, which may be nil, is called before the command runs that tells.
func DefaultBin(ctx context.Context, trace func(*exec.Cmd)) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOBIN", "GOPATH")
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOROOT=", "GOWORK=off", "PWD="+cmd.Dir)
	if trace != nil {
		trace(cmd)
	}
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go env GOBIN GOPATH: %v\n\tgive the folder of the link with -bin", err)
	}
	gobin, gopath, _ := strings.Cut(strings.TrimRight(string(out), "\n"), "\n")
	if gobin != "" {
		return gobin, nil
	}
	if list := filepath.SplitList(gopath); len(list) > 0 && list[0] != "" {
		return filepath.Join(list[0], "bin"), nil
	}
	return "", errors.New("neither GOBIN nor GOPATH is set\n\tgive the folder of the link with -bin")
}

// Read returns the record of the GOROOT at dir. The error is fs.ErrNotExist
// if there is nothing of that name, a ForeignError if it has no record, and a
// DamagedError if the record cannot be read.
func Read(dir string) (*Record, error) {
	switch _, err := os.Lstat(dir); {
	case errors.Is(err, syscall.ENOTDIR): // a file is in the way
		return nil, fs.ErrNotExist
	case err != nil:
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(dir, RecordFile))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, &ForeignError{dir}
	}
	if err != nil {
		return nil, err
	}
	r := new(Record)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, &DamagedError{dir, err}
	}
	return r, nil
}

// A ForeignError reports a folder that gocoro did not install.
type ForeignError struct{ Dir string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s exists and was not installed by gocoro (it has no %s)\n\tmove it away, or choose another folder with -root", e.Dir, RecordFile)
}

// A DamagedError reports an installation whose record cannot be read.
type DamagedError struct {
	Dir string
	Err error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s: %v\n\tthe installation is damaged: repair it with go run ./build install -replace", filepath.Join(e.Dir, RecordFile), e.Err)
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

func (t *Target) goBinary() string { return filepath.Join(t.GOROOT(), "bin", "go") }

// Writable makes the target's folders and checks that files can be made in
// them. It is called before a build of minutes, not after.
func (t *Target) Writable() error {
	for _, v := range [][2]string{{"-root", t.Root}, {"-bin", t.Bin}} {
		flag, dir := v[0], v[1]
		if !filepath.IsAbs(dir) {
			return fmt.Errorf("%s %q is not an absolute path", flag, dir)
		}
		err := os.MkdirAll(dir, 0o777)
		if err == nil {
			var f *os.File
			if f, err = os.CreateTemp(dir, ".gocoro-*"); err == nil {
				f.Close()
				err = os.Remove(f.Name())
			}
		}
		if err != nil {
			return fmt.Errorf("cannot install into %s: %w\n\tchoose a folder that you may write to with %s", dir, err, flag)
		}
	}
	if st, err := os.Lstat(t.Link()); err == nil && st.Mode()&fs.ModeSymlink == 0 {
		return fmt.Errorf("%s exists and is not a link made by gocoro\n\tmove it away, or choose another folder with -bin", t.Link())
	}
	return nil
}

// Install copies the GOROOT at built to the target and links it. What is
// there now, if anything, is replaced in one rename and kept until then.
func (t *Target) Install(ctx context.Context, built string, r *Record) error {
	tmp := t.GOROOT() + ".gocoro-new"
	old := t.GOROOT() + ".gocoro-old"
	if err := store.RemoveAll(tmp); err != nil { // left by a killed run
		return err
	}
	defer store.RemoveAll(tmp)
	if err := tree.Copy(ctx, tmp, built, nil); err != nil {
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
	if err := os.WriteFile(filepath.Join(tmp, RecordFile), append(data, '\n'), 0o644); err != nil {
		return err
	}
	if err := store.RemoveAll(old); err != nil {
		return err
	}
	if err := os.Rename(t.GOROOT(), old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(tmp, t.GOROOT()); err != nil {
		os.Rename(old, t.GOROOT())
		return err
	}
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
	tmp := t.Link() + ".gocoro-new"
	os.Remove(tmp)
	if err := os.Symlink(t.goBinary(), tmp); err != nil {
		return err
	}
	return os.Rename(tmp, t.Link())
}

// Uninstall removes the toolchain and its link. What gocoro did not install
// is an error and stays.
func (t *Target) Uninstall() error {
	linked := t.Linked()
	_, err := Read(t.GOROOT())
	var damaged *DamagedError
	switch absent := errors.Is(err, fs.ErrNotExist); {
	case absent && !linked:
		have, _ := List(t.Root)
		names := make([]string, len(have))
		for i, r := range have {
			names[i] = r.Release
		}
		if len(names) == 0 {
			names = []string{"no gocoro toolchain"}
		}
		return fmt.Errorf("%s is not installed: %s has %s\n\tgo run ./build list shows what is installed; -root names another folder", t.Name, t.Root, strings.Join(names, ", "))
	case err != nil && !absent && !errors.As(err, &damaged):
		return err
	}
	// The link goes first: what GOTOOLCHAIN finds must be whole.
	if linked {
		if err := os.Remove(t.Link()); err != nil {
			return err
		}
	}
	gone := t.GOROOT() + ".gocoro-old"
	if err := store.RemoveAll(gone); err != nil {
		return err
	}
	if err := os.Rename(t.GOROOT(), gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return store.RemoveAll(gone)
}

// List returns the records of the toolchains installed in root, by name.
func List(root string) ([]*Record, error) {
	ents, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var recs []*Record
	for _, e := range ents {
		r, err := Read(filepath.Join(root, e.Name()))
		if err == nil && r.Release == e.Name() {
			recs = append(recs, r)
		}
	}
	sort.Slice(recs, func(i, j int) bool { return recs[i].Release < recs[j].Release })
	return recs, nil
}
