//go:build emulation

package system

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gocoro/build/store"
	"gocoro/ci/platform/system/frame"
)

// These tests start the virtual machine, which takes a few seconds each time:
//
//	go test -tags emulation ./ci/platform/...
//
// They find the kernel in the project's cache directory.

// machine prepares the machine, as the CI does.
func machine(t *testing.T) *Machine {
	st, err := store.Open()
	if err != nil {
		t.Fatal(err)
	}
	lock, err := st.Use(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	m, err := Prepare(context.Background(), st.Root, "../../..")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// toy builds testdata/toy for the machine.
func toy(t *testing.T, name string, flags ...string) string {
	exe := filepath.Join(t.TempDir(), name)
	cmd := exec.Command("go", append(append([]string{"build", "-buildvcs=false", "-o", exe}, flags...), ".")...)
	cmd.Dir = "testdata/toy"
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=1", "CC=aarch64-linux-gnu-gcc")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return exe
}

func TestBoot(t *testing.T) {
	m := machine(t)
	plain, race := toy(t, "toy"), toy(t, "toyrace", "-race")
	const minute = time.Minute
	tests := []struct {
		run    Run
		want   frame.Outcome // State, Exit, Signal, Truncated
		output string        // expected in the output
		err    string        // expected in Err; "" for none
	}{
		{Run{plain, []string{"ok"}, nil, minute}, frame.Outcome{State: frame.Exited}, "OK\n", ""},
		{Run{plain, []string{"env"}, []string{"TOY=a b"}, minute}, frame.Outcome{State: frame.Exited}, "a b\n", ""},
		{Run{plain, []string{"exit"}, nil, minute}, frame.Outcome{State: frame.Exited, Exit: 3}, "OK\n", "found 3"},
		{Run{plain, []string{"segv"}, []string{"GOTRACEBACK=crash"}, minute}, frame.Outcome{State: frame.Signaled, Signal: 6}, "SIGSEGV", "killed by signal 6"},
		{Run{plain, []string{"kill"}, nil, minute}, frame.Outcome{State: frame.Signaled, Signal: 9}, "OK\n", "killed by signal 9"},
		{Run{plain, []string{"hang"}, nil, time.Second}, frame.Outcome{State: frame.TimedOut, Exit: 2}, "SIGQUIT", "within 1s"},
		{Run{plain, []string{"orphan"}, nil, minute}, frame.Outcome{State: frame.Exited}, "OK\n", ""},
		{Run{plain, []string{"flood"}, nil, minute}, frame.Outcome{State: frame.Exited, Truncated: true}, "xxx\n", "more than"},
		{Run{race, []string{"ok"}, nil, minute}, frame.Outcome{State: frame.Exited}, "OK\n", ""},
		{Run{race, []string{"race"}, nil, minute}, frame.Outcome{State: frame.Exited, Exit: 66}, "DATA RACE", "found 66"},
	}
	var runs []Run
	for _, test := range tests {
		runs = append(runs, test.run)
	}
	results, err := m.Boot(context.Background(), runs)
	if err != nil {
		t.Fatal(err)
	}
	for i, test := range tests {
		r := results[i]
		t.Logf("%s %v: %s after %v", filepath.Base(r.Program), r.Args, r.State, r.Elapsed)
		if r.State != test.want.State || r.Exit != test.want.Exit || r.Signal != test.want.Signal || r.Truncated != test.want.Truncated {
			t.Errorf("%s: expected %+v, found %+v", r.Args, test.want, r.Outcome)
		}
		if !bytes.Contains(r.Output, []byte(test.output)) {
			t.Errorf("%s: expected output with %q, found %q", r.Args, test.output, r.Output)
		}
		switch err := r.Err(); {
		case err == nil && test.err != "":
			t.Errorf("%s: expected an error with %q, found none", r.Args, test.err)
		case err != nil && (test.err == "" || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%s: expected an error with %q, found %v", r.Args, test.err, err)
		}
	}
}

// A program that takes the machine down must not be lost, and neither the runs
// after it.
func TestBootPanic(t *testing.T) {
	m := machine(t)
	exe := toy(t, "toy")
	var runs []Run
	for _, arg := range []string{"ok", "panic", "ok"} {
		runs = append(runs, Run{Program: exe, Args: []string{arg}, Timeout: time.Minute})
	}
	start := time.Now()
	results, err := m.Boot(context.Background(), runs)
	if err == nil || !strings.Contains(err.Error(), "stopped during run 1") || !strings.Contains(err.Error(), "Kernel panic") {
		t.Errorf("expected an error about run 1 and the kernel's panic, found %v", err)
	}
	for i, want := range []frame.State{frame.Exited, frame.Lost, frame.NotRun} {
		if r := results[i]; r.State != want || (r.Err() == nil) != (i == 0) {
			t.Errorf("run %d: expected %s, found %s (%s), error %v", i, want, r.State, r.Detail, r.Err())
		}
	}
	if d := time.Since(start); d > time.Minute {
		t.Errorf("expected the machine to stop by itself, found that it was stopped after %v", d)
	}
}

// The end of the context is the end of the machine.
func TestBootCanceled(t *testing.T) {
	m := machine(t)
	exe := toy(t, "toy")
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	start := time.Now()
	results, err := m.Boot(ctx, []Run{{Program: exe, Args: []string{"hang"}, Timeout: time.Hour}})
	if err == nil || !strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
		t.Errorf("expected the error %v, found %v", context.DeadlineExceeded, err)
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("expected an end after 8s, found it after %v", d)
	}
	// On a busy machine, the time may be up before the program begins.
	if s := results[0].State; s != frame.Lost && s != frame.NotRun {
		t.Errorf("expected %s or %s, found %s", frame.Lost, frame.NotRun, s)
	}
}
