package model

// Claims, locking, leaving, exit: all that an M does to itself.

// claim is mCoro.claim.
func (mp *machine) claim(g gid) *claim {
	for i := range mp.claims {
		if g != 0 && mp.claims[i].g == g {
			return &mp.claims[i]
		}
	}
	return nil
}

// claimed is mCoro.claimed.
func (mp *machine) claimed() bool { return mp.claims[0].g != 0 || mp.claims[1].g != 0 }

// claimant is mCoro.claimant.
func (mp *machine) claimant() gid {
	if mp.claims[0].g == 0 {
		return mp.claims[1].g
	}
	return mp.claims[0].g
}

// addClaim is mCoro.addClaim.
func (w *world) addClaim(m mid, g gid) *claim {
	mp := &w.m[m]
	lent := w.g[g].lockedm == m
	if mp.leaver == g {
		mp.leaver = 0
		lent = false
	}
	c := &mp.claims[0]
	if c.g != 0 {
		copy(mp.claims[2:], mp.claims[1:maxG-1])
		c = &mp.claims[1]
	}
	*c = claim{g: g, lent: lent}
	return c
}

// dropClaim is mCoro.dropClaim.
func (mp *machine) dropClaim(c *claim) {
	for i := range mp.claims {
		if &mp.claims[i] != c {
			continue
		}
		if i > 0 {
			copy(mp.claims[i:], mp.claims[i+1:])
			i = maxG - 1
		}
		mp.claims[i] = claim{}
		return
	}
}

// take is what coroLockExt and coroLockInt end with, dolockOSThread included.
func (w *world) take(m mid, g gid, ext, callbacks uint8) {
	mp, gp := &w.m[m], &w.g[g]
	c := mp.claim(g)
	if c == nil {
		c = w.addClaim(m, g)
	}
	if gp.locks() == 0 {
		gp.on = m
		if ext != 0 {
			gp.under = mp.cstack.len()
		}
	}
	c.lockedExt += ext
	c.lockedInt += callbacks
	mp.lockedExt += ext
	mp.lockedInt += callbacks
	gp.ext += ext
	gp.callbacks += callbacks
	mp.lockedg = g
	gp.lockedm = m
}

// lock is coroLockExt, by the goroutine that m runs.
func (w *world) lock(m mid) {
	mp := &w.m[m]
	gp := &w.g[mp.curg]
	if mp.claim(mp.curg) == nil && gp.lockedm != 0 && (mp.lockedInt != 0 && !w.is(lockOnCallbackLoan) || mp.leaver == mp.curg) {
		gp.cont = contLock
		w.leave(m)
		return
	}
	w.take(m, mp.curg, 1, 0)
}

// unlock is coroUnlockExt.
func (w *world) unlock(m mid) {
	mp := &w.m[m]
	gp := &w.g[mp.curg]
	c := mp.claim(mp.curg)
	if w.is(borrowerUnlocks) {
		c = &mp.claims[0]
	}
	if c == nil || c.lockedExt == 0 {
		return
	}
	c.lockedExt--
	mp.lockedExt--
	if gp.ext != 0 {
		gp.ext--
	}
	if c.lockedExt|c.lockedInt == 0 {
		w.unclaim(m, c, true)
	}
}

// unclaim is coroUnclaim.
func (w *world) unclaim(m mid, c *claim, now bool) {
	mp := &w.m[m]
	g := mp.curg
	gp := &w.g[g]
	lent := c.lent && !gp.ended && !w.is(loanForgotten)
	mp.dropClaim(c)
	if !mp.claimed() && !mp.doomed {
		mp.lockedg = 0
		gp.lockedm = 0
		return
	}
	if w.is(unlockerStays) {
		return
	}
	if mp.claimed() && lent {
		return // the request for preemption is always there in the model
	}
	if mp.claimed() && w.lends(g, m) {
		w.fail("B5", "g%d leaves M%d at its last unlock, which is lent to it", g, m)
	}
	mp.leaver = g
	if now {
		w.leave(m)
		return
	}
	gp.preempt = true
}

// leave is coroLeave_m.
func (w *world) leave(m mid) {
	w.unbind(m, w.m[m].curg)
	w.gosched(m)
}

// unbind is mCoro.unbind.
func (w *world) unbind(m mid, g gid) {
	w.g[g].lockedm = 0
	w.m[m].leaver = 0
	w.m[m].lockedg = w.m[m].claimant()
}

// call is entersyscall, or cgocall before C: the M may lose its P at once.
func (w *world) call(m mid) {
	gp := &w.g[w.m[m].curg]
	gp.depth++
	gp.status = gSyscall
	w.m[m].pc = pcSyscall
	w.releaseP(m)
}

// callback is cgocallbackg up to its exitsyscall: coroLockInt and
// coroEnterFrame, without a P.
func (w *world) callback(m mid) {
	mp := &w.m[m]
	g := mp.curg
	w.g[g].depth = inCallback
	if mp.claim(g) == nil && mp.leaver != g {
		// A loan is for as many callbacks as there were when the coroutine was
		// made: then no C frames come to lie above those that channels would
		// keep on another thread (B8).
		for i := range w.c {
			if c := &w.c[i]; c.made && c.own == g && c.home == m && w.reserved(m) && mp.cstack.len() != c.lockedInt {
				w.fail("B8", "g%d, which has borrowed M%d, has C frames above those of %d callbacks, and its coroutine was made in %d", g, m, mp.cstack.len(), c.lockedInt)
			}
		}
	}
	w.take(m, g, 0, 1)
	mp.frames.pushFront(g)
	mp.cstack.pushFront(g)
}

// sysret is exitsyscall, after a call or at the start of a callback, and what
// follows it.
func (w *world) sysret(m mid) {
	mp := &w.m[m]
	g := mp.curg
	gp := &w.g[g]
	after := gp.depth != inCallback
	if after {
		gp.depth--
	}
	if w.idleP != 0 {
		w.acquireP(m)
		gp.status = gRunning
		mp.pc = pcRun
		if !mp.queue.empty() && !w.is(syscallKeepsThread) { // coroAfterSyscall
			gp.preempt = true
		}
		w.slice(m, g, false)
		if after && mp.leaver == g && !w.is(callerStays) { // coroAfterCall
			w.leave(m)
		}
		if after && mp.pc == pcRun && mp.leaver == g {
			w.fail("B1", "g%d goes on in Go on M%d, whose last lock of its own a callback took", g, m)
		}
		return
	}
	// exitsyscallNoP.
	gp.status = gRunnable
	gp.m = 0
	mp.curg = 0
	if mp.leaver == g && !w.is(leaverBound) { // coroUnbindLeaver
		w.unbind(m, g)
	}
	locked := mp.lockedg != 0
	switch {
	case gp.lockedm != 0 && w.is(syscallFirst):
		w.put(g, false)
	case gp.lockedm != 0:
		mp.queue.push(g) // coroYield
	default:
		w.put(g, false)
		if w.is(lockedByGoroutine) {
			locked = false
		}
	}
	switch {
	case locked:
		mp.pc = pcSchedule // coroStopLocked, for coroSettle has nothing to do
	case mp.doomed:
		mp.pc = pcLate
	default:
		mp.pc = pcPool
	}
}

// leaveFrame is coroLeaveFrame and what follows it: unlockOSThread, in
// cgocallbackg on the way back to C or in unwindm on the way out of C's frames.
func (w *world) leaveFrame(m mid, unwind bool) {
	mp := &w.m[m]
	g := mp.curg
	gp := &w.g[g]
	gp.cont = contNone
	if mp.frames[0] != g && !w.is(returnBelow) {
		gp.cont = contReturn
		if unwind {
			gp.cont = contUnwind
		}
		gp.status = gFrameWait
		gp.m = 0
		mp.curg = 0
		mp.waiters.push(g)
		mp.pc = pcSchedule
		return
	}
	mp.frames.pop()
	for !mp.waiters.empty() && !w.is(waitersSleep) {
		h := mp.waiters.pop()
		w.g[h].status = gRunnable
		w.put(h, true)
	}
	if mp.cstack[0] != g {
		w.fail("B8", "g%d leaves its C frames on M%d, and those of g%d are above them", g, m, mp.cstack[0])
	}
	mp.cstack.remove(g)
	for i := range w.g {
		if h := &w.g[i]; gid(i) != g && h.ext != 0 && w.has(gid(i), m) && mp.cstack.len() < h.under {
			w.fail("B3", "g%d goes back to C, and g%d has locked M%d in its callback", g, i, m)
		}
	}
	// coroUnlockInt, with incgo set or locks held.
	if unwind {
		gp.depth = inGo
	} else {
		gp.depth = inC
		gp.status = gSyscall
	}
	gp.callbacks--
	c := mp.claim(g)
	if c == nil || c.lockedInt == 0 {
		w.fail("throw", "badunlockosthread")
		return
	}
	c.lockedInt--
	mp.lockedInt--
	if c.lockedExt|c.lockedInt == 0 {
		w.unclaim(m, c, false)
	}
	if !unwind {
		mp.pc = pcSyscall
		w.releaseP(m)
	}
}

// exitClaim is mCoro.exitClaim.
func (w *world) exitClaim(m mid, c *claim) {
	mp := &w.m[m]
	mp.lockedExt -= c.lockedExt
	mp.dropClaim(c)
	if !w.is(exitForgotten) {
		mp.doomed = true
	}
}

// dies makes g dead. What it had locked has spoilt its thread.
func (w *world) dies(g gid) {
	gp := &w.g[g]
	if gp.locks() != 0 {
		w.m[gp.on].spoilt = true
	}
	*gp = goroutine{status: gDead}
}

// exit is gdestroy, with coroExit, for a goroutine that switches to nobody.
func (w *world) exit(m mid) {
	mp := &w.m[m]
	g := mp.curg
	ends := w.coroExit(m, g)
	w.dies(g)
	mp.curg = 0
	mp.pc = pcSchedule
	if ends {
		w.end(m)
	}
}

// coroExit is coroExit.
func (w *world) coroExit(m mid, g gid) bool {
	mp := &w.m[m]
	end := mp.leaver == g
	mp.leaver = 0
	if c := mp.claim(g); c != nil {
		w.exitClaim(m, c)
		end = true
	}
	mp.lockedg = mp.claimant()
	if w.is(exitUnbinds) {
		mp.lockedg = 0
	}
	return end && mp.doomed && mp.lockedg == 0
}

// end is the way back to mstart, which releases the P and ends the thread.
func (w *world) end(m mid) {
	mp := &w.m[m]
	if !mp.spoilt || w.reserved(m) {
		w.fail("B6", "the thread of M%d ends, and somebody has locked it still, or nobody has exited with a lock", m)
	}
	if !mp.queue.empty() || !mp.batch.empty() {
		w.fail("lost", "the thread of M%d ends, and goroutines wait for it", m)
	}
	w.releaseP(m)
	*mp = machine{pc: pcDead}
}
