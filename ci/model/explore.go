package model

import (
	"fmt"
	"slices"
)

// A Report says what an exploration has seen.
type Report struct {
	States, Steps int
	Violation     *Violation
}

// A space is a model: its states, of the type S, and the steps between them.
type space[S any] interface {
	initial() S
	steps(from *S, visit func(label, reached[S]))
	appendKey(b []byte, s *S) []byte // equal for states that are the same

	// waiting returns the goroutines that have to get on, a bit each, and those
	// of them that C or the kernel may hold up.
	waiting(s *S) (waits, held uint8)
}

// A reached is where a step leads.
type reached[S any] interface {
	to() *S
	check()
	failed() *Violation // the first check that did, in the step or in check
}

// An explorer walks through the graph of a space, breadth first.
type explorer[S any] struct {
	space  space[S]
	index  map[string]uint32
	parent []uint32
	nth    []uint8 // which of the parent's steps led here
	edges  []edge
	waits  []uint8 // a bit for each goroutine that has to get on
	held   []uint8 // those of them that C or the kernel may hold up
	steps  int
}

// An edge is a step that the scheduler, or the kernel or C, makes.
type edge struct {
	from, to uint32
	kind     kind
}

// explore walks through all states of a model, or until a check fails.
func explore[S any](sp space[S]) *Report {
	x := &explorer[S]{space: sp, index: map[string]uint32{}}
	var buf []byte
	add := func(s *S, parent uint32, nth int) (id uint32, added bool) {
		buf = sp.appendKey(buf[:0], s)
		if id, ok := x.index[string(buf)]; ok {
			return id, false
		}
		id = uint32(len(x.parent))
		x.index[string(buf)] = id
		x.parent = append(x.parent, parent)
		x.nth = append(x.nth, uint8(nth))
		waits, held := sp.waiting(s)
		x.waits = append(x.waits, waits)
		x.held = append(x.held, held)
		return id, true
	}
	type item struct {
		id uint32
		s  S
	}
	first := sp.initial()
	add(&first, 0, 0)
	level := []item{{0, first}}
	var bad *Violation
	for len(level) > 0 && bad == nil {
		var next []item
		for i := range level {
			from := &level[i]
			nth := 0
			sp.steps(&from.s, func(l label, w reached[S]) {
				x.steps++
				nth++
				if bad != nil {
					return
				}
				id, added := add(w.to(), from.id, nth)
				if added || w.failed() != nil {
					w.check()
				}
				if w.failed() != nil {
					bad = w.failed()
					bad.Trace = append(x.trace(from.id), l.String())
					return
				}
				if added {
					next = append(next, item{id, *w.to()})
				}
				if l.kind != kindProgram {
					x.edges = append(x.edges, edge{from.id, id, l.kind})
				}
			})
			if bad != nil {
				break
			}
		}
		level = next
	}
	if bad == nil {
		bad = x.stuck()
	}
	return &Report{States: len(x.parent), Steps: x.steps, Violation: bad}
}

// waiting returns the goroutines that are runnable, and those of them that wait
// for a thread which another goroutine holds up in C.
func (cfg *Config) waiting(s *state) (waits, held uint8) {
	for g := gid(1); g <= maxG; g++ {
		gp := &s.g[g]
		if gp.status != gRunnable {
			continue
		}
		waits |= 1 << g
		if m := gp.lockedm; m != 0 && gp.locks() != 0 && s.m[m].pc == pcSyscall {
			held |= 1 << g
		}
	}
	return waits, held
}

// stuck finds a state in which a goroutine has to get on and never does. The
// scheduler's own steps must lead to a state in which it does, or in which C or the
// kernel may hold it up. From there, the steps of C and the kernel may help.
func (x *explorer[S]) stuck() *Violation {
	for _, held := range []bool{false, true} {
		what := "the scheduler never runs g%d, which is runnable"
		last := kindScheduler
		if held {
			what = "g%d is runnable, and never runs whatever returns"
			last = kindReturn
		}
		// can[i] has the goroutines that get on at some time from state i on.
		can := make([]uint8, len(x.waits))
		var work []uint32
		for i := range can {
			can[i] = ^x.waits[i]
			if !held {
				can[i] |= x.held[i]
			}
			work = append(work, uint32(i))
		}
		back := x.backward(last)
		for len(work) > 0 {
			to := work[len(work)-1]
			work = work[:len(work)-1]
			for _, from := range back.of(to) {
				if more := can[to] &^ can[from]; more != 0 {
					can[from] |= more
					work = append(work, from)
				}
			}
		}
		for i := range can {
			stuck := x.waits[i] &^ can[i]
			for g := range 8 {
				if stuck&(1<<g) != 0 {
					return &Violation{Check: "lost", What: fmt.Sprintf(what, g), Trace: x.trace(uint32(i))}
				}
			}
		}
	}
	return nil
}

// An adjacency has the predecessors of each state.
type adjacency struct{ start, from []uint32 }

func (a *adjacency) of(to uint32) []uint32 { return a.from[a.start[to]:a.start[to+1]] }

// backward returns the steps up to kind last, by where they lead.
func (x *explorer[S]) backward(last kind) *adjacency {
	a := &adjacency{start: make([]uint32, len(x.waits)+1)}
	for _, e := range x.edges {
		if e.kind <= last {
			a.start[e.to+1]++
		}
	}
	for i := range x.waits {
		a.start[i+1] += a.start[i]
	}
	a.from = make([]uint32, a.start[len(x.waits)])
	fill := slices.Clone(a.start)
	for _, e := range x.edges {
		if e.kind <= last {
			a.from[fill[e.to]] = e.from
			fill[e.to]++
		}
	}
	return a
}

// trace returns the steps that lead to a state.
func (x *explorer[S]) trace(id uint32) []string {
	var nths []uint8
	for ; id != 0; id = x.parent[id] {
		nths = append(nths, x.nth[id])
	}
	s := x.space.initial()
	var trace []string
	for _, nth := range slices.Backward(nths) {
		from := s
		n := uint8(0)
		x.space.steps(&from, func(l label, w reached[S]) {
			if n++; n == nth {
				trace = append(trace, l.String())
				s = *w.to()
			}
		})
	}
	return trace
}

// appendKey appends a key that is equal for states that differ only in the numbers
// of Ms: it numbers Ms in the order in which it finds them.
func (*Config) appendKey(b []byte, s *state) []byte {
	var names [maxM + 1]byte
	var order [maxM]mid
	n := byte(0)
	name := func(m mid) byte {
		if m != 0 && names[m] == 0 {
			order[n] = m
			n++
			names[m] = n
		}
		return names[m]
	}
	for i := 1; i <= maxG; i++ {
		gp := &s.g[i]
		b = append(b, byte(gp.status)<<4|byte(gp.cont)<<2|gp.depth, name(gp.m)<<4|name(gp.lockedm), name(gp.on)<<4|name(gp.up.m), gp.ext<<4|gp.callbacks<<3|bits(gp.ended, gp.lent, gp.up.locked), gp.lockedExt<<4|gp.lockedInt, gp.frame<<4|gp.below, gp.lentInt, bits(gp.preempt, gp.driven)<<6|gp.budget, s.passed[i])
	}
	for i := range s.c {
		c := &s.c[i]
		if !c.made || c.done {
			b = append(b, bits(c.made, c.done))
			continue
		}
		b = append(b, bits(c.made, c.done, c.nowhere, c.inner, c.up.gone), c.gp<<4|c.partner, name(c.home)<<4|name(c.at), c.lockedExt<<4|c.lockedInt, name(c.up.m), c.up.lockedExt<<4|c.up.lockedInt)
	}
	b = appendList(b, &s.runq)
	b = append(b, s.idleP<<2|bits(s.kick, s.thrown))
	for i := byte(0); i < n; i++ {
		b = s.appendMachine(b, order[i], name)
	}
	// The others, in an order that does not depend on their numbers.
	var rest [maxM]mid
	k := 0
	for m := mid(1); m <= maxM; m++ {
		if names[m] == 0 && s.m[m] != (machine{}) {
			rest[k] = m
			k++
		}
	}
	slices.SortFunc(rest[:k], func(a, b mid) int {
		return int(s.m[a].pc)<<8 + int(s.m[a].gp) - int(s.m[b].pc)<<8 - int(s.m[b].gp)
	})
	for _, m := range rest[:k] {
		name(m)
		b = s.appendMachine(b, m, name)
	}
	return b
}

func (s *state) appendMachine(b []byte, m mid, name func(mid) byte) []byte {
	mp := &s.m[m]
	b = append(b, byte(mp.pc)<<4|bits(mp.shared, mp.uneven, mp.alone, mp.owing), bits(mp.p, mp.nextp, mp.idle, mp.inheritTime, mp.doomed, mp.spoilt, mp.apart), mp.curg<<4|mp.lockedg, mp.leaver<<4|mp.gp, mp.lockedExt<<4|mp.lockedInt, mp.debt<<4|name(mp.target), mp.up.lockedExt<<4|mp.up.lockedInt, mp.frame)
	for _, d := range mp.dead {
		b = append(b, d.frame<<4|d.below)
		if d.frame == 0 {
			break
		}
	}
	for _, l := range []*list{&mp.queue, &mp.batch, &mp.waiters, &mp.cstack} {
		b = appendList(b, l)
	}
	return b
}

func appendList(b []byte, l *list) []byte {
	for _, g := range l {
		b = append(b, g)
		if g == 0 {
			break
		}
	}
	return b
}

func bits(bs ...bool) (n byte) {
	for i, b := range bs {
		if b {
			n |= 1 << i
		}
	}
	return n
}
