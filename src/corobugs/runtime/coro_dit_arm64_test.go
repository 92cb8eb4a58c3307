// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"crypto/subtle"
	"fmt"
	"internal/cpu"
	"internal/runtime/sys"
	"internal/testenv"
	"iter"
	"os"
	"runtime"
	"strings"
	"testing"
)

// TestCoroBugDIT checks that each side of a coroutine switch runs with the data
// independent timing that it has asked for, as a goroutine behind a channel does.
func TestCoroBugDIT(t *testing.T) {
	if os.Getenv("CORO_BUG") == "" {
		// An emulator may have the bit and not say so.
		probe := testenv.CleanCmdEnv(testenv.Command(t, testenv.Executable(t), "-test.run=^TestCoroBugDIT$", "-test.v"))
		probe.Env = append(probe.Env, "CORO_BUG=probe")
		if out, err := probe.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestCoroBugDIT") {
			t.Skipf("the processor has no DIT: %v", err)
		}
		for _, setting := range []string{"corolock=0", "corolock=1"} {
			coroBugAgain(t, "GODEBUG="+setting)
		}
		return
	}
	cpu.ARM64.HasDIT = true
	sys.DITSupported = true
	if os.Getenv("CORO_BUG") == "probe" {
		subtle.WithDataIndependentTiming(func() {
			if !sys.DITEnabled() {
				t.Error("the bit is off")
			}
		})
		return
	}

	with := subtle.WithDataIndependentTiming
	// seen are the bits in the order of the program.
	var seen []string
	look := func(who string) { seen = append(seen, fmt.Sprintf("%s:%v", who, sys.DITEnabled())) }
	seq := func(yield func(int) bool) {
		look("i")
		yield(1)
		look("i")
		with(func() {
			look("i")
			yield(2)
			look("i")
		})
		look("i")
		yield(3)
		look("i")
	}
	type pull = func(iter.Seq[int]) (func() (int, bool), func())
	programs := []struct {
		name string
		run  func(pull pull)
		want string
	}{
		{"own", func(pull pull) {
			next, _ := pull(seq)
			for range 4 {
				next()
				look("c")
			}
		}, "i:false c:false i:false i:true c:false i:true i:false c:false i:false c:false"},
		{"made inside", func(pull pull) {
			var next func() (int, bool)
			with(func() { next, _ = pull(seq) })
			for range 4 {
				next()
				look("c")
			}
		}, "i:true c:false i:true i:true c:false i:true i:true c:false i:true c:false"},
		{"driven inside", func(pull pull) {
			next, _ := pull(seq)
			with(func() {
				for range 4 {
					next()
					look("c")
				}
			})
			look("c")
		}, "i:false c:true i:false i:true c:true i:true i:false c:true i:false c:true c:false"},
		{"half inside", func(pull pull) {
			next, _ := pull(seq)
			next()
			look("c")
			with(func() {
				next()
				look("c")
			})
			next()
			look("c")
		}, "i:false c:false i:false i:true c:true i:true i:false c:false"},
		{"stop", func(pull pull) {
			next, stop := pull(func(yield func(int) bool) {
				with(func() {
					defer look("i")
					yield(1)
				})
			})
			next()
			look("c")
			stop()
			look("c")
		}, "c:false i:true c:false"},
	}
	for _, p := range programs {
		for _, how := range []struct {
			name string
			pull pull
			lock bool
		}{
			{"channels", chanPull, false},
			{"Pull", iter.Pull[int], false},
			{"locked Pull", iter.Pull[int], true},
			{"Pull, locked later", func(seq iter.Seq[int]) (func() (int, bool), func()) {
				next, stop := iter.Pull(seq)
				runtime.LockOSThread()
				return next, stop
			}, true},
		} {
			if how.name == "Pull, locked later" && !strings.Contains(os.Getenv("GODEBUG"), "corolock=1") {
				continue // upstream has it die
			}
			t.Run(p.name+"/"+how.name, func(t *testing.T) {
				if how.lock {
					runtime.LockOSThread()
					defer runtime.UnlockOSThread()
				}
				seen = nil
				p.run(how.pull)
				if got := strings.Join(seen, " "); got != p.want {
					t.Errorf("got  %s\nwant %s", got, p.want)
				}
			})
		}
	}
}

// chanPull is iter.Pull made of a goroutine and channels.
func chanPull(seq iter.Seq[int]) (next func() (int, bool), stop func()) {
	resume, values := make(chan bool), make(chan int)
	go func() {
		defer close(values)
		if <-resume {
			seq(func(v int) bool { values <- v; return <-resume })
		}
	}()
	ended := false
	step := func(more bool) (int, bool) {
		if ended {
			return 0, false
		}
		resume <- more
		v, ok := <-values
		ended = !ok
		return v, ok
	}
	return func() (int, bool) { return step(true) }, func() { step(false) }
}
