// Package store keeps the driver's results on disk, each under the hash of
// everything that went into it.
//
// The root of a store is marked as one, see MarkFile. Open refuses a directory
// that is not empty and has no mark, and nothing in it is changed or removed.
//
// An item is a directory <root>/<kind>/<key>. It is built in <root>/tmp, sealed,
// and renamed into place, so an item that exists is whole. The seal records
// the name, mode, size and modification time of every file; an item whose
// files no longer agree with its seal is built again. Processes that want the
// same item take turns, by a lock for each item.
package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"

	"gocoro/build/hint"
)

// A Store is a directory of items.
type Store struct {
	Root string

	// Waiting, if not nil, is called when a lock has been held by another
	// process for a second.
	Waiting func(what string)
}

// Open returns the store at GOCORO_CACHE or, if that is not set, at Default.
// The directory is made, and marked, when it is first written to.
func Open() (*Store, error) {
	root := os.Getenv("GOCORO_CACHE")
	if root == "" {
		var err error
		if root, err = Default(); err != nil {
			return nil, err
		}
	}
	if !filepath.IsAbs(root) {
		return nil, hint.Add(fmt.Errorf("GOCORO_CACHE is %q, want an absolute path", root), "set it to the full path of a directory, or unset it")
	}
	s := &Store{Root: filepath.Clean(root)}
	if _, err := s.marked(); err != nil {
		return nil, err
	}
	return s, nil
}

// First returns the root of the store of gocoro's first release: gocoro in the
// user's cache directory. It has no mark.
func First() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", hint.Add(fmt.Errorf("no directory for the build cache: %v", err), "set GOCORO_CACHE to a directory of your choice")
	}
	return filepath.Join(dir, "gocoro"), nil
}

// Default returns the root of the store where GOCORO_CACHE is not set: gocoro/v2
// in the user's cache directory.
func Default() (string, error) {
	first, err := First()
	return filepath.Join(first, "v2"), err
}

// A Key names an item by content. Its zero value is ready to use; every part
// is added with a label, so that two parts cannot run together.
type Key struct{ parts []byte }

// Add adds a labelled part to the key.
func (k *Key) Add(label string, data []byte) {
	k.parts = fmt.Appendf(k.parts, "%q %d\n%s", label, len(data), data)
}

// AddFile adds the content of a file to the key.
func (k *Key) AddFile(label, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	k.Add(label, data)
	return nil
}

// String returns the key as 32 hexadecimal digits (128 bits).
func (k *Key) String() string {
	sum := sha256.Sum256(k.parts)
	return hex.EncodeToString(sum[:16])
}

// Path returns where the item is, or would be.
func (s *Store) Path(kind, key string) string { return filepath.Join(s.Root, kind, key) }

// Log returns the path of the log file of the item's build.
func (s *Store) Log(kind, key string) string {
	return filepath.Join(s.Root, "log", kind+"-"+key+".log")
}

// Has reports whether the item exists and agrees with its seal.
func (s *Store) Has(kind, key string) bool {
	want, err := os.ReadFile(s.sealFile(kind, key))
	if err != nil {
		return false
	}
	got, err := Seal(s.Path(kind, key))
	return err == nil && got == string(want)
}

func (s *Store) sealFile(kind, key string) string { return s.Path(kind, key) + ".seal" }

// Item returns the path of the item, building it first if it does not exist.
// build fills the empty directory dir. lock is an open file that holds the item's
// lock. Long-running children inherit it: if they outlive this process, the next
// one waits for them before it builds the item again.
func (s *Store) Item(ctx context.Context, kind, key string, build func(dir string, lock *os.File) error) (path string, err error) {
	if Names[kind] != item {
		return "", hint.Add(fmt.Errorf("store: an item of kind %q: Clean does not know it", kind), "add the kind to Names in build/store/mark.go")
	}
	path = s.Path(kind, key)
	if s.Has(kind, key) {
		return path, nil
	}
	lock, err := s.Lock(ctx, kind+"-"+key)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if s.Has(kind, key) { // another process built it while this one waited
		return path, nil
	}

	// Whatever is there now, under the name or in the temporary directory, is
	// not whole, and no other process is working on it.
	tmp := filepath.Join(s.Root, "tmp", kind+"-"+key)
	for _, old := range []string{s.sealFile(kind, key), path, tmp} {
		if err := RemoveAll(old); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(tmp, 0o777); err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			RemoveAll(tmp)
		}
	}()
	if err := build(tmp, lock.File); err != nil {
		return "", err
	}
	seal, err := Seal(tmp)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return "", err
	}
	// The seal is written last: an item without one does not exist.
	if err := os.Rename(tmp, path); err != nil {
		return "", err
	}
	return path, WriteFile(s.sealFile(kind, key), []byte(seal))
}

// inUse is the lock that runs share while they use the store, and that Clean
// takes for itself.
const inUse = "store"

// Use keeps Clean from removing anything until the returned lock is closed.
func (s *Store) Use(ctx context.Context) (io.Closer, error) {
	return s.lock(ctx, inUse, os.O_RDONLY)
}

// Do calls f, which uses what the store holds, and keeps Clean from removing
// anything meanwhile. Its error is explained, see Explain.
func (s *Store) Do(ctx context.Context, f func() error) error {
	lock, err := s.Use(ctx)
	if err == nil {
		defer lock.Close()
		err = f()
	}
	return Explain(err, s.Root)
}

// Explain adds a hint to an error of the driver, or of a command that it ran, if
// the cause is a full disk. cache is the directory of the build cache.
func Explain(err error, cache string) error {
	if err == nil {
		return nil
	}
	if text := strings.ToLower(err.Error()); strings.Contains(text, "no space left on device") || strings.Contains(text, "disk quota exceeded") {
		return hint.Add(err, "the disk is full; no unfinished work was kept, and existing installations are unchanged\nfree some space (go run ./build clean), or choose another disk: GOCORO_CACHE=DIR for the cache\n(now %s), -root DIR for the installation", cache)
	}
	return err
}

// Lock takes the named lock, waiting for other processes if need be.
func (s *Store) Lock(ctx context.Context, name string) (*lockedfile.File, error) {
	if err := s.MayLock(); err != nil {
		return nil, err
	}
	return s.lock(ctx, name, os.O_RDWR)
}

// MayLock returns the error that Lock would return because of missing permissions.
// It changes nothing.
func (s *Store) MayLock() error {
	if err := MayWrite(s.lockDir()); err != nil {
		return cannotWrite(err)
	}
	return nil
}

func (s *Store) lockDir() string { return filepath.Join(s.Root, "lock") }

func (s *Store) lock(ctx context.Context, name string, mode int) (*lockedfile.File, error) {
	if err := s.mark(); err != nil {
		return nil, err
	}
	dir := s.lockDir()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, cannotWrite(err)
	}
	type result struct {
		f   *lockedfile.File
		err error
	}
	done := make(chan result, 1)
	go func() {
		f, err := lockedfile.OpenFile(filepath.Join(dir, name), mode|os.O_CREATE, 0o666)
		done <- result{f, err}
	}()
	late := time.NewTimer(time.Second)
	defer late.Stop()
	for {
		select {
		case r := <-done:
			if r.err != nil {
				return nil, cannotWrite(r.err)
			}
			return r.f, nil
		case <-late.C:
			if s.Waiting != nil {
				s.Waiting(name)
			}
		case <-ctx.Done():
			go func() {
				if r := <-done; r.err == nil {
					r.f.Close()
				}
			}()
			return nil, ctx.Err()
		}
	}
}

// Seal returns a digest of the names, modes, sizes and modification times of
// all files below dir. It costs one lstat a file and reads no content.
func Seal(dir string, except ...string) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if slices.Contains(except, rel) {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, err = fmt.Fprintf(h, "%q dir\n", rel)
		} else {
			_, err = fmt.Fprintf(h, "%q %v %d %d\n", rel, info.Mode(), info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Sum returns the SHA-256 of a file's content as 64 hexadecimal digits.
func Sum(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// WriteFile writes a file so that a reader sees the old content or the new,
// never a part, and a full disk leaves the old one in place.
func WriteFile(name string, data []byte) error {
	return Create(name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// ProbeFile begins the name of a file that Probe makes.
const ProbeFile = ".gocoro-"

// Probe makes the directory and checks that files can be made in it.
func Probe(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ProbeFile+"*")
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}

// MayWrite checks the permissions to make files in dir or, if dir does not exist,
// to make dir. It changes nothing.
func MayWrite(dir string) error {
	for {
		err := syscall.Access(dir, writeAndSearch)
		if up := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && up != dir {
			dir = up
			continue
		}
		if err != nil {
			return fmt.Errorf("you may not write to %s: %w", dir, err)
		}
		return nil
	}
}

// writeAndSearch is W_OK|X_OK of access(2).
const writeAndSearch = 2 | 1

// Create is WriteFile for what write writes.
func Create(name string, write func(io.Writer) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".tmp*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// RemoveAll is os.RemoveAll for trees that hold read-only directories, as the
// module cache makes them.
func RemoveAll(path string) error {
	err := os.RemoveAll(path)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			os.Chmod(path, 0o777)
		}
		return nil
	})
	return os.RemoveAll(path)
}

// An Item is a row of a listing of the store.
type Item struct {
	Path  string
	Bytes int64
}

// Items lists what Clean removes, sorted by path. foreign are the paths that
// Clean leaves, because gocoro makes no files of such names.
func (s *Store) Items() (items []Item, foreign []string, err error) {
	if ok, err := s.marked(); !ok {
		return nil, nil, err
	}
	kinds, err := os.ReadDir(s.Root)
	if err != nil {
		return nil, nil, err
	}
	for _, k := range kinds {
		dir := filepath.Join(s.Root, k.Name())
		ours := Names[k.Name()]
		if k.Name() == "lock" || isMark(k.Name()) {
			continue
		}
		if ours == nil || !k.IsDir() {
			foreign = append(foreign, dir)
			continue
		}
		ents, err := os.ReadDir(dir)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range ents {
			path := filepath.Join(dir, e.Name())
			switch item := strings.TrimSuffix(path, ".seal"); {
			case !ours.MatchString(e.Name()):
				foreign = append(foreign, path)
			case item == path || !exists(item): // a seal goes with its item
				items = append(items, Item{path, Size(path)})
			}
		}
	}
	return items, foreign, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Clean removes all items, waiting for the runs that use them, and calls
// removed after each. It returns the paths that Items calls foreign.
func (s *Store) Clean(ctx context.Context, removed func(Item)) (foreign []string, err error) {
	if ok, err := s.marked(); !ok {
		return nil, err // and make no directory only to hold a lock
	}
	lock, err := s.Lock(ctx, inUse)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	items, foreign, err := s.Items()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, it := range items {
		if err := s.remove(ctx, it); err != nil {
			errs = append(errs, err)
			continue
		}
		removed(it)
	}
	return foreign, errors.Join(errs...)
}

// remove deletes an item of a store that no run uses.
func (s *Store) remove(ctx context.Context, it Item) error {
	if filepath.Base(filepath.Dir(it.Path)) == "tmp" {
		// What a killed run had begun may live on in tmp/<kind>-<key>, with
		// the item's lock.
		lock, err := s.Lock(ctx, filepath.Base(it.Path))
		if err != nil {
			return err
		}
		defer lock.Close()
	}
	// The seal goes first: a directory without one is no item.
	if err := os.Remove(it.Path + ".seal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return RemoveAll(it.Path)
}

// Drop removes an item, if it is there, from a store that the caller uses. A
// process that is copying the item gets an error.
func (s *Store) Drop(ctx context.Context, kind, key string) error {
	lock, err := s.Lock(ctx, kind+"-"+key)
	if err != nil {
		return err
	}
	defer lock.Close()
	return s.remove(ctx, Item{Path: s.Path(kind, key)})
}

// Size returns the bytes in the files below path.
func Size(path string) (n int64) {
	filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n
}
