// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package corotest

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"
)

// ThreadID returns the id of the calling thread, or 0 if unknown. The calling
// goroutine is not preempted before it is known.
//
//go:nosplit
func ThreadID() int {
	tid, _, _ := syscall.RawSyscall(syscall.SYS_GETTID, 0, 0, 0)
	return int(tid)
}

// Exists reports whether the process has that thread. It is false where there
// is no way to tell.
func Exists(tid int) bool {
	_, _, errno := syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(tid), 0)
	return tid != 0 && errno != syscall.ESRCH
}

// SetThreadName names the calling thread, and reports whether it can. A new
// thread has the name of the one that made it.
func SetThreadName(name string) bool {
	const PR_SET_NAME = 15
	p, err := syscall.BytePtrFromString(name)
	if err != nil {
		Fatal(err)
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, PR_SET_NAME, uintptr(unsafe.Pointer(p)), 0)
	return errno == 0 && ThreadsNamed(name) > 0
}

// ThreadsNamed counts the threads of that name.
func ThreadsNamed(name string) int {
	files, _ := filepath.Glob("/proc/self/task/*/comm")
	n := 0
	for _, file := range files {
		if comm, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(comm)) == name {
			n++
		}
	}
	return n
}
