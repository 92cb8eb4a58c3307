// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Testcoroswitch uses iter.Pull in all ways that a direct coroutine switch must
// know, while everything goes on that stops it: see stress.go. Or it misuses
// iter.Pull: see misuse.go.
package main

import "os"

var programs = map[string]func(){}

func main() {
	if len(os.Args) > 1 {
		if f := programs[os.Args[1]]; f != nil {
			f()
			return
		}
	}
	println("usage: testcoroswitch Stress [duration] | Nexts | Yields | …")
	os.Exit(2)
}
