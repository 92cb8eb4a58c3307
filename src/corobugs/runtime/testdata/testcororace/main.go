// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// The program is built in race mode. It makes many iterators and as many
// goroutines behind channels, and compares the memory that stays in use.
package main

import (
	"fmt"
	"iter"
	"os"
	"runtime"
)

const times = 10000

func seq(yield func(int) bool) {
	for i := range 3 {
		if !yield(i) {
			return
		}
	}
}

func exits(yield func(int) bool) {
	yield(1)
	runtime.Goexit()
}

var uses = map[string]func(){
	"End": func() {
		next, _ := iter.Pull(seq)
		for _, ok := next(); ok; _, ok = next() {
		}
	},
	"Stop": func() {
		next, stop := iter.Pull(seq)
		next()
		stop()
	},
	"StopFirst": func() {
		_, stop := iter.Pull(seq)
		stop()
	},
	"Goexit": func() {
		done := make(chan bool)
		go func() {
			defer close(done)
			next, _ := iter.Pull(exits)
			next()
			next()
		}()
		<-done
	},
}

// channels is what iter.Pull would be with a goroutine.
func channels() {
	values, stop, ended := make(chan int), make(chan bool), make(chan bool)
	go func() {
		defer close(ended)
		seq(func(v int) bool {
			select {
			case values <- v:
				return true
			case <-stop:
				return false
			}
		})
	}()
	<-values
	close(stop)
	<-ended
}

// resident returns the bytes of memory that the process occupies.
func resident() int {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	var size, pages int
	fmt.Sscan(string(data), &size, &pages)
	return pages * os.Getpagesize()
}

// each returns how many bytes a call of f leaves in use.
func each(f func()) int {
	for range times / 10 {
		f()
	}
	runtime.GC()
	before := resident()
	for range times {
		f()
	}
	runtime.GC()
	return (resident() - before) / times
}

func main() {
	use := uses[os.Args[1]]
	goroutine := each(channels)
	if got := each(use); got > goroutine {
		fmt.Printf("%d bytes stay in use for each iterator, %d for a goroutine behind channels\n", got, goroutine)
		os.Exit(1)
	}
	fmt.Println("OK")
}
