// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"internal/goexperiment"
	"testing"
)

// TestCoroBugLeakProfile checks that the goroutine leak profile reports
// coroutines and their consumers if they have leaked, and only then.
func TestCoroBugLeakProfile(t *testing.T) {
	exe, err := buildTestProg(t, "testcoroleak")
	if err != nil {
		t.Fatal(err)
	}
	settings := []string{"", "corolock=1", "clobberfree=1"}
	if !goexperiment.StaticLockRanking {
		// With lock ranking, schedule calls schedEnabled without the lock
		// that schedEnabled asserts, whatever the program does.
		settings = append(settings, "gcstoptheworld=1")
	}
	for _, test := range []struct {
		name     string
		settings []string
	}{
		{"Profile", settings},
		{"Weak", settings},
		{"Again", settings},
		{"Reuse", settings[:2]},
		{"Bubble", settings[:2]},
		// The profile does not work with gccheckmark=1, with coroutines or without.
		{"Collect", []string{"gccheckmark=1", "gccheckmark=1,corolock=1", "clobberfree=1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, setting := range test.settings {
				if got := runBuiltTestProg(t, exe, test.name, "GODEBUG="+setting); got != "OK\n" {
					t.Fatalf("GODEBUG=%s:\n%s", setting, got)
				}
			}
		})
	}
}
