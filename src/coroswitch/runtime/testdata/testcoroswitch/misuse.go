// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"io"
	"iter"
	"runtime"
	"runtime/trace"
	"sync"
	"sync/atomic"
	"time"
)

func init() {
	programs["Nexts"] = nexts
	programs["Stops"] = stops
	programs["Yields"] = twoYields
	programs["NextInside"] = nextInside
	programs["StopInFlight"] = func() {
		for i := range 200 {
			stopInFlight(i)
		}
		println("OK")
	}
	programs["StopInFlightTraced"] = func() {
		trace.Start(io.Discard)
		programs["StopInFlight"]()
	}
	programs["YieldLate"] = yieldLate
}

// try calls f and returns what it panics with.
func try(f func()) (e any) {
	defer func() { e = recover() }()
	f()
	return nil
}

// at once runs the functions in goroutines of their own, which nobody waits for:
// who misuses iter.Pull may be stranded.
func atOnce(fs ...func()) {
	var ready atomic.Int32
	for _, f := range fs {
		go func() {
			ready.Add(1)
			for ready.Load() < int32(len(fs)) {
				runtime.Gosched()
			}
			try(f)
		}()
	}
}

func nexts() {
	for i := range 20 {
		next, stop := iter.Pull(count(1 << 20))
		next()
		f := func() {
			for range 2000 {
				try(func() { next() })
			}
		}
		if i%2 == 0 {
			atOnce(f, f, f)
		} else {
			atOnce(f, f, func() { f(); stop() })
		}
		time.Sleep(5 * time.Millisecond)
	}
	println("OK")
}

func stops() {
	for i := range 200 {
		next, stop := iter.Pull(count(1 << 20))
		if i%2 == 0 {
			next()
		}
		atOnce(stop, stop, func() { next(); next() })
	}
	time.Sleep(10 * time.Millisecond)
	println("OK")
}

func twoYields() {
	for range 20 {
		next, _ := iter.Pull(func(yield func(int) bool) {
			f := func() {
				for i := range 2000 {
					try(func() { yield(i) })
				}
			}
			atOnce(f, f)
			f()
		})
		atOnce(func() {
			for {
				next()
			}
		})
		time.Sleep(5 * time.Millisecond)
	}
	println("OK")
}

func nextInside() {
	var next func() (int, bool)
	next, stop := iter.Pull(func(yield func(int) bool) {
		e := try(func() { next() })
		check(e == "iter.Pull: next called again before yield", "NextInside: panics with %v", e)
		yield(1)
		e = try(func() { next() })
		check(e == "iter.Pull: next called again before yield", "NextInside: panics with %v", e)
	})
	defer stop()
	next()
	_, ok := next()
	check(!ok, "NextInside: no end")
	println("OK")
}

// yieldLate calls yield while the iterator is in yield, and when it has ended.
func yieldLate() {
	for range 100 {
		var late func(int) bool
		next, stop := iter.Pull(func(yield func(int) bool) {
			late = yield
			yield(1)
		})
		next()
		e := try(func() { late(2) })
		check(e == "iter.Pull: yield called again before next", "YieldLate: panics with %v", e)
		var wg sync.WaitGroup
		wg.Go(func() { next() })
		wg.Wait()
		check(!late(3), "YieldLate: yield returns true")
		stop()
	}
	println("OK")
}
