package suite

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"gocoro/build/line"
	"gocoro/ci/record"
	"gocoro/ci/verdict"
)

// TestProgTests finds the tests of a small package that is made like the
// runtime's own tests: a helper that builds, helpers that use it, tests that
// use these, and tests that do not.
func TestProgTests(t *testing.T) {
	ar, err := txtar.ParseFile("testdata/progs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range ar.Files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := progTests(dir, []string{"progs.go"}, []string{"build_test.go", "other_test.go"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"TestByName", "TestDirect", "TestThroughHelper", "TestThroughTwo"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestArgs(t *testing.T) {
	flags, pkgs := Args(record.Want{"runtime": {"TestB/x", "TestA", "TestB/y"}, "iter": {"TestPull"}})
	if want := []string{"-run=^(TestA|TestB|TestPull)$"}; !reflect.DeepEqual(flags, want) {
		t.Errorf("flags %q, want %q", flags, want)
	}
	if want := []string{"iter", "runtime"}; !reflect.DeepEqual(pkgs, want) {
		t.Errorf("packages %q, want %q", pkgs, want)
	}
	// A package that is wanted whole must not be cut by a pattern.
	if flags, _ := Args(record.Want{"runtime": {"TestA"}, "sync": nil}); flags != nil {
		t.Errorf("flags %q, want none", flags)
	}
}

// A slice is every sixth name. Packages with tests must run one; of others, of
// variants and of patterns, only the result is wanted, and of what is merely
// compiled there is none.
func TestDist(t *testing.T) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	list := "iter - - - - - cmd/go/internal/help - - - - - iter:v - - - - - crypto/...:v - - - - - crypto/...:gofips140-v1.0.0"
	tree := &Tree{GOROOT: strings.TrimSpace(string(goroot)), Command: func(ctx context.Context, args ...string) *exec.Cmd {
		if len(args) > 0 && args[0] == "tool" {
			return exec.CommandContext(ctx, "echo", list)
		}
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Env = os.Environ()
		return cmd
	}}
	find, err := Find("dist-1-of-6")
	if err != nil {
		t.Fatal(err)
	}
	got, err := find(context.Background(), tree)
	if err != nil {
		t.Fatal(err)
	}
	result := []string{verdict.PackageItself}
	if want := (record.Want{"iter": nil, "cmd/go/internal/help": result, "iter:v": result, "crypto/...:v": result}); !reflect.DeepEqual(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
	if names, err := DistTests(context.Background(), tree, "dist-1-of-6"); err != nil || len(names) != 5 {
		t.Errorf("names %q, error %v, want the five of the list", names, err)
	}

	list = "iter:v"
	if got, err := find(context.Background(), tree); err != nil || len(got) != 1 {
		t.Errorf("a slice of variants alone: %v, error %v", got, err)
	}
	if find, err = Find("dist-2-of-6"); err != nil {
		t.Fatal(err)
	}
	if _, err := find(context.Background(), tree); err == nil || !strings.Contains(err.Error(), "slice 2") {
		t.Errorf("an empty slice: error %v", err)
	}
}

// A go command that fails is told with its own words, and one that says, as
// "go list -e" does, that a package is not there.
func TestWantError(t *testing.T) {
	for _, test := range []struct{ suite, command, want string }{
		{"std", "echo no such luck >&2; exit 3", "no such luck"},
		{"dist-1-of-6", "echo no such luck >&2; exit 3", "no such luck"},
		{"coro", `echo '{"ImportPath":"runtime","Error":{"Err":"is not in std"}}'`, "is not in std"},
		{"testprog", `echo '{"ImportPath":"runtime","Error":{"Err":"is not in std"}}'`, "is not in std"},
	} {
		tree := &Tree{GOROOT: t.TempDir(), Command: func(ctx context.Context, args ...string) *exec.Cmd {
			return exec.CommandContext(ctx, "sh", "-c", test.command)
		}}
		find, err := Find(test.suite)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := find(context.Background(), tree); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.suite, err, test.want)
		}
	}
	if _, err := Find("testprogs"); err == nil || !strings.Contains(err.Error(), "testprog") {
		t.Errorf("unknown suite: error %v, want the names of the suites", err)
	}
}

// The programs of a line with shared locks are upstream's, by default and with
// upstream's rules, and those in the tables of the overlay's test, as the files
// say now.
func TestPrograms(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"VERSION":            "go1.22.12-coro1\ntime 2026-11-23T12:00:00Z\n",
		"patches/go1.22/pin": "upstream go1.22.12\nrevision 1\ntime 2026-11-23T12:00:00Z\nbootstrap go1.20.6\n",
		"patches/go1.27/pin": "upstream go1.27.3\nrevision 1\ntime 2026-11-23T12:00:00Z\nbootstrap go1.24.6\noverlay corolock\noverlay corobugs\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, overlay := range []string{"corolock", "corobugs"} {
		if err := os.CopyFS(filepath.Join(dir, "src", overlay), os.DirFS("../../src/"+overlay)); err != nil {
			t.Fatal(err)
		}
	}
	programs := func(name string) (list []Program, control int) {
		l, err := (&line.Repo{Dir: dir}).Line(name)
		if err != nil {
			t.Fatal(err)
		}
		list, err = Programs(l)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, p := range list {
			if seen[p.Test] || p.Name == "" || p.Binary == "" && !strings.HasPrefix(p.Test, "TestCoroBug") {
				t.Errorf("%s: %+v is there twice or not complete", name, p)
			}
			seen[p.Test] = true
			if p.Control {
				control++
			}
		}
		return list, control
	}
	if list, control := programs("go1.22"); len(list) != 19 || control != 13 {
		t.Errorf("go1.22: %d programs, %d of them the negative control; want 19 and 13", len(list), control)
	}
	list, control := programs("go1.27")
	if len(list) < 2*19+100 || control < 2*7+80 {
		t.Errorf("go1.27: %d programs, %d of them the negative control; want more", len(list), control)
	}
	want := map[string]bool{ // whether it is in the negative control
		"TestCoroLockOSThread/CoroLockOSThreadLockAfterPull":          true,
		"TestCoroCgoCallback/CoroCgoCallback":                         false,
		"TestCoroLockUpstream/testprog/CoroLockOSThreadLockAfterPull": true,
		"TestCoroLockUpstream/testprogcgo/CoroCgoCallback":            false,
		"TestCoroLock/testprog/CoroSharedFair":                        true,
		"TestCoroLock/testprogcgo/CoroSharedCgoEventLoopMain":         true,
		"TestCoroBugRetention":                                        true,
		"TestCoroLock/testprog/CoroSharedLeak":                        false, // runs with upstream, too
		"TestCoroLock/testprog/CoroSharedLoanUnlockLock":              false, // varies
	}
	for _, p := range list {
		if c, ok := want[p.Test]; ok && c == p.Control {
			delete(want, p.Test)
		}
	}
	if len(want) > 0 {
		t.Errorf("go1.27: not there, or of the other kind: %v", want)
	}
	if err := os.WriteFile(filepath.Join(dir, "src/corolock/runtime/corolock_test.go"), []byte("package runtime_test\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	l, err := (&line.Repo{Dir: dir}).Line("go1.27")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Programs(l); err == nil || !strings.Contains(err.Error(), "no table coroLockProgs") {
		t.Errorf("a test without tables: %v", err)
	}
}

// What a program with cgo gets wrong on another platform is found without that
// platform's C library, and what C says is taken as it is.
func TestTypeCheckCgo(t *testing.T) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := strings.TrimSpace(string(goroot))
	tree := &Tree{GOROOT: root, Command: func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, filepath.Join(root, "bin", "go"), args...)
		cmd.Env = append(os.Environ(), "GOOS=darwin", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
		return cmd
	}}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.go":      "package main\n\n// int f(int);\nimport \"C\"\n\nimport \"unsafe\"\n\nfunc main() { println(C.f(C.int(1)), unsafe.Sizeof(C.int(0)), thread()) }\n",
		"th_darwin.go": "package main\n\nimport \"runtime\"\n\nfunc thread() int { return runtime.NumGoroutine() }\n",
		"th_linux.go":  "package main\n\nfunc thread() int { return nothing }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	check := func() error { return TypeCheckCgo(t.Context(), tree, dir, "darwin", "arm64", nil) }
	if err := check(); err != nil {
		t.Errorf("a good program: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "th_darwin.go"), []byte("package main\n\nimport \"runtime\"\n\nfunc thread() int { return runtime.NumGoroutines() }\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := check(); err == nil || !strings.Contains(err.Error(), "NumGoroutines") {
		t.Errorf("a program with an unknown name: %v", err)
	}
}
