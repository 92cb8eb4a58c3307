package suite

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
	"golang.org/x/tools/txtar"

	"gocoro/ci/verdict"
)

// TestProgTests finds the tests of a small package that is made like the
// runtime's own tests: a helper that builds, helpers that use it, tests that
// use these, and tests that do not.
func TestProgTests(t *testing.T) {
	dir := t.TempDir()
	ar, err := txtar.ParseFile("testdata/progs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range ar.Files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	cfg := &packages.Config{
		Mode:  loadMode | typesMode,
		Dir:   dir,
		Env:   append(os.Environ(), "GOFLAGS=", "GOWORK=off"),
		Tests: true,
	}
	pkgs, err := packages.Load(cfg, ".")
	if err != nil {
		t.Fatal(err)
	}
	got := progTests(pkgs)
	want := []string{"TestByName", "TestDirect", "TestThroughHelper", "TestThroughTwo"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestArgs(t *testing.T) {
	flags, pkgs := Args(verdict.Want{"runtime": {"TestB/x", "TestA", "TestB/y"}, "iter": {"TestPull"}})
	if want := []string{"-run=^(TestA|TestB|TestPull)$"}; !reflect.DeepEqual(flags, want) {
		t.Errorf("flags %q, want %q", flags, want)
	}
	if want := []string{"iter", "runtime"}; !reflect.DeepEqual(pkgs, want) {
		t.Errorf("packages %q, want %q", pkgs, want)
	}
	// A package that is wanted whole must not be cut by a pattern.
	if flags, _ := Args(verdict.Want{"runtime": {"TestA"}, "sync": nil}); flags != nil {
		t.Errorf("flags %q, want none", flags)
	}
}

// A go command that fails is told with its own words.
func TestWantError(t *testing.T) {
	tree := &Tree{GOROOT: t.TempDir(), Command: func(ctx context.Context, args ...string) *exec.Cmd {
		return exec.CommandContext(ctx, "sh", "-c", "echo no such luck >&2; exit 3")
	}}
	for _, name := range []string{"std", "dist-1-of-6"} {
		s, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Want(context.Background(), tree); err == nil || !strings.Contains(err.Error(), "no such luck") {
			t.Errorf("%s: error %v, want the command's words", name, err)
		}
	}
	if _, err := Find("testprogs"); err == nil || !strings.Contains(err.Error(), "testprog") {
		t.Errorf("unknown suite: error %v, want the names of the suites", err)
	}
}
