package sumdb

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb"
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

// TestRefuse has what must not be added, and what is not whole.
func TestRefuse(t *testing.T) {
	k := newKey(t)
	proxy := t.TempDir()
	if err := Add(proxy, k, []Record{record(0), record(1)}); err != nil {
		t.Fatal(err)
	}
	check := func(what string, err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
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
	check("a changed record", Add(proxy, k, []Record{record(2)}), "not those that its head was signed for")
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
	if _, err := ReadKey(file); err == nil || !strings.Contains(err.Error(), "go run ./build key") {
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
	for _, bad := range []string{"", "https://sum.example.invalid", "a+b", "a b", "a/"} {
		if _, err := NewKey(filepath.Join(dir, "new"), bad); err == nil {
			t.Errorf("NewKey took the name %q", bad)
		}
	}
}
