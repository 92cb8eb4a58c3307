package main

import "testing"

// The usage line of each command, also of those that other programs run, names
// exactly its flags.
func TestUsage(t *testing.T) {
	for _, diff := range program.CheckUsage() {
		t.Error(diff)
	}
}
