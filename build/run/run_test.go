//go:build unix

package run

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A grandchild in the same group, which holds the output pipe open, must die
// with the command, and Wait must not sit out the grandchild's sleep.
func TestCancelKillsDescendants(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := Command(ctx, "sh", "-c", "sleep 300 & echo $!; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	grandchild, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}

	start := time.Now()
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("Wait after cancel: got no error, want one")
	}
	// The kernel may need a moment to take the grandchild away; init or a
	// subreaper must wait for it as well, so a zombie counts as dead.
	for alive(grandchild) {
		if time.Since(start) > waitDelay {
			t.Fatalf("process %d, started by the command, lives on %v after the cancel", grandchild, time.Since(start))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// alive reports whether pid is a process that is not a zombie.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	state, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(state)), "Z")
}

// A grandchild that has left the group, as a daemon does, survives the kill
// and holds the pipe open for as long as it lives. It is not waited for.
func TestCancelLeavesDaemon(t *testing.T) {
	dir := t.TempDir()
	pid := filepath.Join(dir, "pid")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// This test's own binary is a setsid(1) that every system has.
	cmd := Command(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "RUN_TEST_DAEMON="+pid)
	done := make(chan error, 1)
	go func() { done <- Logged(ctx, "it", cmd, filepath.Join(dir, "log"), nil) }()
	var daemon int
	for daemon == 0 {
		select {
		case err := <-done:
			t.Fatalf("Logged: got %v before the cancel", err)
		case <-time.After(10 * time.Millisecond):
		}
		data, _ := os.ReadFile(pid)
		daemon, _ = strconv.Atoi(string(data))
	}
	defer syscall.Kill(daemon, syscall.SIGKILL)

	start := time.Now()
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Logged: got error %v, want %v", err, context.Canceled)
		}
	case <-time.After(waitDelay + 10*time.Second):
		t.Fatalf("Logged still waits %v after the cancel, want about %v", time.Since(start), waitDelay)
	}
	if !alive(daemon) {
		t.Error("the daemon is dead: it did not hold the pipe")
	}
}

func TestMain(m *testing.M) {
	if file := os.Getenv("RUN_TEST_DAEMON"); file != "" {
		cmd := exec.Command("sleep", "60")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Start(); err != nil {
			os.Exit(1)
		}
		os.WriteFile(file+".tmp", []byte(strconv.Itoa(cmd.Process.Pid)), 0o666)
		os.Rename(file+".tmp", file)
		cmd.Wait()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A command that fails is told with the end of its output, a last line without
// a newline included; the log has all of it.
func TestLogged(t *testing.T) {
	log := filepath.Join(t.TempDir(), "logs", "x.log")
	lines := 0
	cmd := Command(t.Context(), "sh", "-c", "for i in 1 2 3 4 5; do for j in 0 1 2 3 4 5 6 7 8 9; do echo $i$j; done; done; printf end; exit 7")
	err := Logged(t.Context(), "the command", cmd, log, func(string) { lines++ })
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want an *Error", err)
	}
	want := "the command: exit status 7\n\t| 21\n"
	if got := err.Error(); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\t| 59\n\t| end\n\tfull log: "+log) {
		t.Errorf("error:\n%v", got)
	}
	if len(e.Tail) != 40 || lines != 51 {
		t.Errorf("got %d lines of tail and %d of output, want 40 and 51", len(e.Tail), lines)
	}
	if data, err := os.ReadFile(log); err != nil || bytes.Count(data, []byte("\n")) != 50 {
		t.Errorf("the log holds %q (%v), want 50 full lines", data, err)
	}
}

func TestQuote(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", `''`},
		{"plain", "plain"},
		{"-run=A/b.c,d_e:f@g%h+1", "-run=A/b.c,d_e:f@g%h+1"},
		{"a b", `'a b'`},
		{"it's", `'it'\''s'`},
		{"'", `''\'''`},
		{"$HOME", `'$HOME'`},
		{`back\slash`, `'back\slash'`},
		{"~", `'~'`},
		{"a;b", `'a;b'`},
		{"^(A|B)$", `'^(A|B)$'`},
		{"{a,b}", `'{a,b}'`},
		{"!x", `'!x'`},
		{"#x", `'#x'`},
		{"line\nline", "'line\nline'"},
		{"tab\tr\r", "'tab\tr\r'"},
		{"é", "'é'"},
	} {
		t.Run(tc.in, func(t *testing.T) {
			got := Quote(tc.in)
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			out, err := exec.Command("sh", "-c", "printf %s "+got).Output()
			if err != nil || string(out) != tc.in {
				t.Errorf("the shell reads %q (%v), want %q", out, err, tc.in)
			}
		})
	}
}

func TestLine(t *testing.T) {
	cmd := exec.Command("go", "test", "-run", "A|B")
	if got, want := Line(cmd), "go test -run 'A|B'"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	cmd.Dir = "/a b"
	if got, want := Line(cmd), "cd '/a b' && go test -run 'A|B'"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A command that ends and leaves a process behind with its output is not taken
// for one that has succeeded.
func TestLoggedLeftover(t *testing.T) {
	cmd := Command(t.Context(), "sh", "-c", "sleep 60 &")
	defer func() { Signal(cmd, syscall.SIGKILL) }()
	err := Logged(t.Context(), "the command", cmd, filepath.Join(t.TempDir(), "log"), nil)
	if want := "a process that it left behind"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want one with %q", err, want)
	}
}
