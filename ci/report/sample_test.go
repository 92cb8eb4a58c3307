// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package report

import (
	_ "embed"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"gocoro/ci/record"
	"gocoro/ci/verdict"
)

//go:embed testdata/testprog.txt
var testprogNames string

var coroPrograms = strings.Fields(`
	CoroLockOSThreadIterLock CoroLockOSThreadIterLockYield CoroLockOSThreadLock CoroLockOSThreadLockIterNested
	CoroLockOSThreadLockIterLock CoroLockOSThreadLockIterLockYield CoroLockOSThreadLockIterYieldNewG
	CoroLockOSThreadLockAfterPull CoroLockOSThreadStopLocked CoroLockOSThreadStopLockedIterNested
	CoroCgoIterCallback CoroCgoIterCallbackYield CoroCgoCallback CoroCgoCallbackIterNested CoroCgoCallbackIterCallback
	CoroCgoCallbackIterCallbackYield CoroCgoCallbackAfterPull CoroCgoStopCallback CoroCgoStopCallbackIterNested`)

// stockPasses are the programs that the stock go1.22.12 runs well.
const stockPasses = " CoroLockOSThreadIterLock CoroLockOSThreadLock CoroLockOSThreadLockIterNested CoroLockOSThreadStopLocked CoroLockOSThreadStopLockedIterNested CoroCgoIterCallback "

const sampleThrow = `=== TestCoroCgoCallback/CoroCgoCallbackAfterPull was open
fatal error: unexpected signal during runtime execution
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x46d2a1]

runtime stack:
runtime.throw({0x52ae14?, 0x7f1c6e7f9c60?})
	/sdk/go1.22.12-coro1/src/runtime/panic.go:1023 +0x5c fp=0x7f1c6e7f9be0 sp=0x7f1c6e7f9bb0 pc=0x43a0bc
runtime.sigpanic()
	/sdk/go1.22.12-coro1/src/runtime/signal_unix.go:895 +0x285 fp=0x7f1c6e7f9c40 sp=0x7f1c6e7f9be0 pc=0x450a45
runtime.coroswitch_m(0xc000082a80)
	/sdk/go1.22.12-coro1/src/runtime/coro.go:171 +0x141 fp=0x7f1c6e7f9ca0 sp=0x7f1c6e7f9c40 pc=0x40a5e1

goroutine 1 gp=0xc0000061c0 m=0 mp=0x6121c0 [coroutine, locked to thread]:
runtime.gopark(0x0?, 0x0?, 0x0?, 0x0?, 0x0?)
	/sdk/go1.22.12-coro1/src/runtime/proc.go:402 +0xce fp=0xc000081e38 sp=0xc000081e18 pc=0x43cf4e
main.CoroCgoCallbackAfterPull()
	/src/runtime/testdata/testprogcgo/coro.go:147 +0x9d fp=0xc000081f50 sp=0xc000081ec0 pc=0x4b3c1d
FAIL	runtime	2.114s
`

const sampleTimeout = `=== TestAsyncPreempt was open
panic: test timed out after 10m0s
running tests:
	TestAsyncPreempt (9m12s)

goroutine 81 [running]:
testing.(*M).startAlarm.func1()
	/sdk/go1.22.12-coro1/src/testing/testing.go:2366 +0x385
created by time.goFunc
	/sdk/go1.22.12-coro1/src/time/sleep.go:177 +0x2d

goroutine 1 [chan receive, 9 minutes]:
testing.(*T).Run(0xc000106000, {0x53c1d7?, 0x0?}, 0x5483e0)
	/sdk/go1.22.12-coro1/src/testing/testing.go:1750 +0x3ab
`

// sample makes an evaluation with every state in it: two lines, the platforms
// of the CI, 19 programs and the testprog tests, six configurations, and a
// baseline.
func sample() *verdict.Evaluation {
	e := &verdict.Evaluation{Stale: []string{"*/linux-arm64-qemu-user/testprog/*/patched runtime.TestGone (ThreadSanitizer does not know qemu's address space)"}}
	hosts := map[string]string{
		record.Native: "linux/amd64, 2 cores, kernel 6.12", record.QemuUser: "linux/amd64, 2 cores, qemu 7.2",
		record.QemuSystem: "linux/amd64, 2 cores, qemu 7.2, kernel 6.1 arm64", record.Cross: "linux/amd64, 2 cores, kernel 6.12",
	}
	platforms := [][2]string{{"linux-amd64", record.Native}, {"linux-arm64-qemu-user", record.QemuUser}, {"linux-arm64-qemu-system", record.QemuSystem}, {"darwin-amd64", record.Cross}, {"darwin-arm64", record.Cross}}
	for _, line := range []string{"go1.22", "go1.27"} {
		for _, p := range platforms {
			for _, sc := range sampleConfigs(p[1]) {
				for _, tree := range []string{record.Patched, record.Stock} {
					if tree == record.Stock && (sc[1] != "plain" || p[1] == record.Cross || p[1] == record.QemuSystem) {
						continue
					}
					id := record.ID{Line: line, Platform: p[0], Suite: sc[0], Config: sc[1], Tree: tree}
					e.Cells = append(e.Cells, sampleCell(id, p[1], hosts[p[1]]))
				}
			}
		}
	}
	return e
}

func sampleConfigs(how string) [][2]string {
	var list [][2]string
	for _, suite := range []string{"coro", "testprog", "std"} {
		for _, config := range []string{"plain", "race", "noopt", "GOMAXPROCS=1", "mayMoreStackPreempt", "gccheckmark"} {
			switch {
			case how == record.Cross && config != "plain", suite == "std" && (config != "plain" || how != record.Native),
				how == record.QemuUser && config == "race" && suite == "coro", how == record.QemuSystem && suite != "coro":
			default:
				list = append(list, [2]string{suite, config})
			}
		}
	}
	return list
}

func sampleCell(id record.ID, how, host string) *verdict.CellOutcome {
	c := &verdict.CellOutcome{Recorded: true, Cell: &record.Cell{
		ID: id, How: how, Host: host, Finished: true,
		Toolchain: map[string]string{"go1.22": "go1.22.12-coro1", "go1.27": "go1.27.3-coro1"}[id.Line],
		Started:   time.Date(2026, 11, 23, 12, 53, 25, 0, time.UTC),
		Reproduce: fmt.Sprintf("go run ./ci test -line %s -platform %s -suite %s -config %s", id.Line, id.Platform, id.Suite, id.Config),
	}}
	if id.Tree == record.Stock {
		c.Toolchain = strings.TrimSuffix(c.Toolchain, "-coro1")
		c.Reproduce += " -tree stock"
	}
	if how == record.Cross {
		for _, s := range []string{"compile std and cmd", "vet the runtime and the packages on top of it", "link the runtime's test", "link testprog"} {
			c.Steps = append(c.Steps, record.Step{Name: s, OK: true, Seconds: 12.5})
			c.Seconds += 12.5
		}
	} else {
		c.Attempts = []record.Attempt{{
			Command: []string{"/sdk/" + c.Toolchain + "/bin/go", "test", "-json", "-run", "^(TestCoroLockOSThread|TestCoroCgoCallback)$", "runtime"},
			Env:     []string{"GOEXPERIMENT=rangefunc", "GOTRACEBACK=crash", "GOFLAGS", "GOTOOLCHAIN=local"}, Exit: 1,
		}}
	}
	var names []string
	switch id.Suite {
	case "coro":
		for i, p := range coroPrograms {
			names = append(names, []string{"TestCoroLockOSThread/", "TestCoroCgoCallback/"}[min(i/10, 1)]+p)
		}
	case "testprog":
		names = strings.Fields(testprogNames)
	case "std":
		names = strings.Fields("iter.TestPull iter.TestPull2 iter.TestPullDoubleNext iter.TestPullGoexit iter.TestPullImmediateStop iter.TestPullPanic reflect.TestSeq reflect.TestSeq2 sync.TestCondSignal sync.TestMutexFairness sync.TestOnceFunc")
	}
	for _, name := range names {
		o := &verdict.Outcome{Package: "runtime", Test: name, State: verdict.Passed, Attempts: 1, Seconds: sampleSeconds(id.String() + name)}
		if id.Suite == "std" {
			o.Package, o.Test, _ = strings.Cut(name, ".")
		}
		sampleState(c, o, how)
		c.Seconds += o.Seconds
		c.Outcomes = append(c.Outcomes, o)
	}
	if id == (record.ID{Line: "go1.27", Platform: "linux-arm64-qemu-user", Suite: "testprog", Config: "gccheckmark", Tree: record.Patched}) {
		c.Recorded = false
		c.Cell = &record.Cell{ID: id, How: how}
		why := "planned, but there is no record of the cell"
		for _, o := range c.Outcomes {
			*o = verdict.Outcome{Package: o.Package, Test: o.Test, State: verdict.DidNotRun, Reason: why, Baseline: verdict.NoBaseline}
		}
		c.Outcomes = append([]*verdict.Outcome{{Test: verdict.CellItself, State: verdict.DidNotRun, Reason: why, Baseline: verdict.NoBaseline}}, c.Outcomes...)
	}
	return c
}

// sampleSeconds is a time that does not change from run to run.
func sampleSeconds(s string) float64 {
	h := fnv.New32a()
	h.Write([]byte(s))
	return float64(h.Sum32()%997)/1000*float64(h.Sum32()%13) + 0.01
}

// sampleState gives some of the outcomes something other than passed.
func sampleState(c *verdict.CellOutcome, o *verdict.Outcome, how string) {
	cell := c.Line + " " + c.Platform + " " + c.Config + " " + c.Tree
	set := func(s verdict.State, b verdict.Baseline, reason, text string) {
		o.State, o.Baseline, o.Reason, o.Text = s, b, reason, text
	}
	program := o.Test[strings.Index(o.Test, "/")+1:]
	switch {
	case how == record.Cross:
		set(verdict.BuiltNotRun, "", "what was built: compile std and cmd; vet the runtime and the packages on top of it; link the runtime's test; link testprog", "")
		o.Seconds, o.Attempts = 0, 0
	case c.Tree == record.Stock && c.Suite == "coro" && c.Line == "go1.22" && !strings.Contains(stockPasses, " "+program+" "):
		set(verdict.ExpectedFailure, "", "the stock 1.22 has no matched-lock rules (failed: got \"OK\", want \"OS thread locking must match\")", "    coro_test.go:41: got \"OK\", want \"OS thread locking must match\"\n--- FAIL: "+o.Test+" (0.01s)\n")
		o.Was = verdict.Failed
	case c.Suite == "coro" && program == "CoroCgoCallbackAfterPull" && cell == "go1.22 linux-amd64 mayMoreStackPreempt patched":
		set(verdict.Crashed, verdict.NoBaseline, "open when the test process died: fatal error: unexpected signal during runtime execution", sampleThrow)
	case c.Suite == "coro" && strings.HasPrefix(program, "CoroCgoStopCallback") && cell == "go1.22 linux-amd64 mayMoreStackPreempt patched":
		set(verdict.DidNotRun, verdict.NoBaseline, "the test process had died before: fatal error: unexpected signal during runtime execution", "")
	case c.Suite == "coro" && program == "CoroLockOSThreadStopLocked" && cell == "go1.27 linux-arm64-qemu-system plain patched":
		set(verdict.Flaky, verdict.NoBaseline, "failed in attempt 1, passed in attempt 2: got \"\", want \"OK\"", "=== attempt 1\n    coro_test.go:41: got \"\", want \"OK\"\n")
		o.Attempts = 2
	case o.Test == "TestCgoCrashTraceback" && cell == "go1.22 linux-amd64 plain patched":
		o.Stock = verdict.Passed
		set(verdict.Failed, verdict.WeBrokeIt, "missing first frame: got \"runtime.coroexit\", want \"main.crashLine\"", "    crash_cgo_test.go:254: missing first frame: got \"runtime.coroexit\", want \"main.crashLine\"\n        <tag> & \"quotes\" must stay text: </pre><script>alert(1)</script>\n--- FAIL: TestCgoCrashTraceback (0.37s)\n")
	case o.Test == "TestCgoExternalThreadPanic" && strings.HasPrefix(cell, "go1.22 linux-amd64 plain"):
		set(verdict.Failed, verdict.UpstreamToo, "want panic: BOOM, got an exit without it", "    crash_cgo_test.go:118: want panic: BOOM, got an exit without it\n")
		o.Stock = verdict.Failed
		if c.Tree == record.Stock {
			o.Baseline, o.Stock = "", ""
		}
	case o.Test == "TestAsyncPreempt" && cell == "go1.27 linux-arm64-qemu-user GOMAXPROCS=1 patched":
		set(verdict.TimedOut, verdict.NoBaseline, "panic: test timed out after 10m0s", sampleTimeout)
		o.Seconds = 552
	case c.Suite == "testprog" && strings.HasPrefix(cell, "go1.27 linux-amd64 noopt"):
		set(verdict.BuildFailed, verdict.NoBaseline, "did not build: ./coro.go:88:14: undefined: lockRecord", "# runtime\n./coro.go:88:14: undefined: lockRecord\n./coro.go:91:2: too many errors\n"+strings.Repeat("./proc.go:4410:9: mp.lockedInt undefined\n", 12))
		o.Seconds = 0
	case strings.HasPrefix(o.Test, "TestRace") && c.Platform == "linux-arm64-qemu-user":
		if o.Test == "TestRaceSignal" && c.Config == "race" && c.Line == "go1.27" {
			set(verdict.UnexpectedPass, "", "expected to fail (ThreadSanitizer does not know qemu's address space), but it passes: take the entry out of the CI's table", "")
		} else {
			set(verdict.ExpectedFailure, verdict.NoBaseline, "ThreadSanitizer does not know qemu's address space (failed: exit status 66)", "    crash_test.go:95: FATAL: ThreadSanitizer: unsupported VMA range\n")
			o.Was = verdict.Failed
		}
	case strings.HasPrefix(o.Test, "TestGdb") || strings.HasPrefix(o.Test, "TestLldb") || o.Test == "TestBigGOMAXPROCS":
		set(verdict.Skipped, "", "test requires TSAN or a debugger that is not installed", "")
	case o.Test == "TestSegv" && c.Config == "race":
		set(verdict.Skipped, "", "race detector changes the signal handling", "")
	}
}
