// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build goexperiment.rangefunc

// The program has repairs of iter.Pull to show.
package main

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

var errIter = errors.New("iterator")

// seq yields 1 and then calls f, also if it is stopped.
func seq(f func()) iter.Seq[int] {
	return func(yield func(int) bool) {
		defer f()
		yield(1)
	}
}

func seq2(f func()) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		defer f()
		yield(1, 2)
	}
}

// A use calls what Pull or Pull2 returned until f runs.
var uses = map[string]func(f func()){
	"next":  func(f func()) { next, _ := iter.Pull(seq(f)); next(); next() },
	"stop":  func(f func()) { next, stop := iter.Pull(seq(f)); next(); stop() },
	"next2": func(f func()) { next, _ := iter.Pull2(seq2(f)); next(); next() },
	"stop2": func(f func()) { next, stop := iter.Pull2(seq2(f)); next(); stop() },
	"nested": func(f func()) {
		outer, _ := iter.Pull(func(yield func(int) bool) {
			next, _ := iter.Pull(seq(f))
			for v, ok := next(); ok; v, ok = next() {
				yield(v)
			}
		})
		outer()
		outer()
	},
	"locked": func(f func()) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		next, _ := iter.Pull(seq(f))
		next()
		next()
	},
}

func check(ok bool, args ...any) {
	if !ok {
		fmt.Println(args...)
		os.Exit(1)
	}
}

func profile() {
	ended := make(chan bool)
	for range 2 {
		go func() {
			// One side runs when the world is stopped, and the other may when
			// the profile comes to it.
			spin := func() {
				for begin := time.Now(); time.Since(begin) < 10*time.Microsecond; {
				}
			}
			next, stop := iter.Pull(func(yield func(int) bool) {
				for i := 0; yield(i); i++ {
					spin()
				}
			})
			defer stop()
			for begin := time.Now(); time.Since(begin) < 5*time.Second; {
				next()
				spin()
			}
			ended <- true
		}()
	}
	for n := 0; n < 2; {
		var b [1 << 16]runtime.StackRecord
		runtime.GoroutineProfile(b[:])
		check(pprof.Lookup("goroutine").WriteTo(new(discard), 0) == nil, "no profile")
		select {
		case <-ended:
			n++
		default:
		}
	}
}

type discard struct{}

func (*discard) Write(b []byte) (int, error) { return len(b), nil }

func panics() {
	for name, use := range uses {
		got := func() (p any) {
			defer func() { p = recover() }()
			use(func() { panic(errIter) })
			return nil
		}()
		check(got == errIter, name, "recovered", got)
	}
	// What ended so stays ended, and does not panic again.
	next, stop := iter.Pull(seq(func() { panic(errIter) }))
	next()
	func() {
		defer func() { recover() }()
		next()
	}()
	v, ok := next()
	check(v == 0 && !ok, "next returned", v, ok)
	stop()
}

func goexits() {
	for name, use := range uses {
		done := make(chan string)
		go func() {
			end := "exited"
			defer func() {
				if p := recover(); p != nil {
					end = fmt.Sprint("panicked: ", p)
				}
				done <- end
			}()
			use(runtime.Goexit)
			end = "returned"
		}()
		select {
		case end := <-done:
			check(end == "exited", name, end)
		case <-time.After(10 * time.Second):
			check(false, name, "waits for ever")
		}
	}
}

// stopFirst tells whether stop runs an iterator that has not begun.
func stopFirst() {
	ran := false
	_, stop := iter.Pull(func(yield func(int) bool) { ran = yield(1) || true })
	stop()
	fmt.Println("ran:", ran)
}

// ownNext tells what next returns in its own iterator.
func ownNext() {
	var next func() (int, bool)
	next, _ = iter.Pull(func(yield func(int) bool) {
		yield(1)
		v, ok := next()
		fmt.Println("own next:", v, ok)
	})
	next()
	next()
	next()
}

func main() {
	programs := map[string]func(){
		"Profile": profile, "Panic": panics, "Goexit": goexits,
		"StopFirst": stopFirst, "OwnNext": ownNext,
	}
	p, ok := programs[os.Args[1]]
	check(ok, "no such program")
	p()
	fmt.Println("OK")
}
