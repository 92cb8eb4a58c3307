package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// TestReleases runs the commands of the program for releases as people type
// them. (The stories run that program itself, for they are not in a checkout
// that has its sources.)
func TestReleases(t *testing.T) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("go", "run", ".", "dist", "-platform", "plan9/386")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err == nil || !strings.HasPrefix(stderr.String(), `go run ./build: unknown platform "plan9/386"`) {
		t.Errorf("%v: %v\n%s", cmd, err, stderr.String())
	}
}
