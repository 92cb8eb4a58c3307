// Copyright 2024 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"context"
	"internal/platform"
	"internal/testenv"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Coroutine switches and OS thread locks. The programs are in
// testdata/testprog/coro.go and testdata/testprogcgo/coro.go.

var coroLockOSThreadPrograms = []string{
	"CoroLockOSThreadIterLock",
	"CoroLockOSThreadIterLockYield",
	"CoroLockOSThreadLock",
	"CoroLockOSThreadLockIterNested",
	"CoroLockOSThreadLockIterLock",
	"CoroLockOSThreadLockIterLockYield",
	"CoroLockOSThreadLockIterYieldNewG",
	"CoroLockOSThreadLockAfterPull",
	"CoroLockOSThreadStopLocked",
	"CoroLockOSThreadStopLockedIterNested",
}

var coroCgoCallbackPrograms = []string{
	"CoroCgoIterCallback",
	"CoroCgoIterCallbackYield",
	"CoroCgoCallback",
	"CoroCgoCallbackIterNested",
	"CoroCgoCallbackIterCallback",
	"CoroCgoCallbackIterCallbackYield",
	"CoroCgoCallbackAfterPull",
	"CoroCgoStopCallback",
	"CoroCgoStopCallbackIterNested",
}

func TestCoroLockOSThread(t *testing.T) {
	for _, name := range coroLockOSThreadPrograms {
		t.Run(name, func(t *testing.T) {
			runCoroProg(t, "testprog", name)
		})
	}
}

func TestCoroCgoCallback(t *testing.T) {
	mustHaveCoroCgo(t)
	for _, name := range coroCgoCallbackPrograms {
		t.Run(name, func(t *testing.T) {
			runCoroProg(t, "testprogcgo", name)
		})
	}
}

// TestCoroRace runs the programs, and those below that switch most, in race
// mode. The detector has a context for each goroutine and one for each P, and
// must take part in every switch.
func TestCoroRace(t *testing.T) {
	testenv.MustHaveCGO(t)
	if !platform.RaceDetectorSupported(runtime.GOOS, runtime.GOARCH) {
		t.Skipf("no race detector on %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	names := append([]string{"CoroUnlockedAnywhere", "CoroSameThread", "CoroExitKeepsThread"}, coroLockOSThreadPrograms...)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			runCoroProg(t, "testprog", name, "-race")
		})
	}
}

// TestCoroUnlocked checks that without a lock a coroutine belongs to nobody.
func TestCoroUnlocked(t *testing.T) {
	runCoroProg(t, "testprog", "CoroUnlockedAnywhere")
}

// TestCoroLockMismatch checks the report on a switch under the wrong lock.
func TestCoroLockMismatch(t *testing.T) {
	const (
		sameThread  = "the same"
		otherThread = "another"
		noThread    = "none"
		anyThread   = "any"
	)
	tests := []struct {
		name                 string
		thread               string // the recorded thread, compared with the current one
		gotInternal, wantInt string
		gotExternal, wantExt string
	}{
		{"CoroMismatchGained", noThread, "0", "0", "1", "0"},
		// Without a lock the caller may be on its old thread or not.
		{"CoroMismatchLost", anyThread, "0", "0", "0", "1"},
		{"CoroMismatchCount", sameThread, "0", "0", "3", "2"},
		{"CoroMismatchThread", otherThread, "0", "0", "1", "1"},
		{"CoroMismatchStop", noThread, "0", "0", "1", "0"},
		{"CoroMismatchReturn", noThread, "0", "0", "1", "0"},
		{"CoroMismatchIterUnlock", anyThread, "0", "0", "0", "1"},
		// Initialization is over, and with it the internal lock.
		{"CoroInitThenMain", anyThread, "0", "1", "0", "0"},
	}
	report := regexp.MustCompile(`(?m)^coro: got thread 0x([0-9a-f]+), want 0x([0-9a-f]+)
coro: got lock internal (\d+), want (\d+)
coro: got lock external (\d+), want (\d+)
fatal error: coro: OS thread locking must match locking at coroutine creation$`)

	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			output := runCoroProg(t, "testprog", tt.name)
			m := report.FindStringSubmatch(output)
			if m == nil {
				t.Fatalf("no report that matches\n%s\nin output:\n%s", report, output)
			}
			got, want := m[1], m[2]
			ok := got != "0"
			switch tt.thread {
			case sameThread:
				ok = ok && want == got
			case otherThread:
				ok = ok && want != got && want != "0"
			case noThread:
				ok = ok && want == "0"
			case anyThread:
				ok = ok && want != "0"
			}
			if !ok {
				t.Errorf("got thread %s, want %s; expected the wanted one to be %s", got, want, tt.thread)
			}
			if m[3] != tt.gotInternal || m[4] != tt.wantInt {
				t.Errorf("lock internal %s, want %s; expected %s, want %s", m[3], m[4], tt.gotInternal, tt.wantInt)
			}
			if m[5] != tt.gotExternal || m[6] != tt.wantExt {
				t.Errorf("lock external %s, want %s; expected %s, want %s", m[5], m[6], tt.gotExternal, tt.wantExt)
			}
		})
	}
}

// TestCoroSameThread checks that a locked caller and its iterators stay on
// the caller's thread whatever they wait for.
func TestCoroSameThread(t *testing.T) {
	runCoroProg(t, "testprog", "CoroSameThread")
}

// TestCoroTraceback checks which of the goroutines is shown as locked.
func TestCoroTraceback(t *testing.T) {
	runCoroProg(t, "testprog", "CoroTraceback")
}

// TestCoroStopThenBlock checks that a locked caller can block, and wakes up on
// its thread, after the iterator is gone.
func TestCoroStopThenBlock(t *testing.T) {
	runCoroProg(t, "testprog", "CoroStopThenBlock")
}

// TestCoroExitKeepsThread checks that a coroutine never ends the thread that
// it was handed.
func TestCoroExitKeepsThread(t *testing.T) {
	runCoroProg(t, "testprog", "CoroExitKeepsThread")
}

// TestCoroLockedExitEndsThread checks that a locked goroutine that has used
// an iterator still ends its thread.
func TestCoroLockedExitEndsThread(t *testing.T) {
	runCoroProg(t, "testprog", "CoroLockedExitEndsThread")
}

// TestCoroInit checks iterators during package initialization, when the main
// goroutine is locked internally.
func TestCoroInit(t *testing.T) {
	runCoroProg(t, "testprog", "CoroInit")
}

// TestCoroGoexitLockedInternally checks that Goexit in an iterator makes a
// caller exit that holds an internal lock, as a Goexit of its own would.
func TestCoroGoexitLockedInternally(t *testing.T) {
	t.Run("CoroInitGoexit", func(t *testing.T) {
		runCoroProg(t, "testprog", "CoroInitGoexit")
	})
	t.Run("CoroCgoCallbackGoexit", func(t *testing.T) {
		mustHaveCoroCgo(t)
		runCoroProg(t, "testprogcgo", "CoroCgoCallbackGoexit")
	})
}

// TestCoroCgo checks thread identity and reuse where C is involved.
func TestCoroCgo(t *testing.T) {
	mustHaveCoroCgo(t)
	for _, name := range []string{
		"CoroCgoSameThread",
		"CoroCgoCallbackBlock",
		"CoroCgoCallbackTrace",
		"CoroCgoThreadCallback",
		"CoroCgoCallbackOutlived",
	} {
		t.Run(name, func(t *testing.T) {
			runCoroProg(t, "testprogcgo", name)
		})
	}
}

// TestCoroSwitchSelf checks that a goroutine cannot be switched to itself.
func TestCoroSwitchSelf(t *testing.T) {
	if os.Getenv("GO_TEST_CORO_SWITCH_SELF") == "1" {
		runtime.CoroSwitchSelf()
		println("switched")
		os.Exit(0)
	}
	testenv.MustHaveExec(t)
	cmd := testenv.CleanCmdEnv(testenv.Command(t, os.Args[0], "-test.run=^TestCoroSwitchSelf$"))
	cmd.Env = append(cmd.Env, "GO_TEST_CORO_SWITCH_SELF=1")
	output, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("the process survived")
	}
	const want = "fatal error: coroswitch of a goroutine to itself\n"
	if !strings.Contains(string(output), want) {
		t.Errorf("output:\n%s\nwant it to contain:\n%s", output, want)
	}
}

// mustHaveCoroCgo skips the test where testprogcgo has no coroutine programs.
func mustHaveCoroCgo(t *testing.T) {
	t.Helper()
	testenv.MustHaveCGO(t)
	if runtime.GOOS == "windows" {
		t.Skip("no callbacks from threads made by pthreads on windows")
	}
}

// runCoroProg builds binary with flags, runs its program name, checks the
// output, and returns it.
//
// The first line of the output says what the rest must be: exactly "OK\n"
// after "expect: OK", else any output that has the text in it. A program that
// prints OK must also succeed, and one that is to die must die.
//
// A switch to the wrong goroutine or thread often ends in a hang, and cgo and
// the race detector turn deadlock detection off, so the time is limited.
func runCoroProg(t *testing.T, binary, name string, flags ...string) string {
	t.Helper()
	exe, err := buildTestProg(t, binary, flags...)
	if err != nil {
		t.Fatal(err)
	}

	const limit = time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := testenv.CleanCmdEnv(testenv.CommandContext(t, ctx, exe, name))
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = limit / 4 // for the SIGQUIT traceback
	}
	out, err := cmd.CombinedOutput()
	output := string(out)
	if ctx.Err() != nil {
		t.Fatalf("%v: still running after %v:\n%s", cmd, limit, output)
	}
	if err != nil {
		if _, ok := err.(*exec.ExitError); !ok {
			t.Fatalf("%v: %v\n%s", cmd, err, output)
		}
	}

	first, rest, _ := strings.Cut(output, "\n")
	want, ok := strings.CutPrefix(first, "expect: ")
	switch {
	case !ok:
		t.Fatalf("%v: %v: output does not start with \"expect: \":\n%s", cmd, err, output)
	case want == "OK":
		if rest != "OK\n" || err != nil {
			t.Fatalf("%v: %v: want OK, got:\n%s", cmd, err, rest)
		}
	default:
		if !strings.Contains(rest, want) || err == nil {
			t.Fatalf("%v: %v: want failure with %q in output, got:\n%s", cmd, err, want, rest)
		}
	}
	return output
}
