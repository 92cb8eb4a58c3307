// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package report

import (
	"os"
	"os/exec"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"gocoro/ci/verdict"
)

// TestFullDisk writes a report to a real file system that is too small for it.
// The file system is a tmpfs in a mount namespace of a child's own, so that
// nothing outside notices and no privilege is needed.
func TestFullDisk(t *testing.T) {
	const childDir = "GOCORO_TEST_FULL_DISK"
	if dir := os.Getenv(childDir); dir != "" {
		fullDisk(t, dir)
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), childDir+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if out == nil && err != nil {
		t.Skipf("no user namespaces here: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestFullDisk") {
		t.Errorf("%v\n%s", err, out)
	}
}

func fullDisk(t *testing.T, dir string) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatalf("mount: %v", err)
	}
	small := &verdict.Evaluation{Cells: sample().Cells[:1]}
	if err := Write(dir, sampleHead, small); err != nil {
		t.Fatalf("the small report does not fit: %v", err)
	}
	old := readAll(t, dir)
	err := Write(dir, sampleHead, sample())
	if err == nil || !strings.Contains(err.Error(), "no space left on device") || !strings.Contains(err.Error(), "is unchanged") {
		t.Errorf("%v; want an error that says what is wrong and what is left", err)
	}
	if now := readAll(t, dir); !reflect.DeepEqual(now, old) {
		t.Errorf("the old report is not as it was: %d files, want %d", len(now), len(old))
	}
	// And when there is room again.
	if err := Write(dir, sampleHead, small); err != nil {
		t.Error(err)
	}
}
