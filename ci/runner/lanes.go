package runner

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gocoro/build/hint"
	"gocoro/build/progress"
	"gocoro/build/run"
	"gocoro/build/store"
	"gocoro/ci/plan"
	"gocoro/ci/record"
	"gocoro/ci/verdict"
)

// A test leaves a processor idle now and then, and a build takes what it can
// get. So there are two lanes. In the first the cells that test run one after
// another, as the results of two tests at once would depend on each other. In
// the second, at the lowest priority, the toolchains are built that the first
// will want next, and then the cells run that only build.

// Run runs the cells and returns what each was to have run, in their order, and
// apart from them the cells that Within has put off. A cell without a test that
// Only matches is in neither. What goes wrong with a cell
// is in its record; the error is about the records.
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

// inLanes runs the cells, and notes for each what it was to have run, or that it was
// put off.
func (r *Runner) inLanes(ctx context.Context, cells []plan.Cell, all []verdict.Planned, putOff []bool) error {
	r.trees = new(trees)
	begun := time.Now()
	for i, c := range cells {
		// Of a cell that is not reached, no more is known.
		all[i] = verdict.Planned{ID: c.ID, How: string(c.Method.Kind)}
	}
	first, second := lanes(cells)
	if done := r.Done; done != nil {
		var mu sync.Mutex
		r.Done = func(c *record.Cell, p verdict.Planned) {
			mu.Lock()
			defer mu.Unlock()
			done(c, p)
		}
	}
	// Now, as somebody may edit the sources of the CI while it runs.
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
			// What cannot be built, the cells that want it will say.
			if gctx.Err() == nil {
				b.tree(gctx, c)
			}
		}
		return lane(gctx, b, second)
	})
	g.Go(func() error { return lane(gctx, r, first) })
	return g.Wait()
}

// lanes returns which cells each lane runs, in order. In the second one what cannot
// wait for the night goes first, and of that the longest: at the end of the first
// lane, what is left of the second should be cells that keep every processor busy.
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
	b.drivers, b.crossed = nil, nil
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

// ahead returns a cell of each tree that the first lane wants, in that order,
// but for its first cell's: that one it builds itself, and at once.
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

// trees are the GOROOTs of a run. Who wants one first builds it, and the others
// wait. One that cannot be built fails once, and not again for each of its cells.
type trees struct {
	mu sync.Mutex
	m  map[treeID]func() ([2]string, error)
}

// get returns the directory of a tree and its content key, from build if nobody
// has wanted it yet.
func (t *trees) get(id treeID, build func(treeID) (dir, key string, err error)) (dir, key string, err error) {
	t.mu.Lock()
	if t.m == nil {
		t.m = map[treeID]func() ([2]string, error){}
	}
	if t.m[id] == nil {
		t.m[id] = sync.OnceValues(func() ([2]string, error) {
			dir, key, err := build(id)
			return [2]string{dir, key}, err
		})
	}
	tree := t.m[id]
	t.mu.Unlock()
	got, err := tree()
	return got[0], got[1], err
}

// lines writes to a reporter what is written to it, a line at a time.
type lines struct{ rep *progress.Reporter }

func (l lines) Write(p []byte) (int, error) {
	n := len(p)
	if n > 0 && p[n-1] == '\n' {
		p = p[:n-1]
	}
	l.rep.Printf("%s", p)
	return n, nil
}
