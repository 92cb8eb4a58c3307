// Package system runs linux/arm64 programs in a virtual machine: a real arm64
// kernel, on a processor that qemu emulates.
//
// The machine has no disk and no network. Its initramfs has a static test binary as
// process 1 (package guest), arm64's C library, the programs, and a list of them.
// Process 1 runs each program as a test, reports as any test binary does, on a serial
// port of its own, and powers off. If the machine dies, the results of the running
// test and of those after it are missing, and package verdict sees that. Programs
// built with -race work, but they do not under qemu-user.
package system

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cavaliergopher/cpio"

	"gocoro/build/run"
)

// QEMU is the name of the program that is the machine.
const QEMU = "qemu-system-aarch64"

// sysroot has arm64's C library, where Debian's cross packages put it. Tests replace it.
var sysroot = "/usr/aarch64-linux-gnu"

// libraries are the shared libraries that programs find in the machine. The
// last is opened by the C library itself, when a thread ends.
var libraries = strings.Fields(`ld-linux-aarch64.so.1 libc.so.6 libdl.so.2 libm.so.6
	libpthread.so.0 libresolv.so.2 librt.so.1 libgcc_s.so.1`)

// A Program is a run of a program in the machine, as a test.
type Program struct {
	Test    string // its name as a test of package runtime
	File    string // path of the program: on this machine, and then in the other
	Arg     string
	Env     []string      // added to PATH, HOME and TMPDIR
	Expect  string        // what it must print, "" for what its first line says
	Timeout time.Duration // then SIGQUIT, and soon SIGKILL
}

// ListFile is where the machine finds the programs, as JSON.
const ListFile = "/programs.json"

// Check returns what is wrong with what a program printed and with its exit
// status, or "". It compares as TestCoroLockOSThread does.
func (p Program) Check(output string, exit int) string {
	first, rest, _ := strings.Cut(output, "\n")
	expect, ok := strings.CutPrefix(first, "expect: ")
	expect = cmp.Or(p.Expect, expect)
	switch {
	case !ok:
		return fmt.Sprintf("first line is %q, want \"expect: ...\"", first)
	case expect == "OK" && (rest != "OK\n" || exit != 0):
		return fmt.Sprintf("exit status %d, want 0 and the output OK", exit)
	case expect != "OK" && !strings.Contains(rest, expect):
		return fmt.Sprintf("no %q in the output", expect)
	case expect != "OK" && exit == 0:
		return fmt.Sprintf("exit status 0 after %q", expect)
	}
	return ""
}

// Command returns the command that boots the machine, which runs the programs.
// Its standard output is that of a test binary under -test.v=test2json, its
// standard error what the kernel says. The machine's files go to the directory
// tmp. The cache is the directory where the kernel is, and root that of this
// module, whose source has process 1.
func Command(ctx context.Context, cache, root, tmp string, programs []Program) (*exec.Cmd, error) {
	kernel, err := FindKernel(cache)
	if err != nil {
		return nil, fmt.Errorf("%w\ntry: sh scripts/setup-linux.sh %s", err, run.Quote(cache))
	}
	guest := filepath.Join(tmp, "guest")
	build := run.Command(ctx, "go", "test", "-c", "-tags=guest", "-buildvcs=false", "-o", guest, "gocoro/ci/platform/system/guest")
	build.Dir = root
	// The settings for the toolchain under test are not for this build.
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GOROOT=")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s (in %s): %v\n%s", build, root, err, out)
	}
	initramfs := filepath.Join(tmp, "initramfs.cpio")
	if err := writeInitramfs(initramfs, guest, programs); err != nil {
		return nil, fmt.Errorf("initramfs of the virtual machine: %w", err)
	}
	var tests []string
	for _, p := range programs {
		if test, _, _ := strings.Cut(p.Test, "/"); !slices.Contains(tests, test) {
			tests = append(tests, test)
		}
	}
	return run.Command(ctx, QEMU,
		"-machine", "virt,gic-version=3", "-cpu", "cortex-a72", "-smp", "2", "-m", "2048",
		"-accel", "tcg,thread=multi",
		"-display", "none", "-monitor", "none", "-nic", "none",
		"-no-reboot", // a panic ends it
		"-kernel", kernel, "-initrd", initramfs,
		// Panic on an oops: what the programs did after it would mean nothing.
		"-append", "console=ttyAMA0 quiet panic=-1 oops=panic -- -test.v=test2json -test.run=^("+strings.Join(tests, "|")+")$",
		"-chardev", "file,id=console,path=/dev/stderr,append=on", "-serial", "chardev:console",
		"-chardev", "stdio,id=tests,signal=off", "-device", "pci-serial,chardev=tests",
	), nil
}

// FindKernel returns the path of the arm64 kernel that scripts/setup-linux.sh keeps in
// the cache directory, as kernel/arm64/<name of the Debian package, version and
// architecture>/vmlinuz. If there are several, it is the newest.
func FindKernel(cache string) (string, error) {
	pattern := filepath.Join(cache, "kernel", "arm64", "*", "vmlinuz")
	files, err := filepath.Glob(pattern)
	if err != nil {
		return "", fmt.Errorf("cache directory %q: %v", cache, err)
	}
	newest := ""
	var latest os.FileInfo
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return "", err
		}
		if latest == nil || info.ModTime().After(latest.ModTime()) {
			newest, latest = file, info
		}
	}
	if newest == "" {
		return "", fmt.Errorf("no file %s: the kernel of the virtual machine", pattern)
	}
	return newest, nil
}

// writeInitramfs writes the machine's files. Each program is there once.
func writeInitramfs(name, guest string, programs []Program) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := cpio.NewWriter(f)
	add := func(name string, mode cpio.FileMode, data []byte) error {
		err := w.WriteHeader(&cpio.Header{Name: name, Mode: mode, Size: int64(len(data))})
		if err == nil && data != nil {
			_, err = w.Write(data)
		}
		return err
	}
	program := func(name, path string) error {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return add(name, cpio.TypeReg|0o755, data)
	}
	for _, dir := range []string{"dev", "lib", "programs"} {
		if err := add(dir, cpio.TypeDir|0o755, nil); err != nil {
			return err
		}
	}
	if err := program("init", guest); err != nil {
		return err
	}
	for _, lib := range libraries {
		if err := program("lib/"+lib, filepath.Join(sysroot, "lib", lib)); err != nil {
			return err
		}
	}
	var list []Program
	inside := map[string]string{}
	for _, p := range programs {
		if inside[p.File] == "" {
			inside[p.File] = fmt.Sprintf("/programs/%d-%s", len(inside), filepath.Base(p.File))
			if err := program(inside[p.File][1:], p.File); err != nil {
				return err
			}
		}
		p.File = inside[p.File]
		list = append(list, p)
	}
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(list); err != nil {
		return err
	}
	if err := add(ListFile[1:], cpio.TypeReg|0o644, b.Bytes()); err != nil {
		return err
	}
	return w.Close()
}
