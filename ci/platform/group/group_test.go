//go:build unix

package group

import (
	"bufio"
	"context"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A grandchild in the same group, which holds the output pipe open, must die
// with the command, and Wait must not sit out the grandchild's sleep.
func TestCancelKillsDescendants(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "sleep 300 & echo $!; wait")
	Set(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	grandchild, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}

	start := time.Now()
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("Wait after cancel: expected an error, found none")
	}
	// The kernel may need a moment to take the grandchild away; init or a
	// subreaper must wait for it as well, so a zombie counts as dead.
	for alive(grandchild) {
		if time.Since(start) > waitDelay {
			t.Fatalf("process %d, started by the command, lives on %v after the cancel", grandchild, time.Since(start))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// alive reports whether pid is a process that is not a zombie.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	state, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(state)), "Z")
}
