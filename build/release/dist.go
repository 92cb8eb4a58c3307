package release

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/dirhash"

	"gocoro/build/command"
	"gocoro/build/dist"
	"gocoro/build/driver"
	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/options"
	"gocoro/build/run"
	"gocoro/build/store"
	"gocoro/build/sumdb"
)

// modulePath is the path of the toolchain module.
const modulePath = "golang.org/toolchain"

// A distribution is what dist was asked for.
type distribution struct {
	platforms []string
	folder    *Folder
	key       *sumdb.Key // nil: no checksum database
	signCmd   string
	builder   string
}

// Dist is the command that makes the packages of a release.
func Dist(fs *flag.FlagSet) command.Func {
	f := new(options.Dist)
	f.Register(fs)
	return command.FlagsOnly(func(ctx context.Context) error {
		o := &distribution{signCmd: f.SignCmd, builder: f.Builder}
		var err error
		if o.platforms, err = dist.ParsePlatforms(f.Platform); err != nil {
			return err
		}
		if f.Flat && f.KeyFile != "" {
			return hint.Add(errors.New("a checksum database has directories, a flat release has none"), "leave out -sumdb-key or -flat")
		}
		if f.KeyFile != "" {
			if o.key, err = sumdb.ReadKey(f.KeyFile); err != nil {
				return err
			}
		}
		if f.Out == "" {
			repo, err := line.FindRepo(".")
			if err != nil {
				return err
			}
			f.Out = filepath.Join(repo.Dir, "dist")
		}
		abs, err := filepath.Abs(f.Out)
		if err != nil {
			return err
		}
		if o.folder, err = OpenFolder(abs); err != nil {
			return err
		}
		if err := o.folder.lay(f.Flat); err != nil {
			return err
		}
		d, err := f.Open()
		if err != nil {
			return err
		}
		if err := o.folder.ours(d.Store.Root); err != nil {
			return err
		}
		if !d.Dry {
			if err := o.folder.writable(); err != nil {
				return err
			}
		}
		for name := range strings.SplitSeq(os.Getenv(leakVar), ",") {
			if name != "" {
				d.Leak = append(d.Leak, name+"="+os.Getenv(name))
			}
		}
		return d.Use(ctx, func() error {
			dirs, err := d.Dist(ctx, o.platforms)
			if err != nil || d.Dry {
				return err
			}
			if err := o.publish(ctx, d, dirs); err != nil {
				if text := err.Error(); strings.Contains(text, "no space left") {
					err = hint.Add(err, "%s is full: choose another release directory with -o", o.folder.Dir)
				}
				return fmt.Errorf("dist: %w", err)
			}
			return nil
		})
	})
}

// publish puts the packages from the directories dirs, by platform, into the
// release directory, with the files that describe them. It writes the packages
// first and the list of hashes last, so that all files that the list names exist.
func (o *distribution) publish(ctx context.Context, d *driver.Driver, dirs map[string]string) error {
	var k store.Key
	k.Add("release directory", []byte(o.folder.Dir))
	lock, err := d.Store.Lock(ctx, "release-"+k.String())
	if err != nil {
		return err
	}
	defer lock.Close()
	flat := o.folder.Flat
	if o.folder, err = OpenFolder(o.folder.Dir); err != nil { // again, under the lock
		return err
	}
	if err := o.folder.lay(flat); err != nil {
		return err
	}
	if err := o.folder.sweep(); err != nil {
		return err
	}

	// Everything is checked and made before anything is published.
	packages, subjects, records, err := o.accept(d.Release(), dirs)
	if err != nil {
		return err
	}
	if err := o.known(records); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(o.folder.Dir, unfinished+"*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	described, toSign, err := o.describe(ctx, d, tmp, packages, subjects)
	if err != nil {
		return err
	}
	var signatures []string
	if o.signCmd != "" {
		for _, f := range toSign {
			made, err := sign(ctx, o.signCmd, filepath.Join(tmp, f))
			if err != nil {
				return err
			}
			signatures = append(signatures, made...)
		}
	}

	if err := o.folder.begin(); err != nil {
		return err
	}
	for _, f := range packages {
		if err := o.folder.Add(f.name, f.from, f.sum); err != nil {
			return err
		}
	}
	if o.key != nil {
		if err := sumdb.Add(o.folder.path("proxy"), o.key, records); err != nil {
			return err
		}
	}
	for _, f := range described {
		if err := o.folder.Add(f.name, f.from, f.sum); err != nil {
			return err
		}
	}
	// The list and its signature belong together and come last.
	for _, n := range append(signatures, SumsFile) {
		data, err := os.ReadFile(filepath.Join(tmp, n))
		if err != nil {
			return err
		}
		if err := store.WriteFile(o.folder.path(n), data); err != nil {
			return err
		}
	}
	o.report(d.Release())
	return nil
}

// A file is one that goes into the release directory.
type file struct{ name, from, sum string }

// accept returns the packages, the subjects of each platform's provenance
// statement, and the records of the modules. It returns an error if a package is
// published with other bytes.
func (o *distribution) accept(release string, dirs map[string]string) (files []file, subjects map[string][]Subject, records []sumdb.Record, err error) {
	subjects = map[string][]Subject{}
	for _, p := range o.platforms {
		packages := o.folder.packages(release, p)
		for _, to := range slices.Sorted(maps.Keys(packages)) {
			from := filepath.Join(dirs[p], packages[to])
			sum, err := store.Sum(from)
			if err != nil {
				return nil, nil, nil, err
			}
			if err := o.folder.Accept(to, sum); err != nil {
				return nil, nil, nil, err
			}
			subjects[p] = append(subjects[p], Subject{Name: to, Digest: map[string]string{"sha256": sum}})
			// The sources are the same for all platforms, which Dist has checked.
			if !slices.ContainsFunc(files, func(f file) bool { return f.name == to }) {
				files = append(files, file{to, from, sum})
			}
		}
		r, err := record(dirs[p], dist.FilesOf(release, p))
		if err != nil {
			return nil, nil, nil, err
		}
		records = append(records, *r)
	}
	return files, subjects, records, nil
}

// known checks that each checksum database of the directory has the modules, or
// will have them: with one in GOSUMDB, a user gets only modules that it has.
func (o *distribution) known(records []sumdb.Record) error {
	own := ""
	if o.key != nil {
		if err := sumdb.Check(o.folder.path("proxy"), o.key, records); err != nil {
			return err
		}
		own = sumdb.Dir(o.folder.path("proxy"), o.key.Name())
	}
	databases, err := o.folder.databases()
	if err != nil {
		return err
	}
	delete(databases, own)
	for _, dir := range slices.Sorted(maps.Keys(databases)) {
		for _, r := range records {
			if _, err := sumdb.Lookup(dir, databases[dir], r.Path, r.Version); err != nil {
				return hint.Add(fmt.Errorf("the checksum database in %s would not know %s: %v", dir, r.Version, err), "give its key with -sumdb-key, or another directory with -o")
			}
		}
	}
	return nil
}

// describe makes in tmp the files that describe the packages, and the list of
// hashes. It returns the files without the list, and the names of those to sign.
func (o *distribution) describe(ctx context.Context, d *driver.Driver, tmp string, packages []file, subjects map[string][]Subject) (described []file, toSign []string, err error) {
	m, err := gather(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	next := &Folder{Dir: o.folder.Dir, Sums: maps.Clone(o.folder.Sums)}
	sizes := map[string]int64{}
	for _, f := range packages {
		next.Sums[f.name] = f.sum
		info, err := os.Stat(f.from)
		if err != nil {
			return nil, nil, err
		}
		sizes[f.name] = info.Size()
	}
	add := func(name string, data []byte, err error) error {
		f := file{name: name, from: filepath.Join(tmp, name)}
		if err == nil {
			err = os.WriteFile(f.from, data, 0o644)
		}
		if err == nil {
			f.sum, err = store.Sum(f.from)
		}
		next.Sums[name] = f.sum
		described = append(described, f)
		return err
	}
	notes, err := m.Notes()
	if err := add(d.Release()+".notes.md", notes, err); err != nil {
		return nil, nil, err
	}
	spdx, err := m.SPDX()
	if err := add(d.Release()+".spdx.json", spdx, err); err != nil {
		return nil, nil, err
	}
	toSign = []string{SumsFile}
	for _, p := range o.platforms {
		statement, err := m.Provenance(p, o.builder, subjects[p])
		name := d.Release() + "." + strings.ReplaceAll(p, "/", "-") + ".provenance.json"
		if err := add(name, statement, err); err != nil {
			return nil, nil, err
		}
		toSign = append(toSign, name)
	}
	index, err := next.makeIndex(sizes)
	if err := add(IndexFile, index, err); err != nil {
		return nil, nil, err
	}
	return described, toSign, os.WriteFile(filepath.Join(tmp, SumsFile), next.text(), 0o644)
}

// report says where the release is and what to do with it.
func (o *distribution) report(name string) {
	dir := run.Quote(o.folder.Dir)
	fmt.Printf("%s is in %s\n\n\t(cd %[2]s && sha256sum -c %s)\n\tgo run ./build check %[2]s\n", name, dir, SumsFile)
	if o.key != nil {
		fmt.Printf("\nThe checksum database %s has its modules. Its users set\n\n\tGOPROXY=URL/proxy  GOSUMDB=%s\n", o.key.Name(), o.key.Public)
	}
}

// record returns the checksum database's record of the module in dir.
func record(dir string, f dist.Files) (*sumdb.Record, error) {
	zip, err := dirhash.HashZip(filepath.Join(dir, f.Zip()), dirhash.Hash1)
	if err != nil {
		return nil, err
	}
	// The hash of a module's go.mod is that of a module with this one file.
	mod, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return os.Open(filepath.Join(dir, f.Version+".mod"))
	})
	if err != nil {
		return nil, err
	}
	return &sumdb.Record{Path: modulePath, Version: f.Version, Zip: zip, Mod: mod}, nil
}

// MakeKey is the command that makes a key for a checksum database.
func MakeKey(fs *flag.FlagSet) command.Func {
	o := new(options.Key)
	o.Register(fs)
	return func(ctx context.Context, args []string) error {
		if o.File == "" || len(args) != 1 {
			return errors.New("want a file and a name: go run ./build key -o FILE NAME")
		}
		public, err := sumdb.NewKey(o.File, args[0])
		if err != nil {
			return err
		}
		fmt.Println(public)
		return nil
	}
}
