// Interp runs one program of the coroutine fuzzer, which it reads from
// standard input or generates from a seed, and prints what its goroutines
// saw. It is compiled with the toolchain under test. Its exit status is 0 if
// the program ran, 3 if a check inside it failed, and 2 if it died, as is that
// of every Go program.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"gocoro/ci/fuzz/program"
)

var (
	prog *program.Program
	set  settings
)

// What the program does in init is done before support.go's init.
func init() {
	seed := flag.Uint64("seed", 0, "generate the program of this seed instead of reading one")
	size := flag.Int("size", 40, "of about this many operations")
	list := flag.Bool("list", false, "print the program, do not run it")
	fault := flag.String("fault", "", "break Pull on purpose: drop, move, crash or hang")
	flag.Parse()
	if err := prepare(*seed, *size, *list, *fault); err != nil {
		fmt.Fprintln(os.Stderr, "interp:", err)
		os.Exit(4)
	}
	if len(prog.Init) > 0 {
		prelude(set, func(g *G) { exec(g, nil, prog.Init) })
	}
}

func main() {
	var roots []func(*G)
	for _, r := range prog.Roots {
		roots = append(roots, func(g *G) { exec(g, nil, r) })
	}
	start(set, roots...)
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
	// Only whether it deadlocks must be known.
	want, err := p.Run()
	if err != nil {
		return err
	}
	choosePull()
	prog, set = p, settings{procs: p.Procs, noise: p.Noise, main: p.Main, trace: p.Trace, deadlock: want.Deadlock}
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
				exec(g, append(env[:len(env):len(env)], it), op.Body)
			})
		case program.Go:
			g.goAndWait(there)
		case program.Fork:
			g.fork(there)
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
			g.deferred()
		case program.Loop:
			g.loop(op.N, here)
		case program.Panic:
			g.panic(op.N)
		case program.Goexit:
			g.goexit()
		default:
			g.quiet(string(op.Kind), op.N)
		}
	}
}
