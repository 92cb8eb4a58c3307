// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"bytes"
	"internal/testenv"
	"iter"
	"os"
	"regexp"
	. "runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// TestCoroSwitchStress lets the program use iter.Pull in all ways, while the
// garbage collector, the tracer and the profilers are at work. With the variable
// GOCORO_STRESS it runs for longer.
func TestCoroSwitchStress(t *testing.T) {
	exe, err := buildTestProg(t, "testcoroswitch")
	if err != nil {
		t.Fatal(err)
	}
	duration := 500 * time.Millisecond
	if s := os.Getenv("GOCORO_STRESS"); s != "" {
		if duration, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	for _, env := range []string{
		"GOMAXPROCS=1",
		"GOMAXPROCS=2",
		"GOMAXPROCS=8",
		"GODEBUG=asyncpreemptoff=1",
		"GODEBUG=gccheckmark=1",
		"GODEBUG=clobberfree=1",
		"GODEBUG=dontfreezetheworld=1",
	} {
		t.Run(env, func(t *testing.T) {
			coroSwitchProg(t, exe, "^OK\n$", []string{env}, "Stress", duration.String())
		})
	}
}

// TestCoroSwitchMisuse checks that a program that misuses iter.Pull goes on, or
// is told what is wrong, but does not crash otherwise.
func TestCoroSwitchMisuse(t *testing.T) {
	exe, err := buildTestProg(t, "testcoroswitch")
	if err != nil {
		t.Fatal(err)
	}
	const found = "^(OK|fatal error: coroswitch: next, stop or yield of one iterator called by two goroutines at once\n|" +
		"fatal error: coroswitch on exited coro\n|fatal error: coroswitch of a goroutine to itself\n)"
	for _, test := range []struct{ name, want string }{
		{"Nexts", found},
		{"Stops", found},
		{"Yields", found},
		{"NextInside", "^OK\n$"},
		{"StopInFlight", "^OK\n$"},
		{"StopInFlightTraced", "^OK\n$"},
		{"YieldLate", "^OK\n$"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := 1
			if test.want == found && !testing.Short() {
				n = 10
			}
			for range n {
				coroSwitchProg(t, exe, test.want, nil, test.name)
			}
		})
	}
}

// coroSwitchProg runs exe and checks its output.
func coroSwitchProg(t *testing.T, exe, want string, env []string, args ...string) {
	t.Helper()
	cmd := testenv.CleanCmdEnv(testenv.Command(t, exe, args...))
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	if !regexp.MustCompile(want).Match(out) {
		t.Errorf("%s %s: %v\n%s", strings.Join(env, " "), strings.Join(args, " "), err, out)
	}
}

// coroSwitchFrames returns the functions of the goroutine that waits for seq.
func coroSwitchFrames(t *testing.T, pull func()) string {
	go pull()
	var buf bytes.Buffer
	for range 1000 {
		time.Sleep(time.Millisecond)
		buf.Reset()
		pprof.Lookup("goroutine").WriteTo(&buf, 1)
		for p := range strings.SplitSeq(buf.String(), "\n\n") {
			if strings.Contains(p, "coroSwitchConsumer") {
				return p
			}
		}
	}
	t.Fatal("no such goroutine")
	return ""
}

// TestCoroSwitchDirect checks that a switch is direct, on ports which have that:
// a goroutine that has been switched away from through g0 is in coroswitch.
func TestCoroSwitchDirect(t *testing.T) {
	done := make(chan bool)
	defer close(done)
	if p := coroSwitchFrames(t, func() { coroSwitchConsumer(done) }); CoroDirect == strings.Contains(p, "runtime.coroswitch") {
		t.Errorf("direct switch: want %v, got\n%s", CoroDirect, p)
	}
}

//go:noinline
func coroSwitchConsumer(done chan bool) {
	next, stop := iter.Pull(func(yield func(int) bool) {
		yield(1)
		<-done
	})
	defer stop()
	next()
	next()
}
