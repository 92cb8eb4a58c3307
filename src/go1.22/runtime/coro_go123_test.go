// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import "testing"

// TestCoroUnlikeGo123 holds down how iter.Pull differs from that of Go 1.23,
// where stop does not run an iterator that has not begun, and next panics in its
// own iterator.
func TestCoroUnlikeGo123(t *testing.T) {
	exe, err := buildTestProg(t, "testcorobugs")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"StopFirst": "ran: true\nOK\n",
		"OwnNext":   "own next: 1 true\nOK\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got := runBuiltTestProg(t, exe, name); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
