// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// The program is for faults of callbacks from C and of threads of C.
package main

import (
	"fmt"
	"os"
)

var programs = map[string]func(){}

func main() {
	p, ok := programs[os.Args[1]]
	if !ok {
		fmt.Println("no such program")
		os.Exit(2)
	}
	p()
	fmt.Println("OK")
}
