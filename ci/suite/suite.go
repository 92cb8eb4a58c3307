// Package suite defines the suites. It finds the packages and tests of each that
// must have a result in the tree itself.
package suite

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"gocoro/build/run"
	"gocoro/ci/record"
	"gocoro/ci/verdict"
)

// A Tree is a GOROOT as its go command sees it for one platform and configuration.
type Tree struct {
	GOROOT string
	// Command returns "go args…" of the tree with the environment of the
	// platform and configuration, to be run in GOROOT/src.
	Command func(ctx context.Context, args ...string) *exec.Cmd
	// Programs are the test programs of the tree's line.
	Programs []Program
}

// A Want finds the tests of a suite in a tree: those that must have a result.
type Want func(ctx context.Context, t *Tree) (record.Want, error)

// suites are the suites that "go test" runs.
var suites = map[string]Want{
	"coro":     wantCoro,
	"testprog": wantTestprog,
	"std":      wantStd,
}

// Dist has the suites that the tests of all.bash are cut into, so that they can
// spread over as many machines. Each is a slice of what "go tool dist test" runs.
var Dist = []string{"dist-1-of-6", "dist-2-of-6", "dist-3-of-6", "dist-4-of-6", "dist-5-of-6", "dist-6-of-6"}

// Find returns the suite of that name.
func Find(name string) (Want, error) {
	if want, ok := suites[name]; ok {
		return want, nil
	}
	if slices.Contains(Dist, name) {
		return func(ctx context.Context, t *Tree) (record.Want, error) { return wantDist(ctx, t, name) }, nil
	}
	return nil, fmt.Errorf("no suite %q: want one of %s", name, strings.Join(slices.Sorted(maps.Keys(suites)), ", "))
}

// wantCoro wants the line's programs by name, every other test in the files
// coro*_test.go of package runtime, and all of package iter.
func wantCoro(ctx context.Context, t *Tree) (record.Want, error) {
	tests, err := CoroTests(ctx, t)
	if err != nil {
		return nil, err
	}
	tests = append(tests, Tests(t.Programs)...)
	slices.Sort(tests)
	tests = slices.Compact(tests) // the tests of bugs are in both
	iter, err := fileTests(ctx, t, "iter", "*_test.go")
	if err != nil {
		return nil, err
	}
	return record.Want{"runtime": tests, "iter": iter}, nil
}

// wantTestprog wants the tests of package runtime that build or run a program,
// without those of the coro suite, which would hang on stock upstream for a minute
// each.
func wantTestprog(ctx context.Context, t *Tree) (record.Want, error) {
	tests, err := ProgTests(ctx, t)
	if err != nil {
		return nil, err
	}
	coro, err := CoroTests(ctx, t)
	if err != nil {
		return nil, err
	}
	tests = slices.DeleteFunc(tests, func(name string) bool { return slices.Contains(coro, name) })
	return record.Want{"runtime": tests}, nil
}

// CoroTests returns the tests of package runtime that only the coro suite has:
// those in files with names as the series uses them.
func CoroTests(ctx context.Context, t *Tree) ([]string, error) {
	return fileTests(ctx, t, "runtime", "coro*_test.go")
}

// wantStd wants all other tests of the packages around coroutines. A package that
// the release does not have is listed as one without tests.
func wantStd(ctx context.Context, t *Tree) (record.Want, error) {
	return tested(ctx, t, "runtime/...", "iter", "reflect", "sync/...", "internal/trace/...", "internal/synctest", "testing/synctest")
}

// tested returns the packages among patterns that have tests.
func tested(ctx context.Context, t *Tree, patterns ...string) (record.Want, error) {
	pkgs, err := list(ctx, t, patterns...)
	if err != nil {
		return nil, err
	}
	want := record.Want{}
	for _, p := range pkgs {
		// Test files may hold only benchmarks or examples for this platform:
		// what counts is whether the package's test binary lists a test.
		if len(p.TestGoFiles)+len(p.XTestGoFiles) == 0 {
			continue
		}
		tests, err := p.tests("*")
		if err != nil {
			return nil, err
		}
		if len(tests) > 0 {
			want[p.ImportPath] = nil
		}
	}
	if len(want) == 0 {
		return nil, fmt.Errorf("go list in %s: no package of %s has tests", t.GOROOT, strings.Join(patterns, " "))
	}
	return want, nil
}

// DistTests returns the suite's slice of what cmd/dist lists, as it wants them
// named: packages, a package and a variant ("runtime:cpu124"), or a pattern of
// them ("crypto/...:purego"). A slice has every sixth, so that neighbors, which
// take about as long, are in different slices.
func DistTests(ctx context.Context, t *Tree, suite string) ([]string, error) {
	out, err := run.Output(t.Command(ctx, "tool", "dist", "test", "-list"))
	if err != nil {
		return nil, fmt.Errorf("go tool dist test -list in %s: %w", t.GOROOT, err)
	}
	slice := slices.Index(Dist, suite)
	var names []string
	for i, name := range strings.Fields(string(out)) {
		if i%len(Dist) == slice {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("go tool dist test -list in %s has nothing for slice %d", t.GOROOT, slice+1)
	}
	return names, nil
}

// compiledOnly matches the names that cmd/dist only compiles, without running a
// test. It prints no events about them; a failure shows in its exit code.
var compiledOnly = regexp.MustCompile(`^crypto/\.\.\.:(purego|gofips140-.+)$`)

// wantDist wants a result for each name that cmd/dist lists, and that a package with
// tests runs one. Only cmd/dist knows the tests of a variant, and some variants
// have none.
func wantDist(ctx context.Context, t *Tree, suite string) (record.Want, error) {
	names, err := DistTests(ctx, t, suite)
	if err != nil {
		return nil, err
	}
	want := record.Want{}
	var plain []string
	for _, name := range names {
		if compiledOnly.MatchString(name) {
			continue
		}
		want[name] = []string{verdict.PackageItself}
		if !strings.Contains(name, ":") {
			plain = append(plain, name)
		}
	}
	if len(plain) == 0 {
		return want, nil
	}
	whole, err := tested(ctx, t, plain...)
	if err != nil {
		return nil, err
	}
	maps.Copy(want, whole)
	return want, nil
}

// Args returns the arguments for "go test" that run what is wanted, without the
// configuration's flags.
func Args(w record.Want) (flags, packages []string) {
	run := map[string]bool{}
	whole := false
	for pkg, tests := range w {
		packages = append(packages, pkg)
		whole = whole || len(tests) == 0
		for _, t := range tests {
			top, _, _ := strings.Cut(t, "/")
			run[top] = true
		}
	}
	slices.Sort(packages)
	if !whole {
		flags = append(flags, "-run=^("+strings.Join(slices.Sorted(maps.Keys(run)), "|")+")$")
	}
	return flags, packages
}
