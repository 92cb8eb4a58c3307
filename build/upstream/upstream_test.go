package upstream

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/dirhash"

	"gocoro/build/line"
)

func TestIsExec(t *testing.T) {
	for name, want := range map[string]bool{
		"bin/go": true, "pkg/tool/linux_amd64/link": true, "src/make.bash": true, "src/make.rc": true,
		"lib/time/update.bash": true, "misc/ios/go_darwin_arm64_exec": true, "src/crypto/x/gen.pl": true,
		"src/go.mod": false, "src/cmd/go_test.go": false, "src/bin/x": false, "go_exec": false,
	} {
		if got := IsExec(name); got != want {
			t.Errorf("IsExec(%q) = %v", name, got)
		}
	}
}

func TestParse(t *testing.T) {
	env := &Env{Pin: new(line.Pin)}
	for spec, want := range map[string]Source{"module": &moduleSource{env: env}, "tarball=/a/b=c": &tarball{env: env, from: "/a/b=c"}} {
		if got, err := Parse(spec, env); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v, %v, want %#v", spec, got, err, want)
		}
	}
	for _, spec := range []string{"", "module=x", "tarball", "tarball=", "git=x", "dir=x"} {
		if _, err := Parse(spec, env); err == nil {
			t.Errorf("%q was understood, want an error", spec)
		}
	}
}

// moduleZip writes a zip of the given names, each with its name as content.
func moduleZip(t *testing.T, names ...string) (file string) {
	t.Helper()
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for _, name := range names {
		w, err := zw.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(name))
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "m.zip")
	if err := os.WriteFile(file, buf.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

// The hash is the module's, and every file is in its place, with its mode.
func TestUnzip(t *testing.T) {
	names := []string{"m/src/_go.mod", "m/VERSION", "m/src/make.bash", "m/bin/go"}
	for i := range 500 {
		names = append(names, fmt.Sprintf("m/src/%d/%d.go", i%7, i*7919%500))
	}
	file := moduleZip(t, names...)
	dir := t.TempDir()
	h1, unpackErr, err := unzip(dir, file, "m/")
	if err != nil || unpackErr != nil {
		t.Fatal(err, unpackErr)
	}
	want, err := dirhash.HashZip(file, dirhash.Hash1)
	if err != nil || h1 != want {
		t.Errorf("hash %s, want %s (%v)", h1, want, err)
	}
	for _, name := range names {
		f := filepath.Join(dir, strings.Replace(name[2:], "_go.mod", "go.mod", 1))
		data, err := os.ReadFile(f)
		if err != nil || string(data) != name {
			t.Errorf("%s holds %q, %v", f, data, err)
		}
		st, err := os.Stat(f)
		if exec := name == "m/bin/go" || name == "m/src/make.bash"; err != nil || (st.Mode()&0o100 != 0) != exec {
			t.Errorf("%s: mode %v, want it executable: %v (%v)", name, st.Mode(), exec, err)
		}
	}
}

// What cannot be unpacked is told of, the hash notwithstanding; what is not
// whole has no hash.
func TestUnzipErrors(t *testing.T) {
	for _, names := range [][]string{
		{"m/a", "n/b"},
		{"m/a", "b"},
		{"m/../../evil"},
		{"m//etc/evil"},
		{"m/a", "m/directory/"},
		{"m/a", "m/a"},
		{"m/a", "m/a/b"},
		{"m/x/go.mod", "m/x/_go.mod"},
	} {
		base := t.TempDir()
		file := moduleZip(t, names...)
		h1, unpackErr, err := unzip(filepath.Join(base, "a", "b"), file, "m/")
		if err != nil || h1 == "" || unpackErr == nil {
			t.Errorf("%q: hash %q, %v, unpacking: %v; want a hash, and an error of unpacking", names, h1, err, unpackErr)
		}
		if _, err := os.Stat(filepath.Join(base, "evil")); err == nil {
			t.Errorf("%q: was written outside", names)
		}
	}
	// Enough files that others are under way when one turns out to be damaged.
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("m/%d", i))
	}
	file := moduleZip(t, names...)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	at, err := r.File[50].DataOffset()
	if err != nil {
		t.Fatal(err)
	}
	data[at+3] ^= 0x40
	if err := os.WriteFile(file, data, 0o666); err != nil {
		t.Fatal(err)
	}
	if h1, _, err := unzip(t.TempDir(), file, "m/"); err == nil || !strings.Contains(err.Error(), "m/50") {
		t.Errorf("a damaged file: hash %q, error %v, want an error that names m/50", h1, err)
	}

	// The caller removes the directory: nothing may be written to it any more.
	for range 25 {
		dir := t.TempDir()
		unzip(dir, file, "m/")
		got, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
		if late, err := os.ReadDir(dir); err != nil || len(late) != len(got) {
			t.Fatalf("got %d files after unzip had returned (%v), want %d as before", len(late), err, len(got))
		}
	}
}
