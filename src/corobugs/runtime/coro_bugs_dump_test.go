// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"fmt"
	"internal/synctest"
	"internal/testenv"
	"iter"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// coroBugDump returns the text of each goroutine, by its number, and the number
// of the current one.
func coroBugDump() (dump map[string]string, self string) {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	dump = map[string]string{}
	for _, s := range strings.Split(string(buf), "\n\n") {
		id, _, _ := strings.Cut(strings.TrimPrefix(s, "goroutine "), " ")
		if self == "" {
			self = id
		}
		dump[id] = s
	}
	return dump, self
}

//go:noinline
func coroBugMaker(seq iter.Seq[int]) (next func() (int, bool), stop func()) {
	next, stop = iter.Pull(seq)
	return next, stop
}

//go:noinline
func coroBugMaker2(seq iter.Seq2[int, int]) (next func() (int, int, bool), stop func()) {
	next, stop = iter.Pull2(seq)
	return next, stop
}

func coroBugInlined(seq iter.Seq[int]) (next func() (int, bool), stop func()) {
	return iter.Pull(seq)
}

//go:noinline
func coroBugValue(pull func(iter.Seq[int]) (func() (int, bool), func()), seq iter.Seq[int]) (next func() (int, bool), stop func()) {
	next, stop = pull(seq)
	return next, stop
}

// TestCoroBugDumpCreator checks that a dump names who has called iter.Pull.
func TestCoroBugDumpCreator(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skipf("no frame pointers on %s", runtime.GOARCH)
	}
	_, self := coroBugDump()
	check := func(t *testing.T, creator, goid string) {
		t.Helper()
		dump, _ := coroBugDump()
		want := fmt.Sprintf("\ncreated by %s in goroutine %s\n", creator, goid)
		for _, text := range dump {
			if strings.Contains(text, want) && strings.Contains(text, "coro_bugs_dump_test.go:") && strings.HasPrefix(text[strings.Index(text, "["):], "[coroutine") {
				return
			}
		}
		t.Errorf("no coroutine %q in\n%v", want, dump)
	}
	t.Run("Pull", func(t *testing.T) {
		_, self := coroBugDump()
		next, stop := coroBugMaker(coroBugNumbers)
		defer stop()
		check(t, "runtime_test.coroBugMaker", self) // has not started
		next()
		check(t, "runtime_test.coroBugMaker", self)
	})
	t.Run("Pull2", func(t *testing.T) {
		_, self := coroBugDump()
		next, stop := coroBugMaker2(func(yield func(int, int) bool) { yield(1, 2) })
		defer stop()
		check(t, "runtime_test.coroBugMaker2", self)
		next()
		check(t, "runtime_test.coroBugMaker2", self)
	})
	t.Run("inlined", func(t *testing.T) {
		_, self := coroBugDump()
		_, stop := coroBugInlined(coroBugNumbers)
		defer stop()
		check(t, "runtime_test.coroBugInlined", self)
	})
	// The function value is a wrapper.
	t.Run("value", func(t *testing.T) {
		_, self := coroBugDump()
		_, stop := coroBugValue(iter.Pull[int], coroBugNumbers)
		defer stop()
		check(t, "runtime_test.coroBugValue", self)
	})
	// An iterator is the creator of another one.
	t.Run("nested", func(t *testing.T) {
		next, stop := iter.Pull(func(yield func(string) bool) {
			_, self := coroBugDump()
			next, stop := coroBugMaker(coroBugNumbers)
			defer stop()
			next()
			yield(self)
		})
		defer stop()
		if inner, _ := next(); inner == self {
			t.Error("the iterator runs on its consumer's goroutine")
		} else {
			check(t, "runtime_test.coroBugMaker", inner)
		}
	})
}

func coroBugNumbers(yield func(int) bool) {
	for i := 0; yield(i); i++ {
	}
}

// TestCoroBugDumpWaits checks that a dump says whom next and stop wait for.
func TestCoroBugDumpWaits(t *testing.T) {
	// state returns what stands in brackets, but for locks.
	stateOf := regexp.MustCompile(`^goroutine \d+ \[(.*)\]`)
	state := func(dump map[string]string, id string) string {
		if m := stateOf.FindStringSubmatch(dump[id]); m != nil {
			return strings.ReplaceAll(m[1], ", locked to thread", "")
		}
		return "no goroutine " + id
	}
	test := func(t *testing.T, lock func()) {
		_, outer := coroBugDump()
		var middle string
		inspect := func(wait string) {
			dump, inner := coroBugDump()
			for _, g := range []struct{ id, want string }{
				{outer, "coroutine, waiting for goroutine " + middle},
				{middle, "coroutine, waiting for goroutine " + inner},
				{inner, "running"},
			} {
				if got := state(dump, g.id); got != g.want {
					t.Errorf("%s, goroutine %s: %q, want %q", wait, g.id, got, g.want)
				}
			}
		}
		var yielded string
		next, stop := iter.Pull(func(yield func(int) bool) {
			lock()
			_, middle = coroBugDump()
			next, stop := iter.Pull(func(yield func(int) bool) {
				_, yielded = coroBugDump()
				defer inspect("stop")
				inspect("next")
				yield(1)
			})
			lock()
			next()
			yield(1)
			stop()
		})
		lock()
		next()
		// Those that nobody waits for wait for nobody in particular.
		dump, _ := coroBugDump()
		for _, id := range []string{middle, yielded} {
			if got := state(dump, id); got != "coroutine" {
				t.Errorf("yield, goroutine %s: %q, want %q", id, got, "coroutine")
			}
		}
		stop()
	}
	t.Run("direct", func(t *testing.T) {
		test(t, func() {})
	})
	t.Run("shared", func(t *testing.T) {
		testenv.MustHaveExec(t)
		if os.Getenv("CORO_BUG") != "" {
			test(t, runtime.LockOSThread)
			return
		}
		coroBugAgain(t, "GODEBUG=corolock=1")
	})
	// A goroutine that waits for an iterator from outside its bubble is not
	// durably blocked.
	t.Run("bubble", func(t *testing.T) {
		testenv.MustHaveExec(t)
		if os.Getenv("CORO_BUG") == "" {
			coroBugAgain(t)
			return
		}
		var consumer string
		check := func(want string) {
			dump, self := coroBugDump()
			want = strings.ReplaceAll(want, "N", self)
			if got := regexp.MustCompile(`bubble \d+`).ReplaceAllString(state(dump, consumer), "bubble"); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		next, stop := iter.Pull(func(yield func(int) bool) {
			time.Sleep(time.Millisecond)
			check("coroutine, synctest bubble, waiting for goroutine N")
			yield(1)
		})
		synctest.Run(func() {
			_, consumer = coroBugDump()
			next()
			next, stop := iter.Pull(func(yield func(int) bool) {
				check("coroutine (durable), synctest bubble, waiting for goroutine N")
			})
			next()
			stop()
		})
		stop()
	})
}
