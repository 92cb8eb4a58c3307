package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"gocoro/build/release"
)

// TestReleases runs the commands of the program for releases as people type
// them. (The stories run that program itself, for they are not in a checkout
// that has its sources.)
func TestReleases(t *testing.T) {
	for _, c := range release.Program.Commands {
		i := -1
		for j := range program.Commands {
			if program.Commands[j].Name == c.Name {
				i = j
			}
		}
		if i < 0 || program.Commands[i].Short != c.Short || program.Commands[i].Program != releases {
			t.Errorf("go run ./build has no row for %s with the words %q", c.Name, c.Short)
		}
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("go", "run", ".", "dist", "-platform", "plan9/386")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err == nil || !strings.HasPrefix(stderr.String(), `go run ./build: unknown platform "plan9/386"`) {
		t.Errorf("%v: %v\n%s", cmd, err, stderr.String())
	}
	cmd = exec.Command("go", "run", ".", "help", "verify")
	if out, err := cmd.Output(); err != nil || !bytes.HasPrefix(out, []byte("Usage: go run ./build verify [-line L]")) {
		t.Errorf("%v: %v\n%s", cmd, err, out)
	}
}
