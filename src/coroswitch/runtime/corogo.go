// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime

import (
	"internal/runtime/atomic"
	"unsafe"
)

// The direct coroutine switch.
//
// coroswitch goes by way of g0, where Go code can do whatever a switch may ask
// for: emit trace events, wait for the garbage collector, hand a thread over.
// Most switches ask for nothing. corogo, in assembly, does those from one
// goroutine to the other, and for all others jumps to coroswitch before it has
// changed anything. The costs are not the instructions so much as the atomic
// operations, and the calls and returns that do not pair and so are predicted
// wrongly. corogo has one atomic operation for a pair of switches.
//
// A coro has, besides gp, the goroutine that is blocked in it:
//
//   - own, the goroutine that runs the iterator. It never changes.
//   - taker, which is own, or 0 once the coro has been disowned.
//
// Who may take the goroutine out of gp depends on these:
//
//   - If it is taker, which is in yield or has not started, anybody may, by a
//     CAS that puts the caller there.
//   - If it is another one, which is in next or stop, only taker may. So that
//     takes no atomic operation, and the other may be in gp before it has
//     left its stack.
//   - Whoever else wants that one, such as a stop while next waits, or a yield
//     in another goroutine, must disown the coro first: it stops the world and
//     clears taker. From then on all take by CAS, on g0, and get blocked before
//     they do, as upstream.
//
// A direct switch writes the status of the two goroutines without an atomic
// operation. Nobody but their own M changes that, apart from suspendG, which
// the garbage collector uses while it marks, and the tracer. So coroSlow says
// whether one of them may. The bits are set while the world is stopped, and an
// assembly function is not a safe point, so nobody is in corogo then. While
// marking, corogo writes the status by CAS. All other bits make it jump to
// coroswitch.
//
// A goroutine gets its m before its status is running, and loses it after it
// has ceased to be: suspendG reads m in between. The goroutine that left can
// run elsewhere as soon as it can be taken, so the store that lets it be is the
// last one of a switch by taker.
//
// The one that goes on needs no context register: in a goroutine that is
// blocked in a coro sched.ctxt is nil.

// coroSlow has a bit for each reason why a switch may not be direct, or not be
// without atomic operations.
var coroSlow atomic.Uint32

const (
	coroSlowGC      = 1 << iota // the garbage collector marks
	coroSlowTrace               // a trace is on
	coroSlowProfile             // a goroutine profile is being taken
)

// coroSlowSet sets or clears a bit of coroSlow. To set it, the world must be
// stopped.
//
//go:nosplit
func coroSlowSet(bit uint32, on bool) {
	if on {
		coroSlow.Or(bit)
	} else {
		coroSlow.And(^bit)
	}
}

// coroSetStatus sets the status of gp where only the caller may do that: gp is
// dead, runs on the current M, or is to run there next, and coroSlow is 0.
//
//go:nosplit
func coroSetStatus(gp *g, status uint32) {
	p := (*uint32)(unsafe.Pointer(&gp.atomicstatus))
	if GOARCH == "amd64" {
		*p = status // a store here is never seen before those that precede it
	} else {
		atomic.StoreRel(p, status)
	}
}
