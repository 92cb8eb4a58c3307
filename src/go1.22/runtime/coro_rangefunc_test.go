// Copyright 2024 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build goexperiment.rangefunc

package runtime_test

import (
	"iter"
	"runtime"
	"testing"
)

// coroOnes yields 1 for ever.
func coroOnes(yield func(int) bool) {
	for yield(1) {
	}
}

// BenchmarkCoroNext measures one call of next, which is two switches.
func BenchmarkCoroNext(b *testing.B) {
	run := func(b *testing.B) {
		next, stop := iter.Pull(coroOnes)
		defer stop()
		b.ReportAllocs()
		b.ResetTimer()
		for i := 0; i < b.N; i++ {
			if v, ok := next(); v != 1 || !ok {
				b.Fatalf("next() = %d, %v", v, ok)
			}
		}
	}
	b.Run("unlocked", run)
	b.Run("locked", func(b *testing.B) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		run(b)
	})
}

// BenchmarkCoroPull measures the whole life of a coroutine: Pull, one call of
// next, and stop.
func BenchmarkCoroPull(b *testing.B) {
	run := func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; i < b.N; i++ {
			next, stop := iter.Pull(coroOnes)
			if v, ok := next(); v != 1 || !ok {
				b.Fatalf("next() = %d, %v", v, ok)
			}
			stop()
		}
	}
	b.Run("unlocked", run)
	b.Run("locked", func(b *testing.B) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		run(b)
	})
}
