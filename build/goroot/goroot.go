// Package goroot turns a patched source tree into a built GOROOT, the way
// upstream builds releases: make.bash, with VERSION in place, in an
// environment without the user's settings.
package goroot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/version"
	"os"
	"path/filepath"
	"strings"

	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/progress"
	"gocoro/build/run"
)

// keepEnv lists the variables that pass from the user's environment into a
// build. Everything else is left out: CC, CGO_ENABLED, GOAMD64, GOFLAGS,
// GOEXPERIMENT, GO_LDFLAGS and two dozen more change the bytes of the result
// (cmd/dist reads them), and the next Go may read others.
var keepEnv = []string{
	"PATH", "HOME", "TMPDIR", "USER", "LOGNAME", "TERM",
	"DEVELOPER_DIR", "SDKROOT", // macOS: which Xcode
	"GOCACHE", "XDG_CACHE_HOME", // only cmd/dist's own first build uses them
}

// Environ returns the environment of a build with the given variables added.
func Environ(extra ...string) []string {
	var env []string
	for _, k := range keepEnv {
		if v, ok := os.LookupEnv(k); ok {
			env = append(env, k+"="+v)
		}
	}
	return append(append(env, "LC_ALL=C", "TZ=UTC", "GOENV=off", "GOTOOLCHAIN=local"), extra...)
}

// Collector returns variables that make the compilers of a build collect garbage
// less often: cmd/compile takes a quarter less processor time, and each process up
// to a gigabyte of memory. They do not change what the compilers write.
func Collector() []string { return []string{"GOGC=400", "GOMEMLIMIT=1GiB"} }

// BuildEnviron returns the environment of a build in which compilers run.
func BuildEnviron(extra ...string) []string { return Environ(append(Collector(), extra...)...) }

// A Bootstrap is the Go that builds a toolchain.
type Bootstrap struct {
	GOROOT  string
	Version string
}

// FindBootstrap returns the Go on PATH or, if that is older than the pin allows, a
// stock release of the oldest version that it allows, which the go command
// downloads.
func FindBootstrap(ctx context.Context, pin *line.Pin, rep *progress.Reporter) (*Bootstrap, error) {
	b, err := goEnv(ctx, rep, "local")
	if err != nil {
		return nil, err
	}
	if version.Compare(b.Version, pin.Bootstrap) >= 0 {
		return b, nil
	}
	rep.Printf("%s is too old to build %s; getting %s", b.Version, pin.Upstream, pin.Bootstrap)
	b2, err := goEnv(ctx, rep, pin.Bootstrap)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("%s needs Go %s or newer to build it, this is %s, and downloading %s failed: %w", pin.Upstream, pin.Bootstrap, b.Version, pin.Bootstrap, err), "install a newer Go, put it first on PATH, and run the command again")
	}
	return b2, nil
}

func goEnv(ctx context.Context, rep *progress.Reporter, toolchain string) (*Bootstrap, error) {
	cmd := run.Command(ctx, "go", "env", "GOROOT", "GOVERSION")
	cmd.Dir = os.TempDir() // no go.mod may choose another toolchain
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN="+toolchain, "GOROOT=", "GOWORK=off", "GOFLAGS=", "PWD="+cmd.Dir)
	rep.TraceCmd(cmd)
	out, err := run.Output(cmd)
	if err != nil {
		return nil, fmt.Errorf("GOTOOLCHAIN=%s go env: %w", toolchain, err)
	}
	f := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(f) != 2 {
		return nil, fmt.Errorf("go env GOROOT GOVERSION printed %q, want two lines", out)
	}
	// A locally patched Go may report "go1.26.8 X:exp" or the like.
	v, _, _ := strings.Cut(f[1], " ")
	return &Bootstrap{GOROOT: f[0], Version: v}, nil
}

// Make runs make.bash in the tree at dir. All processes of the build inherit lock,
// which stays taken as long as one of them runs. leak is added to the environment,
// to show that verify detects a variable that gets through. next is the hint of an
// error, unless its cause is outside of the tree.
func Make(ctx context.Context, dir string, boot *Bootstrap, leak []string, rep *progress.Reporter, log string, lock *os.File, detail func(string), next string) error {
	cmd := run.Command(ctx, "bash", "make.bash", "--no-banner")
	cmd.Dir = filepath.Join(dir, "src")
	cmd.Env = append(BuildEnviron("GOROOT_BOOTSTRAP="+boot.GOROOT, "PWD="+cmd.Dir), leak...)
	cmd.ExtraFiles = []*os.File{lock}
	err := rep.Run(ctx, "make.bash", cmd, log, func(l string) {
		// "Building Go toolchain1 using ...": what people can follow.
		if strings.HasPrefix(l, "Building ") {
			l, _, _ = strings.Cut(l, " using ")
			detail(strings.TrimSuffix(l, "."))
		}
	})
	if ce, ok := errors.AsType[*run.Error](err); ok {
		return hint.Add(err, "next: %s", cmp.Or(outside(ce.Tail), next))
	}
	if err != nil {
		return err
	}
	// Only another build would need pkg/obj.
	return os.RemoveAll(filepath.Join(dir, "pkg", "obj"))
}

// outside recognizes failures that have a cause outside the tree, and returns
// what to do about it.
func outside(tail []string) string {
	text := strings.Join(tail, "\n")
	switch {
	case strings.Contains(text, "signal: killed"):
		return "the system killed the compiler, most likely for want of memory: close other programs and run the command again"
	case strings.Contains(text, "gcc: not found"), strings.Contains(text, `"gcc": executable file not found`), strings.Contains(text, `"clang": executable file not found`):
		return "install a C compiler (Debian: apt-get install gcc libc6-dev; macOS: xcode-select --install)"
	}
	return ""
}
