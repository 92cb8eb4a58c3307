package model

import "slices"

// Claims, locking, leaving, exit: all that an M does to itself.

// claimed is m.claimed: what a borrower has unlocked is still locked.
func (w *world) claimed(m mid) bool {
	mp := &w.m[m]
	return mp.lockedExt+mp.lockedInt != 0 || mp.debt != 0 && !w.is(debtUnclaimed)
}

// alone is g.alone, of the goroutine that m is bound to.
func (s *state) alone(cfg *Config, m mid) bool {
	mp := &s.m[m]
	if mp.lockedg == 0 || mp.lockedg == g0 {
		return false
	}
	gp := &s.g[mp.lockedg]
	return gp.claims() && (!mp.shared || cfg.mutant == aloneShared) && gp.lockedExt == mp.lockedExt && gp.lockedInt == mp.lockedInt
}

// aloneOn is g.alone.
func (w *world) aloneOn(g gid, m mid) bool { return w.m[m].lockedg == g && w.alone(w.cfg, m) }

// reserve is m.reserve.
func (w *world) reserve(m mid) {
	mp := &w.m[m]
	if w.claimed(m) {
		mp.lockedg = g0
		return
	}
	mp.lockedg = 0
	if !w.is(freeStaysShared) {
		mp.shared = mp.doomed && !w.is(doomNotShared)
		mp.uneven = false
	}
}

// voidDebt is m.voidDebt.
func (mp *machine) voidDebt() {
	mp.lockedExt += mp.debt
	mp.debt = 0
}

// take is what LockOSThread and lockOSThread end with, coroLockLent included.
func (w *world) take(m mid, g gid, ext, callbacks uint8) {
	mp, gp := &w.m[m], &w.g[g]
	w.upLock(g, ext, callbacks)
	if ext != 0 && gp.lockedExt == 0 && (!gp.claims() || gp.lent) && mp.debt != 0 && !w.is(debtUnpaid) {
		mp.debt--
		mp.lockedExt++
		return
	}
	if !gp.claims() {
		gp.lent = gp.lockedm == m && mp.leaver != g && !w.is(loanUnnoted)
		gp.lentInt = mp.lockedInt
		if mp.leaver == g {
			mp.leaver = 0
		}
		if w.claimed(m) && !w.is(lockNotShared) {
			mp.shared = true
		}
	}
	gp.on = m
	gp.ext += ext
	gp.callbacks += callbacks
	gp.lockedExt += ext
	gp.lockedInt += callbacks
	mp.lockedExt += ext
	mp.lockedInt += callbacks
	mp.lockedg = g
	gp.lockedm = m
}

// lock is LockOSThread, by the goroutine that m runs.
func (w *world) lock(m mid) {
	mp := &w.m[m]
	gp := &w.g[mp.curg]
	if !gp.claims() && gp.lockedm != 0 && mp.leaver == mp.curg {
		gp.cont = contLock
		w.leave(m)
		return
	}
	w.take(m, mp.curg, 1, 0)
}

// unlock is UnlockOSThread.
func (w *world) unlock(m mid) {
	mp := &w.m[m]
	gp := &w.g[mp.curg]
	w.upUnlock(mp.curg, 1, 0)
	if gp.lockedExt == 0 {
		w.unlockLent(m)
		return
	}
	gp.ext--
	gp.lockedExt--
	mp.lockedExt--
	if !gp.claims() {
		w.unclaim(m, true)
	}
}

// unlockLent is coroUnlockLent.
func (w *world) unlockLent(m mid) {
	mp := &w.m[m]
	g := mp.curg
	if w.g[g].lockedm != m || mp.lockedExt == 0 || mp.leaver == g || mp.uneven && !w.is(debtWhenUneven) || w.is(borrowerCannotUnlock) {
		return
	}
	mp.lockedExt--
	if !w.is(borrowerUnlocks) {
		mp.debt++
	}
	mp.owing = true
	if mp.apart {
		w.fail("B1", "g%d has M%d on loan under other locks than its coroutine was made under, and can undo a lock of its own in advance", g, m)
	}
}

// unclaim is what UnlockOSThread and unlockOSThread end with when the caller
// has unlocked its last lock: dounlockOSThread and coroUnclaim.
func (w *world) unclaim(m mid, now bool) {
	mp := &w.m[m]
	g := mp.curg
	gp := &w.g[g]
	if mp.lockedExt+mp.lockedInt == 0 && !mp.shared {
		if mp.debt != 0 {
			w.fail("shared", "M%d has a debt of %d, and g%d unlocks it as if it were its own", m, mp.debt, g)
		}
		mp.lockedg = 0
		gp.lockedm = 0
		return
	}
	lent := gp.lent && !gp.ended && (mp.lockedInt == gp.lentInt || w.is(lentAgainUnderMore)) && !w.is(loanForgotten)
	gp.lent = false
	if !w.claimed(m) && !mp.doomed {
		w.reserve(m)
		gp.lockedm = 0
		return
	}
	if w.is(unlockerStays) {
		return
	}
	if w.claimed(m) && lent {
		return // the request for preemption is always there in the model
	}
	if w.claimed(m) && w.lends(g, m) {
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
	g := w.m[m].curg
	up := w.g[g].up
	w.unbindLeaver(m, g)
	w.gosched(m)
	if w.m[m].debt == 0 {
		w.g[g].up = up
	}
}

// unbindLeaver is m.unbindLeaver.
func (w *world) unbindLeaver(m mid, g gid) {
	w.g[g].lockedm = 0
	w.m[m].leaver = 0
	w.reserve(m)
}

// call is entersyscall, or cgocall before C: the M may lose its P at once.
func (w *world) call(m mid) {
	gp := &w.g[w.m[m].curg]
	gp.depth++
	gp.status = gSyscall
	w.m[m].pc = pcSyscall
	w.releaseP(m)
}

// callback is cgocallbackg up to its exitsyscall: lockOSThread and
// coroEnterFrame, without a P.
func (w *world) callback(m mid) {
	mp := &w.m[m]
	g := mp.curg
	w.g[g].depth = inCallback
	if !w.g[g].claims() && mp.leaver != g {
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
	w.g[g].below = mp.frame
	mp.frame = w.newFrame(m)
	w.g[g].frame = mp.frame
	mp.cstack.pushFront(g)
}

// newFrame returns the number of a new callback on m. The model uses those
// again that nobody has any more.
func (w *world) newFrame(m mid) uint8 {
	for n := uint8(1); ; n++ {
		if !slices.ContainsFunc(w.g[:], func(gp goroutine) bool { return gp.on == m && gp.frame == n }) &&
			!slices.ContainsFunc(w.m[m].dead[:], func(d deadFrame) bool { return d.frame == n }) {
			return n
		}
	}
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
		if after {
			w.popDead(m) // coroAfterCall
		}
		if after && mp.leaver == g && !w.is(callerStays) {
			w.leave(m)
		}
		if after && mp.pc == pcRun && mp.leaver == g {
			w.fail("B1", "g%d goes on in Go on M%d, whose last lock of its own a callback took", g, m)
		}
		return
	}
	// exitsyscallNoP, with coroExitSyscall.
	w.upLeaves(g)
	gp.status = gRunnable
	gp.m = 0
	mp.curg = 0
	alone := w.aloneOn(g, m)
	if mp.leaver == g && !w.is(leaverBound) {
		w.unbindLeaver(m, g)
	}
	locked := mp.lockedg != 0
	switch {
	case alone:
		w.put(g, false)
		mp.pc = pcAlone
		return
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

// leaveFrame is coroLeaveFrame, or with unwind what unwindm does instead, and
// what follows: unlockOSThread, in cgocallbackg on the way back to C or in
// unwindm on the way out of C's frames.
func (w *world) leaveFrame(m mid, unwind bool) {
	mp := &w.m[m]
	g := mp.curg
	gp := &w.g[g]
	gp.cont = contNone
	w.popDead(m)
	if mp.dead[maxG-1].frame != 0 {
		panic("model: too few places for callbacks that have been left")
	}
	if mp.frame != gp.frame && !unwind && !w.is(returnBelow) {
		gp.cont = contReturn
		gp.status = gFrameWait
		w.upLeaves(g)
		gp.m = 0
		mp.curg = 0
		mp.waiters.push(g)
		mp.pc = pcSchedule
		return
	}
	if mp.frame == gp.frame || w.is(unwindPops) {
		w.leftFrame(m, gp.below)
	} else if unwind && !w.is(deadForgotten) {
		copy(mp.dead[1:], mp.dead[:maxG-1])
		mp.dead[0] = deadFrame{gp.frame, gp.below}
	}
	gp.frame, gp.below = 0, 0
	if mp.cstack[0] != g && !unwind {
		w.fail("B8", "g%d returns to its C frames on M%d, and those of g%d are above them", g, m, mp.cstack[0])
	}
	mp.cstack.remove(g)
	// unlockOSThread, with incgo set or locks held.
	w.upUnlock(g, 0, 1)
	if unwind {
		gp.depth = inGo
	} else {
		gp.depth = inC
		gp.status = gSyscall
	}
	gp.callbacks--
	if gp.lockedInt == 0 {
		w.fail("throw", "badunlockosthread")
		return
	}
	gp.lockedInt--
	mp.lockedInt--
	if !gp.claims() {
		w.unclaim(m, false)
	} else {
		mp.apart = mp.apart && !w.only(g, m)
		w.unshare(m, g)
	}
	if !unwind {
		mp.pc = pcSyscall
		w.releaseP(m)
	}
}

// leftFrame is coroLeftFrame.
func (w *world) leftFrame(m mid, below uint8) {
	mp := &w.m[m]
	mp.frame = below
	for !mp.waiters.empty() && !w.is(waitersSleep) {
		h := mp.waiters.pop()
		w.g[h].status = gRunnable
		w.put(h, true)
	}
}

// popDead is m.popDeadFrames.
func (w *world) popDead(m mid) {
	mp := &w.m[m]
	for i := mp.deadAt(mp.frame); i >= 0 && !w.is(deadStay); i = mp.deadAt(mp.frame) {
		d := mp.dead[i]
		copy(mp.dead[i:], mp.dead[i+1:])
		mp.dead[maxG-1] = deadFrame{}
		w.leftFrame(m, d.below)
	}
}

// deadAt is mCoro.dead: the place of a callback among those that have been
// left, or -1.
func (mp *machine) deadAt(frame uint8) int {
	return slices.IndexFunc(mp.dead[:], func(d deadFrame) bool { return frame != 0 && d.frame == frame })
}

// exitClaim is coroExitClaim.
func (w *world) exitClaim(m mid, g gid) {
	mp, gp := &w.m[m], &w.g[g]
	mp.lockedExt -= gp.lockedExt
	mp.lockedInt -= gp.lockedInt
	gp.lockedExt, gp.lockedInt = 0, 0
	if !w.is(exitForgotten) {
		mp.doomed = true
		mp.shared = mp.shared || !w.is(doomNotShared)
	}
}

// dies makes g dead. What it had locked has spoilt its thread.
func (w *world) dies(g gid) {
	gp := &w.g[g]
	if gp.locks() != 0 {
		w.m[gp.on].spoilt = true
	}
	*gp = goroutine{status: gDead, up: gp.up}
}

// exit is gdestroy, with coroExit, for a goroutine that switches to nobody.
func (w *world) exit(m mid) {
	mp := &w.m[m]
	g := mp.curg
	w.upExit(g)
	if !w.is(exitInDebt) {
		mp.voidDebt()
	}
	mp.owing = false
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
	if w.g[g].claims() {
		w.exitClaim(m, g)
		end = true
	}
	w.reserve(m)
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
	*mp = machine{pc: pcDead, up: mp.up}
}
