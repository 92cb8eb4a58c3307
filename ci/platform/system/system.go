// Package system runs linux/arm64 programs in a virtual machine: a real arm64
// kernel, on a processor that qemu emulates.
//
// The machine has no disk and no network. Its initramfs has a static Go program
// as process 1 (directory guest), arm64's C library, the programs, and the list of
// runs. It runs the list, reports over a serial port (package frame), and
// powers off; the whole takes a few seconds more than the programs themselves.
// Programs built with -race work, which they do not under qemu-user.
package system

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"gocoro/build/run"
	"gocoro/ci/platform/system/frame"
)

// QEMU is the name of the program that is the machine.
const QEMU = "qemu-system-aarch64"

// sysroot has arm64's C library, where Debian's cross packages put it.
const sysroot = "/usr/aarch64-linux-gnu"

// libraries are the shared libraries that programs find in the machine. The
// last is opened by the C library itself, when a thread ends.
var libraries = []string{
	"ld-linux-aarch64.so.1",
	"libc.so.6",
	"libdl.so.2",
	"libm.so.6",
	"libpthread.so.0",
	"libresolv.so.2",
	"librt.so.1",
	"libgcc_s.so.1",
}

// guestPackage is the program that is process 1 of the machine.
const guestPackage = "gocoro/ci/platform/system/guest"

// How long the machine may be silent before it is taken for dead.
const (
	bootTime = 2 * time.Minute  // from the start to the first event; 2 s are usual
	slack    = 30 * time.Second // beyond the time that a run has by itself
)

// consoleTail is how much of the console an error shows, in bytes.
const consoleTail = 3000

// A Machine is a virtual machine that can be started any number of times.
type Machine struct {
	QEMU   string // path of the emulator
	Kernel string // path of the kernel
	Base   string // path of the initramfs with process 1 and the C library
}

// A Run is a program to be run in the machine.
type Run struct {
	Program string        // path, on this machine, of a linux/arm64 program
	Args    []string      // without the program's name
	Env     []string      // added to PATH, HOME and TMPDIR
	Timeout time.Duration // the program's time; then SIGQUIT, and soon SIGKILL
}

// A Result is a run and what became of it.
type Result struct {
	Run
	frame.Outcome
}

// Err returns nil if the program exited with status 0, and all that it printed
// is in Output.
func (r Result) Err() error {
	name := strings.Join(append([]string{filepath.Base(r.Program)}, r.Args...), " ")
	switch {
	case r.State == frame.Exited && r.Exit == 0 && !r.Truncated:
		return nil
	case r.State == frame.Exited && r.Exit == 0:
		return fmt.Errorf("%s: exited with status 0, but printed more than the %d bytes that are kept", name, len(r.Output))
	case r.State == frame.Exited:
		return fmt.Errorf("%s: expected exit status 0, found %d", name, r.Exit)
	case r.State == frame.Signaled:
		return fmt.Errorf("%s: expected exit status 0, found: killed by signal %d", name, r.Signal)
	case r.State == frame.TimedOut:
		return fmt.Errorf("%s: expected to end within %v, found: still running", name, r.Timeout)
	}
	return fmt.Errorf("%s: %s: %s", name, r.State, r.Detail)
}

// Prepare makes the machine ready. It needs what platform.Method.Check looks
// for. The cache is the project's cache directory, where the kernel is, and where
// the initramfs is kept under a name made of its content's hash. The root is
// the directory of this module, from whose source process 1 is built.
func Prepare(ctx context.Context, cache, root string) (*Machine, error) {
	qemu, err := exec.LookPath(QEMU)
	if err != nil {
		return nil, fmt.Errorf("%w\ntry: sh scripts/setup-linux.sh %s", err, run.Quote(cache))
	}
	kernel, err := FindKernel(cache)
	if err != nil {
		return nil, fmt.Errorf("%w\ntry: sh scripts/setup-linux.sh %s", err, run.Quote(cache))
	}
	dir := filepath.Join(cache, "initramfs")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(dir, "tmp-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)

	guest := filepath.Join(tmp, "guest")
	build := run.Command(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", guest, guestPackage)
	build.Dir = root
	// Whatever the caller set up for the toolchain under test is not for this.
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0",
		"GOFLAGS=", "GOEXPERIMENT=", "GOROOT=")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s (in %s): %v\n%s", build, root, err, out)
	}

	base := filepath.Join(tmp, "base.cpio")
	if err := writeFile(base, func(a *archive) { writeBase(a, guest) }); err != nil {
		return nil, err
	}
	hash, err := hashFile(base)
	if err != nil {
		return nil, err
	}
	// A rename replaces an equal file of an earlier or concurrent Prepare.
	kept := filepath.Join(dir, hash+".cpio")
	if err := os.Rename(base, kept); err != nil {
		return nil, err
	}
	return &Machine{QEMU: qemu, Kernel: kernel, Base: kept}, nil
}

// writeBase writes the part of the initramfs that does not depend on the runs.
func writeBase(a *archive, guest string) {
	for _, dir := range []string{"dev", "lib", "bin"} {
		a.dir(dir)
	}
	// Process 1 has these open, or may, before it mounts the real /dev.
	a.device("dev/console", 5, 1)
	a.device("dev/null", 1, 3)
	a.program("init", guest)
	for _, lib := range libraries {
		a.program("lib/"+lib, filepath.Join(sysroot, "lib", lib))
	}
}

// writeRuns writes the part of the initramfs that is the runs. Each program is
// there once.
func writeRuns(a *archive, runs []Run) {
	var list []frame.Command
	inside := map[string]string{} // path here to path in the machine
	a.dir("programs")
	for _, r := range runs {
		if inside[r.Program] == "" {
			if err := checkProgram(r.Program); err != nil {
				a.fail(err)
				return
			}
			// The base name stays, as programs print it. The number keeps
			// programs of one name apart.
			dir := fmt.Sprintf("programs/%d", len(inside))
			name := dir + "/" + filepath.Base(r.Program)
			a.dir(dir)
			a.program(name, r.Program)
			inside[r.Program] = "/" + name
		}
		list = append(list, frame.Command{
			Program: inside[r.Program],
			Args:    r.Args,
			Env:     r.Env,
			Timeout: r.Timeout,
		})
	}
	data, err := json.Marshal(list)
	a.fail(err)
	a.data(strings.TrimPrefix(frame.ListFile, "/"), data)
}

// checkProgram checks that the machine has what it takes to execute a program.
// The kernel's own message would be "no such file or directory".
func checkProgram(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s: expected a linux/arm64 program: %v", path, err)
	}
	defer f.Close()
	if f.Machine != elf.EM_AARCH64 {
		return fmt.Errorf("%s: expected a program for %v, found one for %v; build it with GOARCH=arm64", path, elf.EM_AARCH64, f.Machine)
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("%s: %v", path, err)
	}
	for _, lib := range needed {
		if !slices.Contains(libraries, lib) {
			return fmt.Errorf("%s: needs %s, expected one of %s; add it to the list in package %s",
				path, lib, strings.Join(libraries, ", "), "gocoro/ci/platform/system")
		}
	}
	return nil
}

// Boot starts the machine, has it run the runs, one after the other, and
// returns their results when it has stopped: always one for each run, in the
// same order. The error is about the machine; if it is not nil, the runs that
// the machine did not get to, or was at when it stopped, have the State
// NotRun or Lost. How a run ended is not an error of Boot.
func (m *Machine) Boot(ctx context.Context, runs []Run) ([]Result, error) {
	collected := frame.NewCollector(len(runs))
	err := m.boot(ctx, runs, collected)
	var results []Result
	for i, o := range collected.Outcomes() {
		results = append(results, Result{runs[i], o})
	}
	return results, err
}

func (m *Machine) boot(ctx context.Context, runs []Run, collected *frame.Collector) error {
	for i, r := range runs {
		if r.Timeout <= 0 {
			return fmt.Errorf("run %d of %s: expected a timeout, found %v", i, r.Program, r.Timeout)
		}
	}
	tmp, err := os.MkdirTemp("", "gocoro-system-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	initramfs := filepath.Join(tmp, "initramfs.cpio")
	if err := writeFile(initramfs, func(a *archive) {
		base, err := os.Open(m.Base)
		if err != nil {
			a.fail(err)
			return
		}
		defer base.Close()
		io.Copy(a, base)
		a.pad()
		writeRuns(a, runs)
	}); err != nil {
		return err
	}

	// A silent machine is killed like one whose time is up.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	console := filepath.Join(tmp, "console")
	cmd := run.Command(ctx, m.QEMU, m.args(initramfs, console)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	w := &watched{collector: collected, runs: runs, dead: cancel}
	w.timer = time.AfterFunc(bootTime, w.silent)
	defer w.timer.Stop()
	cmd.Stdout = w
	err = cmd.Run()
	w.Close()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err = errors.Join(collected.Err(), err); err == nil {
		return nil
	}

	// What the kernel said last is what one wants to know.
	said, _ := os.ReadFile(console)
	said = append(said, collected.Noise()...)
	said = append(said, stderr.Bytes()...)
	if len(said) > consoleTail {
		said = append([]byte("…"), said[len(said)-consoleTail:]...)
	}
	return fmt.Errorf("virtual machine: %w\nits console ends with:\n%s",
		err, bytes.ReplaceAll(said, []byte("\r"), nil))
}

// args returns the arguments of qemu.
func (m *Machine) args(initramfs, console string) []string {
	return []string{
		"-machine", "virt,gic-version=3", "-cpu", "cortex-a72", "-smp", "2", "-m", "2048",
		"-accel", "tcg,thread=multi",
		"-display", "none", "-monitor", "none", "-nic", "none",
		"-no-reboot", // a panic ends it
		"-kernel", m.Kernel, "-initrd", initramfs,
		// Panic on an oops: what the programs did after it would mean nothing.
		"-append", "console=ttyAMA0 quiet panic=-1 oops=panic",
		"-serial", "file:" + strings.ReplaceAll(console, ",", ",,"),
		// The report comes to standard output.
		"-chardev", "stdio,id=report,signal=off", "-device", "pci-serial,chardev=report",
	}
}

// watched is the receiving end of the machine's report. It puts off the timer
// as long as the report goes on.
type watched struct {
	mu        sync.Mutex
	collector *frame.Collector
	runs      []Run
	timer     *time.Timer
	current   int
	booted    bool
	dead      context.CancelCauseFunc
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.collector.Write(p)
	seq, current := w.collector.Progress()
	if seq > 0 && (!w.booted || current != w.current) {
		// A run begins, or has ended. Output is no reason for more time.
		w.booted, w.current = true, current
		allowed := slack
		if current >= 0 {
			allowed += w.runs[current].Timeout + frame.QuitTime
		}
		w.timer.Reset(allowed)
	}
	return len(p), nil
}

func (w *watched) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.collector.Close()
}

// silent is what the timer does.
func (w *watched) silent() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.booted {
		w.dead(fmt.Errorf("it did not come up within %v", bootTime))
		return
	}
	w.dead(errors.New("it did not report the end of a program, nor end it, in the time that the program had; it is taken for dead"))
}

// writeFile creates the file with the archive that fill writes.
func writeFile(name string, fill func(*archive)) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	buf := bufio.NewWriterSize(f, 1<<16)
	a := &archive{w: buf}
	fill(a)
	if err := a.close(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	return nil
}

// hashFile returns the SHA-256 of a file's content, in hex.
func hashFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}
