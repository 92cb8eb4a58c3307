package model

import (
	"fmt"
	"slices"
)

// A dworld is a dstate while a step changes it.
type dworld struct {
	dstate
	checked
	cfg *Switch
}

func (w *dworld) to() *dstate { return &w.dstate }

// Memory.

// view returns what m reads at l.
func (s *dstate) view(m mid, l loc) uint8 {
	mp := &s.m[m]
	for i := int(mp.n) - 1; i >= 0; i-- {
		if mp.buf[i].loc == l {
			return mp.buf[i].val
		}
	}
	return s.mem[l]
}

func (w *dworld) store(m mid, l loc, val uint8, release bool) {
	mp := &w.m[m]
	mp.buf[mp.n] = store{loc: l, val: val, release: release}
	mp.n++
}

// mayDrain reports whether m's ith store can be the next that others see.
func (s *dstate) mayDrain(cfg *Switch, m mid, i int) bool {
	for _, earlier := range s.m[m].buf[:i] {
		if !cfg.Weak || s.m[m].buf[i].release || earlier.loc == s.m[m].buf[i].loc {
			return false
		}
	}
	return true
}

func (w *dworld) drain(m mid, i int) {
	mp := &w.m[m]
	st := mp.buf[i]
	if locStatus <= st.loc && st.loc < locM && w.mem[st.loc]&dScan != 0 {
		w.fail("scan", "M%d stores the status of g%d, which is suspended", m, st.loc-locStatus)
	}
	w.mem[st.loc] = st.val
	copy(mp.buf[i:], mp.buf[i+1:])
	mp.n--
	mp.buf[mp.n] = store{}
}

// mayCAS reports whether m, or the suspender, can do a CAS now.
func (s *dstate) mayCAS(m mid, l loc) bool {
	for i := range s.m {
		for _, st := range s.m[i].buf {
			if st.exclusive && st.loc == l {
				return false
			}
		}
	}
	return s.m[m].n == 0
}

func (w *dworld) cas(m mid, l loc, from, to uint8) bool {
	if w.mem[l] != from {
		return false
	}
	if !w.cfg.Weak {
		w.mem[l] = to
		return true
	}
	w.store(m, l, to, true)
	w.m[m].buf[w.m[m].n-1].exclusive = true
	return true
}

// Switches.

// grab takes next, which must be blocked in a coro.
func (w *dworld) grab(m mid, next gid) {
	w.m[m].next = next
	if w.g[next].place != inCoro {
		w.fail("stack", "M%d takes g%d, which is not blocked in a coro", m, next)
	}
	w.g[next].place = inHand
}

// enter is coroswitch up to its first store, or coroexit. With handoff, the locks
// are not those at c's creation, and coroswitchShared decides that next may not run
// on m.
func (w *dworld) enter(m mid, handoff bool) {
	mp := &w.m[m]
	mp.handoff = handoff
	gp := &w.g[mp.g]
	c := &w.c[gp.c]
	switch gp.op {
	case opNext:
		c.yieldNext = true
	case opYield:
		c.yieldNext = false
	default:
		c.done = true
	}
	mp.pc = dSlow
	mp.i = 0
	mp.next = 0
	mp.plain = false
	mp.x = w.view(m, locGp.of(gp.c))
	mp.slow = w.view(m, locSlow)
	taker := w.view(m, locTaker.of(gp.c))
	if taker == 0 && w.is(takerStale) {
		taker = w.cfg.Coros[gp.c].Own
	}
	if handoff || mp.x == 0 || taker == 0 || mp.slow&^dMark != 0 && !w.is(traceIgnored) || w.view(m, locStatus.of(mp.x)) != dWaiting {
		return
	}
	mine := mp.x != taker && (mp.g == taker || w.is(anybodyTakes))
	switch {
	case gp.op == opExit:
		if mine && (mp.slow == 0 || w.is(exitPlainly)) {
			w.grab(m, mp.x)
			mp.pc = dExitM
		}
	case mine:
		w.grab(m, mp.x)
		mp.plain = true
		mp.pc = dFast
	case mp.x == taker || w.is(takerForgotten):
		mp.pc = dFast
	}
	if w.is(stackReadEarly) && mp.pc == dFast {
		mp.ver = w.view(m, locSched.of(mp.x))
	}
}

// look is the slow path of coroswitch, up to g0.
func (w *dworld) look(m mid) bool {
	mp := &w.m[m]
	gp := &w.g[mp.g]
	x, taker := w.view(m, locGp.of(gp.c)), w.view(m, locTaker.of(gp.c))
	mp.next = 0
	if taker == 0 || x == 0 || x == taker || mp.g == taker || w.is(neverDisowned) {
		if w.is(takenInGo) && x == taker && mp.g != taker {
			if !w.mayCAS(m, locGp.of(gp.c)) {
				return false
			}
			if w.cas(m, locGp.of(gp.c), x, mp.g) {
				w.grab(m, x)
			}
		}
		mp.pc = dSwitchM
		mp.i = 0
		return true
	}
	// stopTheWorld, where the goroutine can be suspended.
	if mp.n != 0 || w.mem[locStatus.of(mp.g)] != dRunning {
		return false
	}
	mp.pc = dWorld
	w.leave(m, dWaiting, inWorld)
	return true
}

// leave takes m to g0, and its goroutine away.
func (w *dworld) leave(m mid, status uint8, p place) {
	mp := &w.m[m]
	gp := &w.g[mp.g]
	gp.sched = 3 - gp.sched&3
	w.mem[locSched.of(mp.g)] = gp.sched
	w.mem[locStatus.of(mp.g)] = status
	gp.place = p
	mp.tls, mp.sp = g0, g0
}

// back takes m from g0 to its goroutine.
func (w *dworld) back(m mid) {
	mp := &w.m[m]
	mp.tls, mp.sp = mp.g, mp.g
	w.g[mp.g].place = onM
}

// stopped reports whether the world can be stopped, by m or by the suspender: all
// others are at safe points, and their stores are visible.
func (s *dstate) stopped(cfg *Switch, m mid) bool {
	for i := range s.m {
		mp := &s.m[i]
		if mp.n != 0 || mid(i) != m && mp.pc != dIdle && mp.pc != dGo && mp.pc != dWorld && !(cfg.mutant == takenInGo && mp.pc == dSwitchM && mp.i == 0) {
			return false
		}
	}
	return !s.inside
}

// pauses reports whether others can see the instruction: m's step ends before it.
func (w *dworld) pauses(m mid, in instr) bool {
	mp := &w.m[m]
	switch in {
	case take, retake, swap, mcall, setTLS:
		return true
	case setRunning, setWaiting:
		return mp.pc == dSwitchM || mp.pc == dFast && mp.slow&dMark != 0
	}
	return false
}

// run runs m up to the next instruction that others can see.
func (w *dworld) run(m mid) bool {
	mp := &w.m[m]
	for first := true; ; first = false {
		pc := mp.pc
		p := w.cfg.program(pc)
		in := p[mp.i]
		if !first && w.pauses(m, in) {
			return true
		}
		if !w.instr(m, in) {
			if !first {
				panic("model: an instruction waits, and others cannot see it")
			}
			return false
		}
		w.checkSignal(m)
		if mp.pc != pc {
			return true
		}
		mp.i++
	}
}

// instr executes an instruction, or reports that it has to wait.
func (w *dworld) instr(m mid, in instr) bool {
	mp := &w.m[m]
	old, next := mp.g, mp.next
	gp := &w.g[old]
	lgp, ltaker := locGp.of(gp.c), locTaker.of(gp.c)
	switch in {
	case take:
		if mp.plain {
			return true
		}
		if w.is(takenPlainly) {
			w.grab(m, mp.x)
			w.store(m, lgp, old, false)
			return true
		}
		if !w.mayCAS(m, lgp) {
			return false
		}
		if !w.cas(m, lgp, mp.x, old) {
			mp.pc = dSlow
			return true
		}
		w.grab(m, mp.x)
	case setM:
		if mp.handoff {
			return true
		}
		w.store(m, locM.of(next), m, false)
	case setRunning:
		status := locStatus.of(next)
		if !w.pauses(m, in) || w.is(markIgnored) && mp.pc == dFast {
			w.store(m, status, dRunning, true)
			return true
		}
		if !w.mayCAS(m, status) {
			return false
		}
		if mp.handoff {
			if !w.cas(m, status, dWaiting, dRunnable) {
				return false
			}
			w.g[next].place, w.g[next].op = inQueue, 0
			*mp = dmachine{tls: g0, sp: g0, buf: mp.buf, n: mp.n}
			return true
		}
		if w.cas(m, status, dWaiting, dRunning) {
			return true
		}
		if mp.pc == dSwitchM {
			return false // casgstatus waits
		}
		if w.is(undoForgotten) {
			mp.pc = dSlow
			return true
		}
		w.store(m, locM.of(next), 0, false)
		if !mp.plain {
			w.store(m, lgp, next, !w.is(undonePlainly))
		}
		w.g[next].place = inCoro
		mp.pc = dSlow
	case save, mcall:
		gp.sched = 3 - gp.sched&3
		w.store(m, locSched.of(old), gp.sched, false)
		if in == mcall {
			mp.tls, mp.sp = g0, g0
			gp.place = inCoro
		}
	case setTLS:
		mp.tls = next
	case setSP:
		ver := w.view(m, locSched.of(next))
		if mp.ver != 0 {
			ver = mp.ver
		}
		if ver != w.g[next].sched {
			w.fail("stack", "M%d goes on with g%d, and not where that is", m, next)
		}
		mp.sp, mp.ver = next, 0
		w.g[next].place, w.g[next].ran = onM, true
		if mp.pc == dFast {
			gp.place = inCoro
		}
	case setWaiting:
		status, to := locStatus.of(old), dWaiting
		if gp.op == opExit {
			to = dDead
			gp.place = inGrave
		}
		if !w.pauses(m, in) || w.is(markIgnored) && mp.pc == dFast {
			w.store(m, status, to, true)
			return true
		}
		return w.mayCAS(m, status) && w.cas(m, status, dRunning, to)
	case clearM:
		w.store(m, locM.of(old), 0, false)
	case publish:
		if mp.pc == dExitM {
			w.c[gp.c].exited = true
			w.store(m, lgp, 0, true)
		} else if mp.plain {
			w.store(m, lgp, old, !w.is(publishedPlainly))
		}
	case jump:
		w.g[next].op = 0
		*mp = dmachine{pc: dGo, g: next, tls: mp.tls, sp: mp.sp, buf: mp.buf, n: mp.n}
	case retake:
		taker := w.view(m, ltaker)
		if next != 0 || taker == 0 || old == taker || w.view(m, lgp) == 0 || w.is(neverDisowned) {
			return true
		}
		if !w.mayCAS(m, lgp) {
			return false
		}
		if !w.cas(m, lgp, taker, old) {
			w.back(m)
			mp.pc = dSlow
			return true
		}
		w.grab(m, taker)
	case swap:
		if next != 0 {
			return true
		}
		if !w.mayCAS(m, lgp) {
			return false
		}
		x, taker, self := w.mem[lgp], w.view(m, ltaker), old
		if x == 0 {
			if !w.c[gp.c].exited || w.cfg.Turns {
				w.fail("throw", "coroswitch on exited coro")
			}
			w.over = true
			mp.pc = dIdle
			return true
		}
		if taker != 0 && x != taker && old != taker && !w.is(neverDisowned) {
			w.fail("throw", "called by two goroutines at once: upstream goes on")
		}
		if gp.op == opExit {
			w.c[gp.c].exited = true
			self = 0
		}
		w.grab(m, x)
		w.cas(m, lgp, x, self)
	}
	return true
}

// Checks.

// checkSignal checks what a signal handler on m expects.
func (w *dworld) checkSignal(m mid) {
	if g := w.m[m].tls; g != g0 && w.view(m, locM.of(g)) != m {
		w.fail("signal", "g%d is M%d's, and its m is %d", g, m, w.view(m, locM.of(g)))
	}
}

// checkScan checks what the suspender expects after it has suspended g.
func (w *dworld) checkScan(g gid) {
	for m := range w.m {
		if w.m[m].sp == g {
			w.fail("scan", "the stack of g%d is scanned, and M%d is on it", g, m)
		}
	}
	if w.mem[locSched.of(g)] != w.g[g].sched {
		w.fail("scan", "the stack of g%d is scanned from where it was before", g)
	}
	if w.g[g].ran && w.mem[locCtxt.of(g)] != 0 {
		w.fail("ctxt", "g%d is scanned with an old ctxt", g)
	}
}

func (w *dworld) check() {
	if w.over {
		return
	}
	quiet, idle := true, w.round == uint8(len(w.cfg.Rounds))
	var on [g0]mid
	for m := mid(1); m <= w.cfg.Ms; m++ {
		mp := &w.m[m]
		w.checkSignal(m)
		quiet = quiet && mp.n == 0 && (mp.pc == dIdle || mp.pc == dGo)
		idle = idle && mp.n == 0 && mp.pc == dIdle
		if mp.pc == dGo && (mp.tls != mp.g || mp.sp != mp.g || w.view(m, locStatus.of(mp.g))&^dScan != dRunning) {
			w.fail("stack", "M%d runs g%d, and is on the stack of g%d, or the status is wrong", m, mp.g, mp.sp)
		}
		if mp.pc == dGo && w.view(m, locCtxt.of(mp.g)) != 0 {
			w.fail("ctxt", "g%d runs with an old ctxt", mp.g)
		}
		if g := mp.sp; g != g0 {
			if on[g] != 0 {
				w.fail("stack", "M%d and M%d are on the stack of g%d", on[g], m, g)
			}
			on[g] = m
		}
	}
	for i := range w.cfg.Budget {
		g := gid(i + 1)
		switch p := w.g[g].place; p {
		case inQueue:
			idle = false
		case inCoro, inHand:
			if !quiet {
				break
			}
			if !slices.Contains(w.mem[locGp:locTaker], g) {
				w.fail("lost", "g%d is blocked in a coro, and in none of them", g)
			}
		}
	}
	for i := range w.cfg.Coros {
		if g := w.mem[locGp.of(uint8(i))]; quiet && g != 0 && w.g[g].place != inCoro {
			w.fail("lost", "g%d is in a coro, and not blocked there", g)
		}
	}
	for i := range w.cfg.Coros {
		if c := &w.cfg.Coros[i]; idle && w.cfg.Turns && (w.g[c.Own].place != inGrave || w.g[c.Outer[0]].place != inGrave) {
			w.fail("lost", "g%d or g%d never ends", c.Own, c.Outer[0])
		}
	}
}

// waiting returns the goroutines that must get on whatever the program does. The
// last bit is the suspender's.
func (cfg *Switch) waiting(s *dstate) (waits, held uint8) {
	if s.over {
		return 0, 0
	}
	runs := cfg.Preempt
	for m := mid(1); m <= cfg.Ms; m++ {
		runs = runs || s.m[m].pc == dIdle
	}
	for i := range cfg.Budget {
		if gp := &s.g[i+1]; gp.place == inQueue && runs || gp.place == onM && gp.op != 0 {
			waits |= 2 << i
		}
	}
	for m := range s.m {
		if mp := &s.m[m]; mp.pc > dGo {
			waits |= 1<<mp.g | 1<<mp.next
		}
	}
	if s.target != 0 {
		waits |= 1 << 7
	}
	return waits &^ 1, 0
}

// Steps.

// A dstepper visits the steps from a state.
type dstepper struct {
	cfg   *Switch
	from  *dstate
	w     dworld
	visit func(label, reached[dstate])
}

// do visits the step that f makes.
func (st *dstepper) do(k kind, what string, m mid, g gid, c int, f func(w *dworld)) {
	st.try(k, what, m, g, c, func(w *dworld) bool { f(w); return true })
}

// try visits the step that f makes, unless f reports that it has to wait.
func (st *dstepper) try(k kind, what string, m mid, g gid, c int, f func(w *dworld) bool) {
	st.w = dworld{dstate: *st.from, cfg: st.cfg}
	if f(&st.w) {
		st.visit(label{k, what, m, g, c}, &st.w)
	}
}

func (cfg *Switch) steps(s *dstate, visit func(label, reached[dstate])) {
	if s.over {
		return
	}
	st := &dstepper{cfg: cfg, from: s, visit: visit}
	for m := mid(1); m <= cfg.Ms; m++ {
		mp := &s.m[m]
		gp := &s.g[mp.g]
		for i := range mp.buf[:mp.n] {
			if s.mayDrain(cfg, m, i) {
				st.do(kindScheduler, mp.buf[i].String(), m, 0, -1, func(w *dworld) { w.drain(m, i) })
			}
		}
		switch mp.pc {
		case dIdle:
			for i := range cfg.Budget {
				g := uint8(i + 1)
				if s.mem[locStatus.of(g)] == dRunnable && mp.n == 0 {
					st.do(kindScheduler, "execute", m, g, -1, func(w *dworld) { w.execute(m, g) })
				}
			}
		case dGo:
			st.goes(m)
		case dSlow:
			st.try(kindScheduler, "coroswitch", m, mp.g, int(gp.c), func(w *dworld) bool { return w.look(m) })
		case dWorld:
			if s.stopped(cfg, m) || cfg.mutant == disownedRunning && s.mem[locStatus.of(mp.g)] == dWaiting {
				st.do(kindScheduler, "disowns, the world stopped", m, mp.g, int(gp.c), func(w *dworld) {
					w.mem[locTaker.of(gp.c)] = 0
					w.mem[locStatus.of(mp.g)] = dRunning
					w.back(m)
					w.m[m].pc = dSlow
				})
			}
		default:
			st.try(kindScheduler, cfg.program(mp.pc)[mp.i].String(), m, mp.g, int(gp.c), func(w *dworld) bool { return w.run(m) })
		}
	}
	st.suspends()
}

// execute is execute.
func (w *dworld) execute(m mid, g gid) {
	if w.mem[locSched.of(g)] != w.g[g].sched {
		w.fail("stack", "M%d goes on with g%d, and not where that is", m, g)
	}
	w.mem[locStatus.of(g)] = dRunning
	w.mem[locM.of(g)] = m
	w.m[m].pc, w.m[m].g = dGo, g
	w.back(m)
	w.g[g].ran = true
}

// sleep has m's goroutine leave, and m be idle.
func (w *dworld) sleep(m mid, status uint8, p place) {
	w.leave(m, status, p)
	w.mem[locM.of(w.m[m].g)] = 0
	w.m[m] = dmachine{tls: g0, sp: g0}
}

// goes visits the steps of Go code.
func (st *dstepper) goes(m mid) {
	cfg, s := st.cfg, st.from
	mp := &s.m[m]
	g := mp.g
	gp := &s.g[g]
	free := mp.n == 0 && s.mem[locStatus.of(g)] == dRunning // to be scheduled away
	if free && (cfg.Preempt || s.inside && s.target == g) {
		st.do(kindScheduler, "is preempted", m, g, -1, func(w *dworld) { w.sleep(m, dRunnable, inQueue) })
	}
	if gp.op != 0 {
		if mp.n == 0 || cfg.Deep && mp.n <= 5 {
			st.do(kindScheduler, "switches", m, g, int(gp.c), func(w *dworld) { w.enter(m, false) })
			if cfg.Handoff {
				st.do(kindScheduler, "switches under other locks", m, g, int(gp.c), func(w *dworld) { w.enter(m, true) })
			}
		}
		return
	}
	call := func(what string, op uint8, c int) {
		st.do(kindProgram, what, m, g, c, func(w *dworld) {
			gp, co := &w.g[g], &w.c[c]
			if op == opNext || op == opYield {
				gp.budget--
			}
			if co.done && op != opExit {
				return
			}
			if !cfg.Raw && (op == opNext && co.yieldNext || op == opYield && !co.yieldNext) {
				w.over = true
				if cfg.Turns {
					w.fail("panic", "%s called again", what)
				}
				return
			}
			gp.op, gp.c = op, uint8(c)
		})
	}
	own := slices.IndexFunc(cfg.Coros, func(c Coro) bool { return c.Own == g })
	if gp.budget == 0 || own >= 0 && s.c[own].done {
		for i := range cfg.Coros {
			if outer := cfg.Coros[i].Outer; !s.c[i].done && !cfg.Raw && (outer[0] == g || !cfg.Turns && slices.Contains(outer, g)) {
				call("stop", opStop, i)
				return
			}
		}
		if own >= 0 {
			call("exits", opExit, own)
			return
		}
	} else {
		for i, c := range cfg.Coros {
			if slices.Contains(c.Outer, g) {
				call("next", opNext, i)
			}
			if slices.Contains(c.Inner, g) {
				call("yield", opYield, i)
			}
		}
	}
	if !free {
		return
	}
	if cfg.Turns {
		for _, c := range cfg.Coros {
			for _, gs := range [][]gid{c.Outer, c.Inner} {
				for _, h := range gs {
					if !slices.Contains(gs, g) || s.g[h].place != inSleep || s.mem[locStatus.of(h)] != dWaiting || g != gs[0] && h != gs[0] || g == gs[0] && gp.budget == 0 {
						continue
					}
					st.do(kindProgram, fmt.Sprintf("has g%d go on", h), m, g, -1, func(w *dworld) {
						if g == gs[0] {
							w.g[g].budget--
						}
						if w.g[g].budget == 0 && g != gs[0] {
							w.sleep(m, dDead, inGrave)
						} else {
							w.sleep(m, dWaiting, inSleep)
						}
						w.g[h].place = inQueue
						w.mem[locStatus.of(h)] = dRunnable
					})
				}
				if gs[0] != g && slices.Contains(gs, g) {
					return // it does not die alone
				}
			}
		}
	}
	if gp.budget == 0 {
		st.do(kindProgram, "ends", m, g, -1, func(w *dworld) { w.sleep(m, dDead, inGrave) })
	}
}

// suspends visits the steps of the suspender.
func (st *dstepper) suspends() {
	cfg, s := st.cfg, st.from
	if int(s.round) == len(cfg.Rounds) {
		return
	}
	bit := cfg.Rounds[s.round]
	g := s.target
	status := locStatus.of(g)
	switch {
	case g != 0 && int(g) <= len(cfg.Budget) && cfg.Targets != nil && !slices.Contains(cfg.Targets, g):
		st.do(kindScheduler, "is not suspended", 0, g, -1, func(w *dworld) { w.target++ })
	case g == 0:
		if s.stopped(cfg, 0) || cfg.mutant == slowRunning {
			st.do(kindProgram, "the slow bit is set", 0, 0, -1, func(w *dworld) {
				if !s.stopped(cfg, 0) {
					w.fail("slow", "somebody may be in the fast path")
				}
				w.mem[locSlow] = bit
				w.target = 1
			})
		}
	case int(g) > len(cfg.Budget):
		if bit == dTrace || s.stopped(cfg, 0) {
			st.do(kindScheduler, "the slow bit is cleared", 0, 0, -1, func(w *dworld) {
				w.mem[locSlow] = 0
				w.target = 0
				w.round++
			})
		}
	case !s.holds:
		if !s.mayCAS(0, status) {
			return
		}
		st.do(kindScheduler, "suspendG", 0, g, -1, func(w *dworld) {
			switch w.mem[status] {
			case dDead:
				w.target++
				w.inside = false
				return
			case dRunning:
			default:
				w.scans = true
				w.checkScan(g)
			}
			w.inside, w.holds = true, true
			w.mem[status] |= dScan
		})
	case s.scans:
		st.do(kindScheduler, "resumeG", 0, g, -1, func(w *dworld) {
			w.checkScan(g)
			if bit == dMark {
				w.g[g].sched |= 4 // the stack has been moved
				w.mem[locSched.of(g)] = w.g[g].sched
			}
			w.mem[status] &^= dScan
			w.target++
			w.inside, w.holds, w.scans = false, false, false
		})
	default:
		st.do(kindScheduler, "suspendG reads m", 0, g, -1, func(w *dworld) {
			if w.mem[locM.of(g)] == 0 {
				w.fail("m", "g%d runs on no M", g)
			}
			w.mem[status] &^= dScan
			w.holds = false
		})
	}
}

// appendKey appends a key that is equal for states that differ only in the numbers
// of Ms.
func (cfg *Switch) appendKey(b []byte, s *dstate) []byte {
	var order [dMaxM]mid
	for i := range order {
		order[i] = mid(i + 1)
	}
	ms := order[:cfg.Ms]
	rank := func(m mid) int {
		mp := &s.m[m]
		return int(mp.pc)<<16 | int(mp.i)<<12 | int(mp.g)<<8 | int(mp.next)<<4 | int(mp.n)
	}
	slices.SortStableFunc(ms, func(a, b mid) int { return rank(a) - rank(b) })
	var names [dMaxM + 1]byte
	for i, m := range ms {
		names[m] = byte(i + 1)
	}
	for i := range cfg.Budget {
		g := uint8(i + 1)
		gp := &s.g[g]
		b = append(b, s.mem[locStatus.of(g)]<<4|names[s.mem[locM.of(g)]], s.mem[locSched.of(g)]<<4|gp.sched, byte(gp.place)<<4|gp.op<<1|gp.c, gp.budget<<2|bits(gp.ran, s.mem[locCtxt.of(g)] != 0))
	}
	for i := range cfg.Coros {
		c := &s.c[i]
		b = append(b, s.mem[locGp.of(uint8(i))]<<4|s.mem[locTaker.of(uint8(i))], bits(c.done, c.yieldNext, c.exited))
	}
	b = append(b, s.mem[locSlow]<<4|s.round, s.target<<4|bits(s.inside, s.holds, s.scans, s.over))
	for _, m := range ms {
		mp := &s.m[m]
		b = append(b, byte(mp.pc)<<4|mp.i, mp.g<<4|mp.next, mp.tls<<4|mp.sp, mp.x<<4|mp.ver, mp.slow<<6|bits(mp.plain, mp.handoff)<<4|mp.n)
		for _, st := range mp.buf[:mp.n] {
			val := st.val
			if locM <= st.loc && st.loc < locSched {
				val = names[val]
			}
			b = append(b, byte(st.loc), val<<2|bits(st.release, st.exclusive))
		}
	}
	return b
}

var locNames = []string{"c.gp", "c.taker", "status", "m", "sched", "ctxt", "coroSlow"}

func (st store) String() string {
	return fmt.Sprintf("%s of %d = %d is visible", locNames[st.loc/8], st.loc%8, st.val)
}

func (in instr) String() string {
	return []string{"CAS c.gp", "next.m = m", "next.status = running", "saves sched", "g = next, SP = next.sched.sp", "SP", "old.status = waiting", "old.m = nil", "c.gp = old", "jumps", "mcall", "CAS c.gp, on g0", "swaps c.gp"}[in]
}
