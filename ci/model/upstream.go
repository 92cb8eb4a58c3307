package model

// Upstream's runtime, for the check B0: a program that works there works here, on
// the same threads.
//
// It does the program's operations, too, until it throws. Upstream locks an M, and
// knows only the goroutine that is bound to it now. A goroutine that is not bound
// stays on its M until something schedules it away that exists upstream, too, or
// until it is handed off here. Then its M upstream is the one that it runs on here.
// A goroutine that coroLeave_m moves here stays where it is upstream.

// An upG is what upstream says of a goroutine.
type upG struct {
	m      mid // where it runs, or is bound to; 0 is anywhere
	locked bool
}

// An upM is what upstream says of an M.
type upM struct{ lockedExt, lockedInt uint8 }

// An upCoro is what upstream says of a coro.
type upCoro struct {
	m                    mid
	gone                 bool // m has ended
	lockedExt, lockedInt uint8
}

// upThrows notes that upstream has thrown. There is nothing more to compare.
func (w *world) upThrows() {
	w.thrown = true
	for i := range w.g {
		w.g[i].up = upG{}
	}
	for i := range w.m {
		w.m[i].up = upM{}
	}
	for i := range w.c {
		w.c[i].up = upCoro{}
	}
}

// upOwner returns the goroutine that upstream has bound to m, or 0.
func (s *state) upOwner(m mid) gid {
	for g := gid(1); g <= maxG; g++ {
		if up := s.g[g].up; up.locked && up.m == m {
			return g
		}
	}
	return 0
}

// upRuns notes that m runs g, which comes from the scheduler.
func (w *world) upRuns(g gid, m mid) {
	if up := &w.g[g].up; !w.thrown && up.m == 0 {
		up.m = m
	}
}

// upLeaves notes that g is scheduled away, there as here.
func (w *world) upLeaves(g gid) {
	if up := &w.g[g].up; !up.locked {
		up.m = 0
	}
}

// upLock is LockOSThread or lockOSThread, by g.
func (w *world) upLock(g gid, ext, callbacks uint8) {
	up := &w.g[g].up
	if w.thrown {
		return
	}
	if !up.locked {
		if w.upOwner(up.m) != 0 {
			w.upThrows() // upstream would have run it elsewhere
			return
		}
		for h := range w.g {
			if other := &w.g[h].up; gid(h) != g && other.m == up.m {
				*other = upG{} // upstream runs it elsewhere
			}
		}
		up.locked = true
	}
	w.m[up.m].up.lockedExt += ext
	w.m[up.m].up.lockedInt += callbacks
}

// upUnlock is UnlockOSThread or unlockOSThread, by g.
func (w *world) upUnlock(g gid, ext, callbacks uint8) {
	up := &w.g[g].up
	if w.thrown || !up.locked {
		return
	}
	mp := &w.m[up.m].up
	if mp.lockedExt < ext {
		return
	}
	mp.lockedExt -= ext
	mp.lockedInt -= callbacks
	if *mp == (upM{}) {
		up.locked = false
	}
}

// upCreate is newcoro, by g.
func (w *world) upCreate(i int, g gid) {
	if up := w.g[g].up; !w.thrown && up.locked {
		mp := w.m[up.m].up
		w.c[i].up = upCoro{m: up.m, lockedExt: mp.lockedExt, lockedInt: mp.lockedInt}
	}
}

// upSwap is coroswitch_m, by g.
func (w *world) upSwap(i int, g gid) {
	c := &w.c[i]
	gp, gnext := &w.g[g].up, &w.g[c.gp].up
	if w.thrown {
		return
	}
	if c.up.m != 0 || gp.locked {
		if mp := w.m[gp.m].up; !gp.locked || c.up.gone || c.up.m != gp.m || mp.lockedExt != c.up.lockedExt || mp.lockedInt != c.up.lockedInt {
			w.upThrows()
			return
		}
	}
	*gnext = *gp
	*gp = upG{}
}

// upExit is goexit0, by g.
func (w *world) upExit(g gid) {
	if up := &w.g[g].up; up.locked {
		for i := range w.c {
			if c := &w.c[i].up; c.m == up.m {
				*c = upCoro{m: up.m, gone: true}
			}
		}
		w.m[up.m].up = upM{}
	}
	w.g[g].up = upG{}
}

// checkUpstream is B0.
func (w *world) checkUpstream(m mid) {
	g := w.m[m].curg
	if g == 0 || w.thrown {
		return
	}
	if up := w.g[g].up; up.locked && up.m != m {
		w.fail("B0", "g%d runs on M%d, and with upstream's runtime it is bound to M%d", g, m, up.m)
	}
	if h := w.upOwner(m); h != 0 && h != g {
		w.fail("B0", "g%d runs on M%d, which is g%d's with upstream's runtime", g, m, h)
	}
}
