// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func init() {
	programs["Stress"] = stress
}

// A use is a way to use iter.Pull. It returns how many values went through.
type use struct {
	name string
	f    func(seed int) int
}

var uses = []use{
	{"Plain", plain},
	{"Pull2", pull2},
	{"String", text},
	{"Big", big},
	{"Nested", nested},
	{"Tree", tree},
	{"Zip", zip},
	{"Stop", stopEarly},
	{"StopFirst", stopFirst},
	{"Panic", panics},
	{"Goexit", goexits},
	{"Locked", locked},
	{"OtherLock", otherLock},
	{"HandOver", handOver},
	{"OtherYield", otherYield},
	{"StopInFlight", stopInFlight},
	{"Grow", grow},
	{"Blocks", blocks},
	{"Gosched", yields},
	{"Forget", forget},
	{"Allocate", allocates},
	{"ContextLocked", lockInside},
}

// disturbances are what a direct switch has to know, or that looks at
// goroutines. Each is done again and again.
var disturbances = []struct {
	name string
	f    func()
}{
	{"GC", runtime.GC},
	{"Trace", func() {
		if err := trace.Start(io.Discard); err == nil {
			time.Sleep(3 * time.Millisecond)
			trace.Stop()
		}
	}},
	{"GoroutineProfile", func() { pprof.Lookup("goroutine").WriteTo(io.Discard, 0) }},
	{"Stack", func() { runtime.Stack(make([]byte, 1<<16), true) }},
	{"CPUProfile", func() {
		if err := pprof.StartCPUProfile(io.Discard); err == nil {
			time.Sleep(20 * time.Millisecond)
			pprof.StopCPUProfile()
		}
	}},
	{"MemStats", func() { runtime.ReadMemStats(new(runtime.MemStats)) }},
	{"FreeOSMemory", debug.FreeOSMemory},
	{"Leaks", func() {
		if strings.Contains(os.Getenv("GODEBUG"), "gccheckmark=1") {
			return // "gcmarknewobject called while doing checkmark", upstream as well
		}
		if p := pprof.Lookup("goroutineleak"); p != nil {
			p.WriteTo(io.Discard, 0)
		}
	}},
}

func check(ok bool, format string, args ...any) {
	if !ok {
		panic(fmt.Sprintf(format, args...))
	}
}

func stress() {
	duration := time.Second
	if len(os.Args) > 2 {
		d, err := time.ParseDuration(os.Args[2])
		check(err == nil, "%v", err)
		duration = d
	}
	var only []string
	if len(os.Args) > 3 {
		only = strings.Split(os.Args[3], ",")
	}
	debug.SetGCPercent(1)
	var done atomic.Bool
	var wg sync.WaitGroup
	values := make([]atomic.Int64, len(uses))
	for i, u := range uses {
		if only != nil && !slices.Contains(only, u.name) {
			values[i].Store(1)
			continue
		}
		wg.Go(func() {
			for seed := i; !done.Load(); seed++ {
				values[i].Add(int64(u.f(seed)))
				runtime.Gosched() // for those that wait a lot
			}
		})
	}
	rounds := make([]atomic.Int64, len(disturbances))
	for i, d := range disturbances {
		wg.Go(func() {
			for !done.Load() {
				d.f()
				rounds[i].Add(1)
				time.Sleep(time.Duration(1+rounds[i].Load()%7) * time.Millisecond)
			}
		})
	}
	time.Sleep(duration)
	// All must get on.
	for i := range uses {
		for values[i].Load() == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	done.Store(true)
	wg.Wait()
	if os.Getenv("VERBOSE") != "" {
		for i, u := range uses {
			println(u.name, values[i].Load())
		}
		for i, d := range disturbances {
			println(d.name, rounds[i].Load())
		}
	}
	println("OK")
}

func count(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// drain checks that next returns from, from+1, … up to n, and then nothing.
func drain(next func() (int, bool), from, n int) int {
	for i := from; i < n; i++ {
		v, ok := next()
		check(ok && v == i, "next: got %v, %v, want %v", v, ok, i)
	}
	v, ok := next()
	check(!ok && v == 0, "next at the end: got %v, %v", v, ok)
	return n - from
}

func plain(seed int) int {
	next, stop := iter.Pull(count(seed % 1000))
	defer stop()
	return drain(next, 0, seed%1000)
}

func pull2(seed int) int {
	s := make([]string, seed%100)
	for i := range s {
		s[i] = fmt.Sprint(seed, i)
	}
	next, stop := iter.Pull2(slices.All(s))
	defer stop()
	for i := range s {
		k, v, ok := next()
		check(ok && k == i && v == fmt.Sprint(seed, i), "Pull2: got %v, %v, %v at %v", k, v, ok, i)
	}
	_, _, ok := next()
	check(!ok, "Pull2: no end")
	return len(s)
}

func text(seed int) int {
	next, stop := iter.Pull(func(yield func(string) bool) {
		for i := range 100 {
			if !yield(strings.Repeat("x", i)) {
				return
			}
		}
	})
	defer stop()
	for i := range 100 {
		s, ok := next()
		check(ok && s == strings.Repeat("x", i), "String: got %q at %v", s, i)
	}
	return 100
}

func big(seed int) int {
	type value [12]*int
	next, stop := iter.Pull(func(yield func(value) bool) {
		for i := range 100 {
			var v value
			for j := range v {
				v[j] = new(i + j)
			}
			if !yield(v) {
				return
			}
		}
	})
	defer stop()
	for i := range 100 {
		v, ok := next()
		check(ok, "Big: ends")
		for j := range v {
			check(*v[j] == i+j, "Big: got %v at %v, %v", *v[j], i, j)
		}
	}
	return 100
}

// pulled is seq, by way of n coroutines.
func pulled(seq iter.Seq[int], n int) iter.Seq[int] {
	if n == 0 {
		return seq
	}
	return func(yield func(int) bool) {
		next, stop := iter.Pull(pulled(seq, n-1))
		defer stop()
		for v, ok := next(); ok && yield(v); v, ok = next() {
		}
	}
}

func nested(seed int) int {
	next, stop := iter.Pull(pulled(count(200), seed%6))
	defer stop()
	return drain(next, 0, 200)
}

func walk(depth, first int, yield func(int) bool) bool {
	if depth == 0 {
		return yield(first)
	}
	return walk(depth-1, first, yield) && walk(depth-1, first+1<<(depth-1), yield)
}

func tree(seed int) int {
	next, stop := iter.Pull(func(yield func(int) bool) { walk(9, 0, yield) })
	defer stop()
	return drain(next, 0, 512)
}

func zip(seed int) int {
	next1, stop1 := iter.Pull(count(300))
	defer stop1()
	next2, stop2 := iter.Pull(maps.Keys(map[int]bool{seed: true}))
	defer stop2()
	next3, stop3 := iter.Pull(count(300))
	defer stop3()
	for i := range 300 {
		v1, _ := next1()
		v3, _ := next3()
		check(v1 == i && v3 == i, "Zip: got %v and %v, want %v", v1, v3, i)
	}
	v2, ok := next2()
	check(ok && v2 == seed, "Zip: got %v", v2)
	return 601
}

func stopEarly(seed int) int {
	ended := false
	next, stop := iter.Pull(func(yield func(int) bool) {
		defer func() { ended = true }()
		for i := 0; yield(i); i++ {
		}
	})
	for i := range seed % 10 {
		v, ok := next()
		check(ok && v == i, "Stop: got %v, %v", v, ok)
	}
	stop()
	check(ended || seed%10 == 0, "Stop: the iterator goes on")
	_, ok := next()
	check(!ok, "Stop: a value after it")
	return seed%10 + 1
}

func stopFirst(seed int) int {
	_, stop := iter.Pull(func(yield func(int) bool) { panic("StopFirst: it has begun") })
	stop()
	return 1
}

func panics(seed int) (n int) {
	next, stop := iter.Pull(func(yield func(int) bool) {
		yield(1)
		panic(seed)
	})
	defer stop()
	next()
	defer func() {
		e := recover()
		check(e == seed, "Panic: recovered %v, want %v", e, seed)
		n = 1
	}()
	next()
	panic("Panic: none")
}

func goexits(seed int) int {
	done := make(chan bool)
	go func() {
		defer close(done)
		next, stop := iter.Pull(func(yield func(int) bool) {
			yield(1)
			runtime.Goexit()
		})
		defer stop()
		next()
		next()
		panic("Goexit: next returns")
	}()
	<-done
	return 1
}

func locked(seed int) int {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	next, stop := iter.Pull(pulled(count(200), seed%3))
	defer stop()
	return drain(next, 0, 200)
}

// otherLock calls next under another lock than iter.Pull.
func otherLock(seed int) int {
	next, stop := iter.Pull(count(100))
	defer stop()
	for i := range 100 {
		if i%7 == seed%7 {
			runtime.LockOSThread()
		}
		v, ok := next()
		check(ok && v == i, "OtherLock: got %v, %v, want %v", v, ok, i)
		if i%7 == seed%7 {
			runtime.UnlockOSThread()
		}
	}
	return 100
}

// lockInside has an iterator that locks its thread for a while.
func lockInside(seed int) int {
	next, stop := iter.Pull(func(yield func(int) bool) {
		for i := range 50 {
			if i%10 == seed%10 {
				runtime.LockOSThread()
			}
			if !yield(i) {
				return
			}
			if i%10 == seed%10 {
				runtime.UnlockOSThread()
			}
		}
	})
	defer stop()
	return drain(next, 0, 50)
}

// handOver lets one goroutine after the other call next.
func handOver(seed int) int {
	type turn struct {
		next func() (int, bool)
		i    int
	}
	turns := make(chan turn)
	done := make(chan bool)
	for range 3 {
		go func() {
			for t := range turns {
				v, ok := t.next()
				check(ok && v == t.i, "HandOver: got %v, %v, want %v", v, ok, t.i)
				done <- true
			}
		}()
	}
	next, stop := iter.Pull(count(60))
	defer stop()
	for i := range 60 {
		turns <- turn{next, i}
		<-done
	}
	close(turns)
	return drain(next, 60, 60) + 60
}

// otherYield lets other goroutines call yield.
func otherYield(seed int) int {
	next, stop := iter.Pull(func(yield func(int) bool) {
		for i := range 40 {
			if i%2 == 0 {
				yield(i)
				continue
			}
			done := make(chan bool)
			go func() { done <- yield(i) }()
			<-done
		}
	})
	defer stop()
	return drain(next, 0, 40)
}

// stopInFlight calls stop while next waits, in another goroutine. Next returns,
// and then the iterator goes on in stop.
func stopInFlight(seed int) int {
	blocked := make(chan bool)
	goOn := make(chan bool)
	next, stop := iter.Pull(func(yield func(int) bool) {
		yield(1)
		close(blocked)
		<-goOn
		yield(2)
	})
	next()
	done := make(chan bool)
	go func() {
		next()
		close(done)
	}()
	<-blocked
	stopped := make(chan bool)
	go func() {
		stop()
		close(stopped)
	}()
	<-done
	close(goOn)
	<-stopped
	return 2
}

func deep(n int, pad [64]byte, f func()) byte {
	if n == 0 {
		f()
		return pad[0]
	}
	pad[n%64]++
	return deep(n-1, pad, f) + pad[0]
}

// grow yields on a stack that grows and shrinks, and calls next on another.
func grow(seed int) int {
	next, stop := iter.Pull(func(yield func(int) bool) {
		for i := range 40 {
			deep(i*seed%200, [64]byte{}, func() { yield(i) })
		}
	})
	defer stop()
	for i := range 40 {
		deep(i*(seed+1)%100, [64]byte{}, func() {
			v, ok := next()
			check(ok && v == i, "Grow: got %v, %v, want %v", v, ok, i)
		})
	}
	return 40
}

// blocks has an iterator that waits for others, and may go on on another
// thread.
func blocks(seed int) int {
	c := make(chan int)
	go func() {
		for i := range 50 {
			c <- i
		}
		close(c)
	}()
	next, stop := iter.Pull(func(yield func(int) bool) {
		var mu sync.Mutex
		for v := range c {
			mu.Lock()
			ok := yield(v)
			mu.Unlock()
			if !ok {
				return
			}
			if v%20 == 0 {
				time.Sleep(time.Microsecond)
			}
		}
	})
	defer stop()
	return drain(next, 0, 50)
}

func yields(seed int) int {
	next, stop := iter.Pull(func(yield func(int) bool) {
		for i := range 100 {
			runtime.Gosched()
			if !yield(i) {
				return
			}
		}
	})
	defer stop()
	for i := range 100 {
		v, ok := next()
		check(ok && v == i, "Gosched: got %v, %v, want %v", v, ok, i)
		runtime.Gosched()
	}
	return 100
}

var forgotten atomic.Int64

// forget lets go of next and stop. So many goroutines that the program ends.
func forget(seed int) int {
	if forgotten.Add(1) < 200 {
		next, _ := iter.Pull(count(seed))
		if seed%2 == 0 {
			next()
		}
	} else {
		time.Sleep(time.Millisecond)
	}
	return 1
}

func allocates(seed int) int {
	type node struct {
		next *node
		v    int
	}
	next, stop := iter.Pull(func(yield func(*node) bool) {
		var list *node
		for i := range 100 {
			list = &node{list, i}
			if !yield(list) {
				return
			}
		}
	})
	defer stop()
	for i := range 100 {
		list, ok := next()
		check(ok, "Allocate: ends")
		for j := i; j >= 0; j-- {
			check(list.v == j, "Allocate: got %v, want %v", list.v, j)
			list = list.next
		}
		check(list == nil, "Allocate: list is too long")
	}
	return 100
}
