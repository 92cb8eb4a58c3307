package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"gocoro/build/hint"
	"gocoro/build/run"
	"gocoro/build/store"
)

// A Removal says what is removed to uninstall a target.
type Removal struct {
	Target *Target
	Paths  []string // what is removed
	Kept   []string // what has the name of the link and is not gocoro's
}

// Removal says what uninstalling the target removes, and changes nothing. It
// returns an error if gocoro did not install the target, or, unless force is set,
// if files have changed since or may have.
func (t *Target) Removal(force bool) (*Removal, error) {
	rm := &Removal{Target: t}
	add := func(path string) {
		if _, err := os.Lstat(path); err == nil {
			rm.Paths = append(rm.Paths, path)
		}
	}
	r, err := Read(t.GOROOT())
	var damaged *DamagedError
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.As(err, &damaged):
		if !force {
			return nil, hint.Add(fmt.Errorf("%s is damaged (%s: %v), so it is unknown whether its files were changed", t.GOROOT(), RecordFile, damaged.Err), "to remove it anyway: go run ./build uninstall -force%s %s", t.Flags, t.Name)
		}
	case err != nil:
		return nil, err
	case r.Release != t.Name:
		return nil, hint.Add(fmt.Errorf("%s holds %s: it was renamed or copied after it was installed", t.GOROOT(), r.Release), "look at it, and remove it by hand: rm -rf %s", run.Quote(t.GOROOT()))
	case !force:
		seal, err := store.Seal(t.GOROOT(), RecordFile)
		if err != nil {
			return nil, err
		}
		if seal != r.Seal {
			return nil, hint.Add(fmt.Errorf("files in %s have changed since it was installed", t.GOROOT()), "move the directory away to keep them, or discard them: go run ./build uninstall -force%s %s", t.Flags, t.Name)
		}
	}
	if t.Linked() {
		add(t.Link())
	} else if _, err := os.Lstat(t.Link()); err == nil {
		rm.Kept = append(rm.Kept, t.Link())
	}
	// Also remove what a killed run has left.
	for _, path := range []string{t.GOROOT(), t.GOROOT() + oldSuffix, t.GOROOT() + newSuffix, t.Link() + newSuffix} {
		add(path)
	}
	for _, path := range rm.Paths {
		if err := store.MayWrite(filepath.Dir(path)); err != nil {
			return nil, hint.Add(fmt.Errorf("cannot remove %s: %w", path, err), "uninstall it as the user who installed it")
		}
	}
	if len(rm.Paths) > 0 {
		return rm, nil
	}
	have, err := List(t.Root)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(have))
	for i, e := range have {
		names[i] = e.Name
	}
	if len(names) == 0 {
		names = []string{"no gocoro toolchain"}
	}
	return nil, hint.Add(fmt.Errorf("%s is not installed: %s has %s", t.Name, t.Root, strings.Join(names, ", ")), "go run ./build list%s shows what is installed; -root names another directory", t.Flags)
}

// Do removes it.
func (rm *Removal) Do() error {
	t := rm.Target
	if err := rm.do(); err != nil {
		return hint.Add(fmt.Errorf("removing %s: %w", t.Name, err), "to remove the rest: go run ./build uninstall -force%s %s", t.Flags, t.Name)
	}
	return nil
}

func (rm *Removal) do() error {
	t := rm.Target
	// The link goes first: what GOTOOLCHAIN finds must be whole.
	if t.Linked() {
		atWrite("remove the link")
		if err := os.Remove(t.Link()); err != nil {
			return err
		}
	}
	gone := t.GOROOT() + oldSuffix
	atWrite("make room")
	if err := store.RemoveAll(gone); err != nil {
		return err
	}
	atWrite("move away")
	if err := os.Rename(t.GOROOT(), gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, path := range []string{gone, t.GOROOT() + newSuffix, t.Link() + newSuffix} {
		atWrite("remove " + filepath.Base(path))
		if err := store.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// Unset is the command that undoes go env -w GOTOOLCHAIN=<name>. If <name> is not
// installed, all go commands fail unless GOTOOLCHAIN=local is set.
const Unset = "GOTOOLCHAIN=local go env -u GOTOOLCHAIN"

// Warnings says which settings make go commands fail once the target is removed,
// each with the command that undoes it.
func (rm *Removal) Warnings() []string {
	if rm.stays() {
		return nil
	}
	var ws []string
	warn := func(value, where, cure string) {
		if name, _, _ := strings.Cut(value, "+"); name == rm.Target.Name {
			ws = append(ws, fmt.Sprintf("GOTOOLCHAIN=%s is set in %s: without %s every go command fails, until you type\n\t%s", value, where, name, cure))
		}
	}
	file := GoEnvFile()
	warn(ReadGoEnv(file)["GOTOOLCHAIN"], file+" (by go env -w)", Unset)
	warn(os.Getenv("GOTOOLCHAIN"), "the environment", "unset GOTOOLCHAIN")
	return ws
}

// stays reports whether PATH has another toolchain of the name.
func (rm *Removal) stays() bool {
	t := rm.Target
	goroot, err := filepath.EvalSymlinks(t.GOROOT())
	if err != nil {
		goroot = t.GOROOT()
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		file := filepath.Join(dir, t.Name)
		if !filepath.IsAbs(dir) || file == t.Link() && t.Linked() {
			continue
		}
		real, err := filepath.EvalSymlinks(file)
		if err != nil || within(real, goroot) {
			continue
		}
		if _, err := exec.LookPath(file); err == nil {
			return true
		}
	}
	return false
}

// GoEnvFile returns the name of the file that go env -w writes, or "" if there
// is none.
func GoEnvFile() string {
	switch file := os.Getenv("GOENV"); file {
	case "off":
		return ""
	case "":
		dir, err := os.UserConfigDir()
		if err != nil {
			return ""
		}
		return filepath.Join(dir, "go", "env")
	default:
		return file
	}
}

// ReadGoEnv returns the settings in a file that go env -w has written.
func ReadGoEnv(file string) map[string]string {
	set := map[string]string{}
	data, err := os.ReadFile(file)
	if err != nil {
		return set
	}
	for l := range strings.SplitSeq(string(data), "\n") {
		if k, v, ok := strings.Cut(l, "="); ok && !strings.HasPrefix(l, "#") {
			set[k] = strings.TrimSuffix(v, "\r")
		}
	}
	return set
}
