// Package suite defines the suites, and finds in the tree itself the packages
// and tests of each that must have a result.
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

// A Tree is a GOROOT as seen for one platform and configuration: what its go
// command finds in it.
type Tree struct {
	GOROOT string
	// Command returns "go args…" of the tree with the environment of the
	// platform and configuration, to be run in GOROOT/src.
	Command func(ctx context.Context, args ...string) *exec.Cmd
	// Programs are those of the tree's line.
	Programs []Program
}

// A Suite is a set of tests of a tree.
type Suite struct {
	Name string
	Doc  string // one line

	// Want lists what must have a result.
	Want func(ctx context.Context, t *Tree) (record.Want, error)
}

// All lists the suites that "go test" runs, smallest first.
var All = []Suite{
	{
		Name: "coro",
		Doc:  "the line's programs, the series' own tests, and package iter",
		Want: wantCoro,
	},
	{
		Name: "testprog",
		Doc:  "every other test of package runtime that builds or runs a program of testdata/testprog*",
		Want: wantTestprog,
	},
	{
		Name: "std",
		Doc:  "all other tests of the packages around coroutines: runtime/..., iter, reflect, sync/..., internal/trace/..., synctest",
		Want: func(ctx context.Context, t *Tree) (record.Want, error) {
			// What a release does not have is listed as a package without tests.
			return tested(ctx, t, "runtime/...", "iter", "reflect", "sync/...", "internal/trace/...", "internal/synctest", "testing/synctest")
		},
	},
}

// DistSlices is into how many cells the tests of all.bash are cut, so that
// they can spread over as many machines.
const DistSlices = 6

// Dist returns slice i of DistSlices, from 1, of everything that all.bash
// tests, as "go tool dist test" runs it.
func Dist(i int) Suite {
	return Suite{
		Name: fmt.Sprintf("dist-%d-of-%d", i, DistSlices),
		Doc:  "a slice of everything that all.bash tests",
		Want: func(ctx context.Context, t *Tree) (record.Want, error) { return wantDist(ctx, t, i) },
	}
}

// Find returns the suite of that name.
func Find(name string) (*Suite, error) {
	var names []string
	for i := range All {
		if All[i].Name == name {
			return &All[i], nil
		}
		names = append(names, All[i].Name)
	}
	for i := 1; i <= DistSlices; i++ {
		if s := Dist(i); s.Name == name {
			return &s, nil
		}
	}
	return nil, fmt.Errorf("no suite %q: want one of %s", name, strings.Join(names, ", "))
}

// wantCoro: the line's programs by name, every other test in the files named
// coro*_test.go of package runtime, and all of package iter.
func wantCoro(ctx context.Context, t *Tree) (record.Want, error) {
	tests, err := CoroTests(ctx, t)
	if err != nil {
		return nil, err
	}
	tests = append(tests, Tests(t.Programs)...)
	slices.Sort(tests)
	tests = slices.Compact(tests) // the tests of bugs are in both
	iter, err := FileTests(ctx, t, "iter", "*_test.go")
	if err != nil {
		return nil, err
	}
	return record.Want{"runtime": tests, "iter": iter}, nil
}

// wantTestprog: the tests that build or run a program, less those that the
// coro suite has. These would hang on stock upstream, a minute each.
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

// CoroTests returns the tests of package runtime that the coro suite has, and no
// other: those in the files that are named as the series' are.
func CoroTests(ctx context.Context, t *Tree) ([]string, error) {
	return FileTests(ctx, t, "runtime", "coro*_test.go")
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

// DistTests returns slice i of DistSlices, from 1, of what cmd/dist lists, as it
// wants them named: packages, a package and a variant ("runtime:cpu124"), or a
// pattern of them ("crypto/...:purego"). Every DistSlices-th is the slice's:
// neighbours, which take about as long, part.
func DistTests(ctx context.Context, t *Tree, i int) ([]string, error) {
	out, err := run.Output(t.Command(ctx, "tool", "dist", "test", "-list"))
	if err != nil {
		return nil, fmt.Errorf("go tool dist test -list in %s: %w", t.GOROOT, err)
	}
	var names []string
	for n, name := range strings.Fields(string(out)) {
		if n%DistSlices == i-1 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("go tool dist test -list in %s has nothing for slice %d", t.GOROOT, i)
	}
	return names, nil
}

// compiledOnly names what cmd/dist compiles without running a test of it. It
// prints no events of that, and if it fails they tell less than the exit code.
var compiledOnly = regexp.MustCompile(`^crypto/\.\.\.:(purego|gofips140-.+)$`)

// wantDist: each name that cmd/dist lists must have a result, and a package
// that has tests must run one. Of a variant cmd/dist alone knows which tests it
// means, and it means none of some.
func wantDist(ctx context.Context, t *Tree, slice int) (record.Want, error) {
	names, err := DistTests(ctx, t, slice)
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

// Args returns the arguments of the go command that runs what is wanted, with
// -json and without the configuration's flags. Only wants exactly these tests.
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
