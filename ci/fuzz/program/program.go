// Package program has the random programs of the coroutine fuzzer: what they
// are, how they are written down, how they are generated, and a model that
// says what each must do.
//
// A program is a tree of operations on goroutines, iterators (made by a Pull
// function), thread locks, C calls, panics and Goexits. It is deterministic: what its
// goroutines see does not depend on the scheduler. Goroutines interact only by next,
// stop and yield of an iterator, and when one waits for another to end. The model
// rejects a program in which two goroutines could use one side of an iterator at the
// same time. So each goroutine has one possible log, and the logs of two runs must be
// equal, whatever Pull is made of.
package program

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Kind is what an operation does.
type Kind string

const (
	Mark   Kind = "mark"   // nothing
	Lock   Kind = "lock"   // runtime.LockOSThread
	Unlock Kind = "unlock" // runtime.UnlockOSThread

	Next  Kind = "next"  // next of the iterator in slot N
	Stop  Kind = "stop"  // stop of the iterator in slot N
	Yield Kind = "yield" // yield to the Nth enclosing iterator, 0 the innermost
	Pull  Kind = "pull"  // puts a new iterator, that runs Body, into slot N

	Go       Kind = "go"       // runs Body on a new goroutine and waits for its end
	Fork     Kind = "fork"     // runs Body on a new goroutine
	Join     Kind = "join"     // waits for all that this goroutine forked
	Callback Kind = "callback" // calls C, which calls back to run Body
	Thread   Kind = "thread"   // makes a thread in C that calls Go to run Body, N times, and joins it

	Try    Kind = "try"    // runs Body and recovers from a panic
	Defer  Kind = "defer"  // runs Body when the enclosing body ends
	Loop   Kind = "loop"   // runs Body N times
	Panic  Kind = "panic"  // panics with N
	Goexit Kind = "goexit" // runtime.Goexit

	Gosched Kind = "gosched"
	GC      Kind = "gc"
	Grow    Kind = "grow"    // needs N KiB of stack
	Block   Kind = "block"   // waits on a channel for a partner goroutine
	Spin    Kind = "spin"    // computes for about N microseconds
	Sleep   Kind = "sleep"   // sleeps N microseconds
	Syscall Kind = "syscall" // is in a system call for N microseconds
	CCall   Kind = "ccall"   // is in a C call for N microseconds
	World   Kind = "world"   // stops the world
	Procs   Kind = "procs"   // sets GOMAXPROCS to N
	Timer   Kind = "timer"   // waits for a function that time.AfterFunc calls after N microseconds
	Signal  Kind = "signal"  // sends the process a signal that only the runtime handles
	Exec    Kind = "exec"    // runs another program
	Late    Kind = "late"    // makes a thread in C that first calls Go after N microseconds
	Beside  Kind = "beside"  // drives an iterator while a bystander of the Nth kind has its turns

	BesideLocked = 3 // this many kinds of bystanders; from here on the iterator has a lock of its own
)

// kinds says of every kind whether it has an argument, and whether it has a body.
var kinds = map[Kind]struct{ arg, body bool }{
	Mark: {}, Lock: {}, Unlock: {},
	Next: {arg: true}, Stop: {arg: true}, Yield: {arg: true}, Pull: {true, true},
	Go: {body: true}, Fork: {body: true}, Join: {}, Callback: {body: true}, Thread: {true, true},
	Try: {body: true}, Defer: {body: true}, Loop: {true, true}, Panic: {arg: true}, Goexit: {},
	Gosched: {}, GC: {}, Grow: {arg: true}, Block: {}, Spin: {arg: true}, Sleep: {arg: true},
	Syscall: {arg: true}, CCall: {arg: true}, World: {}, Procs: {arg: true},
	Timer: {arg: true}, Signal: {}, Exec: {}, Late: {arg: true}, Beside: {arg: true},
}

// Slots is how many iterators a root and the goroutines below it can hold at a time.
const Slots = 4

// An Op is an operation.
type Op struct {
	Kind Kind
	N    int
	Body []Op
}

// A Program is what runs in one process.
type Program struct {
	Procs int  // GOMAXPROCS
	Noise int  // goroutines outside of the program that only keep the scheduler busy
	Main  bool // the first root is the main goroutine, locked to the main thread
	Trace bool // the execution tracer is on

	Init  []Op   // what the main goroutine does before its root, when packages are initialized
	Roots [][]Op // a goroutine each, with slots of its own
}

// Size returns the number of operations.
func (p *Program) Size() int {
	n := 0
	p.Walk(func(*Op) { n++ })
	return n
}

// Walk calls f for every operation, in the order of the text.
func (p *Program) Walk(f func(*Op)) {
	walk(p.Init, f)
	for _, r := range p.Roots {
		walk(r, f)
	}
}

func walk(ops []Op, f func(*Op)) {
	for i := range ops {
		f(&ops[i])
		walk(ops[i].Body, f)
	}
}

// Clone returns a deep copy.
func (p *Program) Clone() *Program {
	q := *p
	q.Init = cloneOps(p.Init)
	q.Roots = make([][]Op, len(p.Roots))
	for i, r := range p.Roots {
		q.Roots[i] = cloneOps(r)
	}
	return &q
}

func cloneOps(ops []Op) []Op {
	ops = slices.Clone(ops)
	for i := range ops {
		ops[i].Body = cloneOps(ops[i].Body)
	}
	return ops
}

// Unlocked returns the program without thread locks and C calls. The bodies of
// callbacks stay, and threads made by C become goroutines.
func (p *Program) Unlocked() *Program {
	q := p.Clone()
	q.Main = false
	var strip func([]Op) []Op
	strip = func(ops []Op) []Op {
		var out []Op
		for _, op := range ops {
			op.Body = strip(op.Body)
			switch op.Kind {
			case Lock, Unlock, CCall, Late:
			case Beside:
				op.N %= BesideLocked
				out = append(out, op)
			case Callback:
				op.Kind, op.N = Loop, 1
				out = append(out, op)
			case Thread:
				n := op.N
				op.Kind, op.N = Go, 0
				out = append(out, Op{Kind: Loop, N: n, Body: []Op{op}})
			default:
				out = append(out, op)
			}
		}
		return out
	}
	for i := range q.Roots {
		q.Roots[i] = strip(q.Roots[i])
	}
	if len(q.Init) > 0 {
		q.Roots[0] = append([]Op{{Kind: Try, Body: strip(q.Init)}}, q.Roots[0]...)
		q.Init = nil
	}
	return q
}

// String returns the program as text: its settings, then its roots, a line an
// operation, each body one tab deeper than what it belongs to.
func (p *Program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "procs %d\n", p.Procs)
	if p.Noise > 0 {
		fmt.Fprintf(&b, "noise %d\n", p.Noise)
	}
	if p.Main {
		b.WriteString("main\n")
	}
	if p.Trace {
		b.WriteString("trace\n")
	}
	var write func([]Op, int)
	write = func(ops []Op, depth int) {
		for _, op := range ops {
			fmt.Fprintf(&b, "%s%s\n", strings.Repeat("\t", depth), op.text())
			write(op.Body, depth+1)
		}
	}
	if len(p.Init) > 0 {
		b.WriteString("init\n")
		write(p.Init, 1)
	}
	for _, r := range p.Roots {
		b.WriteString("root\n")
		write(r, 1)
	}
	return b.String()
}

func (op *Op) text() string {
	if kinds[op.Kind].arg {
		return fmt.Sprintf("%s %d", op.Kind, op.N)
	}
	return string(op.Kind)
}

// Parse reads what String wrote. It skips empty lines and lines that start with #.
func Parse(text string) (*Program, error) {
	p := &Program{Procs: 1}
	// bodies[d] is where an operation with d tabs belongs.
	var bodies []*[]Op
	for i, line := range strings.Split(text, "\n") {
		content := strings.TrimLeft(line, "\t")
		if content == "" || strings.HasPrefix(content, "#") {
			continue
		}
		depth := len(line) - len(content)
		bad := func(what string) error { return fmt.Errorf("line %d: %q: %s", i+1, line, what) }
		f := strings.Fields(content)
		n := 0
		if len(f) == 2 {
			var err error
			if n, err = strconv.Atoi(f[1]); err != nil || n < 0 || n > 1<<20 {
				return nil, bad("the argument is no number of a reasonable size")
			}
		}
		if len(f) > 2 {
			return nil, bad("want a word and at most one number")
		}
		if depth == 0 {
			switch f[0] {
			case "procs":
				p.Procs = max(n, 1)
			case "noise":
				p.Noise = n
			case "main":
				p.Main = true
			case "trace":
				p.Trace = true
			case "init":
				p.Main, p.Init = true, nil
				bodies = []*[]Op{nil, &p.Init}
			case "root":
				p.Roots = append(p.Roots, nil)
				bodies = []*[]Op{nil, &p.Roots[len(p.Roots)-1]}
			default:
				return nil, bad("want procs, noise, main, trace, init or root")
			}
			continue
		}
		k, ok := kinds[Kind(f[0])]
		switch {
		case !ok:
			return nil, bad("no such operation")
		case k.arg != (len(f) == 2):
			return nil, bad("wrong number of arguments")
		case (f[0] == "next" || f[0] == "stop" || f[0] == "pull") && n >= Slots:
			return nil, bad(fmt.Sprintf("there are %d slots", Slots))
		case f[0] == "beside" && n >= 2*BesideLocked:
			return nil, bad(fmt.Sprintf("there are %d kinds", 2*BesideLocked))
		case depth >= len(bodies) || bodies[depth] == nil:
			return nil, bad("too deep: it belongs to nothing")
		}
		body := bodies[depth]
		*body = append(*body, Op{Kind: Kind(f[0]), N: n})
		bodies = append(bodies[:depth+1], nil)
		if k.body {
			bodies[depth+1] = &(*body)[len(*body)-1].Body
		}
	}
	if len(p.Roots) == 0 {
		return nil, fmt.Errorf("no root in the program")
	}
	return p, nil
}
