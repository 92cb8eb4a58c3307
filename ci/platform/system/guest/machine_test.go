//go:build linux && guest

// What only process 1 of the virtual machine may run: package system compiles it
// in.

package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"gocoro/ci/platform/system"
)

// port is the machine's PCI serial port.
const port = "/dev/ttyS0"

func TestMain(m *testing.M) {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: not process 1 of a virtual machine")
		os.Exit(2)
	}
	if err := setup(); err != nil {
		fmt.Println("guest:", err)
	} else {
		m.Run()
		// The port's driver has a buffer, which closing the port waits for.
		os.Stdout.Close()
	}
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	// When process 1 exits, the kernel panics, and the machine stops that way.
}

// setup makes an ordinary system of what the kernel leaves to process 1, and
// the port the standard output.
func setup() error {
	for _, m := range [][2]string{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}} {
		if err := os.MkdirAll(m[1], 0o755); err != nil {
			return err
		}
		if err := syscall.Mount(m[0], m[1], m[0], 0, ""); err != nil {
			return fmt.Errorf("mount %s: %v", m[1], err)
		}
	}
	out, err := os.OpenFile(port, os.O_WRONLY|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	// Every byte as it is: no carriage returns.
	tty, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS)
	if err != nil {
		return err
	}
	tty.Oflag &^= unix.OPOST
	os.Stdout = out
	return errors.Join(os.Chmod("/tmp", 0o1777), unix.IoctlSetTermios(int(out.Fd()), unix.TCSETS, tty))
}

// The tests have the names of those of package runtime that run the programs.

func TestCoroLockOSThread(t *testing.T) { runAll(t) }
func TestCoroCgoCallback(t *testing.T)  { runAll(t) }
func TestCoroLockUpstream(t *testing.T) { runAll(t) }

// runAll runs the programs that belong to the test.
func runAll(t *testing.T) {
	var list []system.Program
	data, err := os.ReadFile(system.ListFile)
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		if name, ok := strings.CutPrefix(p.Test, t.Name()+"/"); ok {
			t.Run(name, func(t *testing.T) {
				output, why := execute(p)
				t.Logf("%s", output)
				if why != "" {
					t.Error(why)
				}
			})
		}
	}
}
