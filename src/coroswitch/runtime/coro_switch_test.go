// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"bytes"
	"internal/profile"
	"internal/race"
	"internal/testenv"
	"iter"
	"os"
	"os/exec"
	"regexp"
	. "runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// coroDirect says whether the port has a direct switch.
const coroDirect = (GOARCH == "amd64" || GOARCH == "arm64") && !race.Enabled

// TestCoroSwitchStress lets the program use iter.Pull in all ways, while the
// garbage collector, the tracer and the profilers are at work. The variable
// GOCORO_STRESS says for how long under each setting.
func TestCoroSwitchStress(t *testing.T) {
	exe, err := buildTestProg(t, "testcoroswitch")
	if err != nil {
		t.Fatal(err)
	}
	duration := 10 * time.Second
	if testing.Short() {
		duration = 500 * time.Millisecond
	}
	if s := os.Getenv("GOCORO_STRESS"); s != "" {
		if duration, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	for _, env := range []string{
		"GOMAXPROCS=1",
		"GOMAXPROCS=2",
		"GOMAXPROCS=8",
		"GODEBUG=asyncpreemptoff=1",
		"GODEBUG=gccheckmark=1",
		"GODEBUG=clobberfree=1",
		"GODEBUG=dontfreezetheworld=1",
	} {
		t.Run(env, func(t *testing.T) {
			coroSwitchProg(t, exe, "^OK\n$", []string{env}, "Stress", duration.String())
		})
	}
}

// TestCoroSwitchMisuse checks that a program that misuses iter.Pull goes on, or
// is told what is wrong, but does not crash otherwise.
func TestCoroSwitchMisuse(t *testing.T) {
	exe, err := buildTestProg(t, "testcoroswitch")
	if err != nil {
		t.Fatal(err)
	}
	const found = "^(OK|fatal error: coroswitch: next, stop or yield of one iterator called by two goroutines at once\n|" +
		"fatal error: coroswitch on exited coro\n|fatal error: coroswitch of a goroutine to itself\n)"
	for _, test := range []struct{ name, want string }{
		{"Nexts", found},
		{"Stops", found},
		{"Yields", found},
		{"NextInside", "^OK\n$"},
		{"StopInFlight", "^OK\n$"},
		{"StopInFlightTraced", "^OK\n$"},
		{"YieldLate", "^OK\n$"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if race.Enabled && test.want == found {
				t.Skip("the race detector reports the misuse")
			}
			n := 1
			if test.want == found && !testing.Short() {
				n = 10
			}
			for range n {
				coroSwitchProg(t, exe, test.want, nil, test.name)
			}
		})
	}
}

// coroSwitchProg runs exe and checks its output.
func coroSwitchProg(t *testing.T, exe, want string, env []string, args ...string) {
	t.Helper()
	cmd := testenv.CleanCmdEnv(testenv.Command(t, exe, args...))
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	if !regexp.MustCompile(want).Match(out) {
		t.Errorf("%s %s: %v\n%s", strings.Join(env, " "), strings.Join(args, " "), err, out)
	}
}

// coroSwitchFrames returns the functions of the goroutine in coroSwitchConsumer,
// the innermost first. It reads the addresses: for people, the goroutine profile
// leaves out the runtime's own functions.
func coroSwitchFrames(t *testing.T) (names []string) {
	var buf bytes.Buffer
	for range 1000 {
		time.Sleep(time.Millisecond)
		buf.Reset()
		pprof.Lookup("goroutine").WriteTo(&buf, 1)
		for p := range strings.SplitSeq(buf.String(), "\n\n") {
			if !strings.Contains(p, "coroSwitchConsumer+") { // not the iterator
				continue
			}
			_, addrs, _ := strings.Cut(p, " @ ")
			addrs, _, _ = strings.Cut(addrs, "\n")
			var pcs []uintptr
			for addr := range strings.FieldsSeq(addrs) {
				pc, err := strconv.ParseUint(addr, 0, 64)
				if err != nil {
					t.Fatal(err)
				}
				pcs = append(pcs, uintptr(pc))
			}
			frames := CallersFrames(pcs)
			for more := true; more; {
				var f Frame
				f, more = frames.Next()
				names = append(names, f.Function)
			}
			return names
		}
	}
	t.Fatal("no such goroutine")
	return nil
}

// TestCoroSwitchDirect checks that a switch is direct, on ports which have that:
// a goroutine that has been switched away from through g0 is in coroswitch.
func TestCoroSwitchDirect(t *testing.T) {
	done := make(chan bool)
	defer close(done)
	go coroSwitchConsumer(done)
	names := coroSwitchFrames(t)
	if !slices.Contains(names, "runtime_test.coroSwitchConsumer") || coroDirect == slices.Contains(names, "runtime.coroswitch") {
		t.Errorf("direct switch: want %v, got %v", coroDirect, names)
	}
}

//go:noinline
func coroSwitchConsumer(done chan bool) {
	next, stop := iter.Pull(func(yield func(int) bool) {
		yield(1)
		<-done
	})
	defer stop()
	next()
	next()
}

// TestCoroSwitchReturns checks that the functions that call corogo return by an
// indirect jump, on ports where that is what makes a direct switch fast.
func TestCoroSwitchReturns(t *testing.T) {
	testenv.MustHaveGoBuild(t)
	if !coroDirect {
		t.Skip("no direct switch")
	}
	out, err := exec.Command(testenv.GoToolPath(t), "tool", "objdump", "-s", `^iter\.Pull`, os.Args[0]).CombinedOutput()
	if err != nil {
		t.Fatalf("go tool objdump: %v\n%s", err, out)
	}
	call := regexp.MustCompile(`\bCALL runtime\.corogo\(SB\)`)
	ret := regexp.MustCompile(`(?m)\bRET\b`)
	n := 0
	for text := range strings.SplitSeq(string(out), "TEXT ") {
		if call.MatchString(text) {
			n++
			if ret.MatchString(text) {
				t.Errorf("it returns by a return instruction:\n%s", text)
			}
		}
	}
	if n < 3 {
		t.Errorf("%d functions call corogo, want next, stop and yield", n)
	}
}

// TestCoroSwitchExit checks that a goroutine that has run an iterator, and ended
// in one way or another, leaves nothing behind for the next one: it is used
// again.
func TestCoroSwitchExit(t *testing.T) {
	var ids [3]uint64
	seqs := []iter.Seq[int]{
		func(yield func(int) bool) { yield(1) },
		func(yield func(int) bool) {
			defer func() { recover() }()
			panic("recovered")
		},
		func(yield func(int) bool) {
			for yield(2) {
			}
		},
	}
	// A collection notes since when a goroutine waits, which may be just before it
	// runs. So there is none at the time of a switch.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	n := NumGoroutine()
	for range 30 {
		for i, seq := range seqs {
			next, stop := iter.Pull(func(yield func(int) bool) {
				ids[i] = CurrentGoid()
				if since := WaitSince(); since != 0 {
					t.Errorf("a new coroutine has waited since %d", since)
				}
				seq(yield)
			})
			GC()
			next()
			stop()
			if v, ok := next(); v != 0 || ok {
				t.Errorf("next after stop: got %v, %v", v, ok)
			}
		}
		if ids[0] == ids[1] || ids[1] == ids[2] || ids[0] == 0 {
			t.Fatalf("goroutines %v", ids)
		}
	}
	if got := NumGoroutine(); got > n {
		t.Errorf("%d goroutines, and %d before", got, n)
	}
}

// TestCoroSwitchNotStarted checks that a coroutine that has not started, and that
// nobody can start, keeps its coro: a dump of it reads that.
func TestCoroSwitchNotStarted(t *testing.T) {
	const child = "CORO_SWITCH_NOT_STARTED=1"
	if slices.Contains(os.Environ(), child) {
		for range 100 {
			iter.Pull(func(yield func(int) bool) {})
		}
		GC()
		GC()
		// Lie where the coros were, if they are gone.
		keep := []any{
			coroSwitchJunk[[9]uintptr](), coroSwitchJunk[[11]uintptr](), coroSwitchJunk[[13]uintptr](), coroSwitchJunk[[15]uintptr](),
			coroSwitchJunk[[17]uintptr](), coroSwitchJunk[[19]uintptr](), coroSwitchJunk[[21]uintptr](), coroSwitchJunk[[25]uintptr](),
		}
		buf := make([]byte, 1<<20)
		if n := strings.Count(string(buf[:Stack(buf, true)]), " [coroutine]:\n"); n != 100 {
			t.Errorf("%d coroutines in the dump, want 100", n)
		}
		KeepAlive(keep)
		return
	}
	coroSwitchProg(t, testenv.Executable(t), "^PASS\n", []string{child}, "-test.run=^TestCoroSwitchNotStarted$")
}

// coroSwitchJunk returns objects that have a pointer and what is none.
func coroSwitchJunk[T [9]uintptr | [11]uintptr | [13]uintptr | [15]uintptr | [17]uintptr | [19]uintptr | [21]uintptr | [25]uintptr]() any {
	type junk struct {
		next  *junk
		words T
	}
	var list *junk
	for range 1000 {
		list = &junk{next: list}
		for i := range len(list.words) {
			list.words[i] = 8
		}
	}
	return list
}

// TestCoroSwitchExited checks that a switch to a coroutine that has exited is
// told what is wrong. Package iter never does it.
func TestCoroSwitchExited(t *testing.T) {
	const child = "CORO_SWITCH_EXITED=1"
	if slices.Contains(os.Environ(), child) {
		var c unsafe.Pointer
		next, stop := iter.Pull(func(yield func(int) bool) {
			yield(1)
			c = CurrentCoro()
		})
		defer stop()
		next()
		next()
		SwitchCoro(c)
		return
	}
	coroSwitchProg(t, testenv.Executable(t), "^fatal error: coroswitch on exited coro\n", []string{child}, "-test.run=^TestCoroSwitchExited$")
}

// TestCoroSwitchExitTaken checks that a coroutine that exits does not take the
// goroutine that another one takes at the same time. Once another one may, the
// coroutine must not exit without an atomic operation.
func TestCoroSwitchExitTaken(t *testing.T) {
	const child = "CORO_SWITCH_EXIT_TAKEN=1"
	if slices.Contains(os.Environ(), child) {
		defer GOMAXPROCS(GOMAXPROCS(4))
		for i := range 400 {
			coroSwitchExitTaken(4 * i)
		}
		println("OK")
		return
	}
	n := 5
	if testing.Short() {
		n = 2
	}
	for range n {
		coroSwitchProg(t, testenv.Executable(t), "^(OK|fatal error: coroswitch on exited coro)\n", []string{child}, "-test.run=^TestCoroSwitchExitTaken$")
	}
}

// coroSwitchExitTaken lets a coroutine exit while another goroutine switches. The
// greater the delay, the later the other one switches. Both want the calling
// goroutine. If the coroutine comes first, nobody is left for the other one, and
// the program dies.
func coroSwitchExitTaken(delay int) {
	inNext := make(chan bool)
	var goOn atomic.Int32
	var exits atomic.Bool
	next, _ := iter.Pull(func(yield func(int) bool) {
		yield(1)
		close(inNext)
		for goOn.Load() < 2 {
			Gosched()
		}
		exits.Store(true)
		for range 1000 {
		}
	})
	next()
	c := CurrentCoro()
	done := make(chan bool)
	go func() {
		<-inNext
		SwitchCoro(c) // from now on the coroutine is not the only one that may take
		goOn.Add(1)
		for !exits.Load() {
		}
		for range delay {
		}
		SwitchCoro(c)
		done <- true
	}()
	next() // until the other goroutine switches
	goOn.Add(1)
	SwitchCoro(c) // back to it
	if !<-done {
		panic("done without the other goroutine")
	}
}

// TestCoroSwitchProfile checks that a CPU profile tells who has called next or
// yield, at whatever instruction of the switch its signal comes.
func TestCoroSwitchProfile(t *testing.T) {
	if !coroDirect {
		t.Skip("no direct switch")
	}
	var buf bytes.Buffer
	if err := pprof.StartCPUProfile(&buf); err != nil {
		t.Skip(err)
	}
	coroSwitchProfiled(t)
	pprof.StopCPUProfile()
	prof, err := profile.Parse(&buf)
	if err != nil {
		t.Fatal(err)
	}
	var next, yield, other int64
	for _, sample := range prof.Sample {
		var names []string
		for _, loc := range sample.Location {
			for _, line := range loc.Line {
				names = append(names, line.Function.Name)
			}
		}
		if len(names) == 0 || names[0] != "runtime.corogo" {
			continue
		}
		switch stack := strings.Join(names, " "); {
		case strings.Contains(stack, "iter.Pull") && strings.Contains(stack, "coroSwitchNumbers"):
			yield += sample.Value[0]
		case strings.Contains(stack, "iter.Pull") && strings.Contains(stack, "coroSwitchProfiled"):
			next += sample.Value[0]
		default:
			other += sample.Value[0]
			t.Logf("%d samples: %s", sample.Value[0], stack)
		}
	}
	t.Logf("in the switch: %d samples below next, %d below yield, %d others", next, yield, other)
	if other > (next+yield)/10 {
		t.Error("the profile does not tell who has switched")
	}
}

//go:noinline
func coroSwitchProfiled(t *testing.T) {
	next, stop := iter.Pull(coroSwitchNumbers)
	defer stop()
	for start := time.Now(); time.Since(start) < 300*time.Millisecond; {
		for range 1000 {
			next()
		}
	}
}

//go:noinline
func coroSwitchNumbers(yield func(int) bool) {
	for i := 0; yield(i); i++ {
	}
}
