// Interp runs one program of the coroutine fuzzer, which it reads from standard
// input or generates from a seed, and prints the logs of its goroutines. The
// toolchain under test compiles it. Its exit status is 0 if the program ran, 3 if a
// check inside it failed, and, as of every Go program, 2 if it died.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"

	"gocoro/ci/fuzz/program"
)

var (
	prog     *program.Program
	deadlock bool // the program is expected to
)

// This init runs before support.go's, so prog.Init runs before the main goroutine is
// locked by LockOSThread.
func init() {
	seed := flag.Uint64("seed", 0, "generate the program of this seed instead of reading one")
	size := flag.Int("size", 40, "of about this many operations")
	list := flag.Bool("list", false, "print the program, do not run it")
	fault := flag.String("fault", "", "break Pull on purpose: drop, move, crash, hang or starve")
	flag.Parse()
	if err := prepare(*seed, *size, *list, *fault); err != nil {
		fmt.Fprintln(os.Stderr, "interp:", err)
		os.Exit(4)
	}
	if len(prog.Init) > 0 {
		prelude(func(g *G) { exec(g, nil, prog.Init) })
	}
}

func main() {
	var roots []func(*G)
	for _, r := range prog.Roots {
		roots = append(roots, func(g *G) { exec(g, nil, r) })
	}
	start(roots)
}

// prepare gets the program, or prints it and exits.
func prepare(seed uint64, size int, list bool, fault string) error {
	var p *program.Program
	if seed != 0 {
		p = program.Generate(seed, size)
	} else {
		text, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		if p, err = program.Parse(string(text)); err != nil {
			return err
		}
	}
	if list {
		fmt.Print(p)
		os.Exit(0)
	}
	// The interpreter must know only whether the program deadlocks.
	want, err := p.Run()
	if err != nil {
		return err
	}
	choosePull()
	prog, deadlock = p, want.Deadlock
	return plant(fault)
}

// exec runs a body. env has the enclosing iterators, the innermost last.
func exec(g *G, env []*iterator, ops []program.Op) {
	for i := range ops {
		op := &ops[i]
		here := func() { exec(g, env, op.Body) }
		there := func(g *G) { exec(g, env, op.Body) }
		switch op.Kind {
		case program.Lock:
			g.lock()
		case program.Unlock:
			g.unlock()
		case program.Next:
			g.next(op.N)
		case program.Stop:
			g.stop(op.N)
		case program.Yield:
			var it *iterator
			if op.N < len(env) {
				it = env[len(env)-1-op.N]
			}
			g.yield(it, op.N)
		case program.Pull:
			g.pull(op.N, func(g *G, it *iterator) {
				exec(g, append(slices.Clip(env), it), op.Body)
			})
		case program.Go:
			<-g.spawn(there)
			g.event("go")
		case program.Fork:
			g.forks = append(g.forks, g.spawn(there))
			g.event("fork")
		case program.Join:
			g.join()
		case program.Callback:
			g.callback(here)
		case program.Thread:
			g.cthread(op.N, there)
		case program.Try:
			g.try(here)
		case program.Defer:
			defer here()
			g.event("defer")
		case program.Loop:
			for range op.N {
				here()
			}
			g.event("loop")
		case program.Panic:
			panic(fmt.Sprint("fault ", op.N))
		case program.Goexit:
			runtime.Goexit()
		case program.Beside:
			g.beside(op.N)
		default:
			g.quiet(string(op.Kind), op.N)
		}
	}
}
