// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package corotest

import (
	"io"
	"os"
	"runtime/trace"
)

// TraceFile traces the execution, to the file that CORO_TRACE names if it does,
// until the function it returns is called.
func TraceFile() (stop func()) {
	w := io.WriteCloser(nopCloser{io.Discard})
	if name := os.Getenv("CORO_TRACE"); name != "" {
		f, err := os.Create(name)
		if err != nil {
			Fatal(err)
		}
		w = f
	}
	if err := trace.Start(w); err != nil {
		Fatal(err)
	}
	return func() {
		trace.Stop()
		if err := w.Close(); err != nil {
			Fatal(err)
		}
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
