// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"fmt"
	"internal/godebugs"
	"internal/testenv"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/testdata/corotest"
	"strconv"
	"strings"
	"testing"
)

// coroLockRules reports whether goroutines of different locks may share a
// coroutine here.
func coroLockRules() bool {
	return godebugs.Lookup("corolock") != nil && !strings.Contains(os.Getenv("GODEBUG"), "corolock=0")
}

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
			if !bm.upstream && !corotest.Chan && !coroLockRules() {
				b.Skip("upstream dies")
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

// BenchmarkCoroLockOSThread times a LockOSThread and its UnlockOSThread.
func BenchmarkCoroLockOSThread(b *testing.B) {
	for _, held := range []int{0, 1} {
		b.Run(fmt.Sprint("held=", held), func(b *testing.B) {
			for range held {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
			}
			for b.Loop() {
				runtime.LockOSThread()
				runtime.UnlockOSThread()
			}
		})
	}
}

// BenchmarkCoroLockPingPong times two goroutines that wake each other, one of
// them or both with a thread of its own.
func BenchmarkCoroLockPingPong(b *testing.B) {
	for _, locked := range []int{1, 2} {
		b.Run(fmt.Sprint("locked=", locked), func(b *testing.B) {
			c, back := make(chan int), make(chan int)
			go func() {
				if locked == 2 {
					runtime.LockOSThread()
				}
				for v := range c {
					back <- v
				}
				close(back)
			}()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for b.Loop() {
				c <- 1
				<-back
			}
			close(c)
			<-back
		})
	}
}

// BenchmarkCoroLockClaims times next of one of many iterators, in turn, without
// locks, and if each has locked its caller's thread.
func BenchmarkCoroLockClaims(b *testing.B) {
	for _, locked := range []bool{false, true} {
		for _, n := range []int{1, 10, 1000, 10000} {
			b.Run(fmt.Sprintf("locked=%t/%d", locked, n), func(b *testing.B) {
				if locked {
					if !coroLockRules() {
						b.Skip("upstream dies")
					}
					runtime.LockOSThread()
					defer runtime.UnlockOSThread()
				}
				var nexts []func() (int, bool)
				for range n {
					next, stop := corotest.Pull(func(yield func(int) bool) {
						if locked {
							runtime.LockOSThread()
							defer runtime.UnlockOSThread()
						}
						for yield(5) {
						}
					})
					defer stop()
					next()
					nexts = append(nexts, next)
				}
				i := 0
				for b.Loop() {
					nexts[i]()
					if i++; i == len(nexts) {
						i = 0
					}
				}
			})
		}
	}
}

// BenchmarkCoroLockCallback times callbacks from C in a program of its own, and
// the start of that program, which locks the main thread for its initialization.
func BenchmarkCoroLockCallback(b *testing.B) {
	testenv.MustHaveCGO(b)
	exe := filepath.Join(b.TempDir(), "testprogcgo.exe")
	cmd := testenv.CleanCmdEnv(exec.Command(testenv.GoToolPath(b), "build", "-o", exe))
	cmd.Dir = "testdata/testprogcgo"
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("building testprogcgo: %v\n%s", err, out)
	}
	for _, what := range []string{"single", "nested", "thread", "parallel"} {
		b.Run(what, func(b *testing.B) {
			out, err := exec.Command(exe, "CoroLockBench", what, strconv.Itoa(b.N)).Output()
			if err != nil {
				b.Fatal(err)
			}
			ns, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(ns/float64(b.N), "ns/op")
		})
	}
	b.Run("start", func(b *testing.B) {
		for b.Loop() {
			if err := exec.Command(exe, "CoroLockBench", "single", "0").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
