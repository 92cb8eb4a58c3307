// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"internal/testenv"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"
)

// TestCoroBugUnwindPanic checks that the tracer and the block profile do not
// follow frame pointers into C below a callback that a panic is leaving.
func TestCoroBugUnwindPanic(t *testing.T) {
	testenv.MustHaveCGO(t)
	exe, err := buildTestProg(t, "testcorocgo")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Trace", "Start", "Block"} {
		t.Run(name, func(t *testing.T) {
			// It depends on where the stacks lie what C leaves in the register
			// of the frame pointer.
			for range 5 {
				if got := runBuiltTestProg(t, exe, "Unwind"+name); got != "OK\n" {
					t.Fatal(got)
				}
			}
		})
	}
}

// TestCoroBugSignalDeadlock checks that a thread of C can be interrupted by signals
// wherever it is on its way into Go and back.
func TestCoroBugSignalDeadlock(t *testing.T) {
	testenv.MustHaveCGO(t)
	if runtime.GOOS != "linux" {
		t.Skip("the program finds the threads in /proc")
	}
	exe, err := buildTestProg(t, "testcorocgo")
	if err != nil {
		t.Fatal(err)
	}
	if got := runBuiltTestProg(t, exe, "SignalDeadlock", "GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=4"); got != "OK\n" {
		t.Fatal(got)
	}
}

// TestCoroBugHeapDump checks that a heap dump can be written while a goroutine
// leaves a system call.
func TestCoroBugHeapDump(t *testing.T) {
	if os.Getenv("CORO_BUG") == "" {
		coroBugAgain(t)
		return
	}
	// A collection would wait for the goroutine to stop.
	debug.SetGCPercent(-1)
	runtime.GC()

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	r.Fd() // Reading blocks from here on.
	id := make(chan uint64)
	go func() {
		id <- runtime.CurrentGoid()
		r.Read(make([]byte, 1))
	}()
	reader := <-id
	dump, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer dump.Close()
	for begin := time.Now(); !runtime.AsLeavingSyscall(reader, func() { debug.WriteHeapDump(dump.Fd()) }); {
		if time.Since(begin) > 10*time.Second {
			t.Fatal("the reader is not blocked")
		}
		time.Sleep(time.Millisecond)
	}
	w.Write([]byte{0})
}

// TestCoroBugLockedStarvation checks that two goroutines which wake each other
// leave some time to others when one of them is locked to its thread, also if
// somebody else always waits in the global queue.
func TestCoroBugLockedStarvation(t *testing.T) {
	if runtime.GOARCH == "wasm" {
		t.Skip("no threads on wasm")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, test := range []struct {
		name           string
		client, server bool // is locked
		yielder        bool
	}{
		{"none", false, false, false},
		{"client", true, false, false},
		{"server", false, true, false},
		{"both", true, true, false},
		{"client, yielder", true, false, true},
		{"server, yielder", false, true, true},
		{"both, yielder", true, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.yielder {
				var over atomic.Bool
				defer over.Store(true)
				go func() {
					for !over.Load() {
						runtime.Gosched()
					}
				}()
			}
			requests, replies := make(chan bool, 1), make(chan bool, 1)
			defer close(requests)
			go func() {
				if test.server {
					runtime.LockOSThread()
				}
				for range requests {
					replies <- true
				}
			}()
			if test.client {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
			}
			call := func() { requests <- true; <-replies }
			for range 1000 {
				call()
			}
			for range 5 {
				var ran atomic.Bool
				go ran.Store(true)
				const limit = 2 * time.Second
				for begin := time.Now(); !ran.Load(); {
					if time.Since(begin) > limit {
						t.Fatalf("a goroutine in the queue did not run for %v", limit)
					}
					call()
				}
			}
		})
	}
}
