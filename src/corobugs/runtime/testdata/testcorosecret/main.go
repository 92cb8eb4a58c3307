// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build goexperiment.runtimesecret

// The program is built with GOEXPERIMENT=runtimesecret. A coroutine in secret
// mode leaves secrets on its stack and ends. The program looks for them there.
package main

import (
	"fmt"
	"iter"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/secret"
	"unsafe"
)

const word = 0x53c237_53c237

type secrets [100]uint64

// where is the address of the secrets. The stack is not freed when its
// goroutine has ended, and the collector, which might, is off.
var where uintptr

//go:noinline
func leave() {
	var s secrets
	for i := range s {
		s[i] = word
	}
	where = uintptr(unsafe.Pointer(&s))
	use(&s)
}

//go:noinline
func use(*secrets) {}

// look returns how many secrets are left.
//
//go:nocheckptr
func look() (n int) {
	for i := range uintptr(len(secrets{})) {
		if *(*uint64)(unsafe.Pointer(where + 8*i)) == word {
			n++
		}
	}
	return n
}

func seq(yield func(int) bool) {
	leave()
	yield(1)
}

// Each function ends a coroutine that has left secrets.
var ends = map[string]func(){
	"End": func() {
		secret.Do(func() {
			next, _ := iter.Pull(seq)
			next()
			next()
		})
	},
	"Stop": func() {
		secret.Do(func() {
			next, stop := iter.Pull(seq)
			next()
			stop()
		})
	},
	"StopOutside": func() {
		var stop func()
		secret.Do(func() {
			var next func() (int, bool)
			next, stop = iter.Pull(seq)
			next()
		})
		stop()
	},
	"Goexit": func() {
		done := make(chan bool)
		go func() {
			defer close(done)
			next, _ := iter.Pull(func(yield func(int) bool) {
				secret.Do(func() {
					leave()
					runtime.Goexit()
				})
			})
			next()
		}()
		<-done
	},
	"Panic": func() {
		secret.Do(func() {
			defer func() { recover() }()
			next, _ := iter.Pull(func(yield func(int) bool) {
				leave()
				panic(1)
			})
			next()
		})
	},
	// With shared locks it ends on the way of the hand-off.
	"Locked": func() {
		secret.Do(func() {
			next, stop := iter.Pull(func(yield func(int) bool) {
				runtime.LockOSThread()
				leave()
				yield(1)
				runtime.UnlockOSThread()
			})
			next()
			stop()
		})
	},
}

// inherited reports whether goroutines that are started in secret mode have it.
func inherited() bool {
	c := make(chan bool)
	secret.Do(func() {
		go func() { c <- secret.Enabled() }()
	})
	return <-c
}

func main() {
	debug.SetGCPercent(-1)
	end, ok := ends[os.Args[1]]
	if !ok {
		fmt.Println("no such program")
		os.Exit(2)
	}
	// In Go 1.26 only what runs below secret.Do is secret.
	if os.Args[1] != "Goexit" && !inherited() {
		fmt.Println("not secret")
		return
	}
	// A stack that has grown to its size is one that is kept.
	for range 3 {
		end()
		if n := look(); n > 0 {
			fmt.Printf("%d of %d secret words are left\n", n, len(secrets{}))
			os.Exit(1)
		}
	}
	fmt.Println("OK")
}
