// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build !darwin && !linux

package corotest

// ThreadID returns the id of the calling thread, or 0 if unknown.
func ThreadID() int { return 0 }
