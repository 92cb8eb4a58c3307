package platform

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"gocoro/build/run"
)

// What Debian's cross packages for arm64 install, and where.
const (
	arm64CC      = "aarch64-linux-gnu-gcc"
	arm64Sysroot = "/usr/aarch64-linux-gnu"
)

// emulators are the names of qemu's user-mode emulator for arm64. Debian 12 and
// Ubuntu 24.04 have the first. Since Debian 13, the second is the static build, and
// the first is a link to it.
var emulators = []string{"qemu-aarch64-static", "qemu-aarch64"}

// Command returns the command that runs a program of the host or the target. The
// program may start programs of either. The variables that the method sets are
// added to env, or, if env is nil, to this process's environment.
//
// The command is in a process group of its own, and all of it is killed when
// ctx ends. Standard input is empty. Standard output and error are the
// caller's to set.
//
// Under qemu-user the command runs in private user, mount and process namespaces.
// They have a new binfmt_misc, in which qemu is registered as the interpreter of
// arm64's ELF files, so that every process in them can execute one. (A -exec wrapper
// of the go command would serve only the test binary, not the programs that it
// builds and executes.) They have a new /dev/shm with the C compiler of
// [Method.Env]. The rest of the machine does not see this, nothing is left when the
// command ends, and root is not needed. In the namespaces the user is root, and
// process 1 is a shell that waits for the command.
func (m Method) Command(ctx context.Context, env []string, name string, args ...string) *exec.Cmd {
	argv := append(append(m.Wrapper(), name), args...)
	cmd := run.Command(ctx, argv[0], argv[1:]...)
	cmd.Env = m.Env(env)
	return cmd
}

// Wrapper returns what Command puts before a program's name and arguments: for
// qemu-user, a command that runs the program in the private namespaces. When
// --kill-child kills the first process of the namespace of processes, the kernel
// kills all others, whatever group or session they moved to.
func (m Method) Wrapper() []string {
	if m.Kind != QemuUser {
		return nil
	}
	return []string{"unshare", "--user", "--map-root-user", "--mount",
		"--pid", "--fork", "--kill-child", "--mount-proc",
		"sh", "-c", private, "sh", binfmt(emulator(exec.LookPath)), either}
}

// Emulator returns the command that runs a program of the target that starts no
// others: under qemu-user the emulator alone, with the variables of [Method.Env].
// Then a signal reaches the program. With [Method.Wrapper] it would first reach the
// shell, which would die of it, and all other processes with it.
func (m Method) Emulator() []string {
	if m.Kind != QemuUser {
		return nil
	}
	return []string{emulator(exec.LookPath)}
}

// Tools returns the names of the programs outside of the toolchain on which the
// results of the method depend. Some of them may not be there.
func (m Method) Tools() []string {
	switch m.Kind {
	case Cross:
		return nil
	case QemuUser:
		return append([]string{arm64CC}, emulators...)
	case QemuSystem:
		return []string{arm64CC, "qemu-system-aarch64"}
	}
	return []string{"cc", "gcc", "clang"}
}

// Go returns the command "go args…" of the toolchain in goroot, which builds for the
// target, as Command does. It starts in goroot/src, so that no go.mod can stop it
// from finding standard packages.
func (m Method) Go(ctx context.Context, goroot string, env []string, args ...string) *exec.Cmd {
	if env == nil {
		env = os.Environ()
	}
	// GOROOT may be set to another toolchain by the go command that started
	// this program, and the default of GOTOOLCHAIN may switch away from the one
	// to be tested.
	env = setenv(env, "GOROOT="+goroot, "GOTOOLCHAIN=local")
	cmd := m.Command(ctx, env, filepath.Join(goroot, "bin", "go"), args...)
	cmd.Dir = filepath.Join(goroot, "src")
	return cmd
}

// Env returns env with the variables that make a go command build for the
// target under this method. A nil env is this process's own environment.
func (m Method) Env(env []string) []string {
	if env == nil {
		env = os.Environ()
	}
	env = setenv(env, "GOOS="+m.Target.OS, "GOARCH="+m.Target.Arch)
	switch m.Kind {
	case Native:
		// Without a C compiler, the default would be 0, and would leave out the
		// cgo tests without an error.
		return setenv(env, "CGO_ENABLED=1")
	case Cross:
		// There is no C library of the target to build with.
		return setenv(env, "CGO_ENABLED=0")
	}
	env = setenv(env, "CGO_ENABLED=1", "CC="+arm64CC)
	if m.Kind == QemuUser {
		env = setenv(env, "CC="+eitherCC, "QEMU_LD_PREFIX="+arm64Sysroot)
		// The tests' own time limits suit real machines. Emulated code is about
		// five times slower.
		if !hasenv(env, "GO_TEST_TIMEOUT_SCALE") {
			env = setenv(env, "GO_TEST_TIMEOUT_SCALE=5")
		}
	}
	return env
}

// setenv returns a copy of env with each of vars, written as "NAME=value", instead of
// the settings of NAME in env.
func setenv(env []string, vars ...string) []string {
	left := slices.DeleteFunc(slices.Clone(env), func(old string) bool {
		name, _, _ := strings.Cut(old, "=")
		return hasenv(vars, name)
	})
	return append(left, vars...)
}

// hasenv reports whether env sets the variable.
func hasenv(env []string, name string) bool {
	return slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
}

// getenv returns the variable's value in env, where the last setting counts.
func getenv(env []string, name string) (value string) {
	for _, v := range env {
		if after, ok := strings.CutPrefix(v, name+"="); ok {
			value = after
		}
	}
	return value
}

// The magic number and mask by which linux tells an arm64 ELF file, in the
// escapes that /proc/sys/fs/binfmt_misc/register reads: the first 20 bytes of
// the header. They are, after the ELF specification and its arm64 supplement:
// \x7fELF, class 2 (64 bits), data 1 (little endian), version 1; the operating
// system ABI, which the mask leaves open, as it is 0 or 3 for Linux, and
// eight bytes of zero, of which the first is the ABI's version; type 2
// (executable), or 3 (position independent), for which the mask drops the
// lowest bit; and machine 183 (0xb7), arm64.
const (
	arm64Magic = `\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`
	arm64Mask  = `\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`
)

// binfmt returns the line that registers emulator, an absolute path, as the
// interpreter of arm64 programs. Flag F has the kernel open the emulator now
// rather than at each use, so that programs run in a chroot, too.
func binfmt(emulator string) string {
	return ":gocoro-arm64:M::" + arm64Magic + ":" + arm64Mask + ":" + emulator + ":F"
}

// either is a C compiler for arm64 and for the host. The go command has one
// variable, CC, for both. Since go1.25 it builds some of its tools, such as "go tool
// pprof", which tests run, for the host at their first use. (make.bash would build
// CC_FOR_linux_arm64 into the toolchain, but the test is of the user's toolchain.)
//
//go:embed either-cc.sh
var either string

// eitherCC is the file of either in the private namespaces. Every linux has the
// directory, and no test needs its contents. The name is always the same, so that
// the build cache keeps what was built with it.
const eitherCC = "/dev/shm/gocoro-cc"

// private is the shell script that runs as process 1 of the new namespaces. Its
// arguments are the line of binfmt, the compiler and the command. The exit at the
// end keeps the shell from replacing itself with the command: the first process of a
// namespace ignores signals that it has no handler for, and programs under test do
// not expect that. If the script itself fails, the status is 125. The compiler's time
// is fixed, because the go command identifies compilers by their times, too.
const private = `mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || exit 125
printf %s "$1" >/proc/sys/fs/binfmt_misc/register || exit 125
mount -t tmpfs -o mode=1777 tmpfs /dev/shm || exit 125
printf %s "$2" >` + eitherCC + ` || exit 125
chmod 755 ` + eitherCC + ` || exit 125
touch -d @0 ` + eitherCC + ` || exit 125
shift 2
"$@"
exit $?`

// emulator returns the absolute path of the user-mode emulator, or, if there is
// none, the name of the first in emulators: Check tells.
func emulator(lookPath func(string) (string, error)) string {
	for _, name := range emulators {
		if path, err := lookPath(name); err == nil {
			if abs, err := filepath.Abs(path); err == nil {
				return abs
			}
		}
	}
	return emulators[0]
}
