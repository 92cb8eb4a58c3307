// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import "testing"

// Each test here fails on a runtime that lacks the repair that it is named for.

// TestCoroBugProfile checks that goroutine profiles can be taken while coroutines
// switch.
func TestCoroBugProfile(t *testing.T) { coroBug(t, "Profile") }

// TestCoroBugPanic checks that a panic of an iterator reaches the caller of next
// or stop.
func TestCoroBugPanic(t *testing.T) { coroBug(t, "Panic") }

// TestCoroBugGoexit checks that when an iterator calls runtime.Goexit the caller
// of next or stop exits.
func TestCoroBugGoexit(t *testing.T) { coroBug(t, "Goexit") }

func coroBug(t *testing.T, name string) {
	t.Helper()
	exe, err := buildTestProg(t, "testcorobugs")
	if err != nil {
		t.Fatal(err)
	}
	if got := runBuiltTestProg(t, exe, name); got != "OK\n" {
		t.Fatal(got)
	}
}
