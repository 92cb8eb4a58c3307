package platform

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"gocoro/build/run"
	"gocoro/ci/platform/system"
)

// A Missing is the error of Check: what the method needs and does not find.
type Missing struct {
	Method Method
	Things []string // each says what is missing and what it is for
	Fix    string   // the command that provides it
}

func (e *Missing) Error() string {
	return fmt.Sprintf("%v: not possible on this machine:\n\t%s\ntry: %s",
		e.Method, strings.Join(e.Things, "\n\t"), e.Fix)
}

// setup is the script that installs what linux hosts need. Its argument is the
// directory that keeps the kernel.
const setup = "scripts/setup-linux.sh"

// Check returns nil if the method works here, and otherwise a [*Missing].
// The cache is the project's cache directory, where the script puts the kernel of
// the virtual machine.
func (m Method) Check(ctx context.Context, cache string) error {
	return m.check(cache, machine{
		lookPath: exec.LookPath,
		exists:   func(file string) bool { _, err := os.Stat(file); return err == nil },
		release:  release,
		private: func() error {
			ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
			defer cancel()
			out, err := m.Command(ctx, nil, "test", "-e", "/proc/sys/fs/binfmt_misc/gocoro-arm64").CombinedOutput()
			if err != nil {
				return fmt.Errorf("%v: %s", err, strings.TrimSpace(string(out)))
			}
			return nil
		},
	})
}

// A machine answers check's questions.
type machine struct {
	lookPath func(name string) (string, error)
	exists   func(file string) bool
	release  func() string // of the running kernel
	private  func() error  // tries to run a command in the private namespaces
}

func (m Method) check(cache string, h machine) error {
	e := &Missing{Method: m, Fix: "sh " + setup + " " + run.Quote(cache)}
	need := func(ok bool, thing string) {
		if !ok {
			e.Things = append(e.Things, thing)
		}
	}
	program := func(name, purpose string) {
		_, err := h.lookPath(name)
		need(err == nil, fmt.Sprintf("no program %s: %s", name, purpose))
	}
	crossCompiler := func() {
		program(arm64CC, "the C compiler for arm64, for cgo and -race")
		for _, file := range []string{"/lib/ld-linux-aarch64.so.1", "/lib/crt1.o"} {
			need(h.exists(arm64Sysroot+file), "no file "+arm64Sysroot+file+": arm64's C library")
		}
	}

	switch m.Kind {
	case Native:
		if m.Host.OS == "darwin" {
			program("clang", "the C compiler, for cgo")
			e.Fix = "xcode-select --install"
		} else {
			program("gcc", "the C compiler, for cgo")
		}

	case QemuUser:
		program("unshare", "makes the private namespaces; in Debian's util-linux")
		program("mount", "mounts binfmt_misc in them")
		_, err := h.lookPath(emulator(h.lookPath))
		need(err == nil, fmt.Sprintf("no program %s: runs arm64 programs", strings.Join(emulators, " or ")))
		crossCompiler()
		if e.Things == nil {
			// All programs are there. The kernel or its settings may still be
			// wrong.
			return m.checkKernel(h, e)
		}

	case QemuSystem:
		program(system.QEMU, "runs the virtual machine")
		crossCompiler()
		if _, err := system.FindKernel(cache); err != nil {
			need(false, err.Error())
		}
	}
	if e.Things == nil {
		return nil
	}
	if m.Host.OS == "linux" {
		need(h.exists("/etc/debian_version"), "and the script knows only Debian and Ubuntu; elsewhere, install these by hand")
	}
	return e
}

// checkKernel is the part of check that is about the running kernel.
func (m Method) checkKernel(h machine, e *Missing) error {
	err := h.private()
	if err == nil {
		return nil
	}
	e.Things = []string{"a private binfmt_misc could not be set up: " + err.Error()}
	var major, minor int
	release := h.release()
	if n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor); n == 2 && (major < 6 || major == 6 && minor < 7) {
		e.Things = append(e.Things, "expected linux 6.7 or later, which has binfmt_misc in user namespaces, found "+release)
		e.Fix = "boot a newer kernel, or use the method " + string(QemuSystem)
		return e
	}
	if !h.exists("/proc/sys/fs/binfmt_misc") {
		e.Things = append(e.Things, "no directory /proc/sys/fs/binfmt_misc: the kernel's module is not loaded")
		e.Fix = "sudo modprobe binfmt_misc"
		return e
	}
	if h.exists("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") {
		e.Things = append(e.Things, "AppArmor may forbid user namespaces to ordinary users, as Ubuntu's settings do")
		e.Fix = "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
		return e
	}
	e.Things = append(e.Things, "user namespaces may be forbidden here, as in most containers; see user_namespaces(7)")
	e.Fix = "use the method " + string(QemuSystem) + ", or a machine that is no container"
	return e
}

// release returns the running kernel's release, as "6.12.48-amd64".
func release() string {
	data, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return strings.TrimSpace(string(data))
}
