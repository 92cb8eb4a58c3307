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
	"gocoro/ci/record"
)

// fuzz runs random programs on the tree for the cell's time. They are one test,
// which fails if a program does not do what the model says. The findings are in the
// directory "fuzz" of the record.
func (j *job) fuzz(ctx context.Context) error {
	dir := filepath.Join(j.rec.Dir(), "fuzz")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	interp := filepath.Join(j.tmp, "interp")
	compile := func(cmd *exec.Cmd) error {
		cmd.Dir = j.Repo.Dir
		cmd.Env = append(cmd.Env, "GOWORK=off", "PWD="+cmd.Dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
		}
		return nil
	}
	if err := compile(j.t.Command(ctx, "build", "-buildvcs=false", "-o", interp, "./ci/fuzz/interp")); err != nil {
		return err
	}
	// The programs are compared with stock upstream if that can run them.
	stock, env, _, err := j.tree(ctx, j.c, record.Stock)
	if err != nil {
		return err
	}
	stockInterp := filepath.Join(j.tmp, "interp-stock")
	if err := compile(j.c.Method.Go(ctx, stock, env, "build", "-buildvcs=false", "-o", stockInterp, "./ci/fuzz/interp")); err != nil {
		return err
	}
	limit, command := 30*time.Second, []string{"go", "run", "./ci", "fuzz", "-goroot", j.t.GOROOT, "-stock", stock}
	emulator := j.c.Method.Emulator()
	if emulator != nil {
		limit, command = 4*limit, strings.Fields(j.rec.Reproduce)
	}
	// A seed always means the same program, so each run uses others.
	campaign := &fuzz.Campaign{
		Runner: &fuzz.Runner{Interp: interp, Stock: stockInterp, Exec: emulator, Limit: limit, Repeat: 3, Env: j.c.Method.Env([]string{})},
		Seed:   uint64(time.Now().UnixMilli()) % 1e9 * 1000, Time: j.c.Fuzz(), Size: 40, Workers: runtime.NumCPU(),
		Shrink: 2 * time.Minute, Max: 5, Dir: dir,
		Printf: j.Rep.Printf,
	}
	if emulator == nil {
		// The same seed and time, as a user would type it.
		command = append(command, fmt.Sprint("-seed=", campaign.Seed), fmt.Sprint("-time=", campaign.Time))
	}
	a := record.Attempt{Command: command, Dir: j.Repo.Dir}
	return asTests(ctx, j.c.Limit(), j.rec, a, func(ctx context.Context, tests *tests) error {
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

// found returns a text with what a campaign found: its summary, a line for each
// finding, and the programs that were reduced.
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
