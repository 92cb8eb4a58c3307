// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Programs for the shared-lock rules: what looks at goroutines, stops them or
// moves their stacks, in every state that a coroutine and its thread can be in.

package main

import (
	"bytes"
	"internal/synctest"
	"io"
	"iter"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"runtime/pprof"
	"runtime/testdata/corotest"
	"runtime/trace"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func init() {
	for _, probe := range sharedProbes {
		shared("CoroSharedStates"+probe.name, func() { sharedStates(probe.f) })
	}
	sharedAlone("CoroSharedStopTheWorld", CoroSharedStopTheWorld)
	shared("CoroSharedTraceback", CoroSharedTraceback)
	sharedAlone("CoroSharedTraceFile", CoroSharedTraceFile)
	sharedAlone("CoroSharedCleanThreads", CoroSharedCleanThreads)

	register("CoroSharedNames", func() {
		for name := range cmds {
			if strings.HasPrefix(name, "CoroShared") {
				println(name)
			}
		}
	})

	sharedAlone("CoroSharedSynctest", CoroSharedSynctest)
	register("CoroSharedSynctestDeadlock", func() {
		println("expect: panic: deadlock: main bubble goroutine has exited but blocked goroutines remain")
		synctest.Run(func() {
			next, _ := corotest.Pull(sharedIterLockYield)
			sharedNext(next)
		})
		println("the bubble ended")
	})
	register("CoroSharedSynctestBlocked", func() {
		println("expect: panic: deadlock: all goroutines in bubble are blocked")
		synctest.Run(func() {
			corotest.Lock("caller")
			next, _ := corotest.Pull(func(yield func(int) bool) {
				corotest.Lock("iterator")
				yield(5)
				<-make(chan int)
			})
			sharedNext(next)
			next()
		})
		println("the bubble ended")
	})
}

// sharedProbes are what is done in each state.
var sharedProbes = []struct {
	name string
	f    func()
}{
	{"GC", func() {
		runtime.GC()
		runtime.GC() // shrinks the stacks that were scanned before
	}},
	{"Stack", func() {
		buf := make([]byte, 1<<20)
		if n := runtime.Stack(buf, true); !bytes.Contains(buf[:n], []byte("goroutine ")) {
			corotest.Fatal("no goroutine in the stacks")
		}
	}},
	{"Profile", func() {
		for _, level := range []int{0, 1, 2} {
			if err := pprof.Lookup("goroutine").WriteTo(io.Discard, level); err != nil {
				corotest.Fatal(err)
			}
		}
		for _, name := range []string{"threadcreate", "mutex", "block"} {
			if err := pprof.Lookup(name).WriteTo(io.Discard, 1); err != nil {
				corotest.Fatal(err)
			}
		}
	}},
	{"CPUProfile", func() {
		if err := pprof.StartCPUProfile(io.Discard); err != nil {
			corotest.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
		pprof.StopCPUProfile()
	}},
	{"Trace", func() {
		if err := trace.Start(io.Discard); err != nil {
			corotest.Fatal(err)
		}
		time.Sleep(100 * time.Microsecond)
		trace.Stop()
	}},
	{"Procs", func() {
		n := runtime.GOMAXPROCS(0)
		runtime.GOMAXPROCS(1)
		runtime.Gosched()
		runtime.GOMAXPROCS(n + 1)
		runtime.Gosched()
		runtime.GOMAXPROCS(n)
	}},
	{"Metrics", func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		all := metrics.All()
		samples := make([]metrics.Sample, len(all))
		for i := range all {
			samples[i].Name = all[i].Name
		}
		metrics.Read(samples)
	}},
}

// A sharedState is a situation of coroutines, goroutines and a thread. It
// calls probe from the midst of it, and often enough from another goroutine
// while the caller is not to run.
type sharedState struct {
	name string
	f    func(probe func())
}

// elsewhere runs probe on a new goroutine.
func elsewhere(probe func()) { onNew(probe) }

var sharedStateTable = []sharedState{
	{"never started, made under a lock", func(probe func()) {
		pin := corotest.Lock("caller")
		next, _ := corotest.Pull(sharedSimple)
		probe()
		elsewhere(probe)
		pin.Check("after the probe")
		sharedDrain(next, 3, func() { pin.Check("after next") })
		pin.Unlock()
	}},
	{"caller locked, iterator on loan and running", func(probe func()) {
		pin := corotest.Lock("caller")
		next, _ := corotest.Pull(func(yield func(int) bool) {
			probe()
			yield(5)
			probe()
		})
		sharedNext(next)
		pin.Check("after next")
		sharedDone(next)
		pin.Unlock()
	}},
	{"caller locked, iterator on loan and blocked", func(probe func()) {
		pin := corotest.Lock("caller")
		next, _ := corotest.Pull(func(yield func(int) bool) {
			elsewhere(probe)
			yield(5)
			elsewhere(probe)
		})
		sharedNext(next)
		pin.Check("after next")
		sharedDone(next)
		pin.Unlock()
	}},
	{"iterator locked and parked", func(probe func()) {
		next, stop := corotest.Pull(sharedIterHold)
		sharedNext(next)
		probe()
		elsewhere(probe)
		sharedNext(next)
		probe()
		stop()
	}},
	{"iterator locked and running, caller plain", func(probe func()) {
		next, stop := corotest.Pull(func(yield func(int) bool) {
			own := corotest.Lock("iterator")
			probe()
			own.Check("after the probe")
			elsewhere(probe)
			own.Check("after another's probe")
			yield(5)
			own.Unlock()
		})
		sharedNext(next)
		stop()
	}},
	{"both locked on threads of their own", func(probe func()) {
		next, stop := corotest.Pull(func(yield func(int) bool) {
			own := corotest.Lock("iterator")
			probe()
			yield(5)
			own.Check("after yield")
			elsewhere(probe)
			own.Unlock()
		})
		pin := corotest.Lock("caller")
		sharedNext(next)
		probe()
		elsewhere(probe)
		pin.Check("after the probe")
		stop()
		pin.Unlock()
	}},
	{"both locked on one thread", func(probe func()) {
		pin := corotest.Lock("caller")
		next, stop := corotest.Pull(func(yield func(int) bool) {
			own := corotest.Lock("iterator")
			probe()
			elsewhere(probe)
			own.Check("after the probe")
			yield(5)
			own.Check("after yield")
			probe()
			elsewhere(probe)
			own.Unlock()
		})
		sharedNext(next)
		probe()
		elsewhere(probe)
		pin.Check("after the probe")
		stop()
		pin.Unlock()
	}},
	{"both locked on one thread and runnable", func(probe func()) {
		pin := corotest.Lock("caller")
		var phase atomic.Int32
		next, _ := corotest.Pull(func(yield func(int) bool) {
			own := corotest.Lock("iterator")
			done := make(chan bool, 1)
			go func() {
				yield(5)
				done <- true
			}()
			corotest.Spin(func() bool { return phase.Load() == 1 })
			own.Check("while sharing")
			elsewhere(probe)
			phase.Store(2)
			<-done
			own.Unlock()
		})
		sharedNext(next)
		elsewhere(probe)
		phase.Store(1)
		corotest.Spin(func() bool { return phase.Load() == 2 })
		probe()
		pin.Check("while sharing")
		sharedDone(next)
		pin.Unlock()
	}},
	{"borrower displaced", func(probe func()) {
		pin := corotest.Lock("caller")
		var back atomic.Bool
		next, _ := corotest.Pull(func(yield func(int) bool) {
			done := make(chan bool, 1)
			go func() {
				yield(5)
				done <- true
			}()
			corotest.Spin(back.Load)
			<-done
		})
		sharedNext(next)
		probe()
		elsewhere(probe)
		pin.Check("after the probe")
		back.Store(true)
		sharedDone(next)
		pin.Unlock()
	}},
	{"loan driven from elsewhere", func(probe func()) {
		pin := corotest.Lock("caller")
		next, _ := corotest.Pull(func(yield func(int) bool) {
			probe()
			yield(5)
			elsewhere(probe)
			yield(5)
			probe()
		})
		onNew(func() { sharedNext(next) })
		probe()
		onNewLocked("driver", func(own *corotest.Pin) {
			sharedNext(next)
			own.Check("after next")
			elsewhere(probe)
		})
		pin.Check("after the others' next")
		sharedDone(next)
		pin.Unlock()
	}},
	{"iterator gone with its lock, caller still there", func(probe func()) {
		pin := corotest.Lock("caller")
		next, _ := corotest.Pull(func(yield func(int) bool) {
			corotest.Lock("iterator").Forget()
			yield(5)
		})
		sharedNext(next)
		sharedDone(next)
		probe()
		elsewhere(probe)
		pin.Check("after the probe")
		pin.Unlock()
		probe()
	}},
	{"chain of loans, cut in the middle", func(probe func()) {
		pin := corotest.Lock("caller")
		next, stop := corotest.Pull(sharedNested(func(yield func(int) bool) {
			sharedNested(sharedSimple)(func(v int) bool {
				more := make(chan bool)
				go func() { more <- yield(v) }()
				probe()
				return <-more
			})
		}))
		sharedNext(next)
		probe()
		elsewhere(probe)
		pin.Check("after the probe")
		stop()
		pin.Unlock()
	}},
}

// sharedStates brings about every state, with small stacks and with stacks
// that are about to shrink, and probes.
func sharedStates(probe func()) {
	debug.SetGCPercent(10)
	var mu sync.Mutex
	for round := range 3 {
		sharedGrow(100 * round)
		for _, s := range sharedStateTable {
			s.f(func() {
				mu.Lock()
				defer mu.Unlock()
				sharedGrow(100 * round)
				local := [4]int{1, 2, 3, round}
				p := &local // moves with the stack
				probe()
				if *p != [4]int{1, 2, 3, round} || p != &local {
					corotest.Fatal("the stack changed")
				}
			})
			corotest.MustBeUnlocked("caller")
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

// CoroSharedStopTheWorld stops the world again and again while goroutines
// that share threads go on.
func CoroSharedStopTheWorld() {
	stopWorld := func() {
		var m runtime.MemStats
		for range 20 {
			runtime.ReadMemStats(&m)
			runtime.GC()
			debug.FreeOSMemory()
			runtime.GOMAXPROCS(1 + runtime.GOMAXPROCS(0)%4)
		}
	}

	// Some that hand over all the time.
	var quit atomic.Bool
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			pin := corotest.Lock("caller")
			defer pin.Unlock()
			for n := i; !quit.Load(); n++ {
				next, stop := corotest.Pull(sharedIters[n%len(sharedIters)].seq)
				sharedNext(next)
				sharedNext(next)
				stop()
				pin.Check("after stop")
			}
		})
	}
	stopWorld()
	quit.Store(true)
	wg.Wait()

	// Two that never block, on one thread.
	quit.Store(false)
	wg.Go(func() {
		pin := corotest.Lock("caller")
		defer pin.Unlock()
		next, _ := corotest.Pull(func(yield func(int) bool) {
			own := corotest.Lock("iterator")
			done := make(chan bool, 1)
			go func() { yield(5); done <- true }()
			corotest.Spin(quit.Load)
			own.Check("while sharing")
			<-done
			own.Unlock()
		})
		sharedNext(next)
		corotest.Spin(quit.Load)
		pin.Check("while sharing")
		sharedDone(next)
	})
	stopWorld()
	quit.Store(true)
	wg.Wait()
}

// CoroSharedTraceback compares what tracebacks say of the two sides: each is
// locked if it has locked.
func CoroSharedTraceback() {
	for range 10 {
		next, stop := corotest.Pull(func(yield func(int) bool) {
			corotest.MustBeUnlocked("iterator")
			yield(5)
			own := corotest.Lock("iterator")
			own.Check("after lock")
			yield(5)
			own.Check("after yield")
			own.Unlock()
			corotest.MustBeUnlocked("iterator")
			yield(5)
			corotest.MustBeUnlocked("iterator, resumed by a locked goroutine,")
		})
		sharedNext(next)
		corotest.MustBeUnlocked("caller")
		sharedNext(next)
		corotest.MustBeUnlocked("caller of a locked iterator")
		all := make([]byte, 1<<20)
		s := string(all[:runtime.Stack(all, true)])
		if n := strings.Count(s, ", locked to thread]:"); n != 1 {
			corotest.Fatal(n, "goroutines locked to threads, want one\n", s)
		}
		sharedNext(next)
		pin := corotest.Lock("caller")
		stop()
		pin.Check("after stop")
		pin.Unlock()
		corotest.MustBeUnlocked("caller")
	}
}

// CoroSharedTraceFile traces the states to the file that CORO_TRACE names.
// The test reads it.
func CoroSharedTraceFile() {
	stop := corotest.TraceFile()
	for _, s := range sharedStateTable {
		s.f(runtime.Gosched)
	}
	for _, it := range sharedIters {
		for _, f := range []func(iter.Seq[int]){
			func(seq iter.Seq[int]) { next, _ := corotest.Pull(seq); sharedDrain(next, 3, func() {}) },
			sharedLocked,
			sharedLockAfterPull,
			sharedStopLocked,
		} {
			f(it.seq)
		}
	}
	stop()
}

// CoroSharedCleanThreads: a thread that somebody has locked and changed, here
// its name, is not the one that new threads are made from, whoever else is on
// it.
func CoroSharedCleanThreads() {
	if !corotest.SetThreadName("main") {
		return
	}
	pin := corotest.Lock("caller")
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
	// Unlock: now the caller has nothing to do with that thread.
	pin.Unlock()
	corotest.NeedThreads()
	if n := corotest.ThreadsNamed("tainted"); n > 1 {
		corotest.Fatal(n, "threads are tainted")
	}
	stop()
}

// CoroSharedSynctest uses iterators in a bubble: its clock stands still while
// a switch is on its way, and goes on when all are blocked.
func CoroSharedSynctest() {
	for _, it := range sharedIters {
		if it.name == "hold" || strings.HasSuffix(it.name, " hold") {
			continue // sleeps
		}
		for _, locked := range []bool{false, true} {
			synctest.Run(func() {
				start := time.Now()
				check := corotest.MustBeUnlocked
				var pin *corotest.Pin
				if locked {
					pin = corotest.Lock("caller")
					check = pin.Check
				}
				timer := time.AfterFunc(time.Second, func() { corotest.Fatal("time went on") })
				for range 20 {
					next, stop := corotest.Pull(it.seq)
					sharedNext(next)
					check("after next")
					stop()
					next, _ = corotest.Pull(it.seq)
					onNew(func() { sharedNext(next) })
					sharedNext(next)
					check("after the second next")
					sharedNext(next)
					sharedDone(next)
				}
				if d := time.Since(start); d != 0 {
					corotest.Fatal("the switches took", d.String(), "of a bubble's time")
				}
				timer.Stop()

				next, _ := corotest.Pull(func(yield func(int) bool) {
					own := corotest.Lock("iterator")
					time.Sleep(time.Hour)
					own.Check("after sleep")
					yield(5)
					own.Check("after yield")
					own.Unlock()
				})
				sharedNext(next)
				check("after an hour")
				time.Sleep(time.Hour)
				synctest.Wait()
				check("after two hours")
				sharedDone(next)
				if d := time.Since(start); d != 2*time.Hour {
					corotest.Fatal("it took", d.String(), "and not two hours")
				}
				if locked {
					pin.Unlock()
				}
			})
		}
	}
}
