// First is the program of the README: upstream kills it, gocoro runs it.
package main

import (
	"fmt"
	"iter"
	"runtime"
)

func main() {
	next, stop := iter.Pull(func(yield func(int) bool) { yield(42) })
	defer stop()
	runtime.LockOSThread()
	fmt.Println(next())
}
