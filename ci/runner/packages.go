package runner

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gocoro/build/dist"
	"gocoro/build/proof"
	"gocoro/build/release"
	"gocoro/ci/plan"
	"gocoro/ci/platform"
	"gocoro/ci/record"
)

// makePackages names, as a test, that dist makes the packages.
const makePackages = "TestDist"

// proved names a proof of verify's as a test.
func proved(proof string) string { return "TestVerify/" + proof }

// lookedAt names a check of a platform, or of the directory, as a test.
func lookedAt(what, platform string) string {
	if platform == "" {
		return "TestCheck/" + what
	}
	return "TestCheck/" + strings.ReplaceAll(platform, "/", "-") + "/" + what
}

// executors returns the platforms whose programs can run on the cell's host, each
// with the words that go before a command there.
func executors(c plan.Cell) (map[string][]string, error) {
	exec := map[string][]string{}
	for _, p := range dist.Platforms {
		target, err := platform.Parse(p)
		if err != nil {
			return nil, err
		}
		methods, err := platform.Methods(c.Method.Host, target)
		if err != nil {
			return nil, err
		}
		for _, m := range methods {
			if m.GoTest() {
				exec[p] = m.Wrapper()
				break
			}
		}
	}
	return exec, nil
}

// packagesWant names the tests: that the packages are made, the proofs of the
// host's, and what a user of each would see.
func (j *job) packagesWant(context.Context) ([]string, error) {
	exec, err := executors(j.c)
	if err != nil {
		return nil, err
	}
	names := []string{makePackages, lookedAt("directory", "")}
	for _, p := range j.c.Proofs() {
		names = append(names, proved(p))
	}
	for _, p := range j.c.Packages() {
		names = append(names, lookedAt("package", p), lookedAt("programs", p))
		if _, ok := exec[p]; ok {
			names = append(names, lookedAt("run", p))
		}
	}
	return names, nil
}

// packages makes the packages of the cell's platforms from the cell's tree, with the
// commands that a user would type, and checks them.
func (j *job) packages(ctx context.Context) error {
	c := j.c
	exec, err := executors(c)
	if err != nil {
		return err
	}
	dir := filepath.Join(j.tmp, "dist")
	if keep := os.Getenv("GOCORO_PACKAGES"); keep != "" { // the release workflow publishes what was tested
		if dir, err = filepath.Abs(filepath.Join(keep, c.Of.Release())); err != nil {
			return err
		}
	}
	args := []string{"dist", "-line", c.Line, "-platform", strings.Join(c.Packages(), ","), "-flat", "-o", dir}
	if b := os.Getenv("GOCORO_BUILDER"); b != "" {
		args = append(args, "-builder", b)
	}
	a := record.Attempt{Command: []string{"go", "run", "./build", "dist", "-line", c.Line}, Dir: j.Repo.Dir}
	return asTests(ctx, c.Limit(), j.rec, a, func(ctx context.Context, tests *tests) error {
		build := func(test string, args ...string) {
			tests.run(test, func() string {
				cmd := j.buildCommand(ctx, args...)
				command := strings.Join(cmd.Args, " ")
				fmt.Fprintf(tests.Log, "=== %s\n", command)
				end, err := logged(cmd, tests.Log)
				if err != nil {
					return fmt.Sprintf("%s: %v\n%s", command, err, end)
				}
				return ""
			})
		}
		build(makePackages, args...)
		for _, p := range c.Proofs() {
			build(proved(p), "verify", "-line", c.Line, "-proof", p)
		}
		// A check that does not run has no result, so the verdict misses it.
		check := &release.Checker{Dir: dir, Release: c.Of.Release(), Exec: exec, Say: func(what, platform string, v *proof.Verdict) {
			fmt.Fprintln(tests.Log, what, platform, v.Text)
			tests.run(lookedAt(what, platform), func() string {
				if !v.Holds() {
					return cmp.Or(strings.Join(v.Faults, "\n"), "it does not hold")
				}
				return ""
			})
		}}
		return check.Run(ctx)
	})
}
