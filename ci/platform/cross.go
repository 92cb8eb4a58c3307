package platform

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Step is one command of the cross method.
type Step struct {
	Name string // what it does, for a report
	Cmd  *exec.Cmd
}

// CrossSteps returns the commands that show, in order, that the toolchain in
// goroot can serve the target, as far as that can be seen where its programs
// cannot be executed: for the suite std the packages and commands, for the
// others the runtime's test and its programs. What they build goes into the
// directory out, which exists. All must succeed; the outcome is then
// [BuiltNotRun]. Env is as for Command.
//
// They do without cgo, as there is no C library of the target. So the
// programs of runtime/testdata/testprogcgo are not among what is built; their
// Go files are type-checked apart (gocoro/ci/suite, TypeCheckCgo).
func (m Method) CrossSteps(ctx context.Context, goroot, out string, env []string, suite string) []Step {
	if env == nil {
		env = os.Environ()
	}
	env = setenv(env, "GOEXPERIMENT="+Experiments(goroot, getenv(env, "GOEXPERIMENT")))
	testprog := filepath.Join(goroot, "src", "runtime", "testdata", "testprog")
	step := func(name, dir string, args ...string) Step {
		cmd := m.Go(ctx, goroot, env, args...)
		if dir != "" {
			cmd.Dir = dir
		}
		return Step{name, cmd}
	}
	if suite == "std" {
		return []Step{
			step("compile std and cmd", "", "build", "std", "cmd"),
			// Vet type-checks the tests, too, and knows the assembly's frame
			// layouts. The packages are the ones that the patches are about.
			step("vet the runtime and the packages on top of it", "",
				"vet", "runtime/...", "iter", "reflect", "sync/...", "internal/trace/..."),
		}
	}
	return []Step{
		step("link the runtime's test", "",
			"test", "-c", "-o", filepath.Join(out, "runtime.test"), "runtime"),
		step("link testprog", testprog,
			"build", "-o", filepath.Join(out, "testprog"), "."),
		// Upstream's programs do these two things on purpose.
		step("vet testprog", testprog,
			"vet", "-unsafeptr=false", "-unreachable=false", "."),
	}
}

// Experiments returns the value of GOEXPERIMENT for building the toolchain's
// test programs: set, and rangefunc if the toolchain in goroot has that as an
// experiment, as go1.22 does. Without it, package iter and the coroutine
// programs are left out of what is built, without a word.
func Experiments(goroot, set string) string {
	file := filepath.Join(goroot, "src", "internal", "goexperiment", "exp_rangefunc_on.go")
	if _, err := os.Stat(file); err != nil {
		return set
	}
	for _, name := range strings.Split(set, ",") {
		if strings.TrimPrefix(name, "no") == "rangefunc" {
			return set // the caller's choice
		}
	}
	if set == "" {
		return "rangefunc"
	}
	return set + ",rangefunc"
}
