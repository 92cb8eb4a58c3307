package system

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gocoro/ci/platform/system/frame"
)

// A file of an archive, as read back.
type file struct {
	name string
	mode uint64
	data string
}

// read reads archives back, one after the other, as the kernel does.
func read(t *testing.T, data []byte) (files []file) {
	pos := 0
	next := func(n int) string {
		if pos+n > len(data) {
			t.Fatalf("the archive ends at %d, within a field of %d bytes at %d", len(data), n, pos)
		}
		s := string(data[pos : pos+n])
		pos += n
		return s
	}
	for pos < len(data) {
		header := next(110)
		if header[:6] != "070701" {
			t.Fatalf("expected a header at %d, found %q", pos-110, header)
		}
		field := func(i int) uint64 {
			v, err := strconv.ParseUint(header[6+8*i:14+8*i], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		name := next(int(field(11)))
		next(-pos & 3)
		body := next(int(field(6)))
		next(-pos & 3)
		if name != "TRAILER!!!\x00" {
			files = append(files, file{strings.TrimSuffix(name, "\x00"), field(1), body})
		}
	}
	return files
}

func TestArchive(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(exe, []byte("12345"), 0o666); err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	a := &archive{w: &buf}
	a.dir("d")
	a.device("d/null", 1, 3)
	a.data("d/list", []byte("abc"))
	a.program("d/exe", exe)
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	want := []file{
		{"d", 0o040755, ""},
		{"d/null", 0o020600, ""},
		{"d/list", 0o100644, "abc"},
		{"d/exe", 0o100755, "12345"},
	}
	got := read(t, buf.Bytes())
	if len(got) != len(want) {
		t.Fatalf("expected %+v, found %+v", want, got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("expected %+v, found %+v", want[i], got[i])
		}
	}
}

// full is a writer with room for n bytes.
type full struct{ n int }

func (w *full) Write(p []byte) (int, error) {
	if len(p) > w.n {
		return 0, errors.New("no space left on device")
	}
	w.n -= len(p)
	return len(p), nil
}

// An error in the middle is not lost by what comes after.
func TestArchiveError(t *testing.T) {
	a := &archive{w: &full{200}}
	a.dir("d")
	a.data("big", make([]byte, 100))
	a.dir("e")
	if err := a.close(); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("expected the writer's error, found %v", err)
	}
	a = &archive{w: new(bytes.Buffer)}
	a.program("x", filepath.Join(t.TempDir(), "none"))
	if err := a.close(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("expected that the file does not exist, found %v", err)
	}
}

// hello builds an empty program without cgo.
func hello(t *testing.T, arch string) string {
	dir := t.TempDir()
	src := filepath.Join(dir, "hello.go")
	if err := os.WriteFile(src, []byte("package main\nfunc main() {}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "hello")
	cmd := exec.Command("go", "build", "-o", exe, src)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return exe
}

func TestWriteRuns(t *testing.T) {
	one, two := hello(t, "arm64"), hello(t, "arm64")
	runs := []Run{
		{Program: one, Args: []string{"a"}, Timeout: time.Second},
		{Program: two, Timeout: time.Second},
		{Program: one, Env: []string{"B=c"}, Timeout: time.Minute},
	}
	var buf bytes.Buffer
	a := &archive{w: &buf}
	writeRuns(a, runs)
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	inside := map[string]file{}
	for _, f := range read(t, buf.Bytes()) {
		inside["/"+f.name] = f
	}
	var list []frame.Command
	if err := json.Unmarshal([]byte(inside[frame.ListFile].data), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != len(runs) {
		t.Fatalf("expected %d runs, found %+v", len(runs), list)
	}
	for i, c := range list {
		want, err := os.ReadFile(runs[i].Program)
		if err != nil {
			t.Fatal(err)
		}
		if inside[c.Program].data != string(want) || inside[c.Program].mode&0o111 == 0 {
			t.Errorf("run %d: %s is not an executable copy of %s", i, c.Program, runs[i].Program)
		}
		if c.Timeout != runs[i].Timeout || strings.Join(c.Args, " ") != strings.Join(runs[i].Args, " ") || strings.Join(c.Env, " ") != strings.Join(runs[i].Env, " ") {
			t.Errorf("run %d: expected %+v, found %+v", i, runs[i], c)
		}
	}
	if list[0].Program != list[2].Program || list[0].Program == list[1].Program {
		t.Errorf("expected each program once, found %+v", list)
	}
}

// What cannot run in the machine is refused before it starts, and every run
// has a result all the same.
func TestBootRefuses(t *testing.T) {
	arm := hello(t, "arm64")
	base := filepath.Join(t.TempDir(), "base.cpio")
	if err := os.WriteFile(base, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	m := &Machine{QEMU: "/none/qemu", Kernel: "/none/vmlinuz", Base: base}
	tests := []struct {
		run  Run
		want string
	}{
		{Run{Program: hello(t, "amd64"), Timeout: time.Second}, "build it with GOARCH=arm64"},
		{Run{Program: "system_test.go", Timeout: time.Second}, "expected a linux/arm64 program"},
		{Run{Program: "none", Timeout: time.Second}, "no such file"},
		{Run{Program: arm}, "expected a timeout"},
		{Run{Program: arm, Timeout: time.Second}, "/none/qemu"},
	}
	for _, test := range tests {
		results, err := m.Boot(t.Context(), []Run{test.run, test.run})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: expected an error with %q, found %v", test.run.Program, test.want, err)
		}
		if len(results) != 2 || results[0].State != frame.NotRun || results[1].Err() == nil {
			t.Errorf("%s: expected two results that were not run, found %+v", test.run.Program, results)
		}
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

func TestResultErr(t *testing.T) {
	r := Run{Program: "/x/toy", Args: []string{"a"}, Timeout: time.Second}
	for _, test := range []struct {
		o    frame.Outcome
		want string // "" for none
	}{
		{frame.Outcome{State: frame.Exited}, ""},
		{frame.Outcome{State: frame.Exited, Truncated: true}, "toy a: exited with status 0, but printed more"},
		{frame.Outcome{State: frame.Exited, Exit: 2}, "toy a: expected exit status 0, found 2"},
		{frame.Outcome{State: frame.Signaled, Signal: 11}, "killed by signal 11"},
		{frame.Outcome{State: frame.TimedOut}, "expected to end within 1s"},
		{frame.Outcome{State: frame.Lost, Detail: "why"}, "toy a: lost: why"},
		{frame.Outcome{State: frame.NotRun, Detail: "why"}, "toy a: not run: why"},
		{frame.Outcome{State: frame.NotStarted, Detail: "why"}, "toy a: not started: why"},
		{frame.Outcome{}, "toy a"}, // no state is no success
	} {
		err := Result{r, test.o}.Err()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: expected %q, found %v", test.o, test.want, err)
		}
	}
}
