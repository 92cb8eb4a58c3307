// Eventloop is the shape of a GUI program: a C library runs its event loop on
// the main thread and calls back for each event. An iterator turns that inside
// out, so that the main goroutine, which is locked to the main thread, as GUI
// libraries demand, reads events in a plain loop.
package main

/*
#include <pthread.h>
#include <stdint.h>

extern int goEvent(uintptr_t h, int event);

// runLoop is the library's event loop: it returns when a callback says so.
static void runLoop(uintptr_t h) {
	for (int event = 1; goEvent(h, event); event++)
		;
}

static uint64_t thread(void) { return (uint64_t)pthread_self(); }
*/
import "C"

import (
	"fmt"
	"iter"
	"runtime"
	"runtime/cgo"
)

func init() { runtime.LockOSThread() } // main stays on the main thread

//export goEvent
func goEvent(h C.uintptr_t, event C.int) C.int {
	yield := cgo.Handle(h).Value().(func(int) bool)
	if yield(int(event)) {
		return 1
	}
	return 0
}

// events yields the events of C's loop, from inside of it.
func events(yield func(int) bool) {
	h := cgo.NewHandle(yield)
	defer h.Delete()
	C.runLoop(C.uintptr_t(h))
}

func main() {
	main := C.thread()
	next, stop := iter.Pull(iter.Seq[int](events))
	for {
		event, ok := next()
		if !ok {
			break
		}
		fmt.Printf("event %d, on the main thread: %t\n", event, C.thread() == main)
		if event == 5 {
			stop()
		}
	}
	fmt.Println("the loop has ended, on the main thread:", C.thread() == main)
}
