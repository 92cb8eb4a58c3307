//go:build linux

// Guest is process 1 of the virtual machine of package system: it runs the
// programs that the machine was given, one after the other, reports on them in
// the form of package frame, and powers the machine off.
//
// The report goes to a serial port of its own, so that what the kernel prints
// on the console cannot fall in the middle of it. What guest itself has to say
// goes to the console.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"gocoro/ci/platform/system/frame"
)

const (
	port      = "/dev/ttyS0" // the machine's PCI serial port
	maxOutput = 256 << 10    // bytes sent of one run's output; the port takes some 300 KB a second
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: expected to be process 1 of a virtual machine, found to be an ordinary process; it is started by package system")
		os.Exit(2)
	}
	if err := work(); err != nil {
		fmt.Println("guest:", err)
	}
	// The port's driver has a buffer, which closing the port waits for, and
	// work has closed it.
	if err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("guest: power off:", err)
	}
	// When process 1 exits, the kernel panics, and the machine stops that way.
}

// work runs the list.
func work() (err error) {
	for _, m := range []struct{ kind, dir string }{
		{"proc", "/proc"},
		{"sysfs", "/sys"},
		{"devtmpfs", "/dev"},
		{"tmpfs", "/tmp"},
	} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount(m.kind, m.dir, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %v", m.dir, err)
		}
	}
	if err := os.Chmod("/tmp", 0o1777); err != nil {
		return err
	}
	out, err := os.OpenFile(port, os.O_WRONLY|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()

	data, err := os.ReadFile(frame.ListFile)
	if err != nil {
		return err
	}
	var list []frame.Command
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("%s: %v", frame.ListFile, err)
	}
	w := frame.NewWriter(out)
	if err := w.Send(frame.Event{Kind: frame.Boot}); err != nil {
		return err
	}
	for i, c := range list {
		if err := w.Send(frame.Event{Kind: frame.Begin, Run: i}); err != nil {
			return err
		}
		end := run(c, func(p []byte) error {
			return w.Send(frame.Event{Kind: frame.Output, Run: i, Data: p})
		})
		end.Kind, end.Run = frame.End, i
		if err := w.Send(end); err != nil {
			return err
		}
	}
	return w.Send(frame.Event{Kind: frame.Done})
}

// run runs one command, calls send with its output as it comes, and returns
// what there is to say at its end.
func run(c frame.Command, send func([]byte) error) (end frame.Event) {
	r, w, err := os.Pipe()
	if err != nil {
		return frame.Event{Failed: err.Error()}
	}
	defer r.Close()
	cmd := exec.Command(c.Program, c.Args...)
	cmd.Env = append([]string{"PATH=/bin", "HOME=/tmp", "TMPDIR=/tmp"}, c.Env...)
	cmd.Dir = "/tmp"
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	start := time.Now()
	err = cmd.Start()
	w.Close()
	if err != nil {
		return frame.Event{Failed: err.Error()}
	}

	copied := make(chan bool, 1)
	go func() { copied <- copyOutput(r, send) }()

	exited := make(chan struct{})
	timedOut := make(chan bool, 1)
	go func() {
		select {
		case <-exited:
			timedOut <- false
			return
		case <-time.After(c.Timeout):
		}
		cmd.Process.Signal(syscall.SIGQUIT) // a Go program prints its goroutines
		select {
		case <-exited:
		case <-time.After(frame.QuitTime):
			killAll()
		}
		timedOut <- true
	}()
	err = cmd.Wait()
	close(exited)
	end.TimedOut = <-timedOut
	end.Elapsed = time.Since(start)

	// What the program left behind must not disturb the next run, nor hold
	// the pipe open.
	killAll()
	end.Truncated = <-copied

	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		end.Failed = err.Error()
		return end
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		end.Signal = int(status.Signal())
	} else {
		end.Exit = status.ExitStatus()
	}
	return end
}

// copyOutput sends what it reads from r, up to maxOutput bytes, and reads on to
// the end, for the program not to block. It reports whether some was left out.
func copyOutput(r io.Reader, send func([]byte) error) (truncated bool) {
	buf := make([]byte, frame.MaxData)
	for sent := 0; ; {
		n, err := r.Read(buf)
		if n > maxOutput-sent {
			n, truncated = maxOutput-sent, true
		}
		if n > 0 {
			// An error is seen again, and acted upon, when the end is sent.
			send(buf[:n])
			sent += n
		}
		if err != nil {
			return truncated
		}
	}
}

// killAll kills every process but this one, which as process 1 is spared.
func killAll() {
	if os.Getpid() == 1 { // anywhere else, that would be a catastrophe
		syscall.Kill(-1, syscall.SIGKILL)
	}
}
