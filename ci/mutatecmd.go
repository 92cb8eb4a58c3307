package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"gocoro/build/command"
	"gocoro/build/hint"
	"gocoro/build/progress"
	"gocoro/build/store"
	"gocoro/ci/mutate"
	"gocoro/ci/plant"
)

// mutateCommand plants faults in the runtime of a toolchain.
func mutateCommand(fs *flag.FlagSet) func(context.Context, []string) error {
	root := fs.String("goroot", "", "the `directory` of a toolchain with the shared locks")
	stock := fs.String("stock", "", "the `directory` of stock upstream, to compare random programs with")
	var only []string
	fs.Func("mutant", "the `name` of a mutant to plant; may be repeated (default: all)", func(name string) error {
		only = append(only, name)
		return nil
	})
	workers := fs.Int("p", runtime.NumCPU(), "how many `programs` at a time")
	limit := fs.Duration("limit", time.Minute, "the time after which a program counts as hung")
	fuzz := fs.Int("fuzz", 300, "how many random `programs` to run on a survivor")
	return func(ctx context.Context, rest []string) error {
		if err := command.NoArgs(rest); err != nil {
			return err
		}
		repo, err := repoWith(*root, "mutate")
		if err != nil {
			return err
		}
		// nil is the runtime as it is: a program that fails there proves nothing.
		planted := []*mutate.Mutant{nil}
		for i := range mutate.Mutants {
			if m := &mutate.Mutants[i]; len(only) == 0 || slices.Contains(only, m.Name) {
				planted = append(planted, m)
			}
		}
		for _, name := range only {
			if !slices.ContainsFunc(mutate.Mutants, func(m mutate.Mutant) bool { return m.Name == name }) {
				return hint.Add(fmt.Errorf("no mutant is called %q", name), "see ci/mutate/mutants.go")
			}
		}
		return inStore(ctx, func(st *store.Store) error {
			dir := filepath.Join(st.Root, "ci", "mutate")
			if err := os.MkdirAll(dir, 0o777); err != nil {
				return err
			}
			// Find a mutant that does not apply before the others take an hour.
			for _, m := range planted[1:] {
				if err := m.Plant(plant.New(*root, filepath.Join(dir, "fits"))); err != nil {
					return err
				}
			}
			return mutants(ctx, planted, &mutate.Runner{
				Repo: repo.Dir, GOROOT: *root, Dir: dir,
				Workers: *workers, Limit: *limit, Fuzz: *fuzz, Stock: *stock,
			})
		})
	}
}

// mutants tries the planted faults in turn, and reports how many survive.
func mutants(ctx context.Context, planted []*mutate.Mutant, r *mutate.Runner) error {
	rep := progress.New(os.Stderr)
	var killed, survived int
	for _, m := range planted {
		name := "no fault"
		if m != nil {
			name = m.Name
		}
		step := rep.Start("mutate", name)
		killer, err := r.Run(ctx, m)
		if err != nil {
			step.Fail()
			return err
		}
		switch {
		case m == nil && killer != "":
			step.Fail()
			return fmt.Errorf("%s fails on %s without any fault planted", killer, r.GOROOT)
		case m == nil:
			step.Done("all programs pass")
		case killer != "":
			killed++
			step.Done(name + ": " + killer)
		default:
			survived++
			step.Done(name + ": SURVIVED")
		}
	}
	fmt.Printf("%d mutants: %d killed, %d survived\n", killed+survived, killed, survived)
	if survived > 0 {
		return command.ExitError(1)
	}
	return nil
}
