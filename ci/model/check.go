package model

// check checks the invariants of a state.
func (w *world) check() {
	w.checkPlaces()
	for m := mid(1); m <= maxM && w.fault == nil; m++ {
		if w.m[m] != (machine{}) {
			w.checkMachine(m)
		}
	}
	for g := gid(1); g <= maxG && w.fault == nil; g++ {
		w.checkGoroutine(g)
	}
}

// checkPlaces checks that each goroutine and each P is in exactly one place in which
// the runtime finds it.
func (w *world) checkPlaces() {
	var n, in, at [maxG + 1]uint8
	count := func(l *list) {
		for _, g := range l {
			n[g]++
		}
	}
	count(&w.runq)
	ps := w.idleP
	var waits [maxG + 1]uint8
	for m := range w.m {
		mp := &w.m[m]
		count(&mp.queue)
		count(&mp.batch)
		if mp.pc == pcStart {
			n[mp.gp]++
		}
		if mp.pc == pcHandoff {
			in[mp.gp]++
		}
		if mp.curg != 0 {
			at[mp.curg]++
		}
		for _, g := range mp.waiters {
			waits[g]++
		}
		if mp.p {
			ps++
		}
		if mp.nextp { // it has been started, and is not awake yet
			ps++
			n[mp.lockedg]++
		}
	}
	for i := range w.c {
		in[w.c[i].gp]++
	}
	for g := 1; g <= maxG; g++ {
		var want, got [4]uint8
		got = [4]uint8{n[g], in[g], at[g], waits[g]}
		switch w.g[g].status {
		case gRunnable:
			want[0] = 1
		case gCoro:
			want[1] = 1
		case gRunning, gSyscall:
			want[2] = 1
		case gFrameWait:
			want[3] = 1
		}
		if got != want {
			w.fail("lost", "g%d is in %d queues, %d coros, runs on %d Ms and waits in %d for a callback; want %v", g, n[g], in[g], at[g], waits[g], want)
		}
	}
	if ps != w.cfg.Procs {
		w.fail("lost", "there are %d Ps, want %d", ps, w.cfg.Procs)
	}
}

func (w *world) checkMachine(m mid) {
	mp := &w.m[m]
	// I1.
	var lockedExt, lockedInt uint8
	for g := gid(1); g <= maxG; g++ {
		if gp := &w.g[g]; w.has(g, m) {
			lockedExt += gp.ext
			lockedInt += gp.callbacks
		}
	}
	if mp.lockedExt+mp.debt != lockedExt || mp.lockedInt != lockedInt {
		w.fail("I1", "M%d has been locked %d+%d times, and has the counts %d+%d and a debt of %d", m, lockedExt, lockedInt, mp.lockedExt, mp.lockedInt, mp.debt)
	}
	if mp.debt != 0 && !mp.owing {
		w.fail("debt", "M%d has a debt of %d, and the loan on which it was made has ended", m, mp.debt)
	}
	if !mp.shared && (mp.doomed || mp.uneven || mp.curg != 0 && w.g[mp.curg].lent) {
		w.fail("shared", "M%d has to end, is uneven or has a loan, and is not shared", m)
	}
	if mp.pc == pcRun && mp.lockedg == 0 && (mp.shared || mp.uneven) && !mp.doomed {
		w.fail("shared", "M%d is locked by nobody, and is shared", m)
	}
	reserved := w.reserved(m)
	if g := mp.curg; g != 0 && reserved && (mp.lockedg != g || w.g[g].lockedm != m) {
		w.fail("I3", "M%d, which is locked, runs g%d, and they are not bound", m, g)
	}
	if mp.pc == pcRun && !reserved && mp.lockedg != 0 && mp.leaver != mp.lockedg {
		w.fail("I3", "M%d, which is not locked, is bound to g%d", m, mp.lockedg)
	}
	if mp.lockedg == 0 && reserved && mp.pc != pcHandoff {
		w.fail("I3", "M%d, which is locked, is bound to nobody", m)
	}
	if mp.lockedg == g0 && (mp.pc == pcRun || mp.pc == pcSyscall) {
		w.fail("I3", "M%d runs g%d, and is bound to nobody in particular", m, mp.curg)
	}
	if mp.idle && !mp.queue.empty() {
		w.fail("I5", "M%d is idle with goroutines in its queue", m)
	}
	if mp.idle && mp.pc != pcStopping && mp.pc != pcParked {
		w.fail("I5", "M%d runs and is idle", m)
	}
	for g := gid(1); g <= maxG; g++ {
		if w.g[g].lockedm == m && !w.has(g, m) && mp.lockedg != g {
			w.fail("I3", "g%d, which has not locked M%d, is bound to it, and M%d to g%d", g, m, m, mp.lockedg)
		}
	}
	if mp.pc == pcPool && (reserved || mp.spoilt || !mp.queue.empty() || mp.lockedg != 0) {
		w.fail("B6", "M%d waits for any work, and is locked, bound, or has to end", m)
	}
	if mp.spoilt && !reserved && mp.pc == pcRun && !(mp.leaver == mp.curg && w.g[mp.curg].preempt) {
		w.fail("B6", "M%d has to end, and g%d goes on there", m, mp.curg)
	}
	if mp.curg != 0 && reserved && !w.mayRun(mp.curg, m) {
		w.fail("B1", "g%d runs on M%d, which others have locked, and none of them has lent it", mp.curg, m)
	}
	frame := mp.frame
	for i := mp.deadAt(frame); i >= 0; i = mp.deadAt(frame) {
		frame = mp.dead[i].below
	}
	if mp.cstack.empty() && frame != 0 {
		w.fail("B8", "M%d has a callback in progress, and nobody is in it", m)
	}
	w.checkUpstream(m)
	for _, g := range mp.waiters {
		if g != 0 && mp.cstack[0] == g {
			w.fail("B8", "g%d waits to return from the innermost callback on M%d", g, m)
		}
	}
}

// mayRun reports whether g may be on m, which is reserved.
func (w *world) mayRun(g gid, m mid) bool {
	mp := &w.m[m]
	if w.has(g, m) || w.lent(g, m, maxG) || mp.leaver == g && (w.g[g].preempt || mp.pc == pcSyscall) {
		return true
	}
	// A goroutine that has locked m takes it back.
	for h := gid(1); h <= maxG; h++ {
		if w.has(h, m) && (w.g[h].status == gRunnable || w.inHand(h)) {
			return true
		}
	}
	return false
}

// inHand reports whether g is about to be made runnable by a hand-off.
func (w *world) inHand(g gid) bool {
	for m := range w.m {
		if w.m[m].pc == pcHandoff && w.m[m].gp == g {
			return true
		}
	}
	return false
}

// lent reports whether a goroutine that has locked m, or to which m was lent in the
// same way, waits in a coro for g: it has resumed g, or a goroutine that yields in
// g's place.
func (w *world) lent(g gid, m mid, depth int) bool {
	for i := range w.c {
		if c := &w.c[i]; depth > 0 && c.gp != 0 && (c.partner == g || c.own == g && c.inner) && (w.has(c.gp, m) || w.lent(c.gp, m, depth-1)) {
			return true
		}
	}
	return false
}

// lends reports whether a goroutine that has locked m waits for g in g's own coro,
// and has resumed g in the way that lends m.
func (w *world) lends(g gid, m mid) bool {
	for i := range w.c {
		if c := &w.c[i]; w.g[g].driven && c.own == g && c.partner == g && c.inner && c.home == m && w.has(c.gp, m) && w.m[m].cstack.len() == c.lockedInt {
			return true
		}
	}
	return false
}

func (w *world) checkGoroutine(g gid) {
	gp := &w.g[g]
	if gp.m != 0 && gp.locks() != 0 && gp.on != gp.m {
		w.fail("B1", "g%d has locked M%d and runs on M%d", g, gp.on, gp.m)
	}
	if gp.lockedExt != gp.ext || gp.lockedInt != gp.callbacks {
		w.fail("I1", "g%d has locked its thread %d+%d times, and its counts are %d+%d", g, gp.ext, gp.callbacks, gp.lockedExt, gp.lockedInt)
	}
	if gp.status == gRunnable && gp.lockedm != 0 && w.aloneOn(g, gp.lockedm) {
		w.checkAlone(g, gp.lockedm)
	}
	if gp.status == gCoro && gp.lockedm != 0 && !w.has(g, gp.lockedm) && !w.inHand(g) {
		w.fail("B3", "g%d, which is blocked in a coro, is bound to M%d, which it has not locked", g, gp.lockedm)
	}
}

// checkAlone checks that g, which is runnable, is alone on m in truth.
func (w *world) checkAlone(g gid, m mid) {
	mp := &w.m[m]
	if mp.curg != 0 || mp.idle || !mp.queue.empty() || mp.pc == pcHandoff {
		w.fail("alone", "g%d is alone on M%d, which runs g%d, or waits for others, or is about to", g, m, mp.curg)
	}
	if !w.only(g, m) {
		w.fail("alone", "g%d is alone on M%d, and somebody else has locked it, or is bound to it", g, m)
	}
}
