package runner

import (
	"context"
	"errors"
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// hostGo returns a command of the Go that runs the CI, in the checkout, without the
// user's flags. It does not call git, which refuses a checkout of another user, as
// in a container.
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

// actionlint checks the workflows. It is not in go.mod, because gocoro does not
// contain it.
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
	delete(want, packageOf("user"))
	return want, nil
}

// self checks the form of gocoro's own sources and runs its own tests.
func (j *job) self(ctx context.Context) error {
	lint := []string{"lint", "-line", "all"}
	if j.c.Depth != plan.Nightly {
		lint = append(lint, "-fast") // the line's cells compile the patches
	}
	for _, check := range []struct {
		name  string
		cmd   *exec.Cmd
		quiet bool // any output is a failure
	}{
		{"gofmt", gofmt(ctx, j.Repo.Dir), true},
		{"go vet", j.hostGo(ctx, "vet", "-tags=emulation,guest", "./..."), false},
		{"actionlint", j.hostGo(ctx, "run", actionlint), false},
		{"lint of the series", j.buildCommand(ctx, lint...), false},
	} {
		if err := runStep(ctx, j.rec, check.name, check.cmd, check.quiet); err != nil {
			return err
		}
	}
	tmp, err := os.MkdirTemp(memory(), "self-")
	if err != nil {
		return err
	}
	defer store.RemoveAll(tmp)
	args := []string{"test", "-json", "-count=1", "-timeout=" + j.c.Limit().String()}
	if j.c.Depth == plan.Nightly && j.c.Method.Host == (platform.Platform{OS: "linux", Arch: "amd64"}) {
		args = append(args, "-tags=emulation") // the tests of the emulators themselves take minutes
	}
	return attempt(ctx, j.c.Limit(), j.rec, func(ctx context.Context) *exec.Cmd {
		cmd := j.hostGo(ctx, append(args, "./...")...)
		cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
		return cmd
	})
}

// memory returns a directory for temporary files in memory, or "" if the machine
// has none with enough room. The tests of the driver make and remove tens of
// thousands of small files with git, which takes half the processor time there.
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

// gofmt returns the command that lists the files that gofmt would change, among
// gocoro's and the overlays', but not upstream's in a workspace.
func gofmt(ctx context.Context, dir string) *exec.Cmd {
	cmd := run.Command(ctx, "gofmt", "-l", "build", "ci", "docs", "src")
	cmd.Dir = dir
	return cmd
}

// api compares the API baseline that the line keeps with its upstream's.
func (j *job) api(ctx context.Context) error {
	d, err := j.driver(j.c.Line)
	if err != nil {
		return err
	}
	a := record.Attempt{Command: []string{"go", "run", "./build", "api", "-line", j.c.Line}, Dir: j.Repo.Dir}
	return asTests(ctx, j.c.Limit(), j.rec, a, func(ctx context.Context, tests *tests) error {
		tests.run("TestBaseline", func() string { return text(d.CheckAPI(ctx)) })
		return nil
	})
}

// userWant returns the stories of a user with an installed toolchain: every
// line's, and those of its rules.
func (j *job) userWant(context.Context) (names []string, err error) {
	dirs := map[string]string{"TestUser": "script"}
	if j.c.Of.Rules == suite.Shared {
		dirs["TestUserShared"] = "shared"
	}
	for test, dir := range dirs {
		dir = filepath.Join("ci/user/testdata", dir)
		files, err := filepath.Glob(filepath.Join(j.Repo.Dir, dir, "*.txtar"))
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("%s has no stories", dir)
		}
		for _, f := range files {
			names = append(names, test+"/"+strings.TrimSuffix(filepath.Base(f), ".txtar"))
		}
	}
	return names, nil
}

// delve returns the debugger of the stories, as an argument of "go install". It is
// not in go.mod, because gocoro does not contain it. A version of Delve knows the
// runtimes of about four Go releases, so a new line needs a newer version here.
func delve(upstream string) string {
	const delve = "github.com/go-delve/delve/cmd/dlv"
	if version.Compare(upstream, "go1.25") < 0 {
		return delve + "@v1.25.2" // Go 1.22 to 1.25
	}
	return delve + "@v1.27.2" // Go 1.25 to 1.27
}

// user installs the line's toolchain and a debugger, and runs the stories with
// them.
func (j *job) user(ctx context.Context) error {
	d, err := j.driver(j.c.Line)
	if err != nil {
		return err
	}
	t := &install.Target{Root: filepath.Join(j.tmp, "sdk"), Bin: filepath.Join(j.tmp, "bin"), Name: d.Line.Release()}
	if _, err := d.Install(ctx, t, false); err != nil {
		return err
	}
	// The build cache keeps it for the other lines. If this fails, the stories
	// that need no debugger run anyway.
	dlv := j.hostGo(ctx, "install", delve(d.Line.Pin.Upstream))
	dlv.Env = append(dlv.Env, "GOBIN="+j.tmp)
	if err := runStep(ctx, j.rec, "install Delve", dlv, false); err != nil {
		return err
	}
	if s := &j.rec.Steps[len(j.rec.Steps)-1]; !s.OK {
		s.Output += "\tthe go command asks the module proxy for it; once GOPROXY answers, type: go run ./ci test -suite user -line " + j.c.Line + "\n"
	}
	flags, packages := suite.Args(j.rec.Want)
	return attempt(ctx, j.c.Limit(), j.rec, func(ctx context.Context) *exec.Cmd {
		cmd := j.hostGo(ctx, slices.Concat([]string{"test", "-json", "-count=1"}, flags, packages)...)
		cmd.Env = append(cmd.Env,
			"GOCORO_USER_BIN="+t.Bin,
			"GOCORO_USER_DLV="+filepath.Join(j.tmp, "dlv"),
			"GOCORO_USER_RELEASE="+t.Name,
			"GOCORO_USER_UPSTREAM="+d.Line.Pin.Upstream,
			"GOCORO_USER_EXPERIMENT="+platform.Experiments(t.GOROOT(), ""),
			"GOCORO_USER_RULES="+string(j.c.Of.Rules))
		return cmd
	})
}
