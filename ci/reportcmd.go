package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"gocoro/build/command"
	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/ci/journal"
	"gocoro/ci/plan"
	"gocoro/ci/platform"
	"gocoro/ci/record"
	"gocoro/ci/report"
	"gocoro/ci/verdict"
)

// reportCommand judges records that are there already.
func reportCommand(fs *flag.FlagSet) func(context.Context, []string) error {
	f := new(flags)
	f.register(fs)
	dir := fs.String("report", "report", "the `directory` for the report")
	fs.BoolVar(&f.hosted, "hosted", false, "judge against the plan of all hosted runners, not of this machine")
	return func(ctx context.Context, args []string) error {
		if len(args) == 0 {
			return hint.Add(errors.New("no directory of records given"), "go run ./ci report RESULTS ...")
		}
		repo, lines, cells, err := f.cells()
		if err != nil {
			return err
		}
		nightly, err := f.nightly(lines)
		if err != nil {
			return err
		}
		expected, err := plan.Expected(platform.Host(), lines, f.sel.Depth)
		if err != nil {
			return err
		}
		// The record of a cell has what was wanted in it. That was found in a
		// tree, which may not be on this machine.
		recs, err := record.Read(args...)
		if err != nil {
			return err
		}
		want := map[record.ID]record.Want{}
		for _, c := range recs {
			want[c.ID] = c.Want
		}
		var planned []verdict.Planned
		for _, c := range cells {
			planned = append(planned, verdict.Planned{ID: c.ID, How: string(c.Method.Kind), Want: want[c.ID]})
		}
		return finish(repo, planned, nightly, expected, *dir, args...)
	}
}

// finish judges the records, writes the report, prints the summary and turns
// the verdict into the exit status.
func finish(repo *line.Repo, planned []verdict.Planned, nightly []record.ID, expected []verdict.Expectation, dir string, results ...string) error {
	cells, err := record.Read(results...)
	if err != nil {
		return err
	}
	e, err := verdict.Evaluate(planned, cells, expected)
	if err != nil {
		return err
	}
	var runs [][]journal.Span
	for _, dir := range results {
		spans, err := journal.Read(dir)
		if err != nil {
			return err
		}
		runs = append(runs, spans)
	}
	head := report.Head{Runs: runs, Generated: time.Now().UTC(), Revision: revision(repo), URL: os.Getenv("GOCORO_RUN_URL"), Nightly: nightly}
	if err := report.Write(dir, head, e); err != nil {
		// Without a report, nobody sees what passed.
		return hint.Add(err, "the records are in %s\nfree some space, then: go run ./ci report %s", strings.Join(results, " "), strings.Join(results, " "))
	}
	fmt.Printf("\nreport: %s\n\n", filepath.Join(dir, report.PageFile))
	if err := report.Text(os.Stdout, e); err != nil {
		return err
	}
	if code := e.ExitCode(); code != 0 {
		return command.ExitError(code)
	}
	return nil
}

func revision(repo *line.Repo) string {
	cmd := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12")
	cmd.Dir = repo.Dir
	out, err := cmd.Output()
	if err != nil {
		return "" // an archive of the repository has no history
	}
	return strings.TrimSpace(string(out))
}
