// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"gocoro/ci/record"
	"gocoro/ci/verdict"
)

// What the template sees.
type (
	page struct {
		Head
		Title     string
		OK        bool
		Totals    verdict.Totals
		Account   []string
		Cells     []*cell
		Stale     []string
		Timelines []*timeline
	}
	// A cell is a row of the table, and the section that the row links to.
	cell struct {
		*verdict.CellOutcome
		Anchor   string
		Class    string // of the style sheet: bad, good or quiet
		Verdict  string
		Failures []failure
		Quiet    []failure // expected failures, skipped, built and not run
		Runs     []attempt
		Again    string
	}
	attempt struct{ Command, End string }
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"took": func(s float64) string { return took("", s) },
}).Parse(pageHTML))

// pageBudget is what the failures' texts may take of the page, in bytes. A
// phone must be able to open it when everything fails.
const pageBudget = 8 << 20

// Page writes the HTML page: the table of the cells, the failures of each with their
// output, and a picture of when each step ran. It is one file that loads nothing
// else and runs no script.
func Page(w io.Writer, head Head, e *verdict.Evaluation) error {
	p := &page{Head: head, Title: title, OK: e.ExitCode() == 0, Totals: e.Totals(), Account: account(e), Stale: e.Stale}
	for _, spans := range head.Runs {
		if tl := newTimeline(spans); tl != nil {
			p.Timelines = append(p.Timelines, tl)
		}
	}
	clip := newClipper(e, pageBudget)
	for i, co := range e.Cells {
		c := &cell{CellOutcome: co, Anchor: fmt.Sprintf("c%d", i+1), Class: "good", Verdict: cellWords(co), Again: reproduce(co)}
		if co.Reused {
			c.Verdict += ", reused"
		}
		c.Failures = failures(co, func(o *verdict.Outcome) bool { return o.State.Bad() })
		c.Quiet = failures(co, func(o *verdict.Outcome) bool { return !o.State.Bad() && o.State != verdict.Passed })
		for _, list := range [][]failure{c.Failures, c.Quiet} {
			for i := range list {
				list[i].Text = clip.clip(list[i].Text)
			}
		}
		switch {
		case co.Failed():
			c.Class = "bad"
		case co.Count()[verdict.Passed] == 0 || co.Tree == record.Stock:
			c.Class = "quiet"
		}
		for i, a := range co.Attempts {
			end := fmt.Sprintf("exit code %d", a.Exit)
			if a.Signal != "" {
				end = "ended by signal: " + a.Signal
			}
			if a.TimedOut {
				end = "ended by the CI's time limit (" + end + ")"
			}
			one := *co
			one.Cell = &record.Cell{Attempts: co.Attempts[i : i+1]}
			c.Runs = append(c.Runs, attempt{reproduce(&one), end + took(", after ", a.Seconds)})
		}
		p.Cells = append(p.Cells, c)
	}
	return pageTemplate.Execute(w, p)
}
