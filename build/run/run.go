//go:build unix

// Package run runs commands: in a process group that dies as a whole, with
// the output in a log, at a low priority, and printed as a shell reads them. The
// build and the CI run all long commands with it. They use os/exec for commands
// that may ask the user something or that answer at once.
package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// waitDelay is how long a command's Wait continues to read output after the command
// has ended or was killed. Only a descendant that left the process group can hold
// the pipe open that long.
const waitDelay = 2 * time.Second

// Command returns the command name args..., which runs in a process group of
// its own. When ctx ends the whole group is killed: a test that hangs, or a
// compiler, is rarely the process that was started but a child of its child,
// and would run on and hold the output pipe open. On linux the command does not
// outlive this process either.
//
// Such a command cannot ask the user anything: only processes in the foreground
// group can read from the terminal.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	cmd.WaitDelay = waitDelay
	// os/exec calls Cancel only before it has waited for the process, so its
	// number is not reused yet.
	cmd.Cancel = func() error { return Signal(cmd, syscall.SIGKILL) }
	return cmd
}

// Output is cmd.Output, but the error of a command that fails includes what it
// wrote to its standard error.
func Output(cmd *exec.Cmd) ([]byte, error) {
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && len(exit.Stderr) > 0 {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	return out, err
}

// Signal sends the signal to all processes in the group of a command that
// Command made and that was started. With Setpgid, the group has the number of
// its first process.
func Signal(cmd *exec.Cmd, sig syscall.Signal) error {
	return syscall.Kill(-cmd.Process.Pid, sig)
}

// Idle makes the command run at the lowest priority, where nice is at hand.
func Idle(cmd *exec.Cmd) {
	if nice, err := exec.LookPath("nice"); err == nil {
		cmd.Args = append([]string{nice, "-n", "19"}, cmd.Args...)
		cmd.Path = nice
	}
}

// Line returns the command as typed in a shell, without its environment.
func Line(cmd *exec.Cmd) string {
	var words []string
	if cmd.Dir != "" {
		words = append(words, "cd", Quote(cmd.Dir), "&&")
	}
	for _, arg := range cmd.Args {
		words = append(words, Quote(arg))
	}
	return strings.Join(words, " ")
}

// Quote returns s as a POSIX shell reads it as one word, without quotes if it
// needs none.
func Quote(s string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_-./=,:@%+", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return SingleQuote(s, `'\''`)
}

// SingleQuote returns s in single quotes. It replaces those in s by quote, which
// depends on the shell.
func SingleQuote(s, quote string) string {
	return "'" + strings.ReplaceAll(s, "'", quote) + "'"
}
