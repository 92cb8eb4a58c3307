package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gocoro/build/dist"
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
	tree := patchedTree(b)
	var bare, full float64
	for range b.N {
		bare += makeBash(b, tree)

		dir := b.TempDir()
		run := exec.Command("go", "run", ".", "-root", filepath.Join(dir, "sdk"), "-bin", filepath.Join(dir, "bin"))
		// -modcacherw lets the benchmark remove its own module cache.
		run.Env = cleanEnv(dir, "GOCORO_CACHE="+filepath.Join(dir, "cache"), "GOMODCACHE="+filepath.Join(dir, "mod"), "GOFLAGS=-modcacherw")
		full += timed(b, run)
	}
	n := float64(b.N)
	b.ReportMetric(bare/n, "make.bash-s")
	b.ReportMetric(full/n, "gocoro-s")
	b.ReportMetric(full/bare, "ratio")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkDist compares the packages of the four platforms, made together by
// "go run ./build dist" with an empty cache, with four runs of make.bash
// -distpack, one for each platform, on the patched tree. It reports the seconds
// of both and their ratio:
//
//	go test ./build -run '^$' -bench Dist -benchtime 1x -timeout 3h
//
// An iteration takes some half an hour.
func BenchmarkDist(b *testing.B) {
	tree := patchedTree(b)
	var apart, together float64
	for range b.N {
		for _, p := range dist.Platforms {
			goos, goarch, _ := strings.Cut(p, "/")
			apart += makeBash(b, tree, "-distpack", "GOOS="+goos, "GOARCH="+goarch)
		}
		dir := b.TempDir()
		run := exec.Command("go", "run", ".", "dist", "-o", filepath.Join(dir, "release"))
		run.Env = cleanEnv(dir, "GOCORO_CACHE="+filepath.Join(dir, "cache"), "GOMODCACHE="+moduleCache(b))
		together += timed(b, run)
	}
	n := float64(b.N)
	b.ReportMetric(apart/n, "apart-s")
	b.ReportMetric(together/n, "together-s")
	b.ReportMetric(together/apart, "ratio")
	b.ReportMetric(0, "ns/op")
}

// patchedTree returns the tree to measure make.bash on: the driver's own.
func patchedTree(b *testing.B) string {
	cmd := exec.Command("go", "run", ".", "tree")
	cmd.Env = append(os.Environ(), "GOCORO_CACHE="+b.TempDir())
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%v: %v", cmd, err)
	}
	return strings.TrimSpace(string(out))
}

// makeBash runs make.bash on a copy of the tree, with the given flags and
// settings (NAME=VALUE), and returns the seconds that it took.
func makeBash(b *testing.B, tree string, args ...string) float64 {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		b.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	src := filepath.Join(dir, "tree")
	if err := os.CopyFS(src, os.DirFS(tree)); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command("bash", "make.bash")
	cmd.Dir = filepath.Join(src, "src")
	cmd.Env = cleanEnv(dir, "GOROOT_BOOTSTRAP="+strings.TrimSpace(string(goroot)))
	for _, a := range args {
		if strings.Contains(a, "=") {
			cmd.Env = append(cmd.Env, a)
		} else {
			cmd.Args = append(cmd.Args, a)
		}
	}
	return timed(b, cmd)
}

// cleanEnv returns an environment in which nothing is cached yet, except for
// what the settings in extra say.
func cleanEnv(dir string, extra ...string) []string {
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

// moduleCache returns the user's module cache.
func moduleCache(b *testing.B) string {
	out, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// timed runs the command and returns the seconds that it took.
func timed(b *testing.B, cmd *exec.Cmd) float64 {
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return time.Since(start).Seconds()
}
