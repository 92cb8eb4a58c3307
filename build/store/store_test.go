package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gocoro/build/hint"
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
		{"directory", false, func() error { return os.Mkdir(file+".d", 0o777) }},
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
	key := new(Key).String()
	builds := 0
	build := func(fail error) (string, error) {
		return s.Item(ctx, "tree", key, func(dir string, lock *os.File) error {
			builds++
			if ents, err := os.ReadDir(dir); err != nil || len(ents) != 0 {
				t.Errorf("the directory to build in has %d entries (%v)", len(ents), err)
			}
			os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o666)
			return fail
		})
	}
	if _, err := s.Item(ctx, "nokind", key, nil); err == nil {
		t.Errorf("an item that Clean would not remove: got no error")
	}
	boom := errors.New("boom")
	if _, err := build(boom); err != boom {
		t.Fatalf("error %v, want %v", err, boom)
	}
	if items, _, err := s.Items(); err != nil || len(items) != 0 {
		t.Errorf("a failed build left %v (%v)", items, err)
	}
	for range 2 {
		path, err := build(nil)
		if err != nil || path != s.Path("tree", key) || !s.Has("tree", key) {
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

// A process that waits for a lock says so after a while, and can give up.
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

// A directory becomes a store if it is new or empty, and its own files are all
// that Clean removes.
func TestMark(t *testing.T) {
	mark := func(root string) { os.WriteFile(filepath.Join(root, MarkFile), []byte(mark), 0o666) }
	for _, tc := range []struct {
		name   string
		make   func(root string)
		refuse string // by Open, if not empty
	}{
		{"absent", func(string) {}, ""},
		{"empty", func(root string) { os.Mkdir(root, 0o777) }, ""},
		{"a new file system", func(root string) { os.MkdirAll(filepath.Join(root, "lost+found"), 0o777) }, ""},
		{"marked by half", func(root string) {
			os.Mkdir(root, 0o777)
			os.WriteFile(filepath.Join(root, "."+MarkFile+".tmp12"), nil, 0o666)
		}, ""},
		{"marked without a tag", func(root string) { os.Mkdir(root, 0o777); mark(root) }, ""},
		{"a link to an empty directory", func(root string) { os.Mkdir(root+"2", 0o777); os.Symlink(root+"2", root) }, ""},
		{"somebody's", func(root string) { os.MkdirAll(filepath.Join(root, "tmp"), 0o777) }, "is not a build cache of gocoro: it is not empty and has no file gocoro-cache\n\tset GOCORO_CACHE to a new or an empty directory"},
		{"somebody's cache", func(root string) {
			os.Mkdir(root, 0o777)
			os.WriteFile(filepath.Join(root, tagFile), []byte(tag), 0o666)
			os.WriteFile(filepath.Join(root, "x"), nil, 0o666)
		}, "is not a build cache of gocoro"},
		{"the first release's", func(root string) {
			for _, dir := range []string{"lock", "tmp", "goroot"} {
				os.MkdirAll(filepath.Join(root, dir), 0o777)
			}
			os.WriteFile(filepath.Join(root, "lock", "store"), nil, 0o666)
		}, " && rm -rf goroot tmp lock), or set GOCORO_CACHE"},
		{"another version's", func(root string) {
			os.Mkdir(root, 0o777)
			os.WriteFile(filepath.Join(root, MarkFile), []byte("gocoro cache 3\n"), 0o666)
		}, `begins with "gocoro cache 3", want "gocoro cache 2"`},
		{"a file", func(root string) { os.WriteFile(root, nil, 0o666) }, "is not a directory\n\tset GOCORO_CACHE"},
		{"a link to nowhere", func(root string) { os.Symlink("/no/such", root) }, "is a symbolic link to /no/such, which does not exist\n\tmake that directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "root")
			tc.make(root)
			t.Setenv("GOCORO_CACHE", root)
			before, _ := Seal(root)
			s, err := Open()
			if after, _ := Seal(root); after != before {
				t.Errorf("Open changed the directory")
			}
			if tc.refuse != "" {
				if err == nil || !strings.Contains(hint.Text(err), tc.refuse) {
					t.Fatalf("got %v, want %q", err, tc.refuse)
				}
				// Nor does a store that was opened before do anything there.
				s = &Store{Root: root}
				if _, err := s.Clean(t.Context(), func(Item) {}); err == nil {
					t.Errorf("Clean: got no error")
				}
				if _, err := s.Use(t.Context()); err == nil {
					t.Errorf("Use: got no error")
				}
				if after, _ := Seal(root); after != before {
					t.Errorf("the directory was changed")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			lock, err := s.Use(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			lock.Close()
			for _, name := range []string{MarkFile, tagFile} {
				if !exists(filepath.Join(root, name)) {
					t.Errorf("got no %s", name)
				}
			}
			if _, err := Open(); err != nil {
				t.Errorf("the second time: %v", err)
			}
		})
	}
}

// Two processes may make the same store at once.
func TestMarkAtOnce(t *testing.T) {
	for range 20 {
		root := filepath.Join(t.TempDir(), "root")
		errs := make(chan error)
		for range 4 {
			go func() {
				lock, err := (&Store{Root: root}).Use(t.Context())
				if err == nil {
					err = lock.Close()
				}
				errs <- err
			}()
		}
		for range 4 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	}
}

// Only names that the store writes are removed.
func TestClean(t *testing.T) {
	s := &Store{Root: filepath.Join(t.TempDir(), "root")}
	key := new(Key).String()
	ours := []string{"api/" + key, "api/" + key + ".seal", "tree/." + key + ".seal.tmp1", "git/" + key + ".seal", "tmp/tree-" + key, "log/x.log", "ci/20260102-030405"}
	foreign := []string{"Documents/thesis", "goroot/thesis", "tree/" + key[:31], "mine"}
	lock, err := s.Use(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lock.Close()
	elsewhere := filepath.Join(t.TempDir(), "file")
	foreign = append(foreign, "upstream")
	os.Symlink(filepath.Dir(elsewhere), filepath.Join(s.Root, "upstream"))
	for _, file := range append(append([]string{elsewhere}, ours...), foreign[:4]...) {
		if !filepath.IsAbs(file) {
			file = filepath.Join(s.Root, file)
		}
		if err := WriteFile(file, nil); err != nil {
			t.Fatal(err)
		}
	}
	left, err := s.Clean(t.Context(), func(Item) {})
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range left {
		left[i], _ = filepath.Rel(s.Root, l)
	}
	if got, want := strings.Join(left, " "), "Documents goroot/thesis mine tree/"+key[:31]+" upstream"; got != want {
		t.Errorf("left: got %s, want %s", got, want)
	}
	for _, file := range ours {
		if exists(filepath.Join(s.Root, file)) {
			t.Errorf("%s was not removed", file)
		}
	}
	for _, file := range append(foreign, MarkFile, tagFile) {
		if !exists(filepath.Join(s.Root, file)) {
			t.Errorf("%s was removed", file)
		}
	}
	if !exists(elsewhere) {
		t.Errorf("a file outside of the store was removed")
	}
}

// The script that sets a machine up marks the cache as this package does.
func TestScriptMarks(t *testing.T) {
	script, err := os.ReadFile("../../scripts/setup-linux.sh")
	if err != nil {
		t.Fatal(err)
	}
	if want := `echo "` + version + `" >"$cache/` + MarkFile + `"`; !strings.Contains(string(script), want) {
		t.Errorf("scripts/setup-linux.sh does not contain %s", want)
	}
}
