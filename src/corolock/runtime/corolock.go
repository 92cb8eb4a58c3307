// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime

import (
	"internal/bytealg"
	"internal/runtime/atomic"
	"internal/runtime/sys"
	"unsafe"
)

// Coroutines that share thread locks.
//
// Upstream's rule is that a coroutine may only be switched to under the thread
// locks that it was created under: coroswitch_m compares them and throws. That
// is still so with GODEBUG=corolock=0. By default, coroswitch_m comes here
// instead. What happens then equals what would happen if the coroutine were a
// goroutine behind an unbuffered channel: who has locked a thread runs on it,
// everybody else runs anywhere. Switches under equal locks never come here:
// they are coroswitch_m's, in both modes.
//
// A goroutine counts what it has locked itself, with LockOSThread or by being
// inside a callback from C, in lockedExt and lockedInt. If it has locked
// anything it has a claim on the M it is bound to (gp.lockedm), the only one it
// runs on while it has the claim. An M on which one goroutine holds everything
// is an M as without all this, and its goroutine is said to be alone there.
//
// A goroutine that is bound to an M on which it has no claim is a borrower. Its
// thread was lent to it by a coroutine switch, by somebody who has a claim, and
// who gets it back as soon as it can run. Nothing is noted when a thread is
// lent under equal locks.
//
// A borrower can unlock what the lender has locked, as long as it locks it again
// before it switches back: in between the M has a debt. At a switch under
// unequal locks debts are void.
//
// The invariants, for every M:
//
//   - lockedExt and lockedInt are the sums of those of the claimants, less the
//     debt. So a switch between two claimants changes no count, and a
//     change of anybody's locks is seen by coroswitch_m's comparison.
//   - While it has claimants, the M runs only them and at most one borrower,
//     which is then lockedg. Whoever runs is lockedg, and bound to the M.
//     Between two of them lockedg may be g0: the M is reserved.
//   - A goroutine that is blocked in a coro is bound to nothing, or it has a
//     claim on the M it is bound to. (A switch under equal locks unbinds it,
//     whether or not it has a claim: its counts tell.)
//   - The M writes lockedg itself, or somebody else does who holds the lock
//     while the M is idle. The lockedm of a goroutine that does not run is
//     written by whoever owns the goroutine, or by a holder of the lock of the
//     M that it is bound to. So who finds a goroutine bound to another M must
//     look again with the lock held.
//   - shared is set if there are two claimants, a claimant who may be started
//     while somebody else runs on the M, and if the M is doomed or uneven or
//     runs a claimant that is lent. It is clear if there is no claimant, and the
//     M is not doomed.
//   - An idle M has an empty queue.
//
// docs/corolock.md has the reasons.

// An mCoro is the part of an M that is used if goroutines share its thread.
type mCoro struct {
	// lock protects idle and queue. It is a leaf lock: nothing is locked while
	// it is held.
	lock mutex

	// queue has goroutines that are bound to the M and runnable, and that wait
	// because another one runs there.
	queue gQueue

	// shared says that a claimant may not be alone on the M, or that the M needs
	// more than to be unlocked when the last lock goes. It is set by the M itself
	// when there is a second claimant, or with the lock held before one is made
	// ready from elsewhere. It is cleared only when a goroutine with all the
	// locks is about to run, or when its callback returns, or when nobody has any,
	// and so it cannot change while the M or another one looks whether somebody who
	// does not run is alone.
	shared bool

	// idle says that the M waits in coroStopLocked for one of its goroutines,
	// and a P, from another M.
	idle bool

	// inheritTime says, when that comes, whether the P's time slice goes on.
	inheritTime bool

	// doomed, if it is not 0, says that a goroutine has exited with the thread
	// locked: the thread ends when nobody has a claim on it any more.
	doomed uint32

	// debt says how often the lender's lock has been unlocked, on loan.
	debt uint32

	// uneven says that there has been a switch under unequal locks since one
	// goroutine was seen to have all of them. Then a borrower that unlocks has no
	// debt: the locks could come to equal a coro's without being its.
	uneven bool

	// leaver, if it is lockedg, is a goroutine that has unlocked its last lock
	// on an M which others have claims on, or that is doomed, at a point where
	// it could not be moved. It is moved when it is scheduled next.
	leaver guintptr

	// frame is the goroutine of the innermost callback from C that is in progress
	// on this thread. Each one keeps what was there before. deadFrames are those
	// that a panic or Goexit has left below others, and frameWaiters the
	// goroutines whose callback cannot return because another one is inside of
	// it. Only the M itself uses them.
	frame        guintptr
	deadFrames   *coroDeadFrame
	frameWaiters gQueue
}

// coroNowhere is an M that runs nothing. It stands in a coro's mp when the
// goroutine that is blocked there cannot be switched to under the locks that
// the coro was created under. It differs from every other M, so coroswitch_m's
// comparison fails whoever comes.
var coroNowhere m

// coroFrameWaits counts the goroutines that wait in an mCoro.frameWaiters.
var coroFrameWaits atomic.Int32

// claims reports whether gp has locked a thread itself. The caller is on that
// thread, or owns gp.
//
//go:nosplit
func (gp *g) claims() bool {
	return gp.lockedExt|gp.lockedInt != 0
}

// alone reports whether gp is bound to mp and holds all its locks. If gp does
// not run, the answer does not change until it does.
//
//go:nosplit
func (gp *g) alone(mp *m) bool {
	return mp.lockedg.ptr() == gp && !mp.coro.shared && gp.claims()
}

// shares reports whether gp is bound to an M and not alone there, so that it is
// coroStopLocked and coroStart that stop and start the M.
//
//go:nosplit
func (gp *g) shares() bool {
	mp := gp.lockedm.ptr()
	return mp != nil && debug.corolock != 0 && !gp.alone(mp)
}

// claimed reports whether anybody has a claim on mp, the current M or one that
// is idle with the lock held.
//
//go:nosplit
func (mp *m) claimed() bool {
	return mp.lockedExt|mp.coro.debt|mp.lockedInt != 0
}

// reserve binds mp, which has no goroutine now, to nobody in particular if
// there are claims, or to nobody.
//
//go:nosplit
func (mp *m) reserve() {
	if mp.claimed() {
		mp.lockedg.set(mp.g0)
	} else {
		mp.lockedg = 0
		mp.coro.shared = mp.coro.doomed != 0
		mp.coro.uneven = false
	}
}

// voidDebt gives back to mp, the current M or one that is idle with the lock
// held, what a borrower has unlocked.
//
//go:nosplit
func (mp *m) voidDebt() {
	mp.lockedExt += mp.coro.debt
	mp.coro.debt = 0
}

// coroLockLentExt is called by LockOSThread when the goroutine is bound to the
// current M, and not by LockOSThread. It reports whether it has locked what it had
// unlocked before.
//
//go:nosplit
//go:noinline
func coroLockLentExt() bool {
	if debug.corolock == 0 {
		return false
	}
	gp := getg()
	mc := &gp.m.coro
	if mc.leaver.ptr() == gp {
		mcall(coroLeave_m) // gp is here only until it is moved
		return false
	}
	if mc.debt != 0 && (!gp.claims() || gp.lent) {
		mc.debt--
		gp.m.lockedExt++
		return true
	}
	if !gp.claims() {
		gp.lent = true
		gp.lentInt = gp.m.lockedInt
		mc.shared = true
	}
	return false
}

// coroLockInt is lockOSThread for a goroutine that is bound to the current M and
// has no claim.
//
//go:nosplit
func coroLockInt() {
	gp := getg()
	mp := gp.m
	if mc := &mp.coro; debug.corolock != 0 {
		mc.shared = true
		if mc.leaver.ptr() == gp {
			mc.leaver = 0 // a callback stays on its thread
		} else {
			gp.lent = true
			gp.lentInt = mp.lockedInt
		}
	}
	mp.lockedInt++
	gp.lockedInt++
	dolockOSThread()
}

// coroUnlockExt is UnlockOSThread if the M may be shared, or if the goroutine has
// nothing left that it has locked with LockOSThread.
//
//go:nosplit
func coroUnlockExt() {
	gp := getg()
	if gp.lockedExt == 0 {
		coroUnlockLent()
		return
	}
	gp.lockedExt--
	gp.m.lockedExt--
	dounlockOSThread()
}

// coroUnlockInt is unlockOSThread if the M may be shared, or if the goroutine has
// no such lock.
//
//go:nosplit
func coroUnlockInt() {
	gp := getg()
	if gp.lockedInt == 0 {
		systemstack(badunlockosthread)
	}
	gp.lockedInt--
	gp.m.lockedInt--
	dounlockOSThread()
	if gp.m.coro.uneven && gp.claims() {
		// The M of a thread that C created, or that is locked for good, is
		// never free. What was in this callback must not outlast it for ever.
		systemstack(func() {
			mp := getg().m
			lock(&mp.coro.lock)
			mp.unshare(mp.curg)
			unlock(&mp.coro.lock)
		})
	}
}

// coroUnlockLent is UnlockOSThread for a goroutine which has nothing left that it
// has locked with LockOSThread. It may have borrowed the thread, and unlock it
// for a while.
//
//go:nosplit
//go:noinline
func coroUnlockLent() {
	gp := getg()
	mp := gp.m
	if mp.lockedExt == 0 {
		return
	}
	if debug.corolock == 0 {
		mp.lockedExt--
		dounlockOSThread()
		return
	}
	if gp.lockedm == 0 || mp.coro.uneven || mp.coro.leaver.ptr() == gp {
		return
	}
	// It stays here: the lender has to find the thread as it left it.
	mp.lockedExt--
	mp.coro.debt++
}

// coroUnclaim is called when gp, the current goroutine, has unlocked its last
// lock, and the thread may be shared. If others have locked it, gp leaves it;
// unless it was lent to gp before.
//
// With corolock=0 it need not have any.
//
//go:nosplit
//go:noinline
func coroUnclaim() {
	if debug.corolock == 0 {
		return
	}
	gp := getg()
	mp := gp.m
	mc := &mp.coro
	lent := gp.lent && !gp.loanEnded && gp.lentInt == mp.lockedInt
	gp.lent = false
	if !mp.claimed() && mc.doomed == 0 {
		gp.lockedm = 0
		mp.reserve()
		return
	}
	if mp.claimed() && lent {
		if !mc.queue.empty() {
			// The lender may be waiting there. A stale look does no harm: sysmon
			// preempts who runs for long.
			gp.preempt = true
			gp.stackguard0 = stackPreempt
		}
		return
	}
	mc.leaver.set(gp)
	if !mp.incgo && mp.locks == 0 {
		mcall(coroLeave_m)
		return
	}
	// A callback that returns goes back to C, or unwinds: not now. And not
	// stackguard0: no call before C is entered may be a preemption point.
	// exitsyscall and releasem set it.
	gp.preempt = true
}

// coroLeave_m moves gp, which has no claim, away from an M that is reserved
// for others. It comes from mcall.
func coroLeave_m(gp *g) {
	gp.m.unbindLeaver(gp)
	goschedImpl(gp, false)
}

// unbindLeaver takes gp, which has no claim, off the current M. The M then
// waits for somebody who has one. The caller owns gp or holds the lock.
//
//go:nosplit
func (mp *m) unbindLeaver(gp *g) {
	gp.lockedm = 0
	mp.coro.leaver = 0
	mp.reserve()
}

// coroAfterCall is called when a call to C has returned and a callback has left
// the M in an unusual state: it has taken the caller's last lock, or a panic has
// left it.
func coroAfterCall() {
	mp := acquirem()
	mp.popDeadFrames()
	leave := mp.coro.leaver.ptr() == mp.curg
	releasem(mp)
	if leave {
		mcall(coroLeave_m)
	}
}

// coroSettle is called by schedule when the current M is bound to a goroutine
// that is not alone, or to nobody in particular, or doomed. It reports whether
// it is bound still. It does not return if the thread has to end.
func coroSettle(mp *m) bool {
	mc := &mp.coro
	if mc.leaver != 0 {
		var queued *g
		lock(&mc.lock)
		if gp := mc.leaver.ptr(); gp == mp.lockedg.ptr() {
			mp.unbindLeaver(gp)
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
	if mc.doomed != 0 {
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
func (mp *m) bind(gp *g) (evicted *g) {
	mc := &mp.coro
	old := mp.lockedg.ptr()
	if old != gp {
		mp.voidDebt()
	}
	if old != nil && old != gp && old.lockedm.ptr() == mp && !old.claims() {
		old.lockedm = 0
		evicted = mc.evict(old)
	}
	mc.leaver = 0
	mp.lockedg.set(gp)
	gp.lockedm.set(mp)
	mp.unshare(gp)
	return evicted
}

// unshare makes gp, which is bound to mp and runs there or is about to, alone
// there if it has all the locks. The lock is held.
//
//go:nowritebarrierrec
func (mp *m) unshare(gp *g) {
	mc := &mp.coro
	if mc.shared && mc.queue.empty() && gp.lockedExt == mp.lockedExt && gp.lockedInt == mp.lockedInt && mc.debt|mc.doomed == 0 {
		mc.shared = false
		mc.uneven = false
		gp.lent = false
	}
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
		if gp == nil && qp.claims() {
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

// coroStopLocked is stoplockedm for an M that goroutines share: it stops until
// one that is bound to it can run. That is lockedg when it returns. If one
// waits already, and nobody else wants it, the M keeps its P.
//
//go:nowritebarrierrec
func coroStopLocked() (inheritTime bool) {
	mp := getg().m
	mc := &mp.coro
	keep := mp.p != 0 && coroUnwanted(mp.p.ptr())
	lock(&mc.lock)
	if keep && !mc.queue.empty() {
		evicted := mp.bind(mc.next())
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

// coroStart is startlockedm for an M that goroutines share: it starts gp, which
// is runnable and the caller's, on the M that it is bound to.
//
//go:nowritebarrierrec
func coroStart(gp *g, inheritTime bool) coroStarted {
	mp := gp.lockedm.ptr()
	if mp == nil {
		return coroRunHere
	}
	mc := &mp.coro
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
		var running *g
		if gp.claims() {
			running = mp.curg
			if running != nil && running != mp.g0 {
				// Before the atomic operation of unlock, so that exitsyscall sees
				// it if coroPreempt sees a system call.
				running.preempt = true
			}
		}
		unlock(&mc.lock)
		coroPreempt(mp, running)
		return coroQueued
	}
	mp.bind(gp)
	mc.idle = false
	mc.inheritTime = inheritTime
	unlock(&mc.lock)
	incidlelocked(-1)
	mp.nextp.set(releasep())
	notewakeup(&mp.park)
	return coroRunning
}

// coroPreempt asks for preemption of gp, which ran on mp at the last look, and
// may be nil, because somebody who has a claim waits for mp. It may have gone
// since: then the wrong one yields, which is allowed. gp.preempt is set.
//
//go:nowritebarrierrec
func coroPreempt(mp *m, gp *g) {
	if gp == nil || gp == mp.g0 || readgstatus(gp)&^_Gscan == _Gsyscall {
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
	mc := &getg().m.coro
	lock(&mc.lock)
	mc.queue.pushBack(gp)
	unlock(&mc.lock)
}

// coroExitSyscall is the end of exitsyscallNoP for gp, which is runnable and
// the caller's, and shares the current M. pp is a P for it, or nil.
//
//go:nowritebarrierrec
func coroExitSyscall(gp *g, pp *p) {
	mp := getg().m
	if pp != nil {
		acquirep(pp)
		if mp.coro.queue.head == 0 {
			execute(gp, false) // Never returns.
		}
		// Others wait for this thread, and gp may come here all the time.
		coroYield(gp)
		schedule() // Never returns.
	}
	if mp.coro.leaver.ptr() == gp {
		mp.unbindLeaver(gp)
		lock(&sched.lock)
		globrunqput(gp)
		unlock(&sched.lock)
		startm(nil, false, false)
	} else {
		coroYield(gp)
	}
	if mp.lockedg != 0 {
		coroStopLocked()
		execute(mp.lockedg.ptr(), false) // Never returns.
	}
	stopm()
	schedule() // Never returns.
}

// coroExit is called by gdestroy for gp, which runs on mp and may be bound to it,
// if that is locked or doomed. It reports whether the thread has to end now.
//
// It is not called with a claim for a goroutine that switches to another one
// as it exits: see coroswitchShared.
func coroExit(mp *m, gp *g, bound bool) bool {
	mc := &mp.coro
	end := mc.leaver.ptr() == gp
	mc.leaver = 0
	if bound { // or else it switches to somebody, who goes on in debt
		mp.voidDebt()
	}
	if gp.claims() {
		coroExitClaim(mp, gp)
		end = true
	}
	mp.reserve()
	return end && mc.doomed != 0 && mp.lockedg == 0
}

// coroExitClaim takes back what gp, which exits, has locked, and dooms the
// thread, which may be in an unusual state. A thread that C created is C's to
// end, and Plan 9's are used again.
func coroExitClaim(mp *m, gp *g) {
	if gp.lockedInt != 0 {
		print("runtime: mp.lockedInt = ", gp.lockedInt, "\n")
		if mp.isextra {
			throw("runtime.Goexit called in a thread that was not created by the Go runtime")
		}
		throw("exited a goroutine internally locked to the OS thread")
	}
	mp.lockedExt -= gp.lockedExt
	gp.lockedExt = 0
	if !mp.isextra && GOOS != "plan9" { // See golang.org/issue/22227.
		mp.coro.doomed = 1
		mp.coro.shared = true
	}
}

// coroswitchShared does the rest of coroswitch_m if the locks are not those at
// c's creation, and if gp exits with a claim. It never returns.
//
// gp, which runs on the current M, is going to be blocked in c, or exits. The
// goroutine that is blocked in c, gnext, goes on: here, by a direct switch, if it
// may be here, or else by a hand-off through the scheduler.
func coroswitchShared(gp *g, c *coro, gnext *g, exit bool) {
	mp := gp.m
	mc := &mp.coro
	mp.voidDebt()
	if coroDebug {
		coroCheck(mp)
	}
	mc.shared = true
	mc.uneven = true

	// Read what the one who was blocked there has left in c. Users of c take
	// turns, as the rules of iter.Pull say. If they do not, the CAS below fails.
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
	// If gnext has a claim, then where it was when it got blocked.
	var target *m
	if gnext.claims() {
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
	claims := gp.claims()
	if exit {
		if claims {
			coroExitClaim(mp, gp)
		}
	} else {
		var gpAt *m
		if claims || gp.lockedm != 0 && !leaving {
			gpAt = mp
		}
		if gpAt == c.home && (gpAt == nil || mp.lockedExt == c.lockedExt && mp.lockedInt == c.lockedInt && (gp == own || gnext == own)) {
			// As at creation: who comes under the same locks is right here.
			c.mp = c.home
			c.at = nil
			if gp == own {
				// And lends it, if gp has no callback here.
				gp.loanEnded = false
				if claims {
					gp.lent = gp.lockedInt == 0
					gp.lentInt = c.lockedInt
				}
			}
		} else {
			c.mp = &coroNowhere
			c.at = gpAt
		}
	}
	if !claims {
		gp.lockedm = 0
	}
	mc.leaver = 0

	// gnext goes on here if it has a claim here; if nobody has one; or if it
	// is lent the thread. A thread is lent to the goroutine that c was made
	// with, and lent back to one that had borrowed it, if c was made on it and
	// there are as many callbacks as then: its own would be above others, and
	// have to wait for them.
	direct := target == mp
	lends := mp == c.home && mp.claimed() && !leaving
	if direct {
		// When it has unlocked what it has, it has borrowed the thread.
		lends = lends && mp.lockedInt-gnext.lockedInt == c.lockedInt
		if gnext == own {
			gnext.lent = lends
			gnext.lentInt = c.lockedInt
		}
	} else if target == nil {
		lends = lends && mp.lockedInt == c.lockedInt && (at == mp || gnext == own)
		direct = lends || !mp.claimed() && mc.doomed == 0
	} else {
		lends = false
	}
	if gnext == own {
		gnext.loanEnded = !lends
	} else if gp != own {
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
		if mp.claimed() {
			mp.lockedg.set(gnext)
			gnext.lockedm.set(mp)
		} else {
			mp.reserve()
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
	if target != nil {
		// Somebody else may run there, as gnext's borrower.
		lock(&target.coro.lock)
		target.coro.shared = true
		target.coro.uneven = true
		unlock(&target.coro.lock)
	}
	casgstatus(gnext, _Gwaiting, _Grunnable)
	if trace.ok() {
		traceRelease(trace)
	}
	if bubble := gnext.bubble; bubble != nil {
		bubble.decActive()
	}
	mp.reserve()
	ends := mc.doomed != 0 && mp.lockedg == 0 // in schedule, which needs the P
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
// The frames of C functions lie on the thread's stack, g0's. A function that has
// called back into Go cannot be returned to as long as the frames of a later
// callback are above its own, even if that belongs to another goroutine.

// The sp of g0 is where C's frames end: each callback, as it begins, sets it to
// the place of its own, and puts back what was there before when it returns. So
// a callback is the innermost if g0's sp is its own.

// A coroFrame is a callback that is in progress. It lies on the stack of the
// callback's goroutine.
type coroFrame struct {
	unwind bool     // a panic or Goexit leaves the callback, if it does not return
	sp     uintptr  // what the callback has set g0's sp to
	below  guintptr // the goroutine of the callback that was the innermost before
}

// A coroDeadFrame is a callback that a panic or Goexit has left while others
// were above it. Its C frames go when it is the innermost.
type coroDeadFrame struct {
	next  *coroDeadFrame
	sp    uintptr
	below guintptr
}

// coroLeaveFrame is called when a callback is about to return to C. It waits until
// that is the innermost, and makes the one below it so.
func coroLeaveFrame(cf *coroFrame) {
	for {
		mp := acquirem()
		mp.popDeadFrames()
		if mp.g0.sched.sp == cf.sp {
			coroLeftFrame(mp, cf.below)
			releasem(mp)
			return
		}
		releasem(mp)
		gopark(coroParkFrame, nil, waitReasonCoroFrames, traceBlockGeneric, 1)
	}
}

// coroUnwindFrame is called when a panic or Goexit unwinds C's frames below a
// callback of the current M, mp. If the callback is not the innermost, they stay
// where they are until those above have gone.
func coroUnwindFrame(mp *m, cf *coroFrame) {
	mc := &mp.coro
	mc.deadFrames = &coroDeadFrame{mc.deadFrames, cf.sp, cf.below}
	mp.popDeadFrames()
}

// coroLeftFrame makes below the goroutine of the innermost callback of mp, the
// current M.
func coroLeftFrame(mp *m, below guintptr) {
	mc := &mp.coro
	mc.frame = below
	// They are bound to this M, and so do not look before the caller, which goes
	// back to C now, has returned from there and is scheduled away.
	for !mc.frameWaiters.empty() {
		coroFrameWaits.Add(-1)
		goready(mc.frameWaiters.pop(), 1)
	}
}

// popDeadFrames unwinds C's frames below the innermost callbacks of mp, the
// current M, that have been left. Nobody is in C above them.
func (mp *m) popDeadFrames() {
	for p := mp.deadFrame(); p != nil; p = mp.deadFrame() {
		sched := &mp.g0.sched
		sched.sp = *(*uintptr)(unsafe.Pointer(sched.sp + alignUp(sys.MinFrameSize, sys.StackAlign)))
		coroLeftFrame(mp, (*p).below)
		*p = (*p).next
	}
}

// deadFrame returns the place in the list of the innermost callback of mp, if
// that has been left, or nil.
func (mp *m) deadFrame() **coroDeadFrame {
	for p := &mp.coro.deadFrames; *p != nil; p = &(*p).next {
		if (*p).sp == mp.g0.sched.sp {
			return p
		}
	}
	return nil
}

func coroParkFrame(gp *g, _ unsafe.Pointer) bool {
	mp := getg().m
	if mp.coro.frame.ptr() == gp || mp.deadFrame() != nil {
		return false // it has changed since
	}
	mp.coro.frameWaiters.pushBack(gp)
	coroFrameWaits.Add(1)
	return true
}

// coroOnlyThreads reports whether every thread of the process is known to be
// one of the runtime's. One that C has created, and that has not called Go, may
// do so at any time. sched.lock is held, and nothing runs.
func coroOnlyThreads() bool {
	if GOOS != "linux" {
		return false
	}
	// A thread that has ended for the runtime is there for a moment more.
	for range 20 {
		if n := coroThreads(); n == mcount()-int32(extraMLength.Load()) {
			return true
		}
		usleep(1000)
	}
	return false
}

var procSelfStat = []byte("/proc/self/stat\x00")

// coroThreads returns the number of the process's threads as /proc has it, or 0.
func coroThreads() int32 {
	fd := open(&procSelfStat[0], 0 /* O_RDONLY */, 0)
	if fd < 0 {
		return 0
	}
	var buf [512]byte
	n := read(fd, noescape(unsafe.Pointer(&buf[0])), int32(len(buf)))
	closefd(fd)
	if n <= 0 {
		return 0
	}
	// The second field, in parentheses, is the program's name. The number of
	// threads is the twentieth.
	text := buf[:n]
	field := bytealg.LastIndexByte(text, ')')
	if field < 0 {
		return 0
	}
	text = text[field+1:]
	for range 17 {
		i := bytealg.IndexByte(text[1:], ' ')
		if i < 0 {
			return 0
		}
		text = text[1+i:]
	}
	threads := int32(0)
	for _, c := range text[1:] {
		if c < '0' || c > '9' {
			break
		}
		threads = threads*10 + int32(c-'0')
	}
	return threads
}

// coroRunnable returns how many goroutines wait in Ms' queues. It is approximate.
// sched.lock is held.
func coroRunnable() (n int32) {
	for mp := allm; mp != nil; mp = mp.alllink {
		n += atomic.Loadint32(&mp.coro.queue.size)
	}
	return n
}

// coroBadFrames is called by checkdead when nothing runs, and callbacks wait
// for others to return: those never will.
func coroBadFrames() {
	print("runtime: an iterator is in C on the thread that iter.Pull was called on, above a callback that waits to return;\n",
		"runtime: call iter.Pull in a goroutine of its own, and the iterator has a thread of its own\n")
	fatal("C calls of different goroutines on one OS thread must return in LIFO order")
}

// coroDropM is called when the thread of mp, which C created, ends, or is lent to
// Go no more. Its own goroutine is not in a callback. Others have a claim if
// they have locked the thread, lent to them in a callback, and kept it so.
//
//go:nosplit
//go:nowritebarrierrec
func coroDropM(mp *m) {
	gp := mp.curg
	if gp.lockedExt != mp.lockedExt || gp.lockedInt != mp.lockedInt {
		fatal("thread created by C ended while another goroutine was locked to it")
	}
}

// coroCheck checks mp's invariants. mp is the current M.
func coroCheck(mp *m) {
	mc := &mp.coro
	if mc.idle {
		throw("corolock: running M is idle")
	}
	if mp.claimed() && mp.lockedg == 0 {
		throw("corolock: M with claims is bound to nobody")
	}
	if !mp.claimed() && mp.lockedg != 0 && mp.lockedg != mc.leaver {
		throw("corolock: M without claims is bound")
	}
	if gp := mp.curg; gp != nil {
		if mp.claimed() && (mp.lockedg.ptr() != gp || gp.lockedm.ptr() != mp) {
			throw("corolock: M with claims runs a goroutine that is not bound to it")
		}
		if gp.lockedExt > mp.lockedExt || gp.lockedInt > mp.lockedInt {
			print("corolock: goroutine ", gp.goid, " has ", gp.lockedExt, "+", gp.lockedInt, ", M has ", mp.lockedExt, "+", mp.lockedInt, "\n")
			throw("corolock: a goroutine has more locks than its M")
		}
		if mc.shared {
			if !mp.claimed() && mc.doomed == 0 && mc.leaver.ptr() != gp {
				throw("corolock: M without claims is shared")
			}
		} else if mc.doomed != 0 || mc.uneven || gp.lent {
			throw("corolock: M that is doomed, uneven, or has a loan is not shared")
		}
		if !mc.shared && gp.claims() && (gp.lockedExt != mp.lockedExt || gp.lockedInt != mp.lockedInt) {
			throw("corolock: M with two claimants is not shared")
		}
	}
}

// coroDropDebugCall drops what gp, which has made a call for a debugger, has
// locked. The goroutine that was interrupted for it goes on on the current M.
func coroDropDebugCall(gp *g) {
	mp := gp.m
	mp.lockedExt -= gp.lockedExt
	mp.lockedInt -= gp.lockedInt
	gp.lockedExt = 0
	gp.lockedInt = 0
	gp.lent = false
}
