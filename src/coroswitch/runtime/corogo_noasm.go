// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build race || (!amd64 && !arm64)

package runtime

import _ "unsafe"

// coroDirect says whether corogo can switch directly.
const coroDirect = false

//go:linknamestd corogo

// corogo is coroswitch. Other ports have a direct switch.
func corogo(c *coro) {
	coroswitch(c)
}
