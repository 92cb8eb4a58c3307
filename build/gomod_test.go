package main

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/mod/modfile"
)

// A user whose GOTOOLCHAIN is line go1.22 runs this driver with Go 1.22. That
// cannot compile it, and says which Go can, if it can read go.mod that far:
// what it does not know in it is an error of syntax.
func TestGoModIsReadByGo122(t *testing.T) {
	data, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	f, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"module", "go", "toolchain", "require", "exclude", "replace", "retract"}
	for _, x := range f.Syntax.Stmt {
		var words []string
		switch x := x.(type) {
		case *modfile.Line:
			words = x.Token
		case *modfile.LineBlock:
			words = x.Token
		default:
			continue // a comment
		}
		if !slices.Contains(known, words[0]) {
			t.Errorf("got a line %q in go.mod, want only what Go 1.22 knows: %q", words[0], known)
		}
	}
}
