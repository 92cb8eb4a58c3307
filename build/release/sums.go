package release

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gocoro/build/proof"
	"gocoro/build/store"
)

// sums compares the files with SHA256SUMS and releases.json.
func (c *Checker) sums(f *Folder) error {
	v := new(proof.Verdict)
	for _, name := range f.names() {
		switch got, err := store.Sum(f.path(name)); {
		case errors.Is(err, fs.ErrNotExist):
			v.Fault("%s is missing", name)
		case err != nil:
			v.Fault("%s cannot be read: %v", name, err)
		case got != f.Sums[name]:
			v.Fault("%s is %s, %s says %s", name, got, SumsFile, f.Sums[name])
		}
	}
	// Look for other files. The name of a signature begins with that of a file.
	unlisted := 0
	err := filepath.WalkDir(c.Dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(c.Dir, file)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		ok := d.IsDir() || f.Sums[name] != "" || name == SumsFile || strings.HasPrefix(name, SumsFile+".") || strings.HasPrefix(name, sumdbDir+"/")
		for n := range f.Sums {
			ok = ok || strings.HasSuffix(n, ".provenance.json") && strings.HasPrefix(name, n+".")
		}
		switch {
		case ok:
		case f.Flat: // where downloads go, for example
			unlisted++
		default:
			v.Fault("%s is a stray file: %s does not list it", name, SumsFile)
		}
		if d.IsDir() && f.Flat && file != c.Dir {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return err
	}
	list, err := ReadIndex(f.path(IndexFile))
	if err != nil {
		v.Fault("%v", err)
	}
	listed := map[string]bool{}
	for _, r := range list {
		for _, d := range r.Files {
			listed[d.Filename] = true
			switch info, err := os.Stat(f.path(d.Filename)); {
			case err != nil:
				v.Fault("%s lists %s: %v", IndexFile, d.Filename, err)
			case info.Size() != d.Size || f.Sums[d.Filename] != d.SHA256:
				v.Fault("%s says of %s: %d bytes, %s; the file has %d bytes, and %s says %q", IndexFile, d.Filename, d.Size, d.SHA256, info.Size(), SumsFile, f.Sums[d.Filename])
			}
		}
	}
	for name := range f.Sums {
		if strings.HasSuffix(name, ".tar.gz") && !listed[name] {
			v.Fault("%s does not list %s", IndexFile, name)
		}
	}
	slices.Sort(v.Faults)
	v.Text = fmt.Sprintf("%d files, %d releases", len(f.Sums), len(list))
	if unlisted > 0 {
		v.Details = append(v.Details, fmt.Sprintf("%d other files, which %s does not list, were not looked at", unlisted, SumsFile))
	}
	c.Say("directory", "", v)
	return nil
}
