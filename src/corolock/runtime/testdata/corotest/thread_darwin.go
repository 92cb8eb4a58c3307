// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package corotest

import "syscall"

// ThreadID returns the id of the calling thread, or 0 if unknown.
func ThreadID() int {
	tid, _, errno := syscall.RawSyscall(syscall.SYS_THREAD_SELFID, 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(tid)
}
