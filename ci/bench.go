package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gocoro/build/driver"
	"gocoro/build/goroot"
	"gocoro/build/run"
	"gocoro/ci/chart"
	"gocoro/ci/platform"
	"gocoro/ci/suite"
)

// programs is the package of a separate module, because it requires large modules.
const programs = "gocoro/ci/programs"

// A side is a toolchain and how the benchmarks run with it.
type side struct{ name, goroot, key, env string }

type benchmark struct {
	group           string
	pkg             string
	pattern, rounds string
	limit           time.Duration
}

// benchmarks are those of the matched-lock rules. The locked ones run a small,
// fixed number of rounds, each in a process of its own, with a short time limit.
// Stock upstream loses locked goroutines, which the series repairs, and hangs or
// dies in most of these runs.
var benchmarks = []benchmark{
	{"unlocked", "runtime", "^BenchmarkCoro.*/^unlocked$", "200ms", time.Minute},
	{"locked", "runtime", "^BenchmarkCoroNext$/^locked$", "15000x", 5 * time.Second},
	{"locked", "runtime", "^BenchmarkCoroPull$/^locked$", "2000x", 5 * time.Second},
}

// sharedBenchmarks are those of the shared-lock rules. A benchmark skips itself on
// a side that does not allow what it measures. The last group is upstream's: calls
// to C, and callbacks, also on a thread that C creates.
var sharedBenchmarks = []benchmark{
	{"pull", "runtime", "^BenchmarkCoroLock(Next|Pull)$", "200ms", time.Minute},
	{"locks", "runtime", "^BenchmarkCoroLockOSThread$", "50000000x", time.Minute}, // two nanoseconds, in a longer run
	{"locks", "runtime", "^BenchmarkCoroLock(PingPong|Claims)$", "200ms", time.Minute},
	{"callbacks", "runtime", "^BenchmarkCoroLockCallback$", "200ms", 5 * time.Minute}, // it builds a program
	{"switch", "runtime", "^BenchmarkCoroSwitch(Next|Pull)$", "200ms", time.Minute},   // of lines with the direct switch
	{"programs", programs, "^Benchmark", "300ms", 5 * time.Minute},
	{"cgo", "cmd/cgo/internal/test", "^Benchmark(CgoCall|CGoCallback|CGoInCThread)$", "200ms", time.Minute},
}

// benchCommand measures what the series costs: the benchmarks of the overlay, on
// stock upstream and on the patched runtime, in turn, compared by benchstat.
func benchCommand(fs *flag.FlagSet) func(context.Context, []string) error {
	f := driver.Flags{Source: "module"}
	fs.StringVar(&f.Line, "line", "", "the `line` (default: the line of VERSION)")
	count := fs.Int("count", 10, "how many `times` each side runs")
	var only []string
	fs.Func("only", "a `group` of benchmarks to run; may be repeated (default: all)", func(group string) error {
		only = append(only, group)
		return nil
	})
	svg := fs.String("chart", "", "a `file` to draw the medians into, as an SVG")
	return f.Command(func(ctx context.Context, d *driver.Driver) error {
		stock, err := d.Baseline(ctx)
		if err != nil {
			return err
		}
		patched, err := d.Make(ctx)
		if err != nil {
			return err
		}
		patchedKey, stockKey, err := d.Keys(ctx)
		if err != nil {
			return err
		}
		tmp, err := os.MkdirTemp("", "gocoro-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		sides := []side{{"stock", stock, stockKey, ""}, {"patched", patched, patchedKey, ""}}
		benchmarks := benchmarks
		if suite.RulesOf(d.Line) == suite.Shared {
			benchmarks = sharedBenchmarks
			sides = append(sides, side{"channels", patched, patchedKey, "CORO_PULL=chan"})
		}
		if benchmarks, err = selected(benchmarks, only); err != nil {
			return err
		}
		var packages []string
		for _, b := range benchmarks {
			if !slices.Contains(packages, b.pkg) {
				packages = append(packages, b.pkg)
			}
		}
		for _, s := range sides[:2] { // the third has the binaries of the second
			for _, pkg := range packages {
				step := d.Rep.Start("bench", "building the test of "+pkg+" on "+s.name)
				if err := s.build(ctx, d, pkg, tmp); err != nil {
					step.Fail()
					return err
				}
				step.Done("")
			}
		}
		// In turn, so that a change of the machine's pace meets both sides.
		out := map[string][]byte{}
		for i := range *count {
			for _, p := range benchmarks {
				for _, s := range sides {
					if s.name == "channels" && p.group != "pull" {
						continue // 10,000 goroutines would have as many threads
					}
					d.Rep.Printf("bench    %d of %d, %s, %s", i+1, *count, p.pattern, s.name)
					text, err := s.measure(ctx, d, p, tmp)
					switch {
					case ctx.Err() != nil:
						return ctx.Err()
					case err == nil:
						out[s.name] = append(out[s.name], text...)
					case s.name == "stock":
						d.Rep.Printf("bench    stock upstream failed (%v); left out", err)
					default:
						return fmt.Errorf("benchmarks on %s: %w\n%s", s.name, err, text)
					}
				}
			}
		}
		if *svg != "" {
			if err := draw(*svg, *count, sides, out); err != nil {
				return err
			}
		}
		var files []string
		for _, s := range sides {
			file := filepath.Join(tmp, s.name)
			if err := os.WriteFile(file, out[s.name], 0o666); err != nil {
				return err
			}
			files = append(files, s.name+"="+file)
		}
		cmd := exec.CommandContext(ctx, "go", append([]string{"run", "golang.org/x/perf/cmd/benchstat"}, files...)...)
		cmd.Dir = d.Line.Repo().Dir
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd.Run()
	})
}

// selected returns the benchmarks of the groups, or all if there are none.
func selected(all []benchmark, groups []string) ([]benchmark, error) {
	if len(groups) == 0 {
		return all, nil
	}
	var list []benchmark
	var names []string
	for _, b := range all {
		if slices.Contains(groups, b.group) {
			list = append(list, b)
		}
		names = append(names, b.group)
	}
	for _, g := range groups {
		if !slices.Contains(names, g) {
			return nil, fmt.Errorf("-only %s: want one of %s", g, strings.Join(slices.Compact(names), ", "))
		}
	}
	return list, nil
}

// draw writes a chart of what the sides printed.
func draw(file string, rounds int, sides []side, out map[string][]byte) error {
	var list []chart.Side
	for _, s := range sides {
		list = append(list, chart.Side{Name: s.name, Output: bytes.NewReader(out[s.name])})
	}
	var buf bytes.Buffer
	title := fmt.Sprintf("Time per operation: medians of %d rounds, and how many times stock's", rounds)
	if err := chart.Write(&buf, title, list); err != nil {
		return fmt.Errorf("-chart %s: %w", file, err)
	}
	return os.WriteFile(file, buf.Bytes(), 0o666)
}

// binary returns the path of the test of the package in the directory dir.
func (s side) binary(pkg, dir string) string {
	name := "patched" // the channels' side has the same
	if s.name == "stock" {
		name = s.name
	}
	return filepath.Join(dir, name+"-"+path.Base(pkg)+".test")
}

func (s side) environ(d *driver.Driver, more ...string) []string {
	return goroot.Environ(append(more, "GOROOT="+s.goroot, "GOCACHE="+filepath.Join(d.Store.Root, "gocache", s.key))...)
}

// build builds the test of the package.
func (s side) build(ctx context.Context, d *driver.Driver, pkg, dir string) error {
	cmd := run.Command(ctx, filepath.Join(s.goroot, "bin/go"), "test", "-c", "-o", s.binary(pkg, dir), pkg)
	cmd.Env = s.environ(d, "GOEXPERIMENT="+platform.Experiments(s.goroot, ""))
	cmd.Dir = filepath.Join(s.goroot, "src")
	if pkg == programs {
		cmd.Dir = filepath.Join(d.Line.Repo().Dir, "ci/programs")
	}
	return d.Rep.Run(ctx, "go test -c "+pkg, cmd, d.Store.Log("bench", s.name), nil)
}

// measure runs the benchmarks once, and returns what they print.
func (s side) measure(ctx context.Context, d *driver.Driver, b benchmark, dir string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, b.limit)
	defer cancel()
	cmd := run.Command(ctx, s.binary(b.pkg, dir), "-test.run=^$", "-test.bench="+b.pattern, "-test.benchtime="+b.rounds)
	if b.pkg != programs {
		cmd.Dir = filepath.Join(s.goroot, "src", b.pkg)
	}
	// One benchmark builds a program with the go command on PATH.
	cmd.Env = s.environ(d, "PATH="+filepath.Join(s.goroot, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"), s.env)
	return cmd.CombinedOutput()
}
