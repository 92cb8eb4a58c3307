package lint

import (
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"testing"
)

// Which calls a switch without a lock may come to.
func TestFastCalls(t *testing.T) {
	for body, want := range map[string][]string{
		"a(b())":                           {"a", "b"},
		"if c.mp != nil { a() }":           nil,
		"if gp.lockedm != 0 { a() }":       nil,
		"if (locked) { a() } else { b() }": {"b"},
		"if c.mp != nil || gp.lockedm != 0 { if mp != c.mp { a() } }":          nil,
		"if c.mp != nil || x() { a() }":                                        {"x", "a"},
		"if exit && c.mp != nil { a() }":                                       nil,
		"if mp != c.mp { a() }":                                                {"a"},
		"if gp.lockedm == 0 { a() }":                                           {"a"},
		"if raceenabled { a() }":                                               nil,
		"if sys.DITSupported && x { a() }":                                     nil,
		"if goroutineProfile.active { a() }":                                   nil,
		"if !canCAS || gnext.bubble != nil || !s.CompareAndSwap(1, 2) { a() }": {"s.CompareAndSwap"},
		"if !s.CompareAndSwap(1, 2) || x { a() }":                              {"s.CompareAndSwap", "a"},
		"if !s.Load() { a() }":                                                 {"s.Load", "a"},
		"if other.active { a() }":                                              {"a"},
		"if !locked { a() }":                                                   {"a"},
		"if load() != 0 { a() }":                                               {"load", "a"},
		"if next == self { print(f()); throw(\"x\") }":                         nil,
		"if next == self { throw(\"x\"); a() }":                                {"throw", "a"},
		"for { if c.gp.cas(next, self) { break } }":                            {"c.gp.cas"},
		"func() { a() }()":                                                     {"func() { a() }", "a"},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "coro.go", "package runtime\nfunc coroswitch_m(gp *g) {\n"+body+"\n}\nfunc other() { z() }\n", 0)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, call := range fastCalls(file) {
			got = append(got, types.ExprString(call.Fun))
		}
		if len(want) > 0 && want[0] == "func() { a() }" {
			want[0] = got[0] // however it is printed
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: calls %q, want %q", body, got, want)
		}
	}
}
