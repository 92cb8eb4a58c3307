// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build !windows

// Programs for the shared-lock rules, with C.
// corolock_test.go of package runtime runs them.
//
// The first line a program prints tells what the rest of its output must be:
// "expect: OK" stands for exactly "OK\n", any other text must occur in it.
//
// CoroShared and the rest of the name of one of upstream's programs is that
// program, with the thread checked at every step while a callback is held.

package main

/*
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

extern void go_corolock_callback(uintptr_t);
extern int go_corolock_event(uintptr_t);
extern void go_corolock_nothing(void);
extern void go_corolock_nested(void);

// corolockUp calls back into Go as C code does that is compiled without frame
// pointers: the register is used for something else.
static void corolockUp(uintptr_t f) {
#if defined(__x86_64__)
	void (*up)(uintptr_t) = go_corolock_callback;
	__asm__ volatile(
		"movq %%rsp, %%rbx\n\t"
		"subq $128, %%rsp\n\t" // the red zone
		"andq $-16, %%rsp\n\t"
		"pushq %%rbp\n\t"
		"pushq %%rbp\n\t"
		"movq $12345, %%rbp\n\t"
		"call *%1\n\t"
		"popq %%rbp\n\t"
		"popq %%rbp\n\t"
		"movq %%rbx, %%rsp"
		: "+D"(f), "+a"(up)
		:
		: "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "cc", "memory",
		  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
		  "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
#else
	go_corolock_callback(f);
#endif
}

// corolockCall calls back into Go. It returns 0 if its frame is not as it was.
static int corolockCall(uintptr_t f) {
	volatile uintptr_t frame[64];
	int i;
	for (i = 0; i < 64; i++)
		frame[i] = f * 64 + i;
	corolockUp(f);
	for (i = 0; i < 64; i++)
		if (frame[i] != f * 64 + i)
			return 0;
	return 1;
}

// corolockLoop is an event loop: it calls back until it is told to end.
static int corolockLoop(uintptr_t f) {
	volatile uintptr_t canary = f;
	while (go_corolock_event(f))
		;
	return canary == f;
}

static void *corolockThread(void *arg) {
	if (!corolockCall((uintptr_t)arg))
		abort();
	return 0;
}

static void *corolockLoopThread(void *arg) {
	if (!corolockLoop((uintptr_t)arg))
		abort();
	return 0;
}

static void corolockOnThread(void *(*start)(void*), uintptr_t f) {
	pthread_t t;
	if (pthread_create(&t, 0, start, (void*)f) != 0)
		abort();
	pthread_join(t, 0);
}

// corolockCallThread is corolockCall on a thread that C creates.
static void corolockCallThread(uintptr_t f) { corolockOnThread(corolockThread, f); }

// corolockRunThread is corolockLoop on a thread that C creates.
static void corolockRunThread(uintptr_t f) { corolockOnThread(corolockLoopThread, f); }

static void corolockBench(uintptr_t n) {
	while (n-- > 0)
		go_corolock_nothing();
}

static void corolockBenchNested(uintptr_t n) {
	while (n-- > 0)
		go_corolock_nested();
}

static void *corolockBenchThread(void *n) {
	corolockBench((uintptr_t)n);
	return 0;
}

static void corolockBenchOnThread(uintptr_t n) { corolockOnThread(corolockBenchThread, n); }

static int corolockFlag;

static void corolockRaise(void) { __atomic_store_n(&corolockFlag, 1, __ATOMIC_SEQ_CST); }

// corolockAwait calls back once, and then waits in C until the flag is raised.
static void corolockAwait(uintptr_t f) {
	__atomic_store_n(&corolockFlag, 0, __ATOMIC_SEQ_CST);
	go_corolock_callback(f);
	while (!__atomic_load_n(&corolockFlag, __ATOMIC_SEQ_CST))
		usleep(100);
}

static void corolockSleep(int us) { usleep(us); }

// A lock that a thread can take more than once.
static pthread_mutex_t corolockOwner;
static pthread_once_t corolockOnce = PTHREAD_ONCE_INIT;

static void corolockInitOwner(void) {
	pthread_mutexattr_t attr;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&corolockOwner, &attr);
}

static void corolockEnsure(void) {
	pthread_once(&corolockOnce, corolockInitOwner);
	if (pthread_mutex_lock(&corolockOwner) != 0)
		abort();
}

static void corolockRelease(void) {
	if (pthread_mutex_unlock(&corolockOwner) != 0)
		abort();
}

static void *corolockLateThread(void *arg) {
	usleep(300000);
	go_corolock_callback((uintptr_t)arg);
	return 0;
}

// corolockLate calls back, later, on a thread that C creates.
static void corolockLate(uintptr_t f) {
	pthread_t t;
	if (pthread_create(&t, 0, corolockLateThread, (void*)f) != 0)
		abort();
	pthread_detach(t);
}

// corolockDetach is corolockCall on a thread that C creates and does not wait for.
static void corolockDetach(uintptr_t f) {
	pthread_t t;
	if (pthread_create(&t, 0, corolockThread, (void*)f) != 0)
		abort();
	pthread_detach(t);
}
*/
import "C"

import (
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"runtime/cgo"
	"runtime/debug"
	"runtime/pprof"
	"runtime/testdata/corotest"
	"runtime/trace"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The text of the death by B8.
const sharedLIFO = "C calls of different goroutines on one OS thread must return in LIFO order"

// shared registers a program that must print OK. Foreign goroutines hop
// about meanwhile, and must not get to a locked thread.
func shared(name string, f func()) {
	register(name, func() {
		println("expect: OK")
		stop := corotest.Churn(2)
		f()
		stop()
		println("OK")
	})
}

func init() {
	register("CoroLockBench", CoroLockBench)

	shared("CoroSharedCgoIterCallback", func() { sharedPlain(sharedIterCallback) })
	shared("CoroSharedCgoIterCallbackYield", func() { sharedPlain(sharedIterCallbackYield) })
	shared("CoroSharedCgoCallback", func() { sharedInside(sharedSimple) })
	shared("CoroSharedCgoCallbackIterNested", func() { sharedInside(sharedNested(sharedSimple)) })
	shared("CoroSharedCgoCallbackIterCallback", func() { sharedInside(sharedIterCallback) })
	shared("CoroSharedCgoCallbackIterCallbackYield", func() { sharedInside(sharedIterCallbackYield) })
	shared("CoroSharedCgoCallbackAfterPull", func() {
		next, _ := corotest.Pull(sharedSimple)
		inCallback("caller", func(pin *corotest.Pin) { sharedDrain(next, pin.Check) })
	})
	shared("CoroSharedCgoStopCallback", func() { sharedStopInside(sharedSimple) })
	shared("CoroSharedCgoStopCallbackIterNested", func() { sharedStopInside(sharedNested(sharedSimple)) })

	shared("CoroSharedCgoAllPairs", CoroSharedCgoAllPairs)
	shared("CoroSharedCgoOutlived", CoroSharedCgoOutlived)
	shared("CoroSharedCgoMakerInC", CoroSharedCgoMakerInC)
	shared("CoroSharedCgoLeak", CoroSharedCgoLeak)
	shared("CoroSharedCgoPanic", CoroSharedCgoPanic)
	shared("CoroSharedCgoPanicAcross", CoroSharedCgoPanicAcross)
	shared("CoroSharedCgoGoexit", CoroSharedCgoGoexit)
	for depth := 1; depth <= 4; depth++ {
		shared(fmt.Sprintf("CoroSharedCgoChain%d", depth), func() { CoroSharedCgoChain(depth) })
	}

	sharedInit("CoroSharedCgoEventLoopMain", runtime.LockOSThread, CoroSharedCgoEventLoopMain)
	sharedInit("CoroSharedCgoEventLoopCaller", runtime.LockOSThread, CoroSharedCgoEventLoopCaller)

	shared("CoroSharedCgoThread", CoroSharedCgoThread)
	shared("CoroSharedCgoThreadFrames", CoroSharedCgoThreadFrames)
	shared("CoroSharedCgoThreadMany", CoroSharedCgoThreadMany)
	shared("CoroSharedCgoThreadDropLoan", CoroSharedCgoThreadDropLoan)
	shared("CoroSharedCgoThreadDropClaim", CoroSharedCgoThreadDropClaim)
	shared("CoroSharedCgoThreadLockedExit", CoroSharedCgoThreadLockedExit)
	shared("CoroSharedCgoThreadAgain", CoroSharedCgoThreadAgain)

	shared("CoroSharedCgoCallbackLock", CoroSharedCgoCallbackLock)
	register("CoroSharedCgoCallbackLockDead", CoroSharedCgoCallbackLockDead)
	shared("CoroSharedCgoCallbackUnlock", CoroSharedCgoCallbackUnlock)
	shared("CoroSharedCgoCallbackSince", CoroSharedCgoCallbackSince)

	shared("CoroSharedCgoLIFOWait", func() { CoroSharedCgoLIFOWait(false) })
	shared("CoroSharedCgoLIFOWaitPanic", func() { CoroSharedCgoLIFOWait(true) })
	register("CoroSharedCgoLIFOCircular", func() { sharedDiesLIFO(CoroSharedCgoLIFOCircular) })
	register("CoroSharedCgoLIFODead", func() { sharedDiesLIFO(CoroSharedCgoLIFODead) })
	shared("CoroSharedCgoLIFODeadPanic", CoroSharedCgoLIFODeadPanic)
	shared("CoroSharedCgoLIFODeadGoexit", CoroSharedCgoLIFODeadGoexit)
	register("CoroSharedCgoLIFOUncaught", CoroSharedCgoLIFOUncaught)
	shared("CoroSharedCgoCallbackPairs", CoroSharedCgoCallbackPairs)
	shared("CoroSharedCgoOwner", CoroSharedCgoOwner)
	register("CoroSharedCgoLateThread", CoroSharedCgoLateThread)
	register("CoroSharedCgoThreadEnds", CoroSharedCgoThreadEnds)
	register("CoroSharedCgoFrameDump", CoroSharedCgoFrameDump)

	shared("CoroSharedCgoBlocking", CoroSharedCgoBlocking)
	shared("CoroSharedCgoMany", CoroSharedCgoMany)
	for _, probe := range sharedProbes {
		shared("CoroSharedCgoStates"+probe.name, func() { sharedStates(probe.f) })
	}
	shared("CoroSharedCgoTrace", CoroSharedCgoTrace)
	shared("CoroSharedCgoTraceFile", CoroSharedCgoTraceFile)
	register("CoroSharedCgoCleanThreads", CoroSharedCgoCleanThreads)

	register("CoroSharedNames", func() {
		for name := range cmds {
			if strings.HasPrefix(name, "CoroShared") {
				println(name)
			}
		}
	})
	sharedInit("CoroSharedCgoInit", sharedInInit, func() {
		for _, next := range sharedInitNexts {
			sharedNext(next)
			corotest.MustBeUnlocked("main")
			inCallback("main", func(pin *corotest.Pin) { sharedNext(next) })
		}
	})
}

// sharedInit is shared with something to do in package initialization.
func sharedInit(name string, init, f func()) {
	registerInit(name, func() {
		println("expect: OK")
		init()
	})
	register(name, func() {
		stop := corotest.Churn(2)
		f()
		stop()
		println("OK")
	})
}

//export go_corolock_callback
func go_corolock_callback(f C.uintptr_t) {
	cgo.Handle(f).Value().(func())()
}

//export go_corolock_nothing
func go_corolock_nothing() {}

//export go_corolock_nested
func go_corolock_nested() { C.corolockBench(1) }

// CoroLockBench times callbacks from C for BenchmarkCoroLockCallback. Its
// arguments are which, and how many; it prints nanoseconds for all.
func CoroLockBench() {
	count, err := strconv.Atoi(os.Args[3])
	if err != nil {
		corotest.Fatal(err)
	}
	n := C.uintptr_t(count)
	start := time.Now()
	switch os.Args[2] {
	case "single":
		C.corolockBench(n)
	case "nested": // each is two
		C.corolockBenchNested(n)
	case "thread":
		C.corolockBenchOnThread(n)
	case "parallel": // each is one in each goroutine
		var wg sync.WaitGroup
		for range runtime.GOMAXPROCS(0) {
			wg.Go(func() { C.corolockBench(n) })
		}
		wg.Wait()
	default:
		corotest.Fatal("no benchmark ", os.Args[2])
	}
	fmt.Println(time.Since(start).Nanoseconds())
}

//export go_corolock_event
func go_corolock_event(f C.uintptr_t) C.int {
	if cgo.Handle(f).Value().(func() bool)() {
		return 1
	}
	return 0
}

// callC calls C, which calls f.
func callC(f func()) {
	h := cgo.NewHandle(f)
	defer h.Delete()
	if C.corolockCall(C.uintptr_t(h)) == 0 {
		corotest.Fatal("a C frame has been overwritten")
	}
}

// inCallback runs f in a callback from C, on the calling thread. Who is the
// goroutine's name in messages.
func inCallback(who string, f func(pin *corotest.Pin)) {
	callC(func() {
		pin := corotest.Hold(who + " in a callback")
		returned := false
		defer func() {
			if returned {
				pin.Unlock()
			} else {
				pin.Check("in a deferred call")
				pin.Forget()
			}
		}()
		f(pin)
		returned = true
	})
}

// onThread runs f in a callback from a thread that C creates.
func onThread(who string, f func(pin *corotest.Pin)) {
	h := cgo.NewHandle(func() {
		pin := corotest.Hold(who + " on a thread of C")
		f(pin)
		pin.Unlock()
	})
	C.corolockCallThread(C.uintptr_t(h))
	h.Delete()
}

// loop runs C's event loop, here or on a thread that C creates. It calls
// event until that returns false.
func loop(c func(C.uintptr_t), event func() bool) {
	h := cgo.NewHandle(event)
	c(C.uintptr_t(h))
	h.Delete()
}

func loopHere(h C.uintptr_t) {
	if C.corolockLoop(h) == 0 {
		corotest.Fatal("a C frame has been overwritten")
	}
}

func loopThread(h C.uintptr_t) { C.corolockRunThread(h) }

// onNew runs f on a new goroutine and waits for it.
func onNew(f func()) {
	done := make(chan bool)
	go func() {
		defer func() { done <- true }()
		f()
	}()
	<-done
}

// Iterators. Each yields 5 three times.

func sharedSimple(yield func(int) bool) {
	for range 3 {
		if !yield(5) {
			return
		}
	}
}

func sharedNested(seq iter.Seq[int]) iter.Seq[int] {
	return func(yield func(int) bool) {
		next, stop := corotest.Pull(seq)
		defer stop()
		for {
			v, ok := next()
			if !ok || !yield(v) {
				return
			}
		}
	}
}

func sharedIterCallback(yield func(int) bool) {
	for range 3 {
		inCallback("iterator", func(pin *corotest.Pin) { runtime.Gosched() })
		if !yield(5) {
			return
		}
	}
}

func sharedIterCallbackYield(yield func(int) bool) {
	for range 3 {
		ok := false
		inCallback("iterator", func(pin *corotest.Pin) {
			runtime.Gosched()
			pin.Check("before yield")
			ok = yield(5)
			pin.Check("after yield")
			corotest.Block()
			pin.Check("after blocking")
		})
		if !ok {
			return
		}
	}
}

// sharedIterCallbackHold yields three times from one callback inside another.
func sharedIterCallbackHold(yield func(int) bool) {
	inCallback("iterator", func(outer *corotest.Pin) {
		inCallback("iterator", func(inner *corotest.Pin) {
			for range 3 {
				if !yield(5) {
					return
				}
				inner.Check("after yield")
			}
		})
		outer.Check("after the inner callback")
	})
}

func sharedIterLockYield(yield func(int) bool) {
	for range 3 {
		pin := corotest.Lock("iterator")
		ok := yield(5)
		pin.Unlock()
		if !ok {
			return
		}
	}
}

// sharedIterLockCallbackYield has both kinds of locks, and drops them in turns.
func sharedIterLockCallbackYield(yield func(int) bool) {
	own := corotest.Lock("iterator")
	ok := yield(5)
	inCallback("iterator", func(pin *corotest.Pin) {
		own.Unlock()
		ok = ok && yield(5)
		pin.Check("after yield")
		own = corotest.Lock("iterator again")
	})
	own.Check("after the callback")
	if ok {
		yield(5)
	}
	own.Unlock()
}

// sharedIterCallbackNewG yields from a new goroutine and waits for it in a
// callback.
func sharedIterCallbackNewG(yield func(int) bool) {
	for range 3 {
		ok := false
		inCallback("iterator", func(pin *corotest.Pin) {
			done := make(chan bool)
			go func() {
				ok = yield(5)
				done <- true
			}()
			<-done
			pin.Check("after another's yield")
		})
		if !ok {
			return
		}
	}
}

// sharedIterThreadYield yields from threads that C creates. Another goroutine
// waits in C for their ends: an iterator that was lent its thread would hold it
// up, and its caller, who gets the values, is waiting for that.
func sharedIterThreadYield(yield func(int) bool) {
	for range 3 {
		ok := false
		onNew(func() {
			onThread("iterator", func(pin *corotest.Pin) {
				ok = yield(5)
				pin.Check("after yield")
				corotest.Block()
			})
		})
		if !ok {
			return
		}
	}
}

var sharedIters = []struct {
	name string
	seq  iter.Seq[int]
	deep bool // has C frames while it is parked
	held bool // has locked its thread while it is parked
}{
	{"simple", sharedSimple, false, false},
	{"nested", sharedNested(sharedSimple), false, false},
	{"callback", sharedIterCallback, false, false},
	{"lock, yield", sharedIterLockYield, false, true},
	{"callback, yield", sharedIterCallbackYield, true, true},
	{"hold", sharedIterCallbackHold, true, true},
	{"lock, callback, yield", sharedIterLockCallbackYield, true, true},
	{"new goroutine", sharedIterCallbackNewG, true, true},
	{"thread", sharedIterThreadYield, true, true},
	{"nested callback, yield", sharedNested(sharedIterCallbackYield), true, true},
	{"nested hold", sharedNested(sharedNested(sharedIterCallbackHold)), true, true},
}

// Callers.

func sharedNext(next func() (int, bool)) {
	if v, ok := next(); v != 5 || !ok {
		corotest.Fatal("next returned", v, ok)
	}
}

func sharedDone(next func() (int, bool)) {
	if v, ok := next(); v != 0 || ok {
		corotest.Fatal("next returned", v, ok, "at the end")
	}
}

func sharedDrain(next func() (int, bool), check func(string)) {
	for range 3 {
		sharedNext(next)
		check("after next")
		runtime.Gosched()
		check("after next and Gosched")
	}
	sharedDone(next)
	check("at the end")
}

func sharedPlain(seq iter.Seq[int]) {
	next, _ := corotest.Pull(seq)
	sharedDrain(next, corotest.MustBeUnlocked)
}

func sharedInside(seq iter.Seq[int]) {
	inCallback("caller", func(pin *corotest.Pin) {
		next, _ := corotest.Pull(seq)
		sharedDrain(next, pin.Check)
	})
	corotest.MustBeUnlocked("caller")
}

func sharedStopInside(seq iter.Seq[int]) {
	inCallback("caller", func(pin *corotest.Pin) {
		next, stop := corotest.Pull(seq)
		sharedNext(next)
		pin.Check("after next")
		stop()
		pin.Check("after stop")
		sharedDone(next)
	})
	corotest.MustBeUnlocked("caller")
}

// sharedWhere are the lock states that a caller can be in.
var sharedWhere = []struct {
	name string
	c    bool // with C frames
	in   func(f func(check func(string)))
}{
	{"plain", false, func(f func(func(string))) { f(corotest.MustBeUnlocked) }},
	{"locked", false, func(f func(func(string))) {
		pin := corotest.Lock("caller")
		f(pin.Check)
		pin.Unlock()
	}},
	{"callback", true, func(f func(func(string))) {
		inCallback("caller", func(pin *corotest.Pin) { f(pin.Check) })
	}},
	{"locked, callback", true, func(f func(func(string))) {
		own := corotest.Lock("caller")
		inCallback("caller", func(pin *corotest.Pin) { f(pin.Check) })
		own.Unlock()
	}},
	{"callback, locked", true, func(f func(func(string))) {
		inCallback("caller", func(pin *corotest.Pin) {
			own := corotest.Lock("caller")
			f(pin.Check)
			own.Unlock()
		})
	}},
	{"thread", true, func(f func(func(string))) {
		onThread("caller", func(pin *corotest.Pin) { f(pin.Check) })
	}},
	{"new goroutine in a callback", false, func(f func(func(string))) {
		inCallback("caller", func(pin *corotest.Pin) {
			onNew(func() { f(corotest.MustBeUnlocked) })
			pin.Check("after another's work")
		})
	}},
}

// CoroSharedCgoAllPairs makes each iterator in each state and drives it from
// each other. What has been started in a callback and would be parked with the
// thread locked, or with C frames of its own, is ended there: the thread goes
// back to C. See CoroSharedCgoThreadDropClaim and CoroSharedCgoLIFO*.
func CoroSharedCgoAllPairs() {
	for _, it := range sharedIters {
		for _, made := range sharedWhere {
			for _, first := range sharedWhere {
				for _, then := range sharedWhere {
					var next func() (int, bool)
					var stop func()
					made.in(func(check func(string)) {
						next, stop = corotest.Pull(it.seq)
						check("after Pull")
					})
					first.in(func(check func(string)) {
						sharedNext(next)
						check("after next")
						if it.held && first.c {
							stop()
							check("after stop")
						}
					})
					if it.held && first.c {
						continue
					}
					then.in(func(check func(string)) {
						sharedNext(next)
						check("after the second next")
						stop()
						check("after stop")
						sharedDone(next)
					})
					corotest.MustBeUnlocked("main")
				}
			}
		}
	}
}

// CoroSharedCgoOutlived uses coroutines after the callbacks that made them.
func CoroSharedCgoOutlived() {
	for _, it := range sharedIters {
		for _, used := range []int{0, 1, 2} {
			if it.held && used > 0 {
				continue
			}
			for _, in := range []func(string, func(*corotest.Pin)){inCallback, onThread} {
				var next func() (int, bool)
				var stop func()
				in("maker", func(pin *corotest.Pin) {
					next, stop = corotest.Pull(it.seq)
					for range used {
						sharedNext(next)
					}
				})
				// The internal lock that was lent then is nobody's now.
				sharedNext(next)
				corotest.MustBeUnlocked("caller")
				corotest.Block()
				onNew(stop)
				corotest.MustBeUnlocked("caller")
			}
		}
	}
}

// CoroSharedCgoMakerInC drives a coroutine while its maker's thread is in C
// for as long as that takes.
func CoroSharedCgoMakerInC() {
	for _, it := range sharedIters {
		for _, used := range []int{0, 1} {
			if it.held && used > 0 {
				continue
			}
			done := make(chan bool)
			h := cgo.NewHandle(func() {
				pin := corotest.Hold("maker in a callback")
				next, _ := corotest.Pull(it.seq)
				for range used {
					sharedNext(next)
				}
				pin.Unlock()
				go func() {
					for range 3 - used {
						sharedNext(next)
						corotest.MustBeUnlocked("driver")
					}
					sharedDone(next)
					C.corolockRaise()
					done <- true
				}()
			})
			C.corolockAwait(C.uintptr_t(h))
			h.Delete()
			<-done
		}
	}
}

// CoroSharedCgoLeak forgets coroutines that callbacks have made.
func CoroSharedCgoLeak() {
	before := 0
	for i := range 300 {
		if i == 50 {
			before = corotest.Threads()
		}
		inCallback("maker", func(pin *corotest.Pin) {
			corotest.Pull(sharedSimple)
			next, _ := corotest.Pull(sharedNested(sharedIterCallback))
			sharedNext(next)
			pin.Check("after next")
		})
	}
	if n := corotest.Threads() - before; n > 20 {
		corotest.Fatal(n, "threads more")
	}
}

type sharedFailure struct{ n int }

func catch(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

// sharedFailing are iterators that panic, or exit, after none to two values.
var sharedFailing = []func(fail func()) iter.Seq[int]{
	func(fail func()) iter.Seq[int] {
		return func(yield func(int) bool) { inCallback("iterator", func(*corotest.Pin) { fail() }) }
	},
	func(fail func()) iter.Seq[int] {
		return func(yield func(int) bool) {
			inCallback("iterator", func(*corotest.Pin) { yield(5) })
			fail()
		}
	},
	func(fail func()) iter.Seq[int] {
		return func(yield func(int) bool) {
			inCallback("iterator", func(*corotest.Pin) { yield(5); fail() })
		}
	},
	func(fail func()) iter.Seq[int] {
		return func(yield func(int) bool) {
			own := corotest.Lock("iterator")
			defer own.Unlock()
			inCallback("iterator", func(*corotest.Pin) {
				yield(5)
				inCallback("iterator", func(*corotest.Pin) { yield(5); fail() })
			})
		}
	},
	func(fail func()) iter.Seq[int] {
		return func(yield func(int) bool) {
			inCallback("iterator", func(pin *corotest.Pin) {
				inner, _ := corotest.Pull(func(yield func(int) bool) {
					inCallback("inner iterator", func(*corotest.Pin) { yield(5); fail() })
				})
				v, _ := inner()
				yield(v)
				inner()
			})
		}
	},
	func(fail func()) iter.Seq[int] {
		return func(yield func(int) bool) {
			if v := catch(func() {
				inCallback("iterator", func(*corotest.Pin) { yield(5); panic("first") })
			}); v != "first" {
				corotest.Fatal("another panic")
			}
			yield(5)
			inCallback("iterator", func(*corotest.Pin) { fail() })
		}
	},
}

// CoroSharedCgoPanic: panics out of callbacks arrive wherever the caller is,
// in the callback or below it.
func CoroSharedCgoPanic() {
	for n, failing := range sharedFailing {
		seq := failing(func() { panic(&sharedFailure{n}) })
		for _, where := range sharedWhere {
			for _, elsewhere := range []bool{false, true} {
				where.in(func(check func(string)) {
					var next func() (int, bool)
					if elsewhere {
						onNew(func() { next, _ = corotest.Pull(seq) })
					} else {
						next, _ = corotest.Pull(seq)
					}
					v := catch(func() {
						for {
							sharedNext(next)
							check("after next")
						}
					})
					if f, ok := v.(*sharedFailure); !ok || f.n != n {
						corotest.Fatal("panic", n, "did not arrive")
					}
					check("after the panic")
					sharedDone(next)
					callC(func() {})
					corotest.Block()
					check("after the panic and a callback")
				})
				corotest.MustBeUnlocked("caller")
			}
		}
	}
}

// CoroSharedCgoPanicAcross: and go on through the callers' callbacks.
func CoroSharedCgoPanicAcross() {
	for n, failing := range sharedFailing {
		seq := failing(func() { panic(&sharedFailure{n}) })
		for depth := 1; depth <= 3; depth++ {
			var next func() (int, bool)
			var down func(level int)
			down = func(level int) {
				inCallback("caller", func(pin *corotest.Pin) {
					if level < depth {
						down(level + 1)
						return
					}
					next, _ = corotest.Pull(seq)
					for {
						sharedNext(next)
						pin.Check("after next")
					}
				})
			}
			for _, locked := range []bool{false, true} {
				check := corotest.MustBeUnlocked
				var own *corotest.Pin
				if locked {
					own = corotest.Lock("caller")
					check = own.Check
				}
				v := catch(func() { down(1) })
				if f, ok := v.(*sharedFailure); !ok || f.n != n {
					corotest.Fatal("panic", n, "did not arrive")
				}
				check("after the panic")
				callC(func() {})
				sharedDone(next)
				check("after another callback")
				if locked {
					own.Unlock()
				}
			}
		}
	}
}

// CoroSharedCgoGoexit: Goexits do, too.
func CoroSharedCgoGoexit() {
	for _, failing := range sharedFailing {
		seq := failing(runtime.Goexit)
		for _, where := range sharedWhere {
			if where.name == "thread" || where.name == "new goroutine in a callback" {
				continue // a thread of C cannot lose its goroutine
			}
			exited := false
			onNew(func() {
				defer func() {
					if recover() != nil {
						corotest.Fatal("a panic and not a Goexit")
					}
					callC(func() {})
					exited = true
				}()
				where.in(func(check func(string)) {
					defer check("after Goexit")
					next, _ := corotest.Pull(seq)
					for {
						sharedNext(next)
						check("after next")
					}
				})
			})
			if !exited {
				corotest.Fatal("no Goexit")
			}
		}
	}
}

// CoroSharedCgoChain nests iterators, each driving the next in a callback of
// its own. At every level in turn, a foreign goroutine yields.
func CoroSharedCgoChain(depth int) {
	for cut := -1; cut < depth; cut++ {
		for _, callback := range []bool{false, true} {
			seq := iter.Seq[int](sharedSimple)
			for level := range depth {
				inner := seq
				seq = func(yield func(int) bool) {
					inCallback(fmt.Sprint("level ", level), func(pin *corotest.Pin) {
						next, stop := corotest.Pull(inner)
						defer stop()
						for {
							v, ok := next()
							pin.Check("after next")
							if !ok {
								return
							}
							if level != cut {
								if !yield(v) {
									return
								}
								pin.Check("after yield")
								continue
							}
							more := make(chan bool)
							go func() { more <- yield(v) }()
							if !<-more {
								return
							}
							pin.Check("after another's yield")
						}
					})
				}
			}
			use := func(check func(string)) {
				next, stop := corotest.Pull(seq)
				sharedNext(next)
				check("after next")
				corotest.Block()
				check("after blocking")
				onNew(func() { sharedNext(next) })
				check("after another's next")
				sharedNext(next)
				stop()
				check("after stop")
			}
			if callback {
				inCallback("caller", func(pin *corotest.Pin) { use(pin.Check) })
			} else {
				use(corotest.MustBeUnlocked)
				pin := corotest.Lock("caller")
				use(pin.Check)
				pin.Unlock()
			}
		}
	}
}

// CoroSharedCgoEventLoopMain: an iterator runs C's event loop on the main
// thread and yields from its callbacks to the main goroutine, which is locked
// to that thread.
func CoroSharedCgoEventLoopMain() {
	pin := corotest.Hold("main")
	same := func(where string) {
		if !corotest.Chan {
			pin.Check(where)
		}
	}
	for round := range 5 {
		next, stop := corotest.Pull(func(yield func(int) bool) {
			same("iterator")
			n := 0
			loop(loopHere, func() bool {
				own := corotest.Hold("callback")
				same("callback")
				n++
				ok := yield(n)
				own.Check("after yield")
				if n%7 == 0 {
					corotest.Block()
				}
				same("callback after yield")
				own.Unlock()
				return ok && n < 50
			})
			same("iterator after the loop")
		})
		for i := 1; i <= 40+round*5; i++ {
			v, ok := next()
			if want := i; i <= 50 && (v != want || !ok) || i > 50 && ok {
				corotest.Fatal("next returned", v, ok, "and not", want)
			}
			pin.Check("after next")
			if i%5 == 0 {
				corotest.Block()
				pin.Check("after blocking")
			}
			sharedGrow(100)
		}
		stop()
		pin.Check("after stop")
		callC(func() { pin.Check("in a callback") })
	}
	pin.Forget()
}

// CoroSharedCgoEventLoopCaller: the main goroutine runs the event loop, and
// each event takes a value of an iterator.
func CoroSharedCgoEventLoopCaller() {
	pin := corotest.Hold("main")
	for _, it := range sharedIters {
		if it.deep {
			continue
		}
		next, stop := corotest.Pull(func(yield func(int) bool) {
			for {
				more := true
				it.seq(func(v int) bool { more = yield(v); return more })
				if !more {
					return
				}
			}
		})
		n := 0
		loop(loopHere, func() bool {
			pin.Check("in a callback")
			sharedNext(next)
			pin.Check("in a callback, after next")
			n++
			return n < 20
		})
		sharedNext(next)
		pin.Check("after the loop")
		loop(loopHere, func() bool { stop(); return false })
		pin.Check("after stop")
	}
	pin.Forget()
}

// CoroSharedCgoThread uses iterators on threads that C creates: made there,
// used there, both, neither.
func CoroSharedCgoThread() {
	for _, it := range sharedIters {
		for made := range 2 {
			for used := range 2 {
				var next func() (int, bool)
				var stop func()
				pull := func() { next, stop = corotest.Pull(it.seq) }
				use := func(check func(string)) {
					sharedNext(next)
					check("after next")
					corotest.Block()
					check("after blocking")
					sharedNext(next)
					stop()
					check("after stop")
				}
				if made == 0 {
					pull()
				} else {
					onThread("maker", func(*corotest.Pin) { pull() })
				}
				if used == 0 {
					use(corotest.MustBeUnlocked)
				} else {
					onThread("caller", func(pin *corotest.Pin) { use(pin.Check) })
				}
			}
		}
		onThread("all", func(pin *corotest.Pin) {
			next, _ := corotest.Pull(it.seq)
			sharedDrain(next, pin.Check)
		})
	}
}

// CoroSharedCgoThreadFrames: a thread of C calls back for each frame, and each
// frame resumes coroutines, that were made before, in the first frame, and in
// the one before.
func CoroSharedCgoThreadFrames() {
	const frames = 60
	forever := func(seq iter.Seq[int]) iter.Seq[int] {
		return func(yield func(int) bool) {
			for {
				more := true
				seq(func(v int) bool { more = yield(v); return more })
				if !more {
					return
				}
			}
		}
	}
	for _, it := range sharedIters {
		if it.held {
			// Started on the thread, it would have locked it when C ends it.
			continue
		}
		before, stopBefore := corotest.Pull(forever(it.seq))
		var first, last func() (int, bool)
		stopFirst, stopLast := func() {}, func() {}
		n, tid := 0, 0
		loop(loopThread, func() bool {
			pin := corotest.Hold("frame")
			defer pin.Unlock()
			if n == 0 {
				tid = pin.Thread()
				first, stopFirst = corotest.Pull(forever(it.seq))
			} else {
				sharedNext(last)
			}
			if pin.Thread() != tid {
				corotest.Fatal("a frame is on another thread")
			}
			sharedNext(before)
			pin.Check("after next")
			sharedNext(first)
			pin.Check("after the first's next")
			stopLast()
			last, stopLast = corotest.Pull(forever(it.seq))
			if n%2 == 0 {
				sharedNext(last)
			}
			n++
			return n < frames
		})
		// The thread is gone.
		for _, next := range []func() (int, bool){before, first, last} {
			sharedNext(next)
			corotest.MustBeUnlocked("caller")
		}
		stopBefore()
		stopFirst()
		stopLast()
	}
}

// CoroSharedCgoThreadMany does that on many threads at once, with iterators
// that go from one to another.
func CoroSharedCgoThreadMany() {
	pool := make(chan func() (int, bool), 8)
	for i := range cap(pool) {
		next, _ := corotest.Pull(func(yield func(int) bool) {
			for {
				switch i % 3 {
				case 0:
					inCallback("iterator", func(pin *corotest.Pin) { yield(5) })
				case 1:
					pin := corotest.Lock("iterator")
					yield(5)
					pin.Unlock()
				}
				yield(5)
			}
		})
		sharedNext(next) // now parked with its C frames, if any, elsewhere
		pool <- next
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 3 {
				n := 0
				loop(loopThread, func() bool {
					pin := corotest.Hold("frame")
					next := <-pool
					sharedNext(next)
					pin.Check("after next")
					sharedNext(next)
					pin.Unlock()
					pool <- next
					n++
					return n < 20
				})
			}
		})
	}
	wg.Wait()
}

// CoroSharedCgoThreadDropLoan gives threads back to C while coroutines that
// were made there are left, and uses these on others, which may get the same M.
func CoroSharedCgoThreadDropLoan() {
	var nexts []func() (int, bool)
	for range 30 {
		onThread("maker", func(pin *corotest.Pin) {
			next, _ := corotest.Pull(sharedSimple)
			sharedNext(next)
			nexts = append(nexts, next)
			if len(nexts) > 1 {
				sharedNext(nexts[len(nexts)-2])
				pin.Check("after the last's next")
			}
		})
	}
	for _, next := range nexts[:len(nexts)-1] {
		sharedNext(next)
		sharedDone(next)
		corotest.MustBeUnlocked("caller")
	}
}

// CoroSharedCgoThreadDropClaim: an iterator has locked a thread of C, by way
// of a loan. Another goroutine drives it to its end, while the callback that lent
// the thread waits. What the iterator does then it does on that thread.
func CoroSharedCgoThreadDropClaim() {
	for range 10 {
		done := make(chan bool)
		onThread("maker", func(pin *corotest.Pin) {
			next, _ := corotest.Pull(func(yield func(int) bool) {
				own := corotest.Lock("iterator")
				yield(5)
				own.Check("after yield")
				if !corotest.Chan && own.Thread() != pin.Thread() {
					corotest.Fatal("the iterator is not on the thread that it was lent")
				}
				corotest.Block()
				own.Unlock()
				yield(5)
			})
			sharedNext(next)
			pin.Check("after next")
			go func() {
				corotest.Block()
				sharedNext(next)
				sharedDone(next)
				done <- true
			}()
			<-done
			pin.Check("after the iterator's end")
		})
		onThread("other", func(pin *corotest.Pin) {
			next, _ := corotest.Pull(sharedSimple)
			sharedDrain(next, pin.Check)
		})
	}
}

// CoroSharedCgoThreadAgain: a switch under unequal locks in a callback from a
// thread of C is forgotten in the next one, from the same thread or from another
// that gets its M. An iterator may unlock the thread on loan and lock it again, and
// has no lock then.
func CoroSharedCgoThreadAgain() {
	frame := func() {
		runtime.LockOSThread()
		next, _ := corotest.Pull(func(yield func(int) bool) {
			runtime.UnlockOSThread()
			runtime.LockOSThread()
			inner, stop := corotest.Pull(sharedIterLockYield)
			sharedNext(inner)
			stop()
			yield(5)
		})
		sharedNext(next)
		runtime.UnlockOSThread()
	}
	for range 10 {
		onThread("maker", func(pin *corotest.Pin) {
			frame()
			pin.Check("after next")
		})
	}
	n := 0
	loop(loopThread, func() bool {
		frame()
		n++
		return n < 10
	})
}

// CoroSharedCgoCallbackLock: an iterator that has borrowed a thread in a callback
// has a callback of its own there, and locks the thread in that. It is locked
// to it from then on, whatever becomes of the lender: the thread is one of Go's.
func CoroSharedCgoCallbackLock() {
	for range 10 {
		var next func() (int, bool)
		inCallback("caller", func(pin *corotest.Pin) {
			next, _ = corotest.Pull(sharedIterCallbackLock)
			sharedNext(next)
			pin.Check("after next")
		})
		corotest.MustBeUnlocked("caller")
		corotest.Block()
		sharedNext(next)
		sharedDone(next)
	}
}

func sharedIterCallbackLock(yield func(int) bool) {
	var own *corotest.Pin
	callC(func() { own = corotest.Lock("iterator") })
	own.Check("after the callback")
	yield(5)
	own.Check("after yield")
	corotest.Block()
	own.Unlock()
	yield(5)
}

// CoroSharedCgoCallbackLockDead is the same on a thread of C, which ends.
func CoroSharedCgoCallbackLockDead() {
	println("expect: fatal error: thread created by C ended while another goroutine was locked to it")
	onThread("caller", func(pin *corotest.Pin) {
		next, _ := corotest.Pull(sharedIterCallbackLock)
		sharedNext(next)
	})
	println("the thread ended")
}

// CoroSharedCgoCallbackUnlock: a callback takes its caller's last lock, while an
// iterator has locked the same thread. The caller is off that as soon as C has
// returned: it is not for the next point of preemption to move it, which may be
// far away.
func CoroSharedCgoCallbackUnlock() {
	for range 10 {
		runtime.LockOSThread()
		var own *corotest.Pin
		next, _ := corotest.Pull(func(yield func(int) bool) {
			own = corotest.Lock("iterator")
			yield(5)
			own.Check("after yield")
			own.Unlock()
			yield(5)
		})
		sharedNext(next)
		h := cgo.NewHandle(func() {
			corotest.Block()
			runtime.UnlockOSThread()
		})
		whole := C.corolockCall(C.uintptr_t(h))
		tid := corotest.ThreadID() // before any call that could be such a point
		h.Delete()
		if whole == 0 {
			corotest.Fatal("a C frame has been overwritten")
		}
		if tid != 0 && tid == own.Thread() {
			corotest.Fatal("the caller goes on on thread", tid, "which the iterator has locked")
		}
		corotest.MustBeUnlocked("caller")
		sharedNext(next)
		sharedDone(next)
	}
}

// CoroSharedCgoCallbackSince: a thread is lent as it was when the coroutine was
// made. In a callback that has come since, the iterator runs elsewhere: one of
// its own would have to return first.
func CoroSharedCgoCallbackSince() {
	for range 10 {
		pin := corotest.Lock("caller")
		tid := 0
		next, _ := corotest.Pull(func(yield func(int) bool) {
			for range 3 {
				tid = corotest.ThreadID()
				yield(5)
			}
		})
		for range 3 {
			inCallback("caller", func(in *corotest.Pin) {
				sharedNext(next)
				in.Check("after next")
				if tid != 0 && tid == pin.Thread() {
					corotest.Fatal("the iterator runs above its caller's callback")
				}
			})
		}
		sharedDone(next)
		pin.Unlock()
	}
}

// CoroSharedCgoThreadLockedExit: an iterator that ends with a lock of its own
// does not take a thread of C along.
func CoroSharedCgoThreadLockedExit() {
	for range 10 {
		n := 0
		loop(loopThread, func() bool {
			pin := corotest.Hold("frame")
			next, _ := corotest.Pull(func(yield func(int) bool) {
				own := corotest.Lock("iterator")
				yield(5)
				own.Check("after yield")
				own.Forget()
			})
			sharedNext(next)
			sharedDone(next)
			pin.Check("after the iterator's end")
			pin.Unlock()
			n++
			return n < 5
		})
	}
}

// CoroSharedCgoLIFOWait: a callback returns under the C frames of an iterator. It
// waits until another goroutine has driven that to its end. If it panics, it
// leaves its C frames where they are.
func CoroSharedCgoLIFOWait(panics bool) {
	for range 10 {
		done := make(chan bool)
		v := catch(func() {
			inCallback("caller", func(pin *corotest.Pin) {
				next, _ := corotest.Pull(sharedIterCallbackHold)
				sharedNext(next)
				pin.Check("after next")
				go func() {
					time.Sleep(time.Millisecond)
					sharedNext(next)
					sharedNext(next)
					sharedDone(next)
					done <- true
				}()
				if panics {
					panic("out")
				}
			})
		})
		if panics && v != "out" || !panics && v != nil {
			corotest.Fatal("another panic, or none")
		}
		<-done
		callC(func() {})
	}
}

// sharedDiesLIFO runs f, in which nothing is left that could let a callback
// return. Where the runtime cannot tell that no thread of C will come, the
// callback waits, and a dump says so.
func sharedDiesLIFO(f func()) {
	if corotest.CountsThreads() {
		println("expect:", sharedLIFO)
	} else {
		println("expect: OK")
		go func() {
			buf := make([]byte, 1<<20)
			for !strings.Contains(string(buf[:runtime.Stack(buf, true)]), "[callback return below C frames of goroutine ") {
				time.Sleep(time.Millisecond)
			}
			println("OK")
			os.Exit(0)
		}()
	}
	f()
	println("the program ended")
}

// CoroSharedCgoLIFOCircular: the iterator would return under its caller's C
// frames, and its caller waits for it there.
func CoroSharedCgoLIFOCircular() {
	inCallback("caller", func(pin *corotest.Pin) {
		next, _ := corotest.Pull(func(yield func(int) bool) {
			inCallback("iterator", func(*corotest.Pin) { yield(5) })
			yield(5)
		})
		sharedNext(next)
		inCallback("caller", func(*corotest.Pin) { sharedNext(next) })
	})
}

// CoroSharedCgoLIFODead: the callback returns, and nobody is left to resume
// the iterator.
func CoroSharedCgoLIFODead() {
	inCallback("caller", func(pin *corotest.Pin) {
		next, _ := corotest.Pull(sharedIterCallbackYield)
		sharedNext(next)
	})
}

// CoroSharedCgoLIFODeadPanic: it panics, also out of more callbacks than one. The
// iterators are used again, ended, or forgotten.
func CoroSharedCgoLIFODeadPanic() {
	for i := range 30 {
		var next func() (int, bool)
		var stop func()
		v := catch(func() {
			inCallback("caller", func(pin *corotest.Pin) {
				callC(func() {})
				if i%2 == 0 {
					next, stop = corotest.Pull(sharedIterCallbackYield)
					sharedNext(next)
				}
				inCallback("caller", func(pin *corotest.Pin) {
					if i%2 != 0 {
						next, stop = corotest.Pull(sharedIterCallbackHold)
						sharedNext(next)
					}
					panic("out")
				})
			})
		})
		if v != "out" {
			corotest.Fatal("another panic, or none")
		}
		corotest.MustBeUnlocked("caller")
		callC(func() {})
		switch i % 3 {
		case 0:
			sharedNext(next)
			inCallback("caller", func(pin *corotest.Pin) {
				sharedNext(next)
				pin.Check("after next")
				if i%2 == 0 {
					stop()
				}
			})
			stop()
		case 1:
			onNew(stop)
		}
		callC(func() {})
	}
}

// CoroSharedCgoLIFODeadGoexit: it exits.
func CoroSharedCgoLIFODeadGoexit() {
	for i := range 30 {
		var next func() (int, bool)
		var stop func()
		onNew(func() {
			inCallback("caller", func(pin *corotest.Pin) {
				next, stop = corotest.Pull(sharedIterCallbackHold)
				sharedNext(next)
				runtime.Goexit()
			})
			corotest.Fatal("no Goexit")
		})
		callC(func() {})
		if i%2 == 0 {
			sharedNext(next)
			stop()
		}
	}
}

// CoroSharedCgoLIFOUncaught: nobody recovers.
func CoroSharedCgoLIFOUncaught() {
	println("expect: panic: out")
	inCallback("caller", func(pin *corotest.Pin) {
		next, _ := corotest.Pull(sharedIterCallbackYield)
		sharedNext(next)
		panic("out")
	})
}

// CoroSharedCgoCallbackPairs: an iterator that a callback makes and drives locks
// the thread for each of its steps. It is the callback's thread.
func CoroSharedCgoCallbackPairs() {
	for _, in := range []func(string, func(*corotest.Pin)){inCallback, onThread} {
		in("caller", func(pin *corotest.Pin) {
			next, stop := corotest.Pull(func(yield func(int) bool) {
				for {
					own := corotest.Lock("iterator")
					if !corotest.Chan && own.Thread() != pin.Thread() {
						corotest.Fatal("a step is not on the callback's thread")
					}
					callC(func() { own.Check("in a callback") })
					own.Unlock()
					if !yield(5) {
						return
					}
				}
			})
			for range 200 {
				sharedNext(next)
				pin.Check("after next")
			}
			stop()
		})
	}
}

// CoroSharedCgoOwner: C has a lock that belongs to a thread, such as that of an
// interpreter. A callback has it while it drives an iterator, and each step takes
// it, too, with the thread locked.
func CoroSharedCgoOwner() {
	for range 3 {
		inCallback("caller", func(pin *corotest.Pin) {
			C.corolockEnsure()
			next, stop := corotest.Pull(func(yield func(int) bool) {
				for {
					runtime.LockOSThread()
					if !corotest.Chan {
						C.corolockEnsure()
						callC(func() {})
						C.corolockRelease()
					}
					runtime.UnlockOSThread()
					if !yield(5) {
						return
					}
				}
			})
			for range 50 {
				sharedNext(next)
				pin.Check("after next")
			}
			stop()
			C.corolockRelease()
		})
	}
}

// CoroSharedCgoLateThread: a callback waits to return below the C frames of an
// iterator, and nothing runs in Go. A thread of C that has not called Go yet does
// so then, and ends the iterator.
func CoroSharedCgoLateThread() {
	println("expect: OK")
	var stop func()
	h := cgo.NewHandle(func() { stop() })
	C.corolockLate(C.uintptr_t(h))
	inCallback("caller", func(pin *corotest.Pin) {
		var next func() (int, bool)
		next, stop = corotest.Pull(sharedIterCallbackHold)
		sharedNext(next)
	})
	println("OK")
}

// CoroSharedCgoThreadEnds: while a callback waits to return below the C frames of an
// iterator, threads of C call Go and end. The last of them has the only P.
func CoroSharedCgoThreadEnds() {
	println("expect: OK")
	runtime.GOMAXPROCS(1)
	go inCallback("caller", func(*corotest.Pin) {
		next, _ := corotest.Pull(sharedIterCallbackHold)
		sharedNext(next)
	})
	time.Sleep(10 * time.Millisecond)
	h := cgo.NewHandle(runtime.Gosched)
	runtime.LockOSThread()
	for range 300 {
		C.corolockDetach(C.uintptr_t(h))
		for range 20 {
			runtime.Gosched()
		}
	}
	println("OK")
	os.Exit(0)
}

// CoroSharedCgoFrameDump: a callback that waits below the C frames of an iterator
// says so in a dump.
func CoroSharedCgoFrameDump() {
	println("expect: OK")
	ids := make(chan string, 1)
	go func() {
		for n := 0; ; n++ {
			time.Sleep(time.Millisecond)
			buf := make([]byte, 1<<20)
			dump := string(buf[:runtime.Stack(buf, true)])
			if strings.Contains(dump, "[callback return below C frames of goroutine "+peek(ids)+", locked to thread]") {
				println("OK")
				os.Exit(0)
			}
			if n == 5000 {
				corotest.Fatal("the dump is\n", dump)
			}
		}
	}()
	inCallback("caller", func(pin *corotest.Pin) {
		next, _ := corotest.Pull(func(yield func(int) bool) {
			inCallback("iterator", func(*corotest.Pin) {
				var buf [64]byte
				ids <- strings.Fields(string(buf[:runtime.Stack(buf[:], false)]))[1]
				yield(5)
			})
		})
		sharedNext(next)
		if corotest.Chan { // the callback returns
			println("OK")
			os.Exit(0)
		}
	})
}

// peek returns the next value of c, which stays in c.
func peek(c chan string) string {
	v := <-c
	c <- v
	return v
}

// CoroSharedCgoBlocking lets both sides block in C, on one P and on more.
func CoroSharedCgoBlocking() {
	for _, procs := range []int{1, 2} {
		runtime.GOMAXPROCS(procs)
		for _, it := range sharedIters {
			for _, where := range sharedWhere {
				where.in(func(check func(string)) {
					next, stop := corotest.Pull(func(yield func(int) bool) {
						C.corolockSleep(50)
						it.seq(func(v int) bool {
							C.corolockSleep(50)
							ok := yield(v)
							C.corolockSleep(50)
							return ok
						})
					})
					sharedNext(next)
					C.corolockSleep(50)
					check("after next and C")
					sharedNext(next)
					stop()
					check("after stop")
				})
			}
		}
	}
}

// CoroSharedCgoMany has many goroutines use many iterators, with callbacks
// and locks on both sides.
func CoroSharedCgoMany() {
	type handle struct {
		next func() (int, bool)
		want int
	}
	pool := make(chan *handle, 12)
	for n := range cap(pool) {
		next, _ := corotest.Pull(func(yield func(int) bool) {
			i := 0
			step := func() { yield(i); i++ }
			step()
			for {
				switch (i + n) % 4 {
				case 0:
					inCallback("iterator", func(*corotest.Pin) { step(); step() })
				case 1:
					pin := corotest.Lock("iterator")
					step()
					inCallback("iterator", func(*corotest.Pin) { step() })
					pin.Unlock()
				case 2:
					inCallback("iterator", func(*corotest.Pin) {
						catch(func() { inCallback("iterator", func(*corotest.Pin) { step(); panic(1) }) })
						step()
					})
				default:
					step()
				}
			}
		})
		pool <- &handle{next: next}
	}
	use := func(check func(string)) {
		h := <-pool
		if v, ok := h.next(); v != h.want || !ok {
			corotest.Fatal("next returned", v, ok, "and not", h.want)
		}
		h.want++
		check("after next")
		pool <- h
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 80 {
				sharedWhere[(i+g)%len(sharedWhere)].in(use)
			}
		})
	}
	wg.Wait()
}

// sharedProbes are what is done in each state.
var sharedProbes = []struct {
	name string
	f    func()
}{
	{"GC", func() { runtime.GC(); runtime.GC() }},
	{"Stack", func() { runtime.Stack(make([]byte, 1<<20), true) }},
	{"Profile", func() {
		for _, level := range []int{0, 1, 2} {
			if err := pprof.Lookup("goroutine").WriteTo(io.Discard, level); err != nil {
				corotest.Fatal(err)
			}
		}
	}},
	{"CPUProfile", func() {
		if err := pprof.StartCPUProfile(io.Discard); err != nil {
			corotest.Fatal(err)
		}
		C.corolockSleep(2000)
		pprof.StopCPUProfile()
	}},
	{"Trace", func() {
		if err := trace.Start(io.Discard); err != nil {
			corotest.Fatal(err)
		}
		corotest.Block()
		trace.Stop()
	}},
	{"Procs", func() {
		n := runtime.GOMAXPROCS(0)
		runtime.GOMAXPROCS(1)
		runtime.Gosched()
		runtime.GOMAXPROCS(n)
	}},
}

// sharedStates probes while each iterator is parked, and while it runs and its
// caller is parked, in every lock state, with stacks that grow and shrink.
func sharedStates(probe func()) {
	debug.SetGCPercent(10)
	for _, it := range sharedIters {
		for _, made := range sharedWhere {
			where := made
			where.in(func(check func(string)) {
				next, stop := corotest.Pull(func(yield func(int) bool) {
					probe()
					it.seq(func(v int) bool {
						sharedGrow(100)
						onNew(probe)
						return yield(v)
					})
				})
				sharedGrow(100)
				sharedNext(next)
				check("after next")
				probe()
				check("after the probe")
				sharedNext(next)
				onNew(probe)
				check("after another's probe")
				stop()
			})
		}
	}
}

// sharedGrow uses some stack, so that it moves, and later can shrink.
func sharedGrow(n int) int {
	var frame [256]byte
	if n == 0 {
		return 0
	}
	frame[n%len(frame)] = 1
	return sharedGrow(n-1) + int(frame[n%len(frame)]) + int(frame[(n+1)%len(frame)])
}

// CoroSharedCgoTrace starts and ends execution traces while a caller in a
// callback is parked on its iterator: the tracer takes the stack of a
// goroutine that has C frames. Go 1.27.3 crashes in traceStack, on a coroutine
// that obeys upstream's rules.
func CoroSharedCgoTrace() {
	start := func() {
		if err := trace.Start(io.Discard); err != nil {
			corotest.Fatal(err)
		}
	}
	for range 10 {
		inCallback("caller", func(pin *corotest.Pin) {
			next, stop := corotest.Pull(func(yield func(int) bool) {
				for {
					start()
					corotest.Block()
					trace.Stop()
					if !yield(5) {
						return
					}
				}
			})
			sharedNext(next)
			pin.Check("after next")
			start()
			corotest.Block()
			trace.Stop()
			sharedNext(next)
			stop()
		})
	}
}

// CoroSharedCgoTraceFile traces iterators in every lock state to the file that
// CORO_TRACE names. The test reads it.
func CoroSharedCgoTraceFile() {
	stop := corotest.TraceFile()
	for _, it := range sharedIters {
		for _, made := range sharedWhere {
			for _, used := range sharedWhere {
				var next func() (int, bool)
				made.in(func(func(string)) { next, _ = corotest.Pull(it.seq) })
				used.in(func(check func(string)) { sharedDrain(next, check) })
			}
		}
	}
	stop()
}

// CoroSharedCgoCleanThreads: a goroutine in a callback does not start threads
// from one that another has locked and changed, here its name.
func CoroSharedCgoCleanThreads() {
	println("expect: OK")
	if corotest.SetThreadName("main") {
		inCallback("caller", func(pin *corotest.Pin) {
			next, stop := corotest.Pull(func(yield func(int) bool) {
				own := corotest.Lock("iterator")
				corotest.SetThreadName("tainted")
				yield(5)
				own.Check("after yield")
				corotest.SetThreadName("main")
				own.Unlock()
			})
			sharedNext(next)
			pin.Check("after next")
			corotest.NeedThreads()
			pin.Check("after starting threads")
			if n := corotest.ThreadsNamed("tainted"); n > 1 {
				corotest.Fatal(n, "threads are tainted")
			}
			stop()
		})
	}
	println("OK")
}

// The main goroutine is locked internally while package initialization runs.

var sharedInitNexts []func() (int, bool)

func sharedInInit() {
	pin := corotest.Hold("init")
	for _, it := range sharedIters {
		if it.name == "thread" {
			continue // has to wait for the end of the initialization
		}
		next, _ := corotest.Pull(it.seq)
		sharedDrain(next, pin.Check)
		next, _ = corotest.Pull(it.seq)
		sharedInitNexts = append(sharedInitNexts, next)
		if !it.deep {
			next, _ = corotest.Pull(it.seq)
			sharedNext(next)
			sharedInitNexts = append(sharedInitNexts, next)
		}
		pin.Check("after next")
	}
	pin.Forget()
}
