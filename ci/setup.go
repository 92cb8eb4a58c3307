package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"gocoro/build/command"
	"gocoro/build/line"
	"gocoro/build/progress"
	"gocoro/build/run"
	"gocoro/build/store"
	"gocoro/ci/plan"
	"gocoro/ci/platform"
)

// setupCommand installs what is missing.
func setupCommand(fs *flag.FlagSet) func(context.Context, []string) error {
	f := new(flags)
	f.register(fs)
	return func(ctx context.Context, args []string) error {
		if err := command.NoArgs(args); err != nil {
			return err
		}
		repo, _, cells, err := f.cells()
		if err != nil {
			return err
		}
		return inStore(ctx, func(st *store.Store) error {
			return setup(ctx, progress.New(os.Stderr), repo, st, cells)
		})
	}
}

// setup runs the setup script if a method that the cells need does not work
// yet. Each cell reports what it still misses afterwards.
func setup(ctx context.Context, rep *progress.Reporter, repo *line.Repo, st *store.Store, cells []plan.Cell) error {
	seen := map[platform.Method]bool{}
	missing := false
	for _, c := range cells {
		if !seen[c.Method] {
			seen[c.Method] = true
			missing = missing || c.Method.Check(ctx, st.Root) != nil
		}
	}
	if !missing || platform.Host().OS != "linux" {
		return nil
	}
	s := rep.Start("setup", "scripts/setup-linux.sh")
	cmd := run.Command(ctx, "sh", filepath.Join(repo.Dir, "scripts/setup-linux.sh"), st.Root)
	if err := rep.Run(ctx, "scripts/setup-linux.sh", cmd, filepath.Join(st.Root, "log", "setup.log"), nil); err != nil {
		s.Fail()
		return fmt.Errorf("setup: %w", err)
	}
	s.Done("")
	return nil
}
