package model

// Scheduling: how Ms, Ps and goroutines find each other.

// put is globrunqput or runqput; with wake, wakep or startm comes after it.
func (w *world) put(g gid, wake bool) {
	w.runq.push(g)
	if wake {
		w.kick = true
	}
}

// releaseP makes m's P idle, if it has one. It is handoffp, or a findRunnable that
// finds nothing. Both look at the queues.
func (w *world) releaseP(m mid) {
	if !w.m[m].p {
		return
	}
	w.m[m].p = false
	w.idleP++
	if !w.runq.empty() {
		w.kick = true
	}
}

func (w *world) acquireP(m mid) {
	w.m[m].p = true
	w.idleP--
}

// pick is stopm, woken, and findRunnable: the spare M m gets an idle P, and g
// from the scheduler's queues.
func (w *world) pick(m mid, g gid) {
	mp := &w.m[m]
	w.acquireP(m)
	w.runq.remove(g)
	w.kick = !w.runq.empty() // resetspinning
	if w.g[g].lockedm == 0 {
		w.execute(m, g, true)
		return
	}
	mp.pc = pcStart
	mp.gp = g
	mp.target = w.g[g].lockedm
	mp.alone = w.aloneOn(g, mp.target) || w.g[g].claims() && w.is(startAloneShared)
}

// startPicked is schedule after findRunnable and the check of alone.
func (w *world) startPicked(m mid) {
	mp := &w.m[m]
	g := mp.gp
	t, alone := mp.target, mp.alone
	mp.gp, mp.target, mp.alone = 0, 0, false
	if alone {
		w.startAlone(m, t)
		return
	}
	bound := w.g[g].lockedm
	if w.is(startBlind) {
		bound = t // m has looked without the lock
	}
	switch w.start(m, g, bound, false) {
	case runHere:
		w.execute(m, g, true)
	case queued:
		w.spare(m)
	case running:
		mp.pc = pcPool
	}
}

// spare makes m, which is bound to nobody, look for work, and find none.
func (w *world) spare(m mid) {
	w.releaseP(m)
	w.m[m].pc = pcPool
}

// execute is execute. With slice, a time slice begins.
func (w *world) execute(m mid, g gid, slice bool) {
	mp, gp := &w.m[m], &w.g[g]
	if gp.status != gRunnable {
		w.fail("throw", "execute: g%d is not runnable", g)
	}
	w.upRuns(g, m)
	mp.apart = mp.apart && !w.only(g, m)
	mp.pc = pcRun
	mp.curg = g
	gp.status = gRunning
	gp.m = m
	gp.preempt = false
	if slice {
		w.slice(m, g, true)
	}
}

// slice notes that g's time slice begins. It is a failure if that happens three
// times while another goroutine that has locked m waits in m's queue, or, if the
// scheduler has chosen g, in any queue. (Twice is fine: a system call may begin the
// second slice.)
func (w *world) slice(m mid, g gid, chosen bool) {
	if !w.cfg.Fair {
		return
	}
	for i := range w.g {
		h := gid(i)
		if h == g || w.g[h].status != gRunnable || !w.has(h, m) || !chosen && !w.m[m].queue.has(h) {
			continue
		}
		if one := uint8(1) << (2 * (g - 1)); w.passed[h]/one&3 < 2 {
			w.passed[h] += one
		} else {
			w.fail("turns", "g%d has M%d three times, and g%d, which has locked it, waits all the time", g, m, h)
		}
	}
}

// gosched is goschedImpl, with coroYield.
func (w *world) gosched(m mid) {
	mp := &w.m[m]
	g := mp.curg
	gp := &w.g[g]
	w.upLeaves(g)
	gp.status = gRunnable
	gp.m = 0
	mp.curg = 0
	mp.pc = pcSchedule
	switch {
	case gp.lockedm == 0 || w.aloneOn(g, m) && !w.is(aloneQueued) || w.is(yieldsToScheduler):
		w.put(g, true)
	case w.is(yieldsToFront):
		mp.queue.pushFront(g)
	default:
		mp.queue.push(g)
	}
}

// block is gopark.
func (w *world) block(m mid) {
	mp := &w.m[m]
	w.upLeaves(mp.curg)
	w.g[mp.curg].status = gBlocked
	w.g[mp.curg].m = 0
	mp.curg = 0
	mp.pc = pcSchedule
}

// wake is goready, by anybody.
func (w *world) wake(g gid) {
	w.g[g].status = gRunnable
	w.put(g, true)
}

// settles reports whether schedule calls coroSettle and that has something to do
// under the lock, which is a step of its own.
func (mp *machine) settles() bool {
	return mp.p && mp.leaver != 0 && (mp.lockedg != 0 || mp.doomed)
}

// settle is the part of coroSettle with the lock.
func (w *world) settle(m mid) {
	mp := &w.m[m]
	var evicted gid
	if g := mp.leaver; g == mp.lockedg {
		w.unbindLeaver(m, g)
		if !w.is(leaverQueued) {
			evicted = w.evict(m, g)
		}
	}
	mp.leaver = 0
	w.ready(evicted)
}

// schedule is schedule up to findRunnable: it checks alone, or does the rest of
// coroSettle and coroStopLocked until that releases its lock. Keep says that
// coroUnwanted finds nothing: then m goes on with the next goroutine in its queue.
func (w *world) schedule(m mid, keep bool) {
	mp := &w.m[m]
	if mp.lockedg == 0 {
		if mp.doomed {
			w.end(m)
		} else {
			w.spare(m)
		}
		return
	}
	if w.aloneOn(mp.lockedg, m) {
		mp.pc = pcAlone
		return
	}
	if mp.nextp {
		w.fail("throw", "coroStopLocked: started by startlockedm")
		return
	}
	if keep {
		g := w.next(m)
		evicted := w.bind(m, g)
		w.ready(evicted)
		w.execute(m, g, true)
		return
	}
	mp.batch = mp.queue
	if !w.is(idleKeepsQueue) {
		mp.queue = list{}
	} else {
		mp.batch = list{}
	}
	mp.idle = true
	mp.pc = pcStopping
}

// stop is the rest of coroStopLocked, up to mPark.
func (w *world) stop(m mid) {
	mp := &w.m[m]
	wake := mp.p || !mp.batch.empty() && !w.is(nobodyStarted)
	for !mp.batch.empty() {
		g := mp.batch.pop()
		if !w.is(queueLost) {
			w.put(g, wake)
		}
	}
	w.park(m)
}

// park releases m's P and is mPark. It is all of stoplockedm up to there.
func (w *world) park(m mid) {
	mp := &w.m[m]
	w.releaseP(m)
	mp.pc = pcParked
	if mp.nextp {
		w.resume(m)
	}
}

// resume is coroStopLocked or stoplockedm after mPark.
func (w *world) resume(m mid) {
	mp := &w.m[m]
	g := mp.lockedg
	if g == 0 || g == g0 || w.g[g].status != gRunnable || w.g[g].lockedm != m {
		w.fail("throw", "coroStopLocked: inconsistent locking")
		return
	}
	mp.nextp = false
	mp.p = true
	slice := !mp.inheritTime
	mp.inheritTime = false
	w.execute(m, g, slice)
}

// bind is m.bind.
func (w *world) bind(m mid, g gid) (evicted gid) {
	mp, gp := &w.m[m], &w.g[g]
	old := mp.lockedg
	if old != g {
		if !w.is(evictedInDebt) {
			mp.voidDebt()
		}
		mp.owing = false
		if old != 0 && old != g0 && w.g[old].lockedm == m && !w.g[old].claims() && !w.is(borrowerStays) {
			w.g[old].lockedm = 0
			evicted = w.evict(m, old)
		}
	}
	mp.leaver = 0
	mp.lockedg = g
	gp.lockedm = m
	w.unshare(m, g)
	return evicted
}

// unshare is m.settle.
func (w *world) unshare(m mid, g gid) {
	mp, gp := &w.m[m], &w.g[g]
	if mp.shared && mp.queue.empty() {
		if gp.lockedExt == mp.lockedExt && gp.lockedInt == mp.lockedInt && (mp.debt == 0 || w.is(clearedInDebt)) && (!mp.doomed || w.is(clearedInDoom)) {
			mp.shared = false
			mp.uneven = false
			gp.lent = gp.lent && w.is(lentStays)
		} else if w.is(sharedCleared) {
			mp.shared = false
		}
	}
}

// evict is mCoro.evict.
func (w *world) evict(m mid, g gid) (evicted gid) {
	if w.is(evictedStays) {
		if w.m[m].queue.has(g) {
			return g
		}
		return 0
	}
	if w.m[m].queue.remove(g) {
		return g
	}
	return 0
}

// ready is coroReady.
func (w *world) ready(g gid) {
	if g != 0 && !w.is(evictedLost) {
		w.put(g, true)
	}
}

// next is mCoro.next.
func (w *world) next(m mid) gid {
	mp := &w.m[m]
	g := mp.queue[0]
	for _, h := range mp.queue {
		if h != 0 && w.g[h].claims() && !w.is(claimantsNotFirst) {
			g = h
			break
		}
	}
	mp.queue.remove(g)
	for _, h := range mp.queue {
		if h != 0 && w.has(h, m) && !w.has(g, m) {
			w.fail("B4", "M%d goes on with g%d, which has borrowed it, and g%d, which has locked it, waits", m, g, h)
		}
	}
	return g
}

// What start has done.
const (
	runHere = iota
	queued
	running
)

// startAlone is startlockedm, on m, for the M t.
func (w *world) startAlone(m, t mid) {
	mt := &w.m[t]
	switch {
	case t == m:
		w.fail("throw", "startlockedm: locked to me")
	case mt.nextp:
		w.fail("throw", "startlockedm: m has p")
	case mt.idle || mt.pc != pcSchedule && mt.pc != pcAlone && mt.pc != pcParked:
		w.fail("throw", "M%d is started by startlockedm, and has not stopped by stoplockedm", t)
	}
	w.m[m].p = false
	w.m[m].pc = pcPool
	mt.nextp = true
	if mt.pc == pcParked {
		w.resume(t)
	}
}

// start is coroStart, on m, for g, which is bound to the M t.
func (w *world) start(m mid, g gid, t mid, inherit bool) int {
	if t == 0 {
		return runHere
	}
	mt := &w.m[t]
	if t == m {
		w.fail("throw", "coroStart: locked to me")
		return queued
	}
	if !mt.idle && !w.is(startRunning) {
		mt.queue.push(g)
		return queued
	}
	w.bind(t, g)
	mt.idle = false
	mt.inheritTime = inherit
	w.m[m].p = false
	mt.nextp = true
	if mt.pc == pcParked {
		w.resume(t)
	}
	return running
}
