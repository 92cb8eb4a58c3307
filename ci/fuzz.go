package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"gocoro/build/command"
	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/progress"
	"gocoro/build/store"
	"gocoro/ci/fuzz"
)

// fuzzCommand runs random programs on the toolchain of a GOROOT.
func fuzzCommand(fs *flag.FlagSet) func(context.Context, []string) error {
	root := fs.String("goroot", "", "the `directory` of the toolchain to test")
	stock := fs.String("stock", "", "the `directory` of the stock upstream toolchain, to compare threads with where it runs a program")
	seed := fs.Uint64("seed", 0, "the seed of the first program; the next ones count up (default: from the clock)")
	count := fs.Int("count", 0, "how many `programs` (default: as many as -time allows)")
	limit := fs.Duration("time", 0, "how long to start new programs (default: 1m, or unlimited with -count)")
	workers := fs.Int("p", runtime.NumCPU(), "how many `processes` at a time")
	size := fs.Int("size", 40, "how many `operations` a program has, about")
	plain := fs.Bool("plain", false, "make programs without thread locks and C calls, which every Go must run")
	only := fs.String("only", "", "run one kind of Pull only: coro or chan")
	race := fs.Bool("race", false, "compile with the race detector")
	wrapper := fs.String("exec", "", "the `command` that runs the compiled interpreter, for other platforms")
	godebug := fs.String("godebug", "", "GODEBUG of the programs; corolock=0 is upstream's rule")
	repeat := fs.Int("repeat", 3, "how many `times` a program runs in its process")
	hang := fs.Duration("limit", 30*time.Second, "the time after which a process counts as hung")
	shrink := fs.Duration("shrink", 2*time.Minute, "how long to reduce a failure")
	failures := fs.Int("failures", 20, "stop after so many failing `programs`")
	out := fs.String("out", "", "the `directory` for findings (default: fuzz-<time> in the build cache)")
	args := fs.String("interp", "", "further `arguments` of the interpreter; -fault=move breaks Pull on purpose")
	return func(ctx context.Context, rest []string) error {
		if err := command.NoArgs(rest); err != nil {
			return err
		}
		if *root == "" {
			return hint.Add(errors.New("no toolchain given"), "go run ./ci fuzz -goroot \"$(go env GOROOT)\"")
		}
		repo, err := line.FindRepo(".")
		if err != nil {
			return err
		}
		return inStore(ctx, func(st *store.Store) error {
			rep := progress.New(os.Stderr)
			if *out == "" {
				*out = filepath.Join(st.Root, "ci", "fuzz-"+time.Now().UTC().Format("20060102-150405"))
			}
			if err := os.MkdirAll(*out, 0o777); err != nil {
				return err
			}
			if *seed == 0 {
				*seed = uint64(time.Now().UnixNano()/1e6) % 1e9 * 1000
			}
			if *limit == 0 && *count == 0 {
				*limit = time.Minute
			}
			interp := filepath.Join(*out, "interp")
			var build []string
			if *race {
				build = append(build, "-race")
			}
			step := rep.Start("fuzz", "compiling the interpreter")
			if err := fuzz.Build(ctx, repo.Dir, *root, st.Root, interp, build...); err != nil {
				step.Fail()
				return err
			}
			stockInterp := ""
			if *stock != "" && *only == "" {
				stockInterp = filepath.Join(*out, "interp-stock")
				if err := fuzz.Build(ctx, repo.Dir, *stock, st.Root, stockInterp, build...); err != nil {
					step.Fail()
					return err
				}
			}
			step.Done("")
			line := ""
			if *godebug != "" {
				line = "GODEBUG=" + *godebug + " "
			}
			rep.Printf("fuzz     seed %d, size %d, %sfindings go to %s", *seed, *size, line, *out)
			c := &fuzz.Campaign{
				Runner: &fuzz.Runner{Interp: interp, Stock: stockInterp, Exec: strings.Fields(*wrapper), Args: strings.Fields(*args), Limit: *hang, Repeat: *repeat, Only: *only,
					Env: []string{"GODEBUG=" + *godebug}},
				Seed: *seed, Count: *count, Time: *limit, Size: *size, Plain: *plain, Workers: *workers, Shrink: *shrink, Max: *failures, Dir: *out,
				Printf: rep.Printf,
			}
			s, err := c.Run(ctx)
			if err != nil {
				if s != nil && s.Programs > 0 {
					fmt.Println(s)
				}
				return err
			}
			data, err := json.MarshalIndent(s, "", "\t")
			if err != nil {
				return err
			}
			if err := store.WriteFile(filepath.Join(*out, "summary.json"), append(data, '\n')); err != nil {
				return err
			}
			fmt.Println(s)
			if s.Failed() {
				return command.ExitError(1)
			}
			return nil
		})
	}
}
