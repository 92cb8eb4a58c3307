package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"gocoro/build/command"
	"gocoro/build/hint"
	"gocoro/build/progress"
	"gocoro/build/store"
	"gocoro/ci/journal"
	"gocoro/ci/plan"
	"gocoro/ci/platform"
	"gocoro/ci/record"
	"gocoro/ci/report"
	"gocoro/ci/runner"
	"gocoro/ci/verdict"
)

// testCommand runs cells and reports.
func testCommand(fs *flag.FlagSet) func(context.Context, []string) error {
	f := new(flags)
	f.register(fs)
	results := fs.String("results", "", "the `directory` for the raw records, new (default: ci-<time> in the build cache)")
	reportDir := fs.String("report", "", "the `directory` for the report (default: report in the directory of the records)")
	fresh := fs.Bool("fresh", false, "run every cell, even if it passed before and nothing has changed")
	var only *regexp.Regexp
	fs.Func("run", "of the suites coro and testprog, only the tests whose name matches the `regexp`", func(text string) (err error) {
		if strings.Contains(text, "/") {
			return errors.New("want a pattern for whole tests, without a slash")
		}
		only, err = regexp.Compile(text)
		return err
	})
	within := fs.Duration("within", 0, "after this `time`, start no cell that can wait for the nightly run (default: no limit)")
	return func(ctx context.Context, args []string) error {
		if err := command.NoArgs(args); err != nil {
			return err
		}
		repo, lines, cells, err := f.cells()
		if err != nil {
			return err
		}
		nightly, err := f.nightly(lines)
		if err != nil {
			return err
		}
		if only != nil {
			cells, nightly = slices.DeleteFunc(cells, func(c plan.Cell) bool { return !c.ByName() }), nil
			if len(cells) == 0 {
				return hint.Add(errors.New("-run: no cell of the selection runs tests by name"), "select cells of the suites coro and testprog")
			}
		}
		return inStore(ctx, func(st *store.Store) error {
			dir := *results
			if dir == "" {
				dir = filepath.Join(st.Root, "ci", time.Now().UTC().Format("20060102-150405"))
			}
			if *reportDir == "" {
				*reportDir = filepath.Join(dir, "report")
			}
			r := &runner.Runner{Repo: repo, Store: st, Results: filepath.Join(dir, "records"), Within: *within, Only: only, Fresh: *fresh || only != nil}
			return test(ctx, r, lines, cells, nightly, *reportDir)
		})
	}
}

// test runs cells, and writes their records to one directory and the report to
// another. The report names the cells of nightly, which do not run.
func test(ctx context.Context, r *runner.Runner, lines []*plan.Line, cells []plan.Cell, nightly []record.ID, reportDir string) error {
	if err := os.MkdirAll(r.Results, 0o777); err != nil {
		return err
	}
	expected, err := plan.Expected(platform.Host(), lines, cells[0].Depth)
	if err != nil {
		return err
	}
	rep := progress.New(os.Stderr)
	r.Rep, r.Expected = rep, expected
	if r.Journal, err = journal.Create(r.Results); err != nil {
		return err
	}
	rep.Begin = r.Begin(1)
	// Each cell that needs something that cannot be installed fails and says so,
	// too. The others run.
	if err := setup(ctx, rep, r.Repo, r.Store, cells); err != nil {
		if ctx.Err() != nil {
			return err
		}
		rep.Printf("%s", hint.Text(err))
	}
	r.Done = func(c *record.Cell, p verdict.Planned) {
		e, err := verdict.Evaluate([]verdict.Planned{p}, []*record.Cell{c}, expected)
		if err == nil {
			rep.Printf("%s", report.CellLine(e.Cells[0]))
		}
	}
	// A run that was stopped has a report, too, with the cells that did not run.
	planned, late, runErr := r.Run(ctx, cells)
	runErr = errors.Join(runErr, r.Journal.Close())
	if len(planned) == 0 && runErr != nil {
		return runErr
	}
	if len(late) > 0 {
		fmt.Printf("\ndeferred to the nightly run, not started within %v (go run ./ci test -depth nightly):\n", r.Within)
		for _, id := range late {
			fmt.Printf("\t%s\n", id)
		}
	}
	if err := finish(r.Repo, planned, append(nightly, late...), expected, reportDir, r.Results); err != nil {
		return err
	}
	return runErr
}
