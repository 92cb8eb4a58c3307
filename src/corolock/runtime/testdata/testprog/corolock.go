// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Programs for the shared-lock rules, without C.
// corolock_test.go of package runtime runs them.
//
// The first line a program prints tells what the rest of its output must be:
// "expect: OK" stands for exactly "OK\n", any other text must occur in it.
//
// CoroShared and the rest of the name of one of upstream's programs is that
// program, with the thread checked at every step while a lock is held.

package main

import (
	"fmt"
	"iter"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"runtime/testdata/corotest"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

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

// sharedAlone is shared without other goroutines.
func sharedAlone(name string, f func()) {
	register(name, func() {
		println("expect: OK")
		f()
		println("OK")
	})
}

// sharedDeadlock registers a program that must end in a deadlock.
func sharedDeadlock(name string, f func()) {
	register(name, func() {
		println("expect: fatal error: all goroutines are asleep - deadlock!")
		f()
		println("the program ended")
	})
}

func init() {
	shared("CoroSharedLockOSThreadIterLock", func() { sharedPlain(sharedIterLock) })
	shared("CoroSharedLockOSThreadIterLockYield", func() { sharedPlain(sharedIterLockYield) })
	shared("CoroSharedLockOSThreadLock", func() { sharedLocked(sharedSimple) })
	shared("CoroSharedLockOSThreadLockIterNested", func() { sharedLocked(sharedNested(sharedSimple)) })
	shared("CoroSharedLockOSThreadLockIterLock", func() { sharedLocked(sharedIterLock) })
	shared("CoroSharedLockOSThreadLockIterLockYield", func() { sharedLocked(sharedIterLockYield) })
	shared("CoroSharedLockOSThreadLockIterYieldNewG", func() { sharedLocked(sharedIterYieldNewG) })
	shared("CoroSharedLockOSThreadLockAfterPull", func() { sharedLockAfterPull(sharedSimple) })
	shared("CoroSharedLockOSThreadStopLocked", func() { sharedStopLocked(sharedSimple) })
	shared("CoroSharedLockOSThreadStopLockedIterNested", func() { sharedStopLocked(sharedNested(sharedSimple)) })

	// B1, B2, B3: who belongs where.
	shared("CoroSharedAllPairs", CoroSharedAllPairs)
	shared("CoroSharedReserved", CoroSharedReserved)
	shared("CoroSharedDonated", CoroSharedDonated)
	shared("CoroSharedLoanElsewhere", CoroSharedLoanElsewhere)
	shared("CoroSharedLoanLockedElsewhere", CoroSharedLoanLockedElsewhere)
	shared("CoroSharedMakerGone", CoroSharedMakerGone)
	sharedAlone("CoroSharedLeak", CoroSharedLeak)
	shared("CoroSharedUnlockRelock", CoroSharedUnlockRelock)
	shared("CoroSharedLockOnReserved", CoroSharedLockOnReserved)
	shared("CoroSharedUnlockThenSwitch", CoroSharedUnlockThenSwitch)
	shared("CoroSharedLocksAfterwards", CoroSharedLocksAfterwards)

	// B4: loans end.
	shared("CoroSharedLoanUnlock", CoroSharedLoanUnlock)
	shared("CoroSharedLoanUnlockLock", CoroSharedLoanUnlockLock)
	shared("CoroSharedLoanLateLock", CoroSharedLoanLateLock)
	shared("CoroSharedFreeForgets", CoroSharedFreeForgets)
	sharedAlone("CoroSharedSpinningBorrower", CoroSharedSpinningBorrower)
	shared("CoroSharedWaitingBorrower", CoroSharedWaitingBorrower)
	sharedAlone("CoroSharedTimeShare", CoroSharedTimeShare)
	sharedAlone("CoroSharedTimeShareSyscall", CoroSharedTimeShareSyscall)
	shared("CoroSharedBorrowerInSyscall", CoroSharedBorrowerInSyscall)
	for depth := 1; depth <= 5; depth++ {
		shared(fmt.Sprintf("CoroSharedChain%d", depth), func() { CoroSharedChain(depth) })
	}

	// B5: one thread, different counts.
	shared("CoroSharedPairsStay", CoroSharedPairsStay)
	shared("CoroSharedLoanRenewed", CoroSharedLoanRenewed)
	shared("CoroSharedLoanRenewedAfter", CoroSharedLoanRenewedAfter)
	sharedInit("CoroSharedMainThread", runtime.LockOSThread, CoroSharedMainThread)

	// B6: exits.
	sharedAlone("CoroSharedExitEndsThread", CoroSharedExitEndsThread)
	sharedAlone("CoroSharedExitAfterLastClaim", CoroSharedExitAfterLastClaim)
	sharedAlone("CoroSharedExitInSyscall", CoroSharedExitInSyscall)
	sharedAlone("CoroSharedLentExitKeepsThread", CoroSharedLentExitKeepsThread)

	// B7: what else channels do.
	shared("CoroSharedPanic", CoroSharedPanic)
	shared("CoroSharedGoexit", CoroSharedGoexit)
	shared("CoroSharedStopElsewhere", CoroSharedStopElsewhere)
	shared("CoroSharedConcurrentNext", CoroSharedConcurrentNext)
	shared("CoroSharedStopInFlight", CoroSharedStopInFlight)
	shared("CoroSharedMany", CoroSharedMany)
	sharedAlone("CoroSharedFair", CoroSharedFair)
	sharedAlone("CoroSharedBystander", CoroSharedBystander)
	sharedAlone("CoroSharedSyscalls", CoroSharedSyscalls)

	sharedDeadlock("CoroSharedDeadlockCaller", func() {
		// The caller is locked, and waits for an iterator that is locked again.
		corotest.Lock("caller")
		next, _ := corotest.Pull(func(yield func(int) bool) {
			corotest.Lock("iterator")
			yield(5)
			<-make(chan int)
		})
		next()
		next()
	})
	sharedDeadlock("CoroSharedDeadlockIterator", func() {
		// The iterator has a thread, and nobody asks it for more.
		next, _ := corotest.Pull(sharedIterLockYield)
		next()
		<-make(chan int)
	})
	sharedDeadlock("CoroSharedDeadlockOneThread", func() {
		// Both have the thread; the caller waits for something else.
		corotest.Lock("caller")
		next, _ := corotest.Pull(sharedIterLockYield)
		next()
		<-make(chan int)
	})
	sharedDeadlock("CoroSharedDeadlockDisplaced", func() {
		// A borrower is blocked, its lender has got the thread back.
		corotest.Lock("caller")
		next, _ := corotest.Pull(func(yield func(int) bool) {
			go yield(5)
			<-make(chan int)
		})
		next()
		<-make(chan int)
	})

	// Package initialization.
	sharedInit("CoroSharedInit", sharedInInit, sharedAfterInit)
	sharedInit("CoroSharedInitLock", func() { runtime.LockOSThread(); sharedInInit() }, sharedAfterInit)
	sharedInit("CoroSharedInitElsewhere", sharedElsewhereInInit, func() {})
	sharedInit("CoroSharedInitPairs", sharedPairsInInit, func() {})
	sharedAlone("CoroSharedLatency", CoroSharedLatency)
	sharedAlone("CoroSharedWaits", CoroSharedWaits)
}

// sharedInit is sharedAlone with something to do in package initialization.
func sharedInit(name string, init, f func()) {
	registerInit(name, func() {
		println("expect: OK")
		init()
	})
	register(name, func() {
		f()
		println("OK")
	})
}

// Iterators. Each yields 5 three times.

func sharedSimple(yield func(int) bool) {
	for range 3 {
		if !yield(5) {
			return
		}
	}
}

// sharedNested returns an iterator that yields what an inner Pull of seq gives.
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

func sharedIterLock(yield func(int) bool) {
	for range 3 {
		pin := corotest.Lock("iterator")
		runtime.Gosched()
		pin.Unlock()
		if !yield(5) {
			return
		}
	}
}

func sharedIterLockYield(yield func(int) bool) {
	for range 3 {
		pin := corotest.Lock("iterator")
		runtime.Gosched()
		pin.Check("before yield")
		ok := yield(5)
		pin.Check("after yield")
		runtime.Gosched()
		pin.Unlock()
		if !ok {
			return
		}
	}
}

// sharedIterHold locks once for all yields.
func sharedIterHold(yield func(int) bool) {
	pin := corotest.Lock("iterator")
	defer pin.Unlock()
	for range 3 {
		ok := yield(5)
		pin.Check("after yield")
		corotest.Block()
		pin.Check("after blocking")
		if !ok {
			return
		}
	}
}

func sharedIterYieldNewG(yield func(int) bool) {
	for range 3 {
		var ok bool
		done := make(chan bool)
		go func() {
			ok = yield(5)
			done <- true
		}()
		<-done
		if !ok {
			return
		}
	}
}

// sharedIterYieldLockedG yields from a new goroutine that is locked, and is
// locked itself meanwhile.
func sharedIterYieldLockedG(yield func(int) bool) {
	for range 3 {
		pin := corotest.Lock("iterator")
		var ok bool
		done := make(chan bool)
		go func() {
			pin := corotest.Lock("the iterator's goroutine")
			ok = yield(5)
			pin.Unlock()
			done <- true
		}()
		<-done
		pin.Unlock()
		if !ok {
			return
		}
	}
}

var sharedIters = []struct {
	name string
	seq  iter.Seq[int]
}{
	{"simple", sharedSimple},
	{"nested", sharedNested(sharedSimple)},
	{"lock", sharedIterLock},
	{"lock, yield", sharedIterLockYield},
	{"hold", sharedIterHold},
	{"new goroutine", sharedIterYieldNewG},
	{"new locked goroutine", sharedIterYieldLockedG},
	{"nested hold", sharedNested(sharedIterHold)},
	{"nested lock, yield", sharedNested(sharedNested(sharedIterLockYield))},
	{"nested new goroutine", sharedNested(sharedIterYieldNewG)},
}

// Callers.

// sharedNext calls next and checks the value it returns.
func sharedNext(next func() (int, bool)) {
	if v, ok := next(); v != 5 || !ok {
		corotest.Fatal("next returned", v, ok)
	}
}

// sharedDone checks that the sequence is over.
func sharedDone(next func() (int, bool)) {
	if v, ok := next(); v != 0 || ok {
		corotest.Fatal("next returned", v, ok, "at the end")
	}
}

// sharedDrain uses next to the end, n values, and calls check between.
func sharedDrain(next func() (int, bool), n int, check func()) {
	for range n {
		sharedNext(next)
		check()
		runtime.Gosched()
		check()
	}
	sharedDone(next)
	check()
}

func sharedPlain(seq iter.Seq[int]) {
	next, _ := corotest.Pull(seq)
	sharedDrain(next, 3, func() { corotest.MustBeUnlocked("caller") })
}

func sharedLocked(seq iter.Seq[int]) {
	pin := corotest.Lock("caller")
	next, _ := corotest.Pull(seq)
	sharedDrain(next, 3, func() { pin.Check("after next") })
	pin.Unlock()
	corotest.MustBeUnlocked("caller, at its end,")
}

func sharedLockAfterPull(seq iter.Seq[int]) {
	next, _ := corotest.Pull(seq)
	var pins []*corotest.Pin
	for range 3 {
		pins = append(pins, corotest.Lock("caller"))
		sharedNext(next)
		pins[0].Check("after next")
		runtime.Gosched()
	}
	pins = append(pins, corotest.Lock("caller"))
	sharedDone(next)
	for _, pin := range pins {
		pin.Unlock()
	}
	corotest.MustBeUnlocked("caller, at its end,")
}

func sharedStopLocked(seq iter.Seq[int]) {
	pin := corotest.Lock("caller")
	next, stop := corotest.Pull(seq)
	sharedNext(next)
	pin.Check("after next")
	stop()
	pin.Check("after stop")
	sharedDone(next)
	pin.Unlock()
	corotest.MustBeUnlocked("caller, at its end,")
}

// onNew runs f on a new goroutine and waits for it.
func onNew(f func()) {
	done := make(chan bool)
	go func() {
		defer func() { done <- true }()
		f()
	}()
	<-done
}

// onNewLocked runs f on a new goroutine with a lock of its own.
func onNewLocked(who string, f func(pin *corotest.Pin)) {
	onNew(func() {
		pin := corotest.Lock(who)
		f(pin)
		pin.Unlock()
		corotest.MustBeUnlocked(who)
	})
}

// CoroSharedAllPairs makes each iterator in each lock state, and drives it
// from each other, to the end and not.
func CoroSharedAllPairs() {
	states := []struct {
		name string
		in   func(f func(check func(string)))
	}{
		{"plain", func(f func(func(string))) { f(corotest.MustBeUnlocked) }},
		{"locked", func(f func(func(string))) {
			pin := corotest.Lock("caller")
			f(pin.Check)
			pin.Unlock()
		}},
		{"locked twice", func(f func(func(string))) {
			runtime.LockOSThread()
			pin := corotest.Lock("caller")
			f(pin.Check)
			pin.Unlock()
			runtime.UnlockOSThread()
		}},
		{"new goroutine", func(f func(func(string))) { onNew(func() { f(corotest.MustBeUnlocked) }) }},
		{"new locked goroutine", func(f func(func(string))) {
			onNewLocked("new goroutine", func(pin *corotest.Pin) { f(pin.Check) })
		}},
	}
	for _, it := range sharedIters {
		for _, made := range states {
			for _, first := range states {
				for _, then := range states {
					var next func() (int, bool)
					var stop func()
					made.in(func(check func(string)) {
						next, stop = corotest.Pull(it.seq)
						check("after Pull")
					})
					first.in(func(check func(string)) {
						sharedNext(next)
						check("after next")
						runtime.Gosched()
						check("after Gosched")
					})
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

// CoroSharedReserved: a thread that a parked iterator has locked is nobody
// else's.
func CoroSharedReserved() {
	for range 20 {
		next, stop := corotest.Pull(sharedIterHold)
		for range 3 {
			sharedNext(next)
			for range 50 {
				corotest.MustBeFree("caller")
				runtime.Gosched()
			}
			corotest.Block()
			corotest.MustBeFree("caller, after blocking,")
			corotest.MustBeUnlocked("caller")
		}
		stop()
	}
}

// CoroSharedDonated: a coroutine made under a lock and driven by its maker is
// on the maker's thread, all the time. Channels cannot do this.
func CoroSharedDonated() {
	pin := corotest.Lock("caller")
	seq := iter.Seq[int](func(yield func(int) bool) {
		for {
			pin.Check("as lent to the iterator")
			runtime.Gosched()
			pin.Check("as lent, after Gosched")
			corotest.Block()
			pin.Check("as lent, after blocking")
			if !yield(5) {
				return
			}
		}
	})
	for range 4 {
		next, stop := corotest.Pull(seq)
		for range 50 {
			sharedNext(next)
			pin.Check("after next")
			corotest.Block()
			pin.Check("after blocking")
		}
		stop()
		pin.Check("after stop")
		seq = sharedNested(seq)
	}
	pin.Unlock()
}

// CoroSharedLoanElsewhere drives a coroutine from elsewhere while its maker's
// thread is held up.
func CoroSharedLoanElsewhere() {
	for i := range 20 {
		made := make(chan func() (int, bool))
		gate := corotest.NewGate()
		done := make(chan bool)
		var maker int
		go func() {
			pin := corotest.Lock("maker")
			maker = pin.Thread()
			next, _ := corotest.Pull(func(yield func(int) bool) {
				for j := range 3 {
					if (i%2 == 0 || j > 0) && corotest.ThreadID() == maker && maker != 0 {
						corotest.Fatal("a loan claims the lender's thread")
					}
					if i%2 == 0 || j > 0 {
						corotest.MustBeUnlocked("iterator")
					}
					if !yield(5) {
						return
					}
				}
			})
			n := 0
			if i%2 == 1 {
				sharedNext(next)
				n++
			}
			made <- next
			gate.Wait()
			pin.Unlock()
			done <- true
		}()
		next := <-made
		sharedDrain(next, 3-i%2, func() { corotest.MustBeUnlocked("driver") })
		gate.Open()
		<-done
	}
}

// CoroSharedLoanLockedElsewhere is the same with a driver that is locked, too,
// and an iterator that locks.
func CoroSharedLoanLockedElsewhere() {
	for _, it := range sharedIters {
		made := make(chan func() (int, bool))
		gate := corotest.NewGate()
		done := make(chan bool)
		go func() {
			pin := corotest.Lock("maker")
			next, _ := corotest.Pull(it.seq)
			made <- next
			gate.Wait()
			pin.Unlock()
			done <- true
		}()
		next := <-made
		onNewLocked("driver", func(pin *corotest.Pin) {
			sharedDrain(next, 3, func() { pin.Check("after next") })
		})
		gate.Open()
		<-done
	}
}

// CoroSharedMakerGone drives coroutines whose maker has exited, and taken its
// thread along.
func CoroSharedMakerGone() {
	for _, it := range sharedIters {
		for _, used := range []int{0, 1} {
			made := make(chan func() (int, bool))
			tid := 0
			go func() {
				pin := corotest.Lock("maker")
				tid = pin.Thread()
				next, _ := corotest.Pull(it.seq)
				for range used {
					sharedNext(next)
				}
				pin.Check("after next")
				pin.Forget()
				made <- next
			}()
			next := <-made
			if used == 0 && tid != sharedMainThread {
				corotest.MustEnd("its locked goroutine", tid)
			}
			sharedDrain(next, 3-used, func() { corotest.MustBeUnlocked("driver") })
		}
	}
}

// sharedMainThread is never ended.
var sharedMainThread = corotest.ThreadID()

// CoroSharedLeak forgets coroutines that were made under locks: their threads
// are used again.
func CoroSharedLeak() {
	before := 0
	for i := range 300 {
		if i == 50 {
			before = corotest.Threads()
		}
		onNewLocked("maker", func(pin *corotest.Pin) {
			corotest.Pull(sharedSimple)
			next, _ := corotest.Pull(sharedNested(sharedIterLock))
			sharedNext(next)
			pin.Check("after next")
		})
	}
	if n := corotest.Threads() - before; n > 20 {
		corotest.Fatal(n, "threads more")
	}
}

// CoroSharedUnlockRelock locks, unlocks and locks again, at every place. What
// counts is the thread between a lock and its unlock.
func CoroSharedUnlockRelock() {
	seq := func(yield func(int) bool) {
		for i := 0; ; i++ {
			pin := corotest.Lock("iterator")
			ok := yield(5)
			pin.Unlock()
			if i%2 == 0 {
				corotest.Block()
			}
			pin = corotest.Lock("iterator again")
			if i%3 == 0 {
				corotest.Block()
			}
			ok = ok && yield(5)
			pin.Check("after the second yield")
			pin.Unlock()
			if !ok || !yield(5) {
				return
			}
		}
	}
	for i := range 40 {
		next, stop := corotest.Pull(seq)
		for j := range 9 {
			switch (i + j) % 3 {
			case 0:
				sharedNext(next)
			case 1:
				pin := corotest.Lock("caller")
				sharedNext(next)
				pin.Unlock()
				pin = corotest.Lock("caller again")
				sharedNext(next)
				pin.Unlock()
			case 2:
				onNewLocked("other caller", func(pin *corotest.Pin) {
					sharedNext(next)
					pin.Check("after next")
				})
			}
			corotest.MustBeUnlocked("caller")
		}
		stop()
	}
}

// CoroSharedLockOnReserved: who has unlocked a thread that others still have
// a claim on, and locks again, gets another one: it must be able to hold that
// up without holding up the others.
func CoroSharedLockOnReserved() {
	for range 20 {
		pin := corotest.Lock("caller")
		next, stop := corotest.Pull(sharedIterHold)
		sharedNext(next)
		pin.Check("after next")
		pin.Unlock()
		pin = corotest.Lock("caller again")
		gate := corotest.NewGate()
		done := make(chan bool)
		go func() {
			sharedNext(next)
			gate.Open()
			sharedNext(next)
			done <- true
		}()
		gate.Wait()
		pin.Check("after the gate")
		<-done
		stop()
		pin.Unlock()
	}
}

// CoroSharedUnlockThenSwitch: who has unlocked such a thread and goes on to
// another coroutine at once does not pass it on for good.
func CoroSharedUnlockThenSwitch() {
	for i := range 20 {
		other, stopOther := corotest.Pull(func(yield func(int) bool) {
			yield(5)
			pin := corotest.Lock("the other iterator")
			yield(5)
			gate := corotest.NewGate()
			go func() {
				corotest.Block()
				gate.Open()
			}()
			gate.Wait()
			pin.Unlock()
		})
		if i%2 == 0 {
			sharedNext(other)
		}
		pin := corotest.Lock("caller")
		next, stop := corotest.Pull(sharedIterHold)
		sharedNext(next)
		pin.Unlock()
		sharedNext(other)
		if i%2 == 1 {
			sharedNext(other)
		}
		// Now the other iterator has a lock, and nobody else has it.
		sharedNext(next)
		corotest.MustBeUnlocked("caller")
		corotest.Block()
		stopOther()
		sharedNext(next)
		stop()
	}
}

// CoroSharedLocksAfterwards counts the locks that each side has left.
func CoroSharedLocksAfterwards() {
	count := func(who string, want int) {
		for n := range want {
			if !corotest.Locked() {
				corotest.Fatal(who, "had", n, "locks and not", want)
			}
			runtime.UnlockOSThread()
		}
		if corotest.Locked() {
			corotest.Fatal(who, "had more than", want, "locks")
		}
	}
	for caller := range 4 {
		for iterator := range 4 {
			for range caller {
				runtime.LockOSThread()
			}
			// Made without a lock, so that none is lent.
			var next func() (int, bool)
			onNew(func() {
				next, _ = corotest.Pull(func(yield func(int) bool) {
					for range iterator {
						runtime.LockOSThread()
					}
					yield(5)
					corotest.Block()
					yield(5)
					count("iterator", iterator)
					yield(5)
				})
			})
			sharedNext(next)
			corotest.Block()
			sharedNext(next)
			count("caller", caller)
			sharedNext(next)
			sharedDone(next)
			corotest.MustBeUnlocked("caller")
		}
	}
}

// CoroSharedLoanUnlock: an iterator that unlocks what it has not locked takes
// nothing from the lender.
func CoroSharedLoanUnlock() {
	for extra := range 3 {
		pin := corotest.Lock("caller")
		runtime.LockOSThread()
		next, stop := corotest.Pull(func(yield func(int) bool) {
			for {
				for range extra {
					runtime.UnlockOSThread()
				}
				if !yield(5) {
					return
				}
			}
		})
		for range 5 {
			sharedNext(next)
			pin.Check("after next")
			corotest.Block()
			pin.Check("after blocking")
		}
		stop()
		pin.Check("after stop")
		runtime.UnlockOSThread()
		pin.Unlock()
		corotest.MustBeUnlocked("caller")
	}
}

// CoroSharedLoanUnlockLock: an iterator that unlocks what it was lent and
// locks again still has a loan, by the counts. It is on one thread until it is
// resumed from elsewhere, and the lender loses nothing.
func CoroSharedLoanUnlockLock() {
	pin := corotest.Lock("caller")
	next, stop := corotest.Pull(func(yield func(int) bool) {
		for {
			runtime.UnlockOSThread()
			runtime.Gosched()
			own := corotest.Lock("iterator")
			corotest.Block()
			own.Unlock()
			runtime.LockOSThread()
			if !yield(5) {
				return
			}
		}
	})
	for range 5 {
		sharedNext(next)
		pin.Check("after next")
		corotest.Block()
		pin.Check("after blocking")
	}
	onNewLocked("another caller", func(pin *corotest.Pin) {
		sharedNext(next)
		pin.Check("after next")
	})
	pin.Check("after the other's next")
	sharedNext(next)
	pin.Check("after next")
	stop()
	pin.Unlock()
	corotest.MustBeUnlocked("caller")
}

// CoroSharedFreeForgets: a switch under unequal locks leaves nothing behind on a
// thread that is free again. Whoever locks that next lends it like any other, and
// the iterator's UnlockOSThread and LockOSThread there cancel each other out.
func CoroSharedFreeForgets() {
	for range 10 {
		pin := corotest.Lock("caller")
		next, stop := corotest.Pull(func(yield func(int) bool) {
			own := corotest.Lock("iterator")
			yield(5)
			own.Unlock()
		})
		sharedNext(next)
		sharedDone(next)
		stop()
		pin.Unlock()

		// No scheduling so far: this is the same thread.
		pin = corotest.Lock("caller")
		next, _ = corotest.Pull(func(yield func(int) bool) {
			if !corotest.Chan {
				runtime.UnlockOSThread()
				runtime.LockOSThread()
			}
			yield(5)
			corotest.MustBeUnlocked("iterator")
		})
		sharedNext(next)
		done := make(chan bool)
		go func() {
			sharedDone(next)
			done <- true
		}()
		<-done
		pin.Unlock()
	}
}

// CoroSharedLoanLateLock: somebody else yields in an iterator's place, and so
// ends its loan. The iterator locks the thread after that, before its caller is
// there. When it unlocks, it has no right to the thread, and its caller waits.
func CoroSharedLoanLateLock() {
	pin := corotest.Lock("caller")
	for range 100 {
		var back atomic.Bool
		left, ended := make(chan bool), make(chan bool)
		next, _ := corotest.Pull(func(yield func(int) bool) {
			go func() {
				time.Sleep(50 * time.Microsecond)
				yield(5)
				ended <- true
			}()
			for i := 1; !back.Load(); i++ {
				runtime.LockOSThread()
				for range 50 {
					back.Load()
				}
				if i%(1<<19) == 0 {
					runtime.Gosched() // as in Spin
				}
				runtime.UnlockOSThread()
			}
			corotest.MustBeFree("the iterator")
			left <- true
			<-ended
		})
		sharedNext(next)
		pin.Check("after next")
		back.Store(true)
		<-left
		sharedDone(next)
	}
	pin.Unlock()
}

// CoroSharedSpinningBorrower: a borrower that never blocks is displaced.
func CoroSharedSpinningBorrower() {
	for _, procs := range []int{1, 2, 4} {
		runtime.GOMAXPROCS(procs)
		pin := corotest.Lock("caller")
		var back atomic.Bool
		next, stop := corotest.Pull(func(yield func(int) bool) {
			for {
				back.Store(false)
				var ok bool
				done := make(chan bool, 1)
				go func() {
					ok = yield(5)
					done <- true
				}()
				corotest.Spin(back.Load)
				<-done
				if !ok {
					return
				}
			}
		})
		for range 5 {
			sharedNext(next)
			pin.Check("after next")
			back.Store(true)
		}
		stop()
		pin.Unlock()
	}
}

// CoroSharedWaitingBorrower: an iterator that has borrowed its caller's thread
// is bound to none while it waits, and tracebacks do not say so.
func CoroSharedWaitingBorrower() {
	pin := corotest.Lock("caller")
	next, stop := corotest.Pull(sharedSimple)
	runtime.LockOSThread() // not as at the coroutine's creation
	for range 3 {
		sharedNext(next)
		buf := make([]byte, 1<<16)
		buf = buf[:runtime.Stack(buf, true)]
		// The caller itself comes first.
		for i, g := range strings.Split(string(buf), "\n\ngoroutine ") {
			header, _, _ := strings.Cut(g, "\n")
			if i > 0 && strings.Contains(header, "locked to thread") {
				corotest.Fatal("goroutine", header)
			}
		}
	}
	stop()
	runtime.UnlockOSThread()
	pin.Unlock()
}

// CoroSharedTimeShare: two that have locked one thread both go on, though
// neither blocks.
func CoroSharedTimeShare() {
	for _, procs := range []int{1, 2, 4} {
		runtime.GOMAXPROCS(procs)
		pin := corotest.Lock("caller")
		var turn atomic.Int32
		next, _ := corotest.Pull(func(yield func(int) bool) {
			own := corotest.Lock("iterator")
			done := make(chan bool, 1)
			go func() {
				yield(5)
				done <- true
			}()
			for i := int32(0); i < 20; i += 2 {
				corotest.Spin(func() bool { return turn.Load() == i })
				own.Check("while sharing")
				turn.Store(i + 1)
			}
			<-done
			own.Unlock()
		})
		sharedNext(next)
		for i := int32(1); i < 20; i += 2 {
			corotest.Spin(func() bool { return turn.Load() == i })
			pin.Check("while sharing")
			turn.Store(i + 1)
		}
		sharedDone(next)
		pin.Unlock()
	}
}

// CoroSharedTimeShareSyscall: of two that have locked one thread, one that can
// run goes on when the other one comes back from a long system call, whether a
// P is idle then or not.
func CoroSharedTimeShareSyscall() {
	const rounds = 50
	for _, procs := range []int{1, 2} {
		runtime.GOMAXPROCS(procs)
		var end atomic.Bool
		for range procs - 1 {
			go corotest.Spin(end.Load)
		}
		pin := corotest.Lock("caller")
		var turns atomic.Int32
		wake := make(chan bool, 1)
		next, _ := corotest.Pull(func(yield func(int) bool) {
			own := corotest.Lock("iterator")
			done := make(chan bool, 1)
			go func() {
				yield(5)
				done <- true
			}()
			for range wake {
				turns.Add(1)
				own.Check("while sharing")
			}
			<-done
			own.Unlock()
		})
		sharedNext(next)
		early, counted := 0, 0
		for i := 0; i < 10*rounds && counted < rounds; i++ {
			gate := corotest.NewGate()
			var counts atomic.Bool
			counts.Store(procs > 1)
			go func() {
				wake <- true
				runtime.Gosched()
				gate.Open()
				if procs == 1 {
					sharedKeepP(&counts)
				}
			}()
			gate.Wait()
			pin.Check("while sharing")
			first := int(turns.Load()) <= i
			for int(turns.Load()) <= i {
				runtime.Gosched()
			}
			if counts.Load() {
				counted++
				if first {
					early++
				}
			}
		}
		end.Store(true)
		close(wake)
		sharedDone(next)
		pin.Unlock()
		// Somebody may hold the opener's thread up.
		if early > counted/5 {
			corotest.Fatal("with", procs, "Ps, the call's goroutine went on first", early, "times of", counted)
		}
	}
}

// sharedKeepP keeps the only P until no system call is left that could want it,
// and sets kept if there was one: the kernel may have let the call return, and
// take the P, first.
func sharedKeepP(kept *atomic.Bool) {
	calls := []metrics.Sample{{Name: "/sched/goroutines/not-in-go:goroutines"}}
	spin := func(d time.Duration) {
		for start := time.Now(); time.Since(start) < d; {
		}
	}
	for start := time.Now(); time.Since(start) < 200*time.Millisecond; spin(100 * time.Microsecond) {
		if metrics.Read(calls); calls[0].Value.Uint64() == 0 {
			break
		}
		kept.Store(true)
	}
	spin(5 * time.Millisecond) // it is counted as returned before it is in a queue
}

// CoroSharedBorrowerInSyscall: a lender gets its thread back from a borrower
// in a system call when that returns.
func CoroSharedBorrowerInSyscall() {
	for range 10 {
		pin := corotest.Lock("caller")
		next, stop := corotest.Pull(func(yield func(int) bool) {
			gate := corotest.NewGate()
			done := make(chan bool)
			go func() {
				go func() {
					corotest.Block()
					gate.Open()
				}()
				yield(5)
				done <- true
			}()
			gate.Wait()
			<-done
		})
		sharedNext(next)
		pin.Check("after next")
		stop()
		pin.Unlock()
	}
}

// CoroSharedChain nests iterators in a chain of loans. At every level in
// turn, a foreign goroutine yields; so the chain is cut there.
func CoroSharedChain(depth int) {
	for cut := range depth {
		for _, lockAt := range []int{-1, 0, depth - 1} {
			pin := corotest.Lock("caller")
			seq := iter.Seq[int](sharedSimple)
			for level := range depth {
				inner := seq
				seq = func(yield func(int) bool) {
					var own *corotest.Pin
					if level == lockAt {
						own = corotest.Lock(fmt.Sprint("level ", level))
						defer func() { own.Unlock() }()
					}
					next, stop := corotest.Pull(inner)
					defer stop()
					for {
						v, ok := next()
						if own != nil {
							own.Check("after next")
						}
						if !ok {
							return
						}
						if level != cut {
							if !yield(v) {
								return
							}
							continue
						}
						more := make(chan bool)
						go func() { more <- yield(v) }()
						if !<-more {
							return
						}
					}
				}
			}
			next, stop := corotest.Pull(seq)
			for range 2 {
				sharedNext(next)
				pin.Check("after next")
				corotest.Block()
				pin.Check("after blocking")
			}
			onNew(func() { sharedNext(next) })
			pin.Check("after another's next")
			stop()
			pin.Check("after stop")
			pin.Unlock()
			corotest.MustBeUnlocked("caller")
		}
	}
}

// CoroSharedPairsStay: an iterator of a locked caller that locks and unlocks
// in pairs, and yields in between, stays on the caller's thread.
func CoroSharedPairsStay() {
	sharedPairsStay(corotest.Lock("caller"))
}

// CoroSharedMainThread is the same on the main thread.
func CoroSharedMainThread() {
	pin := corotest.Hold("main")
	if pin.Thread() != sharedMainThread {
		corotest.Fatal("main is not on the main thread")
	}
	sharedPairsStay(pin)
	runtime.UnlockOSThread()
}

func sharedPairsStay(pin *corotest.Pin) {
	stays := func(where string) {
		if !corotest.Chan {
			pin.Check(where)
		}
	}
	next, stop := corotest.Pull(func(yield func(int) bool) {
		for i := 0; ; i++ {
			stays("iterator")
			for range i % 3 {
				runtime.LockOSThread()
			}
			own := corotest.Lock("iterator")
			stays("iterator, locked")
			if i%4 == 0 {
				corotest.Block()
			}
			ok := yield(5)
			stays("iterator, after yield")
			own.Unlock()
			for range i % 3 {
				runtime.UnlockOSThread()
			}
			stays("iterator, unlocked")
			if i%4 == 1 {
				corotest.Block()
			}
			if !ok || !yield(5) {
				return
			}
		}
	})
	for range 50 {
		sharedNext(next)
		pin.Check("after next")
		own := corotest.Lock("caller again")
		sharedNext(next)
		own.Unlock()
	}
	stop()
	pin.Unlock()
}

// CoroSharedLoanRenewed: the locks are as at the iterator's creation when it is
// resumed, but half of them are its own. It is lent the thread all the same.
func CoroSharedLoanRenewed() {
	outer := corotest.Lock("caller")
	pin := corotest.Lock("caller")
	next, _ := corotest.Pull(func(yield func(int) bool) {
		for range 3 {
			own := corotest.Lock("iterator")
			yield(5)
			own.Unlock()
			if !corotest.Chan {
				outer.Check("iterator, after its unlock")
			}
		}
	})
	pin.Unlock()
	for range 3 {
		sharedNext(next)
	}
	sharedDone(next)
	outer.Unlock()
}

// CoroSharedLoanRenewedAfter is the same after somebody else has yielded in the
// iterator's place, which ends its loan.
func CoroSharedLoanRenewedAfter() {
	outer := corotest.Lock("caller")
	pin := corotest.Lock("caller")
	next, _ := corotest.Pull(func(yield func(int) bool) {
		own := corotest.Lock("iterator")
		done := make(chan bool)
		go func() {
			yield(5)
			done <- true
		}()
		<-done
		yield(5)
		own.Unlock()
		if !corotest.Chan {
			outer.Check("iterator, after its unlock")
		}
	})
	sharedNext(next)
	pin.Unlock()
	sharedNext(next)
	sharedDone(next)
	outer.Unlock()
}

// CoroSharedExitEndsThread: an iterator that ends with its own lock takes its
// thread along, and not its caller.
func CoroSharedExitEndsThread() {
	for _, end := range []string{"return", "panic", "Goexit"} {
		sharedExit(end, false)
		sharedExit(end, true)
		// With one P no other thread is needed: one that went idle in place of
		// its end would not be woken, and never end.
		procs := runtime.GOMAXPROCS(1)
		for range 5 {
			sharedExit(end, true)
		}
		runtime.GOMAXPROCS(procs)
	}
}

func sharedExit(end string, locked bool) {
	for range 100 {
		tid, callerTID := 0, 0
		onNew(func() {
			if locked {
				pin := corotest.Lock("caller")
				callerTID = pin.Thread()
				defer func() {
					pin.Check("after the iterator's end")
					pin.Unlock()
				}()
			}
			defer func() {
				if tid != 0 && corotest.ThreadID() == tid {
					corotest.Fatal("the caller goes on on the thread that its iterator has exited with")
				}
				if v := recover(); v != nil && v != end {
					corotest.Fatal("another panic")
				}
			}()
			// Made elsewhere, so that no lock is lent.
			var next func() (int, bool)
			onNew(func() {
				next, _ = corotest.Pull(func(yield func(int) bool) {
					own := corotest.Lock("iterator")
					tid = own.Thread()
					yield(5)
					own.Check("after yield")
					// A P is passed on to a thread that has stopped.
					corotest.AwaitSleep(callerTID)
					own.Forget()
					switch end {
					case "panic":
						panic(end)
					case "Goexit":
						runtime.Goexit()
					}
				})
			})
			sharedNext(next)
			sharedDone(next)
		})
		if tid != sharedMainThread {
			corotest.MustEnd("an iterator that exited with its lock,", tid)
			return
		}
	}
	corotest.Fatal("always on the main thread")
}

// CoroSharedExitAfterLastClaim: when others have locked that thread, too, it
// ends after the last of them.
func CoroSharedExitAfterLastClaim() {
	for _, iterators := range []int{1, 3} {
		for tries := 0; ; tries++ {
			if tries == 100 {
				corotest.Fatal("always on the main thread")
			}
			var tids []int
			onNew(func() {
				pin := corotest.Lock("caller")
				for range iterators {
					next, _ := corotest.Pull(func(yield func(int) bool) {
						own := corotest.Lock("iterator")
						tids = append(tids, own.Thread())
						yield(5)
						own.Check("after yield")
						own.Forget()
					})
					sharedNext(next)
					pin.Check("after next")
					sharedDone(next)
					pin.Check("after the iterator's end")
					corotest.Block()
					pin.Check("after blocking")
				}
				pin.Unlock()
				if tid := corotest.ThreadID(); tid != 0 && tid == pin.Thread() && !corotest.Chan {
					corotest.Fatal("the caller goes on on thread", tid, "which is to end")
				}
				corotest.MustBeUnlocked("caller")
				for range 100 {
					runtime.Gosched()
				}
			})
			main := false
			for _, tid := range tids {
				main = main || tid == sharedMainThread
			}
			if main {
				continue
			}
			for _, tid := range tids {
				corotest.MustEnd("all who had locked it", tid)
			}
			break
		}
	}
}

// CoroSharedExitInSyscall: such a thread also ends when the last to unlock it
// goes straight into a system call, and there is no P when that returns.
func CoroSharedExitInSyscall() {
	runtime.GOMAXPROCS(1)
	for tries := range 20 {
		var tid int
		onNew(func() {
			pin := corotest.Lock("caller")
			next, _ := corotest.Pull(func(yield func(int) bool) {
				own := corotest.Lock("iterator")
				tid = own.Thread()
				yield(5)
				own.Forget()
			})
			sharedNext(next)
			sharedDone(next)
			gate := corotest.NewGate()
			var stop atomic.Bool
			go func() {
				time.Sleep(time.Millisecond)
				gate.Open()
				for deadline := time.Now().Add(20 * time.Millisecond); !stop.Load() && time.Now().Before(deadline); {
				}
			}()
			pin.Unlock()
			gate.Wait()
			stop.Store(true)
			corotest.MustBeUnlocked("caller")
		})
		if tid != sharedMainThread {
			corotest.MustEnd("all who had locked it", tid)
			if tries > 5 {
				return
			}
		}
	}
}

// CoroSharedLentExitKeepsThread ends coroutines that have nothing but loans.
func CoroSharedLentExitKeepsThread() {
	created := pprof.Lookup("threadcreate")
	before := 0
	for i := range 200 {
		if i == 20 {
			before = created.Count()
		}
		pin := corotest.Lock("caller")
		for _, seq := range []iter.Seq[int]{sharedSimple, sharedIterLock, sharedNested(sharedIterLock)} {
			next, _ := corotest.Pull(seq)
			sharedDrain(next, 3, func() { pin.Check("after next") })
			next, stop := corotest.Pull(seq)
			sharedNext(next)
			onNew(stop)
			next, _ = corotest.Pull(seq)
			onNew(func() { sharedDrain(next, 3, func() {}) })
		}
		pin.Unlock()
	}
	if n := created.Count() - before; n > 50 {
		corotest.Fatal("created", n, "threads")
	}
}

// CoroSharedPanic: panics arrive, and the locks are as they were.
func CoroSharedPanic() {
	type failure struct{ n int }
	catch := func(f func()) (v any) {
		defer func() { v = recover() }()
		f()
		return nil
	}
	for _, locked := range []bool{false, true} {
		for _, elsewhere := range []bool{false, true} {
			for n, seq := range []iter.Seq[int]{
				func(yield func(int) bool) { panic(&failure{0}) },
				func(yield func(int) bool) { yield(5); panic(&failure{1}) },
				func(yield func(int) bool) { corotest.Lock("iterator").Forget(); panic(&failure{2}) },
				func(yield func(int) bool) {
					own := corotest.Lock("iterator")
					defer own.Forget()
					defer own.Check("in a deferred call")
					yield(5)
					panic(&failure{3})
				},
				sharedNested(func(yield func(int) bool) {
					own := corotest.Lock("iterator")
					defer own.Unlock()
					yield(5)
					panic(&failure{4})
				}),
				func(yield func(int) bool) {
					own := corotest.Lock("iterator")
					defer own.Unlock()
					if v := catch(func() { yield(5); panic(&failure{5}) }); v.(*failure).n != 5 {
						corotest.Fatal("another panic")
					}
					own.Check("after a recovered panic")
					panic(v5(&failure{5}))
				},
			} {
				check := corotest.MustBeUnlocked
				var pin *corotest.Pin
				if locked {
					pin = corotest.Lock("caller")
					check = pin.Check
				}
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
				if f, ok := v.(*failure); !ok || f.n != n {
					corotest.Fatal("panic", n, "did not arrive")
				}
				check("after the panic")
				sharedDone(next)
				corotest.Block()
				check("after blocking")
				if locked {
					pin.Unlock()
				}
				corotest.MustBeUnlocked("caller")
			}
		}
	}
}

func v5(v any) any { return v }

// CoroSharedGoexit: so do Goexits.
func CoroSharedGoexit() {
	for _, locked := range []bool{false, true} {
		for _, elsewhere := range []bool{false, true} {
			for _, seq := range []iter.Seq[int]{
				func(yield func(int) bool) { runtime.Goexit() },
				func(yield func(int) bool) { corotest.Lock("iterator").Forget(); runtime.Goexit() },
				func(yield func(int) bool) {
					own := corotest.Lock("iterator")
					defer own.Forget()
					yield(5)
					own.Check("after yield")
					runtime.Goexit()
				},
				sharedNested(func(yield func(int) bool) {
					own := corotest.Lock("iterator")
					defer own.Unlock()
					yield(5)
					runtime.Goexit()
				}),
			} {
				exited := false
				onNew(func() {
					var pin *corotest.Pin
					check := corotest.MustBeUnlocked
					if locked {
						pin = corotest.Lock("caller")
						check = pin.Check
						defer pin.Forget()
					}
					defer func() {
						if recover() != nil {
							corotest.Fatal("a panic and not a Goexit")
						}
						check("after Goexit")
						corotest.Block()
						check("after Goexit, after blocking")
						exited = true
					}()
					var next func() (int, bool)
					if elsewhere {
						onNew(func() { next, _ = corotest.Pull(seq) })
					} else {
						next, _ = corotest.Pull(seq)
					}
					for {
						sharedNext(next)
						check("after next")
					}
				})
				if !exited {
					corotest.Fatal("no Goexit")
				}
			}
		}
	}
}

// CoroSharedStopElsewhere stops iterators from other goroutines than made and
// used them.
func CoroSharedStopElsewhere() {
	for _, it := range sharedIters {
		for _, made := range []bool{false, true} {
			for _, stopped := range []bool{false, true} {
				var next func() (int, bool)
				var stop func()
				use := func() {
					next, stop = corotest.Pull(it.seq)
					sharedNext(next)
				}
				end := func() { stop(); sharedDone(next) }
				if made {
					onNewLocked("maker", func(pin *corotest.Pin) { use(); pin.Check("after next") })
				} else {
					onNew(use)
				}
				if stopped {
					onNewLocked("stopper", func(pin *corotest.Pin) { end(); pin.Check("after stop") })
				} else {
					onNew(end)
				}
			}
		}
	}
}

// CoroSharedConcurrentNext passes one iterator around, and calls next where
// it must not be called.
func CoroSharedConcurrentNext() {
	// In turns.
	var mu sync.Mutex
	i := 0
	next, stop := corotest.Pull(func(yield func(int) bool) {
		own := corotest.Lock("iterator")
		defer own.Unlock()
		for ; yield(i); i++ {
			own.Check("after yield")
		}
	})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for range 100 {
				var pin *corotest.Pin
				if g%2 == 0 {
					pin = corotest.Lock("caller")
				}
				mu.Lock()
				if v, ok := next(); v != i || !ok {
					corotest.Fatal("next returned", v, ok, "and not", i)
				}
				mu.Unlock()
				if pin != nil {
					pin.Unlock()
				}
			}
		})
	}
	wg.Wait()
	onNew(stop)

	// At the same time: the second to come is told.
	asked := make(chan bool)
	answer := make(chan bool)
	next, _ = corotest.Pull(func(yield func(int) bool) {
		own := corotest.Lock("iterator")
		defer own.Unlock()
		asked <- true
		<-answer
		yield(5)
	})
	go onNewLocked("first", func(*corotest.Pin) { sharedNext(next); answer <- true })
	<-asked
	onNewLocked("second", func(*corotest.Pin) {
		defer func() {
			if v := recover(); v != "iter.Pull: next called again before yield" {
				corotest.Fatal("no panic, or another one")
			}
		}()
		next()
	})
	answer <- true
	<-answer
	sharedDone(next)

	// And who yields twice.
	next, _ = corotest.Pull(func(yield func(int) bool) {
		own := corotest.Lock("iterator")
		defer own.Unlock()
		go yield(5)
		for range 10 {
			corotest.Block()
		}
		defer func() {
			if v := recover(); v != "iter.Pull: yield called again before next" {
				corotest.Fatal("no panic, or another one")
			}
			asked <- true
		}()
		yield(5)
	})
	sharedNext(next)
	<-asked
}

// CoroSharedStopInFlight calls stop while a call of next waits: it takes that
// one's place.
func CoroSharedStopInFlight() {
	for range 20 {
		asked := make(chan bool)
		answer := make(chan bool)
		done := make(chan bool)
		next, stop := corotest.Pull(func(yield func(int) bool) {
			own := corotest.Lock("iterator")
			defer own.Unlock()
			asked <- true
			<-answer
			if yield(5) {
				corotest.Fatal("yield returned true after stop")
			}
			own.Check("after yield")
		})
		go func() {
			pin := corotest.Lock("caller")
			if v, ok := next(); v != 0 || ok {
				corotest.Fatal("next returned", v, ok)
			}
			pin.Unlock()
			done <- true
		}()
		<-asked
		go func() {
			pin := corotest.Lock("stopper")
			stop()
			pin.Unlock()
			done <- true
		}()
		<-done
		answer <- true
		<-done
	}
}

// CoroSharedMany has many goroutines use many iterators on many threads.
func CoroSharedMany() {
	const goroutines, iterators, steps = 12, 16, 60
	type handle struct {
		next func() (int, bool)
		want int
	}
	pool := make(chan *handle, iterators)
	for n := range iterators {
		made := func() {
			next, _ := corotest.Pull(func(yield func(int) bool) {
				var pins []*corotest.Pin
				for i := 0; yield(i); i++ {
					for _, p := range pins {
						p.Check("after yield")
					}
					switch (i*7 + n) % 11 {
					case 0, 1:
						pins = append(pins, corotest.Lock("iterator"))
					case 2, 3, 4:
						if k := len(pins); k > 0 {
							pins[k-1].Unlock()
							pins = pins[:k-1]
						}
					case 5:
						corotest.Block()
					}
				}
			})
			pool <- &handle{next: next}
		}
		if n%2 == 0 {
			onNewLocked("maker", func(*corotest.Pin) { made() })
		} else {
			made()
		}
	}
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			var pin *corotest.Pin
			for i := range steps {
				h := <-pool
				if v, ok := h.next(); v != h.want || !ok {
					corotest.Fatal("next returned", v, ok, "and not", h.want)
				}
				h.want++
				if pin != nil {
					pin.Check("after next")
				} else {
					corotest.MustBeUnlocked("caller")
				}
				if (i+g)%5 == 0 {
					if pin == nil {
						pin = corotest.Lock("caller")
					} else {
						pin.Unlock()
						pin = nil
					}
				}
				pool <- h
			}
			if pin != nil {
				pin.Unlock()
			}
		})
	}
	wg.Wait()
}

// CoroSharedFair: an iterator with a lock, its caller with and without one,
// and goroutines that never block all get on, on one P and on two.
func CoroSharedFair() {
	for _, procs := range []int{1, 2} {
		for _, locked := range []bool{false, true} {
			runtime.GOMAXPROCS(procs)
			var steps [3]atomic.Int64
			var quit atomic.Bool
			var wg sync.WaitGroup
			wg.Go(func() {
				if locked {
					pin := corotest.Lock("caller")
					defer pin.Unlock()
				}
				next, stop := corotest.Pull(func(yield func(int) bool) {
					own := corotest.Lock("iterator")
					defer own.Unlock()
					for yield(5) {
					}
				})
				for !quit.Load() {
					sharedNext(next)
					steps[0].Add(1)
				}
				stop()
			})
			wg.Go(func() {
				corotest.Spin(func() bool {
					steps[1].Add(1)
					return quit.Load()
				})
			})
			wg.Go(func() {
				pin := corotest.Lock("spinner")
				corotest.Spin(func() bool {
					steps[2].Add(1)
					return quit.Load()
				})
				pin.Unlock()
			})
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
				if steps[0].Load() >= 10 && steps[1].Load() >= 10 && steps[2].Load() >= 10 {
					break
				}
				if time.Now().After(deadline) {
					corotest.Fatal("after 20 seconds:", int(steps[0].Load()), int(steps[1].Load()), int(steps[2].Load()), "steps")
				}
			}
			quit.Store(true)
			wg.Wait()
		}
	}
}

// CoroSharedBystander: a pair that does nothing but switch leaves its only P to a
// goroutine in the queue now and then, whichever side is locked, and whether or not
// somebody else always waits in the global queue.
func CoroSharedBystander() {
	runtime.GOMAXPROCS(1)
	sharedBystander()
	var over atomic.Bool
	go func() {
		for !over.Load() {
			runtime.Gosched()
		}
	}()
	sharedBystander()
	over.Store(true)
}

func sharedBystander() {
	for _, locked := range [][2]bool{{true, false}, {false, true}, {true, true}} {
		var pin, own *corotest.Pin
		if locked[0] {
			pin = corotest.Lock("caller")
		}
		next, stop := corotest.Pull(func(yield func(int) bool) {
			if locked[1] {
				own = corotest.Lock("iterator")
				defer own.Unlock()
			}
			for yield(5) {
			}
		})
		for range 1000 {
			sharedNext(next)
		}
		for range 5 {
			var ran atomic.Bool
			go ran.Store(true)
			for deadline := time.Now().Add(10 * time.Second); !ran.Load(); sharedNext(next) {
				if time.Now().After(deadline) {
					corotest.Fatal("a goroutine in the queue did not run for 10 seconds")
				}
			}
		}
		stop()
		if locked[0] {
			pin.Unlock()
		}
	}
}

// CoroSharedSyscalls lets all sides block in system calls, on one P.
func CoroSharedSyscalls() {
	wait := func() {
		gate := corotest.NewGate()
		go gate.Open()
		gate.Wait()
	}
	for _, procs := range []int{1, 2} {
		runtime.GOMAXPROCS(procs)
		for _, it := range sharedIters {
			for _, locked := range []bool{false, true} {
				check := corotest.MustBeUnlocked
				var pin *corotest.Pin
				if locked {
					pin = corotest.Lock("caller")
					check = pin.Check
				}
				next, stop := corotest.Pull(func(yield func(int) bool) {
					wait()
					it.seq(func(v int) bool {
						wait()
						ok := yield(v)
						wait()
						return ok
					})
					wait()
				})
				for range 3 {
					sharedNext(next)
					wait()
					check("after next and a system call")
				}
				stop()
				check("after stop")
				if locked {
					pin.Unlock()
				}
			}
		}
	}
}

// The main goroutine is locked internally while package initialization runs.

var sharedInitNexts []func() (int, bool)

func sharedInInit() {
	pin := corotest.Hold("init")
	for _, it := range sharedIters {
		next, _ := corotest.Pull(it.seq)
		sharedDrain(next, 3, func() { pin.Check("after next") })
		next, stop := corotest.Pull(it.seq)
		sharedNext(next)
		corotest.Block()
		pin.Check("after blocking")
		stop()
		pin.Check("after stop")

		next, _ = corotest.Pull(it.seq)
		sharedInitNexts = append(sharedInitNexts, next)
		next, _ = corotest.Pull(it.seq)
		sharedNext(next)
		pin.Check("after next")
		sharedInitNexts = append(sharedInitNexts, next)
	}
	pin.Forget()
}

// sharedAfterInit uses in main what was made in init.
func sharedAfterInit() {
	check := corotest.MustBeUnlocked
	if corotest.Locked() {
		check = corotest.Hold("main").Check
	}
	for i, next := range sharedInitNexts {
		if i%3 == 2 {
			onNew(func() { sharedNext(next) })
		} else {
			sharedNext(next)
		}
		check("after next")
		corotest.Block()
		sharedNext(next)
		check("after the second next")
	}
}

// sharedPairsInInit drives an iterator that locks its thread for each of its
// steps, and one that unlocks it. It is the main thread.
func sharedPairsInInit() {
	pin := corotest.Hold("init")
	for _, step := range []func(work func()){
		func(work func()) { runtime.LockOSThread(); work(); runtime.UnlockOSThread() },
		func(work func()) { runtime.UnlockOSThread(); work(); runtime.LockOSThread(); runtime.UnlockOSThread() },
	} {
		next, stop := corotest.Pull(func(yield func(int) bool) {
			for {
				step(func() {
					if tid := corotest.ThreadID(); !corotest.Chan && tid != pin.Thread() {
						corotest.Fatal("a step is on thread", tid, "and not on", pin.Thread())
					}
				})
				if !yield(5) {
					return
				}
			}
		})
		for range 100 {
			sharedNext(next)
			pin.Check("after next")
		}
		stop()
	}
	pin.Forget()
}

// CoroSharedLatency: a goroutine has a thread together with an iterator that
// computes there. When it can run, it need not wait for the end of a time slice.
func CoroSharedLatency() {
	runtime.GOMAXPROCS(2)
	pin := corotest.Lock("caller")
	var turns atomic.Int64 // of the iterator
	next, stop := corotest.Pull(func(yield func(int) bool) {
		own := corotest.Lock("iterator")
		for yield(5) {
			for range 20_000_000 { // some ten time slices
				turns.Add(1)
			}
		}
		own.Unlock()
	})
	sharedNext(next)
	quit, done := make(chan bool), make(chan bool)
	go func() { // drives it from elsewhere
		defer close(done)
		for {
			select {
			case <-quit:
				return
			default:
				sharedNext(next)
			}
		}
	}()
	// Others may have the processor, too. So it is the best of many that counts.
	best := time.Hour
	for range 50 {
		timer := make(chan time.Time, 1)
		time.AfterFunc(2*time.Millisecond, func() { timer <- time.Now() })
		best = min(best, time.Since(<-timer))
		pin.Check("after waiting")
	}
	close(quit)
	<-done
	stop()
	if best > 5*time.Millisecond {
		corotest.Fatal("the caller is never less than", int(best.Milliseconds()), "ms late")
	}
	pin.Unlock()
}

// CoroSharedWaits: an iterator is in a system call on the thread that it shares
// with its caller, which could run. That is counted as runnable, and a dump says
// what it waits for.
func CoroSharedWaits() {
	pin := corotest.Lock("caller")
	gate := corotest.NewGate()
	id := make(chan string, 1)
	next, stop := corotest.Pull(func(yield func(int) bool) {
		own := corotest.Lock("iterator")
		var buf [64]byte
		id <- strings.Fields(string(buf[:runtime.Stack(buf[:], false)]))[1]
		yield(5)
		gate.Wait()
		own.Unlock()
		yield(5)
	})
	sharedNext(next)
	want := "[runnable, locked to thread, waiting for its thread, on which goroutine " + <-id + " runs]"
	// The iterator may have the thread as soon as somebody drives it.
	wake, done := make(chan bool, 1), make(chan bool)
	go func() {
		sample := []metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}}
		var buf [1 << 16]byte
		for n := 0; !corotest.Chan; n++ {
			select {
			case wake <- true: // now the caller could run
			default:
			}
			time.Sleep(time.Millisecond)
			dump := string(buf[:runtime.Stack(buf[:], true)])
			metrics.Read(sample)
			if strings.Contains(dump, want) && sample[0].Value.Uint64() > 0 {
				break
			}
			if n == 10000 {
				corotest.Fatal(int(sample[0].Value.Uint64()), "goroutines are runnable; want", want, "in\n"+dump)
			}
		}
		close(wake)
		gate.Open()
	}()
	go func() {
		sharedNext(next)
		close(done)
	}()
	for range wake {
		pin.Check("after waiting")
	}
	<-done
	stop()
	pin.Unlock()
}

// sharedElsewhereInInit uses on other goroutines what init has made.
func sharedElsewhereInInit() {
	pin := corotest.Hold("init")
	for _, it := range sharedIters {
		next, stop := corotest.Pull(it.seq)
		onNewLocked("driver", func(pin *corotest.Pin) { sharedNext(next); pin.Check("after next") })
		pin.Check("after another's next")
		sharedNext(next)
		pin.Check("after next")
		onNew(stop)
	}
	pin.Forget()
}
