package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"gocoro/build/command"
	"gocoro/build/progress"
	"gocoro/build/store"
	"gocoro/ci/fuzz"
)

// fuzzCommand runs random programs on the toolchain of a GOROOT.
func fuzzCommand(fs *flag.FlagSet) func(context.Context, []string) error {
	r := new(fuzz.Runner)
	c := &fuzz.Campaign{Runner: r}
	root := fs.String("goroot", "", "the `directory` of the toolchain to test")
	stock := fs.String("stock", "", "the `directory` of the stock upstream toolchain, to compare threads with where it runs a program")
	fs.Uint64Var(&c.Seed, "seed", 0, "the seed of the first program; the next ones count up (default: from the clock)")
	fs.IntVar(&c.Count, "count", 0, "how many `programs` (default: as many as -time allows)")
	fs.DurationVar(&c.Time, "time", 0, "how long to start new programs (default: 1m, or unlimited with -count)")
	fs.IntVar(&c.Workers, "p", runtime.NumCPU(), "how many `processes` at a time")
	fs.IntVar(&c.Size, "size", 40, "how many `operations` a program has, about")
	fs.BoolVar(&c.Plain, "plain", false, "make programs without thread locks and C calls, which every Go must run")
	fs.StringVar(&r.Only, "only", "", "run one kind of Pull only: coro or chan")
	race := fs.Bool("race", false, "compile with the race detector")
	wrapper := fs.String("exec", "", "the `command` that runs the compiled interpreter, for other platforms")
	godebug := fs.String("godebug", "", "GODEBUG of the programs; corolock=0 is upstream's rule")
	fs.IntVar(&r.Repeat, "repeat", 3, "how many `times` a program runs in its process")
	fs.DurationVar(&r.Limit, "limit", 30*time.Second, "the time after which a process counts as hung")
	fs.DurationVar(&c.Shrink, "shrink", 2*time.Minute, "how long to reduce a failure")
	fs.IntVar(&c.Max, "failures", 20, "stop after so many failing `programs`")
	fs.StringVar(&c.Dir, "out", "", "the `directory` for findings (default: fuzz-<time> in the build cache)")
	args := fs.String("interp", "", "further `arguments` of the interpreter; -fault=move breaks Pull on purpose")
	return func(ctx context.Context, rest []string) error {
		if err := command.NoArgs(rest); err != nil {
			return err
		}
		repo, err := repoWith(*root, "fuzz")
		if err != nil {
			return err
		}
		r.Exec, r.Args, r.Env = strings.Fields(*wrapper), strings.Fields(*args), []string{"GODEBUG=" + *godebug}
		return inStore(ctx, func(st *store.Store) error {
			rep := progress.New(os.Stderr)
			c.Printf = rep.Printf
			if c.Dir == "" {
				c.Dir = filepath.Join(st.Root, "ci", "fuzz-"+time.Now().UTC().Format("20060102-150405"))
			}
			if err := os.MkdirAll(c.Dir, 0o777); err != nil {
				return err
			}
			if c.Seed == 0 {
				c.Seed = uint64(time.Now().UnixNano()/1e6) % 1e9 * 1000
			}
			if c.Time == 0 && c.Count == 0 {
				c.Time = time.Minute
			}
			var flags []string
			if *race {
				flags = append(flags, "-race")
			}
			step := rep.Start("fuzz", "compiling the interpreter")
			r.Interp = filepath.Join(c.Dir, "interp")
			err := fuzz.Build(ctx, repo.Dir, *root, st.Root, r.Interp, flags...)
			if err == nil && *stock != "" && r.Only == "" {
				r.Stock = filepath.Join(c.Dir, "interp-stock")
				err = fuzz.Build(ctx, repo.Dir, *stock, st.Root, r.Stock, flags...)
			}
			if err != nil {
				step.Fail()
				return err
			}
			step.Done("")
			line := ""
			if *godebug != "" {
				line = "GODEBUG=" + *godebug + " "
			}
			rep.Printf("fuzz     seed %d, size %d, %sfindings go to %s", c.Seed, c.Size, line, c.Dir)
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
			if err := store.WriteFile(filepath.Join(c.Dir, "summary.json"), append(data, '\n')); err != nil {
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
