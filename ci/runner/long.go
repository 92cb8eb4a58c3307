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
	"gocoro/ci/record"
	"gocoro/ci/suite"
)

// The long suites. Most of them write into their GOROOT, so they get a copy.

// copied returns the directory of a copy of the tree.
func (j *job) copied(ctx context.Context) (dir string, err error) {
	dir = filepath.Join(j.tmp, filepath.Base(j.t.GOROOT))
	return dir, tree.Copy(ctx, dir, j.t.GOROOT)
}

// dist runs a slice of the tests of all.bash.
func (j *job) dist(ctx context.Context) error {
	names, err := suite.DistTests(ctx, j.t, j.c.Suite)
	if err != nil {
		return err
	}
	dir, err := j.copied(ctx)
	if err != nil {
		return err
	}
	// cmd/dist gives a package three minutes, which suits a machine that does
	// nothing else. The cell has a limit of its own.
	env := append(slices.Clone(j.env), "GO_TEST_TIMEOUT_SCALE=4",
		// The cache entry of a cgo package tells vet where its files are, and
		// the next copy is in another directory.
		"GOCACHE="+filepath.Join(j.tmp, "gocache"), "GOCACHEPROG=")
	return attempt(ctx, j.c.Limit(), j.rec, func(ctx context.Context) *exec.Cmd {
		return j.c.Method.Go(ctx, dir, env, append([]string{"tool", "dist", "test", "-k", "-json"}, names...)...)
	})
}

// The last lines of a command that passed match one of these. It is a failure if
// the time limit ends stress before its count, or if no run ends in the given time.
var (
	allPassed   = regexp.MustCompile(`(?m)^ALL TESTS PASSED$`)
	countedRuns = regexp.MustCompile(`\b[1-9]\d* runs total, 0 failures`)
	runsInTime  = regexp.MustCompile(`\b[1-9]\d* runs so far, 0 failures`)
)

// allBash runs all.bash itself: what a user of the toolchain would type.
func (j *job) allBash(ctx context.Context) error {
	d, err := j.driver(j.c.Line)
	if err != nil {
		return err
	}
	boot, err := goroot.FindBootstrap(ctx, d.Line.Pin, j.Rep)
	if err != nil {
		return err
	}
	dir, err := j.copied(ctx)
	if err != nil {
		return err
	}
	return scripted(ctx, j.rec, script{test: "TestAllBash", limit: j.c.Limit(), want: allPassed, command: func(ctx context.Context) *exec.Cmd {
		cmd := j.c.Method.Command(ctx, goroot.Environ("GOROOT_BOOTSTRAP="+boot.GOROOT), "bash", "all.bash")
		cmd.Dir = filepath.Join(dir, "src")
		return cmd
	}})
}

// stress runs the coroutine tests again and again, several at a time, with
// x/tools' stress: a number of times, and then for a while.
func (j *job) stress(ctx context.Context) error {
	test := filepath.Join(j.tmp, "runtime.test")
	if out, err := j.t.Command(ctx, "test", "-c", "-o", test, "runtime").CombinedOutput(); err != nil {
		return fmt.Errorf("go test -c runtime: %v\n%s", err, out)
	}
	tool := filepath.Join(j.tmp, "stress")
	if out, err := j.hostGo(ctx, "build", "-o", tool, "golang.org/x/tools/cmd/stress").CombinedOutput(); err != nil {
		return fmt.Errorf("go build golang.org/x/tools/cmd/stress: %v\n%s", err, out)
	}
	// Tests in race mode build a program in each run.
	const pattern = "-test.run=^TestCoro($|[^R])"
	// The tests build their programs with the go command on PATH.
	env := append(j.t.Command(ctx).Env, "PATH="+filepath.Join(j.t.GOROOT, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	run := func(args ...string) func(context.Context) *exec.Cmd {
		args = append([]string{"-timeout=10m", "-o=" + filepath.Join(j.tmp, "failure-")}, args...)
		return func(ctx context.Context) *exec.Cmd {
			cmd := j.c.Method.Command(ctx, env, tool, append(args, test, pattern, "-test.short")...)
			cmd.Dir = filepath.Join(j.t.GOROOT, "src/runtime")
			return cmd
		}
	}
	return errors.Join(
		scripted(ctx, j.rec, script{test: "TestStress/count", limit: j.c.Limit(), want: countedRuns, command: run(fmt.Sprint("-count=", j.c.Stress()))}),
		// This one runs until its limit, and must have seen no failure then.
		scripted(ctx, j.rec, script{test: "TestStress/time", limit: 10 * time.Minute, endless: true, want: runsInTime, command: run()}),
	)
}

// A script is a command other than "go test" that is run as a test.
type script struct {
	test    string
	command func(context.Context) *exec.Cmd
	limit   time.Duration
	endless bool           // it runs until its limit, which is no failure
	want    *regexp.Regexp // must match in the last lines of its output
}

// scripted runs a script as an attempt with one test. The test passes if the last
// lines are as wanted and the script exits with status 0 or is endless. The output
// goes to the record as it comes.
func scripted(ctx context.Context, cell *record.Cell, s script) error {
	cmd := s.command(ctx)
	a := record.Attempt{Command: cmd.Args, Dir: cmd.Dir, Env: difference(cmd.Env)}
	limit := s.limit
	if s.endless {
		limit = 0
	}
	return asTests(ctx, limit, cell, a, func(ctx context.Context, tests *tests) error {
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

// logged runs a command, writes its output to the log, and returns its end.
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
