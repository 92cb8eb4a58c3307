// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"iter"
	"os"
	"runtime"
	"testing"
)

// TestCoroBugStopInside checks that stop panics in the iterator that it would
// stop, as next does there, and that next returns no value twice.
func TestCoroBugStopInside(t *testing.T) {
	both := func(t *testing.T) {
		t.Run("Pull", func(t *testing.T) {
			testCoroBugStopInside(t, "iter.Pull: stop called by its own iterator", iter.Pull[int])
		})
		t.Run("Pull2", func(t *testing.T) {
			testCoroBugStopInside(t, "iter.Pull2: stop called by its own iterator", func(seq iter.Seq[int]) (func() (int, bool), func()) {
				next, stop := iter.Pull2(func(yield func(int, int) bool) {
					seq(func(v int) bool { return yield(v, v) })
				})
				return func() (int, bool) {
					v, _, ok := next()
					return v, ok
				}, stop
			})
		})
	}
	t.Run("direct", both)
	// With a lock of the iterator's own, the switch is the one of shared locks.
	t.Run("shared", func(t *testing.T) {
		if os.Getenv("CORO_BUG") != "" {
			both(t)
			return
		}
		coroBugAgain(t, "GODEBUG=corolock=1")
	})
}

func testCoroBugStopInside(t *testing.T, message string, pull func(iter.Seq[int]) (func() (int, bool), func())) {
	recovered := func(f func()) (v any) {
		defer func() { v = recover() }()
		f()
		return nil
	}
	// Each iterator is asked for two values, and yields at most 1.
	for _, test := range []struct {
		name   string
		panics bool // whether the second next does
		seq    func(yield func(int) bool, stop func())
	}{
		{"Called", true, func(yield func(int) bool, stop func()) {
			yield(1)
			stop()
		}},
		{"Helper", true, func(yield func(int) bool, stop func()) {
			yield(1)
			for range func(yield func() bool) { stop() } {
			}
		}},
		{"Deferred", true, func(yield func(int) bool, stop func()) {
			defer stop()
			yield(1)
		}},
		{"Panicking", true, func(yield func(int) bool, stop func()) {
			defer stop()
			yield(1)
			panic("another one")
		}},
		{"Recovered", false, func(yield func(int) bool, stop func()) {
			yield(1)
			for range 3 {
				if v := recovered(stop); v != message {
					t.Errorf("stop panics with %v", v)
				}
			}
		}},
		{"Nested", false, func(yield func(int) bool, stop func()) {
			next, stopInner := pull(func(yield func(int) bool) {
				// It is not this iterator's own.
				defer func() { yield(2) }()
				yield(1)
			})
			yield(1)
			next()
			stopInner()
		}},
		{"Consumer", false, func(yield func(int) bool, stop func()) {
			// An iterator that pulls from another one is told of that one's misuse.
			var stopInner func()
			next, stopInner := pull(func(yield func(int) bool) {
				yield(1)
				stopInner()
			})
			yield(1)
			next()
			if v := recovered(func() { next() }); v != message {
				t.Errorf("the inner next panics with %v", v)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			ended := false
			var next func() (int, bool)
			var stop func()
			next, stop = pull(func(yield func(int) bool) {
				defer func() { ended = true }()
				if os.Getenv("CORO_BUG") != "" {
					runtime.LockOSThread()
				}
				test.seq(yield, stop)
			})
			if v, ok := next(); v != 1 || !ok {
				t.Fatalf("next returns %v, %v", v, ok)
			}
			v := recovered(func() {
				if v, ok := next(); v != 0 || ok {
					t.Errorf("next returns %v, %v: a value that was not yielded", v, ok)
				}
			})
			if want := any(message); test.panics && v != want || !test.panics && v != nil {
				t.Errorf("next panics with %v", v)
			}
			if !ended {
				t.Error("the iterator waits for ever")
			}
			if v := recovered(stop); v != nil {
				t.Errorf("stop after the end panics with %v", v)
			}
		})
	}

	// What is no misuse goes on as it does.
	t.Run("Stopped", func(t *testing.T) {
		var stop func()
		next, stop := pull(func(yield func(int) bool) {
			defer stop()
			if yield(1) {
				t.Error("yield returns true after stop")
			}
			stop()
		})
		next()
		stop()
		if v, ok := next(); v != 0 || ok {
			t.Errorf("next returns %v, %v after stop", v, ok)
		}
	})
	t.Run("InFlight", func(t *testing.T) {
		// The stop of another goroutine takes the place of next.
		var stop func()
		stopped := make(chan any, 1)
		released := make(chan bool, 2)
		next, stop := pull(func(yield func(int) bool) {
			go func() {
				stopped <- recovered(stop)
				released <- true
			}()
			<-released
			if yield(1) {
				t.Error("yield returns true after stop")
			}
		})
		if v, ok := next(); v != 0 || ok {
			t.Errorf("next returns %v, %v after stop", v, ok)
		}
		released <- true
		if v := <-stopped; v != nil {
			t.Errorf("stop of another goroutine panics with %v", v)
		}
	})
}
