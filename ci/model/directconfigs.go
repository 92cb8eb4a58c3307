package model

// Switches are the bounds of the models of the direct switch.
var Switches = []*Switch{
	{Name: "one iterator", Ms: 2, Budget: []uint8{2, 2}, Turns: true, Preempt: true, Coros: oneCoro},
	{Name: "one iterator, weak", Ms: 2, Budget: []uint8{2, 2}, Turns: true, Preempt: true, Weak: true, Deep: true, Coros: oneCoro},
	{Name: "marking", Ms: 2, Budget: []uint8{2, 2}, Turns: true, Rounds: []uint8{dMark}, Coros: oneCoro},
	{Name: "marking, weak", Ms: 2, Budget: []uint8{2, 2}, Turns: true, Weak: true, Deep: true, Rounds: []uint8{dMark}, Coros: oneCoro},
	{Name: "tracing", Ms: 2, Budget: []uint8{2, 2}, Turns: true, Weak: true, Rounds: []uint8{dTrace, dMark}, Coros: oneCoro},
	{Name: "turns", Ms: 2, Budget: []uint8{2, 2, 2, 2}, Turns: true, Weak: true, Coros: []Coro{{Own: 2, Outer: []gid{1, 3}, Inner: []gid{2, 4}}}},
	{Name: "turns, marking", Ms: 2, Budget: []uint8{2, 2, 2}, Turns: true, Weak: true, Rounds: []uint8{dMark}, Coros: foreignYield},
	{Name: "nested", Ms: 2, Budget: []uint8{1, 2, 2}, Turns: true, Weak: true, Deep: true, Preempt: true, Coros: nested},
	{Name: "hand-offs", Ms: 2, Budget: []uint8{2, 2}, Turns: true, Weak: true, Handoff: true, Rounds: []uint8{dMark}, Coros: oneCoro},
	{Name: "two nexts, hand-offs", Ms: 2, Budget: []uint8{1, 1, 0}, Weak: true, Handoff: true, Coros: foreignNext},
	{Name: "two nexts", Ms: 2, Budget: []uint8{2, 2, 2}, Coros: foreignNext},
	{Name: "two nexts, weak", Ms: 2, Budget: []uint8{1, 2, 0}, Weak: true, Preempt: true, Coros: foreignNext},
	{Name: "two nexts, marking", Ms: 2, Budget: []uint8{1, 1, 0}, Rounds: []uint8{dMark}, Targets: []gid{1}, Coros: foreignNext},
	{Name: "two nexts, tracing", Ms: 2, Budget: []uint8{1, 1, 0}, Rounds: []uint8{dTrace}, Targets: []gid{2}, Coros: foreignNext},
	{Name: "two yields", Ms: 2, Budget: []uint8{2, 2, 2}, Weak: true, Coros: foreignYield},
	{Name: "anything", Ms: 2, Budget: []uint8{1, 2, 1, 1}, Weak: true, Raw: true, Coros: []Coro{{Own: 2, Outer: []gid{1, 3, 4}, Inner: []gid{2}}}},
	{Name: "anything, marking", Ms: 2, Budget: []uint8{1, 1, 1}, Weak: true, Raw: true, Rounds: []uint8{dMark}, Targets: []gid{2}, Coros: foreignNext},
}

// LargerSwitches are bounds for a longer look.
var LargerSwitches = []*Switch{
	{Name: "three nexts, three Ms", Ms: 3, Budget: []uint8{1, 2, 1, 0}, Deep: true, Coros: []Coro{{Own: 2, Outer: []gid{1, 3, 4}, Inner: []gid{2}}}},
	{Name: "two nexts, deep", Ms: 2, Budget: []uint8{1, 2, 1}, Weak: true, Deep: true, Coros: foreignNext},
	{
		Name: "anything, three Ms", Ms: 3, Budget: []uint8{1, 1, 1}, Weak: true, Raw: true, Rounds: []uint8{dMark}, Targets: []gid{2},
		Coros: []Coro{{Own: 2, Outer: []gid{1, 2, 3}, Inner: []gid{2}}},
	},
	{Name: "two nexts, cycles", Ms: 2, Budget: []uint8{1, 1, 0}, Rounds: []uint8{dMark, dTrace}, Targets: []gid{1}, Coros: foreignNext},
}

// The faults that are planted in the model.
const (
	mAfterRunning mutation = iota + 1
	mAfterTLS
	mClearedBeforeWaiting
	mClearedBeforeTLS
	publishedBeforeSP
	publishedBeforeWaiting
	publishedPlainly
	waitingBeforeSP
	savedLate
	stackReadEarly
	takenPlainly
	anybodyTakes
	takerForgotten
	neverDisowned
	disownedRunning
	slowRunning
	traceIgnored
	markIgnored
	undoForgotten
	overtakenThrows
	ctxtStays
	takerStale
	exitPlainly
	undonePlainly
	takenInGo
	faults
)

// is reports whether a fault is planted.
func (w *dworld) is(mu mutation) bool { return w.cfg.mutant == mu }

// SwitchMutants are faults that somebody could make in the switch.
var SwitchMutants = []Mutant{
	{mAfterRunning, "m is set after the status is running", "marking", "m"},
	{mAfterTLS, "m is set after g and TLS", "one iterator", "signal"},
	{mClearedBeforeWaiting, "m is cleared before the status is waiting", "marking", "m"},
	{mClearedBeforeTLS, "m is cleared before g and TLS are the next one's", "one iterator", "signal"},
	{publishedBeforeSP, "c.gp is stored before g, TLS and SP", "two nexts", "stack"},
	{publishedBeforeWaiting, "c.gp is stored before the status is waiting", "two nexts", "signal"},
	{publishedPlainly, "c.gp is stored plainly", "two nexts, weak", "stack"},
	{waitingBeforeSP, "the status is waiting before SP", "marking", "scan"},
	{savedLate, "pc and SP are saved after the status is waiting", "marking", "scan"},
	{stackReadEarly, "sched.sp is read before the status is running", "marking", "stack"},
	{takenPlainly, "next takes by a plain store", "two nexts", "stack"},
	{anybodyTakes, "anybody yields plainly", "two nexts", "stack"},
	{takerForgotten, "the direction is not looked at: anybody takes by a CAS", "two nexts", "stack"},
	{neverDisowned, "a stop in flight takes by a CAS, without disowning", "two nexts", "stack"},
	{disownedRunning, "disowning does not stop the world", "two nexts", "stack"},
	{slowRunning, "a slow bit is set and the world runs", "marking", "slow"},
	{traceIgnored, "the switch is direct while tracing", "tracing", "m"},
	{markIgnored, "the status is stored plainly while marking", "marking", "scan"},
	{undoForgotten, "a failed CAS while marking is not undone", "marking", "lost"},
	{overtakenThrows, "on g0, the status is waiting before the CAS", "two nexts, tracing", "throw"},
	{takerStale, "the iterator's goroutine yields plainly although disowned", "two nexts", "stack"},
	{exitPlainly, "an exit while marking stores plainly", "marking", "scan"},
	{undonePlainly, "a failed CAS while marking is undone without a store-release", "anything, marking", "signal"},
	{takenInGo, "the slow path takes at a safe point", "two nexts, tracing", "stack"},
	{ctxtStays, "sched.ctxt of a new goroutine stays", "one iterator", "ctxt"},
}
