package progress

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
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

// A command that fails is told with the end of its output, a last line without
// a newline included; the log has all of it.
func TestRun(t *testing.T) {
	log := filepath.Join(t.TempDir(), "logs", "x.log")
	r := &Reporter{W: new(bytes.Buffer)}
	lines := 0
	cmd := exec.Command("sh", "-c", "for i in 1 2 3 4 5; do for j in 0 1 2 3 4 5 6 7 8 9; do echo $i$j; done; done; printf end; exit 7")
	err := r.Run(context.Background(), "the command", cmd, log, func(string) { lines++ })
	var ce *CommandError
	if !errors.As(err, &ce) {
		t.Fatalf("error %v, want a CommandError", err)
	}
	ce.Next = "do this"
	want := "the command: exit status 7\n\t| 21\n"
	if got := err.Error(); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\t| 59\n\t| end\n\tfull log: "+log+"\n\tnext: do this") {
		t.Errorf("error:\n%v", got)
	}
	if len(ce.Tail) != 40 || lines != 51 {
		t.Errorf("%d lines of tail and %d of output, want 40 and 51", len(ce.Tail), lines)
	}
}

func TestShellQuote(t *testing.T) {
	for _, s := range []string{"", "plain", "a b", "it's", "$HOME", `back\slash`, "~", "a;b", "line\nline"} {
		out, err := exec.Command("sh", "-c", "printf %s "+ShellQuote(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("the shell reads %s as %q (%v), want %q", ShellQuote(s), out, err, s)
		}
	}
}
