//go:build emulation

package system

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gocoro/build/store"
)

// These tests start the virtual machine, which takes a few seconds each time:
//
//	go test -tags emulation ./ci/platform/...
//
// They find the kernel in the project's cache directory.

// boot runs programs in the machine and returns what its tests and its kernel
// said.
func boot(t *testing.T, ctx context.Context, programs []Program) (tests, console string, err error) {
	st, err := store.Open()
	if err != nil {
		t.Fatal(err)
	}
	lock, err := st.Use(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	cmd, err := Command(ctx, st.Root, "../../..", t.TempDir(), programs)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// toy builds testdata/toy for the machine.
func toy(t *testing.T, name string, flags ...string) string {
	exe := filepath.Join(t.TempDir(), name)
	cmd := exec.Command("go", append(append([]string{"build", "-buildvcs=false", "-o", exe}, flags...), ".")...)
	cmd.Dir = "testdata/toy"
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=1", "CC=aarch64-linux-gnu-gcc")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return exe
}

// result begins the line by which a test says how it went.
func result(word, test string) string {
	return "\x16--- " + word + ": TestCoroCgoCallback/" + test + " ("
}

func TestBoot(t *testing.T) {
	plain, race := toy(t, "toy"), toy(t, "toyrace", "-race")
	var programs []Program
	tests := []struct {
		name, file, word string
		output           string // in what the test printed
		env              string
		expect           string
		timeout          time.Duration
	}{
		{"ok", plain, "PASS", "", "", "", time.Minute},
		{"env", plain, "PASS", "a b\n", "TOY=a b", "a b", time.Minute},
		{"exit", plain, "FAIL", "exit status 3", "", "", time.Minute},
		{"segv", plain, "FAIL", "SIGSEGV", "GOTRACEBACK=crash", "", time.Minute},
		{"kill", plain, "FAIL", "signal: killed", "", "", time.Minute},
		{"hang", plain, "FAIL", "SIGQUIT", "", "", 10 * time.Second},
		{"orphan", plain, "PASS", "", "", "", time.Minute},
		{"flood", plain, "FAIL", "xxx\n", "", "", time.Minute},
		{"ok", race, "PASS", "", "", "", time.Minute},
		{"race", race, "PASS", "DATA RACE", "", "DATA RACE", time.Minute},
	}
	for _, tt := range tests {
		p := Program{Test: "TestCoroCgoCallback/" + filepath.Base(tt.file) + "-" + tt.name, File: tt.file, Arg: tt.name, Expect: tt.expect, Timeout: tt.timeout}
		if tt.env != "" {
			p.Env = []string{tt.env}
		}
		programs = append(programs, p)
	}
	out, console, err := boot(t, t.Context(), programs)
	if err != nil {
		t.Errorf("got %v, and the kernel said:\n%s", err, console)
	}
	if strings.Contains(out, "\r") {
		t.Error("the port changes what is written to it")
	}
	for _, tt := range tests {
		name := filepath.Base(tt.file) + "-" + tt.name
		if !strings.Contains(out, result(tt.word, name)) {
			t.Errorf("%s: got no %s", name, tt.word)
		}
		_, text, _ := strings.Cut(out, "=== RUN   TestCoroCgoCallback/"+name+"\n")
		text, _, _ = strings.Cut(text, "\x16=== ")
		if !strings.Contains(text, tt.output) {
			t.Errorf("%s: got %q, want output with %q", name, text, tt.output)
		}
	}
	if t.Failed() || !strings.HasSuffix(out, "FAIL\n") {
		t.Errorf("want a FAIL at the end of\n%.2000s\n...\n%s", out, out[max(0, len(out)-1000):])
	}
}

// A program that takes the machine down must not be lost, and neither the
// programs after it.
func TestBootPanic(t *testing.T) {
	exe := toy(t, "toy")
	var programs []Program
	for i, arg := range []string{"ok", "panic", "ok"} {
		programs = append(programs, Program{Test: "TestCoroCgoCallback/" + string(rune('a'+i)), File: exe, Arg: arg, Timeout: time.Minute})
	}
	start := time.Now()
	out, console, _ := boot(t, t.Context(), programs)
	if !strings.Contains(console, "Kernel panic") {
		t.Errorf("got no word of the kernel's panic in\n%s", console)
	}
	if !strings.Contains(out, "RUN   TestCoroCgoCallback/b") || strings.Contains(out, "--- FAIL") || strings.Contains(out, "\nPASS\n") || strings.Contains(out, "RUN   TestCoroCgoCallback/c") {
		t.Errorf("want the output to end within the second program, got\n%s", out)
	}
	if d := time.Since(start); d > 2*time.Minute {
		t.Errorf("the machine did not stop by itself, but after %v", d)
	}
}

// The end of the context is the end of the machine.
func TestBootCanceled(t *testing.T) {
	exe := toy(t, "toy")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	start := time.Now()
	out, _, err := boot(t, ctx, []Program{{Test: "TestCoroCgoCallback/a", File: exe, Arg: "hang", Timeout: time.Hour}})
	if err == nil || strings.Contains(out, "---") {
		t.Errorf("got %v and %q, want the machine to be killed", err, out)
	}
	if d := time.Since(start); d > time.Minute {
		t.Errorf("it ended after %v, want 30s", d)
	}
}
