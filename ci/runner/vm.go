package runner

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gocoro/ci/plan"
	"gocoro/ci/platform/system"
	"gocoro/ci/platform/system/frame"
	"gocoro/ci/suite"
	"gocoro/ci/verdict"
)

// guestPrograms is what the virtual machine runs: the programs themselves, as
// there is no go command in it to build them. It is the 19, and with shared
// locks the 19 once more; the others want more of a system than there is in it.
func guestPrograms(c plan.Cell) []suite.Program {
	return slices.DeleteFunc(slices.Clone(programs(c)), func(p suite.Program) bool {
		return p.Binary == "" || strings.HasPrefix(p.Test, "TestCoroLock/")
	})
}

// programTimeout ends a program in the virtual machine. They take well under
// a second each; race builds on an emulated processor a few.
const programTimeout = 2 * time.Minute

// virtualMachine builds the test programs for the target, runs each in the
// virtual machine, and records what came of it in the form in which
// "go test -json" would.
func (r *Runner) virtualMachine(ctx context.Context, c plan.Cell, cell *verdict.Cell, t *suite.Tree, env []string) error {
	tmp, err := os.MkdirTemp("", "gocoro-vm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, name := range []string{"testprog", "testprogcgo"} {
		start := time.Now()
		cmd := t.Command(ctx, "build", "-o", filepath.Join(tmp, name), ".")
		cmd.Dir = filepath.Join(t.GOROOT, "src/runtime/testdata", name)
		out, err := cmd.CombinedOutput()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		step := verdict.Step{Name: "build " + name, OK: err == nil, Seconds: time.Since(start).Round(time.Millisecond).Seconds()}
		if err != nil {
			step.Output = fmt.Sprintf("%v\n%s", err, out)
		}
		cell.Steps = append(cell.Steps, step)
		if err != nil {
			return fmt.Errorf("building %s for %s: %v\n%s", name, c.Method, err, out)
		}
	}
	m, err := system.Prepare(ctx, r.Store.Root, r.Repo.Dir)
	if err != nil {
		return err
	}
	list := guestPrograms(c)
	var runs []system.Run
	for _, p := range list {
		runs = append(runs, system.Run{
			Program: filepath.Join(tmp, p.Binary),
			Args:    []string{p.Name},
			Env:     p.Env,
			Timeout: programTimeout,
		})
	}
	limited, cancel := context.WithTimeout(ctx, c.Limit())
	defer cancel()
	out, err := cell.Attempt(verdict.Attempt{Command: []string{"qemu-system-aarch64", "(the programs, one after the other)"}})
	if err != nil {
		return err
	}
	results, err := m.Boot(limited, runs)
	exit := writeEvents(out.Stdout, out.Stderr, list, results)
	if err != nil {
		fmt.Fprintf(out.Stderr, "the virtual machine: %v\n", err)
		exit = 1
	}
	timedOut := limited.Err() != nil && ctx.Err() == nil
	return out.End(exit, "", timedOut)
}

// writeEvents writes the results in the form of "go test -json", and returns
// the exit status that goes with it. In its own right each program is a test;
// the tests above them, on a host with a go command, have no part in it.
func writeEvents(stdout, raw io.Writer, list []suite.Program, results []system.Result) (exit int) {
	ev := newEvents(stdout, "runtime")
	for i, p := range list {
		fmt.Fprintf(raw, "=== %s\n%s\n", p.Test, results[i].Output)
		ev.test(p.Test, check(p, results[i]), results[i].Elapsed)
	}
	return ev.end()
}

// check compares what a program printed with what it must print, by itself or
// by its first line, as TestCoroLockOSThread does, and returns what is wrong.
func check(p suite.Program, r system.Result) string {
	if r.State != frame.Exited {
		return fmt.Sprintf("%v\n%s", r.Err(), r.Output)
	}
	first, rest, _ := strings.Cut(string(r.Output), "\n")
	expect, ok := strings.CutPrefix(first, "expect: ")
	expect = cmp.Or(p.Expect, expect)
	switch {
	case !ok:
		return fmt.Sprintf("first line is %q, want \"expect: ...\"\n%s", first, r.Output)
	case expect == "OK" && (rest != "OK\n" || r.Exit != 0):
		return fmt.Sprintf("exit status %d, want 0 and the output OK\n%s", r.Exit, r.Output)
	case expect != "OK" && !strings.Contains(rest, expect):
		return fmt.Sprintf("no %q in the output\n%s", expect, r.Output)
	case expect != "OK" && r.Exit == 0:
		return fmt.Sprintf("exit status 0 after %q\n%s", expect, r.Output)
	}
	return ""
}
