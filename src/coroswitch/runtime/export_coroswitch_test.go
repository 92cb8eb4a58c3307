// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Access to coroutines for coro_switch_test.go.

package runtime

import "unsafe"

// CurrentCoro returns the coro that the calling goroutine was blocked in last.
func CurrentCoro() unsafe.Pointer {
	return unsafe.Pointer(getg().coroarg)
}

// SwitchCoro switches to the goroutine that is blocked in c.
func SwitchCoro(c unsafe.Pointer) {
	coroswitch((*coro)(c))
}
