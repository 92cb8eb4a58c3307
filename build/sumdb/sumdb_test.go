package sumdb

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"

	"gocoro/build/hint"
	"gocoro/build/store"
)

const name = "sum.example.invalid/gocoro"

func newKey(t *testing.T) *Key {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	public, err := NewKey(file, name)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ReadKey(file)
	if err != nil {
		t.Fatal(err)
	}
	if k.Public != public || k.Name() != name {
		t.Fatalf("ReadKey has public part %s of %s, NewKey said %s of %s", k.Public, k.Name(), public, name)
	}
	return k
}

func record(i int) Record {
	return Record{"golang.org/toolchain", fmt.Sprintf("v0.0.1-go1.22.%d-coro1.linux-amd64", i),
		fmt.Sprintf("h1:%043d=", i), fmt.Sprintf("h1:%043d=", 1000+i)}
}

// TestGrow lets the database grow past one tile, a few records at a time, and
// asks for them with the client of the go command: one that has seen every
// earlier state, to whom the database must prove that it only ever grew, and
// one that is new.
func TestGrow(t *testing.T) {
	k := newKey(t)
	proxy := t.TempDir()
	remembers := &files{dir: Dir(proxy, name), key: k.Public, config: map[string][]byte{}}
	n := 0
	for _, step := range []int{1, 1, 2, 200, 60, 300} {
		var add []Record
		for i := range n + step { // what is there already is no news
			add = append(add, record(i))
		}
		if err := Add(proxy, k, add); err != nil {
			t.Fatal(err)
		}
		n += step
		fresh := &files{dir: Dir(proxy, name), key: k.Public, config: map[string][]byte{}}
		for _, ops := range []*files{remembers, fresh} {
			for _, i := range []int{0, n / 2, n - 1} {
				r := record(i)
				lines, err := sumdb.NewClient(ops).Lookup(r.Path, r.Version)
				if err != nil {
					t.Fatalf("of %d records, %s: %v", n, r.Version, err)
				}
				if want := r.Path + " " + r.Version + " " + r.Zip; len(lines) != 1 || lines[0] != want {
					t.Errorf("Lookup(%s) = %q, want %q", r.Version, lines, want)
				}
			}
		}
	}
}

// A client is a go command with a cache that it keeps.
type client struct {
	files
	cache    map[string][]byte
	security string // what it was warned of
}

func newClient(dir, key string) *client {
	return &client{files: files{dir: dir, key: key, config: map[string][]byte{}}, cache: map[string][]byte{}}
}

func (c *client) clone(dir string) *client {
	return &client{files: files{dir: dir, key: c.key, config: maps.Clone(c.config)}, cache: maps.Clone(c.cache)}
}

func (c *client) ReadCache(file string) ([]byte, error) {
	if data, ok := c.cache[file]; ok {
		return data, nil
	}
	return nil, fs.ErrNotExist
}

func (c *client) WriteCache(file string, data []byte) { c.cache[file] = data }
func (c *client) SecurityError(msg string)            { c.security = msg }

// lookup asks the database, as a new process does, with the client's cache. A
// record without a lookup file is an error only if it must be there.
func (c *client) lookup(r Record, must bool) error {
	if _, err := os.Stat(filepath.Join(c.dir, "lookup", r.Path+"@"+r.Version)); err != nil && !must {
		return nil
	}
	lines, err := sumdb.NewClient(c).Lookup(r.Path, r.Version)
	if c.security != "" {
		return fmt.Errorf("Lookup(%s): security error: %s", r.Version, c.security)
	}
	if err != nil {
		return fmt.Errorf("Lookup(%s): %v", r.Version, err)
	}
	if want := r.Path + " " + r.Version + " " + r.Zip; len(lines) != 1 || lines[0] != want {
		return fmt.Errorf("Lookup(%s) = %q, want %q", r.Version, lines, want)
	}
	return nil
}

// TestKilled stops Add at each of its writes. Afterwards the next one, with
// other records, must succeed, and so must every client: a new one, an old one
// that has seen the database before, and one that has looked up what it could
// between the two.
func TestKilled(t *testing.T) {
	killed := errors.New("killed")
	for _, tc := range []struct {
		name string
		base int
	}{{"empty", 0}, {"one record", 1}, {"a tile but one", 255}} {
		t.Run(tc.name, func(t *testing.T) {
			k := newKey(t)
			start := t.TempDir()
			var base []Record
			for i := range tc.base {
				base = append(base, record(i))
			}
			if err := Add(start, k, base); err != nil {
				t.Fatal(err)
			}
			old := newClient(Dir(start, name), k.Public)
			if tc.base > 0 {
				if err := old.lookup(record(tc.base-1), true); err != nil {
					t.Fatal(err)
				}
			}
			first := []Record{record(1000), record(1001)}
			next := []Record{record(1002)}
			for at := 0; ; at++ {
				proxy := t.TempDir()
				if err := os.CopyFS(proxy, os.DirFS(start)); err != nil {
					t.Fatal(err)
				}
				n := 0
				err := add(proxy, k, first, func(name string, data []byte) error {
					if n++; n > at {
						// As it is killed, it may leave what it was writing.
						store.WriteFile(filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".tmp1"), data[:len(data)/2])
						return killed
					}
					return store.WriteFile(name, data)
				})
				if err == nil {
					if at < 5 {
						t.Errorf("Add wrote %d files, want tiles, lookups and the head", at)
					}
					break
				}
				if err != killed {
					t.Fatal(err)
				}
				dir := Dir(proxy, name)
				old := old.clone(dir)
				witness := newClient(dir, k.Public)
				for _, r := range first {
					if err := witness.lookup(r, false); err != nil {
						t.Errorf("write %d, before the next Add: %v", at, err)
					}
				}
				for _, add := range [][]Record{next, first} {
					if err := Add(proxy, k, add); err != nil {
						t.Fatalf("write %d, the next Add: %v", at, err)
					}
					for who, c := range map[string]*client{"an old client": old, "a client that looked in between": witness, "a new client": newClient(dir, k.Public)} {
						if tc.base > 0 {
							add = append(add, record(0), record(tc.base-1))
						}
						for _, r := range add {
							if err := c.lookup(r, true); err != nil {
								t.Errorf("write %d, %s: %v", at, who, err)
							}
						}
					}
				}
			}
		})
	}
}

// TestHeal has what is put right by the next Add, and what must not be.
func TestHeal(t *testing.T) {
	k := newKey(t)
	proxy := t.TempDir()
	dir := Dir(proxy, name)
	if err := Add(proxy, k, []Record{record(0), record(1)}); err != nil {
		t.Fatal(err)
	}
	witness := newClient(dir, k.Public)
	if err := witness.lookup(record(1), true); err != nil {
		t.Fatal(err)
	}
	answer := filepath.Join(dir, "lookup/golang.org/toolchain@"+record(0).Version)
	other, err := os.ReadFile(filepath.Join(dir, "lookup/golang.org/toolchain@"+record(1).Version))
	if err != nil {
		t.Fatal(err)
	}
	for what, spoil := range map[string]func() error{
		"no answer":         func() error { return os.Remove(answer) },
		"another's answer":  func() error { return os.WriteFile(answer, other, 0o666) },
		"an answer cut off": func() error { return os.Truncate(answer, 200) },
	} {
		t.Run(what, func(t *testing.T) {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			if err := Add(proxy, k, []Record{record(2)}); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				for _, c := range []*client{witness, newClient(dir, k.Public)} {
					if err := c.lookup(record(i), true); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	t.Run("no head", func(t *testing.T) {
		if err := os.Remove(filepath.Join(dir, "latest")); err != nil {
			t.Fatal(err)
		}
		if err := Add(proxy, k, []Record{record(3)}); err == nil || !strings.Contains(err.Error(), "has answers and no signed head") {
			t.Errorf("got %v, want an error: another history would begin", err)
		}
	})
}

// TestRefuse has what must not be added, and what is not whole.
func TestRefuse(t *testing.T) {
	k := newKey(t)
	proxy := t.TempDir()
	if err := Add(proxy, k, []Record{record(0), record(1)}); err != nil {
		t.Fatal(err)
	}
	check := func(what string, err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(hint.Text(err), want) {
			t.Errorf("%s: error %v, want one with %q", what, err, want)
		}
	}
	other := record(1)
	other.Zip = record(7).Zip
	check("other hashes", Add(proxy, k, []Record{other}), "a published name never changes")
	check("another key", Add(proxy, newKey(t), []Record{record(2)}), "is not signed by the key")

	tile := filepath.Join(Dir(proxy, name), "tile/8/data/000.p/2")
	data, err := os.ReadFile(tile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tile, []byte(strings.Replace(string(data), "1001=", "1002=", 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	check("a changed record", Add(proxy, k, []Record{record(2)}), "was signed for: hash")
	if err := os.Remove(tile); err != nil {
		t.Fatal(err)
	}
	check("a missing tile", Add(proxy, k, []Record{record(2)}), "is not whole")

	// A record that was changed on the host is refused by the client.
	lookup := filepath.Join(Dir(proxy, name), "lookup/golang.org/toolchain@"+record(0).Version)
	if data, err = os.ReadFile(lookup); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lookup, []byte(strings.Replace(string(data), "h1:0", "h1:1", 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	if lines, err := Lookup(Dir(proxy, name), k.Public, record(0).Path, record(0).Version); err == nil {
		t.Errorf("a changed record was believed: %q", lines)
	}
}

func TestKey(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "key")
	if _, err := ReadKey(file); err == nil || !strings.Contains(hint.Text(err), "go run ./build key") {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(file, []byte("PRIVATE+KEY+nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(file); err == nil || !strings.Contains(err.Error(), "is not a key of a checksum database") {
		t.Errorf("nonsense: %v", err)
	}
	if _, err := NewKey(file, name); err == nil || !strings.Contains(err.Error(), "never replaced") {
		t.Errorf("a second key: %v", err)
	}
	// What it names is a directory below proxy/sumdb, whoever made the key.
	skey, _, err := note.GenerateKey(rand.Reader, "a/../../../b")
	if err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(dir, "outside")
	if err := os.WriteFile(outside, []byte(skey), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(outside); err == nil || !strings.Contains(err.Error(), "cannot be the name of a checksum database") {
		t.Errorf("got %v, want an error for a name that leads out of the directory", err)
	}
	for _, bad := range []string{"", "https://sum.example.invalid", "a+b", "a b", "a/", ".", "..", "a/../../../b", "/a", `a\b`} {
		if _, err := NewKey(filepath.Join(dir, "new"), bad); err == nil {
			t.Errorf("NewKey took the name %q", bad)
		}
	}
}
