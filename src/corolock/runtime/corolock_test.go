// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/build"
	"internal/platform"
	"internal/race"
	"internal/testenv"
	"internal/trace"
	"internal/trace/raw"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// The shared-lock rules. The programs are in
// testdata/testprog/corolock*.go and testdata/testprogcgo/corolock.go.

const (
	coroLockOff = "GODEBUG=corolock=0"

	// How the programs end with it that break upstream's rules.
	coroThrow = "fatal error: coro: OS thread locking must match locking at coroutine creation"

	// By B8.
	coroLIFO = "C calls of different goroutines on one OS thread must return in LIFO order"
)

// A coroLockProg is a program and what becomes of it. By default, and with
// a Pull made of channels, it does what its first line says.
type coroLockProg struct {
	name string

	// With corolock=0: "OK", or what it dies of.
	off string

	// Why the program, deliberately, does not do the same with channels; or
	// empty.
	unlikeChannels string

	// Why the result with corolock=0 is not looked at; or empty.
	offVaries string
}

const coroDonates = "a coroutine made under a lock runs on its maker's thread when its maker drives it"

var coroLockProgs = []coroLockProg{
	{name: "CoroSharedLockOSThreadIterLock", off: "OK"},
	{name: "CoroSharedLockOSThreadIterLockYield", off: coroThrow},
	{name: "CoroSharedLockOSThreadLock", off: "OK"},
	{name: "CoroSharedLockOSThreadLockIterNested", off: "OK"},
	{name: "CoroSharedLockOSThreadLockIterLock", off: "OK"},
	{name: "CoroSharedLockOSThreadLockIterLockYield", off: coroThrow},
	{name: "CoroSharedLockOSThreadLockIterYieldNewG", off: coroThrow},
	{name: "CoroSharedLockOSThreadLockAfterPull", off: coroThrow},
	{name: "CoroSharedLockOSThreadStopLocked", off: "OK"},
	{name: "CoroSharedLockOSThreadStopLockedIterNested", off: "OK"},

	{name: "CoroSharedAllPairs", off: coroThrow},
	{name: "CoroSharedReserved", off: coroThrow},
	{name: "CoroSharedDonated", off: "OK", unlikeChannels: coroDonates},
	{name: "CoroSharedLoanElsewhere", off: coroThrow},
	{name: "CoroSharedLoanLockedElsewhere", off: coroThrow},
	{name: "CoroSharedMakerGone", off: coroThrow},
	{name: "CoroSharedLeak", off: "OK"},
	{name: "CoroSharedUnlockRelock", off: coroThrow},
	{name: "CoroSharedLockOnReserved", off: coroThrow},
	{name: "CoroSharedUnlockThenSwitch", off: coroThrow},
	{name: "CoroSharedLocksAfterwards", off: coroThrow},

	{name: "CoroSharedLoanUnlock", off: coroThrow},
	{name: "CoroSharedLoanUnlockLock", offVaries: "upstream lets an iterator unlock its caller's thread"},
	{name: "CoroSharedLoanLateLock", off: coroThrow},
	{name: "CoroSharedFreeForgets", off: coroThrow},
	{name: "CoroSharedSpinningBorrower", off: coroThrow},
	{name: "CoroSharedWaitingBorrower", off: coroThrow},
	{name: "CoroSharedTimeShare", off: coroThrow},
	{name: "CoroSharedTimeShareSyscall", off: coroThrow},
	{name: "CoroSharedBorrowerInSyscall", off: coroThrow},
	{name: "CoroSharedChain1", off: coroThrow},
	{name: "CoroSharedChain2", off: coroThrow},
	{name: "CoroSharedChain3", off: coroThrow},
	{name: "CoroSharedChain4", off: coroThrow},
	{name: "CoroSharedChain5", off: coroThrow},

	{name: "CoroSharedPairsStay", off: coroThrow},
	{name: "CoroSharedLoanRenewed", off: coroThrow},
	{name: "CoroSharedLoanRenewedAfter", off: coroThrow},
	{name: "CoroSharedMainThread", off: coroThrow},

	{name: "CoroSharedExitEndsThread", off: coroThrow},
	{name: "CoroSharedExitAfterLastClaim", off: coroThrow},
	{name: "CoroSharedExitInSyscall", off: coroThrow},
	{name: "CoroSharedLentExitKeepsThread", off: coroThrow},

	{name: "CoroSharedPanic", off: coroThrow},
	{name: "CoroSharedGoexit", off: coroThrow},
	{name: "CoroSharedStopElsewhere", off: coroThrow},
	{name: "CoroSharedConcurrentNext", off: coroThrow},
	{name: "CoroSharedStopInFlight", off: coroThrow},
	{name: "CoroSharedMany", off: coroThrow},
	{name: "CoroSharedFair", off: coroThrow},
	{name: "CoroSharedBystander", off: coroThrow},
	{name: "CoroSharedSyscalls", off: coroThrow},

	{name: "CoroSharedDeadlockCaller", off: coroThrow},
	{name: "CoroSharedDeadlockIterator", off: coroThrow},
	{name: "CoroSharedDeadlockOneThread", off: coroThrow},
	{name: "CoroSharedDeadlockDisplaced", off: coroThrow},

	{name: "CoroSharedInit", off: coroThrow},
	{name: "CoroSharedInitLock", off: coroThrow},
	{name: "CoroSharedInitElsewhere", off: coroThrow},
	{name: "CoroSharedInitPairs", off: "OK"},
	{name: "CoroSharedLatency", off: coroThrow},
	{name: "CoroSharedWaits", off: coroThrow},

	{name: "CoroSharedStatesGC", off: coroThrow},
	{name: "CoroSharedStatesStack", off: coroThrow},
	{name: "CoroSharedStatesProfile", off: coroThrow},
	{name: "CoroSharedStatesCPUProfile", off: coroThrow},
	{name: "CoroSharedStatesTrace", off: coroThrow},
	{name: "CoroSharedStatesProcs", off: coroThrow},
	{name: "CoroSharedStatesMetrics", off: coroThrow},
	{name: "CoroSharedStopTheWorld", off: coroThrow},
	{name: "CoroSharedTraceback", off: coroThrow},
	{name: "CoroSharedTraceFile", off: coroThrow},
	{name: "CoroSharedCleanThreads", off: coroThrow},
	{name: "CoroSharedSynctest", off: coroThrow},
	{name: "CoroSharedSynctestDeadlock", off: coroThrow},
	{name: "CoroSharedSynctestBlocked", off: coroThrow},
}

const coroFrames = "goroutines behind channels have threads, and stacks for C, of their own"

var coroLockCgoProgs = []coroLockProg{
	{name: "CoroSharedCgoIterCallback", off: "OK"},
	{name: "CoroSharedCgoIterCallbackYield", off: coroThrow},
	{name: "CoroSharedCgoCallback", off: "OK"},
	{name: "CoroSharedCgoCallbackIterNested", off: "OK"},
	{name: "CoroSharedCgoCallbackIterCallback", off: "OK"},
	{name: "CoroSharedCgoCallbackIterCallbackYield", off: coroThrow},
	{name: "CoroSharedCgoCallbackAfterPull", off: coroThrow},
	{name: "CoroSharedCgoStopCallback", off: "OK"},
	{name: "CoroSharedCgoStopCallbackIterNested", off: "OK"},

	{name: "CoroSharedCgoAllPairs", off: coroThrow},
	{name: "CoroSharedCgoOutlived", off: coroThrow},
	{name: "CoroSharedCgoMakerInC", off: coroThrow},
	{name: "CoroSharedCgoLeak", off: "OK"},
	{name: "CoroSharedCgoPanic", off: coroThrow},
	{name: "CoroSharedCgoPanicAcross", off: coroThrow},
	{name: "CoroSharedCgoGoexit", off: coroThrow},
	{name: "CoroSharedCgoChain1", off: coroThrow},
	{name: "CoroSharedCgoChain2", off: coroThrow},
	{name: "CoroSharedCgoChain3", off: coroThrow},
	{name: "CoroSharedCgoChain4", off: coroThrow},

	{name: "CoroSharedCgoEventLoopMain", off: coroThrow},
	{name: "CoroSharedCgoEventLoopCaller", off: coroThrow},

	{name: "CoroSharedCgoThread", off: coroThrow},
	{name: "CoroSharedCgoThreadFrames", off: coroThrow},
	{name: "CoroSharedCgoThreadMany", off: coroThrow},
	{name: "CoroSharedCgoThreadDropLoan", off: coroThrow},
	{name: "CoroSharedCgoThreadDropClaim", off: coroThrow},
	{name: "CoroSharedCgoThreadLockedExit", off: coroThrow},
	{name: "CoroSharedCgoThreadAgain", off: coroThrow},

	{name: "CoroSharedCgoCallbackLock", off: coroThrow},
	{name: "CoroSharedCgoCallbackLockDead", off: coroThrow, unlikeChannels: coroFrames},
	{name: "CoroSharedCgoCallbackUnlock", off: coroThrow},
	{name: "CoroSharedCgoCallbackSince", off: coroThrow},

	{name: "CoroSharedCgoLIFOWait", off: coroThrow},
	{name: "CoroSharedCgoLIFOWaitPanic", off: coroThrow},
	{name: "CoroSharedCgoLIFOCircular", off: coroThrow, unlikeChannels: coroFrames},
	{name: "CoroSharedCgoLIFODead", off: coroThrow, unlikeChannels: coroFrames},
	{name: "CoroSharedCgoLIFODeadPanic", off: coroThrow},
	{name: "CoroSharedCgoLIFODeadGoexit", off: coroThrow},
	{name: "CoroSharedCgoLIFOUncaught", off: coroThrow},
	{name: "CoroSharedCgoCallbackPairs", off: "OK"},
	{name: "CoroSharedCgoOwner", off: "OK"},
	{name: "CoroSharedCgoLateThread", off: coroThrow},
	{name: "CoroSharedCgoThreadEnds", off: coroThrow},
	{name: "CoroSharedCgoFrameDump", off: coroThrow},

	{name: "CoroSharedCgoBlocking", off: coroThrow},
	{name: "CoroSharedCgoMany", off: coroThrow},
	{name: "CoroSharedCgoStatesGC", off: coroThrow},
	{name: "CoroSharedCgoStatesStack", off: coroThrow},
	{name: "CoroSharedCgoStatesProfile", off: coroThrow},
	{name: "CoroSharedCgoStatesCPUProfile", off: coroThrow},
	{name: "CoroSharedCgoStatesTrace", off: coroThrow},
	{name: "CoroSharedCgoStatesProcs", off: coroThrow},
	{name: "CoroSharedCgoTrace", off: "OK"},
	{name: "CoroSharedCgoTraceFile", off: coroThrow},
	{name: "CoroSharedCgoCleanThreads", off: coroThrow},
	{name: "CoroSharedCgoInit", off: coroThrow},
}

// coroLockBinaries are the two programs that hold them all.
var coroLockBinaries = []struct {
	name     string
	progs    []coroLockProg
	upstream []string // upstream's programs, all of which run to their ends
}{
	{"testprog", coroLockProgs, []string{
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
	}},
	{"testprogcgo", coroLockCgoProgs, []string{
		"CoroCgoIterCallback",
		"CoroCgoIterCallbackYield",
		"CoroCgoCallback",
		"CoroCgoCallbackIterNested",
		"CoroCgoCallbackIterCallback",
		"CoroCgoCallbackIterCallbackYield",
		"CoroCgoCallbackAfterPull",
		"CoroCgoStopCallback",
		"CoroCgoStopCallbackIterNested",
	}},
}

// TestCoroLock runs the programs.
func TestCoroLock(t *testing.T) {
	eachCoroLockProg(t, func(t *testing.T, binary string, p coroLockProg) {
		checkCoroLock(t, "", runCoroLock(t, binary, nil, p.name))
	})
}

// TestCoroLockProcs runs them with other numbers of Ps.
func TestCoroLockProcs(t *testing.T) {
	if testing.Short() {
		t.Skip("skipping in short mode")
	}
	for _, procs := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(procs), func(t *testing.T) {
			eachCoroLockProg(t, func(t *testing.T, binary string, p coroLockProg) {
				checkCoroLock(t, "", runCoroLock(t, binary, nil, p.name, fmt.Sprint("GOMAXPROCS=", procs)))
			})
		})
	}
}

// TestCoroLockGCStopTheWorld runs them with a collector that lets no user
// goroutine be scheduled while it works, by sched.disable.
func TestCoroLockGCStopTheWorld(t *testing.T) {
	if testing.Short() {
		t.Skip("skipping in short mode")
	}
	eachCoroLockProg(t, func(t *testing.T, binary string, p coroLockProg) {
		checkCoroLock(t, "", runCoroLock(t, binary, nil, p.name, "GODEBUG=gcstoptheworld=1", "GOGC=20"))
	})
}

// TestCoroLockOff runs the programs with corolock=0: they end as upstream has
// them end.
func TestCoroLockOff(t *testing.T) {
	eachCoroLockProg(t, func(t *testing.T, binary string, p coroLockProg) {
		if p.offVaries != "" {
			t.Skip(p.offVaries)
		}
		checkCoroLock(t, p.off, runCoroLock(t, binary, nil, p.name, coroLockOff))
	})
}

// TestCoroLockYardstick runs the programs on a Pull made of a goroutine and
// channels, which says what they should do. It passes on every runtime.
func TestCoroLockYardstick(t *testing.T) {
	eachCoroLockProg(t, func(t *testing.T, binary string, p coroLockProg) {
		res := runCoroLock(t, binary, nil, p.name, "CORO_PULL=chan")
		if p.unlikeChannels == "" {
			checkCoroLock(t, "", res)
			return
		}
		// A difference that is none is not to be written down.
		if ok, _ := res.judge(""); ok {
			t.Errorf("%s does the same with channels; it is said not to, because %s", p.name, p.unlikeChannels)
		}
	})
}

// TestCoroLockUpstream runs upstream's programs. Where upstream expects them to
// die, they go on to their ends.
func TestCoroLockUpstream(t *testing.T) {
	for _, b := range coroLockBinaries {
		t.Run(b.name, func(t *testing.T) {
			mustHaveCoroLock(t, b.name)
			for _, name := range b.upstream {
				t.Run(name, func(t *testing.T) {
					res := runCoroLock(t, b.name, nil, name)
					if _, rest, _ := strings.Cut(res.output, "\n"); rest != "OK\n" || res.err != nil {
						t.Fatalf("%v: want OK, got:\n%s", res.err, res.output)
					}
				})
			}
		})
	}
}

// TestCoroLockNames checks that the tables above have every program.
func TestCoroLockNames(t *testing.T) {
	for _, b := range coroLockBinaries {
		t.Run(b.name, func(t *testing.T) {
			mustHaveCoroLock(t, b.name)
			res := runCoroLock(t, b.name, nil, "CoroSharedNames")
			got := strings.Fields(res.output)
			want := []string{"CoroSharedNames"}
			for _, p := range b.progs {
				want = append(want, p.name)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("the programs are\n%s\nthe table has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// TestCoroLockRace runs the programs in race mode.
func TestCoroLockRace(t *testing.T) {
	testenv.MustHaveCGO(t)
	if testing.Short() {
		t.Skip("skipping in short mode")
	}
	if !platform.RaceDetectorSupported(runtime.GOOS, runtime.GOARCH) {
		t.Skipf("no race detector on %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	runCoroLockBuilt(t, "-race", coroLockNoRace)
}

// coroLockNoRace has the prefixes of programs that do not run in race mode.
var coroLockNoRace = []string{
	"CoroSharedDeadlock",     // cgo turns the deadlock detector off
	"CoroSharedStopInFlight", // is a race
	"CoroSharedConcurrentNext",
}

// TestCoroLockASan runs them with the address sanitizer, which looks at the
// frames of C.
func TestCoroLockASan(t *testing.T) {
	testenv.MustHaveCGO(t)
	if testing.Short() {
		t.Skip("skipping in short mode")
	}
	if !platform.ASanSupported(runtime.GOOS, runtime.GOARCH) {
		t.Skipf("no address sanitizer on %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	runCoroLockBuilt(t, "-asan", []string{
		"CoroSharedDeadlock",
		// The sanitizer is not told of a panic or Goexit that unwinds frames of
		// C, and then takes what has its place on the stack for theirs. These
		// fail with channels, too.
		"CoroSharedCgoPanic", "CoroSharedCgoGoexit", "CoroSharedCgoLIFOWaitPanic", "CoroSharedCgoMany",
	})
}

// TestCoroLockMoreStack runs them with stacks that move, and preemption, at
// every function's start.
func TestCoroLockMoreStack(t *testing.T) {
	if testing.Short() {
		t.Skip("skipping in short mode")
	}
	for _, hook := range []string{"mayMoreStackMove", "mayMoreStackPreempt"} {
		t.Run(hook, func(t *testing.T) {
			runCoroLockBuilt(t, "-gcflags=-d=maymorestack=runtime."+hook, nil)
		})
	}
}

// skip skips the test of the program if it has one of the prefixes.
func (p *coroLockProg) skip(t *testing.T, what string, without []string) {
	if slices.ContainsFunc(without, func(prefix string) bool { return strings.HasPrefix(p.name, prefix) }) {
		t.Skip("does not apply to", what)
	}
}

// runCoroLockBuilt runs all programs, less those with one of the prefixes,
// built with a flag.
func runCoroLockBuilt(t *testing.T, flag string, without []string) {
	eachCoroLockProg(t, func(t *testing.T, binary string, p coroLockProg) {
		p.skip(t, flag, without)
		checkCoroLock(t, "", runCoroLock(t, binary, []string{flag}, p.name))
	})
}

// TestCoroLockTrace reads what the tracer has written.
func TestCoroLockTrace(t *testing.T) {
	for _, prog := range []struct{ binary, name string }{
		{"testprog", "CoroSharedTraceFile"},
		{"testprogcgo", "CoroSharedCgoTraceFile"},
	} {
		t.Run(prog.name, func(t *testing.T) {
			mustHaveCoroLock(t, prog.binary)
			file := filepath.Join(t.TempDir(), "trace")
			// The tracer checks, too, that it owns the stacks that it takes.
			checkCoroLock(t, "", runCoroLock(t, prog.binary, nil, prog.name,
				"GODEBUG=tracecheckstackownership=1", "CORO_TRACE="+file))
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r, err := trace.NewReader(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			for n := 0; ; n++ {
				// The reader finds events that contradict each other: a
				// goroutine on two threads, or running and blocked.
				_, err := r.ReadEvent()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("after %d events: %v", n, err)
				}
			}
			if switches := countRaw(t, data, "GoSwitch"); switches == 0 {
				t.Error("no switches in the trace")
			}
		})
	}
}

// countRaw counts the events of that name in a trace.
func countRaw(t *testing.T, data []byte, name string) int {
	r, err := raw.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; {
		ev, err := r.ReadEvent()
		if err == io.EOF {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		if ev.Version.Specs()[ev.Ev].Name == name {
			n++
		}
	}
}

// TestCoroLockSetting sets corolock in each of the ways that there are.
func TestCoroLockSetting(t *testing.T) {
	testenv.MustHaveGoBuild(t)
	tags := build.Default.ReleaseTags
	version := strings.TrimPrefix(tags[len(tags)-1], "go")
	const program = `package main

import (
	"iter"
	"runtime"
)

func main() {
	next, _ := iter.Pull(func(yield func(int) bool) {
		runtime.LockOSThread()
		yield(1)
		runtime.UnlockOSThread()
	})
	next()
	next()
	println("OK")
}
`
	for _, tt := range []struct {
		name, mod, source, env string
		on                     bool
	}{
		{"default", "", "", "", true},
		{"environment", "", "", "corolock=0", false},
		{"environment, on", "", "", "corolock=1", true},
		{"go.mod", "godebug corolock=0\n", "", "", false},
		{"go.mod, on in the environment", "godebug corolock=0\n", "", "corolock=1", true},
		{"directive", "", "//go:debug corolock=0\n", "", false},
		{"directive over go.mod", "godebug corolock=0\n", "//go:debug corolock=1\n", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{
				"go.mod":  "module m\n\ngo " + version + "\n\n" + tt.mod,
				"main.go": tt.source + program,
			} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			exe := filepath.Join(dir, "m.exe")
			cmd := testenv.CleanCmdEnv(testenv.Command(t, testenv.GoToolPath(t), "build", "-o", exe))
			cmd.Dir = dir
			cmd.Env = append(cmd.Env, "PWD="+dir, "GOWORK=off", "GOFLAGS=")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", cmd, err, out)
			}
			cmd = testenv.CleanCmdEnv(testenv.Command(t, exe))
			if tt.env != "" {
				cmd.Env = append(cmd.Env, "GODEBUG="+tt.env)
			}
			out, err := cmd.CombinedOutput()
			if tt.on && (err != nil || string(out) != "OK\n") || !tt.on && (err == nil || !strings.Contains(string(out), coroThrow)) {
				t.Errorf("%v, output:\n%s", err, out)
			}
		})
	}
}

// eachCoroLockProg calls f in a subtest for each program. Most programs wait
// more than they compute.
func eachCoroLockProg(t *testing.T, f func(t *testing.T, binary string, p coroLockProg)) {
	t.Helper()
	for _, b := range coroLockBinaries {
		t.Run(b.name, func(t *testing.T) {
			mustHaveCoroLock(t, b.name)
			for _, p := range b.progs {
				t.Run(p.name, func(t *testing.T) {
					if race.Enabled { // then the programs are built for it, too
						p.skip(t, "race mode", coroLockNoRace)
					}
					t.Parallel()
					f(t, b.name, p)
				})
			}
		})
	}
}

// mustHaveCoroLock skips the test where a binary has no such programs.
func mustHaveCoroLock(t *testing.T, binary string) {
	t.Helper()
	if binary != "testprogcgo" {
		return
	}
	testenv.MustHaveCGO(t)
	if runtime.GOOS == "windows" {
		t.Skip("no callbacks from threads made by pthreads on windows")
	}
}

// A coroLockResult is what a program left.
type coroLockResult struct {
	cmd    string
	output string
	err    error
}

// runCoroLock builds binary with flags, and runs its program name. Much that
// can go wrong ends in a hang, and cgo turns the deadlock detector off, so the
// time is limited.
func runCoroLock(t *testing.T, binary string, flags []string, name string, env ...string) coroLockResult {
	t.Helper()
	exe, err := buildTestProg(t, binary, flags...)
	if err != nil {
		t.Fatal(err)
	}
	const limit = 4 * time.Minute // with mayMoreStackPreempt, and two at a time, one takes more than one
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := testenv.CleanCmdEnv(testenv.CommandContext(t, ctx, exe, name))
	cmd.Env = append(cmd.Env, env...)
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = limit / 8 // for the SIGQUIT traceback
	}
	out, err := cmd.CombinedOutput()
	res := coroLockResult{fmt.Sprint(cmd, " with ", env), string(out), err}
	if ctx.Err() != nil {
		t.Fatalf("%s: still running after %v:\n%s", res.cmd, limit, res.output)
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v\n%s", res.cmd, err, res.output)
	}
	return res
}

// judge compares a program's output, after its first line, with what is wanted:
// "OK", the text of its death, or, if empty, what the first line says.
func (r coroLockResult) judge(want string) (ok bool, wanted string) {
	first, rest, _ := strings.Cut(r.output, "\n")
	expect, ok := strings.CutPrefix(first, "expect: ")
	if !ok {
		return false, "a first line that starts with \"expect: \""
	}
	if want == "" {
		want = expect
	}
	if want == "OK" {
		return rest == "OK\n" && r.err == nil, "OK"
	}
	return strings.Contains(rest, want) && r.err != nil, want
}

func checkCoroLock(t *testing.T, want string, r coroLockResult) {
	t.Helper()
	if ok, wanted := r.judge(want); !ok {
		t.Fatalf("%s: %v: want %s, got:\n%s", r.cmd, r.err, wanted, r.output)
	}
}
