package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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
	slice := 0
	if _, err := fmt.Sscanf(c.Suite, "dist-%d-of-", &slice); err != nil {
		return fmt.Errorf("suite %s: %w", c.Suite, err)
	}
	names, err := suite.DistTests(ctx, t, slice)
	if err != nil {
		return err
	}
	return copied(ctx, t, func(dir string) error {
		limited, cancel := context.WithTimeout(ctx, c.Limit())
		defer cancel()
		// cmd/dist gives a package three minutes, which are made for a machine
		// that does nothing else. The cell has a limit of its own.
		env := append(slices.Clone(env), "GO_TEST_TIMEOUT_SCALE=4",
			// What is cached of a cgo package tells vet where its files were, and
			// the next copy is in another place.
			"GOCACHE="+filepath.Join(filepath.Dir(dir), "gocache"), "GOCACHEPROG=")
		return attempt(limited, ctx, cell, c.Method.Go(limited, dir, env, append([]string{"tool", "dist", "test", "-k", "-json"}, names...)...))
	})
}

// What the last lines of a command say when all went well. A count of stress
// that its time limit has cut short is not well, nor is a time in which no run
// came to its end.
var (
	allPassed   = regexp.MustCompile(`(?m)^ALL TESTS PASSED$`)
	countedRuns = regexp.MustCompile(`\b[1-9]\d* runs total, 0 failures`)
	runsInTime  = regexp.MustCompile(`\b[1-9]\d* runs so far, 0 failures`)
)

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
		return scripted(ctx, c.Limit(), cell, allPackage, "TestAllBash", cmd, allPassed)
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
	// The tests build their programs with the go command on PATH.
	env := append(t.Command(ctx).Env, "PATH="+filepath.Join(t.GOROOT, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	var errs []error
	for _, s := range []struct {
		name  string
		limit time.Duration
		args  []string
		want  *regexp.Regexp
	}{
		{"count", c.Limit(), []string{fmt.Sprint("-count=", c.Stress())}, countedRuns},
		{"time", 10 * time.Minute, nil, runsInTime}, // then it is ended, and must have seen no failure
	} {
		args := append([]string{"-timeout=10m", "-o=" + filepath.Join(tmp, "failure-")}, s.args...)
		cmd := c.Method.Command(ctx, env, tool, append(args, test, pattern, "-test.short")...)
		cmd.Dir = filepath.Join(t.GOROOT, "src/runtime")
		errs = append(errs, scripted(ctx, s.limit, cell, stressPackage, "TestStress/"+s.name, cmd, s.want))
	}
	return errors.Join(errs...)
}

// scripted runs a command that is no go test, as an attempt with one test. It
// passes if want matches in the command's last lines and it exits with status 0,
// or, of stress, which has no end of its own, is ended by its time.
func scripted(ctx context.Context, limit time.Duration, cell *verdict.Cell, pkg, test string, cmd *exec.Cmd, want *regexp.Regexp) error {
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
	case !want.MatchString(last):
		why = fmt.Sprintf("%v: nothing like %q in the last lines:\n%s", rerr, want, strings.Join(lines[max(0, len(lines)-200):], "\n"))
	case rerr != nil && inTime:
		why = fmt.Sprintf("%v after %q", rerr, last)
	}
	ev := newEvents(out.Stdout, pkg)
	ev.test(test, why, time.Since(start))
	return errors.Join(out.End(ev.end(), "", false), ctx.Err())
}
