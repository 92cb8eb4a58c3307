package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"

	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/store"
	"gocoro/ci/plan"
	"gocoro/ci/platform"
	"gocoro/ci/record"
)

// flags are the flags that select cells.
type flags struct {
	sel   plan.Selection
	depth string
	shard string

	hosted bool // the plan of all hosted runners, not of this machine
}

func (f *flags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.sel.Line, "line", "", "only `lines` that match (a pattern as in path.Match, here and below), with all cells of the default line")
	fs.StringVar(&f.sel.Platform, "platform", "", "only `platforms` that match: linux-amd64, linux-arm64-qemu-user, ...")
	fs.StringVar(&f.sel.Suite, "suite", "", "only `suites` that match: self, user, coro, testprog, std, fuzz, ...")
	fs.StringVar(&f.sel.Config, "config", "", "only `configurations` that match: plain, race, procs*, ...")
	fs.StringVar(&f.sel.Tree, "tree", "", "only this `tree`: patched or stock")
	fs.StringVar(&f.depth, "depth", "default", "which cells: default (of the day) or nightly (all)")
	fs.StringVar(&f.shard, "shard", "", "part I of N of the cells, as `I/N`")
}

// cells returns the checkout, its lines, and the cells that the flags select.
func (f *flags) cells() (*line.Repo, []*plan.Line, []plan.Cell, error) {
	switch d := plan.Depth(f.depth); d {
	case plan.Default, plan.Nightly:
		f.sel.Depth = d
	default:
		return nil, nil, nil, fmt.Errorf("-depth %q: want default or nightly", f.depth)
	}
	if f.shard != "" {
		n, err := fmt.Sscanf(f.shard, "%d/%d", &f.sel.Shard, &f.sel.Shards)
		if err != nil || n != 2 || f.sel.Shard < 1 || f.sel.Shard > f.sel.Shards {
			return nil, nil, nil, fmt.Errorf("-shard %q: want I/N with 1 <= I <= N", f.shard)
		}
	}
	repo, err := line.FindRepo(".")
	if err != nil {
		return nil, nil, nil, err
	}
	lines, err := plan.Lines(repo)
	if err != nil {
		return nil, nil, nil, err
	}
	cells, err := f.plan(lines, f.sel)
	return repo, lines, cells, err
}

// plan returns the cells of a selection: this machine's, or those of all
// hosted runners.
func (f *flags) plan(lines []*plan.Line, sel plan.Selection) ([]plan.Cell, error) {
	if f.hosted {
		return hostedCells(lines, sel)
	}
	return plan.Cells(platform.Host(), lines, sel)
}

// nightly returns the cells that the selection, of all shards, has only at nightly
// depth.
func (f *flags) nightly(lines []*plan.Line) ([]record.ID, error) {
	sel := f.sel
	sel.Shard, sel.Shards = 0, 0
	cells, err := f.plan(lines, sel)
	if err != nil {
		return nil, err
	}
	sel.Depth = plan.Nightly
	all, err := f.plan(lines, sel)
	if err != nil {
		return nil, err
	}
	var ids []record.ID
	for _, c := range all {
		if !slices.ContainsFunc(cells, func(now plan.Cell) bool { return now.ID == c.ID }) {
			ids = append(ids, c.ID)
		}
	}
	return ids, nil
}

// inStore calls do with the build cache, and keeps other processes from cleaning
// it meanwhile.
func inStore(ctx context.Context, do func(*store.Store) error) error {
	st, err := store.Open()
	if err != nil {
		return err
	}
	return st.Do(ctx, func() error { return do(st) })
}

// repoWith returns the checkout, for a command that tests the toolchain in root.
func repoWith(root, command string) (*line.Repo, error) {
	if root == "" {
		return nil, hint.Add(errors.New("no toolchain given"), `go run ./ci %s -goroot "$(go env GOROOT)"`, command)
	}
	return line.FindRepo(".")
}
