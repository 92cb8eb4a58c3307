// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package corotest is what the programs of the shared-lock rules have in
// common: the Pull that they test, and the means to look at threads and locks.
//
// The programs are in testprog/corolock*.go and testprogcgo/corolock*.go; the
// tests that run them are in corolock_test.go of package runtime.
package corotest

import (
	"iter"
	"os"
	"runtime"
)

// Chan says that Pull is built from a goroutine and an unbuffered channel, the
// yardstick of the shared-lock rules, and not from the runtime's coroutines.
var Chan = os.Getenv("CORO_PULL") == "chan"

// Pull is the Pull under test.
func Pull[V any](seq iter.Seq[V]) (next func() (V, bool), stop func()) {
	if Chan {
		return chanPull(seq)
	}
	return iter.Pull(seq)
}

// A chanCoro is a coro made of a channel: there is always one goroutine
// blocked on it, in a receive. A send takes its place.
type chanCoro chan struct{}

// newChanCoro returns a chanCoro on which a new goroutine is blocked. That
// goroutine, once resumed, runs f and then resumes whoever is blocked then.
func newChanCoro(f func(chanCoro)) chanCoro {
	c := make(chanCoro)
	go func() {
		<-c
		defer func() { c <- struct{}{} }()
		f(c)
	}()
	return c
}

// swap resumes the goroutine that is blocked on c and blocks the caller.
func (c chanCoro) swap() {
	c <- struct{}{}
	<-c
}

// goexited stands for a Goexit where otherwise a panic's value is kept.
var goexited any = new(byte)

// chanPull is iter.Pull on a chanCoro. It panics with iter.Pull's words.
func chanPull[V any](seq iter.Seq[V]) (next func() (V, bool), stop func()) {
	var (
		value    V
		ok       bool
		asked    bool // next waits for a value
		returned bool // seq returned; else, at its end, it panicked or exited
		done     bool
		failure  any // the value of seq's panic, or goexited
	)
	c := newChanCoro(func(c chanCoro) {
		if done {
			return
		}
		defer func() {
			failure = recover()
			if failure == nil && !returned {
				failure = goexited
			}
			done = true
		}()
		seq(func(v V) bool {
			if done {
				return false
			}
			if !asked {
				panic("iter.Pull: yield called again before next")
			}
			asked = false
			value, ok = v, true
			c.swap()
			return !done
		})
		value, ok = *new(V), false
		returned = true
	})
	resume := func() {
		c.swap()
		switch failure {
		case nil:
		case goexited:
			runtime.Goexit()
		default:
			panic(failure)
		}
	}
	next = func() (v V, more bool) {
		if done {
			return v, false
		}
		if asked {
			panic("iter.Pull: next called again before yield")
		}
		asked = true
		resume()
		return value, ok
	}
	stop = func() {
		if !done {
			done = true
			resume()
		}
	}
	return next, stop
}
