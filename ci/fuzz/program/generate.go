package program

import (
	"math/rand/v2"
	"slices"
)

// Generate returns the program of the seed, of about size operations. A few programs
// in a thousand deadlock. The program is the same for the same arguments on every
// machine and with every Go.
//
// About half of the programs are matched: stock upstream runs them, although they
// lock threads that were handed over. Most of the others throw there.
func Generate(seed uint64, size int) *Program {
	g := &generator{r: rand.New(rand.NewPCG(seed, 0x636f726f)), size: max(size, 4)}
	// Programs that must deadlock are rare: each costs a second of waiting.
	deadlock := g.one(300)
	matched := !deadlock && g.one(2)
	for {
		g.matched = matched
		p := g.program()
		res, err := p.Run()
		if err != nil || res.Deadlock != deadlock || res.Values < 1+size/15 || deadlock && len(p.Init) > 0 {
			continue
		}
		if matched && (res.Throws || res.Loans == 0) {
			continue
		}
		if deadlock {
			p.Noise = 0
		}
		return p
	}
}

type generator struct {
	r    *rand.Rand
	size int

	budget  int
	matched bool // locks are undone before anybody else switches

	goexit bool // else threads made by C, and the main goroutine as a root
	faults bool
	over   bool // unlocks that unlock nothing
}

// A place is where an operation is generated.
type place struct {
	pulls []int // slots of the enclosing iterators, the innermost last
	depth int
	used  *[Slots]bool // slots that were filled further up
	locks int          // locks taken in this body and those around it on the same goroutine

	// For matched programs: the state since the last change of locks, and the locks
	// that can be undone and taken again.
	scope int         // how many of pulls are not to be yielded to
	busy  [Slots]bool // slots that hold other iterators
	ext   int         // calls of LockOSThread that are in force on the thread
	cfree int         // how many more C calls may be entered
	init  bool        // packages are being initialized
}

func (g *generator) one(n int) bool { return g.r.IntN(n) == 0 }

func (g *generator) program() *Program {
	p := &Program{Procs: 1 << g.r.IntN(4)}
	g.goexit = g.one(3)
	g.faults = !g.one(3)
	g.over = g.one(10)
	if !g.goexit {
		p.Main = g.one(4) || g.matched && g.one(3)
	}
	if g.one(4) {
		p.Noise = 1 + g.r.IntN(2)
	}
	if p.Trace = g.one(12); p.Trace {
		// What unwinds C frames under the tracer is rejected anyway.
		g.goexit, g.faults = false, false
	}
	roots := 1
	if g.one(3) {
		roots = 2 + g.r.IntN(2)
	}
	for range roots {
		g.budget = g.size / roots
		pl := place{used: new([Slots]bool), cfree: 4}
		if p.Main && len(p.Roots) == 0 {
			pl.ext = 1
			if g.one(2) {
				at := pl
				at.ext, at.init = 0, true
				if g.matched {
					at.used = new([Slots]bool)
				}
				for len(p.Init) == 0 || g.budget > g.size/roots/2 && g.one(2) {
					p.Init = append(p.Init, g.body(at)...)
				}
			}
		}
		var body []Op
		for g.budget > 0 {
			body = append(body, g.body(pl)...)
		}
		p.Roots = append(p.Roots, body)
	}
	return p
}

// body returns a few operations.
func (g *generator) body(pl place) []Op {
	var ops []Op
	for n := 1 + g.r.IntN(6); n > 0 && g.budget > 0; n-- {
		ops = append(ops, g.op(&pl)...)
	}
	// Most locks are undone in the body that took them.
	for ; pl.locks > 0; pl.locks-- {
		if !g.one(6) {
			ops = append(ops, Op{Kind: Unlock})
		}
	}
	return ops
}

// in returns the place of a body below pl. A body on a goroutine of its own
// starts without locks; one on the same goroutine undoes only its own.
func (pl place) in() place {
	pl.depth++
	pl.locks = 0
	return pl
}

// inScope returns the place of a body below pl under other locks: ext more
// calls of LockOSThread, or on another thread if ext < 0. In a matched program
// that body has iterators of its own.
func (g *generator) inScope(pl place, ext int) place {
	pl = pl.in()
	if pl.ext += ext; ext < 0 {
		pl.ext = 0
	}
	if g.matched && !(ext < 0 && g.one(4)) {
		for s := range Slots {
			pl.busy[s] = pl.busy[s] || pl.used[s]
		}
		pl.used = new([Slots]bool)
		pl.scope = len(pl.pulls)
	}
	return pl
}

// slot returns a slot to call next or stop on: most often one that was filled
// and that is not that of an enclosing iterator.
func (g *generator) slot(pl *place) int {
	var good []int
	for s := range Slots {
		if pl.used[s] && !slices.Contains(pl.pulls, s) {
			good = append(good, s)
		}
	}
	if len(good) == 0 || g.one(30) {
		return g.r.IntN(Slots)
	}
	return good[g.r.IntN(len(good))]
}

func (g *generator) empty(pl *place) int {
	for range 4 {
		s := g.r.IntN(Slots)
		if !pl.used[s] && !pl.busy[s] {
			return s
		}
	}
	return g.r.IntN(Slots)
}

// yields returns one yield, most often to the innermost iterator.
func (g *generator) yield(pl *place) Op {
	d := 0
	if n := len(pl.pulls) - pl.scope; n > 1 && g.one(3) {
		d = g.r.IntN(n)
	}
	return Op{Kind: Yield, N: d}
}

// op returns an operation, or a few that go together.
func (g *generator) op(pl *place) []Op {
	g.budget--
	inside := len(pl.pulls) > pl.scope
	deep := pl.depth > 7
	type choice struct {
		weight int
		make   func() []Op
	}
	leaf := func(k Kind, n int) func() []Op { return func() []Op { return []Op{{Kind: k, N: n}} } }
	compound := func(k Kind, n int) func() []Op {
		return func() []Op { return []Op{{Kind: k, N: n, Body: g.body(pl.in())}} }
	}
	any := *pl.used != [Slots]bool{}
	when := func(c bool, w int) int {
		if c {
			return w
		}
		return 0
	}
	choices := []choice{
		{when(any, 22), func() []Op {
			s := g.slot(pl)
			next := Op{Kind: Next, N: s}
			if g.one(4) {
				return []Op{{Kind: Loop, N: 2 + g.r.IntN(3), Body: []Op{next}}}
			}
			return []Op{next}
		}},
		{when(any, 4), func() []Op { return []Op{{Kind: Stop, N: g.slot(pl)}} }},
		{when(inside, 24), func() []Op {
			y := g.yield(pl)
			if g.one(3) {
				return []Op{{Kind: Loop, N: 2 + g.r.IntN(3), Body: []Op{y}}}
			}
			return []Op{y}
		}},
		{when(!deep, 14), func() []Op {
			s := g.empty(pl)
			sub := pl.in()
			sub.pulls = append(slices.Clip(sub.pulls), s)
			body := g.body(sub)
			if g.one(2) {
				body = append(body, Op{Kind: Yield})
			}
			pl.used[s] = true
			return []Op{{Kind: Pull, N: s, Body: body}, {Kind: Next, N: s}}[:1+g.r.IntN(2)]
		}},
		{when(!g.matched, 10), func() []Op { pl.locks++; return []Op{{Kind: Lock}} }},
		{when(g.matched && !deep, 12), func() []Op {
			ops := []Op{{Kind: Lock}}
			if g.one(2) {
				ops = append(ops, g.quiet())
			} else {
				ops = append(ops, g.body(g.inScope(*pl, 1))...)
			}
			if len(pl.pulls) == pl.scope && g.one(5) {
				return ops // if it exits so, its thread ends
			}
			return append(ops, Op{Kind: Unlock})
		}},
		{when(pl.ext > 0 || !g.matched && g.over, 9), func() []Op {
			ops := []Op{{Kind: Unlock}, {Kind: Lock}}
			if g.one(3) {
				ops = []Op{{Kind: Unlock}, g.short(), {Kind: Lock}}
			}
			if pl.ext > 1 && g.one(3) {
				ops = []Op{{Kind: Unlock}, {Kind: Unlock}, {Kind: Lock}, {Kind: Lock}}
			}
			return ops
		}},
		{when(pl.locks > 0, 6), func() []Op { pl.locks--; return []Op{{Kind: Unlock}} }},
		{when(g.over, 2), leaf(Unlock, 0)},
		{when(!deep && pl.cfree > 0, 10), func() []Op {
			sub := g.inScope(*pl, 0)
			sub.cfree--
			return []Op{{Kind: Callback, Body: g.body(sub)}}
		}},
		{when(!deep && pl.cfree > 0 && !g.goexit && !pl.init, 3), func() []Op {
			sub := g.inScope(*pl, -1)
			sub.cfree--
			return []Op{{Kind: Thread, N: 1 + g.r.IntN(2), Body: g.body(sub)}}
		}},
		{when(!deep, 7), func() []Op { return []Op{{Kind: Go, Body: g.body(g.inScope(*pl, -1))}} }},
		{when(!deep, 5), func() []Op {
			ops := []Op{{Kind: Fork, Body: g.body(g.inScope(*pl, -1))}}
			for range g.r.IntN(3) {
				ops = append(ops, g.quiet())
			}
			if g.one(5) {
				return ops
			}
			return append(ops, Op{Kind: Join})
		}},
		{when(!deep, 5), compound(Try, 0)},
		{when(!deep, 3), compound(Defer, 0)},
		{when(!deep, 3), compound(Loop, 2+g.r.IntN(2))},
		{when(g.faults, 2), leaf(Panic, 1+g.r.IntN(9))},
		{when(g.goexit, 2), leaf(Goexit, 0)},
		{10, func() []Op { return []Op{g.quiet()} }},
	}
	total := 0
	for _, c := range choices {
		total += c.weight
	}
	n := g.r.IntN(total)
	for _, c := range choices {
		if n -= c.weight; n < 0 {
			return c.make()
		}
	}
	panic("unreachable")
}

// short returns an operation in which a goroutine is seldom scheduled away.
func (g *generator) short() Op {
	switch g.r.IntN(3) {
	case 0:
		return Op{Kind: Grow, N: 8 << g.r.IntN(4)}
	case 1:
		return Op{Kind: Callback, Body: []Op{{Kind: Mark}}}
	}
	return Op{Kind: Spin, N: 20}
}

// quiet returns an operation that only gives the runtime something to do.
func (g *generator) quiet() Op {
	switch g.r.IntN(20) {
	case 0, 1:
		return Op{Kind: Gosched}
	case 2:
		return Op{Kind: GC}
	case 3:
		return Op{Kind: Grow, N: 8 << g.r.IntN(4)}
	case 4, 5, 6:
		return Op{Kind: Block}
	case 7:
		return Op{Kind: Spin, N: 20 << g.r.IntN(4)}
	case 8:
		return Op{Kind: Sleep, N: 10 << g.r.IntN(4)}
	case 9, 10:
		return Op{Kind: Syscall, N: 10 << g.r.IntN(4)}
	case 11, 12:
		return Op{Kind: CCall, N: 10 << g.r.IntN(4)}
	case 13:
		return Op{Kind: Procs, N: 1 << g.r.IntN(4)}
	case 14:
		return Op{Kind: Timer, N: 10 << g.r.IntN(4)}
	case 15, 16:
		return Op{Kind: Signal}
	case 17:
		if g.one(4) { // it takes the longest by far
			return Op{Kind: Exec}
		}
		return Op{Kind: Late, N: 50 << g.r.IntN(6)}
	case 18:
		kinds := BesideLocked
		if !g.matched {
			kinds *= 2
		}
		return Op{Kind: Beside, N: g.r.IntN(kinds)}
	}
	return Op{Kind: World}
}
