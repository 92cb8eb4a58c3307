// Package proof compares packages of Go toolchains, file by file, and judges
// what differs.
package proof

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/dirhash"
)

// A Package is the content of a toolchain module.
type Package struct {
	Name  string // of the file, for messages
	H1    string // hash of the module as the checksum database has it
	Files map[string]File
	zip   *zip.ReadCloser
}

// A File is one file of a package.
type File struct {
	Sum [sha256.Size]byte
	zip *zip.File
}

// Open reads the module zip of a toolchain: the names relative to GOROOT, with
// go.mod files under their own names, and the hash of each file.
func Open(file string) (*Package, error) {
	h1, err := dirhash.HashZip(file, dirhash.Hash1)
	if err != nil {
		return nil, fmt.Errorf("%s is no module zip: %w", file, err)
	}
	zr, err := zip.OpenReader(file)
	if err != nil {
		return nil, err
	}
	p := &Package{Name: path.Base(file), H1: h1, Files: map[string]File{}, zip: zr}
	for _, f := range zr.File {
		// golang.org/toolchain@VERSION/NAME
		i := strings.Index(f.Name, "@")
		_, name, ok := strings.Cut(f.Name[i+1:], "/")
		if i < 0 || !ok {
			zr.Close()
			return nil, fmt.Errorf("%s holds %q, want names of the form MODULE@VERSION/FILE", file, f.Name)
		}
		if path.Base(name) == "_go.mod" {
			name = path.Join(path.Dir(name), "go.mod")
		}
		if _, dup := p.Files[name]; dup {
			zr.Close()
			return nil, fmt.Errorf("%s holds %s twice", file, name)
		}
		r, err := f.Open()
		if err != nil {
			zr.Close()
			return nil, err
		}
		h := sha256.New()
		_, err = io.Copy(h, r)
		r.Close()
		if err != nil {
			zr.Close()
			return nil, fmt.Errorf("%s: %s: %w", file, f.Name, err)
		}
		p.Files[name] = File{Sum: [sha256.Size]byte(h.Sum(nil)), zip: f}
	}
	return p, nil
}

// Close closes the package's file.
func (p *Package) Close() error { return p.zip.Close() }

// Read returns the content of a file of the package.
func (p *Package) Read(name string) ([]byte, error) {
	f, ok := p.Files[name]
	if !ok {
		return nil, fmt.Errorf("%s has no %s", p.Name, name)
	}
	r, err := f.zip.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// A Diff is what differs between two packages, by name, sorted.
type Diff struct {
	Same   int // files that are equal
	Differ []string
	OnlyA  []string
	OnlyB  []string
}

// Equal reports whether nothing differs.
func (d *Diff) Equal() bool { return len(d.Differ)+len(d.OnlyA)+len(d.OnlyB) == 0 }

// Compare compares two packages file by file.
func Compare(a, b *Package) *Diff {
	d := new(Diff)
	for name, f := range a.Files {
		g, ok := b.Files[name]
		switch {
		case !ok:
			d.OnlyA = append(d.OnlyA, name)
		case f.Sum != g.Sum:
			d.Differ = append(d.Differ, name)
		default:
			d.Same++
		}
	}
	for name := range b.Files {
		if _, ok := a.Files[name]; !ok {
			d.OnlyB = append(d.OnlyB, name)
		}
	}
	for _, l := range [][]string{d.Differ, d.OnlyA, d.OnlyB} {
		slices.Sort(l)
	}
	return d
}

// IsBinary reports whether a file of a toolchain package is a compiled program.
func IsBinary(name string) bool {
	return strings.HasPrefix(name, "bin/") || strings.HasPrefix(name, "pkg/tool/")
}

// list returns names for a message, at most a dozen of them.
func list(names []string) string {
	const most = 12
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// A Verdict is the outcome of a proof.
type Verdict struct {
	Text    string   // figures, one line
	Details []string // lines below it
	Faults  []string // what is wrong; the proof holds if there are none
}

// Holds reports whether the proof holds.
func (v *Verdict) Holds() bool { return len(v.Faults) == 0 }

// Fault adds a fault.
func (v *Verdict) Fault(format string, args ...any) {
	v.Faults = append(v.Faults, fmt.Sprintf(format, args...))
}

// Print prints the lines below the text.
func (v *Verdict) Print() {
	for _, l := range v.Details {
		fmt.Printf("\t%s\n", l)
	}
	for _, l := range v.Faults {
		fmt.Printf("\tfault: %s\n", l)
	}
}

// Upstream compares a package of an unpatched upstream that was built here with the
// one that upstream published. For macOS upstream signs its programs with Apple's
// certificate, which nobody else can do: there it compares the programs without the
// signatures of either side.
func Upstream(ours, official *Package, goos string) (*Verdict, error) {
	v := new(Verdict)
	d := Compare(ours, official)
	total := len(official.Files)
	if d.Equal() {
		if ours.H1 != official.H1 {
			v.Fault("all files are equal, but %s is not %s", ours.H1, official.H1)
		}
		v.Text = fmt.Sprintf("%d of %d files equal, %s", d.Same, total, ours.H1)
		return v, nil
	}
	unsigned := 0
	var differ []string
	for _, name := range d.Differ {
		if goos != "darwin" || !IsBinary(name) {
			differ = append(differ, name)
			continue
		}
		var stripped [2][]byte
		for i, p := range []*Package{ours, official} {
			data, err := p.Read(name)
			if err != nil {
				return nil, err
			}
			if stripped[i], err = StripSignature(data); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", p.Name, name, err)
			}
		}
		if bytes.Equal(stripped[0], stripped[1]) {
			unsigned++
		} else {
			differ = append(differ, name)
		}
	}
	v.Text = fmt.Sprintf("%d of %d files equal", d.Same, total)
	if unsigned > 0 {
		v.Text += fmt.Sprintf(", and %d programs equal without the signatures that Apple's certificate makes", unsigned)
	}
	for _, l := range []struct {
		what  string
		names []string
	}{{"differ", differ}, {"only in what was built here", d.OnlyA}, {"only in what upstream published", d.OnlyB}} {
		if len(l.names) > 0 {
			v.Fault("%d %s: %s", len(l.names), l.what, list(l.names))
		}
	}
	return v, nil
}
