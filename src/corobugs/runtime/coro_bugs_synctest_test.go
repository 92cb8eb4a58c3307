// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"fmt"
	"internal/synctest"
	"internal/testenv"
	"iter"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

const coroBugOutside = "fatal error: next or stop of synctest iterator from outside bubble"

// Each test runs in a process of its own. If dies is set, the process must die
// of it. lock is called by those that call next and stop.
var coroBugSynctestTests = []struct {
	name, dies string
	run        func(t *testing.T, lock func())
}{
	{name: "Outside", run: func(t *testing.T, lock func()) {
		next, stop := iter.Pull(coroBugCount(10))
		synctest.Run(func() {
			lock()
			for i := range 10 {
				if v, ok := next(); v != i || !ok {
					t.Error(v, ok)
				}
			}
			if v, ok := next(); ok {
				t.Error(v, ok)
			}
			stop()
			coroBugBubbleWorks(t)
		})
	}},
	{name: "OutsideStop", run: func(t *testing.T, lock func()) {
		next, stop := iter.Pull(coroBugCount(10))
		_, stop2 := iter.Pull(coroBugCount(10))
		synctest.Run(func() {
			lock()
			next()
			stop()
			stop2()
			coroBugBubbleWorks(t)
		})
	}},
	// Bubbles and goroutines in none may use it in turn.
	{name: "OutsideTurns", run: func(t *testing.T, lock func()) {
		next, stop := iter.Pull(coroBugCount(10))
		lock()
		next()
		for range 2 {
			synctest.Run(func() {
				lock()
				next()
				coroBugBubbleWorks(t)
			})
		}
		next()
		stop()
	}},
	// A panic and Goexit end an iterator, too.
	{name: "OutsidePanic", run: func(t *testing.T, lock func()) {
		for _, test := range []struct {
			end  func()
			want any
		}{
			{func() { panic("iterator") }, "iterator"},
			{runtime.Goexit, nil},
		} {
			next, _ := iter.Pull(func(func(int) bool) { test.end() })
			synctest.Run(func() {
				done := make(chan bool)
				go func() {
					defer close(done)
					lock()
					returned := false
					defer func() {
						if p := recover(); p != test.want || returned {
							t.Errorf("panic %v, want %v; next has returned: %v", p, test.want, returned)
						}
					}()
					next()
					returned = true
				}()
				<-done
				coroBugBubbleWorks(t)
			})
		}
	}},
	// While the iterator works, the clock stands still, though all other
	// goroutines wait.
	{name: "OutsideClock", run: func(t *testing.T, lock func()) {
		next, stop := iter.Pull(coroBugSleeper)
		synctest.Run(func() {
			lock()
			fired := false
			defer time.AfterFunc(time.Hour, func() { fired = true }).Stop()
			start := time.Now()
			for range 3 {
				next()
			}
			if d := time.Since(start); d != 0 || fired {
				t.Errorf("the clock went on by %v, timer fired: %v", d, fired)
			}
			stop()
			coroBugBubbleWorks(t)
		})
	}},
	// The one who waits for the iterator is not durably blocked.
	{name: "OutsideWait", run: func(t *testing.T, lock func()) {
		next, stop := iter.Pull(coroBugSleeper)
		synctest.Run(func() {
			done := false
			go func() {
				lock()
				next()
				next()
				done = true
			}()
			synctest.Wait()
			if !done {
				t.Error("synctest.Wait does not wait for next")
			}
			coroBugBubbleWorks(t)
		})
		lock()
		stop()
	}},
	// An iterator of the bubble calls next of one from outside.
	{name: "OutsideNested", run: func(t *testing.T, lock func()) {
		outer := func(seq iter.Seq[int]) iter.Seq[int] {
			return func(yield func(int) bool) {
				next, stop := iter.Pull(seq)
				defer stop()
				for v, ok := next(); ok && yield(v); v, ok = next() {
				}
			}
		}
		out, stop := iter.Pull(outer(coroBugSleeper))
		synctest.Run(func() {
			lock()
			defer time.AfterFunc(time.Hour, func() { t.Error("timer fired") }).Stop()
			in, stopIn := iter.Pull(outer(func(yield func(int) bool) {
				for v, ok := out(); ok && yield(v); v, ok = out() {
				}
			}))
			for i := range 3 {
				if v, ok := in(); v != i || !ok {
					t.Error(v, ok)
				}
			}
			stopIn()
		})
		lock()
		stop()
	}},
	// Inside one bubble, each side is durably blocked.
	{name: "Inside", run: func(t *testing.T, lock func()) {
		synctest.Run(func() {
			c := make(chan int)
			next, stop := iter.Pull(func(yield func(int) bool) {
				for v := range c {
					yield(v)
					time.Sleep(time.Second)
				}
			})
			got := 0
			go func() {
				lock()
				defer stop()
				for v, ok := next(); ok; v, ok = next() {
					got += v
				}
			}()
			synctest.Wait()
			start := time.Now()
			c <- 1
			c <- 2
			close(c)
			synctest.Wait()
			if got != 3 || time.Since(start) != time.Second {
				t.Errorf("got %d in %v, want 3 in 1s", got, time.Since(start))
			}
			time.Sleep(time.Second)
			coroBugBubbleWorks(t)
		})
	}},
	{name: "InsideDeadlock", dies: "deadlock: all goroutines in bubble are blocked", run: func(t *testing.T, lock func()) {
		synctest.Run(func() {
			next, _ := iter.Pull(func(func(int) bool) { <-make(chan int) })
			lock()
			next()
		})
	}},
	{name: "NextOutside", dies: coroBugOutside, run: func(t *testing.T, lock func()) {
		coroBugInsideOut(lock, func(next func() (int, bool), stop func()) { next() })
	}},
	{name: "StopOutside", dies: coroBugOutside, run: func(t *testing.T, lock func()) {
		coroBugInsideOut(lock, func(next func() (int, bool), stop func()) { stop() })
	}},
	{name: "NextElsewhere", dies: coroBugOutside, run: func(t *testing.T, lock func()) {
		coroBugInsideOut(lock, func(next func() (int, bool), stop func()) { synctest.Run(func() { next() }) })
	}},
	{name: "NextLater", dies: coroBugOutside, run: func(t *testing.T, lock func()) {
		var next func() (int, bool)
		func() {
			defer func() { recover() }() // "blocked goroutines remain"
			synctest.Run(func() {
				next, _ = iter.Pull(coroBugCount(10))
				next()
			})
		}()
		lock()
		next()
	}},
}

// TestCoroBugSynctest checks that iter.Pull works in bubbles, and across their
// borders, as channels do.
func TestCoroBugSynctest(t *testing.T) {
	testenv.MustHaveExec(t)
	for _, kind := range []struct {
		name, env string
		lock      func()
	}{
		{"direct", "GODEBUG=", func() {}},
		// Whoever switches has another lock than at creation.
		{"shared", "GODEBUG=corolock=1", runtime.LockOSThread},
	} {
		t.Run(kind.name, func(t *testing.T) {
			for _, test := range coroBugSynctestTests {
				t.Run(test.name, func(t *testing.T) {
					if os.Getenv("CORO_BUG") != "" {
						test.run(t, kind.lock)
						return
					}
					t.Parallel()
					if test.dies == "" {
						coroBugAgain(t, kind.env)
					} else {
						coroBugDies(t, test.dies, kind.env)
					}
				})
			}
		})
	}
}

func coroBugCount(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// coroBugSleeper is an iterator that takes a while. It is long enough for a
// bubble to go on in, if it thinks that all its goroutines wait.
func coroBugSleeper(yield func(int) bool) {
	for i := 0; ; i++ {
		time.Sleep(10 * time.Millisecond)
		if !yield(i) {
			return
		}
	}
}

// coroBugBubbleWorks checks that the current bubble still counts right.
func coroBugBubbleWorks(t *testing.T) {
	start := time.Now()
	done := false
	go func() {
		time.Sleep(time.Second)
		done = true
	}()
	time.Sleep(2 * time.Second)
	synctest.Wait()
	if d := time.Since(start); !done || d != 2*time.Second {
		t.Errorf("bubble after next: goroutine done: %v, sleep of 2s: %v", done, d)
	}
}

// coroBugInsideOut makes an iterator in a bubble and has a goroutine outside use it.
func coroBugInsideOut(lock func(), use func(next func() (int, bool), stop func())) {
	type pulled struct {
		next func() (int, bool)
		stop func()
	}
	c, used := make(chan pulled), make(chan bool)
	go func() {
		lock()
		p := <-c
		use(p.next, p.stop)
		close(used)
	}()
	synctest.Run(func() {
		next, stop := iter.Pull(coroBugCount(10))
		next()
		c <- pulled{next, stop}
		<-used
	})
}

// coroBugDies runs the test in a process of its own, with the environment. It
// must die, and say why.
func coroBugDies(t *testing.T, why string, env ...string) {
	t.Helper()
	pattern := "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	cmd := testenv.CleanCmdEnv(testenv.Command(t, testenv.Executable(t), "-test.run="+pattern, fmt.Sprint("-test.timeout=", 30*time.Second)))
	cmd.Env = append(append(cmd.Env, env...), "CORO_BUG=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), why) {
		t.Fatalf("want %q, got %v\n%s", why, err, out)
	}
}
