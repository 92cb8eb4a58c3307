package release

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"gocoro/build/dist"
	"gocoro/build/hint"
	"gocoro/build/run"
	"gocoro/build/store"
	"gocoro/build/sumdb"
)

// SumsFile is the name of the list of hashes in a release directory.
const SumsFile = "SHA256SUMS"

// proxyDir is where a release directory has the files of modules.
// Source: https://go.dev/ref/mod#goproxy-protocol
const proxyDir = "proxy/golang.org/toolchain/@v"

// sumdbDir is where a release directory has checksum databases.
const sumdbDir = "proxy/sumdb"

// Packages returns the files that a release has for a platform. The key is the name
// in a release directory with a module proxy, the value the name that distpack
// gives the file.
func Packages(release, platform string) map[string]string {
	f := dist.FilesOf(release, platform)
	m := map[string]string{f.Archive: f.Archive, f.Source: f.Source}
	for _, name := range f.Module() {
		m[path.Join(proxyDir, name)] = name
	}
	return m
}

// A Folder is a release directory.
type Folder struct {
	Dir  string
	Sums map[string]string // SHA-256 by name, as SHA256SUMS has them

	// Flat is set if all files, also the modules', are side by side, as in a GitHub
	// release. There is no module proxy then.
	Flat bool
}

// packages is Packages in the layout of the directory.
func (f *Folder) packages(release, platform string) map[string]string {
	m := Packages(release, platform)
	if !f.Flat {
		return m
	}
	flat := map[string]string{}
	for _, name := range m {
		flat[name] = name
	}
	return flat
}

// module returns the path of one of the modules' files.
func (f *Folder) module(name string) string {
	if f.Flat {
		return f.path(name)
	}
	return f.path(path.Join(proxyDir, name))
}

// lay sets the layout of the directory, which must not have another one.
func (f *Folder) lay(flat bool) error {
	switch {
	case len(f.Sums) == 0 || f.Flat == flat:
		f.Flat = flat
		return nil
	case flat:
		return hint.Add(fmt.Errorf("%s has a module proxy: it is not flat", f.Dir), "give another directory with -o, or leave out -flat")
	}
	return hint.Add(fmt.Errorf("%s is flat: its modules are not in a module proxy", f.Dir), "give another directory with -o, or -flat")
}

// OpenFolder reads the list of hashes of the directory at dir, which need not
// exist.
func OpenFolder(dir string) (*Folder, error) {
	f := &Folder{Dir: dir, Sums: map[string]string{}}
	data, err := os.ReadFile(filepath.Join(dir, SumsFile))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return f, nil // writable has an error for the second
	}
	if err != nil {
		return nil, err
	}
	sc := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; sc.Scan(); n++ {
		sum, name, ok := strings.Cut(sc.Text(), "  ")
		if !ok || len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" || !fs.ValidPath(name) {
			return nil, hint.Add(fmt.Errorf("%s:%d: %q is not a line of sha256sum", filepath.Join(dir, SumsFile), n, sc.Text()), "restore it from a copy")
		}
		f.Sums[name] = sum
		f.Flat = f.Flat || strings.HasPrefix(name, "v0.0.1-") // a file of a module
	}
	return f, sc.Err()
}

// ours checks that the directory is a release directory, which has a list of
// hashes, or can become one: that it does not exist, or is empty except for files
// of a run that was killed before it wrote a list. cache is the root of the build
// cache. It changes nothing.
func (f *Folder) ours(cache string) error {
	if rel, err := filepath.Rel(cache, f.Dir); err == nil && filepath.IsLocal(rel) {
		return hint.Add(fmt.Errorf("%s is in the build cache, which is not for releases", f.Dir), "give another directory with -o")
	}
	if _, err := os.Lstat(f.path(SumsFile)); err == nil {
		return nil
	}
	entries, err := os.ReadDir(f.Dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil // writable has an error for the second
	}
	if err != nil {
		return hint.Add(fmt.Errorf("cannot read the release directory: %w", err), "give another directory with -o")
	}
	for _, e := range entries {
		if n := e.Name(); n != "lost+found" && !strings.HasPrefix(n, store.ProbeFile) && !temporary.MatchString(n) {
			return hint.Add(fmt.Errorf("%s is not a release directory: it is not empty and has no %s", f.Dir, SumsFile), "give a new or an empty directory with -o; or, if the release should be among these files: touch %s", run.Quote(f.path(SumsFile)))
		}
	}
	return nil
}

// begin makes an empty list of hashes, if there is none. It shows that the
// directory is a release directory before the list is finished.
func (f *Folder) begin() error {
	if _, err := os.Lstat(f.path(SumsFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return store.WriteFile(f.path(SumsFile), nil)
}

// text returns the list of hashes.
func (f *Folder) text() []byte {
	var b bytes.Buffer
	for _, name := range f.names() {
		fmt.Fprintf(&b, "%s  %s\n", f.Sums[name], name)
	}
	return b.Bytes()
}

// names returns the names in the list of hashes, sorted.
func (f *Folder) names() []string {
	return slices.Sorted(maps.Keys(f.Sums))
}

func (f *Folder) path(name string) string { return filepath.Join(f.Dir, filepath.FromSlash(name)) }

// Accept checks that a package with the hash may be published under the name:
// neither the directory nor its list of hashes has other bytes for it.
func (f *Folder) Accept(name, sum string) error {
	has := f.Sums[name]
	got, err := store.Sum(f.path(name))
	switch {
	case err == nil && got != sum:
		has = got
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if has != "" && has != sum {
		return hint.Add(fmt.Errorf("%s is published with other bytes\n\tpublished  %s\n\tbuilt now  %s", f.path(name), has, sum), "a published name never changes: raise the revision in the line's pin and in VERSION, or give another directory with -o")
	}
	return nil
}

// Add copies a file into the directory, unless the same bytes are there already.
func (f *Folder) Add(name, from, sum string) error {
	if got, err := store.Sum(f.path(name)); err != nil || got != sum {
		in, err := os.Open(from)
		if err != nil {
			return err
		}
		defer in.Close()
		if err := store.Create(f.path(name), func(w io.Writer) error {
			_, err := io.Copy(w, in)
			return err
		}); err != nil {
			return err
		}
		if got, err = store.Sum(f.path(name)); err != nil {
			return err
		}
		if got != sum {
			return fmt.Errorf("%s: wrote %s, read %s back", f.path(name), sum, got)
		}
	}
	f.Sums[name] = sum
	return nil
}

// writable makes the directory and checks that files can be made in it, before the
// build takes minutes.
func (f *Folder) writable() error {
	if err := store.Probe(f.Dir); err != nil {
		return hint.Add(fmt.Errorf("cannot write into the release directory %s: %w", f.Dir, err), "choose another one with -o")
	}
	return nil
}

// databases returns the public keys of the checksum databases, by directory.
func (f *Folder) databases() (map[string]string, error) {
	keys := map[string]string{}
	err := filepath.WalkDir(f.path(sumdbDir), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != sumdb.KeyFile || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(file)
		keys[filepath.Dir(file)] = strings.TrimSpace(string(data))
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return keys, err
}

// unfinished is the prefix of the directory in which descriptions are made.
const unfinished = store.ProbeFile + "new-"

// temporary matches the names that store.Create gives to files of a release
// before they are finished.
var temporary = regexp.MustCompile(`^\.(SHA256SUMS.*|releases\.json|go1\..+|v0\.0\.1-.+|` +
	`latest|key|supported|toolchain@.+|x?[0-9]+)\.tmp[0-9]+$`) // of a checksum database

// sweep removes what a killed run has left: its directory, and the files that
// store.Create had not finished. It looks only where releases have files, because
// the directory may also have others.
func (f *Folder) sweep() error {
	dirs := []string{f.Dir, f.path(proxyDir)}
	err := filepath.WalkDir(f.path(sumdbDir), func(file string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, file)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			if e.IsDir() && dir == f.Dir && strings.HasPrefix(e.Name(), unfinished) || e.Type().IsRegular() && temporary.MatchString(e.Name()) {
				if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// sign runs the command of -sign-cmd with the file as its last argument, in the
// file's directory, and returns the names of the files that it made there.
func sign(ctx context.Context, command, file string) ([]string, error) {
	dir := filepath.Dir(file)
	before, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", command+` "$1"`, "sh", filepath.Base(file))
	cmd.Dir = dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, hint.Add(fmt.Errorf("-sign-cmd: %s %s: %w", command, filepath.Base(file), err), "nothing was published; fix what it reports, and run the command again")
	}
	after, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var made []string
	for _, e := range after {
		if !slices.ContainsFunc(before, func(b fs.DirEntry) bool { return b.Name() == e.Name() }) {
			made = append(made, e.Name())
		}
	}
	if len(made) == 0 {
		return nil, hint.Add(fmt.Errorf("-sign-cmd: %s %s made no file beside it, want a signature", command, filepath.Base(file)), "nothing was published; gpg --batch --armor --detach-sign is a command that makes one")
	}
	return made, nil
}
