package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"gocoro/build/goroot"
	"gocoro/build/tree"
	"gocoro/ci/plan"
	"gocoro/ci/suite"
	"gocoro/ci/verdict"
)

// The long suites. What they run writes into its GOROOT, so they get a copy.

// copied calls do with a copy of the tree, which is removed afterwards.
func copied(ctx context.Context, t *suite.Tree, do func(dir string) error) error {
	tmp, err := os.MkdirTemp("", "gocoro-goroot-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	dir := filepath.Join(tmp, filepath.Base(t.GOROOT))
	if err := tree.Copy(ctx, dir, t.GOROOT, nil); err != nil {
		return err
	}
	return do(dir)
}

// dist runs a slice of the tests of all.bash.
func (r *Runner) dist(ctx context.Context, c plan.Cell, cell *verdict.Cell, t *suite.Tree, env []string) error {
	return copied(ctx, t, func(dir string) error {
		limited, cancel := context.WithTimeout(ctx, c.Limit())
		defer cancel()
		_, names := suite.Args(cell.Want)
		return attempt(limited, ctx, cell, c.Method.Go(limited, dir, env, append([]string{"tool", "dist", "test", "-k", "-json"}, names...)...))
	})
}

// allPackage stands for a package in the record of all.bash.
const allPackage = "gocoro/ci/all"

// allBash runs all.bash itself: what a user of the toolchain would type.
func (r *Runner) allBash(ctx context.Context, c plan.Cell, cell *verdict.Cell, t *suite.Tree) error {
	d, err := r.driver(c.Line)
	if err != nil {
		return err
	}
	boot, err := goroot.FindBootstrap(ctx, d.Line.Pin, r.Rep)
	if err != nil {
		return err
	}
	return copied(ctx, t, func(dir string) error {
		cmd := c.Method.Command(ctx, goroot.Environ("GOROOT_BOOTSTRAP="+boot.GOROOT), "bash", "all.bash")
		cmd.Dir = filepath.Join(dir, "src")
		return scripted(ctx, c.Limit(), cell, allPackage, "TestAllBash", cmd, "ALL TESTS PASSED")
	})
}

// stressPackage stands for a package in the record of the stress runs.
const stressPackage = "gocoro/ci/stress"

// stress runs the coroutine tests again and again, several at a time, with
// x/tools' stress: a number of times, and then for a while.
func (r *Runner) stress(ctx context.Context, c plan.Cell, cell *verdict.Cell, t *suite.Tree) error {
	tmp, err := os.MkdirTemp("", "gocoro-stress-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	test := filepath.Join(tmp, "runtime.test")
	if out, err := t.Command(ctx, "test", "-c", "-o", test, "runtime").CombinedOutput(); err != nil {
		return fmt.Errorf("go test -c runtime: %v\n%s", err, out)
	}
	tool := filepath.Join(tmp, "stress")
	if out, err := r.hostGo(ctx, "build", "-o", tool, "golang.org/x/tools/cmd/stress").CombinedOutput(); err != nil {
		return fmt.Errorf("go build golang.org/x/tools/cmd/stress: %v\n%s", err, out)
	}
	// Tests in race mode build a program of their own in each run.
	const pattern = "-test.run=^TestCoro($|[^R])"
	var errs []error
	for name, limit := range map[string]string{"count": "-count=200", "time": ""} {
		args := []string{"-timeout=10m", "-o=" + filepath.Join(tmp, "failure-")}
		d := c.Limit()
		if limit != "" {
			args = append(args, limit)
		} else {
			d = 10 * time.Minute // then it is ended, and must have seen no failure
		}
		cmd := c.Method.Command(ctx, t.Command(ctx).Env, tool, append(args, test, pattern)...)
		cmd.Dir = filepath.Join(t.GOROOT, "src/runtime")
		errs = append(errs, scripted(ctx, d, cell, stressPackage, "TestStress/"+name, cmd, " 0 failures"))
	}
	return errors.Join(errs...)
}

// scripted runs a command that is no go test, as an attempt with one test. It
// passes if the command's last words hold want and it exits with status 0, or,
// of stress, which has no end of its own, is ended by its time.
func scripted(ctx context.Context, limit time.Duration, cell *verdict.Cell, pkg, test string, cmd *exec.Cmd, want string) error {
	out, err := cell.Attempt(verdict.Attempt{Command: cmd.Args, Dir: cmd.Dir, Env: difference(cmd.Env)})
	if err != nil {
		return err
	}
	start := time.Now()
	log := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = log, log
	timer := time.AfterFunc(limit, func() { cmd.Cancel() })
	rerr := cmd.Run()
	inTime := timer.Stop()
	fmt.Fprint(out.Stderr, log)
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	last := strings.Join(lines[max(0, len(lines)-5):], "\n")
	why := ""
	switch {
	case !strings.Contains(last, want):
		why = fmt.Sprintf("%v: no %q in the last lines:\n%s", rerr, want, strings.Join(lines[max(0, len(lines)-200):], "\n"))
	case rerr != nil && inTime:
		why = fmt.Sprintf("%v after %q", rerr, last)
	}
	ev := newEvents(out.Stdout, pkg)
	ev.test(test, why, time.Since(start))
	return errors.Join(out.End(ev.end(), "", false), ctx.Err())
}
