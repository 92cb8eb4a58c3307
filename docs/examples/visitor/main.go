// Visitor is the shape of a plug-in between two C libraries. One has a visitor,
// a function that calls back for each value. The other reads values one at a
// time, from a cursor. An iterator turns the first into the second.
//
// The visitor's C frames stay on the stack of a thread from one value to the
// next, so it needs a thread of its own. It has one if iter.Pull is called in a
// new goroutine. If iter.Pull is called in cursorOpen, the iterator borrows the
// thread of whoever calls cursorNext from C, and cursorNext cannot return below
// the visitor's frames. Run the example with the argument callback to see that.
package main

/*
#include <stdint.h>

extern int goVisit(uintptr_t yield, int value);
extern uintptr_t cursorOpen(void);
extern int cursorNext(uintptr_t cursor);
extern void cursorClose(uintptr_t cursor);

// visitSquares is the visitor. It returns when a callback says so.
static void visitSquares(uintptr_t yield) {
	for (int i = 1; goVisit(yield, i * i); i++)
		;
}

// readThree reads three values from a cursor.
static void readThree(int values[3]) {
	uintptr_t cursor = cursorOpen();
	for (int i = 0; i < 3; i++)
		values[i] = cursorNext(cursor);
	cursorClose(cursor);
}
*/
import "C"

import (
	"fmt"
	"iter"
	"os"
	"runtime/cgo"
)

// squares yields what the visitor visits, from inside of it.
func squares(yield func(int) bool) {
	h := cgo.NewHandle(yield)
	defer h.Delete()
	C.visitSquares(C.uintptr_t(h))
}

//export goVisit
func goVisit(h C.uintptr_t, value C.int) C.int {
	yield := cgo.Handle(h).Value().(func(int) bool)
	if yield(int(value)) {
		return 1
	}
	return 0
}

type cursor struct {
	next func() (int, bool)
	stop func()
}

// pull is iter.Pull for an iterator that needs a thread of its own.
func pull(seq iter.Seq[int]) (next func() (int, bool), stop func()) {
	made := make(chan bool)
	go func() {
		next, stop = iter.Pull(seq)
		close(made)
	}()
	<-made
	return next, stop
}

//export cursorOpen
func cursorOpen() C.uintptr_t {
	pull := pull
	if len(os.Args) > 1 && os.Args[1] == "callback" {
		pull = iter.Pull[int]
	}
	next, stop := pull(squares)
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

func main() {
	var values [3]C.int
	C.readThree(&values[0])
	fmt.Println("C has read", values)
}
