// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"fmt"
	"internal/platform"
	"internal/testenv"
	"io"
	"iter"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/trace"
	"strings"
	"testing"
	"time"
	"weak"
)

// Each test here fails on a runtime that lacks the repair that it is named for.

// TestCoroBugRaceEnd checks that a coroutine that has ended leaves no more
// memory behind in race mode than a goroutine does.
func TestCoroBugRaceEnd(t *testing.T) {
	testenv.MustHaveCGO(t)
	if !platform.RaceDetectorSupported(runtime.GOOS, runtime.GOARCH) {
		t.Skipf("no race detector on %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	if runtime.GOOS != "linux" {
		t.Skip("the program reads its size from /proc")
	}
	exe, err := buildTestProg(t, "testcororace", "-race")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"End", "Stop", "StopFirst", "Goexit"} {
		t.Run(name, func(t *testing.T) {
			if got := runBuiltTestProg(t, exe, name); got != "OK\n" {
				t.Fatal(got)
			}
		})
	}
}

// TestCoroBugRetention checks that what an iterator has captured is freed when
// it has ended, though next and stop can still be called.
func TestCoroBugRetention(t *testing.T) {
	type data [1 << 16]byte
	pull := func(values int) (next func() (int, bool), stop func(), captured weak.Pointer[data]) {
		d := new(data)
		next, stop = iter.Pull(func(yield func(int) bool) {
			for i := range values {
				if !yield(i + int(d[i])) {
					return
				}
			}
		})
		return next, stop, weak.Make(d)
	}
	for _, test := range []struct {
		name string
		use  func(next func() (int, bool), stop func())
	}{
		{"End", func(next func() (int, bool), _ func()) {
			for _, ok := next(); ok; _, ok = next() {
			}
		}},
		{"Stop", func(next func() (int, bool), stop func()) { next(); stop() }},
		{"StopFirst", func(_ func() (int, bool), stop func()) { stop() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			next, stop, captured := pull(3)
			runtime.GC()
			if captured.Value() == nil {
				t.Error("what the iterator captured was freed before the iterator has run")
			}
			test.use(next, stop)
			// A stale copy in a register or on a stack may last for one cycle.
			for i := 0; captured.Value() != nil; i++ {
				if i == 10 {
					t.Fatal("the iterator has ended, and what it captured is alive")
				}
				runtime.GC()
			}
			runtime.KeepAlive(next)
			runtime.KeepAlive(stop)
		})
	}
}

// TestCoroBugWaitTime checks that a goroutine which a coroutine switch starts is
// not taken for one that has been waiting since a collection long ago.
func TestCoroBugWaitTime(t *testing.T) {
	check := func(who string) error {
		if since := runtime.WaitSince(); since != 0 {
			return fmt.Errorf("the %s runs, and waits since %d", who, since)
		}
		return nil
	}
	// In each run a collection finds the side that waits. There is none at the
	// time of a switch: it could find a goroutine just before that runs.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	run := func() error {
		next, stop := iter.Pull(func(yield func(error) bool) {
			for {
				err := check("iterator")
				runtime.GC()
				if !yield(err) {
					return
				}
			}
		})
		defer stop()
		for range 3 {
			err, _ := next()
			if err == nil {
				err = check("consumer")
			}
			if err != nil {
				return err
			}
			runtime.GC()
		}
		return nil
	}
	t.Run("direct", func(t *testing.T) {
		if err := run(); err != nil {
			t.Error(err)
		}
	})
	// The tracer has each switch go through the scheduler's stack.
	t.Run("traced", func(t *testing.T) {
		if !trace.IsEnabled() {
			if err := trace.Start(io.Discard); err != nil {
				t.Fatal(err)
			}
			defer trace.Stop()
		}
		if err := run(); err != nil {
			t.Error(err)
		}
	})
	// The lock is another one than at creation: the switch is the one of
	// shared locks, in a process that has them.
	t.Run("shared", func(t *testing.T) {
		if os.Getenv("CORO_BUG") != "" {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			next, stop := iter.Pull(func(yield func(error) bool) {
				for yield(check("iterator")) {
					runtime.GC()
				}
			})
			defer stop()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for range 3 {
				if err, _ := next(); err != nil {
					t.Fatal(err)
				}
				if err := check("consumer"); err != nil {
					t.Fatal(err)
				}
				runtime.GC()
			}
			return
		}
		coroBugAgain(t, "GODEBUG=corolock=1")
	})
}

// coroBugAgain runs the test in a process of its own, with the environment.
func coroBugAgain(t *testing.T, env ...string) {
	t.Helper()
	pattern := "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	cmd := testenv.CleanCmdEnv(testenv.Command(t, testenv.Executable(t), "-test.run="+pattern, "-test.v", fmt.Sprint("-test.timeout=", time.Minute)))
	cmd.Env = append(append(cmd.Env, env...), "CORO_BUG=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
}
