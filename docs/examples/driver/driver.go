// Driver is the shape of a database driver that is written in Go and loaded
// from C: built with -buildmode=c-shared, it gives C a cursor over an iterator.
// C opens it in one call, reads it in others, and closes it where it likes.
package main

/*
#include <stdint.h>
*/
import "C"

import (
	"iter"
	"runtime/cgo"
)

type cursor struct {
	next func() (int, bool)
	stop func()
}

func squares(yield func(int) bool) {
	for i := 1; yield(i * i); i++ {
	}
}

//export cursorOpen
func cursorOpen() C.uintptr_t {
	next, stop := iter.Pull(iter.Seq[int](squares))
	return C.uintptr_t(cgo.NewHandle(&cursor{next, stop}))
}

//export cursorNext
func cursorNext(h C.uintptr_t) C.int {
	v, _ := cgo.Handle(h).Value().(*cursor).next()
	return C.int(v)
}

//export cursorClose
func cursorClose(h C.uintptr_t) {
	cgo.Handle(h).Value().(*cursor).stop()
	cgo.Handle(h).Delete()
}

func main() {}
