package runner

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gocoro/ci/plan"
	"gocoro/ci/platform"
	"gocoro/ci/suite"
	"gocoro/ci/verdict"
)

// A slice of dist runs in a copy of the tree and with a build cache of the
// copy's own, and runs its names and no others.
func TestDist(t *testing.T) {
	goroot := t.TempDir()
	script := "#!/bin/sh\n" +
		`case "$*" in *-list) echo a b c d e f g:v;; *) echo "$GOCACHE" "$GO_TEST_TIMEOUT_SCALE" "$0" "$@" >&2;; esac` + "\n"
	for name, text := range map[string]string{"bin/go": script, "src/x.go": "package x\n"} {
		file := filepath.Join(goroot, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	host := platform.Host()
	m := platform.Method{Kind: platform.Native, Host: host, Target: host}
	env := append(os.Environ(), "GOCACHE=/of/the/tree")
	tree := &suite.Tree{GOROOT: goroot, Command: func(ctx context.Context, args ...string) *exec.Cmd {
		return m.Go(ctx, goroot, env, args...)
	}}
	id := verdict.ID{Line: "go1.27", Platform: "linux-amd64", Suite: suite.Dist(1).Name, Config: "plain", Tree: verdict.Patched}
	dir := t.TempDir()
	cell, err := verdict.Create(dir, verdict.Cell{ID: id, How: string(platform.Native)})
	if err != nil {
		t.Fatal(err)
	}
	if err := new(Runner).dist(context.Background(), plan.Cell{ID: id, Method: m, Config: &plan.Configs[0]}, cell, tree, env); err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(filepath.Join(cell.Dir(), "attempt-1.stderr"))
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Fields(string(out))
	if len(said) < 3 {
		t.Fatalf("dist said %q", out)
	}
	cache, scale, self := said[0], said[1], said[2]
	if copy := filepath.Dir(filepath.Dir(self)); copy == goroot || filepath.Dir(cache) != filepath.Dir(copy) {
		t.Errorf("%s ran with the build cache %s, want a copy with one beside it", self, cache)
	}
	if scale != "4" || !slices.Equal(said[3:], strings.Fields("tool dist test -k -json a g:v")) {
		t.Errorf("time scale %q, arguments %q", scale, said[3:])
	}
	if _, err := os.Stat(cache); !os.IsNotExist(err) {
		t.Errorf("what the run left: %v", err)
	}
}
