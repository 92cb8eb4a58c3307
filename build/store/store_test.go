package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Every change that a person or a program can make to a file is seen, but not
// the reading of it.
func TestSeal(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sub", "file")
	past := time.Now().Add(-time.Hour)
	reset := func() {
		os.RemoveAll(filepath.Join(dir, "sub"))
		os.Mkdir(filepath.Dir(file), 0o777)
		os.WriteFile(file, []byte("abc"), 0o644)
		os.Symlink("file", file+".link")
		os.Chtimes(file, past, past)
		// A new symbolic link has a new time, so the seal leaves it out here.
	}
	link := filepath.Join("sub", "file.link")
	reset()
	want, err := Seal(dir, link)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		same   bool
		change func() error
	}{
		{"nothing", true, func() error { return nil }},
		{"read", true, func() error { _, err := os.ReadFile(file); return err }},
		{"excepted", true, func() error { return os.Remove(file + ".link") }},
		{"content", false, func() error { return os.WriteFile(file, []byte("xyz"), 0o644) }},
		{"time", false, func() error { return os.Chtimes(file, past, past.Add(time.Millisecond)) }},
		{"size", false, func() error { os.Truncate(file, 1); return os.Chtimes(file, past, past) }},
		{"mode", false, func() error { return os.Chmod(file, 0o755) }},
		{"name", false, func() error { return os.Rename(file, file+"2") }},
		{"removed", false, func() error { return os.Remove(file) }},
		{"added", false, func() error { return os.WriteFile(file+"2", nil, 0o644) }},
		{"folder", false, func() error { return os.Mkdir(file+".d", 0o777) }},
	} {
		reset()
		if err := tt.change(); err != nil {
			t.Fatal(err)
		}
		if got, err := Seal(dir, link); err != nil || (got == want) != tt.same {
			t.Errorf("%s: seal is the same: %v, want %v (%v)", tt.name, got == want, tt.same, err)
		}
	}
}

// An item is built once; one whose build failed leaves nothing.
func TestItem(t *testing.T) {
	s := &Store{Root: t.TempDir()}
	ctx := context.Background()
	builds := 0
	build := func(fail error) (string, error) {
		return s.Item(ctx, "kind", "key", func(dir string, lock *os.File) error {
			builds++
			if ents, err := os.ReadDir(dir); err != nil || len(ents) != 0 {
				t.Errorf("the folder to build in has %d entries (%v)", len(ents), err)
			}
			os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o666)
			return fail
		})
	}
	boom := errors.New("boom")
	if _, err := build(boom); err != boom {
		t.Fatalf("error %v, want %v", err, boom)
	}
	if items, err := s.Items(); err != nil || len(items) != 0 {
		t.Errorf("a failed build left %v (%v)", items, err)
	}
	for range 2 {
		path, err := build(nil)
		if err != nil || path != s.Path("kind", "key") || !s.Has("kind", "key") {
			t.Fatalf("Item = %q, %v", path, err)
		}
	}
	if builds != 2 {
		t.Errorf("%d builds, want one that failed and one that did not", builds)
	}
}

// The parts of a key do not run together.
func TestKey(t *testing.T) {
	seen := map[string]int{}
	for i, parts := range [][]string{{}, {"a", "bc"}, {"ab", "c"}, {"a", "b", "c", ""}, {"a", "b", "", "c"}, {"a", "bc", "", ""}} {
		var k Key
		for j := 0; j+1 < len(parts); j += 2 {
			k.Add(parts[j], []byte(parts[j+1]))
		}
		if was, ok := seen[k.String()]; ok {
			t.Errorf("cases %d and %d have the same key", was, i)
		}
		seen[k.String()] = i
	}
}

// Who waits for a lock is told after a while, and can give up.
func TestLockWaits(t *testing.T) {
	told := make(chan string, 1)
	s := &Store{Root: t.TempDir(), Waiting: func(what string) { told <- what }}
	lock, err := s.Lock(context.Background(), "x")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	gaveUp := make(chan error)
	go func() {
		_, err := s.Lock(ctx, "x")
		gaveUp <- err
	}()
	if what := <-told; what != "x" {
		t.Errorf("waits for %q, want x", what)
	}
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	lock.Close()
	if lock, err = s.Lock(context.Background(), "x"); err != nil {
		t.Fatal(err)
	}
	lock.Close()
}
