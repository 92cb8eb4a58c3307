package model

import (
	"fmt"
	"slices"
)

// A kind says what makes a step happen.
type kind uint8

const (
	kindScheduler kind = iota // the runtime, at some time
	kindReturn                // the kernel or C, which may never return
	kindProgram               // the program, which may do something else
)

// A label says what a step is.
type label struct {
	kind kind
	what string
	m    mid
	g    gid
	c    int
}

func (l label) String() string {
	s := l.what
	if l.c >= 0 {
		s = fmt.Sprintf("%s c%d", s, l.c+1)
	}
	switch {
	case l.m == 0:
		return fmt.Sprintf("g%d: %s", l.g, s)
	case l.g == 0:
		return fmt.Sprintf("M%d: %s", l.m, s)
	}
	return fmt.Sprintf("M%d, g%d: %s", l.m, l.g, s)
}

// A stepper visits the steps from a state.
type stepper struct {
	cfg   *Config
	from  *state
	w     world
	visit func(label, reached[state])
}

// do visits the step that f makes.
func (st *stepper) do(k kind, what string, m mid, g gid, c int, f func(w *world)) {
	st.w = world{state: *st.from, cfg: st.cfg}
	f(&st.w)
	st.w.tidy()
	st.visit(label{k, what, m, g, c}, &st.w)
}

// steps visits all steps from s.
func (cfg *Config) steps(s *state, visit func(label, reached[state])) {
	st := &stepper{cfg: cfg, from: s, visit: visit}
	only := mid(0)
	if cfg.Fair {
		only = s.scheduling()
	}
	if only == 0 {
		st.picks()
	}
	for m := mid(1); m <= maxM; m++ {
		mp := &s.m[m]
		if only != 0 && m != only {
			continue
		}
		switch mp.pc {
		case pcRun:
			st.running(m)
		case pcSyscall:
			gp := &s.g[mp.curg]
			st.do(kindReturn, "exitsyscall", m, mp.curg, -1, func(w *world) { w.sysret(m) })
			if gp.depth == inC && gp.budget > 0 && slices.Contains(cfg.Callbacks, mp.curg) {
				st.do(kindProgram, "callback", m, mp.curg, -1, func(w *world) { w.pay(m); w.callback(m) })
			}
		case pcSchedule:
			if mp.settles() {
				st.do(kindScheduler, "coroSettle", m, 0, -1, func(w *world) { w.settle(m) })
				break
			}
			alone := s.alone(cfg, m)
			if mp.lockedg != 0 && !alone && mp.p && !mp.queue.empty() && !(cfg.Fair && !s.runq.empty()) {
				st.do(kindScheduler, "coroStopLocked, with one in the queue", m, 0, -1, func(w *world) { w.schedule(m, true) })
			}
			what := "schedule"
			if alone {
				what = "stoplockedm"
			} else if mp.lockedg != 0 {
				what = "coroStopLocked, idle"
			} else if mp.doomed {
				what = "the thread ends"
			}
			st.do(kindScheduler, what, m, 0, -1, func(w *world) { w.schedule(m, false) })
		case pcAlone:
			st.do(kindScheduler, "stoplockedm, mPark", m, 0, -1, func(w *world) { w.park(m) })
		case pcStopping:
			st.do(kindScheduler, "coroStopLocked, mPark", m, 0, -1, func(w *world) { w.stop(m) })
		case pcStart:
			what := "coroStart"
			if mp.alone {
				what = "startlockedm"
			}
			st.do(kindScheduler, what, m, mp.gp, -1, func(w *world) { w.startPicked(m) })
		case pcHandoff:
			if !(cfg.Fair && !s.runq.empty()) && mp.target != 0 {
				st.do(kindScheduler, "hand-off with the P", m, mp.gp, -1, func(w *world) { w.handoff(m, true) })
			}
			st.do(kindScheduler, "hand-off by the scheduler", m, mp.gp, -1, func(w *world) { w.handoff(m, false) })
		case pcLate:
			if s.idleP != 0 {
				st.do(kindScheduler, "the thread ends, late", m, 0, -1, func(w *world) { w.acquireP(m); w.end(m) })
			}
		}
	}
	for g := gid(1); g <= maxG && only == 0; g++ {
		if s.g[g].status == gBlocked {
			st.do(kindProgram, "is woken", 0, g, -1, func(w *world) { w.wake(g) })
		}
	}
}

// scheduling returns an M that is in the scheduler, or 0.
func (s *state) scheduling() mid {
	for m := range s.m {
		switch s.m[m].pc {
		case pcSchedule, pcAlone, pcStopping, pcStart, pcHandoff:
			return mid(m)
		}
	}
	return 0
}

// picks visits the steps of spare Ms.
func (st *stepper) picks() {
	s := st.from
	if s.idleP == 0 || !s.kick {
		return
	}
	fresh := false
	for m := mid(1); m <= maxM; m++ {
		mp := &s.m[m]
		if mp.pc != pcPool {
			continue
		}
		unknown := *mp == (machine{}) && !s.refers(m)
		if unknown && fresh {
			continue // all of those are equal
		}
		fresh = fresh || unknown
		for i, g := range s.runq {
			if g == 0 || st.cfg.Fair && i > 0 {
				break
			}
			if s.g[g].lockedm != 0 && !unknown {
				continue // any M will do
			}
			st.do(kindScheduler, "is found by the scheduler", m, g, -1, func(w *world) { w.pick(m, g) })
		}
	}
	if !fresh {
		panic("model: too few Ms")
	}
}

// running visits the steps of the goroutine that m runs.
func (st *stepper) running(m mid) {
	s, cfg := st.from, st.cfg
	mp := &s.m[m]
	g := mp.curg
	gp := &s.g[g]
	program := func(what string, c int, f func(w *world)) { st.do(kindProgram, what, m, g, c, f) }
	switch gp.cont {
	case contLock:
		st.do(kindScheduler, "locks the thread, after it has moved", m, g, -1, func(w *world) {
			w.g[g].cont = contNone
			w.lock(m)
		})
		return
	case contReturn:
		st.do(kindScheduler, "looks again whether its callback can return", m, g, -1, func(w *world) { w.leaveFrame(m, false) })
		return
	}
	if !s.runq.empty() || !mp.queue.empty() || gp.preempt || mp.leaver == g {
		st.do(kindScheduler, "yields or is preempted", m, g, -1, func(w *world) { w.gosched(m) })
		if gp.preempt && cfg.Fair {
			return
		}
	}
	if gp.ext != 0 || gp.lockedm != 0 {
		program("UnlockOSThread", -1, func(w *world) { w.unlock(m) })
	}
	if gp.depth == inCallback {
		program("callback returns", -1, func(w *world) { w.leaveFrame(m, false) })
		program("panic unwinds the callback", -1, func(w *world) { w.leaveFrame(m, true) })
	}
	if gp.depth == inGo && (gp.budget == 0 || slices.Contains(cfg.Exits, g)) {
		own := -1
		for i := range s.c {
			if s.c[i].own == g {
				own = i
			}
		}
		if own < 0 {
			program("exits", -1, func(w *world) { w.exit(m) })
		} else if s.c[own].inner {
			program("coroexit", own, func(w *world) { w.swap(m, own, true) })
		}
	}
	if gp.budget == 0 {
		return
	}
	paid := func(what string, c int, f func(w *world)) {
		program(what, c, func(w *world) { w.pay(m); f(w) })
	}
	if gp.ext < cfg.Locks {
		paid("LockOSThread", -1, func(w *world) { w.lock(m) })
	}
	for i, c := range cfg.Coros {
		sc := &s.c[i]
		switch {
		case !sc.made:
			if c.Maker == g {
				paid("newcoro", i, func(w *world) { w.create(m, i) })
			}
		case sc.done:
		case sc.inner && slices.Contains(c.Inner, g):
			paid("yield", i, func(w *world) { w.swap(m, i, false) })
		case !sc.inner && slices.Contains(c.Outer, g):
			paid("next", i, func(w *world) { w.swap(m, i, false) })
		}
	}
	calls := slices.Contains(cfg.Calls, g)
	if calls || gp.depth == inGo && slices.Contains(cfg.Callbacks, g) {
		paid("entersyscall", -1, func(w *world) { w.call(m) })
	}
	if slices.Contains(cfg.Blocks, g) {
		paid("blocks", -1, func(w *world) { w.block(m) })
	}
}

// pay takes an operation from the budget of the goroutine that m runs.
func (w *world) pay(m mid) { w.g[w.m[m].curg].budget-- }

// refers reports whether anything knows m.
func (s *state) refers(m mid) bool {
	for i := range s.g {
		if gp := &s.g[i]; gp.m == m || gp.lockedm == m || gp.on == m || gp.up.m == m {
			return true
		}
	}
	for i := range s.c {
		if c := &s.c[i]; c.home == m || c.at == m || c.up.m == m {
			return true
		}
	}
	for i := range s.m {
		if s.m[i].target == m {
			return true
		}
	}
	return false
}

// tidy makes states equal if their difference does not matter.
func (w *world) tidy() {
	for i := range w.g {
		gp := &w.g[i]
		if gp.locks() == 0 {
			gp.on = 0
		}
		if !gp.lent {
			gp.lentInt = 0
		}
		if gp.lockedm == 0 {
			if gp.locks() == 0 && !w.inHand(gid(i)) {
				gp.driven = false
			}
		}
		if gp.status != gRunnable {
			w.passed[i] = 0
		}
	}
	for i := range w.c {
		if c := &w.c[i]; c.done {
			*c = coro{made: true, done: true}
		}
	}
	for m := range w.m {
		if mp := &w.m[m]; mp.owing || mp.apart {
			mp.owing = mp.owing && mp.debt != 0
			mp.apart = mp.apart && w.reserved(mid(m))
		}
		if w.m[m].pc == pcDead && !w.refers(mid(m)) {
			w.m[m] = machine{}
		}
	}
	if w.runq.empty() {
		w.kick = false
	}
	if !w.cfg.Fair {
		n := w.runq.len()
		slices.Sort(w.runq[:n])
	}
}
