package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// BenchmarkInstall compares the driver with the least that any build of the
// line needs: in each iteration a bare make.bash on the patched tree, then
// "go run ./build", all caches of both empty, the download and the compilation
// of the driver included. It reports the seconds of both and their ratio:
//
//	go test ./build -run '^$' -bench Install -benchtime 3x -timeout 2h
//
// An iteration takes some six minutes.
func BenchmarkInstall(b *testing.B) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		b.Fatal(err)
	}
	// The tree to measure make.bash on is the driver's own.
	tree := exec.Command("go", "run", ".", "tree")
	tree.Env = append(os.Environ(), "GOCORO_CACHE="+b.TempDir())
	out, err := tree.Output()
	if err != nil {
		b.Fatalf("%v: %v", tree, err)
	}
	clean := func(dir string, extra ...string) []string {
		env := append([]string{
			"PATH=" + os.Getenv("PATH"),
			"HOME=" + filepath.Join(dir, "home"),
			"GOCACHE=" + filepath.Join(dir, "gocache"),
			"GOTOOLCHAIN=local",
		}, extra...)
		for _, k := range []string{"GOPROXY", "GOSUMDB", "GONOSUMDB"} {
			if v := os.Getenv(k); v != "" {
				env = append(env, k+"="+v)
			}
		}
		return env
	}
	timed := func(cmd *exec.Cmd) float64 {
		start := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %v\n%s", cmd, err, out)
		}
		return time.Since(start).Seconds()
	}
	var bare, full float64
	for range b.N {
		dir := b.TempDir()
		src := filepath.Join(dir, "tree")
		if err := os.CopyFS(src, os.DirFS(strings.TrimSpace(string(out)))); err != nil {
			b.Fatal(err)
		}
		mk := exec.Command("bash", "make.bash")
		mk.Dir = filepath.Join(src, "src")
		mk.Env = clean(dir, "GOROOT_BOOTSTRAP="+strings.TrimSpace(string(goroot)))
		bare += timed(mk)

		dir = b.TempDir()
		run := exec.Command("go", "run", ".", "-root", filepath.Join(dir, "sdk"), "-bin", filepath.Join(dir, "bin"))
		// -modcacherw lets the benchmark remove its own module cache.
		run.Env = clean(dir, "GOCORO_CACHE="+filepath.Join(dir, "cache"), "GOMODCACHE="+filepath.Join(dir, "mod"), "GOFLAGS=-modcacherw")
		full += timed(run)
	}
	n := float64(b.N)
	b.ReportMetric(bare/n, "make.bash-s")
	b.ReportMetric(full/n, "gocoro-s")
	b.ReportMetric(full/bare, "ratio")
	b.ReportMetric(0, "ns/op")
}
