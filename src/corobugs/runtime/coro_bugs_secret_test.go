// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package runtime_test

import (
	"internal/goversion"
	"internal/testenv"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// TestCoroBugSecret checks that the stack of a coroutine in secret mode is
// erased when the coroutine ends.
func TestCoroBugSecret(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skipf("no runtime/secret on %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	testenv.MustHaveGoBuild(t)
	exe := filepath.Join(t.TempDir(), "testcorosecret.exe")
	cmd := testenv.CleanCmdEnv(exec.Command(testenv.GoToolPath(t), "build", "-o", exe))
	cmd.Dir = "testdata/testcorosecret"
	cmd.Env = append(cmd.Env, "GOEXPERIMENT=runtimesecret")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	for _, name := range []string{"End", "Stop", "StopOutside", "Goexit", "Panic", "Locked"} {
		t.Run(name, func(t *testing.T) {
			var env []string
			if name == "Locked" {
				env = append(env, "GODEBUG=corolock=1")
			}
			got := runBuiltTestProg(t, exe, name, env...)
			if got == "not secret\n" && goversion.Version < 27 {
				t.Skip("goroutines do not inherit secret mode in this release")
			}
			if got != "OK\n" {
				t.Fatal(got)
			}
		})
	}
}
