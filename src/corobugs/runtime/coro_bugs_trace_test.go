// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"bytes"
	"internal/trace"
	"io"
	"iter"
	"os"
	"runtime"
	rtrace "runtime/trace"
	"strings"
	"testing"
)

// Each of these is an iterator of another name. Its goroutine waits in a yield,
// or for a channel.

func coroBugTraceOne(yield func(int) bool) {
	coroBugTraceBlock()
	for yield(1) {
		coroBugTraceBlock()
	}
}

func coroBugTraceTwo(yield func(int, int) bool) {
	coroBugTraceBlock()
	for yield(1, 2) {
		coroBugTraceBlock()
	}
}

// coroBugTraceBlock makes the caller's goroutine leave a stack in the trace.
func coroBugTraceBlock() {
	c := make(chan bool)
	go func() { c <- true }()
	<-c
}

// TestCoroBugTraceName checks that in a trace an iterator's goroutine is known
// by the iterator's function, whether it was made before the trace or in it.
func TestCoroBugTraceName(t *testing.T) {
	const (
		one = "runtime_test.coroBugTraceOne"
		two = "runtime_test.coroBugTraceTwo"
	)
	t.Run("direct", func(t *testing.T) { testCoroBugTraceName(t, one, two, false) })
	// The lock is another one than at creation: the switch is the one of
	// shared locks, in a process that has them.
	t.Run("shared", func(t *testing.T) {
		if os.Getenv("CORO_BUG") != "" {
			testCoroBugTraceName(t, one, two, true)
			return
		}
		coroBugAgain(t, "GODEBUG=corolock=1")
	})
	t.Run("unwinder", func(t *testing.T) {
		if os.Getenv("CORO_BUG") != "" {
			testCoroBugTraceName(t, one, two, false)
			return
		}
		coroBugAgain(t, "GODEBUG=tracefpunwindoff=1")
	})
	// Whatever its name is, an iterator is not taken for a goroutine of the
	// runtime, which dumps do not show.
	t.Run("runtime", func(t *testing.T) {
		const name = "runtime.CoroBugNumbers("
		next, stop := iter.Pull(runtime.CoroBugNumbers)
		defer stop()
		next()
		dump, _ := coroBugDump()
		for _, text := range dump {
			if strings.Contains(text, name) {
				return
			}
		}
		t.Errorf("no %s in\n%v", name, dump)
	})
}

func testCoroBugTraceName(t *testing.T, one, two string, lock bool) {
	if rtrace.IsEnabled() {
		t.Skip("a trace is taken of this test")
	}
	if lock {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	nextBefore, stopBefore := iter.Pull(coroBugTraceOne)
	defer stopBefore()
	if lock {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	nextBefore()
	var buf bytes.Buffer
	if err := rtrace.Start(&buf); err != nil {
		t.Fatal(err)
	}
	nextOne, stopOne := iter.Pull(coroBugTraceOne)
	nextTwo, stopTwo := iter.Pull2(coroBugTraceTwo)
	for range 2 {
		nextBefore()
		nextOne()
		nextTwo()
	}
	stopOne()
	stopTwo()
	rtrace.Stop()

	r, err := trace.NewReader(&buf)
	if err != nil {
		t.Fatal(err)
	}
	s := trace.NewSummarizer()
	for {
		ev, err := r.ReadEvent()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		s.Event(&ev)
	}
	named := map[string]int{}
	for _, g := range s.Finalize().Goroutines {
		named[g.Name]++
	}
	if named[one] != 2 || named[two] != 1 || named["runtime.corostart"] != 0 {
		t.Errorf("%d goroutines are named %s, want 2; %d %s, want 1; %d runtime.corostart", named[one], one, named[two], two, named["runtime.corostart"])
	}

	// Without a function there is no name, and a panic in next only.
	next, stop := iter.Pull[int](nil)
	defer func() {
		if recover() == nil {
			t.Error("a nil iterator does not panic")
		}
		stop()
	}()
	next()
}
