package fuzz

import (
	_ "embed"
	"fmt"
	"go/format"
	"strings"

	"gocoro/ci/fuzz/program"
)

//go:embed interp/support.go
var support string

// place is the line of support.go that gives way to the program.
const place = "// The program goes here when it is printed as one file.\n"

// Source returns the program as one Go file that can be run. about goes into
// the comment at its top.
func Source(p *program.Program, about string) ([]byte, error) {
	res, err := p.Run()
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, l := range strings.Split(strings.TrimSpace(about), "\n") {
		fmt.Fprintf(&b, "// %s\n", strings.TrimRight(l, " \t"))
	}
	head, tail, ok := strings.Cut(support, place)
	if !ok {
		return nil, fmt.Errorf("support.go has no line %q", place)
	}
	b.WriteString(head)
	settings := fmt.Sprintf("settings{procs: %d, noise: %d, main: %t, trace: %t, deadlock: %t}", p.Procs, p.Noise, p.Main, p.Trace, res.Deadlock)
	if len(p.Init) > 0 {
		fmt.Fprintf(&b, "func init() {\nflag.Parse()\nprelude(%s, func(g *G) {\n", settings)
		writeBody(&b, p.Init, 0)
		b.WriteString("})\n}\n\n")
	}
	fmt.Fprintf(&b, "func main() {\nflag.Parse()\nstart(%s", settings)
	for _, r := range p.Roots {
		b.WriteString(", func(g *G) {\n")
		writeBody(&b, r, 0)
		b.WriteString("}")
	}
	b.WriteString(")\n}\n\n")
	b.WriteString(tail)
	return format.Source([]byte(b.String()))
}

// writeBody writes the statements of a body inside depth iterators, which
// have the names it1, it2, and so on.
func writeBody(b *strings.Builder, ops []program.Op, depth int) {
	for _, op := range ops {
		nested := func(open string, depth int, end string) {
			b.WriteString(open)
			writeBody(b, op.Body, depth)
			b.WriteString(end)
		}
		switch op.Kind {
		case program.Lock, program.Unlock, program.Join, program.Goexit:
			fmt.Fprintf(b, "g.%s()\n", op.Kind)
		case program.Next, program.Stop, program.Panic:
			fmt.Fprintf(b, "g.%s(%d)\n", op.Kind, op.N)
		case program.Yield:
			it := "nil"
			if op.N < depth {
				it = fmt.Sprintf("it%d", depth-op.N)
			}
			fmt.Fprintf(b, "g.yield(%s, %d)\n", it, op.N)
		case program.Pull:
			nested(fmt.Sprintf("g.pull(%d, func(g *G, it%d *iterator) {\n", op.N, depth+1), depth+1, "})\n")
		case program.Go:
			nested("g.goAndWait(func(g *G) {\n", depth, "})\n")
		case program.Fork:
			nested("g.fork(func(g *G) {\n", depth, "})\n")
		case program.Thread:
			nested(fmt.Sprintf("g.cthread(%d, func(g *G) {\n", op.N), depth, "})\n")
		case program.Callback, program.Try:
			nested(fmt.Sprintf("g.%s(func() {\n", op.Kind), depth, "})\n")
		case program.Loop:
			nested(fmt.Sprintf("g.loop(%d, func() {\n", op.N), depth, "})\n")
		case program.Defer:
			nested("defer func() {\n", depth, "}()\n")
			b.WriteString("g.deferred()\n")
		default:
			fmt.Fprintf(b, "g.quiet(%q, %d)\n", string(op.Kind), op.N)
		}
	}
}
