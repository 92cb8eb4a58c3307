// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package report shows an evaluation of the CI's records: as text, as JSON, as
// Markdown for a hosted runner's summary, and as one HTML page that needs
// nothing else.
//
// Everything comes from a [verdict.Evaluation], so the numbers are the same
// everywhere. The text above the last line tells how the states count, as
// [verdict.Totals] does: flaky tests and unexpected passes count as failed; expected
// failures and tests that were built but not run count as skipped, never as passed.
//
// A report replaces an older one as a whole or not at all: see [Write].
package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gocoro/build/run"
	"gocoro/ci/journal"
	"gocoro/ci/record"
	"gocoro/ci/verdict"
)

// title is the title of every report.
const title = "gocoro CI"

// A Head is what a report says about itself.
type Head struct {
	Generated time.Time // of the report
	Revision  string    // of the repository: a commit, "" when not known
	URL       string    // of the hosted run; may be ""

	Nightly []record.ID // cells that are planned at nightly depth only, and not in this run

	Runs [][]journal.Span // the steps of each run or shard
}

// The files of a report, in the order in which Write puts them in place: the
// page comes last.
const (
	TextFile     = "summary.txt"
	JSONFile     = "summary.json"
	MarkdownFile = "summary.md"
	PageFile     = "index.html"
)

// Write writes the report's files to the directory dir, which it makes if it is not
// there. It renders all of them, writes them next to the old ones and syncs them to
// disk before it renames the first into place. So after an error, such as a full
// disk, the old report is still there, or the error says which of its files could
// not be put back and where they are.
func Write(dir string, head Head, e *verdict.Evaluation) error {
	var files []file
	for _, f := range []struct {
		name   string
		render func(io.Writer) error
	}{
		{TextFile, func(w io.Writer) error { return Text(w, e) }},
		{JSONFile, func(w io.Writer) error { return JSON(w, head, e) }},
		{MarkdownFile, func(w io.Writer) error { return Markdown(w, head, e) }},
		{PageFile, func(w io.Writer) error { return Page(w, head, e) }},
	} {
		var b bytes.Buffer
		if err := f.render(&b); err != nil {
			return fmt.Errorf("report: render %s: %w", f.name, err)
		}
		files = append(files, file{f.name, b.Bytes()})
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("report: %w; name a directory that can be written", err)
	}
	if err := replace(dir, files); err != nil {
		return fmt.Errorf("report not written: %w; free some space and run `go run ./ci report` again", err)
	}
	return nil
}

type file struct {
	name string
	data []byte
}

// replace puts all files into dir, or none. The new files are first in a temporary
// directory below dir. The old ones move there, and come back if a new one cannot
// take its place.
func replace(dir string, files []file) error {
	tmp, err := os.MkdirTemp(dir, ".report-*.tmp")
	if err != nil {
		return err
	}
	if placed, err := putIn(dir, tmp, files); err != nil {
		if lost := putBack(dir, tmp, files, placed); lost != nil {
			return errors.Join(err, lost) // tmp has what could not be put back
		}
		os.RemoveAll(tmp)
		return fmt.Errorf("%w; an old report in %s is unchanged", err, dir)
	}
	return os.RemoveAll(tmp)
}

// rename is replaced by tests.
var rename = os.Rename

// oldFile is where replace keeps the old file of that name.
func oldFile(tmp, name string) string { return filepath.Join(tmp, "old-"+name) }

// putIn returns how many of the files it has put into dir.
func putIn(dir, tmp string, files []file) (placed int, err error) {
	for _, f := range files {
		t, err := os.OpenFile(filepath.Join(tmp, f.name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return 0, err
		}
		_, err = t.Write(f.data)
		if err = errors.Join(err, t.Sync(), t.Close()); err != nil {
			return 0, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	for i, f := range files {
		if err := rename(filepath.Join(dir, f.name), oldFile(tmp, f.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return i, err
		}
		if err := rename(filepath.Join(tmp, f.name), filepath.Join(dir, f.name)); err != nil {
			return i, err
		}
	}
	return len(files), nil
}

// putBack undoes a putIn that failed after it had placed some files.
func putBack(dir, tmp string, files []file, placed int) error {
	var errs []error
	for i, f := range files {
		name, old := filepath.Join(dir, f.name), oldFile(tmp, f.name)
		err := rename(old, name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && i < placed:
			err = os.Remove(name) // there was none before
		case errors.Is(err, fs.ErrNotExist):
			err = nil // the old one has not moved
		case err != nil:
			err = fmt.Errorf("the old %s is now %s: %w", f.name, old, err)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// CellLine is the line that the live log shows when a cell is done.
func CellLine(c *verdict.CellOutcome) string {
	word := "ok"
	n := c.Count()
	var parts []string
	for _, s := range verdict.States {
		if n[s] > 0 {
			parts = append(parts, plural(n[s], s))
		}
	}
	switch {
	case c.Failed():
		word = "FAIL"
	case c.Tree == record.Stock:
		word = "base"
	case n[verdict.Passed] == 0:
		word = "--"
	}
	slices.Reverse(parts)
	if c.Reused {
		parts = append(parts, "reused")
	}
	return fmt.Sprintf("%-4s %-52s %s%s", word, c.ID, strings.Join(parts, ", "), took("  ", c.Seconds))
}

// took returns a duration with the prefix, or "" when it is not known.
func took(prefix string, seconds float64) string {
	if seconds == 0 {
		return ""
	}
	return prefix + duration(seconds)
}

// duration renders seconds for a person: "0.02s", "7.1s", "78s", "12m05s".
func duration(seconds float64) string {
	switch {
	case seconds < 1:
		return fmt.Sprintf("%.2fs", seconds)
	case seconds < 10:
		return fmt.Sprintf("%.1fs", seconds)
	case seconds < 100:
		return fmt.Sprintf("%.0fs", seconds)
	}
	s := int(seconds + 0.5)
	if s < 3600 {
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
}

// Text writes the summary for a terminal or a log: a line a cell, every failure
// with its reason, what counts as what, and last of all the line
// "N passed, N failed, N skipped".
func Text(w io.Writer, e *verdict.Evaluation) error {
	var b bytes.Buffer
	for _, c := range e.Cells {
		fmt.Fprintf(&b, "%s\n", CellLine(c))
	}
	for _, c := range e.Cells {
		textFailures(&b, c)
	}
	for _, s := range e.Stale {
		fmt.Fprintf(&b, "\nno such test any more, take the expected failure out of the CI's table: %s", s)
	}
	if len(e.Stale) > 0 {
		fmt.Fprintf(&b, "\n")
	}
	fmt.Fprintf(&b, "\n")
	for _, line := range account(e) {
		fmt.Fprintf(&b, "%s\n", line)
	}
	fmt.Fprintf(&b, "%s\n", e.Totals())
	_, err := w.Write(b.Bytes())
	return err
}

// A failure is all tests of a cell with the same state, reason and text, such as
// those of a package that does not build.
type failure struct {
	State        verdict.State
	Reason, Text string
	Baseline     verdict.Baseline
	Names        []string
}

// failures returns the outcomes of a cell that pick picks, in their order.
func failures(c *verdict.CellOutcome, pick func(*verdict.Outcome) bool) []failure {
	var list []failure
	for _, o := range c.Outcomes {
		if !pick(o) {
			continue
		}
		f := failure{o.State, o.Reason, strings.TrimRight(o.Text, "\n"), o.Baseline, nil}
		i := slices.IndexFunc(list, func(g failure) bool {
			return g.State == f.State && g.Reason == f.Reason && g.Text == f.Text && g.Baseline == f.Baseline
		})
		if i < 0 {
			i, list = len(list), append(list, f)
		}
		list[i].Names = append(list[i].Names, o.Name())
	}
	return list
}

func (f failure) Symbol() string { return symbols[f.State] }

// Who names the tests: the first most of them if most is not 0.
func (f failure) Who(most int) string {
	who := f.Names
	if more := len(who) - most; most > 0 && more > 0 {
		who = append(who[:most:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(who, ", ")
}

// textFailures writes what failed in a cell.
func textFailures(b *bytes.Buffer, c *verdict.CellOutcome) {
	list := failures(c, func(o *verdict.Outcome) bool { return o.State.Bad() && c.Counts(o) })
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", c.ID)
	for _, f := range list {
		about := string(f.Baseline)
		if about != "" {
			about = " [" + about + "]"
		}
		fmt.Fprintf(b, "  %s: %s%s\n      %s\n", f.Who(10), f.State, about, f.Reason)
	}
	if c.Recorded {
		fmt.Fprintf(b, "  record: %s\n", c.Dir())
	}
	if r := reproduce(c); r != "" {
		fmt.Fprintf(b, "  again:  %s\n", r)
	}
}

// symbols show a state where colors may not be seen.
var symbols = map[verdict.State]string{
	verdict.Passed: "✓", verdict.Failed: "✗", verdict.Crashed: "C", verdict.TimedOut: "T", verdict.BuildFailed: "B", verdict.DidNotRun: "∅",
	verdict.UnexpectedPass: "!", verdict.Flaky: "~", verdict.ExpectedFailure: "x", verdict.BuiltNotRun: "□", verdict.Skipped: "–",
}

// plural names n outcomes in the state s.
func plural(n int, s verdict.State) string {
	switch {
	case n != 1 && s == verdict.ExpectedFailure:
		return fmt.Sprintf("%d expected failures", n)
	case n != 1 && s == verdict.UnexpectedPass:
		return fmt.Sprintf("%d unexpected passes", n)
	}
	return fmt.Sprintf("%d %s", n, s)
}

// account returns lines that say how the states add up to the totals, if that is not
// obvious.
func account(e *verdict.Evaluation) []string {
	n := counts(e)
	var lines []string
	reused := 0
	for _, c := range e.Cells {
		if c.Reused {
			reused++
		}
	}
	if reused > 0 {
		lines = append(lines, fmt.Sprintf("reused: %d of %d cells, which passed before with the same content (run them again: -fresh)", reused, len(e.Cells)))
	}
	say := func(head string, bad bool, obvious verdict.State) {
		var parts []string
		for _, s := range verdict.States {
			if n[s] > 0 && s.Bad() == bad && s != verdict.Passed {
				parts = append(parts, plural(n[s], s))
			}
		}
		if len(parts) > 1 || len(parts) == 1 && n[obvious] == 0 {
			lines = append(lines, head+strings.Join(parts, "; "))
		}
	}
	say("counted as failed:  ", true, verdict.Failed)
	say("counted as skipped: ", false, verdict.Skipped)
	return lines
}

// counts returns the number of counted outcomes in each state.
func counts(e *verdict.Evaluation) map[verdict.State]int {
	n := map[verdict.State]int{}
	for _, c := range e.Cells {
		for _, o := range c.Outcomes {
			if c.Counts(o) {
				n[o.State]++
			}
		}
	}
	return n
}

// reproduce returns the command that runs the cell again: the one in the record, or
// else that of the first attempt.
func reproduce(c *verdict.CellOutcome) string {
	if c.Reproduce != "" {
		return c.Reproduce
	}
	if len(c.Attempts) == 0 {
		return ""
	}
	a := c.Attempts[0]
	var words []string
	if a.Dir != "" {
		words = append(words, "cd", run.Quote(a.Dir), "&&")
	}
	if len(a.Env) > 0 {
		words = append(words, "env")
		var unset, set []string
		for _, kv := range a.Env {
			if k, v, ok := strings.Cut(kv, "="); ok {
				set = append(set, k+"="+run.Quote(v))
			} else {
				unset = append(unset, "-u", k)
			}
		}
		words = append(append(words, unset...), set...)
	}
	for _, arg := range a.Command {
		words = append(words, run.Quote(arg))
	}
	return strings.Join(words, " ")
}

// A clipper shortens texts so that all together stay below a budget.
type clipper int

// newClipper returns a clipper for the texts of e that the report shows.
func newClipper(e *verdict.Evaluation, budget int) clipper {
	n := 0
	for _, c := range e.Cells {
		for _, o := range c.Outcomes {
			if o.Text != "" {
				n++
			}
		}
	}
	return clipper(min(max(budget/max(n, 1), 2<<10), 64<<10))
}

// clip shortens a text in the middle: one third of what is left is its beginning.
func (n clipper) clip(text string) string {
	if len(text) <= int(n) {
		return text
	}
	head, tail := int(n)/3, len(text)-int(n)*2/3
	return strings.ToValidUTF8(text[:head], "") + fmt.Sprintf("\n… %d bytes left out; the record has them …\n", tail-head) + strings.ToValidUTF8(text[tail:], "")
}
