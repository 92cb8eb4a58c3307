package platform

import "gocoro/ci/verdict"

// Such a test compiles the standard library for the race detector, and then fails at
// once. The virtual machine runs programs with the race detector.
const tsanRange = "builds and runs a program with the race detector; " +
	"ThreadSanitizer does not support the address space that qemu-user gives a program " +
	"(it dies with \"FATAL: ThreadSanitizer: unsupported VMA range\")"

// A run that hangs leaves a child that has not called execve. Its thread waits in
// futex(2) on a word of the emulator's own memory, presumably a lock that another
// thread of the parent had at the fork.
const forkedEmulator = "forks ten times at once while signals arrive; " +
	"a child hangs for good at times, in what looks like a lock of qemu-user itself: " +
	"with the stock go1.26.11 in 1 of 100 runs, go1.27.3 in 12 of 200, and in other batches in none"

const countedMoving = "counts the goroutines in C while the runtime takes their Ps back, and may miss one; " +
	"under qemu-user in 4 of 252 runs of the stock go1.26.11 and 1 of 168 of go1.27.3, and in none of 1200 natively"

// strace(1) shows it: the signal comes to the first thread that the process
// started, which is the emulator's own, and there its handler faults.
const emulatorSignalled = "sends its process a SIGSEGV, which the kernel may give to a thread of qemu-user itself, which dies of it; " +
	"of 12 such programs at once in 43 of 600 runs of the stock go1.22.12, 48 of 600 of go1.26.11, 39 of 600 of go1.27.3; " +
	"alone in none of 100 of go1.22.12"

const countedEnding = "counts the goroutines while the one of the test before may still be ending; " +
	"under qemu-user in 2 of 300 runs of the stock go1.22.12, natively in none of 1000"

// expectedFailures are the tests that cannot pass under qemu-user, or not always,
// for a reason that is not in what is tested. When one does pass, and has no When,
// the entry is to go.
//
// The list was measured with qemu 7.2 and go1.22.12. TestCoroRace and
// TestCoroBugRaceEnd are this project's own. The others fail with the stock
// release, too, whose other runtime tests that run a program have no failures (99
// passed, 14 skipped). From go1.26 on upstream has no TestDestructorCallbackRace,
// and TestExitHooks does not build with the race detector.
var expectedFailures = []verdict.Expectation{
	{Line: "go1.22", Package: "iter", Test: "TestPull", Reason: countedEnding, When: verdict.AtTimes},
	{Line: "go1.22", Package: "iter", Test: "TestPull2", Reason: countedEnding, When: verdict.AtTimes},
	{Line: "go1.26", Package: "runtime", Test: "TestCoroBugRaceEnd", Reason: tsanRange, When: verdict.OmitByDay},
	{Line: "go1.27", Package: "runtime", Test: "TestCoroBugRaceEnd", Reason: tsanRange, When: verdict.OmitByDay},
	{Line: "go1.22", Package: "runtime", Test: "TestCoroRace", Reason: tsanRange, When: verdict.OmitByDay},
	{Line: "go1.22", Package: "runtime", Test: "TestDestructorCallbackRace", Reason: tsanRange, When: verdict.OmitByDay},
	{Line: "go1.22", Package: "runtime", Test: "TestExitHooks", Reason: tsanRange, When: verdict.OmitByDay},
	{Line: "go1.26", Package: "runtime", Test: "TestNotInGoMetric", Reason: countedMoving, When: verdict.AtTimes},
	{Line: "go1.27", Package: "runtime", Test: "TestNotInGoMetric", Reason: countedMoving, When: verdict.AtTimes},
	{Package: "runtime", Test: "TestRaceProf", Reason: tsanRange, When: verdict.OmitByDay},
	{Package: "runtime", Test: "TestRaceSignal", Reason: tsanRange, When: verdict.OmitByDay},
	{Package: "runtime", Test: "TestSegv", Reason: emulatorSignalled, When: verdict.AtTimes},
	{Package: "runtime", Test: "TestSignalDuringExec", Reason: forkedEmulator, When: verdict.Omit},
}

// ExpectedFailures returns the tests that cannot pass under m, or not always.
// Their platforms, suites and trees are left open.
func (m Method) ExpectedFailures() []verdict.Expectation {
	if m.Kind != QemuUser {
		return nil
	}
	return expectedFailures
}
