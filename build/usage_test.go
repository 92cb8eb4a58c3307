package main

import (
	"testing"

	"gocoro/build/command"
	"gocoro/build/release"
)

// The usage line of each command names exactly its flags.
func TestUsage(t *testing.T) {
	for _, p := range []*command.Program{&program, &release.Program} {
		for _, diff := range p.CheckUsage() {
			t.Error(diff)
		}
	}
}
