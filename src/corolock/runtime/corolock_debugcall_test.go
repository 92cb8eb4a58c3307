// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// As debug_test.go.
//go:build (amd64 || arm64 || loong64 || ppc64 || ppc64le) && linux && !race

package runtime_test

import (
	"internal/asan"
	"internal/msan"
	"internal/testenv"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/testdata/corotest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestCoroLockDebugCall injects calls, as a debugger does, into goroutines
// that have a lock, a lent one, or one thread together: in a process of its
// own. debugCallWrap moves the binding to another goroutine for
// the time of the call.
func TestCoroLockDebugCall(t *testing.T) {
	const env = "GO_TEST_COROLOCK_DEBUGCALL"
	if os.Getenv(env) == "1" {
		testCoroLockDebugCall(t)
		return
	}
	skipUnderDebugger(t)
	if asan.Enabled || msan.Enabled {
		t.Skip("a call injected into the sanitizer's own code breaks it; TestDebugCall is skipped, too")
	}
	testenv.MustHaveExec(t)
	t.Run("coroutine", func(t *testing.T) { runCoroLockDebugCall(t, env+"=1") })
	t.Run("channels", func(t *testing.T) { runCoroLockDebugCall(t, env+"=1", "CORO_PULL=chan") })
}

func runCoroLockDebugCall(t *testing.T, env ...string) {
	cmd := testenv.CleanCmdEnv(testenv.Command(t, testenv.Executable(t), "-test.run=^TestCoroLockDebugCall$", "-test.v"))
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestCoroLockDebugCall ") {
		t.Fatalf("%v:\n%s", err, out)
	}
}

func testCoroLockDebugCall(t *testing.T) {
	// As startDebugCallWorker.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()

	type victim struct {
		name string
		g    *runtime.G
	}
	victims := make(chan victim, 1) // so that they do not block
	var stop atomic.Bool
	spin := func(name string) {
		tid := syscall.Gettid()
		stop.Store(false)
		victims <- victim{name, runtime.Getg()}
		// Twice, because a call that is injected between the load and the
		// branch has been seen to end the loop, on the stock runtime too.
		for !stop.Load() || !stop.Load() {
		}
		if got := syscall.Gettid(); got != tid {
			t.Errorf("%s: on thread %d and not on %d after the calls", name, got, tid)
		}
	}

	done := make(chan bool)
	go func() {
		defer close(done)
		runtime.LockOSThread()
		tid := syscall.Gettid()
		check := func(where string) {
			if got := syscall.Gettid(); got != tid {
				t.Errorf("%s: the caller is on thread %d and not on %d", where, got, tid)
			}
		}
		spin("caller, never lent")

		next, end := corotest.Pull(func(yield func(int) bool) {
			if corotest.Chan {
				runtime.LockOSThread() // nothing is lent by channels
				defer runtime.UnlockOSThread()
			}
			spin("iterator, on loan")
			yield(1)
		})
		spin("caller, may be lent")
		next()
		check("after a loan")
		end()

		next, end = corotest.Pull(func(yield func(int) bool) {
			runtime.LockOSThread()
			spin("iterator, with a lock of its own on the caller's thread")
			yield(1)
			spin("iterator, the same after yield")
			runtime.UnlockOSThread()
		})
		next()
		check("after sharing")
		spin("caller, sharing its thread")
		end()
		check("after the iterator's end")
		runtime.UnlockOSThread()

		next, end = corotest.Pull(func(yield func(int) bool) {
			runtime.LockOSThread()
			spin("iterator, with a lock, of a caller without")
			yield(1)
			runtime.UnlockOSThread()
		})
		next()
		runtime.LockOSThread()
		tid = syscall.Gettid()
		spin("caller, with another thread than its iterator")
		end()
		check("after the end of an iterator on another thread")
		runtime.UnlockOSThread()
	}()
	for n := 0; ; n++ {
		select {
		case v := <-victims:
			called := 0
			for _, f := range []func(){
				func() { called++ },
				func() { called++; runtime.GC() },
				func() { // uses a coroutine itself
					next, end := corotest.Pull(func(yield func(int) bool) { yield(called) })
					x, _ := next()
					end()
					called = x + 1
				},
			} {
				var p any
				var err error
				for range 100 {
					p, err = runtime.InjectDebugCall(v.g, f, nil, nil, debugCallTKill, false)
					if err == nil || err.Error() != "goroutine in unexpected state at call inject" {
						break
					}
					time.Sleep(time.Millisecond) // it may be waiting for its thread
				}
				if err != nil || p != nil {
					t.Errorf("%s: %v, panic %v", v.name, err, p)
				}
			}
			if called != 3 {
				t.Errorf("%s: %d calls, want 3", v.name, called)
			}
			stop.Store(true)
		case <-done:
			if n != 8 {
				t.Errorf("%d goroutines, want 8", n)
			}
			return
		}
	}
}
