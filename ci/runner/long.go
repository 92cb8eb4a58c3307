package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	"gocoro/ci/record"
	"gocoro/ci/suite"
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
	if err := tree.Copy(ctx, dir, t.GOROOT); err != nil {
		return err
	}
	return do(dir)
}

// dist runs a slice of the tests of all.bash.
func (r *Runner) dist(ctx context.Context, c plan.Cell, cell *record.Cell, t *suite.Tree, env []string) error {
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
func (r *Runner) allBash(ctx context.Context, c plan.Cell, cell *record.Cell, t *suite.Tree) error {
	d, err := r.driver(c.Line)
	if err != nil {
		return err
	}
	boot, err := goroot.FindBootstrap(ctx, d.Line.Pin, r.Rep)
	if err != nil {
		return err
	}
	return copied(ctx, t, func(dir string) error {
		return scripted(ctx, cell, script{pkg: allPackage, test: "TestAllBash", limit: c.Limit(), want: allPassed, command: func(ctx context.Context) *exec.Cmd {
			cmd := c.Method.Command(ctx, goroot.Environ("GOROOT_BOOTSTRAP="+boot.GOROOT), "bash", "all.bash")
			cmd.Dir = filepath.Join(dir, "src")
			return cmd
		}})
	})
}

// stressPackage stands for a package in the record of the stress runs.
const stressPackage = "gocoro/ci/stress"

// stress runs the coroutine tests again and again, several at a time, with
// x/tools' stress: a number of times, and then for a while.
func (r *Runner) stress(ctx context.Context, c plan.Cell, cell *record.Cell, t *suite.Tree) error {
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
	run := func(args ...string) func(context.Context) *exec.Cmd {
		args = append([]string{"-timeout=10m", "-o=" + filepath.Join(tmp, "failure-")}, args...)
		return func(ctx context.Context) *exec.Cmd {
			cmd := c.Method.Command(ctx, env, tool, append(args, test, pattern, "-test.short")...)
			cmd.Dir = filepath.Join(t.GOROOT, "src/runtime")
			return cmd
		}
	}
	return errors.Join(
		scripted(ctx, cell, script{pkg: stressPackage, test: "TestStress/count", limit: c.Limit(), want: countedRuns, command: run(fmt.Sprint("-count=", c.Stress()))}),
		// This one has no end of its own; when it is ended, it must have seen no failure.
		scripted(ctx, cell, script{pkg: stressPackage, test: "TestStress/time", limit: 10 * time.Minute, endless: true, want: runsInTime, command: run()}),
	)
}

// A script is a command that is no go test, run as a test.
type script struct {
	pkg, test string
	command   func(context.Context) *exec.Cmd
	limit     time.Duration
	endless   bool           // its limit is its end, and no failure
	want      *regexp.Regexp // must match in the last lines of its output
}

// scripted runs a script as an attempt with one test. It passes if its last
// lines are as wanted and it exits with status 0, or is endless. Its output is
// in the record as it comes.
func scripted(ctx context.Context, cell *record.Cell, s script) error {
	cmd := s.command(ctx)
	a := record.Attempt{Command: cmd.Args, Dir: cmd.Dir, Env: difference(cmd.Env)}
	limit := s.limit
	if s.endless {
		limit = 0
	}
	return asTests(ctx, limit, cell, s.pkg, a, func(ctx context.Context, tests *tests) error {
		limited, cancel := context.WithTimeout(ctx, s.limit)
		defer cancel()
		if !s.endless {
			limited = ctx
		}
		tests.run(s.test, func() string {
			end, err := logged(s.command(limited), tests.Log)
			lines := strings.Split(strings.TrimSpace(string(end)), "\n")
			last := strings.Join(lines[max(0, len(lines)-5):], "\n")
			switch {
			case !s.want.MatchString(last):
				return fmt.Sprintf("%v: nothing like %q in the last lines of:\n%s", err, s.want, end)
			case err != nil && limited.Err() == nil:
				return fmt.Sprintf("%v after %q", err, last)
			}
			return ""
		})
		return nil
	})
}

// logged runs a command whose output goes to the log, and returns the end of it.
func logged(cmd *exec.Cmd, log io.Writer) (end tail, err error) {
	w := io.MultiWriter(log, &end)
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Run()
	return end, err
}

// A tail keeps the end of what is written to it.
type tail []byte

// tailSize is how many bytes a tail keeps.
const tailSize = 32 << 10

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	if cut := len(*t) - tailSize; cut > 0 {
		*t = append((*t)[:0], (*t)[cut:]...)
	}
	return len(p), nil
}
