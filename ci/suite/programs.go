package suite

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"

	"gocoro/build/line"
)

// Rules say what a line's runtime does at a coroutine switch when the OS-thread
// locks are not those under which the coroutine was made.
type Rules string

const (
	Matched Rules = "matched" // the program dies: line go1.22
	Shared  Rules = "shared"  // the program continues: docs/corolock.md
)

// upstreamLocks is the setting that selects upstream's rules on a line with the
// shared-lock rules.
const upstreamLocks = "GODEBUG=corolock=0"

// upstreamDeath is in the output of a program that dies by upstream's rules.
const upstreamDeath = "OS thread locking must match"

// sharedOverlay is the overlay of the lines that have the shared-lock rules.
const sharedOverlay = "corolock"

// RulesOf returns the rules of a line, by its overlays.
func RulesOf(l *line.Line) Rules {
	if slices.Contains(l.Pin.Overlays, sharedOverlay) {
		return Shared
	}
	return Matched
}

// A Program is a program of testdata/testprog or testdata/testprogcgo that a
// test of a line runs, or a test that is a program of its own.
type Program struct {
	Test   string // the test that runs it: "TestCoroLockOSThread/CoroLockOSThreadLock"
	Binary string // the directory of runtime/testdata that it is in; empty: the test itself
	Name   string
	Env    []string // what the test sets for it
	Expect string   // what it must print after its first line; empty: the first line tells

	// Control says that the program must fail on the line's stock upstream,
	// with the same test: it is part of the negative control.
	Control bool
}

// contract is the 19 programs of TestCoroLockOSThread and TestCoroCgoCallback.
// The list is not taken from the tests, so that a test that loses a program is
// noticed.
var contract = []struct {
	name  string
	dies  bool // by the matched-lock rules; with shared locks it runs to its end
	fails bool // on stock go1.22.12; measured on linux/amd64 and, emulated, on arm64
}{
	{"CoroLockOSThreadIterLock", false, false},
	{"CoroLockOSThreadIterLockYield", true, true},
	{"CoroLockOSThreadLock", false, false},
	{"CoroLockOSThreadLockIterNested", false, false},
	{"CoroLockOSThreadLockIterLock", false, true},
	{"CoroLockOSThreadLockIterLockYield", true, true},
	{"CoroLockOSThreadLockIterYieldNewG", true, true},
	{"CoroLockOSThreadLockAfterPull", true, true},
	{"CoroLockOSThreadStopLocked", false, false},
	{"CoroLockOSThreadStopLockedIterNested", false, false},
	{"CoroCgoIterCallback", false, false},
	{"CoroCgoIterCallbackYield", true, true},
	{"CoroCgoCallback", false, true},
	{"CoroCgoCallbackIterNested", false, true},
	{"CoroCgoCallbackIterCallback", false, true},
	{"CoroCgoCallbackIterCallbackYield", true, true},
	{"CoroCgoCallbackAfterPull", true, true},
	{"CoroCgoStopCallback", false, true},
	{"CoroCgoStopCallbackIterNested", false, true},
}

// Programs returns the programs of a line: the 19, and where locks are shared
// the same with upstream's rules and those of the overlay's own table.
func Programs(l *line.Line) ([]Program, error) {
	rules := RulesOf(l)
	list, err := bugPrograms(l)
	if err != nil {
		return nil, err
	}
	for _, c := range contract {
		p := Program{Test: "TestCoroLockOSThread/" + c.name, Binary: "testprog", Name: c.name, Control: c.fails}
		if strings.HasPrefix(c.name, "CoroCgo") {
			p.Test, p.Binary = "TestCoroCgoCallback/"+c.name, "testprogcgo"
		}
		if rules != Shared {
			list = append(list, p)
			continue
		}
		// This test expects OK of all programs, and then runs each of them again
		// with upstream's rules. Where single programs run, only that second run
		// has this name: TestCoroLockUpstream is the first.
		p.Control = c.dies
		off := p
		off.Env = []string{upstreamLocks}
		if c.dies {
			off.Expect = upstreamDeath
		}
		p.Test = "TestCoroLockUpstream/" + p.Binary + "/" + c.name
		list = append(list, off, p)
	}
	if rules != Shared {
		return list, nil
	}
	const name = "src/runtime/corolock_test.go"
	overlay, err := l.Overlay()
	if err != nil {
		return nil, err
	}
	for _, f := range overlay {
		if f.Name == name {
			own, err := sharedPrograms(f.Path)
			return append(list, own...), err
		}
	}
	return nil, fmt.Errorf("line %s has overlay %s and no file %s, which lists the programs of the shared-lock rules", l.Name, sharedOverlay, path.Base(name))
}

// bugsFiles is the pattern of the overlay's files with the tests of the
// coroutine bugs that the line's release has. A test for one architecture alone
// is in a file of another name: it cannot fail on the others.
const bugsFiles = "src/runtime/coro_bugs*_test.go"

// bugsOverlay is the overlay that has only such files. (TestExpected of package
// plan counts the tests of line go1.22.)
const bugsOverlay = "corobugs"

// bugPrograms returns the tests of the bugs that the line repairs. Each of them
// must fail on stock upstream.
func bugPrograms(l *line.Line) ([]Program, error) {
	overlay, err := l.Overlay()
	if err != nil {
		return nil, err
	}
	var list []Program
	for _, of := range overlay {
		if ok, err := path.Match(bugsFiles, of.Name); err != nil || !ok {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), of.Path, nil, 0)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && isTest(fn) {
				list = append(list, Program{Test: fn.Name.Name, Name: fn.Name.Name, Control: true})
			}
		}
	}
	if len(list) == 0 && slices.Contains(l.Pin.Overlays, bugsOverlay) {
		return nil, fmt.Errorf("line %s has overlay %s and no tests in %s", l.Name, bugsOverlay, bugsFiles)
	}
	return list, nil
}

// sharedPrograms reads the tables of programs in the overlay's test: composite
// literals with the keys name, off (how the program ends under upstream's rules)
// and offVaries. A program that may run to its end under those is no control.
func sharedPrograms(file string) ([]Program, error) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		return nil, err
	}
	var list []Program
	for _, t := range []struct{ table, binary string }{{"coroLockProgs", "testprog"}, {"coroLockCgoProgs", "testprogcgo"}} {
		n := len(list)
		ast.Inspect(f, func(node ast.Node) bool {
			if v, ok := node.(*ast.ValueSpec); ok && v.Names[0].Name != t.table {
				return false
			}
			lit, ok := node.(*ast.CompositeLit)
			if !ok {
				_, isFunc := node.(*ast.FuncDecl)
				return !isFunc
			}
			p := Program{Binary: t.binary, Control: true}
			for _, e := range lit.Elts {
				kv, ok := e.(*ast.KeyValueExpr)
				if !ok {
					return true
				}
				value := ""
				if b, ok := kv.Value.(*ast.BasicLit); ok {
					value, _ = strconv.Unquote(b.Value)
				}
				switch key, _ := kv.Key.(*ast.Ident); {
				case key == nil:
				case key.Name == "name":
					p.Name = value
				case key.Name == "off" && value == "OK", key.Name == "offVaries":
					p.Control = false
				}
			}
			if p.Name != "" {
				p.Test = "TestCoroLock/" + t.binary + "/" + p.Name
				list = append(list, p)
			}
			return true
		})
		if len(list) == n {
			return nil, fmt.Errorf("%s has no table %s with programs: the way the CI finds them no longer fits the file", file, t.table)
		}
	}
	return list, nil
}

// Tests returns the names of the programs' tests, sorted.
func Tests(programs []Program) []string {
	var names []string
	for _, p := range programs {
		names = append(names, p.Test)
	}
	slices.Sort(names)
	return names
}
