package main

import (
	"strings"
	"sync"
	"testing"
	"time"

	"gocoro/build/progress"
)

// lines is what a reporter writes, for a test to read while it writes.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), s)
}

// A long step says that it is at work where no terminal shows the time.
func TestStill(t *testing.T) {
	out := new(lines)
	step := (&progress.Reporter{W: out}).Start("api", "making it")
	stop := still(step, "making it", time.Millisecond)
	for deadline := time.Now().Add(10 * time.Second); out.count("still making it, for ") < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("got %q, want the step to say three times that it is at work", out.text.String())
		}
	}
	stop()
	step.Done("made")
}
