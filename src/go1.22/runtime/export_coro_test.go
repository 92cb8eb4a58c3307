// Copyright 2024 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Access to coroutines for coro_test.go.

package runtime

// CoroSwitchSelf switches to a coro that holds the calling goroutine, which
// cannot come about by newcoro and coroswitch alone.
func CoroSwitchSelf() {
	c := new(coro)
	c.gp.set(getg())
	coroswitch(c)
}
