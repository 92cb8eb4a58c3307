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

// CrossSteps returns the commands that must succeed, in order, for a target whose
// programs cannot run here. For the suite std they build the packages and commands,
// for the others the runtime's test and its programs. What they build goes into the
// existing directory out. If all succeed, the outcome is [verdict.BuiltNotRun]. Env
// is as for Command.
//
// The commands do not use cgo, since there is no C library of the target. So they do
// not build the programs of runtime/testdata/testprogcgo, whose Go files are only
// type-checked (gocoro/ci/suite, TypeCheckCgo).
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

// Experiments returns the value of GOEXPERIMENT for building the toolchain's test
// programs: set, and rangefunc if that is an experiment of the toolchain in goroot,
// as in go1.22. Without it, builds leave out package iter and the coroutine programs,
// without an error.
func Experiments(goroot, set string) string {
	file := filepath.Join(goroot, "src", "internal", "goexperiment", "exp_rangefunc_on.go")
	if _, err := os.Stat(file); err != nil {
		return set
	}
	for name := range strings.SplitSeq(set, ",") {
		if strings.TrimPrefix(name, "no") == "rangefunc" {
			return set // the caller's choice
		}
	}
	return strings.TrimPrefix(set+",rangefunc", ",")
}
