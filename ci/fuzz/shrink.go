package fuzz

import (
	"context"
	"iter"
	"slices"
	"sync"

	"gocoro/ci/fuzz/program"
)

// Shrink makes a program smaller while fails reports that the rest still fails. It
// calls fails for up to width programs at a time, and only for programs that the
// model accepts and that deadlock if p does. It ends early if the context does.
func Shrink(ctx context.Context, p *program.Program, width int, fails func(context.Context, *program.Program) bool) *program.Program {
	first, err := p.Run()
	if err != nil {
		return p
	}
	tried := map[string]bool{p.String(): true}
	for ctx.Err() == nil {
		smaller := func() *program.Program {
			var batch []*program.Program
			for q := range candidates(p) {
				text := q.String()
				if tried[text] {
					continue
				}
				tried[text] = true
				if res, err := q.Run(); err != nil || res.Deadlock != first.Deadlock {
					continue
				}
				if batch = append(batch, q); len(batch) < width {
					continue
				}
				if q := firstThat(ctx, batch, fails); q != nil || ctx.Err() != nil {
					return q
				}
				batch = nil
			}
			return firstThat(ctx, batch, fails)
		}()
		if smaller == nil {
			break
		}
		p = smaller
	}
	return p
}

// firstThat returns the first program of the batch that fails.
func firstThat(ctx context.Context, batch []*program.Program, fails func(context.Context, *program.Program) bool) *program.Program {
	bad := make([]bool, len(batch))
	var wait sync.WaitGroup
	for i, q := range batch {
		wait.Go(func() { bad[i] = fails(ctx, q) })
	}
	wait.Wait()
	if i := slices.Index(bad, true); i >= 0 {
		return batch[i]
	}
	return nil
}

// candidates returns programs that are a little smaller than p, beginning with those
// that lack most.
func candidates(p *program.Program) iter.Seq[*program.Program] {
	return func(yield func(*program.Program) bool) {
		for i := range p.Roots {
			if len(p.Roots) > 1 {
				q := p.Clone()
				q.Roots = slices.Delete(q.Roots, i, i+1)
				if i == 0 {
					q.Main, q.Init = false, nil
				}
				if !yield(q) {
					return
				}
			}
		}
		for _, simpler := range []func(*program.Program){
			func(q *program.Program) { q.Noise = 0 },
			func(q *program.Program) { q.Trace = false },
			func(q *program.Program) { q.Init = nil },
			func(q *program.Program) { q.Roots[0], q.Init = append(q.Init, q.Roots[0]...), nil },
			func(q *program.Program) { q.Main, q.Init = false, nil },
			func(q *program.Program) { q.Procs = min(q.Procs, 2) },
			func(q *program.Program) { q.Procs = 1 },
		} {
			q := p.Clone()
			simpler(q)
			if !yield(q) {
				return
			}
		}
		longest := 0
		for _, b := range bodies(p) {
			longest = max(longest, len(*b))
		}
		// Runs of operations out of one body, the long ones first.
		for n := longest; n > 0; n /= 2 {
			for b := range bodies(p) {
				for i := 0; i+n <= len(*bodies(p)[b]); i++ {
					q := p.Clone()
					body := bodies(q)[b]
					*body = slices.Delete(*body, i, i+n)
					if !yield(q) {
						return
					}
				}
			}
		}
		for b := range bodies(p) {
			for i, op := range *bodies(p)[b] {
				edit := func(f func([]program.Op) []program.Op) bool {
					q := p.Clone()
					body := bodies(q)[b]
					*body = f(*body)
					return yield(q)
				}
				// What is in the operation, without it.
				if len(op.Body) > 0 && !edit(func(ops []program.Op) []program.Op {
					return slices.Replace(ops, i, i+1, ops[i].Body...)
				}) {
					return
				}
				if op.Kind == program.Loop && op.N > 1 && !edit(func(ops []program.Op) []program.Op {
					ops[i].N--
					return ops
				}) {
					return
				}
				if op.Kind == program.Thread && op.N > 1 && !edit(func(ops []program.Op) []program.Op {
					ops[i].N = 1
					return ops
				}) {
					return
				}
			}
		}
	}
}

// bodies returns the places of all bodies, in a fixed order.
func bodies(p *program.Program) []*[]program.Op {
	var all []*[]program.Op
	if len(p.Init) > 0 {
		all = append(all, &p.Init)
	}
	for i := range p.Roots {
		all = append(all, &p.Roots[i])
	}
	p.Walk(func(op *program.Op) {
		if len(op.Body) > 0 {
			all = append(all, &op.Body)
		}
	})
	return all
}
