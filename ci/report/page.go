// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"gocoro/ci/verdict"
)

// A look is how the page shows a state: never by color alone.
type look struct {
	State   verdict.State
	Class   string // of the style sheet
	Symbol  string
	Meaning string
}

var looks = []look{
	{verdict.Passed, "p", "✓", "it ran and passed"},
	{verdict.Failed, "f", "✗", "it ran and failed"},
	{verdict.Crashed, "c", "C", "it was open when the test process died, or the process died around it"},
	{verdict.TimedOut, "t", "T", "it was open when a time limit ended the process"},
	{verdict.BuildFailed, "b", "B", "its package, or a step before it, did not build"},
	{verdict.DidNotRun, "n", "∅", "it was wanted and there is no result"},
	{verdict.UnexpectedPass, "u", "!", "expected to fail, but it passes; counts as failed"},
	{verdict.Flaky, "k", "~", "it failed, and passed in a later attempt; counts as failed"},
	{verdict.ExpectedFailure, "x", "x", "it fails for a known reason; counts as skipped"},
	{verdict.BuiltNotRun, "r", "□", "built for a platform that this machine cannot run; counts as skipped"},
	{verdict.Skipped, "s", "–", "it skipped itself"},
}

func lookOf(s verdict.State) look {
	for _, l := range looks {
		if l.State == s {
			return l
		}
	}
	return look{s, "f", "?", ""}
}

func symbol(s verdict.State) string { return lookOf(s).Symbol }

// What the template sees.
type (
	page struct {
		Head
		OK       bool
		Totals   verdict.Totals
		Sums     []sum
		Legend   []look
		Overview overview
		Problems []problems
		Suites   []suite
		Quiet    []*problem
		Cells    []cell
		Stale    []string

		Timelines []*timeline
	}
	sum struct {
		N      int
		Word   string // "passed"
		Shares []share
	}
	share struct {
		look
		N     int
		Words string
	}
	overview struct {
		Lines   []span
		Columns []string // platforms, below the lines
		Rows    []overviewRow
	}
	span struct {
		Name  string
		N     int
		First bool
	}
	overviewRow struct {
		Suite, Config string
		First         bool // of its suite
		Bad, SuiteBad bool
		Cells         []overviewCell
	}
	overviewCell struct {
		look
		Words    string // "2 failed"
		Rest     string // "of 96, 5m15s"
		Title    string // all of it in words
		Href     string // "" when not planned
		Baseline string // what the stock tree's cell says, "" without one
		BaseHref string
	}
	problems struct {
		Title, Note, Class string
		N                  int
		Items              []*problem
	}
	// A problem is what one or more outcomes have in common: a test in one
	// cell or in several, or all the tests of a package that does not build.
	problem struct {
		look
		ID, Name     string
		N            int
		tests        map[string]bool
		Where        string // the package and the cell, when there is one of each
		Reason, Text string
		Baseline     verdict.Baseline
		Facts        []string
		Places       []place
		Reproduce    string // the first cell
	}
	suite struct {
		ID, Name  string
		Open      bool
		Bad       int // rows with something bad
		Rows      int
		Lines     []span
		Platforms []span
		Columns   []column
		Groups    []group
	}
	column struct {
		Config string
		Stock  bool
		Href   string
		Title  string
		First  bool // of its platform
	}
	// A group is the tests of a package, or the subtests of a test.
	group struct {
		pkg, parent string
		Title       string // "" when it goes without saying
		Bad         bool
		Rows        []row
	}
	row struct {
		Name  string // within the group
		Full  string
		Sub   bool
		Bad   bool
		Time  string
		Cells []mark
	}
	mark struct {
		Class, Symbol, Href, Title string
	}
	place struct {
		Cell, Href, Record string
		Tests              []string
	}
	cell struct {
		look
		ID, Name  string
		Bad       bool // something in it counts as failed
		Words     string
		Time      string
		Problems  []mark // links
		Facts     [][2]string
		Steps     []verdict.Step
		Attempts  []attempt
		Reproduce string
	}
	attempt struct {
		N       int
		Command string
		End     string
	}
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"breaks": breaks,
	"inc":    func(n int) int { return n + 1 },
	"took":   func(s float64) string { return took("", s) },
}).Parse(pageHTML))

// breaks lets a browser break a long name where a person would: before a
// capital and after a slash, a dot or a dash.
func breaks(s string) template.HTML {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && r >= 'A' && r <= 'Z' && i+1 < len(s) && s[i-1] >= 'a' && s[i-1] <= 'z' {
			b.WriteString("<wbr>")
		}
		b.WriteString(template.HTMLEscapeString(string(r)))
		if strings.ContainsRune("/.-_=", r) {
			b.WriteString("<wbr>")
		}
	}
	return template.HTML(b.String())
}

// pageBudget is what the failures' texts may take of the page, in bytes. A
// phone must be able to open it when everything fails.
const pageBudget = 8 << 20

// Page writes the HTML page. It is one file without anything external; its
// script only adds comfort.
func Page(w io.Writer, head Head, e *verdict.Evaluation) error {
	head.Title = cmp.Or(head.Title, "gocoro CI")
	p := &page{
		Head:   head,
		OK:     e.ExitCode() == 0,
		Totals: e.Totals(),
		Legend: looks,
		Stale:  e.Stale,
	}
	for _, spans := range head.Runs {
		if tl := newTimeline(spans); tl != nil {
			p.Timelines = append(p.Timelines, tl)
		}
	}
	n := counts(e)
	shares := func(states ...verdict.State) []share {
		var list []share
		for _, s := range states {
			if n[s] > 0 {
				list = append(list, share{lookOf(s), n[s], plural(n[s], s)})
			}
		}
		return list
	}
	p.Sums = []sum{
		{p.Totals.Failed, "failed", shares(failedStates...)},
		{p.Totals.Skipped, "skipped", shares(skippedStates...)},
		{p.Totals.Passed, "passed", shares(verdict.Passed)},
	}
	b := &pageBuilder{e: e, nightly: head.Nightly, cellID: map[verdict.ID]string{}, byID: map[verdict.ID]*verdict.CellOutcome{}, href: map[*verdict.Outcome]string{}, name: map[string]string{}, clip: newClipper(e, pageBudget)}
	for i, c := range e.Cells {
		b.cellID[c.ID] = fmt.Sprintf("c%d", i+1)
		b.byID[c.ID] = c
	}
	p.Problems = b.problems()
	p.Quiet = b.quiet()
	p.Overview = b.overview()
	for _, name := range orderOf(e.Cells, func(c *verdict.CellOutcome) string { return c.Suite }) {
		p.Suites = append(p.Suites, b.suite(name))
	}
	for _, c := range e.Cells {
		p.Cells = append(p.Cells, b.cell(c))
	}
	return pageTemplate.Execute(w, p)
}

type pageBuilder struct {
	e       *verdict.Evaluation
	nightly []verdict.ID          // planned, but not in this run
	cellID  map[verdict.ID]string // anchors
	byID    map[verdict.ID]*verdict.CellOutcome
	href    map[*verdict.Outcome]string // where an outcome is explained
	name    map[string]string           // of the problem at a href
	clip    clipper
}

func short(id verdict.ID) string {
	s := strings.Join([]string{id.Line, id.Platform, id.Suite, id.Config}, " · ")
	if id.Tree == verdict.Stock {
		s += " · stock"
	}
	return s
}

// A sameness is what outcomes must have in common to be one problem.
type sameness struct {
	group        int
	state        verdict.State
	reason, text string
	baseline     verdict.Baseline
}

// problems lists what is bad, by what the baseline says of it, the expected
// failures, and what fails on the stock tree.
func (b *pageBuilder) problems() []problems {
	groups := []problems{
		{Title: "We broke it", Note: "The stock tree passes these.", Class: "ours"},
		{Title: "No baseline to compare with", Note: "The stock tree was not run there, or does not say. Take them for ours.", Class: "ours"},
		{Title: "Fails upstream too", Note: "The stock tree fails the same test in the same cell. They count as failed until they are fixed or listed as expected failures."},
		{Title: "Expected failures", Note: "Known, with a reason, and counted as skipped. One that is not known to pass at times fails the CI the day it passes.", Class: "fine"},
		{Title: "The baseline itself", Note: "What the stock tree fails. Evidence, and not counted.", Class: "fine"},
	}
	found := map[sameness]*problem{}
	for _, c := range b.e.Cells {
		for _, o := range c.Outcomes {
			g := 1
			switch {
			case !o.State.Bad() && o.State != verdict.ExpectedFailure:
				continue
			case c.Tree == verdict.Stock && !c.Counts(o):
				g = 4
			case o.State == verdict.ExpectedFailure:
				g = 3
			case o.Baseline == verdict.WeBrokeIt:
				g = 0
			case o.Baseline == verdict.UpstreamToo:
				g = 2
			}
			groups[g].N++
			k := sameness{g, o.State, o.Reason, o.Text, o.Baseline}
			p := found[k]
			if p == nil {
				p = b.problem("o", len(found), o)
				found[k] = p
				groups[g].Items = append(groups[g].Items, p)
			}
			b.addTo(p, c, o)
		}
	}
	return slices.DeleteFunc(groups, func(p problems) bool { return p.N == 0 })
}

// quiet lists what was skipped or built only, by its reason, the most frequent
// first.
func (b *pageBuilder) quiet() []*problem {
	var list []*problem
	found := map[sameness]*problem{}
	for _, c := range b.e.Cells {
		for _, o := range c.Outcomes {
			if o.State != verdict.Skipped && o.State != verdict.BuiltNotRun {
				continue
			}
			k := sameness{state: o.State, reason: o.Reason}
			p := found[k]
			if p == nil {
				p = b.problem("q", len(found), o)
				found[k] = p
				list = append(list, p)
			}
			b.addTo(p, c, o)
		}
	}
	slices.SortStableFunc(list, func(x, y *problem) int { return cmp.Compare(y.N, x.N) })
	return list
}

func (b *pageBuilder) problem(kind string, n int, o *verdict.Outcome) *problem {
	return &problem{
		look: lookOf(o.State), ID: fmt.Sprintf("%s%d", kind, n+1), tests: map[string]bool{},
		Reason: o.Reason, Text: b.clip.clip(strings.TrimRight(o.Text, "\n")), Baseline: o.Baseline,
	}
}

// addTo adds an outcome to the problem that it is an instance of.
func (b *pageBuilder) addTo(p *problem, c *verdict.CellOutcome, o *verdict.Outcome) {
	b.href[o] = "#" + p.ID
	p.N++
	p.tests[o.Name()] = true
	if len(p.Places) == 0 || p.Places[len(p.Places)-1].Cell != short(c.ID) {
		pl := place{Cell: short(c.ID), Href: "#" + b.cellID[c.ID]}
		if c.Recorded {
			pl.Record = c.ID.String() + "/"
		}
		p.Places = append(p.Places, pl)
	}
	last := &p.Places[len(p.Places)-1]
	last.Tests = append(last.Tests, o.Name())
	if p.Reproduce == "" {
		p.Reproduce = reproduce(c)
	}

	in := ""
	if len(p.Places) > 1 {
		in = fmt.Sprintf(" in %d cells", len(p.Places))
	}
	if len(p.tests) == 1 {
		p.Name = o.Test + in
		switch o.Test {
		case verdict.PackageItself:
			p.Name = "package " + o.Package + in
		case verdict.CellItself:
			p.Name = "the cell itself" + in
		}
	} else {
		p.Name = fmt.Sprintf("%d tests", len(p.tests)) + in
	}
	b.name[b.href[o]] = p.Name
	p.Where = p.Places[0].Cell
	if len(p.Places) > 1 {
		p.Where += fmt.Sprintf(" and %d more", len(p.Places)-1)
	}
	if o.Package != "" {
		p.Where = o.Package + " · " + p.Where
	}
	p.Facts = nil
	if p.N == 1 {
		if o.Seconds > 0 {
			p.Facts = append(p.Facts, "took "+duration(o.Seconds))
		}
		if o.Attempts > 1 {
			p.Facts = append(p.Facts, fmt.Sprintf("%d attempts", o.Attempts))
		}
		if c.Tree == verdict.Patched && o.Stock != "" {
			p.Facts = append(p.Facts, "on the stock tree: "+string(o.Stock))
		}
	}
}

// overview is the table of the cells: suite and configuration by line and
// platform.
func (b *pageBuilder) overview() overview {
	var t overview
	type lp struct{ line, platform string }
	columns := orderOf(b.e.Cells, func(c *verdict.CellOutcome) lp { return lp{c.Line, c.Platform} })
	lines := orderOf(b.e.Cells, func(c *verdict.CellOutcome) string { return c.Line })
	slices.SortStableFunc(columns, func(x, y lp) int {
		return cmp.Compare(slices.Index(lines, x.line), slices.Index(lines, y.line))
	})
	for _, col := range columns {
		t.Columns = append(t.Columns, col.platform)
		if n := len(t.Lines); n > 0 && t.Lines[n-1].Name == col.line {
			t.Lines[n-1].N++
		} else {
			t.Lines = append(t.Lines, span{Name: col.line, N: 1})
		}
	}
	rows := orderOf(b.e.Cells, func(c *verdict.CellOutcome) [2]string { return [2]string{c.Suite, c.Config} })
	suites := orderOf(b.e.Cells, func(c *verdict.CellOutcome) string { return c.Suite })
	slices.SortStableFunc(rows, func(x, y [2]string) int {
		return cmp.Compare(slices.Index(suites, x[0]), slices.Index(suites, y[0]))
	})
	for i, r := range rows {
		row := overviewRow{Suite: r[0], Config: r[1], First: i == 0 || rows[i-1][0] != r[0]}
		for _, col := range columns {
			id := verdict.ID{Line: col.line, Platform: col.platform, Suite: r[0], Config: r[1], Tree: verdict.Patched}
			oc := b.overviewCell(id)
			row.Bad = row.Bad || oc.State.Bad() && oc.Href != ""
			row.Cells = append(row.Cells, oc)
		}
		t.Rows = append(t.Rows, row)
	}
	for i := range t.Rows {
		t.Rows[i].SuiteBad = slices.ContainsFunc(t.Rows, func(r overviewRow) bool { return r.Suite == t.Rows[i].Suite && r.Bad })
	}
	return t
}

func (b *pageBuilder) overviewCell(id verdict.ID) overviewCell {
	var oc overviewCell
	if c := b.byID[id]; c != nil {
		n := c.Count()
		bad := 0
		for s, k := range n {
			if s.Bad() {
				bad += k
			}
		}
		oc.look = lookOf(worst(c))
		oc.Href = "#" + b.cellID[id]
		oc.Title = short(id) + ": " + cellWords(c)
		switch {
		case bad > 0:
			oc.Words = fmt.Sprintf("%d failed", bad)
			oc.Rest = fmt.Sprintf("of %d", len(c.Outcomes))
		case n[verdict.Passed] > 0:
			oc.Words = fmt.Sprintf("%d passed", n[verdict.Passed])
		default:
			oc.Words = string(oc.State)
			oc.Rest = fmt.Sprintf("%d tests", len(c.Outcomes))
		}
		if t := took("", c.Seconds); t != "" {
			oc.Rest = strings.TrimPrefix(oc.Rest+", "+t, ", ")
		}
	} else if slices.Contains(b.nightly, id) {
		oc.Words, oc.Title = "nightly", short(id)+": not in this run; go run ./ci test -depth nightly runs it"
	} else {
		oc.Words, oc.Title = "not planned", short(id)+": the plan has no such cell"
	}
	stock := id
	stock.Tree = verdict.Stock
	if s := b.byID[stock]; s != nil {
		bad := 0
		for _, o := range s.Outcomes {
			if o.State.Bad() && o.State != verdict.UnexpectedPass || o.State == verdict.ExpectedFailure {
				bad++
			}
		}
		oc.Baseline = fmt.Sprintf("stock: %d fail", bad)
		oc.BaseHref = "#" + b.cellID[stock]
	}
	return oc
}

// parentOf returns the test that a subtest belongs to, "" for a test.
func parentOf(name string) string {
	i := strings.LastIndex(name, "/")
	return name[:max(i, 0)]
}

// bigSuite is the number of rows from which on a suite starts folded.
const bigSuite = 300

// suite is a suite's matrix: a row a test, a column a cell.
func (b *pageBuilder) suite(name string) suite {
	s := suite{ID: "suite-" + name, Name: name}
	var cells []*verdict.CellOutcome
	for _, c := range b.e.Cells {
		if c.Suite == name {
			cells = append(cells, c)
		}
	}
	lines := orderOf(cells, func(c *verdict.CellOutcome) string { return c.Line })
	platforms := orderOf(cells, func(c *verdict.CellOutcome) string { return c.Platform })
	configs := orderOf(cells, func(c *verdict.CellOutcome) string { return c.Config })
	slices.SortStableFunc(cells, func(x, y *verdict.CellOutcome) int {
		return cmp.Or(
			cmp.Compare(slices.Index(lines, x.Line), slices.Index(lines, y.Line)),
			cmp.Compare(slices.Index(platforms, x.Platform), slices.Index(platforms, y.Platform)),
			cmp.Compare(slices.Index(configs, x.Config), slices.Index(configs, y.Config)),
			cmp.Compare(x.Tree, y.Tree), // patched before stock
		)
	})
	type test struct{ pkg, name string }
	rows := map[test]map[verdict.ID]*verdict.Outcome{}
	var order []test
	for i, c := range cells {
		newLine := i == 0 || cells[i-1].Line != c.Line
		newPlatform := newLine || cells[i-1].Platform != c.Platform
		if newLine {
			s.Lines = append(s.Lines, span{Name: c.Line})
		}
		if newPlatform {
			s.Platforms = append(s.Platforms, span{Name: c.Platform, First: newLine})
		}
		s.Lines[len(s.Lines)-1].N++
		s.Platforms[len(s.Platforms)-1].N++
		s.Columns = append(s.Columns, column{Config: c.Config, Stock: c.Tree == verdict.Stock, Href: "#" + b.cellID[c.ID], Title: short(c.ID), First: newPlatform})
		for _, o := range c.Outcomes {
			t := test{o.Package, o.Test}
			if rows[t] == nil {
				rows[t] = map[verdict.ID]*verdict.Outcome{}
				order = append(order, t)
			}
			rows[t][c.ID] = o
		}
	}
	slices.SortFunc(order, func(x, y test) int {
		return cmp.Or(cmp.Compare(x.pkg, y.pkg), cmp.Compare(parentOf(x.name), parentOf(y.name)), cmp.Compare(x.name, y.name))
	})
	for _, t := range order {
		parent := parentOf(t.name)
		if n := len(s.Groups); n == 0 || s.Groups[n-1].pkg != t.pkg || s.Groups[n-1].parent != parent {
			s.Groups = append(s.Groups, group{pkg: t.pkg, parent: parent})
		}
		g := &s.Groups[len(s.Groups)-1]
		r := row{Name: strings.TrimPrefix(t.name, parent+"/"), Full: t.pkg + "." + t.name, Sub: parent != ""}
		slowest := 0.0
		for i, c := range cells {
			m := mark{Class: "z", Symbol: "·"}
			if o := rows[t][c.ID]; o != nil {
				l := lookOf(o.State)
				m = mark{l.Class, l.Symbol, b.href[o], string(o.State) + took(", ", o.Seconds)}
				if o.Baseline != "" {
					m.Title += ", " + string(o.Baseline)
				}
				if o.State.Bad() && o.Baseline == verdict.UpstreamToo {
					m.Class += " too"
					m.Symbol += "ᵘ"
				}
				if c.Counts(o) && o.State.Bad() {
					r.Bad = true
				}
				if c.Tree == verdict.Patched {
					slowest = max(slowest, o.Seconds)
				}
			} else {
				m.Title = "not planned"
			}
			if c.Tree == verdict.Stock {
				m.Class += " st"
			}
			if s.Columns[i].First {
				m.Class += " l"
			}
			r.Cells = append(r.Cells, m)
		}
		r.Time = took("", slowest)
		if r.Bad {
			s.Bad++
			g.Bad = true
		}
		s.Rows++
		g.Rows = append(g.Rows, r)
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		switch {
		case g.parent != "":
			g.Title = g.pkg + " · " + g.parent
		case len(s.Groups) > 1 && g.pkg != "":
			g.Title = g.pkg
		}
	}
	s.Open = s.Rows < bigSuite
	return s
}

// cell is what there is to know about a cell's run.
func (b *pageBuilder) cell(c *verdict.CellOutcome) cell {
	out := cell{
		look: lookOf(worst(c)), ID: b.cellID[c.ID], Name: short(c.ID),
		Words: cellWords(c), Time: took("", c.Seconds), Steps: c.Steps, Reproduce: reproduce(c),
	}
	listed := map[string]bool{}
	for _, o := range c.Outcomes {
		out.Bad = out.Bad || o.State.Bad() && c.Counts(o)
		if href := b.href[o]; !listed[href] && (o.State.Bad() || o.State == verdict.ExpectedFailure) {
			listed[href] = true
			l := lookOf(o.State)
			out.Problems = append(out.Problems, mark{l.Class, l.Symbol, href, b.name[href]})
		}
	}
	fact := func(k, v string) {
		if v != "" {
			out.Facts = append(out.Facts, [2]string{k, v})
		}
	}
	fact("executed", c.How)
	if c.Reused {
		fact("reused", "the record of an earlier run with the same content")
	}
	fact("toolchain", c.Toolchain)
	fact("on", c.Host)
	if !c.Started.IsZero() {
		fact("started", c.Started.UTC().Format(time.RFC3339))
	}
	if c.Recorded {
		fact("raw record", c.ID.String()+"/")
	} else {
		fact("raw record", "none")
	}
	fact("CI", c.Infra)
	for i, a := range c.Attempts {
		end := fmt.Sprintf("exit code %d", a.Exit)
		if a.Signal != "" {
			end = "ended by signal: " + a.Signal
		}
		if a.TimedOut {
			end = "ended by the CI's time limit (" + end + ")"
		}
		cmd := *c
		cmd.Cell = &verdict.Cell{Attempts: c.Attempts[i : i+1]}
		out.Attempts = append(out.Attempts, attempt{i + 1, reproduce(&cmd), end + took(", after ", a.Seconds)})
	}
	return out
}
