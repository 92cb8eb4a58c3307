//go:build emulation

package platform

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gocoro/build/run"
)

// These tests run emulated programs:
//
//	go test -tags emulation ./ci/platform/...
//
// They want a machine that scripts/setup-linux.sh has prepared.

var qemuUser = Method{QemuUser, linuxAMD64, linuxARM64}

// TestMain lets the test binary be the runner that TestParentKilled kills.
func TestMain(m *testing.M) {
	if exe := os.Getenv("PLATFORM_TEST_RUN"); exe != "" {
		cmd := qemuUser.Command(context.Background(), nil, exe, "exec", "hang", os.Getenv("PLATFORM_TEST_MARK"))
		cmd.Stdout = os.Stdout
		fmt.Println(cmd.Run())
		return
	}
	os.Exit(m.Run())
}

// child builds testdata/child for arm64 with cgo, so that it is linked
// dynamically.
func child(t *testing.T) string {
	if err := qemuUser.Check(context.Background(), ""); err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(t.TempDir(), "child")
	cmd := qemuUser.Command(context.Background(), nil, "go", "build", "-buildvcs=false", "-o", exe, ".")
	cmd.Dir = "testdata/child"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return exe
}

func TestQemuUser(t *testing.T) {
	exe := child(t)
	const arm = "linux arm64\n"
	for _, test := range []struct {
		args   []string
		output string
		exit   int
	}{
		{[]string{exe, "exit", "0"}, arm, 0},
		{[]string{exe, "exit", "7"}, arm, 7},
		{[]string{exe, "exec", "exit", "7"}, arm + arm, 7},
		// The host's programs run too, and start emulated ones.
		{[]string{"sh", "-c", `"$@"; exit 3`, "sh", exe, "exec", "exec", "exit", "7"}, arm + arm + arm, 3},
		{[]string{"sh", "-c", "kill -9 $$"}, "", 128 + 9},
	} {
		out, err := qemuUser.Command(context.Background(), nil, test.args[0], test.args[1:]...).Output()
		exit := 0
		var status *exec.ExitError
		if errors.As(err, &status) {
			exit = status.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if exit != test.exit || string(out) != test.output {
			t.Errorf("%q: expected exit status %d and output %q, found %d and %q", test.args, test.exit, test.output, exit, out)
		}
	}
	if _, err := os.Stat("/proc/sys/fs/binfmt_misc/gocoro-arm64"); err == nil {
		t.Error("the emulator is registered on the whole machine: expected it in the namespace alone")
	}
}

// The C compiler of the environment is the host's, too, for what the go command
// builds to run it itself.
func TestQemuUserHost(t *testing.T) {
	exe := child(t)
	cmd := qemuUser.Command(context.Background(), nil, "env", "GOARCH=amd64", "go", "build", "-buildvcs=false", "-o", exe, ".")
	cmd.Dir = "testdata/child"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	out, err := exec.Command(exe, "exit", "0").Output()
	if want := "linux amd64\n"; err != nil || string(out) != want {
		t.Errorf("built for the host and run outside: expected %q, found %q and %v", want, out, err)
	}
}

// started reads output up to the words of the second, emulated process.
func started(t *testing.T, cmd *exec.Cmd) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	for range 2 {
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
}

// gone waits until no process has mark among its arguments.
func gone(t *testing.T, mark string) {
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		var found []string
		files, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			// The process may be gone between the two.
			line, _ := os.ReadFile(file)
			if bytes.Contains(line, []byte(mark)) {
				found = append(found, fmt.Sprintf("%s: %q", file, line))
			}
		}
		if found == nil {
			return
		}
		if time.Since(start) > 5*time.Second {
			t.Fatalf("expected all processes gone, found:\n%s", strings.Join(found, "\n"))
		}
	}
}

// A signal to the process group of what Emulator runs reaches the Go program,
// which then prints its goroutines.
func TestEmulatorSignal(t *testing.T) {
	exe := child(t)
	argv := append(qemuUser.Emulator(), exe, "hang")
	cmd := run.Command(context.Background(), argv[0], argv[1:]...)
	cmd.Env = qemuUser.Env(nil)
	var dump bytes.Buffer
	cmd.Stderr = &dump
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := run.Signal(cmd, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("expected an error of the command, found none")
	}
	for _, want := range []string{"SIGQUIT: quit\n", "\nmain.main()\n"} {
		if !strings.Contains(dump.String(), want) {
			t.Errorf("expected %q in what the program says, found\n%s", want, &dump)
		}
	}
}

// When the context ends, a child that left the process group ends, too.
func TestQemuUserCanceled(t *testing.T) {
	exe := child(t)
	mark := fmt.Sprintf("canceled-%d", time.Now().UnixNano())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := qemuUser.Command(ctx, nil, exe, "exec", "hang", mark)
	started(t, cmd)
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("expected an error of the command, found none")
	}
	gone(t, mark)
}

// When the process that started it is killed, and can do nothing about it, all
// the same.
func TestParentKilled(t *testing.T) {
	exe := child(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	mark := fmt.Sprintf("orphaned-%d", time.Now().UnixNano())
	runner := exec.Command(self)
	runner.Env = append(os.Environ(), "PLATFORM_TEST_RUN="+exe, "PLATFORM_TEST_MARK="+mark)
	started(t, runner)
	if err := runner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	runner.Wait()
	gone(t, mark)
}
