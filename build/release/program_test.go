package release

import "testing"

// The usage line of each command names exactly its flags.
func TestUsage(t *testing.T) {
	for _, diff := range Program.CheckUsage() {
		t.Error(diff)
	}
}
