// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// The program makes goroutines and iterators that have leaked, and such that
// somebody can reach, and compares the goroutine leak profile with that.
package main

import (
	"bytes"
	"context"
	"fmt"
	"internal/synctest"
	"iter"
	"os"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"weak"
)

type puller struct {
	next func() (int, bool)
	stop func()
}

func pull(seq iter.Seq[int]) *puller {
	next, stop := iter.Pull(seq)
	return &puller{next, stop}
}

// pulled returns a puller after its first next.
func pulled(seq iter.Seq[int]) *puller {
	p := pull(seq)
	p.next()
	return p
}

func count(yield func(int) bool) {
	for i := 0; yield(i); i++ {
	}
}

// through is an iterator that pulls another one.
func through(seq iter.Seq[int]) iter.Seq[int] {
	return func(yield func(int) bool) {
		p := pull(seq)
		defer p.stop()
		for v, ok := p.next(); ok && yield(v); v, ok = p.next() {
		}
	}
}

// waits is an iterator that waits for c before each value.
func waits(c <-chan int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for v := range c {
			if !yield(v) {
				return
			}
		}
	}
}

func locked(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f()
}

// Each function leaves that many goroutines that have leaked.
var leaks = []struct {
	name  string
	count int
	make  func()
}{
	{"channel", 1, func() { c := make(chan int); go func() { <-c }() }},
	{"forgotten", 1, func() { pulled(count) }},
	{"not started", 1, func() { pull(count) }},
	{"nested", 3, func() { pulled(through(through(count))) }},
	{"iterator waits, and its consumer", 2, func() { go pull(waits(make(chan int))).next() }},
	{"consumer in stop", 2, func() {
		p := pulled(func(yield func(int) bool) { yield(1); select {} })
		go p.stop()
	}},
	{"consumer of a consumer", 4, func() { go pull(through(through(waits(nil)))).next() }},
	{"held by itself", 1, func() {
		var p *puller
		p = pulled(func(yield func(int) bool) { yield(1); p.stop() })
	}},
	{"held by one another", 2, func() {
		var p, q *puller
		p = pulled(func(yield func(int) bool) { yield(1); q.stop() })
		q = pulled(func(yield func(int) bool) { yield(1); p.stop() })
	}},
	{"held by a leaked goroutine", 2, func() {
		p, c := pulled(count), make(chan int)
		go func() { <-c; p.stop() }()
	}},
	{"under a lock", 1, func() { locked(func() { pulled(count) }) }},
	{"under a lock, waits", 2, func() { go locked(func() { pull(waits(nil)).next() }) }},
	{"under another lock", 1, func() {
		if shared {
			p := pull(count)
			locked(func() { p.next() })
		} else {
			pulled(count)
		}
	}},
}

// shared says that goroutines of different locks may use one iterator.
var shared = strings.Contains(os.Getenv("GODEBUG"), "corolock=1")

var (
	global     *puller
	globals    = map[string]*puller{}
	globalChan = make(chan *puller, 2)
	release    = make(chan bool)
	garbage    []*[8]uintptr
	finalized  atomic.Pointer[puller]
	cleaned    atomic.Pointer[puller]
)

// Each function makes something of which nothing has leaked. The function that it
// returns uses it, and reports whether it still works.
var lives = []struct {
	name string
	make func() func() bool
}{
	{"global", func() func() bool {
		global = pulled(count)
		return func() bool { v, ok := global.next(); return v == 1 && ok }
	}},
	{"not started", func() func() bool {
		globals["not started"] = pull(count)
		return func() bool { v, ok := globals["not started"].next(); return v == 0 && ok }
	}},
	{"only stop", func() func() bool {
		ended := false
		_, stop := iter.Pull(func(yield func(int) bool) { yield(1) })
		next, stop2 := iter.Pull(func(yield func(int) bool) { yield(1); ended = true })
		next()
		return func() bool { stop(); stop2(); return ended }
	}},
	{"stack", func() func() bool {
		result := make(chan bool)
		go func() {
			p := pulled(count)
			<-release
			v, ok := p.next()
			result <- v == 1 && ok
		}()
		return func() bool { return <-result }
	}},
	{"channel", func() func() bool {
		globalChan <- pulled(count)
		return func() bool { v, ok := (<-globalChan).next(); return v == 1 && ok }
	}},
	{"timer", func() func() bool {
		p, result := pulled(count), make(chan bool, 1)
		t := time.AfterFunc(time.Hour, func() { v, ok := p.next(); result <- v == 1 && ok })
		return func() bool { t.Reset(0); return <-result }
	}},
	{"finalizer", func() func() bool {
		p := pulled(count)
		runtime.SetFinalizer(p, finalized.Store)
		return func() bool {
			eventually(func() bool { runtime.GC(); return finalized.Load() != nil })
			v, ok := finalized.Load().next()
			return v == 1 && ok
		}
	}},
	{"cleanup", func() func() bool {
		p := pulled(count)
		runtime.AddCleanup(new(*puller), cleaned.Store, p)
		return func() bool {
			eventually(func() bool { runtime.GC(); return cleaned.Load() != nil })
			v, ok := cleaned.Load().next()
			return v == 1 && ok
		}
	}},
	{"nested", func() func() bool {
		globals["nested"] = pulled(through(through(count)))
		return func() bool { v, ok := globals["nested"].next(); return v == 1 && ok }
	}},
	{"held by another iterator", func() func() bool {
		p := pulled(count)
		globals["holder"] = pulled(func(yield func(int) bool) {
			yield(0)
			v, _ := p.next()
			yield(v)
		})
		return func() bool { v, ok := globals["holder"].next(); return v == 1 && ok }
	}},
	{"iterator waits", func() func() bool {
		values, result := make(chan int), make(chan bool)
		go func() {
			v, ok := pull(through(waits(values))).next()
			result <- v == 7 && ok
		}()
		return func() bool { values <- 7; return <-result }
	}},
	{"iterator sleeps", func() func() bool {
		result := make(chan bool)
		go func() {
			v, ok := pull(func(yield func(int) bool) {
				for waiting.Load() {
					time.Sleep(time.Millisecond)
				}
				yield(7)
			}).next()
			result <- v == 7 && ok
		}()
		return func() bool { return <-result }
	}},
	{"iterator runs", func() func() bool {
		result := make(chan bool)
		go func() {
			v, ok := pull(func(yield func(int) bool) {
				for waiting.Load() {
					runtime.Gosched()
				}
				yield(7)
			}).next()
			result <- v == 7 && ok
		}()
		return func() bool { return <-result }
	}},
	{"under a lock", func() func() bool {
		result := make(chan bool)
		go locked(func() {
			p := pulled(count)
			<-release
			v, ok := p.next()
			result <- v == 1 && ok
		})
		return func() bool { return <-result }
	}},
	{"under a lock, waits", func() func() bool {
		values, result := make(chan int), make(chan bool)
		go locked(func() {
			v, ok := pull(through(waits(values))).next()
			result <- v == 7 && ok
		})
		return func() bool { values <- 7; return <-result }
	}},
	{"under another lock", func() func() bool {
		p := pulled(count)
		result := make(chan bool)
		use := func() {
			<-release
			v, ok := p.next()
			result <- v == 1 && ok
		}
		if shared {
			go locked(use)
		} else {
			go use()
		}
		return func() bool { return <-result }
	}},
}

// waiting is true until what is alive is used.
var waiting atomic.Bool

// label runs f on a goroutine whose label those that it makes inherit.
func label(name string, f func()) {
	done := make(chan bool)
	go pprof.Do(context.Background(), pprof.Labels("case", name), func(context.Context) {
		f()
		close(done)
	})
	<-done
}

var record = regexp.MustCompile(`(?m)^(\d+) @.*\n# labels: {"case":"(.*)"}$`)

// profile returns the number of goroutines that are reported, by label.
func profile() map[string]int {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutineleak").WriteTo(&b, 1); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	found := map[string]int{}
	for _, m := range record.FindAllStringSubmatch(b.String(), -1) {
		n, _ := strconv.Atoi(m[1])
		found[m[2]] += n
	}
	return found
}

// eventually reports whether f is true before long.
func eventually(f func() bool) bool {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if f() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// useAll uses what is alive.
func useAll(uses map[string]func() bool) bool {
	ok := true
	for name, use := range uses {
		if !use() {
			fmt.Printf("live: %s: does not work\n", name)
			ok = false
		}
	}
	return ok
}

var cmds = map[string]func() bool{
	// What has leaked is reported, nothing else is, and what has not leaked can be used.
	"Profile": func() bool {
		want := map[string]int{}
		for _, l := range leaks {
			want["leak: "+l.name] = l.count
			label("leak: "+l.name, l.make)
		}
		waiting.Store(true)
		uses := map[string]func() bool{}
		for _, l := range lives {
			label("live: "+l.name, func() { uses[l.name] = l.make() })
		}
		ok := true
		check := func() (complete bool) {
			complete = true
			found := profile()
			for name, n := range found {
				if n > want[name] {
					fmt.Printf("%s: %d reported, want %d\n", name, n, want[name])
					ok = false
				}
			}
			for name, n := range want {
				complete = complete && found[name] == n
			}
			return complete
		}
		// Goroutines need some time until they wait.
		if !eventually(check) {
			found := profile()
			for name, n := range want {
				if found[name] != n {
					fmt.Printf("%s: %d reported, want %d\n", name, found[name], n)
				}
			}
			return false
		}
		// Profiles and other collections in turn find the same.
		runtime.GC()
		if !check() {
			fmt.Println("another profile differs")
			ok = false
		}
		close(release)
		waiting.Store(false)
		return useAll(uses) && ok
	},

	// Other collections find what is alive.
	"Collect": func() bool {
		for _, l := range leaks {
			l.make()
		}
		waiting.Store(true)
		uses := map[string]func() bool{}
		for _, l := range lives {
			uses[l.name] = l.make()
		}
		for range 5 {
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
		close(release)
		waiting.Store(false)
		return useAll(uses)
	},

	// What has leaked keeps what it needs to be found, and is found again.
	"Again": func() bool {
		const count = 2000
		label("again", func() {
			for range count {
				pull(func(func(int) bool) {})
			}
		})
		for range 3 {
			runtime.GC()
			garbage = nil
			for range 10 * count {
				garbage = append(garbage, new([8]uintptr))
			}
			if n := profile()["again"]; n != count {
				fmt.Println(n, "reported, want", count)
				return false
			}
		}
		return true
	},

	// A goroutine that reuses what a coroutine has left has nothing of it.
	"Reuse": func() bool {
		const count = 2000
		c := make(chan int)
		for range 3 {
			var all []*puller
			for range count {
				all = append(all, pulled(func(yield func(int) bool) { yield(1) }))
			}
			for _, p := range all {
				p.stop()
			}
			all = nil
			runtime.GC()
			runtime.GC()
			for range count {
				go func() { <-c }()
			}
			runtime.GC()
			for range count {
				c <- 1
			}
		}
		return true
	},

	// A profile does not wake a bubble whose goroutines wait in coroutines.
	"Bubble": func() (ok bool) {
		defer func() {
			ok = fmt.Sprint(recover()) == "deadlock: main bubble goroutine has exited but blocked goroutines remain"
		}()
		synctest.Run(func() {
			pull(count)
			pulled(through(through(count)))
			c := make(chan int)
			go pull(waits(c)).next()
			start := time.Now()
			for range 3 {
				synctest.Wait()
				profile()
				time.Sleep(time.Hour)
			}
			if d := time.Since(start); d != 3*time.Hour {
				panic(fmt.Sprint("the clock has gone on by ", d))
			}
		})
		return false
	},

	// An iterator that has leaked, and is reached through a weak pointer, can
	// be used.
	"Weak": func() bool {
		get := func() weak.Pointer[puller] {
			var p *puller
			p = pulled(func(yield func(int) bool) {
				for i := 0; yield(i); i++ {
				}
				runtime.KeepAlive(p)
			})
			return weak.Make(p)
		}
		w := []weak.Pointer[puller]{}
		label("weak", func() { w = append(w, get(), get()) })
		if !eventually(func() bool { return profile()["weak"] == 2 }) {
			fmt.Println("weak: not reported")
			return false
		}
		use := func(w weak.Pointer[puller]) bool {
			p := w.Value()
			v, ok := p.next()
			p.stop()
			return v == 1 && ok
		}
		ok := use(w[0])
		if shared {
			locked(func() { ok = use(w[1]) && ok })
		} else {
			ok = use(w[1]) && ok
		}
		if n := profile()["weak"]; n != 0 {
			fmt.Println("weak:", n, "reported after stop")
			return false
		}
		return ok
	},
}

func main() {
	time.AfterFunc(30*time.Second, func() {
		fmt.Println("hangs")
		os.Exit(1)
	})
	if cmds[os.Args[1]]() {
		fmt.Println("OK")
	}
}
