package store

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"gocoro/build/hint"
	"gocoro/build/run"
)

// MarkFile is the name of the file that makes a directory a store. Its first
// line has the version of the store's layout.
const MarkFile = "gocoro-cache"

const (
	version = "gocoro cache 2"
	mark    = version + `
This directory is a build cache of gocoro, which removes from it what it has
made. To empty it, type: go run ./build clean
`
	// By https://bford.info/cachedir/ programs that make backups leave the
	// directory out.
	tagFile = "CACHEDIR.TAG"
	tag     = `Signature: 8a477f597d28d172789f06886806bc55
# This file is a cache directory tag created by gocoro.
# For information about cache directory tags, see https://bford.info/cachedir/
`
)

// item matches the names in a directory of items: an item, its seal, and the
// temporary file of a seal whose writer was killed.
var item = regexp.MustCompile(`^[0-9a-f]{32}(\.seal)?$|^\.[0-9a-f]{32}\.seal\.tmp[0-9]*$`)

// anyName matches the names in a directory that only gocoro uses.
var anyName = regexp.MustCompile(``)

// Names has the directories that gocoro makes in a store, and matches the names
// in them. Nothing else is removed from a store.
var Names = map[string]*regexp.Regexp{
	"api":      item,
	"baseline": item,
	"builds":   item,
	"dist":     item,
	"git":      item,
	"goroot":   item,
	"record":   item,
	"tree":     item,
	"upstream": item,

	"ci":        anyName, // records and reports of test runs
	"gocache":   anyName, // build caches, by toolchain
	"initramfs": anyName, // of the CI's virtual machine, in earlier versions
	"kernel":    anyName, // of the same, put there by scripts/setup-linux.sh
	"log":       anyName,
	"tmp":       anyName,
}

// isMark reports whether name is that of a file that marks a store, or of the
// temporary file of one whose writer was killed.
func isMark(name string) bool {
	return name == MarkFile || name == tagFile ||
		strings.HasPrefix(name, "."+MarkFile+".tmp") || strings.HasPrefix(name, "."+tagFile+".tmp")
}

// marked reports whether the root is the directory of a store. It returns an
// error if the root is not one and cannot become one.
func (s *Store) marked() (bool, error) {
	const other = "set GOCORO_CACHE to a new or an empty directory, or unset it"
	switch st, err := os.Stat(s.Root); {
	case errors.Is(err, fs.ErrNotExist):
		if to, err := os.Readlink(s.Root); err == nil {
			return false, hint.Add(fmt.Errorf("the build cache %s is a symbolic link to %s, which does not exist", s.Root, to), "make that directory, or %s", other)
		}
		return false, nil // to be made
	case errors.Is(err, syscall.ENOTDIR):
		return false, hint.Add(fmt.Errorf("the build cache cannot be made: %v", err), other)
	case err != nil:
		return false, hint.Add(fmt.Errorf("cannot read the build cache: %v", err), other)
	case !st.IsDir():
		return false, hint.Add(fmt.Errorf("the build cache %s is not a directory", s.Root), other)
	}
	text, err := os.ReadFile(filepath.Join(s.Root, MarkFile))
	if err == nil {
		if got, _, _ := strings.Cut(string(text), "\n"); got != version {
			return false, hint.Add(fmt.Errorf("%s begins with %q, want %q: the build cache is of another version of gocoro", filepath.Join(s.Root, MarkFile), got, version), other)
		}
		return true, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return false, hint.Add(fmt.Errorf("cannot read the build cache: %v", err), other)
	}
	ents, err := os.ReadDir(s.Root)
	if err != nil {
		return false, hint.Add(fmt.Errorf("cannot read the build cache: %v", err), other)
	}
	for _, e := range ents {
		// Another process may be writing the mark. A file system has lost+found
		// in its root when it is new.
		if !isMark(e.Name()) && e.Name() != "lost+found" {
			return false, s.foreign(other)
		}
	}
	return false, nil
}

// Exists reports whether the root is the directory of a store: whether a command
// has written to it.
func (s *Store) Exists() bool {
	ok, err := s.marked()
	return ok && err == nil
}

// foreign returns the error that the root is not a store.
func (s *Store) foreign(next string) error {
	why := fmt.Sprintf("%s is not a build cache of gocoro: it is not empty and has no file %s", s.Root, MarkFile)
	if names := FirstNames(s.Root); names != nil {
		why += ", as gocoro's first release left its cache"
		next = "remove what that release has written (" + RemoveNames(s.Root, names) + "), or " + next
	}
	return hint.Add(errors.New(why), "%s", next)
}

// FirstNames returns the directories in dir that gocoro's first release made, or
// nil if dir was not the cache of that release.
func FirstNames(dir string) []string {
	if st, err := os.Stat(filepath.Join(dir, "lock", inUse)); err != nil || !st.Mode().IsRegular() {
		return nil // every command of that release made this file
	}
	if exists(filepath.Join(dir, MarkFile)) {
		return nil
	}
	var names []string
	for _, name := range append(slices.Sorted(maps.Keys(Names)), "lock") {
		if st, err := os.Lstat(filepath.Join(dir, name)); err == nil && st.IsDir() {
			names = append(names, name)
		}
	}
	return names
}

// RemoveNames returns a shell command that removes the names from dir.
func RemoveNames(dir string, names []string) string {
	return "cd " + run.Quote(dir) + " && rm -rf " + strings.Join(names, " ")
}

// mark makes the root, if there is none, and marks it.
func (s *Store) mark() error {
	ok, err := s.marked()
	if err != nil {
		return err
	}
	// The mark comes first: a directory that holds anything else has it.
	if !ok {
		if err := WriteFile(filepath.Join(s.Root, MarkFile), []byte(mark)); err != nil {
			return cannotWrite(err)
		}
	}
	if file := filepath.Join(s.Root, tagFile); !exists(file) {
		if err := WriteFile(file, []byte(tag)); err != nil {
			return cannotWrite(err)
		}
	}
	return nil
}

func cannotWrite(err error) error {
	return hint.Add(fmt.Errorf("cannot write to the build cache: %w", err), "set GOCORO_CACHE to a directory that you may write to")
}
