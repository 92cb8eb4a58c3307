// Package plant puts faults into a GOROOT without writing to it. It writes the
// changed files elsewhere, and a file for the go command's -overlay flag, which
// replaces the originals with them.
package plant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gocoro/build/hint"
	"gocoro/build/series"
)

// An Overlay is a set of changes to a GOROOT. Files are named by their paths
// in it, with slashes.
type Overlay struct {
	goroot string
	dir    string            // where the changed files are, laid out as in goroot
	files  map[string]string // the path in goroot to that of the changed file, "" for one that is gone
}

// New returns an overlay that changes nothing yet. What it writes goes below
// dir, which must be an empty directory.
func New(goroot, dir string) *Overlay {
	return &Overlay{goroot: goroot, dir: dir, files: map[string]string{}}
}

func (o *Overlay) paths(name string) (original, changed string) {
	name = filepath.FromSlash(name)
	return filepath.Join(o.goroot, name), filepath.Join(o.dir, name)
}

// Replace replaces old, which must be in the file once, with new.
func (o *Overlay) Replace(name, old, new string) error {
	original, changed := o.paths(name)
	from := original
	if at, ok := o.files[original]; ok {
		from = at
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if n := strings.Count(string(data), old); n != 1 {
		return hint.Add(fmt.Errorf("%s has %d places that read %q, want one", original, n, old), "change the planted fault as the file was changed")
	}
	return o.write(original, changed, []byte(strings.Replace(string(data), old, new, 1)))
}

// Add adds a file. One of that name must not be there.
func (o *Overlay) Add(name, text string) error {
	original, changed := o.paths(name)
	if _, err := os.Lstat(original); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already (%v), and would be added", original, err)
	}
	return o.write(original, changed, []byte(text))
}

// Remove removes a file.
func (o *Overlay) Remove(name string) error {
	original, _ := o.paths(name)
	if _, err := os.Lstat(original); err != nil {
		return err
	}
	o.files[original] = ""
	return nil
}

// Unapply takes patches out, the last one first.
func (o *Overlay) Unapply(ctx context.Context, patches []string) error {
	var names []string
	for _, file := range patches {
		p, err := series.Read(file)
		if err != nil {
			return err
		}
		names = append(names, p.Files...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for _, name := range names {
		original, changed := o.paths(name)
		data, err := os.ReadFile(original)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the patches remove it
		}
		if err != nil {
			return err
		}
		if err := o.write(original, changed, data); err != nil {
			return err
		}
	}
	for _, p := range slices.Backward(patches) {
		if out, err := series.Git(ctx, o.dir, "apply", "-R", p).CombinedOutput(); err != nil {
			return fmt.Errorf("git apply -R %s: %v: %s", p, err, out)
		}
	}
	for _, name := range names {
		original, changed := o.paths(name)
		o.files[original] = changed
		if _, err := os.Lstat(changed); errors.Is(err, fs.ErrNotExist) {
			o.files[original] = "" // the patches add it
		}
	}
	return nil
}

func (o *Overlay) write(original, changed string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(changed), 0o777); err != nil {
		return err
	}
	o.files[original] = changed
	return os.WriteFile(changed, data, 0o666)
}

// Flag returns the go command's flag that plants the changes. In GOFLAGS it
// reaches the go commands that tests run, too. A directory with a space in its
// path is an error: GOFLAGS would cut the flag there.
func (o *Overlay) Flag() (string, error) {
	file := filepath.Join(o.dir, "overlay.json")
	if strings.ContainsAny(file, " \t\n'\"") {
		return "", hint.Add(fmt.Errorf("%s cannot stand in GOFLAGS", strconv.Quote(file)), "set TMPDIR to a directory without spaces and quotes in its path")
	}
	data, err := json.Marshal(map[string]any{"Replace": o.files})
	if err != nil {
		return "", err
	}
	return "-overlay=" + file, os.WriteFile(file, data, 0o666)
}
