// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// The program panics in an iterator, in the way that its argument names.
package main

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// lock is whether iterators lock their threads.
var lock = os.Getenv("CORO_LOCK") != ""

//go:noinline
func dereference(p *int) {
	fmt.Println(*p) // LINE nil
}

func inlined() { panic(errors.New("an error")) } // LINE error

//go:noinline
func fail() {
	inlined() // LINE call
}

func begin(yield func(int) bool) {
	if lock {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	yield(1)
}

func seqNil(yield func(int) bool)   { begin(yield); dereference(nil) }
func seqError(yield func(int) bool) { begin(yield); fail() }
func seqDefer(yield func(int) bool) { defer fail(); begin(yield) }

//go:noinline
func consume(seq iter.Seq[int]) {
	next, stop := iter.Pull(seq)
	defer stop()
	for _, ok := next(); ok; _, ok = next() {
	}
}

func seqOuter(yield func(int) bool) { consume(seqError); yield(2) }

// seqConvert panics with a value of its own while it handles that of seqError.
func seqConvert(yield func(int) bool) {
	defer func() { panic(fmt.Sprintf("converted: %v", recover())) }()
	consume(seqError)
}

func recurse(n int) {
	if n == 0 {
		fail()
	}
	recurse(n - 1)
}

// seqTree is n iterators, each in the one before.
func seqTree(n int) iter.Seq[int] {
	if n == 0 {
		return seqError
	}
	return func(yield func(int) bool) { consume(seqTree(n - 1)) }
}

func handled(f func()) (stack string) {
	defer func() {
		if v := recover(); v != nil {
			stack = string(debug.Stack())
		}
	}()
	f()
	return ""
}

// stale checks that no panic which is over is shown in a stack.
func stale() {
	if s := string(debug.Stack()); strings.Contains(s, "has panicked") {
		fmt.Printf("stale: %s\n", s)
	}
}

var kinds = map[string]func(){
	"Nil":   func() { consume(seqNil) },
	"Error": func() { consume(seqError) },
	"Stop": func() {
		next, stop := iter.Pull(seqDefer)
		next()
		stop()
	},
	"Pull2": func() {
		next, _ := iter.Pull2(func(yield func(int, int) bool) { fail() })
		next()
	},
	"Pull2Stop": func() {
		next, stop := iter.Pull2(func(yield func(int, int) bool) {
			defer fail()
			yield(1, 1)
		})
		next()
		stop()
	},
	"Nested":  func() { consume(seqOuter) },
	"Convert": func() { consume(seqConvert) },
	"Repanic": func() {
		defer func() { panic(recover()) }()
		consume(seqError)
	},
	"Replace": func() {
		// Both panics are in the message, so both stacks are.
		defer consume(seqNil)
		consume(seqError)
	},
	"ReplaceNested": func() {
		consume(func(yield func(int) bool) {
			defer consume(seqNil)
			consume(seqError)
		})
	},
	"Fatal": func() {
		defer func() { new(sync.Mutex).Unlock() }()
		consume(seqError)
	},
	"Frames":     func() { consume(func(yield func(int) bool) { recurse(70) }) },
	"Coroutines": func() { consume(seqTree(70)) },
	"Handled": func() {
		fmt.Print(handled(func() { consume(seqOuter) }))
		stale()
	},
	"Handler": func() {
		defer func() {
			// No less than in the handler of a panic that is its own.
			fmt.Print(handled(func() { fail() }))
		}()
		consume(seqError)
	},
	"Forgotten": func() {
		for range 3 {
			handled(func() { consume(seqOuter) })
			handled(func() { consume(seqNil) })
			stale()
			handled(func() { stale(); fail() })
		}
		consume(func(yield func(int) bool) { handled(seqOuterNoYield) })
		stale()
		fail()
	},
	"InIterator": func() {
		// The iterator recovers, and panics later with another value.
		consume(func(yield func(int) bool) {
			handled(seqOuterNoYield)
			stale()
			fail()
		})
	},
	"Goexit": func() {
		done := make(chan bool)
		go func() {
			defer close(done)
			defer stale()
			consume(func(yield func(int) bool) {
				handled(seqOuterNoYield)
				runtime.Goexit()
			})
		}()
		<-done
		fail()
	},
}

func seqOuterNoYield() { consume(seqError) }

func main() { kinds[os.Args[1]]() }
