// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build !linux

package corotest

// SetThreadName names the calling thread, and reports whether it can.
func SetThreadName(string) bool { return false }

// ThreadsNamed counts the threads of that name.
func ThreadsNamed(string) int { return 0 }

// Exists reports whether the process has that thread. It is false where there
// is no way to tell.
func Exists(int) bool { return false }
