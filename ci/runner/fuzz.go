package runner

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"gocoro/ci/fuzz"
	"gocoro/ci/plan"
	"gocoro/ci/record"
	"gocoro/ci/suite"
)

// fuzzPackage stands for a package in the record of the random programs.
const fuzzPackage = "gocoro/ci/fuzz"

// fuzz runs random programs on the tree with the shared-lock rules, new ones
// for the cell's time. They are one test: it fails if one of them does not do
// what the model says. What it found is in the directory "fuzz" of the record.
func (r *Runner) fuzz(ctx context.Context, c plan.Cell, cell *record.Cell, t *suite.Tree) error {
	dir := filepath.Join(cell.Dir(), "fuzz")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "gocoro-fuzz-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	interp := filepath.Join(tmp, "interp")
	compile := func(cmd *exec.Cmd) error {
		cmd.Dir = r.Repo.Dir
		cmd.Env = append(cmd.Env, "GOWORK=off", "PWD="+cmd.Dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
		}
		return nil
	}
	if err := compile(t.Command(ctx, "build", "-buildvcs=false", "-o", interp, "./ci/fuzz/interp")); err != nil {
		return err
	}
	// Stock upstream is compared with where it runs a program.
	stock, key, err := r.trees.get(treeID{c.Line, record.Stock}, func(id treeID) (string, string, error) { return r.build(ctx, id) })
	if err != nil {
		return err
	}
	stockInterp := filepath.Join(tmp, "interp-stock")
	if err := compile(c.Method.Go(ctx, stock, r.environ(stock, key, c), "build", "-buildvcs=false", "-o", stockInterp, "./ci/fuzz/interp")); err != nil {
		return err
	}
	limit, command := 30*time.Second, []string{"go", "run", "./ci", "fuzz", "-goroot", t.GOROOT, "-stock", stock}
	emulator := c.Method.Emulator()
	if emulator != nil {
		limit, command = 4*limit, strings.Fields(cell.Reproduce)
	}
	// A seed always means the same program; each run takes others.
	campaign := &fuzz.Campaign{
		Runner: &fuzz.Runner{Interp: interp, Stock: stockInterp, Exec: emulator, Limit: limit, Repeat: 3, Env: c.Method.Env([]string{})},
		Seed:   uint64(time.Now().UnixMilli()) % 1e9 * 1000, Time: c.Fuzz(), Size: 40, Workers: runtime.NumCPU(),
		Shrink: 2 * time.Minute, Max: 5, Dir: dir,
		Printf: r.Rep.Printf,
	}
	if emulator == nil {
		// The same seed and time, as a user would type it.
		command = append(command, fmt.Sprint("-seed=", campaign.Seed), fmt.Sprint("-time=", campaign.Time))
	}
	a := record.Attempt{Command: command, Dir: r.Repo.Dir}
	return asTests(ctx, c.Limit(), cell, fuzzPackage, a, func(ctx context.Context, tests *tests) error {
		tests.run("TestFuzz", func() string {
			s, err := campaign.Run(ctx)
			if s != nil {
				fmt.Fprintln(tests.Log, s)
			}
			if err == nil && s.Failed() {
				return found(s)
			}
			return text(err)
		})
		return nil
	})
}

// found tells what a campaign found: its summary, a line for each finding, and
// the printed programs of those that were made smaller.
func found(s *fuzz.Summary) string {
	var b strings.Builder
	fmt.Fprintln(&b, s)
	for _, f := range s.Findings {
		fmt.Fprintf(&b, "seed %d: %s (%d operations): %s\n", f.Seed, f.Outcome, f.Size, f.Dir)
	}
	for _, f := range s.Findings {
		if src, err := os.ReadFile(filepath.Join(f.Dir, "shrunk.txt")); err == nil {
			fmt.Fprintf(&b, "\nseed %d, reduced: %s\n%s", f.Seed, filepath.Join(f.Dir, "README"), src)
		}
	}
	return b.String()
}
