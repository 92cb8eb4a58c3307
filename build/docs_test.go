package main

import (
	"os"
	"strings"
	"testing"
)

// The README begins with the first example, which the suite user builds and
// runs.
func TestReadmeExample(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("../docs/examples/first/main.go")
	if err != nil {
		t.Fatal(err)
	}
	output, err := os.ReadFile("../docs/examples/first/output.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(program), "package main\n")
	if code = "```go\npackage main\n" + code + "```\n"; !strings.Contains(string(readme), code) {
		t.Errorf("README.md does not have the program of docs/examples/first:\n%s", code)
	}
	if want := "`" + strings.TrimSpace(string(output)) + "`"; !strings.Contains(string(readme), want) {
		t.Errorf("README.md does not have the output of docs/examples/first, %s", want)
	}
}
