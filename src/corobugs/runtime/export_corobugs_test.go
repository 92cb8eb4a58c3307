// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime

// WaitSince returns the time from which on the calling goroutine is taken to
// wait, 0 if it is not.
func WaitSince() int64 { return getg().waitsince }

// CurrentGoid returns the number of the calling goroutine.
func CurrentGoid() uint64 { return getg().goid }

// AsLeavingSyscall calls f while goroutine goid, which must be blocked in a
// system call, has the state that it has for a moment on its way out: it runs
// and has no P. AsLeavingSyscall reports whether the goroutine had already lost
// its P, without which it does nothing.
func AsLeavingSyscall(goid uint64, f func()) bool {
	var gp *g
	forEachG(func(g *g) {
		if g.goid == goid {
			gp = g
		}
	})
	if gp == nil || readgstatus(gp) != _Gsyscall || gp.m.p != 0 {
		return false
	}
	casgstatus(gp, _Gsyscall, _Grunning)
	f()
	casgstatus(gp, _Grunning, _Gsyscall)
	return true
}

// CoroBugNumbers is an iterator whose name is like one of the runtime's functions.
func CoroBugNumbers(yield func(int) bool) {
	for i := 0; yield(i); i++ {
	}
}
