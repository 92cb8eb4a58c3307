// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"iter"
	. "runtime"
	"testing"
)

func coroSwitchNaturals(yield func(int) bool) {
	for i := 0; yield(i); i++ {
	}
}

// coroSwitchNested is the naturals by way of n coroutines, of which the caller
// makes the last.
func coroSwitchNested(n int) iter.Seq[int] {
	if n == 1 {
		return coroSwitchNaturals
	}
	return func(yield func(int) bool) {
		next, stop := iter.Pull(coroSwitchNested(n - 1))
		defer stop()
		for v, ok := next(); ok && yield(v); v, ok = next() {
		}
	}
}

func coroSwitchWalk(depth int, yield func(int) bool) bool {
	if depth == 0 {
		return yield(depth)
	}
	return coroSwitchWalk(depth-1, yield) && coroSwitchWalk(depth-1, yield)
}

func benchmarkCoroSwitchNext[V any](b *testing.B, seq iter.Seq[V]) {
	next, stop := iter.Pull(seq)
	defer stop()
	b.ReportAllocs()
	for range b.N {
		next()
	}
}

// BenchmarkCoroSwitchNext times next.
func BenchmarkCoroSwitchNext(b *testing.B) {
	b.Run("plain", func(b *testing.B) { benchmarkCoroSwitchNext(b, coroSwitchNaturals) })
	b.Run("locked", func(b *testing.B) {
		LockOSThread()
		defer UnlockOSThread()
		benchmarkCoroSwitchNext(b, coroSwitchNaturals)
	})
	b.Run("Pull2", func(b *testing.B) {
		next, stop := iter.Pull2(func(yield func(int, string) bool) {
			for i := 0; yield(i, "value"); i++ {
			}
		})
		defer stop()
		for range b.N {
			next()
		}
	})
	b.Run("string", func(b *testing.B) {
		benchmarkCoroSwitchNext(b, func(yield func(string) bool) {
			for yield("value") {
			}
		})
	})
	b.Run("96bytes", func(b *testing.B) {
		benchmarkCoroSwitchNext(b, func(yield func([12]uint64) bool) {
			var v [12]uint64
			for yield(v) {
				v[0]++
			}
		})
	})
	b.Run("nested2", func(b *testing.B) { benchmarkCoroSwitchNext(b, coroSwitchNested(2)) })
	b.Run("nested4", func(b *testing.B) { benchmarkCoroSwitchNext(b, coroSwitchNested(4)) })
	b.Run("tree", func(b *testing.B) {
		benchmarkCoroSwitchNext(b, func(yield func(int) bool) {
			for coroSwitchWalk(10, yield) {
			}
		})
	})
	b.Run("zip", func(b *testing.B) {
		next1, stop1 := iter.Pull(coroSwitchNaturals)
		defer stop1()
		next2, stop2 := iter.Pull(coroSwitchNaturals)
		defer stop2()
		for range b.N {
			next1()
			next2()
		}
	})
	b.Run("merge", func(b *testing.B) {
		next1, stop1 := iter.Pull(coroSwitchNaturals)
		defer stop1()
		next2, stop2 := iter.Pull(coroSwitchNaturals)
		defer stop2()
		v1, _ := next1()
		v2, _ := next2()
		for range b.N {
			if v1 < v2 {
				v1, _ = next1()
			} else {
				v2, _ = next2()
			}
		}
	})
	b.Run("3frames", func(b *testing.B) {
		next, stop := iter.Pull(coroSwitchNaturals)
		defer stop()
		for range b.N {
			coroSwitchFrame1(next)
		}
	})
	b.Run("marking", func(b *testing.B) {
		done := make(chan bool)
		ended := make(chan bool)
		go func() {
			defer close(ended)
			for {
				select {
				case <-done:
					return
				default:
					GC()
				}
			}
		}()
		benchmarkCoroSwitchNext(b, coroSwitchNaturals)
		b.StopTimer()
		close(done)
		<-ended
	})
}

//go:noinline
func coroSwitchFrame1(next func() (int, bool)) int { return coroSwitchFrame2(next) + 1 }

//go:noinline
func coroSwitchFrame2(next func() (int, bool)) int { return coroSwitchFrame3(next) + 1 }

//go:noinline
func coroSwitchFrame3(next func() (int, bool)) int {
	v, _ := next()
	return v + 1
}

// BenchmarkCoroSwitchPull times an iterator from its beginning to its end.
func BenchmarkCoroSwitchPull(b *testing.B) {
	ballast := make([]byte, 24<<20)
	b.Run("stop", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			next, stop := iter.Pull(coroSwitchNaturals)
			next()
			stop()
		}
	})
	for _, n := range []struct {
		name   string
		values int
	}{{"drain1", 1}, {"drain10", 10}, {"drain100", 100}} {
		b.Run(n.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				next, stop := iter.Pull(func(yield func(int) bool) {
					for i := range n.values {
						if !yield(i) {
							return
						}
					}
				})
				for _, ok := next(); ok; _, ok = next() {
				}
				stop()
			}
		})
	}
	KeepAlive(ballast)
}
