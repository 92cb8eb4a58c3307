package subcommand

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"gocoro/build/command"
	"gocoro/build/driver"
	"gocoro/build/goroot"
	"gocoro/build/line"
	"gocoro/build/progress"
	"gocoro/build/store"
	"gocoro/ci/platform"
)

// benchmarks are the overlay's. The locked ones run a fixed, small number of
// rounds, each in a process of its own, and have little time: stock upstream
// loses locked goroutines, which is what the series is for, and hangs or dies
// in most of these runs.
var benchmarks = []struct {
	pattern, rounds string
	limit           time.Duration
}{
	{"^BenchmarkCoro.*/^unlocked$", "200ms", time.Minute},
	{"^BenchmarkCoroNext$/^locked$", "15000x", 5 * time.Second},
	{"^BenchmarkCoroPull$/^locked$", "2000x", 5 * time.Second},
}

// Bench measures what the series costs: the benchmarks of the overlay, on
// stock upstream and on the patched runtime, in turn, compared by benchstat.
func Bench(fs *flag.FlagSet) func(context.Context, []string) error {
	lineName := fs.String("line", "", "the `line` (default: the line of VERSION)")
	count := fs.Int("count", 10, "how many `times` each side runs")
	return func(ctx context.Context, args []string) error {
		if err := command.NoArgs(args); err != nil {
			return err
		}
		repo, err := line.FindRepo(".")
		if err != nil {
			return err
		}
		l, err := repo.Line(*lineName)
		if err != nil {
			return err
		}
		st, err := store.Open()
		if err != nil {
			return err
		}
		inUse, err := st.Use(ctx)
		if err != nil {
			return progress.Explain(err, st.Root)
		}
		defer inUse.Close()
		rep := progress.New(os.Stderr)
		d, err := driver.New(l, "module", st, rep)
		if err != nil {
			return err
		}
		stock, err := d.Baseline(ctx)
		if err != nil {
			return progress.Explain(err, st.Root)
		}
		patched, err := d.Make(ctx)
		if err != nil {
			return progress.Explain(err, st.Root)
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
		sides := []struct{ name, goroot, key string }{{"stock", stock, stockKey}, {"patched", patched, patchedKey}}
		for _, s := range sides {
			step := rep.Start("bench", "building the runtime's test on "+s.name)
			cmd := exec.Command(filepath.Join(s.goroot, "bin/go"), "test", "-c", "-o", filepath.Join(tmp, s.name+".test"), "runtime")
			cmd.Env = goroot.Environ("GOROOT="+s.goroot, "GOCACHE="+filepath.Join(st.Root, "gocache", s.key),
				"GOEXPERIMENT="+platform.Experiments(s.goroot, ""))
			cmd.Dir = filepath.Join(s.goroot, "src")
			if err := rep.Run(ctx, "go test -c runtime", cmd, st.Log("bench", s.name), nil); err != nil {
				step.Fail()
				return err
			}
			step.Done("")
		}
		// In turn, so that a change of the machine's pace meets both sides.
		out := map[string]*bytes.Buffer{"stock": {}, "patched": {}}
		for i := range *count {
			for _, p := range benchmarks {
				for _, s := range sides {
					rep.Printf("bench    %d of %d, %s, %s", i+1, *count, p.pattern, s.name)
					limited, cancel := context.WithTimeout(ctx, p.limit)
					cmd := exec.Command(filepath.Join(tmp, s.name+".test"), "-test.run=^$", "-test.bench="+p.pattern, "-test.benchtime="+p.rounds)
					cmd.Dir = filepath.Join(s.goroot, "src/runtime")
					cmd.Env = goroot.Environ("GOROOT=" + s.goroot)
					var buf bytes.Buffer
					cmd.Stdout, cmd.Stderr = &buf, &buf
					err := progress.Group(limited, cmd)
					cancel()
					switch {
					case ctx.Err() != nil:
						return ctx.Err()
					case err == nil:
						out[s.name].Write(buf.Bytes())
					case s.name == "stock":
						rep.Printf("bench    stock upstream did not get through (%v), left out", err)
					default:
						return fmt.Errorf("benchmarks on %s: %w\n%s", s.name, err, &buf)
					}
				}
			}
		}
		var files []string
		for _, s := range sides {
			file := filepath.Join(tmp, s.name)
			if err := os.WriteFile(file, out[s.name].Bytes(), 0o666); err != nil {
				return err
			}
			files = append(files, s.name+"="+file)
		}
		cmd := exec.CommandContext(ctx, "go", append([]string{"tool", "benchstat"}, files...)...)
		cmd.Dir = repo.Dir
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd.Run()
	}
}
