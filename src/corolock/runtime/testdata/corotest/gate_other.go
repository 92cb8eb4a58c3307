// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build !unix

package corotest

// A Gate holds a goroutine up; where it can, a thread. It serves one Wait.
type Gate struct{ c chan bool }

// NewGate returns a Gate that is shut.
func NewGate() *Gate { return &Gate{make(chan bool, 1)} }

// Wait blocks the caller until somebody calls Open.
func (g *Gate) Wait() { <-g.c }

// Open ends the Wait.
func (g *Gate) Open() { g.c <- true }
