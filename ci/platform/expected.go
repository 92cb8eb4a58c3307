package platform

// An ExpectedFailure is a test that cannot pass under a method for a reason
// that is not in what is tested. When it does pass, the entry is to go.
type ExpectedFailure struct {
	Kind    Kind
	Target  Platform
	Package string // import path
	Test    string // name of the top-level test
	Reason  string
	Line    string // the only line in which it fails; empty: every line
}

const tsanRange = "builds and runs a program with the race detector; " +
	"ThreadSanitizer does not support the address space that qemu-user gives a program " +
	"(it dies with \"FATAL: ThreadSanitizer: unsupported VMA range\")"

// expectedFailures was measured with qemu 7.2 and go1.22.12: TestCoroRace is
// this project's own, the others fail with the stock release too, whose other
// runtime tests that run a program have no failures (99 passed, 14 skipped). From
// go1.26 on upstream has no TestDestructorCallbackRace, and TestExitHooks does
// not build with the race detector.
var expectedFailures = []ExpectedFailure{
	{QemuUser, Platform{"linux", "arm64"}, "runtime", "TestCoroRace", tsanRange, "go1.22"},
	{QemuUser, Platform{"linux", "arm64"}, "runtime", "TestDestructorCallbackRace", tsanRange, "go1.22"},
	{QemuUser, Platform{"linux", "arm64"}, "runtime", "TestExitHooks", tsanRange, "go1.22"},
	{QemuUser, Platform{"linux", "arm64"}, "runtime", "TestRaceProf", tsanRange, ""},
	{QemuUser, Platform{"linux", "arm64"}, "runtime", "TestRaceSignal", tsanRange, ""},
}

// ExpectedFailures returns the tests that cannot pass under m.
func (m Method) ExpectedFailures() []ExpectedFailure {
	var list []ExpectedFailure
	for _, f := range expectedFailures {
		if f.Kind == m.Kind && f.Target == m.Target {
			list = append(list, f)
		}
	}
	return list
}

// Race reports whether programs built with -race can be executed under m.
func (m Method) Race() bool { return m.Kind == Native || m.Kind == QemuSystem }
