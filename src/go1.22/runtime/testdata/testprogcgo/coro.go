// Copyright 2024 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build goexperiment.rangefunc && !windows

// Programs for TestCoroCgo* in coro_test.go.
//
// The first line a program prints tells what the rest of its output must be:
// "expect: OK" stands for exactly "OK\n", any other text must occur in it.

package main

/*
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

extern void go_coro_callback(uintptr_t);

// coroCall calls back into Go.
static void coroCall(uintptr_t f) {
	go_coro_callback(f);
}

static void *coroThreadMain(void *arg) {
	go_coro_callback((uintptr_t)arg);
	return 0;
}

// coroCallThread calls back into Go from a thread that C creates.
static void coroCallThread(uintptr_t f) {
	pthread_t t;
	if (pthread_create(&t, 0, coroThreadMain, (void*)f) != 0)
		abort();
	pthread_join(t, 0);
}
*/
import "C"

import (
	"io"
	"iter"
	"os"
	"runtime"
	"runtime/cgo"
	"runtime/trace"
	"time"
)

const (
	coroValue    = 5 // what the iterators yield
	coroCount    = 3 // how often
	coroMismatch = "OS thread locking must match"
)

func init() {
	register("CoroCgoIterCallback", func() {
		println("expect: OK")
		coroUse(coroIterCallback)
		println("OK")
	})
	register("CoroCgoIterCallbackYield", func() {
		println("expect:", coroMismatch)
		coroUse(coroIterCallbackYield)
		println("OK")
	})
	register("CoroCgoCallback", func() {
		println("expect: OK")
		coroCallback(func() { coroUse(coroSimple) })
		println("OK")
	})
	register("CoroCgoCallbackIterNested", func() {
		println("expect: OK")
		coroCallback(func() { coroUse(coroNested(coroSimple)) })
		println("OK")
	})
	register("CoroCgoCallbackIterCallback", func() {
		println("expect: OK")
		coroCallback(func() { coroUse(coroIterCallback) })
		println("OK")
	})
	register("CoroCgoCallbackIterCallbackYield", func() {
		println("expect:", coroMismatch)
		coroCallback(func() { coroUse(coroIterCallbackYield) })
		println("OK")
	})
	register("CoroCgoCallbackAfterPull", func() {
		println("expect:", coroMismatch)
		next, _ := iter.Pull(coroSimple)
		coroCallback(func() { coroDrain(next) })
		println("OK")
	})
	register("CoroCgoStopCallback", func() {
		println("expect: OK")
		coroCallback(func() { coroStop(coroSimple) })
		println("OK")
	})
	register("CoroCgoStopCallbackIterNested", func() {
		println("expect: OK")
		coroCallback(func() { coroStop(coroNested(coroSimple)) })
		println("OK")
	})

	register("CoroCgoSameThread", CoroCgoSameThread)
	register("CoroCgoCallbackBlock", func() {
		println("expect: OK")
		coroBlockInCallback()
		println("OK")
	})
	register("CoroCgoCallbackTrace", CoroCgoCallbackTrace)
	register("CoroCgoThreadCallback", CoroCgoThreadCallback)
	register("CoroCgoCallbackOutlived", CoroCgoCallbackOutlived)
	register("CoroCgoCallbackGoexit", CoroCgoCallbackGoexit)
}

//export go_coro_callback
func go_coro_callback(f C.uintptr_t) {
	cgo.Handle(f).Value().(func())()
}

// coroCallback runs f in a callback from C, on the calling thread.
func coroCallback(f func()) {
	h := cgo.NewHandle(f)
	C.coroCall(C.uintptr_t(h))
	h.Delete()
}

// coroThreadCallback runs f in a callback from C, on a thread made by C.
func coroThreadCallback(f func()) {
	h := cgo.NewHandle(f)
	C.coroCallThread(C.uintptr_t(h))
	h.Delete()
}

// coroCallback's caller and everything it uses inside must stay on one thread.
// coroOnThread runs f in such a callback and ends the program if the thread
// is another one afterwards; check does the same in between.
func coroOnThread(callback func(func()), f func(check func(where string))) {
	callback(func() {
		self := C.pthread_self()
		check := func(where string) {
			if C.pthread_equal(C.pthread_self(), self) == 0 {
				println(where, "is on another thread")
				os.Exit(1)
			}
		}
		f(check)
		check("end of callback")
	})
}

// Iterators. Each yields coroValue coroCount times.

func coroSimple(yield func(int) bool) {
	for i := 0; i < coroCount; i++ {
		if !yield(coroValue) {
			return
		}
	}
}

// coroNested returns an iterator that yields what an inner Pull of seq gives.
func coroNested(seq iter.Seq[int]) iter.Seq[int] {
	return func(yield func(int) bool) {
		next, stop := iter.Pull(seq)
		for {
			v, ok := next()
			if !ok {
				break
			}
			if !yield(v) {
				break
			}
		}
		stop()
	}
}

func coroIterCallback(yield func(int) bool) {
	for i := 0; i < coroCount; i++ {
		n := 0
		coroCallback(func() { n++ })
		if n != 1 {
			println("callback ran", n, "times")
			os.Exit(1)
		}
		if !yield(coroValue) {
			return
		}
	}
}

func coroIterCallbackYield(yield func(int) bool) {
	for i := 0; i < coroCount; i++ {
		ok := false
		coroCallback(func() { ok = yield(coroValue) })
		if !ok {
			return
		}
	}
}

// Callers.

// coroNext calls next and checks the value it returns.
func coroNext(next func() (int, bool)) {
	if v, ok := next(); v != coroValue || !ok {
		println("next returned", v, ok)
		os.Exit(1)
	}
}

// coroDone checks that the sequence is over.
func coroDone(next func() (int, bool)) {
	if v, ok := next(); v != 0 || ok {
		println("next returned", v, ok, "at the end")
		os.Exit(1)
	}
}

// coroDrain uses next to the end.
func coroDrain(next func() (int, bool)) {
	for i := 0; i < coroCount; i++ {
		coroNext(next)
	}
	coroDone(next)
}

// coroUse pulls seq to the end, on one thread if that is locked.
func coroUse(seq iter.Seq[int]) {
	next, _ := iter.Pull(seq)
	coroDrain(next)
}

// coroStop pulls seq and stops it after the first value.
func coroStop(seq iter.Seq[int]) {
	next, stop := iter.Pull(seq)
	coroNext(next)
	stop()
	coroDone(next)
}

// coroBlock blocks its goroutine for a moment.
func coroBlock() {
	done := make(chan bool)
	go func() {
		time.Sleep(100 * time.Microsecond)
		done <- true
	}()
	<-done
}

// CoroCgoSameThread holds the lock of a caller across calls to C and to
// next, and lets both sides block.
func CoroCgoSameThread() {
	println("expect: OK")
	runtime.LockOSThread()
	coroOnThread(func(f func()) { f() }, func(check func(string)) {
		next, stop := iter.Pull(func(yield func(int) bool) {
			for {
				check("iterator")
				coroBlock()
				check("iterator after blocking")
				coroCallback(func() { check("callback in the iterator") })
				if !yield(coroValue) {
					return
				}
			}
		})
		for i := 0; i < 200; i++ {
			coroNext(next)
			check("caller")
			coroBlock()
			check("caller after blocking")
		}
		stop()
		coroBlock()
	})
	runtime.UnlockOSThread()
	println("OK")
}

// coroBlockInCallback lets both sides of an iterator block while the caller
// is inside of a callback, and ends the iterator in both ways.
func coroBlockInCallback() {
	for i := 0; i < 50; i++ {
		coroOnThread(coroCallback, func(check func(string)) {
			next, stop := iter.Pull(func(yield func(int) bool) {
				for j := 0; j < coroCount; j++ {
					coroBlock()
					check("iterator after blocking")
					if !yield(coroValue) {
						return
					}
				}
			})
			coroNext(next)
			coroBlock()
			check("caller after blocking")
			if i%2 == 0 {
				stop()
			} else {
				coroNext(next)
				coroNext(next)
				coroDone(next)
			}
			coroBlock()
			check("caller after the end")
		})
	}
}

// CoroCgoCallbackTrace is coroBlockInCallback with execution tracing on: the
// tracer takes the stack of a goroutine with C frames that blocks.
func CoroCgoCallbackTrace() {
	println("expect: OK")
	if err := trace.Start(io.Discard); err != nil {
		println(err.Error())
		os.Exit(1)
	}
	coroBlockInCallback()
	trace.Stop()
	println("OK")
}

// CoroCgoThreadCallback uses iterators in callbacks from threads made by C,
// whose Ms are borrowed and given back, and are reused.
func CoroCgoThreadCallback() {
	println("expect: OK")
	done := make(chan bool)
	for i := 0; i < 4; i++ {
		go func() {
			for j := 0; j < 20; j++ {
				coroOnThread(coroThreadCallback, func(check func(string)) {
					coroUse(coroNested(coroIterCallback))
					check("caller")
					coroStop(coroIterCallback)
					check("caller after stop")
					coroBlock()
				})
			}
			done <- true
		}()
	}
	for i := 0; i < 4; i++ {
		<-done
	}
	println("OK")
}

// CoroCgoCallbackOutlived uses an iterator after the callback that created it.
func CoroCgoCallbackOutlived() {
	println("expect:", coroMismatch)
	var next func() (int, bool)
	coroCallback(func() {
		next, _ = iter.Pull(coroSimple)
		coroNext(next)
	})
	next()
	println("OK")
}

// CoroCgoCallbackGoexit exits a coroutine that has the internal lock of a
// callback. Its caller exits, too, as if it had called Goexit there itself.
func CoroCgoCallbackGoexit() {
	println("expect: OK")
	exited := make(chan bool)
	go func() {
		defer close(exited)
		coroCallback(func() {
			next, _ := iter.Pull(func(yield func(int) bool) {
				runtime.Goexit()
			})
			next()
			println("next returned")
		})
		println("the callback returned")
	}()
	<-exited
	println("OK")
}
