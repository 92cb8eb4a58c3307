package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"gocoro/build/driver"
	"gocoro/build/series"
	"gocoro/build/tree"
	"gocoro/ci/plan"
	"gocoro/ci/platform"
	"gocoro/ci/suite"
	"gocoro/ci/verdict"
)

// A fault is something that goes wrong with a runtime or with its test, put
// there on purpose: the CI must see it. A check that has not been seen to fail
// shows nothing.
type fault struct {
	name   string
	doc    string
	plant  func(ctx context.Context, goroot string) error // changes a copy of the patched GOROOT
	run    []string                                       // what is run of package runtime; nil: the coro suite's list
	state  verdict.State                                  // the worst state that must be seen
	limit  time.Duration                                  // of the tests
	struck string                                         // a test that must be in that state
}

// faults returns the faults for a line.
func (r *Runner) faults(lineName string) ([]fault, error) {
	l, err := r.Repo.Line(lineName)
	if err != nil {
		return nil, err
	}
	patches, err := l.Patches()
	if err != nil {
		return nil, err
	}
	if len(patches) == 0 {
		return nil, fmt.Errorf("line %s has no patches to drop", lineName)
	}
	program := "TestCoroLockOSThread/CoroLockOSThreadLock"
	dropped := fault{
		name:   "patch-dropped",
		doc:    "the last patch of the series is missing",
		plant:  func(ctx context.Context, goroot string) error { return unapply(ctx, goroot, patches[len(patches)-1:]) },
		run:    []string{"TestCoroCgoCallback/CoroCgoCallback"},
		state:  verdict.Failed,
		struck: "TestCoroCgoCallback/CoroCgoCallback",
	}
	if suite.RulesOf(l) == suite.Shared {
		// Upstream's own test does not look at how a program ends.
		program = "TestCoroLockUpstream/testprog/CoroLockOSThreadLock"
		// Upstream has the matched-lock rules itself, and the overlay's own
		// part of the runtime does not compile without its hooks.
		const test = "TestCoroLockUpstream/testprog/CoroLockOSThreadLockAfterPull"
		dropped = fault{
			name: "series-dropped",
			doc:  "nothing is left of the line but its tests",
			plant: func(ctx context.Context, goroot string) error {
				overlay, err := l.Overlay()
				if err != nil {
					return err
				}
				for _, f := range overlay {
					if !driver.OnlyTests(f.Name) {
						if err := os.Remove(filepath.Join(goroot, filepath.FromSlash(f.Name))); err != nil {
							return err
						}
					}
				}
				return unapply(ctx, goroot, patches)
			},
			run:    []string{test},
			state:  verdict.Failed,
			struck: test,
		}
	}
	return []fault{
		dropped,
		{
			name:   "switch-hangs",
			doc:    "a coroutine switch never ends",
			plant:  edit("src/runtime/coro.go", "func coroswitch(c *coro) {\n", "func coroswitch(c *coro) {\n\tfor {\n\t\tGosched()\n\t}\n"),
			run:    []string{program},
			state:  verdict.Failed, // the test ends its program before its own time is up
			limit:  20 * time.Second,
			struck: program,
		},
		{
			name:   "test-hangs",
			doc:    "a test never ends",
			plant:  addTest("func TestCoroHangs(t *testing.T) {\n\tos.Stdout.Sync()\n\tselect {}\n}\n"),
			run:    []string{"TestCoroHangs"},
			state:  verdict.TimedOut,
			limit:  5 * time.Second,
			struck: "TestCoroHangs",
		},
		{
			name: "dies-after-OK",
			doc:  "a program prints OK, and then a signal ends it",
			plant: edit("src/runtime/testdata/testprog/main.go", "\n\tf()\n}",
				"\n\tf()\n\tif os.Args[1][:4] == \"Coro\" {\n\t\tp, _ := os.FindProcess(os.Getpid())\n\t\tp.Kill()\n\t\tselect {}\n\t}\n}"),
			run:    []string{program},
			state:  verdict.Failed,
			struck: program,
		},
		{
			name:   "test-killed",
			doc:    "the test binary is killed by SIGKILL in the middle",
			plant:  addTest("func TestCoroKilled(t *testing.T) {\n\tp, _ := os.FindProcess(os.Getpid())\n\tp.Kill()\n\tselect {}\n}\n"),
			run:    []string{"TestCoroKilled"},
			state:  verdict.Crashed,
			struck: "TestCoroKilled",
		},
		{
			name:   "exits-early",
			doc:    "the test binary exits with status 0 in the middle of a test",
			plant:  addTest("func TestCoroExits(t *testing.T) {\n\tos.Exit(0)\n}\n"),
			run:    []string{"TestCoroExits"},
			state:  verdict.Crashed,
			struck: "TestCoroExits",
		},
		{
			name:   "nothing-runs",
			doc:    "the suite's regular expression matches nothing",
			plant:  func(context.Context, string) error { return nil },
			run:    []string{"TestCoroNoSuchTest"},
			state:  verdict.DidNotRun,
			struck: "TestCoroNoSuchTest",
		},
	}, nil
}

// unapply takes patches out of a tree, the last first.
func unapply(ctx context.Context, goroot string, patches []string) error {
	for _, p := range slices.Backward(patches) {
		if out, err := series.Git(ctx, goroot, "apply", "-R", p).CombinedOutput(); err != nil {
			return fmt.Errorf("git apply -R %s: %v: %s", p, err, out)
		}
	}
	return nil
}

// edit returns a plant that replaces text in a file, exactly once.
func edit(file, old, new string) func(context.Context, string) error {
	return func(_ context.Context, goroot string) error {
		name := filepath.Join(goroot, filepath.FromSlash(file))
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if n := strings.Count(string(data), old); n != 1 {
			return fmt.Errorf("%s has %q %d times, want once: the fault no longer fits the tree", file, old, n)
		}
		return os.WriteFile(name, []byte(strings.Replace(string(data), old, new, 1)), 0o666)
	}
}

// addTest returns a plant that adds a test to package runtime.
func addTest(text string) func(context.Context, string) error {
	return func(_ context.Context, goroot string) error {
		text := "package runtime_test\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\n" + text
		return os.WriteFile(filepath.Join(goroot, "src/runtime/coro_fault_test.go"), []byte(text), 0o666)
	}
}

// faultWant names the faults as tests.
func (r *Runner) faultWant(c plan.Cell) (verdict.Want, error) {
	list, err := r.faults(c.Line)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range list {
		names = append(names, "TestFault/"+f.name)
	}
	sort.Strings(names)
	return verdict.Want{faultPackage: names}, nil
}

// faultPackage stands for a package in the records of the faults.
const faultPackage = "gocoro/ci/faults"

// runFaults plants each fault in a copy of the tree, runs it as a cell of its
// own, and records as passed what was seen.
func (r *Runner) runFaults(ctx context.Context, c plan.Cell, cell *verdict.Cell, t *suite.Tree, env []string) error {
	list, err := r.faults(c.Line)
	if err != nil {
		return err
	}
	out, err := cell.Attempt(verdict.Attempt{Command: []string{"(each fault planted, and the coro suite run)"}})
	if err != nil {
		return err
	}
	ev := newEvents(out.Stdout, faultPackage)
	for _, f := range list {
		start := time.Now()
		seen, err := r.fault(ctx, c, f, t, env)
		if ctx.Err() != nil {
			break
		}
		why := ""
		if err != nil {
			why = fmt.Sprintf("%s: %v\n%s", f.doc, err, seen)
		}
		fmt.Fprintf(out.Stderr, "=== %s: %s\n%s\n", f.name, f.doc, seen)
		ev.test("TestFault/"+f.name, why, time.Since(start))
	}
	return errors.Join(out.End(ev.end(), "", false), ctx.Err())
}

// fault runs one fault. It returns what the CI saw, in words, and an error if
// that is not what it should have seen.
func (r *Runner) fault(ctx context.Context, c plan.Cell, f fault, t *suite.Tree, env []string) (seen string, err error) {
	tmp, err := os.MkdirTemp("", "gocoro-fault-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	goroot := filepath.Join(tmp, "goroot")
	if err := tree.Copy(ctx, goroot, t.GOROOT, nil); err != nil {
		return "", err
	}
	if err := f.plant(ctx, goroot); err != nil {
		return "", err
	}
	// The copy's own build cache may be shared with the tree it comes from:
	// sources are known by content, and the tools are the same.
	planted := &suite.Tree{GOROOT: goroot, Command: func(ctx context.Context, args ...string) *exec.Cmd {
		return c.Method.Go(ctx, goroot, env, args...)
	}}
	want := verdict.Want{"runtime": f.run}
	id := c.ID
	id.Suite = "coro"
	rec, err := verdict.Create(filepath.Join(tmp, "records"), verdict.Cell{ID: id, How: string(platform.Native), Want: want})
	if err != nil {
		return "", err
	}
	flags, packages := suite.Args(want)
	limit := f.limit
	if limit == 0 {
		limit = c.Limit()
	}
	args := append(append([]string{"test", "-json", "-vet=off", "-count=1", "-timeout=" + limit.String()}, flags...), packages...)
	limited, cancel := context.WithTimeout(ctx, limit+buildSlack)
	defer cancel()
	if err := attempt(limited, ctx, rec, planted.Command(limited, args...)); err != nil {
		return "", err
	}
	if err := rec.Finish(); err != nil {
		return "", err
	}
	e, err := verdict.Evaluate([]verdict.Planned{{ID: id, How: rec.How, Want: want}}, []*verdict.Cell{rec}, nil)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	found := false
	for _, o := range e.Cells[0].Outcomes {
		fmt.Fprintf(&b, "%s: %s: %s\n%s\n", o.Name(), o.State, o.Reason, o.Text)
		found = found || (o.Test == f.struck && o.State == f.state)
	}
	switch {
	case e.ExitCode() == 0:
		return b.String(), errors.New("the CI did not see it: exit status 0")
	case !found:
		return b.String(), fmt.Errorf("the CI failed, but not with %s as %q", f.struck, f.state)
	}
	return b.String(), nil
}
