// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime

import (
	"internal/runtime/atomic"
	"internal/runtime/sys"
	"unsafe"
)

// Coroutines that share thread locks: GODEBUG=corolock=1.
//
// Without the mode, a coroutine may only be switched to under the thread locks
// that it was created under: coroswitch_m compares them and throws. With the
// mode, coroswitch_m comes here instead. What happens then equals what would
// happen if the coroutine were a goroutine behind an unbuffered channel: who
// has locked a thread runs on it, everybody else runs anywhere. Switches under
// equal locks never come here: they are coroswitch_m's, in both modes.
//
// What the mode adds to an M is knowledge of whose its locks are.
//
// A claim says how often one goroutine has locked the M itself, with
// LockOSThread or by being inside a callback from C. A goroutine has claims on
// at most one M, the only one it runs on while it has them.
//
// A goroutine that is bound to an M (gp.lockedm) on which it has no claim is a
// borrower. Its thread was lent to it by a coroutine switch, by somebody who
// has a claim, and who gets it back as soon as it can run.
//
// The invariants, for every M with the mode on:
//
//   - lockedExt and lockedInt are the sums over the M's claims, whoever runs on
//     it. So a switch between two claimants changes no count, and a change of
//     anybody's locks is seen by coroswitch_m's comparison.
//   - While it has claims, the M runs only claimants and at most one borrower,
//     which is then lockedg. Whoever runs is lockedg, and bound to the M.
//   - A goroutine that is blocked in a coro is bound to nothing, or it has a
//     claim on the M it is bound to. (A switch under equal locks unbinds it,
//     whether or not it has a claim: the claim tells.)
//   - The M writes lockedg itself, or somebody else does who holds the lock
//     while the M is idle. The lockedm of a goroutine that does not run is
//     written by whoever owns the goroutine, or by a holder of the lock of the
//     M that it is bound to. So who finds a goroutine bound to another M must
//     look again with the lock held.
//   - An idle M has an empty queue.
//
// docs/corolock.md has the reasons.

// An mCoro is the part of an M that the mode needs.
type mCoro struct {
	// lock protects idle, queue and the list of further claims. It is a leaf
	// lock: nothing is locked while it is held.
	lock mutex

	// first is a claim, if its gp is set, and more are all others. Only the M
	// itself changes them: first without the lock, more with it. Others, who
	// look for the claim of a goroutine that does not run, hold the lock.
	first coroClaim
	more  *coroNode

	// frames are the callbacks from C that are in progress on this thread, the
	// innermost first, and frameWaiters the goroutines whose callback cannot
	// return because another one is inside of it. Only the M itself uses them.
	frames       *coroNode
	frameWaiters gQueue

	// queue has goroutines that are bound to the M and runnable, and that wait
	// because another one runs there.
	queue gQueue

	// idle says that the M waits in coroStopLocked for one of its goroutines,
	// and a P, from another M.
	idle bool

	// inheritTime says, when that comes, whether the P's time slice goes on.
	inheritTime bool

	// doomed says that a goroutine has exited with the thread locked: the
	// thread ends when nobody has a claim on it any more.
	doomed bool

	// leaver, if it is lockedg, is a goroutine that has unlocked its last lock
	// on an M which others have claims on, or that is doomed, at a point where
	// it could not be moved. It is moved when it is scheduled next.
	leaver guintptr
}

// A coroClaim is what one goroutine has locked on one M.
type coroClaim struct {
	gp        guintptr
	lockedExt uint32 // its LockOSThread calls
	lockedInt uint32 // its lockOSThread calls

	// lent says that the goroutine was a borrower when it took the claim, or
	// has been resumed as one since. Unless its loan has ended (gp.loanEnded),
	// it is one again when it gives the claim up, so that code which locks and
	// unlocks in pairs stays on the lender's thread.
	lent bool
}

// A coroNode is a coroClaim in a list, or one callback in mCoro.frames. It is
// not in the heap because a callback needs one before it has a P.
type coroNode struct {
	_    sys.NotInHeap
	next *coroNode
	coroClaim
}

// coroNodes has the coroNodes that are free.
var coroNodes struct {
	lock mutex
	free *coroNode
}

// coroNowhere is an M that runs nothing. It stands in a coro's mp when the
// goroutine that is blocked there cannot be switched to under the locks that
// the coro was created under. It differs from every other M, so coroswitch_m's
// comparison fails whoever comes.
var coroNowhere m

// coroFrameWaits counts the goroutines that wait in an mCoro.frameWaiters.
var coroFrameWaits atomic.Int32

// coroInit starts the mode, when the settings have been read, on the only M
// that there is.
func coroInit(mp *m) {
	if GOARCH == "wasm" {
		debug.corolock = 0 // no threads, and nothing that upstream throws at
		return
	}
	mp.coro = new(mCoro)
}

// newCoroNode returns a zero coroNode. It may run without a P.
//
//go:systemstack
func newCoroNode() *coroNode {
	lock(&coroNodes.lock)
	if coroNodes.free == nil {
		const size = 16 << 10
		p := uintptr(sysAlloc(size, &memstats.other_sys, "coroutine locks"))
		if p == 0 {
			throw("runtime: cannot allocate memory")
		}
		for i := uintptr(0); i+unsafe.Sizeof(coroNode{}) <= size; i += unsafe.Sizeof(coroNode{}) {
			n := (*coroNode)(unsafe.Pointer(p + i))
			n.next = coroNodes.free
			coroNodes.free = n
		}
	}
	n := coroNodes.free
	coroNodes.free = n.next
	unlock(&coroNodes.lock)
	n.next = nil
	n.coroClaim = coroClaim{}
	return n
}

//go:systemstack
func freeCoroNode(n *coroNode) {
	lock(&coroNodes.lock)
	n.next = coroNodes.free
	coroNodes.free = n
	unlock(&coroNodes.lock)
}

// claim returns gp's claim, or nil. The caller is on the M, or holds the lock
// and owns gp, or has found the M idle with the lock held.
//
//go:nosplit
func (mc *mCoro) claim(gp *g) *coroClaim {
	if mc.first.gp.ptr() == gp {
		return &mc.first
	}
	for n := mc.more; n != nil; n = n.next {
		if n.gp.ptr() == gp {
			return &n.coroClaim
		}
	}
	return nil
}

// claimed reports whether anybody has a claim. The conditions of claim hold.
//
//go:nosplit
func (mc *mCoro) claimed() bool {
	return mc.first.gp != 0 || mc.more != nil
}

// claimant returns somebody who has a claim, or 0. The conditions of claim
// hold.
//
//go:nosplit
func (mc *mCoro) claimant() guintptr {
	if mc.first.gp == 0 && mc.more != nil {
		return mc.more.gp
	}
	return mc.first.gp
}

// addClaim gives gp an empty claim on mp, the current M, on which it has none.
//
//go:nosplit
func (mc *mCoro) addClaim(mp *m, gp *g) *coroClaim {
	lent := gp.lockedm.ptr() == mp
	if mc.leaver.ptr() == gp {
		mc.leaver = 0
		lent = false
	}
	c := &mc.first
	if mc.first.gp != 0 {
		var n *coroNode
		systemstack(func() {
			n = newCoroNode()
			n.gp.set(gp)
			lock(&mc.lock)
			n.next = mc.more
			mc.more = n
			unlock(&mc.lock)
		})
		c = &n.coroClaim
	}
	c.gp.set(gp)
	c.lent = lent
	return c
}

// dropClaim removes a claim on the current M. Its counts have been given back.
//
//go:nosplit
func (mc *mCoro) dropClaim(c *coroClaim) {
	if c == &mc.first {
		mc.first = coroClaim{}
		return
	}
	systemstack(func() {
		lock(&mc.lock)
		var n *coroNode
		for p := &mc.more; ; p = &n.next {
			n = *p
			if &n.coroClaim == c {
				*p = n.next
				break
			}
		}
		unlock(&mc.lock)
		freeCoroNode(n)
	})
}

// coroLockExt is LockOSThread.
//
//go:nosplit
func coroLockExt() {
	gp := getg()
	mp := gp.m
	c := mp.coro.claim(gp)
	if c == nil && gp.lockedm != 0 && (mp.lockedInt != 0 || mp.coro.leaver.ptr() == gp) {
		// gp is here only until it is moved. Or the thread was lent to it in a
		// callback: that can return at any time, and C go on with the thread for
		// as long as it likes, or end it. gp must have one that nobody holds up.
		mcall(coroLeave_m)
		mp = gp.m
		c = nil
	}
	if mp.lockedExt+1 == 0 {
		panic("LockOSThread nesting overflow")
	}
	if c == nil {
		c = mp.coro.addClaim(mp, gp)
	}
	c.lockedExt++
	mp.lockedExt++
	dolockOSThread()
}

// coroLockInt is lockOSThread. It may run without a P.
//
//go:nosplit
func coroLockInt() {
	gp := getg()
	mp := gp.m
	c := mp.coro.claim(gp)
	if c == nil {
		c = mp.coro.addClaim(mp, gp)
	}
	c.lockedInt++
	mp.lockedInt++
	dolockOSThread()
}

// coroUnlockExt is UnlockOSThread. Who has only borrowed the thread has
// nothing to unlock.
//
//go:nosplit
func coroUnlockExt() {
	gp := getg()
	mp := gp.m
	c := mp.coro.claim(gp)
	if c == nil || c.lockedExt == 0 {
		return
	}
	c.lockedExt--
	mp.lockedExt--
	if c.lockedExt|c.lockedInt == 0 {
		coroUnclaim(gp, c, true)
	}
}

// coroUnlockInt is unlockOSThread.
//
//go:nosplit
func coroUnlockInt() {
	gp := getg()
	mp := gp.m
	c := mp.coro.claim(gp)
	if c == nil || c.lockedInt == 0 {
		systemstack(badunlockosthread)
	}
	c.lockedInt--
	mp.lockedInt--
	if c.lockedExt|c.lockedInt == 0 {
		// A callback that returns goes back to C, or unwinds: not now.
		coroUnclaim(gp, c, !mp.incgo && mp.locks == 0)
	}
}

// coroUnclaim is called when gp, the caller, has unlocked its last lock. If
// the thread cannot be anybody's now, gp leaves it; unless it was lent to gp
// before. Now says whether gp can be moved.
//
//go:nosplit
func coroUnclaim(gp *g, c *coroClaim, now bool) {
	mp := gp.m
	mc := mp.coro
	lent := c.lent && !gp.loanEnded
	mc.dropClaim(c)
	if !mc.claimed() && !mc.doomed {
		mp.lockedg = 0
		gp.lockedm = 0
		return
	}
	if mc.claimed() && lent {
		if !mc.queue.empty() {
			// The lender may be waiting there. A stale look does no harm: sysmon
			// preempts who runs for long.
			gp.preempt = true
			gp.stackguard0 = stackPreempt
		}
		return
	}
	mc.leaver.set(gp)
	if now {
		mcall(coroLeave_m)
		return
	}
	// Not stackguard0: no call before C is entered may be a preemption point.
	// exitsyscall and releasem set it.
	gp.preempt = true
}

// coroLeave_m moves gp, which has no claim, away from an M that is reserved
// for others. It comes from mcall.
func coroLeave_m(gp *g) {
	gp.m.coro.unbind(gp.m, gp)
	goschedImpl(gp, false)
}

// unbind takes gp, which has no claim, off the current M. The M then waits
// for somebody who has one. The caller owns gp or holds the lock.
//
//go:nosplit
func (mc *mCoro) unbind(mp *m, gp *g) {
	gp.lockedm = 0
	mc.leaver = 0
	mp.lockedg = mc.claimant()
}

// coroAfterCall is called when a call to C has returned, in which callbacks
// may have taken the caller's last lock.
//
//go:nosplit
func coroAfterCall() {
	if gp := getg(); gp.m.coro.leaver.ptr() == gp {
		mcall(coroLeave_m)
	}
}

// coroUnbindLeaver is unbind for exitsyscallNoP, where gp owns itself, and is
// neither running nor queued yet.
//
//go:nowritebarrierrec
func coroUnbindLeaver(gp *g) {
	mp := getg().m
	if mp.coro.leaver.ptr() == gp {
		mp.coro.unbind(mp, gp)
	}
}

// coroSettle is called by schedule when the current M is bound to a goroutine,
// or doomed. It reports whether it is bound to one still. It does not return
// if the thread has to end.
func coroSettle(mp *m) bool {
	mc := mp.coro
	if mc.leaver != 0 {
		var queued *g
		lock(&mc.lock)
		if gp := mc.leaver.ptr(); gp == mp.lockedg.ptr() {
			mc.unbind(mp, gp)
			queued = mc.evict(gp)
		}
		mc.leaver = 0
		unlock(&mc.lock)
		coroReady(queued)
	}
	if coroDebug {
		coroCheck(mp)
	}
	if mp.lockedg != 0 {
		return true
	}
	if mc.doomed {
		if mp.spinning {
			mp.spinning = false
			sched.nmspinning.Add(-1)
		}
		// As in gdestroy.
		gogo(&mp.g0.sched)
	}
	return false
}

// bind makes gp the goroutine that mp runs next. If a borrower was, it has to
// look for another thread; if it is queued, it is returned. The lock is held,
// and mp is the current M or idle.
//
//go:nowritebarrierrec
func (mc *mCoro) bind(mp *m, gp *g) (evicted *g) {
	old := mp.lockedg.ptr()
	if old != nil && old != gp && old.lockedm.ptr() == mp && mc.claim(old) == nil {
		old.lockedm = 0
		evicted = mc.evict(old)
	}
	mc.leaver = 0
	mp.lockedg.set(gp)
	gp.lockedm.set(mp)
	return evicted
}

// evict takes gp, which is not bound any more, out of the queue and returns it,
// or nil if it is not there. The lock is held.
//
//go:nowritebarrierrec
func (mc *mCoro) evict(gp *g) (evicted *g) {
	var rest gQueue
	for !mc.queue.empty() {
		qp := mc.queue.pop()
		if qp == gp {
			evicted = qp
		} else {
			rest.pushBack(qp)
		}
	}
	mc.queue = rest
	return evicted
}

// coroReady gives gp, which is runnable, bound to nothing, and may be nil, to
// the scheduler. The current M has a P.
//
//go:nowritebarrierrec
func coroReady(gp *g) {
	if gp != nil {
		lock(&sched.lock)
		globrunqput(gp)
		unlock(&sched.lock)
		wakep()
	}
}

// next takes from the queue the goroutine that has waited longest, of those
// that have a claim if there are any. The lock is held.
//
//go:nowritebarrierrec
func (mc *mCoro) next() *g {
	var gp *g
	var rest gQueue
	for !mc.queue.empty() {
		qp := mc.queue.pop()
		if gp == nil && mc.claim(qp) != nil {
			gp = qp
		} else {
			rest.pushBack(qp)
		}
	}
	if gp == nil {
		gp = rest.pop()
	}
	mc.queue = rest
	return gp
}

// coroUnwanted reports whether nothing but the caller wants pp, the current P.
// Who passes a P on without a look at findRunnable must ask first, or a pair of
// goroutines could keep it from all others. So these are the conditions under
// which findRunnable, or handoffp, would do something else.
//
//go:nowritebarrierrec
func coroUnwanted(pp *p) bool {
	if sched.gcwaiting.Load() || pp.runSafePointFn != 0 || sched.disable.user || gcBlackenEnabled != 0 ||
		!runqempty(pp) || !sched.runq.empty() ||
		(traceEnabled() || traceShuttingDown()) && traceReaderAvailable() != nil {
		return false
	}
	when := pp.timers.wakeTime()
	return when == 0 || when > nanotime()
}

// coroStopLocked is stoplockedm: the current M, which is bound to a goroutine,
// stops until one that is bound to it can run. That is lockedg when it
// returns. If one waits already, and nobody else wants it, the M keeps its P.
//
//go:nowritebarrierrec
func coroStopLocked() (inheritTime bool) {
	mp := getg().m
	mc := mp.coro
	keep := mp.p != 0 && coroUnwanted(mp.p.ptr())
	lock(&mc.lock)
	if keep && !mc.queue.empty() {
		evicted := mc.bind(mp, mc.next())
		unlock(&mc.lock)
		coroReady(evicted)
		return false
	}
	// From here on, the M can be started.
	q := mc.queue
	mc.queue = gQueue{}
	mc.idle = true
	unlock(&mc.lock)

	// What waited here goes where the scheduler looks, with its rules.
	n := q.size
	if n != 0 {
		lock(&sched.lock)
		globrunqputbatch(&q)
		unlock(&sched.lock)
	}
	if mp.p != 0 {
		handoffp(releasep())
	} else {
		for ; n > 0; n-- {
			startm(nil, false, false)
		}
	}
	incidlelocked(1)
	mPark()
	gp := mp.lockedg.ptr()
	if status := readgstatus(gp); status&^_Gscan != _Grunnable || gp.lockedm.ptr() != mp {
		print("runtime: coroStopLocked: goroutine ", gp.goid, " has status ", hex(status), ", M ", gp.lockedm.ptr(), "\n")
		throw("coroStopLocked: inconsistent locking")
	}
	acquirep(mp.nextp.ptr())
	mp.nextp = 0
	inheritTime = mc.inheritTime
	mc.inheritTime = false
	return inheritTime
}

// What coroStart has done with a goroutine.
type coroStarted int

const (
	coroRunHere coroStarted = iota // nothing: it is bound to no M
	coroQueued                     // it waits for its M
	coroRunning                    // its M runs it, with the current P
)

// coroStart starts gp, which is runnable and the caller's, on the M that it is
// bound to.
//
//go:nowritebarrierrec
func coroStart(gp *g, inheritTime bool) coroStarted {
	mp := gp.lockedm.ptr()
	if mp == nil {
		return coroRunHere
	}
	mc := mp.coro
	lock(&mc.lock)
	if gp.lockedm.ptr() == nil {
		// The lender has just got its thread back.
		unlock(&mc.lock)
		return coroRunHere
	}
	if mp == getg().m {
		throw("coroStart: locked to me")
	}
	if !mc.idle {
		mc.queue.pushBack(gp)
		preempt := mc.claim(gp) != nil && mc.claim(mp.lockedg.ptr()) == nil
		unlock(&mc.lock)
		if preempt {
			coroPreempt(mp)
		}
		return coroQueued
	}
	mc.bind(mp, gp)
	mc.idle = false
	mc.inheritTime = inheritTime
	unlock(&mc.lock)
	incidlelocked(-1)
	mp.nextp.set(releasep())
	notewakeup(&mp.park)
	return coroRunning
}

// coroPreempt asks for preemption of what runs on mp, a borrower at the last
// look. It may have gone since: then the wrong one yields, which is allowed.
//
//go:nowritebarrierrec
func coroPreempt(mp *m) {
	gp := mp.curg
	if gp == nil || gp == mp.g0 {
		return
	}
	gp.preempt = true
	if readgstatus(gp)&^_Gscan == _Gsyscall {
		return // exitsyscall looks at gp.preempt
	}
	gp.stackguard0 = stackPreempt
	if preemptMSupported && debug.asyncpreemptoff == 0 {
		preemptM(mp)
	}
}

// coroYield makes gp, which was running on the current M and is bound to it,
// wait for it behind all others. In the scheduler's queues it would be before
// them when coroStopLocked comes, each time.
//
//go:nowritebarrierrec
func coroYield(gp *g) {
	mc := getg().m.coro
	lock(&mc.lock)
	mc.queue.pushBack(gp)
	unlock(&mc.lock)
}

// coroAfterSyscall is called in exitsyscall when gp has lost its P and got one
// again. That may happen all the time, and then no time slice ever ends. So
// those who wait for the M go first.
//
//go:nosplit
func coroAfterSyscall(gp *g) {
	if gp.m.coro.queue.head != 0 {
		gp.preempt = true
	}
}

// coroExit is called by gdestroy for gp, which runs on mp. It reports whether
// the thread has to end now.
//
// It is not called with a claim for a goroutine that switches to another one
// as it exits: see coroswitchShared.
func coroExit(mp *m, gp *g) bool {
	mc := mp.coro
	gp.loanEnded = false
	end := mc.leaver.ptr() == gp
	mc.leaver = 0
	if c := mc.claim(gp); c != nil {
		mc.exitClaim(mp, c)
		end = true
	}
	mp.lockedg = mc.claimant()
	return end && mc.doomed && mp.lockedg == 0
}

// exitClaim drops a claim whose goroutine exits, and dooms the thread, which
// may be in an unusual state. A thread that C created is C's to end.
func (mc *mCoro) exitClaim(mp *m, c *coroClaim) {
	if c.lockedInt != 0 {
		print("runtime: mp.lockedInt = ", c.lockedInt, "\n")
		if mp.isextra {
			throw("runtime.Goexit called in a thread that was not created by the Go runtime")
		}
		throw("exited a goroutine internally locked to the OS thread")
	}
	mp.lockedExt -= c.lockedExt
	mc.dropClaim(c)
	if !mp.isextra {
		mc.doomed = true
	}
}

// has reports whether gp, which is the caller's, has a claim on an M that is
// not the current one.
func (mc *mCoro) has(gp *g) bool {
	lock(&mc.lock)
	c := mc.claim(gp)
	unlock(&mc.lock)
	return c != nil
}

// coroswitchShared does the rest of coroswitch_m if the locks are not those at
// c's creation, and if gp exits with a claim. It never returns.
//
// gp, which runs on the current M, is going to be blocked in c, or exits. The
// goroutine that is blocked in c goes on: here, by a direct switch, if it may
// be here, or else by a hand-off through the scheduler.
func coroswitchShared(gp *g, c *coro, exit bool) {
	mp := gp.m
	mc := mp.coro
	if coroDebug {
		coroCheck(mp)
	}

	// Read what the one who was blocked there has left in c. Users of c take
	// turns, as the rules of iter.Pull say. If they do not, the CAS below fails.
	gnext := c.gp.ptr()
	if gnext == nil {
		throw("coroswitch on exited coro")
	}
	if gnext == gp {
		throw("coroswitch of a goroutine to itself")
	}
	at := c.mp
	if at == &coroNowhere {
		at = c.at
	}
	// If gnext has a claim anywhere, then where it was when it got blocked.
	var target *m
	if at == mp && mc.claim(gnext) != nil || at != nil && at != mp && at.coro.has(gnext) {
		target = at
	}

	trace := traceAcquire()
	if bubble := gp.bubble; bubble != nil {
		// As in coroswitch_m: active until gnext runs, or gp does again.
		bubble.incActive()
	}

	// Leave in c what the next one has to know of gp: where it has a claim, or
	// has borrowed the thread. A borrower is unbound: it has no right to the
	// thread if it is resumed from elsewhere, and must not wait for it.
	own := c.own.ptr()
	leaving := mc.leaver.ptr() == gp
	claim := mc.claim(gp)
	if exit {
		if claim != nil {
			mc.exitClaim(mp, claim)
		}
	} else {
		var gpAt *m
		if claim != nil || gp.lockedm != 0 && !leaving {
			gpAt = mp
		}
		if gpAt == c.home && (gpAt == nil || mp.lockedExt == c.lockedExt && mp.lockedInt == c.lockedInt && (gp == own || gnext == own)) {
			// As at creation: who comes under the same locks is right here.
			c.mp = c.home
			c.at = nil
			if gp == own {
				// And lends it, if gp has no callback here.
				gp.loanEnded = false
				if claim != nil {
					claim.lent = claim.lockedInt == 0
				}
			}
		} else {
			c.mp = &coroNowhere
			c.at = gpAt
		}
	}
	if claim == nil {
		gp.lockedm = 0
	}
	mc.leaver = 0

	// gnext goes on here if it has a claim here; if nobody has one; or if it
	// is lent the thread. A thread is lent to the goroutine that c was made
	// with, and lent back to one that had borrowed it, if c was made on it and
	// there are as many callbacks as then: its own would be above others, and
	// have to wait for them.
	direct := target == mp
	lends := mp == c.home && mc.claimed() && !leaving
	if direct {
		// When it has unlocked what it has, it has borrowed the thread.
		nextClaim := mc.claim(gnext)
		lends = lends && mp.lockedInt-nextClaim.lockedInt == c.lockedInt
		if gnext == own {
			nextClaim.lent = lends
		}
	} else if target == nil {
		lends = lends && mp.lockedInt == c.lockedInt && (at == mp || gnext == own)
		direct = lends || !mc.claimed() && !mc.doomed
	} else {
		lends = false
	}
	if gnext == own {
		gnext.loanEnded = !lends
	} else if gp != own && own != nil {
		// Somebody else yields: who has lent the thread to own has it back. own
		// may be running, and sees it when it looks next.
		own.loanEnded = true
	}

	if trace.ok() && !direct {
		// Before the transition: it takes gp's stack, which can be resumed by
		// somebody else as soon as gp is in c.
		if exit {
			trace.GoEnd()
		} else {
			trace.GoPark(traceBlockGeneric, 1)
		}
	}
	self := gp
	if exit {
		gdestroy(gp)
		self = nil
	} else {
		gp.waitreason = waitReasonCoroutine
		casgstatus(gp, _Grunning, _Gwaiting)
		setMNoWB(&gp.m, nil)
	}
	if !direct {
		setGNoWB(&mp.curg, nil)
	}
	var next, selfp guintptr
	next.set(gnext)
	selfp.set(self)
	if !c.gp.cas(next, selfp) {
		throw("coroswitch: next, stop or yield of one iterator called by two goroutines at once")
	}
	// gp may run elsewhere now.

	if readgstatus(gnext)&^_Gscan == _Gleaked {
		casgstatus(gnext, _Gleaked, _Gwaiting) // as in coroswitch_m
	}

	if direct {
		// As in coroswitch_m.
		if trace.ok() {
			trace.GoSwitch(gnext, exit)
		}
		setGNoWB(&mp.curg, gnext)
		setMNoWB(&gnext.m, mp)
		gnext.waitsince = 0
		if goroutineProfile.active {
			tryRecordGoroutineProfile(gnext, nil, osyield)
		}
		casgstatus(gnext, _Gwaiting, _Grunnable)
		casgstatus(gnext, _Grunnable, _Grunning)
		if mc.claimed() {
			mp.lockedg.set(gnext)
			gnext.lockedm.set(mp)
		} else {
			mp.lockedg = 0
			gnext.lockedm = 0
		}
		if trace.ok() {
			traceRelease(trace)
		}
		if bubble := gnext.bubble; bubble != nil {
			bubble.decActive()
		}
		if sys.DITSupported && debug.dataindependenttiming != 1 && gnext.ditWanted != mp.ditEnabled {
			mp.ditEnabled = gnext.ditWanted
			if mp.ditEnabled {
				sys.EnableDIT()
			} else {
				sys.DisableDIT()
			}
		}
		gogo(&gnext.sched)
	}

	if trace.ok() {
		trace.GoUnpark(gnext, 0)
	}
	gnext.lockedm.set(target)
	casgstatus(gnext, _Gwaiting, _Grunnable)
	if trace.ok() {
		traceRelease(trace)
	}
	if bubble := gnext.bubble; bubble != nil {
		bubble.decActive()
	}
	mp.lockedg = mc.claimant()
	ends := mc.doomed && mp.lockedg == 0 // in schedule, which needs the P
	if target != nil && !ends && mc.queue.empty() && coroUnwanted(mp.p.ptr()) {
		// The P goes straight to the other M, as in startlockedm, and so does
		// the time slice: sysmon sees one that lasts, and preempts a pair that
		// does nothing else.
		switch coroStart(gnext, true) {
		case coroRunHere:
			throw("coroswitch: goroutine with a lock is bound to no M")
		case coroRunning:
			if mp.lockedg != 0 {
				inheritTime := coroStopLocked()
				execute(mp.lockedg.ptr(), inheritTime)
			}
			stopm()
		}
		schedule()
	}
	// Whoever gets the P finds gnext on it.
	runqput(mp.p.ptr(), gnext, true)
	schedule()
}

// C frames.
//
// The frames of C functions lie on the thread's stack, g0's, and those of the
// functions that called back into Go cannot be left as long as the frames of a
// later callback are above them, even if that belongs to another goroutine.

// coroEnterFrame is called at the start of a callback from C, without a P.
//
//go:nosplit
func coroEnterFrame() {
	gp := getg()
	systemstack(func() {
		n := newCoroNode()
		n.gp.set(gp)
		mc := gp.m.coro
		n.next = mc.frames
		mc.frames = n
	})
}

// coroLeaveFrame is called when a callback is about to return to C or, by a
// panic or Goexit, to unwind C's frames. It waits until it is the innermost.
func coroLeaveFrame() {
	gp := getg()
	for gp.m.coro.frames.gp.ptr() != gp {
		gopark(coroParkFrame, nil, waitReasonCoroFrames, traceBlockGeneric, 1)
	}
	mp := acquirem()
	mc := mp.coro
	systemstack(func() {
		n := mc.frames
		mc.frames = n.next
		freeCoroNode(n)
	})
	// They are bound to this M, and so do not look before gp, which goes back
	// to C now, has returned from there and is scheduled away.
	for !mc.frameWaiters.empty() {
		coroFrameWaits.Add(-1)
		goready(mc.frameWaiters.pop(), 1)
	}
	releasem(mp)
}

func coroParkFrame(gp *g, _ unsafe.Pointer) bool {
	mc := getg().m.coro
	if mc.frames.gp.ptr() == gp {
		return false
	}
	mc.frameWaiters.pushBack(gp)
	coroFrameWaits.Add(1)
	return true
}

// coroBadFrames is called by checkdead when nothing runs, and callbacks wait
// for others to return: those never will.
func coroBadFrames() {
	fatal("C calls of different goroutines on one OS thread must return in LIFO order")
}

// coroDropM is called when the thread of mp, which C created, ends. Its own
// goroutine, which has the first claim, is not in a callback. Others have a claim
// if they have locked the thread in a callback from C, where coroLockExt could
// not move them.
//
//go:nosplit
//go:nowritebarrierrec
func coroDropM(mp *m) {
	if mp.coro.frames != nil {
		throw("coroDropM: callback in progress")
	}
	if mp.coro.more != nil {
		fatal("thread created by C ended while another goroutine was locked to it")
	}
}

// coroCheck checks mp's invariants. mp is the current M.
func coroCheck(mp *m) {
	mc := mp.coro
	lockedExt, lockedInt := mc.first.lockedExt, mc.first.lockedInt
	if mc.first.gp == 0 && lockedExt|lockedInt != 0 {
		throw("corolock: counts of nobody")
	}
	lock(&mc.lock)
	for n := mc.more; n != nil; n = n.next {
		lockedExt += n.lockedExt
		lockedInt += n.lockedInt
		if n.lockedExt|n.lockedInt == 0 || n.gp == 0 {
			throw("corolock: empty claim")
		}
		if n.gp == mc.first.gp {
			throw("corolock: two claims of one goroutine")
		}
	}
	if mc.idle {
		throw("corolock: running M is idle")
	}
	unlock(&mc.lock)
	if lockedExt != mp.lockedExt || lockedInt != mp.lockedInt {
		print("corolock: claims ", lockedExt, "+", lockedInt, ", counts ", mp.lockedExt, "+", mp.lockedInt, "\n")
		throw("corolock: counts are not the sums of the claims")
	}
	if mc.claimed() && mp.lockedg == 0 {
		throw("corolock: M with claims is bound to nobody")
	}
	if !mc.claimed() && mp.lockedg != 0 && mp.lockedg != mc.leaver {
		throw("corolock: M without claims is bound")
	}
	if gp := mp.curg; gp != nil && mc.claimed() && (mp.lockedg.ptr() != gp || gp.lockedm.ptr() != mp) {
		throw("corolock: M with claims runs a goroutine that is not bound to it")
	}
}

// coroDropDebugCall drops what gp, which has made a call for a debugger, has
// locked. The goroutine that was interrupted for it goes on on the current M.
func coroDropDebugCall(gp *g) {
	mp := gp.m
	if c := mp.coro.claim(gp); c != nil {
		mp.lockedExt -= c.lockedExt
		mp.lockedInt -= c.lockedInt
		mp.coro.dropClaim(c)
	}
}
