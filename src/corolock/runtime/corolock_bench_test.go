// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"os"
	"runtime"
	"runtime/testdata/corotest"
	"strings"
	"testing"
)

// BenchmarkCoroLockNext times next, which is two switches, in each combination
// of locks. With CORO_PULL=chan, it times a Pull made of channels.
func BenchmarkCoroLockNext(b *testing.B) {
	for _, bm := range []struct {
		name     string
		made     bool // Pull is called under the caller's lock
		caller   bool // is locked while it calls next
		iterator bool // is locked while it yields
		upstream bool // allows it
	}{
		{"unlocked", false, false, false, true},
		{"matched", true, true, false, true},         // the caller's thread, lent
		{"counts", true, true, true, false},          // the caller's thread, locked by both
		{"caller-locked", false, true, false, false}, // to an unlocked iterator
		{"iterator-locked", false, false, true, false},
		{"both-locked", false, true, true, false}, // to two threads
	} {
		b.Run(bm.name, func(b *testing.B) {
			if !bm.upstream && !corotest.Chan && !strings.Contains(os.Getenv("GODEBUG"), "corolock=1") {
				b.Skip("needs corolock=1")
			}
			var next func() (int, bool)
			var stop func()
			pull := func() {
				next, stop = corotest.Pull(func(yield func(int) bool) {
					if bm.iterator {
						runtime.LockOSThread()
						defer runtime.UnlockOSThread()
					}
					for yield(5) {
					}
				})
			}
			if !bm.made {
				pull()
			}
			if bm.caller {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
			}
			if bm.made {
				pull()
			}
			next()
			for b.Loop() {
				next()
			}
			stop()
		})
	}
}

// BenchmarkCoroLockPull times an iterator that is made, used once, and stopped.
func BenchmarkCoroLockPull(b *testing.B) {
	for _, locked := range []bool{false, true} {
		name := "unlocked"
		if locked {
			name = "matched"
		}
		b.Run(name, func(b *testing.B) {
			if locked {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
			}
			b.ReportAllocs()
			for b.Loop() {
				next, stop := corotest.Pull(func(yield func(int) bool) { yield(5) })
				next()
				stop()
			}
		})
	}
}
