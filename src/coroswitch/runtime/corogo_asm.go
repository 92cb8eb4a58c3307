// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build (amd64 || arm64) && !race

package runtime

import _ "unsafe"

// coroDirect says whether corogo can switch directly.
const coroDirect = true

//go:linknamestd corogo

// corogo is coroswitch, but it switches directly from the calling goroutine to
// the one blocked in c where it may. See corogo.go.
func corogo(c *coro)
