package proof

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Changes describes the changes that a line claims to make.
type Changes struct {
	Release  string // "go1.22.12-coro1"
	Upstream string // "go1.22.12"

	// Tree is the directory of the patched source tree, made again from the
	// verified upstream.
	Tree string

	// Named has the files that may differ, by name relative to GOROOT, each with
	// what changes it: patches, an overlay, or the driver itself.
	Named map[string]string

	// Stamped are generated files that hold the release's name.
	Stamped []string

	// Linked returns the source files, relative to GOROOT, that are linked
	// into a program of the package, such as bin/go.
	Linked func(program string) ([]string, error)
}

// Patches judges whether the changes explain all differences between the patched
// package and upstream's. A source file may differ only if it is named, and must
// then equal the patched tree's. A generated file may differ only in the release's
// name, and a program only if a file that differs is linked into it.
func Patches(patched, official *Package, c *Changes) (*Verdict, error) {
	v := new(Verdict)
	d := Compare(patched, official)
	changed := map[string]bool{}
	var programs []string
	stamped, sources := 0, 0
	for _, name := range slices.Concat(d.Differ, d.OnlyA, d.OnlyB) {
		switch {
		case IsBinary(name):
			programs = append(programs, name)
		case c.Named[name] != "":
			sources++
			changed[name] = true
			if err := c.source(v, patched, name); err != nil {
				return nil, err
			}
		case slices.Contains(c.Stamped, name):
			stamped++
			changed[name] = true
			if err := c.stamp(v, patched, official, name); err != nil {
				return nil, err
			}
		default:
			where := "differs"
			if slices.Contains(d.OnlyA, name) {
				where = "is not upstream's"
			} else if slices.Contains(d.OnlyB, name) {
				where = "is missing"
			}
			v.Fault("%s %s, and no patch, overlay file or rule of the driver names it", name, where)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Named)) {
		if !changed[name] {
			v.Fault("%s is named by %s, but the package has what upstream has: the same file, or none", name, c.Named[name])
		}
	}
	explained := 0
	for _, name := range programs {
		if _, ok := official.Files[name]; !ok {
			v.Fault("%s is not among upstream's programs", name)
			continue
		}
		if _, ok := patched.Files[name]; !ok {
			v.Fault("%s, one of upstream's programs, is missing", name)
			continue
		}
		linked, err := c.Linked(name)
		if err != nil {
			return nil, err
		}
		var why []string
		for _, f := range linked {
			if changed[f] {
				why = append(why, f)
			}
		}
		slices.Sort(why)
		why = slices.Compact(why)
		if len(why) == 0 {
			v.Fault("%s differs, and no file that differs is linked into it", name)
			continue
		}
		explained++
		v.Details = append(v.Details, fmt.Sprintf("%s holds %s", name, strings.Join(why, ", ")))
	}
	v.Text = fmt.Sprintf("%d of %d files are upstream's; %d differ as patches, overlay and driver say, %d only in the release's name, and %d programs because they link a changed file",
		d.Same, len(patched.Files), sources, stamped, explained)
	return v, nil
}

// source checks that a changed source file of the package is the tree's.
func (c *Changes) source(v *Verdict, p *Package, name string) error {
	want, err := os.ReadFile(filepath.Join(c.Tree, filepath.FromSlash(name)))
	_, packed := p.Files[name]
	switch {
	case os.IsNotExist(err) && !packed:
		return nil // a patch removes it
	case os.IsNotExist(err):
		v.Fault("%s, named by %s, is in the package and not in the patched tree", name, c.Named[name])
		return nil
	case err != nil:
		return err
	case !packed:
		v.Fault("%s, named by %s, is in the patched tree and not in the package", name, c.Named[name])
		return nil
	}
	got, err := p.Read(name)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		v.Fault("%s is named by %s, but is not what the patched tree has", name, c.Named[name])
	}
	return nil
}

// stamp checks that a generated file differs in the release's name only.
func (c *Changes) stamp(v *Verdict, patched, official *Package, name string) error {
	got, err := patched.Read(name)
	if err != nil {
		return err
	}
	want, err := official.Read(name)
	if err != nil {
		return err
	}
	if !bytes.Equal(bytes.ReplaceAll(got, []byte(c.Release), []byte(c.Upstream)), want) {
		v.Fault("%s, which make.bash generates, differs in more than the release's name", name)
	}
	return nil
}
