package runner

import (
	"context"
	"errors"
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gocoro/build/goroot"
	"gocoro/build/install"
	"gocoro/build/run"
	"gocoro/build/store"
	"gocoro/ci/plan"
	"gocoro/ci/platform"
	"gocoro/ci/record"
	"gocoro/ci/suite"
)

// hostGo returns a command of the Go that runs the CI, in the checkout. The
// user's flags stay out of it, and so does git, which refuses a checkout that
// another user owns, as in a container.
func (r *Runner) hostGo(ctx context.Context, args ...string) *exec.Cmd {
	cmd := run.Command(ctx, "go", args...)
	cmd.Dir = r.Repo.Dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "GOWORK=off", "GOEXPERIMENT=", "GOOS=", "GOARCH=", "PWD="+r.Repo.Dir)
	cmd.Env = append(cmd.Env, goroot.Collector()...)
	return cmd
}

// buildCommand returns a command of the build driver, which shares the CI's cache.
func (r *Runner) buildCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := r.hostGo(ctx, append([]string{"run", "./build"}, args...)...)
	cmd.Env = append(cmd.Env, "GOCORO_CACHE="+r.Store.Root)
	r.yield(cmd)
	return cmd
}

// actionlint checks the workflows. It is no part of what gocoro is made of, so
// it is not in go.mod, and its version is here.
const actionlint = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"

// selfWant returns gocoro's own packages that have tests.
func (r *Runner) selfWant(ctx context.Context) (record.Want, error) {
	out, err := r.hostGo(ctx, "list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}", "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list ./...: %w", err)
	}
	want := record.Want{}
	for _, pkg := range strings.Fields(string(out)) {
		want[pkg] = nil
	}
	if len(want) == 0 {
		return nil, errors.New("go list ./...: no package has tests")
	}
	// Its tests need a toolchain, and have a suite of their own.
	delete(want, userPackage)
	return want, nil
}

// self checks the form of gocoro's own sources and runs its own tests.
func (r *Runner) self(ctx context.Context, c plan.Cell, cell *record.Cell) error {
	lint := []string{"lint", "-line", "all"}
	if c.Depth != plan.Nightly {
		lint = append(lint, "-fast") // what a patch compiles to is seen in the line's cells
	}
	for _, check := range []struct {
		name  string
		cmd   *exec.Cmd
		quiet bool // any output is a failure
	}{
		{"gofmt", gofmt(ctx, r.Repo.Dir), true},
		{"go vet", r.hostGo(ctx, "vet", "-tags=emulation,guest", "./..."), false},
		{"actionlint", r.hostGo(ctx, "run", actionlint), false},
		{"lint of the series", r.buildCommand(ctx, lint...), false},
	} {
		if err := runStep(ctx, cell, check.name, check.cmd, check.quiet); err != nil {
			return err
		}
	}
	limited, cancel := context.WithTimeout(ctx, c.Limit())
	defer cancel()
	tmp, err := os.MkdirTemp(memory(), "self-")
	if err != nil {
		return err
	}
	defer store.RemoveAll(tmp)
	args := []string{"test", "-json", "-count=1", "-timeout=" + c.Limit().String()}
	if c.Depth == plan.Nightly && c.Method.Host == (platform.Platform{OS: "linux", Arch: "amd64"}) {
		args = append(args, "-tags=emulation") // the tests of the emulators themselves take minutes
	}
	cmd := r.hostGo(limited, append(args, "./...")...)
	cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
	return attempt(limited, ctx, cell, cmd)
}

// memory returns a directory for temporary files that is kept in memory, if the
// machine has one with room, or "". The tests of the driver make and remove tens
// of thousands of small files with git, which takes half the processor time there.
func memory() string {
	const dir, room = "/dev/shm", 4 << 30
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil || int64(s.Bavail)*int64(s.Bsize) < room {
		return ""
	}
	// Tests run programs in it.
	f, err := os.CreateTemp(dir, "gocoro-")
	if err != nil {
		return ""
	}
	defer os.Remove(f.Name())
	f.WriteString("#!/bin/sh\n")
	if err := errors.Join(f.Chmod(0o700), f.Close()); err != nil || exec.Command(f.Name()).Run() != nil {
		return ""
	}
	return dir
}

// runStep runs a command as a step of the cell. If quiet is set, the step fails
// if the command prints anything. The error is that of ctx, never the command's.
func runStep(ctx context.Context, cell *record.Cell, name string, cmd *exec.Cmd, quiet bool) error {
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s := record.Step{Name: name, OK: err == nil && !(quiet && len(out) > 0), Seconds: time.Since(start).Round(time.Millisecond).Seconds()}
	if !s.OK {
		s.Output = fmt.Sprintf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	cell.Steps = append(cell.Steps, s)
	return nil
}

// gofmt returns the command that lists the files that gofmt would change:
// gocoro's own and the overlay's, and not those of upstream in a workspace.
func gofmt(ctx context.Context, dir string) *exec.Cmd {
	cmd := run.Command(ctx, "gofmt", "-l", "build", "ci", "docs", "src")
	cmd.Dir = dir
	return cmd
}

// apiPackage stands for a package in the record of the API baseline.
const apiPackage = "gocoro/ci/api"

// api compares the API baseline that the line keeps with its upstream's.
func (r *Runner) api(ctx context.Context, c plan.Cell, cell *record.Cell) error {
	d, err := r.driver(c.Line)
	if err != nil {
		return err
	}
	a := record.Attempt{Command: []string{"go", "run", "./build", "api", "-line", c.Line}, Dir: r.Repo.Dir}
	return asTests(ctx, c.Limit(), cell, apiPackage, a, func(ctx context.Context, tests *tests) error {
		tests.run("TestBaseline", func() string { return text(d.CheckAPI(ctx)) })
		return nil
	})
}

// userPackage holds the stories of a user with an installed toolchain.
const userPackage = "gocoro/ci/user"

// userWant returns the stories: every line's, and those of its rules.
func (r *Runner) userWant(c plan.Cell) (record.Want, error) {
	want := record.Want{}
	dirs := map[string]string{"TestUser": "script"}
	if c.Of.Rules == suite.Shared {
		dirs["TestUserShared"] = "shared"
	}
	for test, dir := range dirs {
		dir = filepath.Join("ci/user/testdata", dir)
		files, err := filepath.Glob(filepath.Join(r.Repo.Dir, dir, "*.txtar"))
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("%s has no stories", dir)
		}
		for _, f := range files {
			want[userPackage] = append(want[userPackage], test+"/"+strings.TrimSuffix(filepath.Base(f), ".txtar"))
		}
	}
	return want, nil
}

// delve returns the debugger of the stories, as the go command installs it. It
// is no part of what gocoro is made of, so it is not in go.mod, and its version
// is here. Each version of Delve knows the runtimes of four Go releases or so:
// one that the line adds wants a newer version here.
func delve(upstream string) string {
	const delve = "github.com/go-delve/delve/cmd/dlv"
	if version.Compare(upstream, "go1.25") < 0 {
		return delve + "@v1.25.2" // Go 1.22 to 1.25
	}
	return delve + "@v1.27.2" // Go 1.25 to 1.27
}

// user installs the line's toolchain, and a debugger, into directories of its
// own and plays the stories with them.
func (r *Runner) user(ctx context.Context, c plan.Cell, cell *record.Cell) error {
	d, err := r.driver(c.Line)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "gocoro-user-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	t := &install.Target{Root: filepath.Join(tmp, "sdk"), Bin: filepath.Join(tmp, "bin"), Name: d.Line.Release()}
	if _, err := d.Install(ctx, t, false); err != nil {
		return err
	}
	// Compiled once, whatever the line: the build cache keeps it. If this fails,
	// the stories that need no debugger still have their say.
	dlv := r.hostGo(ctx, "install", delve(d.Line.Pin.Upstream))
	dlv.Env = append(dlv.Env, "GOBIN="+tmp)
	if err := runStep(ctx, cell, "install Delve", dlv, false); err != nil {
		return err
	}
	if s := &cell.Steps[len(cell.Steps)-1]; !s.OK {
		s.Output += "\tthe go command asks the module proxy for it; once GOPROXY answers, type: go run ./ci test -suite user -line " + c.Line + "\n"
	}
	limited, cancel := context.WithTimeout(ctx, c.Limit())
	defer cancel()
	flags, packages := suite.Args(cell.Want)
	cmd := r.hostGo(limited, append(append([]string{"test", "-json", "-count=1"}, flags...), packages...)...)
	cmd.Env = append(cmd.Env,
		"GOCORO_USER_BIN="+t.Bin,
		"GOCORO_USER_DLV="+filepath.Join(tmp, "dlv"),
		"GOCORO_USER_RELEASE="+t.Name,
		"GOCORO_USER_UPSTREAM="+d.Line.Pin.Upstream,
		"GOCORO_USER_EXPERIMENT="+platform.Experiments(t.GOROOT(), ""),
		"GOCORO_USER_RULES="+string(c.Of.Rules))
	return attempt(limited, ctx, cell, cmd)
}
