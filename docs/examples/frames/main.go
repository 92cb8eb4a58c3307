// Frames is the shape of a game engine: it runs on a thread of its own, which C
// has created, and calls Go once per frame. Scripts are coroutines: each frame
// resumes every one of them, whether it was started in main or in a frame.
package main

/*
#include <pthread.h>
#include <stdint.h>

extern int goFrame(uintptr_t h, int frame);

static void *engine(void *h) {
	for (int frame = 1; goFrame((uintptr_t)h, frame); frame++)
		;
	return 0;
}

// runEngine runs the engine on a new thread until it ends.
static void runEngine(uintptr_t h) {
	pthread_t t;
	if (pthread_create(&t, 0, engine, (void *)h) == 0)
		pthread_join(t, 0);
}
*/
import "C"

import (
	"fmt"
	"iter"
	"runtime/cgo"
)

// walk is a script: where it is, frame by frame.
func walk(name string, steps int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for x := range steps {
			if !yield(fmt.Sprintf("%s is at %d", name, x)) {
				return
			}
		}
	}
}

type game struct {
	scripts []func() (string, bool)
}

func (g *game) start(script iter.Seq[string]) {
	next, _ := iter.Pull(script)
	g.scripts = append(g.scripts, next)
}

//export goFrame
func goFrame(h C.uintptr_t, frame C.int) C.int {
	g := cgo.Handle(h).Value().(*game)
	if frame == 2 {
		g.start(walk("the dog", 2)) // on the engine's thread
	}
	alive := 0
	for _, next := range g.scripts {
		if s, ok := next(); ok {
			fmt.Printf("frame %d: %s\n", frame, s)
			alive++
		}
	}
	if alive > 0 {
		return 1
	}
	return 0
}

func main() {
	g := new(game)
	g.start(walk("the hero", 4)) // not on the engine's thread
	h := cgo.NewHandle(g)
	C.runEngine(C.uintptr_t(h))
	h.Delete()
	fmt.Println("the game is over")
}
