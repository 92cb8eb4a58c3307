// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// TestCoroBugPanicStack checks that the output of a crash shows where in an
// iterator the panic was that its consumer dies of.
func TestCoroBugPanicStack(t *testing.T) {
	t.Run("Value", testCoroPanicValue)
	exe, err := buildTestProg(t, "testcoropanic")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("testdata/testcoropanic/main.go")
	if err != nil {
		t.Fatal(err)
	}
	// line is a pattern for the line with the mark.
	line := func(mark string) string {
		before, _, ok := strings.Cut(string(source), "// LINE "+mark+"\n")
		if !ok {
			t.Fatal("no line", mark)
		}
		return fmt.Sprintf(`\(\.\.\.\)\n\t.*/main\.go:%d( .*)?\n`, strings.Count(before, "\n")+1)
	}
	const (
		coroutine = `\ngoroutine (\d+) \[coroutine, has panicked\]:\n`
		created   = `created by main\.[\w.]+ in goroutine \d+\n\t.*\n`
		running   = `\ngoroutine 1 \[running(, locked to thread)?\]:\n`
		signal    = `\[signal (SIGSEGV|0x|Exception).* addr=0x0 pc=0x[1-9a-f].*\]\n`
		more      = `(?s:.*)`
	)
	fail := `main\.inlined` + line("error") + `main\.fail` + line("call")
	failed := coroutine + fail
	nilled := coroutine + `main\.dereference` + line("nil") + `main\.seqNil\(\.\.\.\)\n`
	const message = `panic: an error\n`
	for _, test := range []struct {
		kind, env, want string
		coroutines      int // how many have panicked
	}{
		{"Error", "", `^` + message + failed + `main\.seqError\(\.\.\.\)\n.*\niter\.Pull\[\.\.\.\]\.func1\(.*\n.*\n` + created + running + `iter\.Pull\[\.\.\.\]\.func2\(\)\n.*\nmain\.consume\(`, 1},
		{"Error", "CORO_LOCK=1", `^` + message + failed + more + running, 1},
		{"Error", "GOTRACEBACK=none", `^` + message + `$`, 0},
		{"Error", "GOTRACEBACK=system", message + coroutine + `panic\(\.\.\.\)\n.*\n` + fail + more + `runtime\.corostart\(`, 1},
		{"Nil", "", `^panic: .*\n` + signal + nilled + more + running, 1},
		{"Nil", "GOTRACEBACK=none", `^panic: .*\n` + signal + `$`, 0},
		{"Stop", "", failed + `main\.seqDefer\(` + more + running, 1},
		{"Pull2", "", failed + more + running, 1},
		{"Pull2Stop", "", failed + more + running, 1},
		{"Nested", "", failed + `main\.seqError\(` + more + created + coroutine + `iter\.Pull\[\.\.\.\]\.func2\(\.\.\.\)\n.*\nmain\.consume\(\.\.\.\)\n.*\nmain\.seqOuter\(` + more + created + running, 2},
		{"Nested", "CORO_LOCK=1", failed + more + coroutine + more + running, 2},
		{"Convert", "", `^panic: converted: an error\n` + failed + more + coroutine + `main\.seqConvert\.func1\(\.\.\.\)\n.*\npanic\(\.\.\.\)\n.*\niter\.Pull` + more + `main\.seqConvert\(` + more + running, 2},
		{"Repanic", "", `^` + `panic: an error \[recovered, repanicked\]\n` + failed + more + running, 1},
		{"Replace", "", `^` + message + `\tpanic: .*\n` + signal + nilled + more + failed + more + running, 2},
		{"ReplaceNested", "", `^panic: .*\n` + signal + nilled + more + failed + more + coroutine + `iter\.Pull\[\.\.\.\]\.func2\(` + more + running, 3},
		{"Fatal", "", `^(panic: .*\n\t)?fatal error: .*\n` + failed + more + running, 1},
		{"Frames", "", failed + more + `\.\.\.additional frames elided\.\.\.\n` + created + running, 1},
		{"Coroutines", "", failed + more + `\n\.\.\.additional coroutines elided\.\.\.\n` + running, 50},
		{"Handled", "", `^goroutine 1 \[running(, locked to thread)?\]:\n` + more + failed + more + coroutine + more + `main\.seqOuter\(\.\.\.\)\n.*\n` + more + created + `$`, 2},
		{"Handler", "", `^goroutine 1 \[running(, locked to thread)?\]:\n` + more + `panic\(` + more + `main\.fail\(` + more + failed + more + `\n` + message + failed + more + running, 2},
		{"Forgotten", "", `^` + message + running + more + `main\.fail\(\)`, 0},
		{"InIterator", "", `^` + message + failed + more + running, 1},
		{"Goexit", "", `^` + message + running + more + `main\.fail\(\)`, 0},
	} {
		t.Run(strings.TrimSuffix(test.kind+"/"+test.env, "/"), func(t *testing.T) {
			t.Parallel()
			env := []string{test.env}
			if test.env == "CORO_LOCK=1" {
				env = append(env, "GODEBUG=corolock=1")
			}
			got := runBuiltTestProg(t, exe, test.kind, env...)
			if !regexp.MustCompile(test.want).MatchString(got) {
				t.Errorf("no match for %s in\n%s", test.want, got)
			}
			if n := len(regexp.MustCompile(coroutine).FindAllString(got, -1)); n != test.coroutines {
				t.Errorf("%d coroutines have panicked in\n%s", n, got)
			}
			if strings.Contains(got, "stale") {
				t.Errorf("%s", got)
			}
		})
	}
}

// testCoroPanicValue checks that recover returns what an iterator has panicked
// with, and nothing else.
func testCoroPanicValue(t *testing.T) {
	recovered := func(f func()) (v any) {
		defer func() { v = recover() }()
		f()
		return nil
	}
	nested := func(f func()) iter.Seq[int] {
		return func(yield func(int) bool) {
			next, _ := iter.Pull(func(yield func(int) bool) { f() })
			next()
		}
	}
	var zero int
	err := errors.New("an error")
	for _, test := range []struct {
		name string
		f    func()
		ok   func(v any) bool
	}{
		{"Value", func() { panic(err) }, func(v any) bool { return v == err }},
		{"Uncomparable", func() { panic([]int{5}) }, func(v any) bool { s, ok := v.([]int); return ok && s[0] == 5 }},
		{"Nil", func() { panic(nil) }, func(v any) bool { _, ok := v.(*runtime.PanicNilError); return ok }},
		{"Runtime", func() { zero = 1 / zero }, func(v any) bool { err, ok := v.(runtime.Error); return ok && strings.Contains(err.Error(), "divide") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			next, _ := iter.Pull(nested(test.f))
			if v := recovered(func() { next() }); !test.ok(v) {
				t.Errorf("next panics with %T %v", v, v)
			}
			if v := recovered(func() { next() }); v != nil {
				t.Errorf("next panics with %v after the end", v)
			}
			next, stop := iter.Pull(func(yield func(int) bool) {
				defer test.f()
				yield(1)
			})
			next()
			if v := recovered(stop); !test.ok(v) {
				t.Errorf("stop panics with %T %v", v, v)
			}
		})
	}
}
