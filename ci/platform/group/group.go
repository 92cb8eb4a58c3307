//go:build unix

// Package group makes a command and its descendants die together.
//
// A test that hangs is rarely the process that was started: it is a child of
// the test binary, itself a child of the go command. Killing the first alone
// leaves the others to run on, holding the output pipe open and the CPU busy.
package group

import (
	"os/exec"
	"syscall"
	"time"
)

// waitDelay is how long Wait goes on reading output after the kill. Only a
// descendant that left the process group can hold the pipe open that long.
const waitDelay = 5 * time.Second

// Set arranges that cmd, made by exec.CommandContext and not yet started, runs
// in a process group of its own; that the whole group is killed when the
// context ends; and, on linux, that cmd does not outlive this process.
func Set(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true
	dieWithParent(cmd.SysProcAttr)
	cmd.WaitDelay = waitDelay
	cmd.Cancel = func() error {
		// With Setpgid, the group has the number of its first process. os/exec
		// calls Cancel only before it has waited for that one, so the number
		// is not reused yet.
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
}
