package model

import "slices"

// The direct switch: how coroswitch goes from goroutine to goroutine without
// g0, and who may take the goroutine that is blocked in a coro. This model is
// independent of the one of the locks; the checker is the same.
//
// A step is an instruction that others can see. The stores of an M go to memory
// through its store buffer: in order, as on amd64, or, if the Switch is weak, in any
// order, with a store-release after all stores before it, as on arm64. Each store
// that others see is a step of its own, so several instructions that only store can
// be one step. docs/switch.md says what is checked, and what is left out.

// dMaxM is how many Ms a state has.
const dMaxM = 3

// A loc is a word of memory.
type loc uint8

const (
	locGp     loc = iota * 8 // + coro: coro.gp
	locTaker                 // + coro: coro.taker
	locStatus                // + goroutine: g.atomicstatus
	locM                     // + goroutine: g.m
	locSched                 // + goroutine: g.sched, a version
	locCtxt                  // + goroutine: g.sched.ctxt
	locSlow                  // coroSlow
	locs
)

func (l loc) of(i uint8) loc { return l + loc(i) }

// The values of locStatus.
const (
	dWaiting uint8 = iota + 1
	dRunning
	dRunnable
	dDead
	dScan uint8 = 8
)

// The bits of coroSlow. Marking suspends goroutines, and moves their stacks;
// tracing suspends them.
const (
	dMark uint8 = 1 << iota
	dTrace
)

// A place is where a goroutine is in truth, whatever memory says.
type place uint8

const (
	inQueue place = iota
	onM
	inCoro  // blocked in a coro, and off its stack
	inHand  // taken from there
	inWorld // in stopTheWorld
	inSleep // waits for its turn
	inGrave
)

// The operations of a goroutine on a coro.
const (
	opNext uint8 = iota + 1
	opStop
	opYield
	opExit
)

type dgoroutine struct {
	place  place
	op, c  uint8 // its operation and coro, after it has checked done and yieldNext
	budget uint8
	sched  uint8 // the version of what was saved last
	ran    bool
}

// A dpc is what an M does.
type dpc uint8

const (
	dIdle    dpc = iota
	dGo          // runs Go code, at a safe point
	dFast        // in coroswitch
	dSlow        // in coroswitch
	dWorld       // in coroswitch, in stopTheWorld
	dSwitchM     // in coroswitch_m
	dExitM       // in the exit of a goroutine that may take plainly
)

type dmachine struct {
	pc      dpc
	i       uint8 // the instruction: an index in the program of pc
	g, next gid   // the goroutine that leaves, and the one that goes on
	tls, sp gid   // the g register and TLS, and the goroutine whose stack it is on
	x       gid   // c.gp as it was read
	slow    uint8 // coroSlow as it was read
	plain   bool  // the fast switch takes by rule 2
	handoff bool  // next goes on elsewhere
	ver     uint8 // next.sched, if it is read early
	buf     [12]store
	n       uint8
}

// A store is on its way to memory. An exclusive one is the second half of a CAS:
// others may see later stores before it, but no other M writes to its location.
type store struct {
	loc                loc
	val                uint8
	release, exclusive bool
}

type dcoro struct {
	done, yieldNext bool // iter.Pull's
	exited          bool
}

type dstate struct {
	mem [locs + 1]uint8
	g   [maxG + 1]dgoroutine
	m   [dMaxM + 1]dmachine
	c   [maxC]dcoro

	// The suspender is the collector or the tracer.
	round  uint8 // of cfg.Rounds
	target gid   // the goroutine that it suspends, or will next
	inside bool  // in suspendG, or until resumeG: it cannot be stopped
	holds  bool  // it has the scan bit
	scans  bool  // and target does not run

	over bool // the program has died, as it does with upstream's runtime
}

// A Switch bounds a model of the direct switch.
type Switch struct {
	Name   string
	Ms     uint8
	Budget []uint8 // for each goroutine, how often it switches

	// Coros has the coroutines, which are made at the start, whatever Maker is. All
	// of Outer call next, and at the end stop.
	Coros []Coro

	// Turns says that those in Outer take turns, and those in Inner, as iter.Pull
	// demands. Otherwise they call at any time.
	Turns bool

	// Raw says that they call coroswitch directly, without iter.Pull.
	Raw bool

	Weak    bool    // memory is weakly ordered
	Deep    bool    // a switch can begin before the stores of the last one are visible
	Handoff bool    // at some switches the locks are not those at creation
	Preempt bool    // goroutines are preempted, and go on elsewhere
	Rounds  []uint8 // which bits of coroSlow are set, one after the other
	Targets []gid   // the goroutines that are then suspended; nil is all

	mutant mutation
}

// An instr is an instruction, or a part of a function that others see as one.
type instr uint8

const (
	take       instr = iota // CAS c.gp from own to the caller: rule 1
	setM                    // next.m = m
	setRunning              // next.status = running
	save                    // old.sched = pc, SP
	setTLS                  // g = next
	setSP                   // SP = next.sched.sp
	setWaiting              // old.status = waiting, or dead
	clearM                  // old.m = nil
	publish                 // c.gp = old: rule 2
	jump                    // to next.sched.pc
	mcall                   // to g0
	retake                  // take, on g0
	swap                    // CAS c.gp from the goroutine that is there to the caller: upstream's
)

// program returns the instructions at pc. The mutants change their order.
func (cfg *Switch) program(pc dpc) []instr {
	switch pc {
	case dFast:
		p := []instr{take, setM, setRunning, save, setTLS, setSP, setWaiting, clearM, publish, jump}
		move := func(which, before instr) {
			i := slices.Index(p, which)
			p = slices.Delete(p, i, i+1)
			p = slices.Insert(p, slices.Index(p, before), which)
		}
		switch cfg.mutant {
		case mAfterRunning:
			move(setM, save)
		case mAfterTLS:
			move(setM, setWaiting)
		case mClearedBeforeWaiting:
			move(clearM, setWaiting)
		case mClearedBeforeTLS:
			move(clearM, setTLS)
		case publishedBeforeSP:
			move(publish, setTLS)
		case publishedBeforeWaiting:
			move(publish, setWaiting)
		case waitingBeforeSP:
			move(setWaiting, setTLS)
		case savedLate:
			move(save, clearM)
		}
		return p
	case dSwitchM:
		if cfg.mutant == overtakenThrows {
			return []instr{mcall, setWaiting, clearM, swap, setM, setRunning, setTLS, setSP, jump}
		}
		return []instr{mcall, retake, setWaiting, clearM, swap, setM, setRunning, setTLS, setSP, jump}
	case dExitM:
		return []instr{mcall, setWaiting, clearM, publish, setM, setRunning, setTLS, setSP, jump}
	}
	return nil
}

func (cfg *Switch) initial() dstate {
	var s dstate
	for i := range cfg.Budget {
		g := uint8(i + 1)
		s.g[g] = dgoroutine{budget: cfg.Budget[i]}
		s.mem[locStatus.of(g)] = dRunnable
		s.g[g].sched, s.mem[locSched.of(g)] = 1, 1
	}
	sleep := func(gs []gid) {
		for _, g := range gs[1:] {
			if cfg.Turns {
				s.g[g].place = inSleep
				s.mem[locStatus.of(g)] = dWaiting
			}
		}
	}
	for i, c := range cfg.Coros {
		sleep(c.Outer)
		sleep(c.Inner)
		s.g[c.Own].place = inCoro
		s.mem[locStatus.of(c.Own)] = dWaiting
		s.mem[locGp.of(uint8(i))] = c.Own
		s.mem[locTaker.of(uint8(i))] = c.Own
		if cfg.mutant == ctxtStays {
			s.mem[locCtxt.of(c.Own)] = 1
		}
	}
	for m := uint8(1); m <= cfg.Ms; m++ {
		s.m[m].tls, s.m[m].sp = g0, g0
	}
	return s
}
