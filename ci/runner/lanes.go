package runner

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gocoro/build/driver"
	"gocoro/build/hint"
	"gocoro/build/progress"
	"gocoro/build/run"
	"gocoro/build/store"
	"gocoro/ci/plan"
	"gocoro/ci/record"
	"gocoro/ci/verdict"
)

// A test leaves a processor idle now and then, and a build can use all of them. So
// there are two lanes. The first runs the cells that test, one after another, since
// two tests at once would affect each other's results. The second, at the lowest
// priority, builds the toolchains that the first will need next, and then runs the
// cells that only build.

// Run runs the cells. It returns what each was to run, in their order, and the
// cells that Within has put off. A cell without a test that Only matches is in
// neither list. A cell's record tells what went wrong in it; the error is about the
// records themselves.
func (r *Runner) Run(ctx context.Context, cells []plan.Cell) (planned []verdict.Planned, late []record.ID, err error) {
	all := make([]verdict.Planned, len(cells))
	putOff := make([]bool, len(cells))
	err = r.inLanes(ctx, cells, all, putOff)
	for i, p := range all {
		switch {
		case putOff[i]:
			late = append(late, p.ID)
		case p.ID != (record.ID{}):
			planned = append(planned, p)
		}
	}
	if err == nil && len(planned) == 0 && r.Only != nil {
		err = hint.Add(fmt.Errorf("no test of the selected cells matches %q", r.Only), "the tests of a suite are in the report of a run without -run")
	}
	return planned, late, err
}

// inLanes runs the cells, and notes for each what it was to run, or that it was put
// off.
func (r *Runner) inLanes(ctx context.Context, cells []plan.Cell, all []verdict.Planned, putOff []bool) error {
	r.trees, r.drivers, r.crossed = new(trees), map[string]*driver.Driver{}, map[record.ID][]record.Step{}
	begun := time.Now()
	for i, c := range cells {
		// All that is known of a cell that the run does not reach.
		all[i] = verdict.Planned{ID: c.ID, How: string(c.Method.Kind)}
	}
	first, second := lanes(cells)
	var mu sync.Mutex
	done := r.Done
	r.Done = func(c *record.Cell, p verdict.Planned) {
		mu.Lock()
		defer mu.Unlock()
		if done != nil {
			done(c, p)
		}
	}
	// Now, since somebody may edit the sources of the CI while it runs.
	if _, err := r.program(ctx); err != nil {
		return err
	}
	lane := func(ctx context.Context, r *Runner, lane []int) error {
		for _, i := range lane {
			if err := ctx.Err(); err != nil {
				return err
			}
			if r.Within > 0 && time.Since(begun) > r.Within && cells[i].CanWait() {
				putOff[i] = true
				continue
			}
			var err error
			if all[i], err = r.cell(ctx, cells[i]); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	if len(first) == 0 {
		return lane(ctx, r, second)
	}
	g, gctx := errgroup.WithContext(ctx)
	b := r.secondLane() // before the first one writes to r
	g.Go(func() error {
		for _, c := range ahead(cells, first) {
			// The cells of a tree report that it cannot be built.
			if gctx.Err() == nil {
				b.tree(gctx, c, c.Tree)
			}
		}
		return lane(gctx, b, second)
	})
	g.Go(func() error { return lane(gctx, r, first) })
	return g.Wait()
}

// lanes returns the indexes of the cells of each lane, in order. The second lane
// begins with the cells that cannot wait for the night, and the longest of them. So
// the cells that are left when the first lane ends keep every processor busy.
func lanes(cells []plan.Cell) (first, second []int) {
	for i, c := range cells {
		if c.Builds() {
			second = append(second, i)
		} else {
			first = append(first, i)
		}
	}
	waits := func(i int) int {
		if cells[i].CanWait() {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(second, func(a, b int) int {
		return cmp.Or(waits(a)-waits(b), cmp.Compare(cells[b].Limit(), cells[a].Limit()))
	})
	return first, second
}

// secondLane returns the runner of the second lane. It has the first one's
// trees, and a reporter and drivers of its own.
func (r *Runner) secondLane() *Runner {
	b := *r
	b.behind = true
	b.Rep = &progress.Reporter{W: lines{r.Rep}, Idle: true, Trace: r.Rep.Trace, Begin: r.Begin(2)}
	b.Store = &store.Store{Root: r.Store.Root}
	b.drivers, b.crossed = map[string]*driver.Driver{}, map[record.ID][]record.Step{}
	return &b
}

// Begin returns the function that records the beginning of a lane's step, nil
// without a journal.
func (r *Runner) Begin(lane int) func(step, what string) (end func(ok bool)) {
	if r.Journal == nil {
		return nil
	}
	return func(step, what string) func(bool) { return r.Journal.Begin(lane, step, what) }
}

// yield lets a command of the second lane run at the lowest priority.
func (r *Runner) yield(cmd *exec.Cmd) {
	if r.behind {
		run.Idle(cmd)
	}
}

// ahead returns a cell of each tree that the first lane needs, in that order. The
// tree of its first cell is not among them: the first lane builds that at once.
func ahead(cells []plan.Cell, first []int) []plan.Cell {
	var list []plan.Cell
	seen := map[treeID]bool{{plan.SelfLine, record.Patched}: true}
	for n, i := range first {
		c := cells[i]
		id := treeID{c.Line, c.Tree}
		if !seen[id] && n > 0 {
			list = append(list, c)
		}
		seen[id] = true
	}
	return list
}

// trees are the GOROOTs of a run. The first lane to ask for one builds it, and the
// other waits. A tree that cannot be built is tried once, not for each of its cells.
type trees struct{ m sync.Map }

// get returns the directory of a tree and its content key. The first call builds it.
func (t *trees) get(id treeID, build func(treeID) (dir, key string, err error)) (dir, key string, err error) {
	type tree struct{ dir, key string }
	once, _ := t.m.LoadOrStore(id, sync.OnceValues(func() (tree, error) {
		dir, key, err := build(id)
		return tree{dir, key}, err
	}))
	got, err := once.(func() (tree, error))()
	return got.dir, got.key, err
}

// lines is a writer that passes lines on to a reporter.
type lines struct{ rep *progress.Reporter }

func (l lines) Write(p []byte) (int, error) {
	l.rep.Printf("%s", bytes.TrimSuffix(p, []byte("\n")))
	return len(p), nil
}
