// Copyright 2024 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build goexperiment.rangefunc

// Programs for TestCoro* in coro_test.go.
//
// The first line a program prints tells what the rest of its output must be:
// "expect: OK" stands for exactly "OK\n", any other text must occur in it.

package main

import (
	"iter"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"
)

const (
	coroValue    = 5 // what the iterators yield
	coroCount    = 3 // how often
	coroMismatch = "OS thread locking must match"
)

func init() {
	register("CoroLockOSThreadIterLock", func() {
		println("expect: OK")
		coroPlain(coroIterLock)
	})
	register("CoroLockOSThreadIterLockYield", func() {
		println("expect:", coroMismatch)
		coroPlain(coroIterLockYield)
	})
	register("CoroLockOSThreadLock", func() {
		println("expect: OK")
		coroLocked(coroSimple)
	})
	register("CoroLockOSThreadLockIterNested", func() {
		println("expect: OK")
		coroLocked(coroNested(coroSimple))
	})
	register("CoroLockOSThreadLockIterLock", func() {
		println("expect: OK")
		coroLocked(coroIterLock)
	})
	register("CoroLockOSThreadLockIterLockYield", func() {
		println("expect:", coroMismatch)
		coroLocked(coroIterLockYield)
	})
	register("CoroLockOSThreadLockIterYieldNewG", func() {
		println("expect:", coroMismatch)
		coroLocked(coroIterYieldNewG)
	})
	register("CoroLockOSThreadLockAfterPull", func() {
		println("expect:", coroMismatch)
		coroLockedAfterPull(coroSimple)
	})
	register("CoroLockOSThreadStopLocked", func() {
		println("expect: OK")
		coroStopLocked(coroSimple)
	})
	register("CoroLockOSThreadStopLockedIterNested", func() {
		println("expect: OK")
		coroStopLocked(coroNested(coroSimple))
	})

	register("CoroMismatchGained", CoroMismatchGained)
	register("CoroMismatchLost", CoroMismatchLost)
	register("CoroMismatchCount", CoroMismatchCount)
	register("CoroMismatchThread", CoroMismatchThread)
	register("CoroMismatchStop", CoroMismatchStop)
	register("CoroMismatchReturn", CoroMismatchReturn)
	register("CoroMismatchIterUnlock", CoroMismatchIterUnlock)

	register("CoroUnlockedAnywhere", CoroUnlockedAnywhere)
	register("CoroSameThread", CoroSameThread)
	register("CoroStopThenBlock", CoroStopThenBlock)
	register("CoroExitKeepsThread", CoroExitKeepsThread)
	register("CoroLockedExitEndsThread", CoroLockedExitEndsThread)
	register("CoroTraceback", CoroTraceback)

	registerInit("CoroInit", coroInInit)
	register("CoroInit", func() { println("OK") })
	registerInit("CoroInitGoexit", coroGoexitInInit)
	registerInit("CoroInitThenMain", coroPullInInit)
	register("CoroInitThenMain", func() {
		coroInitNext()
		println("OK")
	})
}

// coroThread is the thread id that the caller holds locked, or 0 where there
// is no lock or no gettid.
var coroThread int

// coroCheckThread ends the program unless it runs on the locked thread.
func coroCheckThread(where string) {
	if coroThread != 0 && gettid() != coroThread {
		println(where, "is on thread", gettid(), "and not on", coroThread)
		os.Exit(1)
	}
}

// coroLock locks the caller, and from now on coroCheckThread checks.
func coroLock() {
	runtime.LockOSThread()
	coroThread = gettid()
}

// coroUnlock undoes coroLock.
func coroUnlock() {
	coroCheckThread("caller at unlock")
	coroThread = 0
	runtime.UnlockOSThread()
}

// Iterators. Each yields coroValue coroCount times.

func coroSimple(yield func(int) bool) {
	for i := 0; i < coroCount; i++ {
		coroCheckThread("iterator")
		if !yield(coroValue) {
			return
		}
	}
	coroCheckThread("iterator at its end")
}

// coroNested returns an iterator that yields what an inner Pull of seq gives.
func coroNested(seq iter.Seq[int]) iter.Seq[int] {
	return func(yield func(int) bool) {
		next, stop := iter.Pull(seq)
		for {
			coroCheckThread("outer iterator")
			v, ok := next()
			if !ok {
				break
			}
			if !yield(v) {
				break
			}
		}
		stop()
		coroCheckThread("outer iterator at its end")
	}
}

func coroIterLock(yield func(int) bool) {
	for i := 0; i < coroCount; i++ {
		runtime.LockOSThread()
		tid := gettid()
		coroCheckThread("locked iterator")
		runtime.Gosched()
		if gettid() != tid {
			println("locked iterator moved from thread", tid, "to", gettid())
			os.Exit(1)
		}
		runtime.UnlockOSThread()
		if !yield(coroValue) {
			return
		}
	}
}

func coroIterLockYield(yield func(int) bool) {
	for i := 0; i < coroCount; i++ {
		runtime.LockOSThread()
		ok := yield(coroValue)
		runtime.UnlockOSThread()
		if !ok {
			return
		}
	}
}

func coroIterYieldNewG(yield func(int) bool) {
	for i := 0; i < coroCount; i++ {
		ok := make(chan bool)
		go func() {
			ok <- yield(coroValue)
		}()
		if !<-ok {
			return
		}
	}
}

// Callers.

// coroNext calls next and checks the value it returns.
func coroNext(next func() (int, bool)) {
	v, ok := next()
	if v != coroValue || !ok {
		println("next returned", v, ok)
		os.Exit(1)
	}
	coroCheckThread("caller")
}

// coroDrain uses next to the end.
func coroDrain(next func() (int, bool)) {
	for i := 0; i < coroCount; i++ {
		coroNext(next)
	}
	coroDone(next)
}

// coroDone checks that the sequence is over.
func coroDone(next func() (int, bool)) {
	if v, ok := next(); v != 0 || ok {
		println("next returned", v, ok, "at the end")
		os.Exit(1)
	}
	coroCheckThread("caller at the end")
}

func coroPlain(seq iter.Seq[int]) {
	next, _ := iter.Pull(seq)
	coroDrain(next)
	println("OK")
}

func coroLocked(seq iter.Seq[int]) {
	coroLock()
	next, _ := iter.Pull(seq)
	coroDrain(next)
	coroUnlock()
	println("OK")
}

func coroLockedAfterPull(seq iter.Seq[int]) {
	next, _ := iter.Pull(seq)
	for i := 0; i < coroCount; i++ {
		runtime.LockOSThread()
		coroNext(next)
	}
	runtime.LockOSThread()
	coroDone(next)
	println("OK")
}

func coroStopLocked(seq iter.Seq[int]) {
	coroLock()
	next, stop := iter.Pull(seq)
	coroNext(next)
	stop()
	coroDone(next)
	coroUnlock()
	println("OK")
}

// Further ways to break the rule. Each ends in the fatal error;
// coro_test.go has the counts that it must report.

func CoroMismatchGained() {
	println("expect:", coroMismatch)
	next, _ := iter.Pull(coroSimple)
	coroNext(next)
	runtime.LockOSThread()
	next()
	println("OK")
}

func CoroMismatchLost() {
	println("expect:", coroMismatch)
	runtime.LockOSThread()
	next, _ := iter.Pull(coroSimple)
	coroNext(next)
	runtime.UnlockOSThread()
	next()
	println("OK")
}

func CoroMismatchCount() {
	println("expect:", coroMismatch)
	runtime.LockOSThread()
	runtime.LockOSThread()
	next, _ := iter.Pull(coroSimple)
	coroNext(next)
	runtime.LockOSThread()
	next()
	println("OK")
}

// CoroMismatchThread uses an iterator under the right number of locks, on the
// wrong thread.
func CoroMismatchThread() {
	println("expect:", coroMismatch)
	runtime.LockOSThread()
	next, _ := iter.Pull(coroSimple)
	coroNext(next)
	go func() {
		runtime.LockOSThread()
		next()
		println("OK")
		os.Exit(0)
	}()
	select {}
}

func CoroMismatchStop() {
	println("expect:", coroMismatch)
	next, stop := iter.Pull(coroSimple)
	coroNext(next)
	runtime.LockOSThread()
	stop()
	println("OK")
}

// CoroMismatchReturn runs an iterator whose only switch under its own lock is
// the one when it returns.
func CoroMismatchReturn() {
	println("expect:", coroMismatch)
	next, _ := iter.Pull(func(yield func(int) bool) {
		yield(coroValue)
		runtime.LockOSThread()
	})
	coroNext(next)
	next()
	println("OK")
}

// CoroMismatchIterUnlock runs an iterator that drops the lock of its caller.
func CoroMismatchIterUnlock() {
	println("expect:", coroMismatch)
	runtime.LockOSThread()
	next, _ := iter.Pull(func(yield func(int) bool) {
		runtime.UnlockOSThread()
		yield(coroValue)
	})
	next()
	println("OK")
}

// CoroUnlockedAnywhere passes an iterator that was created without a lock from
// goroutine to goroutine. Locks that come and go between two switches do
// not matter.
func CoroUnlockedAnywhere() {
	println("expect: OK")
	next, stop := iter.Pull(func(yield func(int) bool) {
		for yield(coroValue) {
		}
	})
	for i := 0; i < 100; i++ {
		done := make(chan bool)
		go func() {
			runtime.LockOSThread()
			runtime.Gosched()
			runtime.UnlockOSThread()
			coroNext(next)
			done <- true
		}()
		<-done
	}
	stop()
	println("OK")
}

// coroChurn keeps n goroutines hopping between threads until stop is called,
// so that whoever is not locked is moved.
func coroChurn(n int) (stop func()) {
	quit := make(chan bool)
	for i := 0; i < n; i++ {
		go func() {
			for {
				select {
				case <-quit:
					return
				default:
					runtime.Gosched()
				}
			}
		}()
	}
	return func() { close(quit) }
}

// CoroSameThread lets a locked caller and its iterators give way to other
// goroutines, by yielding the processor and by blocking, at every step.
func CoroSameThread() {
	println("expect: OK")
	stopChurn := coroChurn(4)
	ping := make(chan bool)
	go func() {
		for {
			ping <- true
		}
	}()

	seq := func(yield func(int) bool) {
		for {
			coroCheckThread("iterator")
			runtime.Gosched()
			coroCheckThread("iterator after Gosched")
			<-ping
			coroCheckThread("iterator after blocking")
			if !yield(coroValue) {
				return
			}
		}
	}
	nested := seq
	for i := 0; i < 5; i++ {
		nested = coroNested(nested)
	}

	for _, seq := range []func(func(int) bool){seq, nested} {
		coroLock()
		next, stop := iter.Pull(seq)
		for i := 0; i < 2000; i++ {
			coroNext(next)
			runtime.Gosched()
			coroCheckThread("caller after Gosched")
			<-ping
			coroCheckThread("caller after blocking")
		}
		stop()
		<-ping
		coroUnlock()
	}
	stopChurn()
	println("OK")
}

// CoroStopThenBlock blocks a locked goroutine after its iterator is gone.
func CoroStopThenBlock() {
	println("expect: OK")
	for i := 0; i < 20; i++ {
		coroLock()
		next, stop := iter.Pull(coroSimple)
		coroNext(next)
		if i%2 == 0 {
			stop()
		} else {
			coroNext(next)
			coroNext(next)
			coroDone(next)
		}
		done := make(chan bool)
		go func() {
			time.Sleep(time.Millisecond)
			done <- true
		}()
		<-done
		coroCheckThread("caller after blocking")
		coroUnlock()
	}
	println("OK")
}

// CoroExitKeepsThread ends many coroutines that have the lock of the caller,
// with and without having locked the thread themselves in between.
func CoroExitKeepsThread() {
	println("expect: OK")
	coroLock()
	created := pprof.Lookup("threadcreate")
	before := 0
	for i := 0; i < 200; i++ {
		for _, seq := range []iter.Seq[int]{coroSimple, coroIterLock, coroNested(coroIterLock)} {
			next, _ := iter.Pull(seq)
			coroDrain(next)
			next, stop := iter.Pull(seq)
			coroNext(next)
			stop()
		}
		if i == 10 {
			before = created.Count()
		}
	}
	// Each of the iterators above would have cost a thread.
	if n := created.Count() - before; n > 50 {
		println("created", n, "threads")
		os.Exit(1)
	}
	coroUnlock()
	println("OK")
}

// CoroLockedExitEndsThread exits a locked goroutine after it has used an
// iterator: it must have got its lock back, and so take its thread along.
func CoroLockedExitEndsThread() {
	println("expect: OK")
	// Keep main on its thread, so that the other goroutine has another one:
	// the main thread is never ended.
	runtime.LockOSThread()
	for _, toTheEnd := range []bool{false, true} {
		tid := make(chan int)
		go func() {
			runtime.LockOSThread()
			next, stop := iter.Pull(coroSimple)
			coroNext(next)
			if toTheEnd {
				coroNext(next)
				coroNext(next)
				coroDone(next)
			} else {
				stop()
			}
			tid <- gettid()
		}()
		id := <-tid
		if id == 0 {
			continue // there is no way to watch threads here
		}
		task := "/proc/self/task/" + strconv.Itoa(id)
		// Count the looks, not the clock: on a machine that stood still,
		// all of ten seconds can lie between two of them.
		for looks := 0; ; looks++ {
			if _, err := os.Stat(task); err != nil {
				break
			}
			if looks == 10000 {
				println("thread", id, "outlives its locked goroutine")
				os.Exit(1)
			}
			time.Sleep(time.Millisecond)
		}
	}
	println("OK")
}

// CoroTraceback looks at both sides of a switch from inside of the iterator:
// the one that runs has the lock, the one that waits has not.
func CoroTraceback() {
	println("expect: OK")
	check := func(when string) {
		buf := make([]byte, 64<<10)
		all := string(buf[:runtime.Stack(buf, true)])
		if n := strings.Count(all, "[running, locked to thread]:"); n != 1 {
			println(when, n, "running goroutines locked to the thread, want 1\n", all)
			os.Exit(1)
		}
		if n := strings.Count(all, "[coroutine]:"); n != 1 {
			println(when, n, "goroutines blocked on a coro without a lock, want 1\n", all)
			os.Exit(1)
		}
	}
	runtime.LockOSThread()
	next, stop := iter.Pull(func(yield func(int) bool) {
		check("iterator:")
		yield(coroValue)
		check("iterator, later:")
	})
	check("caller, before:")
	coroNext(next)
	check("caller:")
	stop()
	runtime.UnlockOSThread()
	println("OK")
}

// The main goroutine is locked internally while package initialization runs.

func coroInInit() {
	println("expect: OK")
	coroThread = gettid()
	for _, seq := range []iter.Seq[int]{coroSimple, coroNested(coroSimple), coroIterLock} {
		next, _ := iter.Pull(seq)
		coroDrain(next)
		next, stop := iter.Pull(seq)
		coroNext(next)
		stop()
		done := make(chan bool)
		go func() {
			time.Sleep(time.Millisecond)
			done <- true
		}()
		<-done
		coroCheckThread("init after blocking")
	}
	coroThread = 0
}

func coroGoexitInInit() {
	println("expect: fatal error: no goroutines (main called runtime.Goexit) - deadlock!")
	next, _ := iter.Pull(func(yield func(int) bool) {
		runtime.Goexit()
	})
	next()
}

var coroInitNext func() (int, bool)

func coroPullInInit() {
	println("expect:", coroMismatch)
	coroInitNext, _ = iter.Pull(coroSimple)
}
