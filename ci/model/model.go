// Package model models shared thread locks, the state machine of
// src/corolock/runtime/corolock.go, with explicit states, and checks all its
// interleavings.
//
// A state has a few goroutines, Ms, Ps and coroutines. A step is a part of the code
// whose inside no other M can see: a region in which an M holds mCoro.lock, with the
// code before and after it that only uses the M's own data. A goroutine that runs
// chooses any operation that its budget allows, so the model explores every program
// of that length. Each step names the function that it models.
//
// Besides the runtime's fields, a state has the truth, whatever the runtime thinks:
// which locks each goroutine has taken, and on which thread; who has resumed whom;
// which C frames are on which thread. The checks compare the two, so they do not
// repeat the code: see check.go for the checks of a state, and explore.go for those
// of the whole graph. A state also has the state of upstream's runtime for the same
// program, until that throws: see upstream.go. docs/corolock.md says what is left
// out.
package model

import (
	"fmt"
	"slices"
)

// The sizes of a state. Element 0 of each array is nobody.
const (
	maxG = 4
	maxM = 8
	maxC = 2
)

// A gid is a goroutine's number, an mid an M's. 0 is none.
type (
	gid = uint8
	mid = uint8
)

// g0 in lockedg is the M's g0: the M is reserved for the goroutines that have locked
// it, and bound to none of them in particular. The model of the direct switch has it
// for the M's g0 as well.
const g0 gid = maxG + 1

// A list has goroutines in order, and then zeros.
type list [maxG]gid

func (l *list) empty() bool    { return l[0] == 0 }
func (l *list) has(g gid) bool { return slices.Contains(l[:], g) }

func (l *list) len() (n uint8) {
	for n < maxG && l[n] != 0 {
		n++
	}
	return n
}

// push appends g. A list overflows only if a goroutine is in it twice, and then a
// check has failed already.
func (l *list) push(g gid) {
	if n := l.len(); n < maxG {
		l[n] = g
	}
}

func (l *list) pushFront(g gid) {
	copy(l[1:], l[:maxG-1])
	l[0] = g
}

func (l *list) remove(g gid) bool {
	i := slices.Index(l[:], g)
	if i < 0 {
		return false
	}
	copy(l[i:], l[i+1:])
	l[maxG-1] = 0
	return true
}

func (l *list) pop() gid {
	g := l[0]
	l.remove(g)
	return g
}

// A status is what a goroutine does.
type status uint8

const (
	gNew       status = iota // its coroutine does not exist yet
	gRunning                 // on an M with a P
	gSyscall                 // on an M without a P, in the kernel or in C
	gRunnable                // in a queue, or in an M's hand
	gCoro                    // blocked in a coro
	gBlocked                 // blocked otherwise: anything can wake it
	gFrameWait               // in coroLeaveFrame
	gDead
)

// A cont is the first thing that a goroutine does when it is scheduled again.
type cont uint8

const (
	contNone cont = iota
	contLock
	contReturn
)

// Where a goroutine's code is: depth is one of these.
const (
	inGo       = iota
	inC        // a system call or a C function
	inCallback // Go, called from C
	inInner    // a system call in a callback
)

type goroutine struct {
	status  status
	m       mid // that it runs on
	lockedm mid
	cont    cont
	depth   uint8
	preempt bool
	lent    bool
	lentInt uint8
	ended   bool // loanEnded
	budget  uint8

	lockedExt, lockedInt uint8

	// The frame of its callback, and the frame below that.
	frame, below uint8

	// The truth: its own locks, and the thread they are on.
	ext, callbacks uint8
	on             mid

	// driven says that next of its own coroutine resumed it last. It is kept while
	// the goroutine holds or borrows a thread.
	driven bool

	up upG
}

// claims is g.claims.
func (gp *goroutine) claims() bool { return gp.lockedExt|gp.lockedInt != 0 }

// locks returns how many locks of its own the goroutine has.
func (gp *goroutine) locks() uint8 { return gp.ext + gp.callbacks }

// A pc is where an M is in the runtime's code, between two steps.
type pc uint8

const (
	pcPool     pc = iota // in stopm, or not created yet
	pcRun                // runs curg
	pcSyscall            // curg is in a system call or in C
	pcSchedule           // at the start of schedule
	pcAlone              // in stoplockedm, not yet parked
	pcStopping           // in coroStopLocked, idle, not yet parked
	pcParked             // in coroStopLocked, idle, or in stoplockedm, parked
	pcStart              // in schedule, with gp in hand, before coroStart or startlockedm
	pcHandoff            // in coroswitchShared, after the CAS, with gp in hand
	pcLate               // in stopm, with the thread to be ended when there is a P
	pcDead
)

// A machine is a runtime.m with its mCoro.
type machine struct {
	pc                   pc
	p, nextp             bool
	curg                 gid
	lockedg              gid
	lockedExt, lockedInt uint8

	debt        uint8
	shared      bool
	uneven      bool
	frame       uint8 // the innermost callback
	dead        [maxG]deadFrame
	waiters     list
	queue       list
	idle        bool
	inheritTime bool
	doomed      bool
	leaver      gid

	batch  list // coroStopLocked's q
	gp     gid  // pcStart and pcHandoff: the goroutine in hand
	target mid  // pcHandoff; pcStart: what gp was bound to when alone was asked
	alone  bool // pcStart: the answer of alone

	// The truth: who has C frames here, the innermost first; whether a goroutine
	// has exited with a lock; whether the loan with the debt goes on; whether a
	// goroutine has come or gone by a switch that upstream refuses.
	cstack list
	spoilt bool
	owing  bool
	apart  bool

	up upM
}

// A deadFrame is a callback that a panic has left below others.
type deadFrame struct{ frame, below uint8 }

// A coro is a runtime.coro.
type coro struct {
	made, done           bool
	gp, own              gid
	home, at             mid
	nowhere              bool // mp is coroNowhere, not home
	lockedExt, lockedInt uint8

	// The truth: whether the iterator's side has control, and who was resumed
	// when gp was blocked.
	inner   bool
	partner gid

	up upCoro
}

type state struct {
	g     [maxG + 1]goroutine
	m     [maxM + 1]machine
	c     [maxC]coro
	runq  list // all of the scheduler's queues
	idleP uint8

	// kick says that an idle P will look at runq: wakep, startm, a spinning M.
	kick bool

	// thrown says that upstream's runtime has thrown.
	thrown bool

	// passed[g] counts the time slices that each other goroutine has begun on g's
	// thread while g waits for it, in two bits each.
	passed [maxG + 1]uint8
}

// A Config bounds a model, and says who may do what.
type Config struct {
	Name   string
	Procs  uint8
	Budget []uint8 // for each goroutine, how many operations

	// Coros has the coroutines. Their own goroutines are new until then; all
	// others are runnable at the start.
	Coros []Coro

	Locks     uint8 // how often a goroutine may lock its thread at once
	Callbacks []gid // who may make C calls that call back
	Calls     []gid // who may make system calls
	Blocks    []gid // who may block outside of coroutines
	Exits     []gid // who may exit before its budget is used up

	// Fair means that runq is in order, and that no M is interrupted in the
	// scheduler. Then goroutines that share a thread must take turns.
	Fair bool

	mutant mutation
}

// A Coro says who uses a coroutine: Maker makes it, Own is its goroutine, the
// goroutines in Outer call next, and those in Inner yield.
type Coro struct {
	Maker, Own   gid
	Outer, Inner []gid
}

func (cfg *Config) initial() state {
	var s state
	for i, b := range cfg.Budget {
		s.g[i+1] = goroutine{status: gRunnable, budget: b}
	}
	for _, c := range cfg.Coros {
		s.g[c.Own].status = gNew
	}
	for i := range cfg.Budget {
		if s.g[i+1].status == gRunnable {
			s.runq.push(gid(i + 1))
		}
	}
	s.idleP = cfg.Procs
	s.kick = true
	return s
}

// A world is a state while a step changes it.
type world struct {
	state
	checked
	cfg *Config
}

func (w *world) to() *state { return &w.state }

// checked keeps the first check that failed.
type checked struct{ fault *Violation }

func (c *checked) failed() *Violation { return c.fault }

// fail notes that a check has failed. The first one counts.
func (c *checked) fail(check, format string, args ...any) {
	if c.fault == nil {
		c.fault = &Violation{Check: check, What: fmt.Sprintf(format, args...)}
	}
}

// A Violation is a check that has failed.
type Violation struct {
	Check string // its rule of docs/corolock.md or docs/switch.md, or "throw" for the runtime's own
	What  string
	Trace []string
}

// is reports whether a fault is planted.
func (w *world) is(mu mutation) bool { return w.cfg.mutant == mu }

// has reports whether g has a lock of its own on m.
func (s *state) has(g gid, m mid) bool { return s.g[g].locks() != 0 && s.g[g].on == m }

// only reports whether g has a lock of its own on m, and nobody else has one, or
// is bound to m.
func (s *state) only(g gid, m mid) bool {
	for h := gid(1); h <= maxG; h++ {
		if h == g && !s.has(h, m) || h != g && (s.has(h, m) || s.g[h].lockedm == m) {
			return false
		}
	}
	return true
}

// reserved reports whether anybody has a lock of its own on m.
func (s *state) reserved(m mid) bool {
	for g := range s.g {
		if s.has(gid(g), m) {
			return true
		}
	}
	return false
}
