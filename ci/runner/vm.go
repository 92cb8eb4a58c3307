package runner

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"gocoro/ci/plan"
	"gocoro/ci/platform/system"
	"gocoro/ci/platform/system/frame"
	"gocoro/ci/suite"
	"gocoro/ci/verdict"
)

// programsWant is what the virtual machine runs: the programs themselves, as
// there is no go command in it to build them.
func programsWant() verdict.Want {
	var tests []string
	for top, progs := range suite.Programs {
		for _, p := range progs {
			tests = append(tests, top+"/"+p)
		}
	}
	sort.Strings(tests)
	return verdict.Want{"runtime": tests}
}

// programTimeout ends a program in the virtual machine. They take well under
// a second each; race builds on an emulated processor a few.
const programTimeout = 2 * time.Minute

// virtualMachine builds the test programs for the target, runs each of the 19
// in the virtual machine, and records what came of it in the form in which
// "go test -json" would.
func (r *Runner) virtualMachine(ctx context.Context, c plan.Cell, cell *verdict.Cell, t *suite.Tree, env []string) error {
	tmp, err := os.MkdirTemp("", "gocoro-vm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	binary := map[string]string{"TestCoroLockOSThread": "testprog", "TestCoroCgoCallback": "testprogcgo"}
	for _, name := range binary {
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
	var runs []system.Run
	var names []string
	for _, name := range cell.Want["runtime"] {
		top, prog, _ := strings.Cut(name, "/")
		names = append(names, name)
		runs = append(runs, system.Run{
			Program: filepath.Join(tmp, binary[top]),
			Args:    []string{prog},
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
	exit := writeEvents(out.Stdout, out.Stderr, names, results)
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
func writeEvents(stdout, raw io.Writer, names []string, results []system.Result) (exit int) {
	ev := newEvents(stdout, "runtime")
	for i, name := range names {
		fmt.Fprintf(raw, "=== %s\n%s\n", name, results[i].Output)
		ev.test(name, check(results[i]), results[i].Elapsed)
	}
	return ev.end()
}

// check compares what a program printed with what its first line promises,
// as TestCoroLockOSThread does, and returns what is wrong.
func check(r system.Result) string {
	if r.State != frame.Exited {
		return fmt.Sprintf("%v\n%s", r.Err(), r.Output)
	}
	first, rest, _ := strings.Cut(string(r.Output), "\n")
	expect, ok := strings.CutPrefix(first, "expect: ")
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
