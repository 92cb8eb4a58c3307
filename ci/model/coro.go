package model

// Coroutines.

// create is newcoro, by the goroutine that m runs.
func (w *world) create(m mid, i int) {
	mp := &w.m[m]
	own := w.cfg.Coros[i].Own
	c := &w.c[i]
	*c = coro{made: true, gp: own, own: own}
	if mp.lockedExt+mp.lockedInt != 0 || mp.debt != 0 && w.is(madeInDebt) {
		c.home, c.lockedExt, c.lockedInt = m, mp.lockedExt, mp.lockedInt
	}
	w.upCreate(i, mp.curg)
	w.g[own].status = gCoro
}

// swap is coroswitch_m, by the goroutine that m runs.
func (w *world) swap(m mid, i int, exit bool) {
	mp := &w.m[m]
	g := mp.curg
	gp := &w.g[g]
	c := &w.c[i]
	w.upSwap(i, g)
	locked := gp.lockedm != 0
	if c.home != 0 || c.nowhere || locked {
		if c.nowhere || m != c.home || mp.lockedInt != c.lockedInt || mp.lockedExt != c.lockedExt {
			mp.apart = true
			if !w.thrown && w.g[c.gp].up.locked {
				w.fail("B0", "g%d switches to g%d under other locks on M%d, and with upstream's runtime under equal ones", g, c.gp, m)
			}
			w.swapShared(m, i, exit)
			return
		}
		if exit && gp.claims() && !w.is(fastExit) {
			w.swapShared(m, i, exit)
			return
		}
	}
	gnext := c.gp
	gp.lockedm = 0
	if exit {
		mp.lockedg = 0
		if w.is(fastExitPays) {
			mp.voidDebt()
		}
		if w.coroExit(m, g) {
			w.end(m)
			return
		}
	}
	w.blockIn(i, g, exit)
	w.goOn(m, gnext)
	if locked {
		mp.lockedg = gnext
		w.g[gnext].lockedm = m
	}
}

// blockIn is the CAS: g, or nobody if it exits, is now blocked in coro i.
func (w *world) blockIn(i int, g gid, exit bool) {
	c := &w.c[i]
	w.g[c.gp].driven = c.own == c.gp
	c.inner = !c.inner
	c.partner = c.gp
	c.gp = g
	if exit {
		c.gp = 0
		c.done = true
		w.dies(g)
	} else {
		w.g[g].status = gCoro
		w.g[g].m = 0
	}
}

// goOn is the end of a direct switch.
func (w *world) goOn(m mid, gnext gid) {
	w.m[m].curg = gnext
	w.g[gnext].status = gRunning
	w.g[gnext].m = m
	w.upRuns(gnext, m)
}

// swapShared is coroswitchShared up to the CAS, and the rest if the switch is
// direct.
func (w *world) swapShared(m mid, i int, exit bool) {
	mp := &w.m[m]
	g := mp.curg
	gp := &w.g[g]
	c := &w.c[i]
	gnext := c.gp
	if !w.is(switchInDebt) {
		mp.voidDebt()
	}
	mp.owing = false
	if w.claimed(m) {
		mp.uneven = true
		mp.shared = mp.shared || !w.is(unevenNotShared)
	}
	at := c.home
	if c.nowhere {
		at = c.at
	}
	var target mid
	if w.g[gnext].claims() {
		target = at
	}
	leaving := mp.leaver == g
	own := c.own
	claims := gp.claims()
	if exit {
		if claims {
			w.exitClaim(m, g)
		}
	} else {
		var gpAt mid
		if claims || gp.lockedm != 0 && !leaving {
			gpAt = m
		}
		if gpAt == c.home && (gpAt == 0 || mp.lockedExt == c.lockedExt && mp.lockedInt == c.lockedInt && (g == own || gnext == own || w.is(foreignAsAtCreation))) {
			c.nowhere = false
			c.at = 0
			if g == own && !w.is(loanNotRenewed) {
				gp.ended = false
				if claims {
					gp.lent = gp.lockedInt == 0
					gp.lentInt = c.lockedInt
				}
			}
		} else {
			c.nowhere = !w.is(coroUnmarked)
			c.at = gpAt
		}
	}
	if !claims && !w.is(borrowerBlocks) {
		gp.lockedm = 0
	}
	mp.leaver = 0

	direct := target == m
	next := &w.g[gnext]
	lends := m == c.home && w.claimed(m) && !leaving
	if direct {
		lends = lends && mp.lockedInt-next.lockedInt == c.lockedInt
		if gnext == own {
			next.lent = lends
			next.lentInt = c.lockedInt
		}
	} else if target == 0 {
		lends = lends && (mp.lockedInt == c.lockedInt || w.is(lentUnderMore)) && (at == m || gnext == own) && !w.is(neverLent)
		direct = lends || !w.claimed(m) && (!mp.doomed || w.is(doomedGoesOn)) || w.is(alwaysLent) && w.claimed(m)
	} else {
		lends = false
	}
	if gnext == own {
		next.ended = !lends
	} else if g != own && !w.is(loanGoesOn) {
		w.g[own].ended = true
	}

	if exit {
		// gdestroy; its coroExit finds no claim and no leaver.
		w.reserve(m)
	}
	w.blockIn(i, g, exit)
	if direct {
		w.goOn(m, gnext)
		mp.lockedg, next.lockedm = 0, 0
		if w.claimed(m) {
			mp.lockedg, next.lockedm = gnext, m
			if w.is(claimantGoesOnReserved) {
				mp.lockedg = g0
			}
		}
		return
	}
	if gnext == c.own && m == c.home && w.has(g, m) && next.locks() == 0 && mp.cstack.len() == c.lockedInt {
		w.fail("B5", "g%d drives a coroutine that was made on M%d, and does not lend it", g, m)
	}
	mp.curg = 0
	mp.gp = gnext
	mp.target = target
	mp.pc = pcHandoff
}

// handoff is the rest of coroswitchShared. Unwanted is what coroUnwanted says.
func (w *world) handoff(m mid, unwanted bool) {
	mp := &w.m[m]
	gnext, target := mp.gp, mp.target
	mp.gp, mp.target = 0, 0
	w.upLeaves(gnext)
	w.g[gnext].lockedm = target
	if target != 0 {
		w.m[target].shared = w.m[target].shared || !w.is(handoffNotShared)
		w.m[target].uneven = true
		w.m[target].apart = true
	}
	w.g[gnext].status = gRunnable
	w.reserve(m)
	if w.is(reserveForgotten) {
		mp.lockedg = 0
	}
	ends := mp.doomed && mp.lockedg == 0 && !w.is(endForgotten)
	mp.pc = pcSchedule
	if target != 0 && !ends && mp.queue.empty() && unwanted {
		switch w.start(m, gnext, target, true) {
		case runHere:
			w.fail("throw", "coroswitch: goroutine with a lock is bound to no M")
		case running:
			if mp.lockedg == 0 {
				mp.pc = pcPool
			}
		}
		return
	}
	w.put(gnext, true)
}
