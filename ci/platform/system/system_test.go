package system

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cavaliergopher/cpio"
)

// library puts the files of a C library where the machine's come from.
func library(t *testing.T) {
	old := sysroot
	t.Cleanup(func() { sysroot = old })
	sysroot = t.TempDir()
	if err := os.Mkdir(filepath.Join(sysroot, "lib"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range libraries {
		if err := os.WriteFile(filepath.Join(sysroot, "lib", name), []byte("library "+name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInitramfs(t *testing.T) {
	library(t)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"guest", "one", "two"} {
		if err := os.WriteFile(path(name), []byte("program "+name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	programs := []Program{
		{Test: "TestA/a", File: path("one"), Arg: "a", Timeout: time.Second},
		{Test: "TestA/b", File: path("two"), Expect: "x", Timeout: time.Second},
		{Test: "TestB/c", File: path("one"), Env: []string{"B=c"}, Timeout: time.Minute},
	}
	if err := writeInitramfs(path("cpio"), path("guest"), programs); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path("cpio"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, mode := map[string]string{}, map[string]cpio.FileMode{}
	r := cpio.NewReader(f)
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if dir := filepath.Dir(h.Name); dir != "." && !mode[dir].IsDir() {
			t.Errorf("%s comes before its directory", h.Name)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		data["/"+h.Name], mode["/"+h.Name], mode[h.Name] = string(text), h.Mode, h.Mode
	}
	if data["/init"] != "program guest" || mode["/init"]&0o111 == 0 {
		t.Errorf("got %q with mode %v as process 1", data["/init"], mode["/init"])
	}
	for _, name := range libraries {
		if got, want := data["/lib/"+name], "library "+name; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	var list []Program
	if err := json.Unmarshal([]byte(data[ListFile]), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != len(programs) {
		t.Fatalf("got %d programs, want %d", len(list), len(programs))
	}
	if list[0].File != list[2].File || list[0].File == list[1].File {
		t.Errorf("got %+v, want each program once", list)
	}
	for i, got := range list {
		want := programs[i]
		if text := "program " + filepath.Base(want.File); data[got.File] != text || mode[got.File]&0o111 == 0 {
			t.Errorf("%s: got %q with mode %v, want an executable %q", got.File, data[got.File], mode[got.File], text)
		}
		if want.File = got.File; !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}

	if err := writeInitramfs(path("cpio"), path("guest"), []Program{{File: path("none")}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v of a program that is not there", err)
	}
	sysroot = dir
	if err := writeInitramfs(path("cpio"), path("guest"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v without a C library", err)
	}
}

// The full disk is an error, whichever write it is.
func TestInitramfsFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	library(t)
	if err := writeInitramfs("/dev/full", os.Args[0], nil); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("got %v, want that there is no space", err)
	}
}

func TestNoKernel(t *testing.T) {
	if _, err := Command(t.Context(), t.TempDir(), "../../..", t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "sh scripts/setup-linux.sh") {
		t.Errorf("got %v, want an error that says what to type", err)
	}
}

func TestFindKernel(t *testing.T) {
	cache := t.TempDir()
	if _, err := FindKernel(cache); err == nil || !strings.Contains(err.Error(), filepath.Join(cache, "kernel", "arm64")) {
		t.Errorf("expected an error that names the directory, found %v", err)
	}
	now := time.Now()
	// The last is what setup-linux.sh may leave when it is killed.
	for i, name := range []string{"9", "10", ".tmp-x/new"} {
		dir := filepath.Join(cache, "kernel", "arm64", name)
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "vmlinuz")
		if err := os.WriteFile(file, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		when := now.Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(file, when, when); err != nil {
			t.Fatal(err)
		}
	}
	got, err := FindKernel(cache)
	if want := filepath.Join(cache, "kernel", "arm64", "10", "vmlinuz"); got != want || err != nil {
		t.Errorf("expected %s, found %s, %v", want, got, err)
	}
}
