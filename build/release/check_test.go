package release

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gocoro/build/dist"
	"gocoro/build/upstream"
)

// TestHeader looks at a real program, the gofmt of the Go that runs the test,
// and expects of it what it is not. (That nothing is said of a right one, go
// run ./build check shows on whole releases.)
func TestHeader(t *testing.T) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(strings.TrimSpace(string(out)), "bin/gofmt")
	for _, tt := range []struct{ name, release, want string }{
		{"bin/go", runtime.Version(), "want cmd/go of"},
		{"bin/gofmt", "go1.22.12-coro1", "want cmd/gofmt of go1.22.12-coro1"},
	} {
		if err := header(file, tt.name, tt.release, upstream.Host()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s as %s of %s: error %v, want one with %q", file, tt.name, tt.release, err, tt.want)
		}
	}
	for _, p := range dist.Platforms {
		if err := header(file, "bin/gofmt", runtime.Version(), p); err == nil && p != upstream.Host() {
			t.Errorf("%s passes as a program of %s", file, p)
		}
	}
}

func TestCompareReleases(t *testing.T) {
	order := []string{"go1.22.12-coro1", "go1.22.12-coro2", "go1.22.12-coro10", "go1.22.13-coro1", "go1.27.3-coro1"}
	for i, a := range order {
		for j, b := range order {
			if got := compareReleases(a, b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("compareReleases(%s, %s) = %d", a, b, got)
			}
		}
	}
}
