package progress

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

var seconds = regexp.MustCompile(`\d+\.\ds`)

// screen returns what a terminal shows of the output, with all times 0: what
// follows a "clear the line" overwrites what was in it.
func screen(out string) string {
	lines := strings.Split(seconds.ReplaceAllString(out, "0.0s"), "\n")
	for i, l := range lines {
		parts := strings.Split(l, "\r\x1b[K")
		lines[i] = parts[len(parts)-1]
	}
	return strings.Join(lines, "\n")
}

func TestLive(t *testing.T) {
	var buf bytes.Buffer
	r := &Reporter{W: &buf, Live: true, Width: 40}
	s := r.Start("make", "äöü "+strings.Repeat("long ", 20))
	for _, part := range strings.Split(buf.String(), "\r\x1b[K") {
		if n := len([]rune(part)); n > 39 {
			t.Errorf("live line of %d columns on a terminal of 40: %q", n, part)
		}
	}
	if got := screen(buf.String()); !strings.HasPrefix(got, "make     0.0s  äöü long") || strings.Contains(got, "\n") {
		t.Errorf("screen after Start: %q", got)
	}
	r.Printf("a message")
	s.Detail("detail")
	if got, want := screen(buf.String()), "a message\nmake     0.0s  detail"; got != want {
		t.Errorf("screen after Detail: %q, want %q", got, want)
	}
	s.Done("result")
	s.Detail("too late")
	r.Start("tree", "").Fail()
	if got, want := screen(buf.String()), "a message\nmake     0.0s  result\ntree     FAILED 0.0s\n"; got != want {
		t.Errorf("screen at the end: %q, want %q", got, want)
	}
}

func TestPlain(t *testing.T) {
	var buf bytes.Buffer
	r := &Reporter{W: &buf}
	s := r.Start("make", "what")
	s.Detail("detail")
	s.Done("result")
	want := "make     what\nmake     0.0s  detail\nmake     0.0s  result\n"
	if got := screen(buf.String()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if strings.ContainsAny(buf.String(), "\r\x1b") {
		t.Errorf("control characters where no terminal is: %q", buf.String())
	}
}
