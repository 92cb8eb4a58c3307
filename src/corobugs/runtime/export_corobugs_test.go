// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime

// WaitSince returns the time from which on the calling goroutine is taken to
// wait, 0 if it is not.
func WaitSince() int64 { return getg().waitsince }
