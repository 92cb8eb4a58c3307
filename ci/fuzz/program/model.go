package program

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// A Result is what a program must do, whatever Pull is made of.
type Result struct {
	Log      string // the log of every goroutine, in the form that the interpreter prints
	Deadlock bool   // some goroutine that the program waits for never ends
	Values   int    // how many values next returned

	// Throws says that upstream's runtime kills the program at a switch, for the
	// thread locks. It may be wrong if a goroutine unlocks its thread, is
	// scheduled away, and locks the same thread again by luck.
	Throws bool
	Loans  int // how many operations lock a thread that was handed over
	Pairs  int // how many of them lock it again after an unlock
}

// A modelM is a thread that is locked, as upstream's runtime sees it.
type modelM struct{ ext, internal int }

// lock locks g's thread.
func (m *model) lock(g *modelG, ext, internal int) {
	if g.m == nil {
		if g.m = g.last; g.m == nil {
			g.m = new(modelM)
		} else if ext > 0 && g.lent {
			m.pairs++
		}
	}
	if g.lent {
		m.loans++
	}
	g.m.ext += ext
	g.m.internal += internal
}

// unlock undoes a lock, if there is one.
func (m *model) unlock(g *modelG, ext, internal int) {
	if m.dead || g.m == nil || g.m.ext < ext {
		return
	}
	g.m.ext -= ext
	g.m.internal -= internal
	if *g.m == (modelM{}) {
		g.last, g.m = g.m, nil
	}
}

// A home is what a coroutine was made under.
type home struct {
	m *modelM
	modelM
}

func (g *modelG) home() home {
	if g.m == nil {
		return home{}
	}
	return home{g.m, *g.m}
}

// maxEvents bounds the length of a run.
const maxEvents = 3000

// Run returns what the program must do. It returns an error for a program that is
// not deterministic, that takes too long, or that does something forbidden, such as
// runtime.Goexit on a thread made by C.
func (p *Program) Run() (*Result, error) { return p.run(nil) }

// run is Run; if pick is not nil, it chooses which goroutine goes on.
func (p *Program) run(pick *rand.Rand) (*Result, error) {
	m := &model{pick: pick, trace: p.Trace, idle: make(chan struct{})}
	walk(p.Init, func(op *Op) {
		if op.Kind == Thread {
			m.fail("a thread made by C cannot call Go before packages are initialized")
		}
	})
	for i, r := range p.Roots {
		slots := new(slots)
		g := m.newG(fmt.Sprint(i), nil)
		g.slots = slots
		if g.noGoexit = p.Main && i == 0; g.noGoexit {
			g.m = &modelM{ext: 1}
		}
		g.waited = true
		m.start(g, func() {
			if i == 0 && len(p.Init) > 0 {
				m.init(g, p.Init)
			}
			m.exec(g, nil, r)
		})
	}
	if m.dispatch() {
		<-m.idle
	}
	res := &Result{Values: m.values, Throws: m.throws, Loans: m.loans, Pairs: m.pairs}
	res.Deadlock = slices.ContainsFunc(m.gs, func(g *modelG) bool { return g.waited && !g.ended })
	res.Log = m.log(res.Deadlock)
	// End the goroutines that are still blocked.
	m.dead = true
	for _, g := range m.gs {
		close(g.wake)
	}
	m.all.Wait()
	if m.err != nil {
		return nil, m.err
	}
	return res, nil
}

// A model runs a program one goroutine at a time.
type model struct {
	pick   *rand.Rand
	gs     []*modelG
	ready  []*modelG
	trace  bool
	idle   chan struct{} // nobody is ready
	dead   bool
	all    sync.WaitGroup
	events int
	values int
	throws bool
	loans  int
	pairs  int
	err    error
}

// A modelG is a goroutine of the model.
type modelG struct {
	id       int
	name     string
	kids     int
	wake     chan struct{}
	clock    []int // how many steps of each goroutine happened before
	log      []string
	slots    *slots
	forks    []*modelG
	waited   bool // the program waits for it
	ended    bool
	waiter   *modelG // who waits for its end
	noGoexit bool    // its end by Goexit would be the end of the process

	m    *modelM // what it is locked to
	last *modelM // what it has unlocked, and not left since
	lent bool    // it was resumed by a switch that handed the thread over
}

type slots [Slots]struct {
	it   *modelIter
	last stamp
}

// A stamp is a step of a goroutine.
type stamp struct{ g, step int }

func (m *model) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

func (m *model) newG(name string, parent *modelG) *modelG {
	g := &modelG{id: len(m.gs), name: name, wake: make(chan struct{})}
	if parent != nil {
		g.slots = parent.slots
		g.clock = slices.Clone(parent.clock)
		parent.tick()
	}
	g.tick()
	m.gs = append(m.gs, g)
	return g
}

func (g *modelG) kid() string {
	g.kids++
	return fmt.Sprintf("%s.%d", g.name, g.kids)
}

func (g *modelG) tick() {
	for len(g.clock) <= g.id {
		g.clock = append(g.clock, 0)
	}
	g.clock[g.id]++
}

// after makes the steps of h so far happen before the next steps of g.
func (g *modelG) after(h *modelG) {
	for len(g.clock) < len(h.clock) {
		g.clock = append(g.clock, 0)
	}
	for i, c := range h.clock {
		g.clock[i] = max(g.clock[i], c)
	}
	h.tick()
}

// access checks that the last access at s happened before this one by g.
func (m *model) access(g *modelG, s *stamp, what string) {
	if s.step > 0 && (s.g >= len(g.clock) || g.clock[s.g] < s.step) {
		m.fail("goroutines %s and %s use %s at the same time", m.gs[s.g].name, g.name, what)
	}
	*s = stamp{g.id, g.clock[g.id]}
}

// start makes g ready to run body.
func (m *model) start(g *modelG, body func()) {
	m.spawn(g, func() { m.base(g, body) })
}

// spawn makes g ready to run all that it runs.
func (m *model) spawn(g *modelG, all func()) {
	m.all.Add(1)
	m.ready = append(m.ready, g)
	go func() {
		defer m.all.Done()
		<-g.wake
		if m.dead {
			return
		}
		defer func() {
			if !m.dead && !m.dispatch() {
				m.idle <- struct{}{}
			}
		}()
		all()
	}()
}

// init runs body in package initialization, which has the main thread locked.
func (m *model) init(g *modelG, body []Op) {
	*g.m = modelM{internal: 1}
	e := m.recovered(func() { m.exec(g, nil, body) })
	m.lock(g, 1, 0)
	m.unlock(g, 0, 1)
	m.event(g, "init: %v", e)
}

// recovered runs body and returns what it panics with.
func (m *model) recovered(body func()) (e any) {
	defer func() {
		if !m.dead {
			e = recover()
		}
	}()
	body()
	return nil
}

// base runs body as all that a goroutine does.
func (m *model) base(g *modelG, body func()) {
	how := "goexit"
	defer func() {
		if m.dead {
			return
		}
		if how == "goexit" {
			if e := recover(); e != nil {
				how = fmt.Sprint("panic ", e)
			} else if g.noGoexit {
				m.fail("Goexit of goroutine %s", g.name)
			}
		}
		m.event(g, "%s", how)
		g.ended = true
		if g.waiter != nil {
			g.waiter.after(g)
			m.ready = append(m.ready, g.waiter)
		}
	}()
	body()
	how = "end"
}

// dispatch lets the next goroutine run. It returns false if there is none.
func (m *model) dispatch() bool {
	if len(m.ready) == 0 {
		return false
	}
	i := 0
	if m.pick != nil {
		i = m.pick.IntN(len(m.ready))
	}
	g := m.ready[i]
	m.ready = slices.Delete(m.ready, i, i+1)
	g.wake <- struct{}{}
	return true
}

// park blocks g until somebody makes it ready.
func (m *model) park(g *modelG) {
	g.last = nil
	if !m.dispatch() {
		m.idle <- struct{}{}
	}
	<-g.wake
	if m.dead {
		runtime.Goexit()
	}
}

// wait waits for the end of h.
func (m *model) wait(g, h *modelG) {
	if h.ended {
		g.after(h)
		return
	}
	h.waiter = g
	m.park(g)
}

func (m *model) event(g *modelG, format string, args ...any) {
	g.tick()
	if m.events++; m.events > maxEvents {
		m.fail("more than %d events", maxEvents)
		return
	}
	g.log = append(g.log, fmt.Sprintf(format, args...))
}

// log prints the logs, ordered by the goroutines' names.
func (m *model) log(deadlock bool) string {
	gs := slices.Clone(m.gs)
	slices.SortFunc(gs, func(a, b *modelG) int { return strings.Compare(a.name, b.name) })
	var b strings.Builder
	for _, g := range gs {
		if len(g.log) > 0 {
			fmt.Fprintf(&b, "goroutine %s\n\t%s\n", g.name, strings.Join(g.log, "\n\t"))
		}
	}
	if deadlock {
		b.WriteString("deadlock\n")
	}
	return b.String()
}

// A modelIter is an iterator made by the model's Pull.
type modelIter struct {
	m       *model
	slot    int
	count   int     // values yielded
	co      *modelG // runs the iterator
	blocked *modelG
	start   func() // not nil until blocked has started
	last    stamp

	value                  int
	ok                     bool
	done, asked, completed bool
	home                   home
	fault                  any // what next panics with
	goexit                 bool
}

// use checks that g may use the iterator's state.
func (it *modelIter) use(g *modelG) { it.m.access(g, &it.last, "an iterator") }

// swap starts the goroutine that is blocked on the iterator and, unless g is
// at its end, blocks g on it.
func (it *modelIter) swap(g *modelG, exit bool) {
	next := it.blocked
	if next == nil {
		it.m.fail("goroutine %s switches to an iterator that has ended", g.name)
		runtime.Goexit()
	}
	it.blocked = g
	next.after(g)
	if (it.home.m != nil || g.m != nil) && g.home() != it.home {
		it.m.throws = true
	}
	next.m, next.last, next.lent = g.m, nil, g.m != nil
	g.m = nil
	if it.start != nil {
		start := it.start
		it.start = nil
		start()
	} else {
		it.m.ready = append(it.m.ready, next)
	}
	if exit {
		it.blocked = nil
		return
	}
	it.m.park(g)
	it.use(g)
}

func (m *model) pull(g *modelG, slot int, seq func(co *modelG, it *modelIter)) *modelIter {
	co := m.newG(g.kid(), g)
	it := &modelIter{m: m, slot: slot, co: co, blocked: co, home: g.home()}
	it.start = func() {
		m.spawn(co, func() {
			it.use(co)
			defer func() {
				if !m.dead {
					it.swap(co, true)
				}
			}()
			if it.done {
				return
			}
			defer func() {
				if m.dead {
					return
				}
				if e := recover(); e != nil {
					it.fault = e
					m.event(co, "panic %v", e)
				} else if !it.completed {
					it.goexit = true
					m.event(co, "goexit")
				}
				it.use(co)
				it.done = true
			}()
			seq(co, it)
			m.event(co, "end")
			it.value, it.ok = 0, false
			it.completed = true
		})
	}
	it.use(g)
	return it
}

func (it *modelIter) next(g *modelG) (int, bool) {
	it.use(g)
	if it.done {
		return 0, false
	}
	if it.asked {
		panic("iter.Pull: next called again before yield")
	}
	it.asked = true
	it.swap(g, false)
	it.pass()
	return it.value, it.ok
}

func (it *modelIter) stop(g *modelG) {
	it.use(g)
	if it.done {
		return
	}
	if g == it.co {
		// The lines' runtimes panic, others strand the iterator.
		it.m.fail("goroutine %s calls stop of its own iterator", g.name)
		panic("iter.Pull: stop called by its own iterator")
	}
	it.done = true
	it.swap(g, false)
	it.pass()
}

// pass passes the iterator's panic or Goexit on.
func (it *modelIter) pass() {
	if it.goexit {
		runtime.Goexit()
	}
	if it.fault != nil {
		panic(it.fault)
	}
}

func (it *modelIter) yield(g *modelG) bool {
	it.use(g)
	if it.done {
		return false
	}
	if !it.asked {
		panic("iter.Pull: yield called again before next")
	}
	it.count++
	it.asked = false
	it.value, it.ok = it.slot*1000+it.count, true
	it.swap(g, false)
	return !it.done
}

// exec runs a body. env has the enclosing iterators, the innermost last.
func (m *model) exec(g *modelG, env []*modelIter, ops []Op) {
	for i := range ops {
		op := &ops[i]
		if m.events > maxEvents {
			return
		}
		body := func() {
			if !m.dead {
				m.exec(g, env, op.Body)
			}
		}
		switch op.Kind {
		case Next:
			s := &g.slots[op.N]
			m.access(g, &s.last, "a slot")
			if s.it == nil {
				m.event(g, "next %d: none", op.N)
				break
			}
			v, ok := s.it.next(g)
			if ok {
				m.values++
			}
			m.event(g, "next %d: %d %t", op.N, v, ok)
		case Stop:
			s := &g.slots[op.N]
			m.access(g, &s.last, "a slot")
			if s.it != nil {
				s.it.stop(g)
			}
			m.event(g, "stop %d", op.N)
		case Yield:
			if op.N >= len(env) {
				m.event(g, "yield %d: none", op.N)
				break
			}
			ok := env[len(env)-1-op.N].yield(g)
			m.event(g, "yield %d: %t", op.N, ok)
		case Pull:
			s := &g.slots[op.N]
			m.access(g, &s.last, "a slot")
			s.it = m.pull(g, op.N, func(co *modelG, it *modelIter) {
				m.exec(co, append(slices.Clone(env), it), op.Body)
			})
			m.event(g, "pull %d", op.N)
		case Go, Fork, Thread:
			n := 1
			if op.Kind == Thread {
				n = op.N
			}
			for range n {
				h := m.newG(g.kid(), g)
				h.noGoexit = op.Kind == Thread
				h.waited = true
				if h.noGoexit {
					h.m = &modelM{internal: 1}
				}
				m.start(h, func() { m.exec(h, env, op.Body) })
				if op.Kind == Fork {
					g.forks = append(g.forks, h)
				} else {
					m.wait(g, h)
				}
			}
			m.event(g, "%s", op.Kind)
		case Join:
			for _, h := range g.forks {
				m.wait(g, h)
			}
			g.forks = nil
			m.event(g, "join")
		case Callback:
			func() {
				back := false
				m.lock(g, 0, 1)
				defer func() {
					m.unlock(g, 0, 1)
					// Upstream's execution tracer dies of that by itself: it follows
					// frame pointers through the C frames.
					if !back && m.trace && !m.dead {
						m.fail("goroutine %s unwinds C frames while it is traced", g.name)
					}
				}()
				body()
				back = true
			}()
			m.event(g, "callback")
		case Try:
			m.event(g, "try: %v", m.recovered(body))
		case Defer:
			defer body()
			m.event(g, "defer")
		case Loop:
			for i := 0; i < op.N && m.events <= maxEvents; i++ {
				body()
			}
			m.event(g, "loop")
		case Panic:
			panic(fmt.Sprint("fault ", op.N))
		case Goexit:
			runtime.Goexit()
		case Lock:
			m.lock(g, 1, 0)
			m.event(g, "lock")
		case Unlock:
			m.unlock(g, 1, 0)
			m.event(g, "unlock")
		case Gosched, GC, Block, Sleep, Syscall, CCall, World, Procs, Timer, Signal, Exec, Late:
			g.last = nil // it may go on elsewhere
			m.event(g, "%s", op.Kind)
		case Beside:
			g.last = nil
			m.throws = m.throws || op.N >= BesideLocked
			m.event(g, "%s", op.Kind)
		default:
			m.event(g, "%s", op.Kind)
		}
	}
}
