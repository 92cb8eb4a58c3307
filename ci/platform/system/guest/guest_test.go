//go:build linux

// Package guest is process 1 of the virtual machine of package system: a test
// binary whose tests run the programs that the machine was given, one after the
// other. When they are over, it powers the machine off.
//
// It prints to a serial port of its own, so that what the kernel prints on the
// console cannot fall in the middle of it.
package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"gocoro/ci/platform/system"
)

const (
	maxOutput = 256 << 10       // bytes of one program's output; the port takes some 300 KB a second
	quitTime  = 5 * time.Second // for a program to print its stacks after SIGQUIT
)

// execute runs a program and returns what it printed and what is wrong.
func execute(p system.Program) (output, why string) {
	ctx, cancel := context.WithTimeout(context.Background(), p.Timeout)
	defer cancel()
	// A file, as a pipe would be held open by what the program leaves behind.
	f, err := os.CreateTemp("", "output")
	if err != nil {
		return "", err.Error()
	}
	defer os.Remove(f.Name())
	defer f.Close()
	cmd := exec.CommandContext(ctx, p.File, p.Arg)
	cmd.Env = append([]string{"PATH=/bin", "HOME=/tmp", "TMPDIR=/tmp"}, p.Env...)
	cmd.Dir = os.TempDir()
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // a Go program prints its goroutines
	cmd.WaitDelay = quitTime
	err = cmd.Run()
	// What the program left behind must not disturb the next one. Its session
	// is enough, but for process 1, which must be sure.
	group := -1
	if cmd.Process != nil && os.Getpid() != 1 {
		group = -cmd.Process.Pid
	}
	if cmd.Process != nil {
		syscall.Kill(group, syscall.SIGKILL)
	}
	data, rerr := io.ReadAll(io.NewSectionReader(f, 0, maxOutput))
	output = string(data)
	var exit *exec.ExitError
	switch {
	case rerr != nil:
		return output, rerr.Error()
	case ctx.Err() != nil:
		return output, fmt.Sprintf("still running after %v", p.Timeout)
	case err != nil && !errors.As(err, &exit):
		return output, err.Error()
	case cmd.ProcessState.ExitCode() < 0:
		return output, cmd.ProcessState.String()
	}
	return output, p.Check(output, cmd.ProcessState.ExitCode())
}

// A program's output and its end are both looked at.
func TestExecute(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		name, script, expect string
		want                 string // part of what is wrong; "" for nothing
	}{
		{"mode", "echo expect: must match; echo OK", "OK", ""},
		{"modeDies", "echo expect: must match; echo fatal error: must match; exit 2", "OK", "exit status 2"},
		{"ok", "echo expect: OK; echo OK", "", ""},
		{"dies", "echo expect: must match; echo fatal error: must match; exit 2", "", ""},
		{"noPromise", "echo OK", "", "first line"},
		{"more", "echo expect: OK; echo noise; echo OK", "", "exit status 0, want"},
		{"exit", "echo expect: OK; echo OK; exit 3", "", "exit status 3"},
		{"signal", "echo expect: OK; echo OK; kill -SEGV $$", "", "segmentation fault"},
		{"lives", "echo expect: must match; echo must match", "", "exit status 0 after"},
		{"otherDeath", "echo expect: must match; echo fatal error: oops; exit 2", "", "no \"must match\""},
		{"late", "echo expect: OK; echo OK; exec sleep 100", "", "still running"},
		{"orphan", "echo expect: OK; echo OK; sleep 3 &", "", ""},
		{"flood", "head -c 1000000 /dev/zero", "", "first line"},
	}
	// All are written before the first one runs: what is being written cannot be
	// run, and a process that is just being made still has all files open.
	for _, tt := range tests {
		if err := os.WriteFile(dir+"/"+tt.name, []byte("#!/bin/sh\n"+tt.script+"\n"), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := dir + "/" + tt.name
			timeout := time.Minute
			if tt.name == "late" {
				timeout = time.Second
			}
			output, why := execute(system.Program{File: file, Expect: tt.expect, Timeout: timeout})
			if (why == "") != (tt.want == "") || !strings.Contains(why, tt.want) || len(output) > maxOutput {
				t.Errorf("got %q after %d bytes of output, want %q", why, len(output), tt.want)
			}
		})
	}
	if _, why := execute(system.Program{File: "/none", Timeout: time.Minute}); !strings.Contains(why, "no such file") {
		t.Errorf("got %q of a program that is not there", why)
	}
}
