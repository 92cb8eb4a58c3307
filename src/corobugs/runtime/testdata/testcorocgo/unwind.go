// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

/*
#include <stdint.h>
#include <string.h>

extern void goCall(uintptr_t);

// callGo leaves something in its frame that is no frame pointer.
static void callGo(uintptr_t h) {
	volatile char b[256];
	memset((char*)b, 1, sizeof b);
	goCall(h);
}
*/
import "C"

import (
	"io"
	"runtime"
	"runtime/cgo"
	"runtime/trace"
	"sync"
	"time"
)

//export goCall
func goCall(h C.uintptr_t) { cgo.Handle(h).Value().(func())() }

func init() {
	programs["UnwindTrace"] = func() {
		trace.Start(io.Discard)
		defer trace.Stop()
		leaveCallbacks(500, block)
	}
	programs["UnwindBlock"] = func() {
		runtime.SetBlockProfileRate(1)
		leaveCallbacks(500, block)
	}
	// The goroutine does not run when the trace begins.
	programs["UnwindStart"] = func() {
		leaveCallbacks(50, func() {
			blocked, done := make(chan bool), make(chan bool)
			go func() {
				<-blocked
				time.Sleep(time.Millisecond)
				trace.Start(io.Discard)
				trace.Stop()
				close(done)
			}()
			blocked <- true
			<-done
		})
	}
}

func block() {
	c := make(chan bool)
	go func() { c <- true }()
	<-c
}

// leaveCallbacks calls f, some times, in a deferred function that runs while a
// panic or Goexit is leaving a callback from C.
func leaveCallbacks(times int, f func()) {
	for _, leave := range []func(){func() { panic(1) }, runtime.Goexit} {
		h := cgo.NewHandle(leave)
		var wg sync.WaitGroup
		for range times {
			wg.Go(func() {
				defer func() { recover() }()
				defer f()
				C.callGo(C.uintptr_t(h))
			})
			wg.Wait()
		}
	}
}
