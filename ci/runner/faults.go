package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gocoro/build/driver"
	"gocoro/ci/plant"
	"gocoro/ci/platform"
	"gocoro/ci/record"
	"gocoro/ci/suite"
	"gocoro/ci/verdict"
)

// A fault is something wrong with a runtime or with its test, planted on purpose.
// The CI must see it: a check that never failed proves nothing.
type fault struct {
	name  string
	doc   string
	plant func(ctx context.Context, o *plant.Overlay) error
	test  string        // the test of package runtime that runs
	state verdict.State // the state that the CI must see it in
	limit time.Duration // of the test

	// unseen says that the go command itself sees nothing wrong and exits with
	// status 0.
	unseen bool
}

// faultsOf returns the faults for a line.
func (r *Runner) faultsOf(lineName string) ([]fault, error) {
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
		name:  "patch-dropped",
		doc:   "the last patch of the series is missing",
		plant: func(ctx context.Context, o *plant.Overlay) error { return o.Unapply(ctx, patches[len(patches)-1:]) },
		test:  "TestCoroCgoCallback/CoroCgoCallback",
		state: verdict.Failed,
	}
	if suite.RulesOf(l) == suite.Shared {
		// Upstream's own test does not check how a program ends.
		program = "TestCoroLockUpstream/testprog/CoroLockOSThreadLock"
		// Upstream has the matched-lock rules itself, and the overlay's own
		// part of the runtime does not compile without its hooks.
		dropped = fault{
			name: "series-dropped",
			doc:  "nothing is left of the line but its tests",
			plant: func(ctx context.Context, o *plant.Overlay) error {
				overlay, err := l.Overlay()
				if err != nil {
					return err
				}
				for _, f := range overlay {
					if !driver.OnlyTests(f.Name) {
						if err := o.Remove(f.Name); err != nil {
							return err
						}
					}
				}
				return o.Unapply(ctx, patches)
			},
			test:  "TestCoroLockUpstream/testprog/CoroLockOSThreadLockAfterPull",
			state: verdict.Failed,
		}
	}
	return []fault{
		dropped,
		{
			name:  "switch-hangs",
			doc:   "a coroutine's last switch never ends", // the others may be in assembly
			plant: replace("src/runtime/coro.go", "func coroexit(c *coro) {\n", "func coroexit(c *coro) {\n\tfor {\n\t\tGosched()\n\t}\n"),
			test:  program,
			state: verdict.Failed, // the test ends its program before its own time is up
			limit: 20 * time.Second,
		},
		{
			name:  "test-hangs",
			doc:   "a test never ends",
			plant: addTest("func TestCoroHangs(t *testing.T) {\n\tselect {}\n}\n"),
			test:  "TestCoroHangs",
			state: verdict.TimedOut,
			limit: 5 * time.Second,
		},
		{
			name: "dies-after-OK",
			doc:  "a program prints OK, and then a signal ends it",
			plant: replace("src/runtime/testdata/testprog/main.go", "\n\tf()\n}",
				"\n\tf()\n\tif os.Args[1][:4] == \"Coro\" {\n\t\tp, _ := os.FindProcess(os.Getpid())\n\t\tp.Kill()\n\t\tselect {}\n\t}\n}"),
			test:  program,
			state: verdict.Failed,
		},
		{
			name:  "test-killed",
			doc:   "the test binary is killed by SIGKILL in the middle",
			plant: addTest("func TestCoroKilled(t *testing.T) {\n\tsyscall.Kill(syscall.Getpid(), syscall.SIGKILL)\n\tselect {}\n}\n", "syscall"),
			test:  "TestCoroKilled",
			state: verdict.Crashed,
		},
		{
			name: "exits-early",
			doc:  "the test binary exits with status 0 in the middle of a test",
			// Package testing makes os.Exit panic while a test runs.
			plant:  addTest("func TestCoroExits(t *testing.T) {\n\tsyscall.Exit(0)\n}\n", "syscall"),
			test:   "TestCoroExits",
			state:  verdict.Crashed,
			unseen: true,
		},
		{
			name:   "nothing-runs",
			doc:    "the suite's regular expression matches nothing",
			plant:  func(context.Context, *plant.Overlay) error { return nil },
			test:   "TestCoroNoSuchTest",
			state:  verdict.DidNotRun,
			unseen: true,
		},
	}, nil
}

// replace returns a plant that replaces text in a file, exactly once.
func replace(file, old, new string) func(context.Context, *plant.Overlay) error {
	return func(_ context.Context, o *plant.Overlay) error { return o.Replace(file, old, new) }
}

// addTest returns a plant that adds a test to package runtime.
func addTest(text string, imports ...string) func(context.Context, *plant.Overlay) error {
	return func(_ context.Context, o *plant.Overlay) error {
		head := "package runtime_test\n\n"
		for _, path := range append(imports, "testing") {
			head += fmt.Sprintf("import %q\n", path)
		}
		return o.Add("src/runtime/coro_fault_test.go", head+"\n"+text)
	}
}

// faultsWant names the faults as tests.
func (j *job) faultsWant(context.Context) ([]string, error) {
	list, err := j.faultsOf(j.c.Line)
	var names []string
	for _, f := range list {
		names = append(names, "TestFault/"+f.name)
	}
	slices.Sort(names)
	return names, err
}

// faults plants each fault and runs its tests as a cell of its own. A fault that
// the CI sees is recorded as a test that passed.
func (j *job) faults(ctx context.Context) error {
	list, err := j.faultsOf(j.c.Line)
	if err != nil {
		return err
	}
	a := record.Attempt{Command: []string{"(each fault planted, and the coro suite run)"}}
	return asTests(ctx, 0, j.rec, a, func(ctx context.Context, tests *tests) error {
		for _, f := range list {
			tests.run("TestFault/"+f.name, func() string {
				seen, err := j.fault(ctx, f)
				fmt.Fprintf(tests.Log, "=== %s: %s\n%s\n", f.name, f.doc, seen)
				if err != nil {
					return fmt.Sprintf("%s: %s\n%s", f.doc, text(err), seen)
				}
				return ""
			})
		}
		return nil
	})
}

// fault runs one fault. It returns a text of what the CI saw, and an error if it
// should have seen something else.
func (j *job) fault(ctx context.Context, f fault) (seen string, err error) {
	tmp, err := os.MkdirTemp(j.tmp, f.name+"-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	dir := filepath.Join(tmp, "overlay")
	if err := os.Mkdir(dir, 0o777); err != nil {
		return "", err
	}
	o := plant.New(j.t.GOROOT, dir)
	if err := f.plant(ctx, o); err != nil {
		return "", err
	}
	flag, err := o.Flag()
	if err != nil {
		return "", err
	}
	// In the environment, the flag reaches the programs that the tests build, too.
	env := append(slices.Clone(j.env), "GOFLAGS="+flag)
	want := record.Want{"runtime": {f.test}}
	id := j.c.ID
	id.Suite = "coro"
	rec, err := record.Create(filepath.Join(tmp, "records"), record.Cell{ID: id, How: string(platform.Native), Want: want})
	if err != nil {
		return "", err
	}
	flags, packages := suite.Args(want)
	limit := cmp.Or(f.limit, j.c.Limit())
	args := slices.Concat([]string{"test", "-json", "-vet=off", "-count=1", "-timeout=" + limit.String()}, flags, packages)
	if err := attempt(ctx, limit+buildSlack, rec, func(ctx context.Context) *exec.Cmd {
		return j.c.Method.Go(ctx, j.t.GOROOT, env, args...)
	}); err != nil {
		return "", err
	}
	if err := rec.Finish(); err != nil {
		return "", err
	}
	e, err := verdict.Evaluate([]verdict.Planned{{ID: id, How: rec.How, Want: want}}, []*record.Cell{rec}, nil)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	found := false
	for _, o := range e.Cells[0].Outcomes {
		fmt.Fprintf(&b, "%s: %s: %s\n%s\n", o.Name(), o.State, o.Reason, o.Text)
		found = found || (o.Test == f.test && o.State == f.state)
	}
	switch {
	case f.unseen && rec.Attempts[0].Exit != 0:
		return b.String(), fmt.Errorf("the fault is not what it says: the go command exits with status %d", rec.Attempts[0].Exit)
	case e.ExitCode() == 0:
		return b.String(), errors.New("the CI did not see it: exit status 0")
	case !found:
		return b.String(), fmt.Errorf("the CI failed, but not with %s as %q", f.test, f.state)
	}
	return b.String(), nil
}
