// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build unix

package corotest

import "syscall"

// A Gate holds a thread up in a system call. It serves one Wait.
type Gate struct{ fds [2]int }

// NewGate returns a Gate that is shut.
func NewGate() *Gate {
	g := new(Gate)
	if err := syscall.Pipe(g.fds[:]); err != nil {
		Fatal("pipe:", err)
	}
	return g
}

// Wait blocks the calling thread until somebody calls Open.
func (g *Gate) Wait() {
	var buf [1]byte
	for {
		n, err := syscall.Read(g.fds[0], buf[:])
		if err == syscall.EINTR {
			continue
		}
		if n != 1 {
			Fatal("read:", n, err)
		}
		syscall.Close(g.fds[0])
		return
	}
}

// Open ends the Wait.
func (g *Gate) Open() {
	if n, err := syscall.Write(g.fds[1], []byte{1}); n != 1 {
		Fatal("write:", n, err)
	}
	syscall.Close(g.fds[1])
}
