package runner

import (
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	if got, want := pattern([]string{"TestA", "TestB/x/y"}), "^TestA$|^TestB$/^x$/^y$"; got != want {
		t.Errorf("pattern %q, want %q", got, want)
	}
	if got := pattern(nil); got != "^$" {
		t.Errorf("pattern of no tests %q, want one that matches none", got)
	}
}

// A test that is named must pass: one that fails, is skipped, or is not there at
// all does not.
func TestUnpassed(t *testing.T) {
	const ran = `{"Action":"run","Test":"TestA"}
{"Action":"pass","Test":"TestA"}
{"Action":"fail","Test":"TestB/x"}
{"Action":"fail","Test":"TestB"}
{"Action":"skip","Test":"TestC"}
{"Action":"fail","Package":"runtime"}
`
	names := func(s string) []string { return strings.Fields(s) }
	for _, test := range []struct {
		output string
		names  []string
		want   string
	}{
		{`{"Action":"pass","Test":"TestA"}`, names("TestA"), ""},
		{`{"Action":"pass","Package":"runtime"}`, nil, ""},
		{ran, names("TestA TestB TestC TestD"), "TestB/x failed\nTestB failed\nTestC was skipped\nTestD did not run\n"},
		{`{"Action":"build-output","Output":"proc.go:1: undefined: coroOf\n"}` + "\nFAIL\n", names("TestA"), "proc.go:1: undefined: coroOf\nFAIL\nTestA did not run\n"},
	} {
		if got := unpassed([]byte(test.output), test.names); got != test.want {
			t.Errorf("of %s:\ngot  %q\nwant %q", test.output, got, test.want)
		}
	}
}
