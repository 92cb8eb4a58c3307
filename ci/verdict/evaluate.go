// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package verdict

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gocoro/ci/record"
)

// A State is what became of one test in one cell. Every planned test has
// exactly one.
type State string

const (
	Passed          State = "passed"
	Failed          State = "failed"
	Crashed         State = "crashed"          // open when the test process died, or the process died around it
	TimedOut        State = "timed out"        // open when a time limit ended the process; Text holds the goroutines
	BuildFailed     State = "build failed"     // its package, or a step of its cell, did not build
	DidNotRun       State = "did not run"      // wanted, and there is no result
	Flaky           State = "flaky"            // failed, and passed in a later attempt
	UnexpectedPass  State = "unexpected pass"  // an expected failure that passes
	ExpectedFailure State = "expected failure" // failed, crashed or timed out, as the CI's data says it does
	Skipped         State = "skipped"          // by the test itself
	BuiltNotRun     State = "built, not run"   // this machine cannot run it
)

// States lists all states, in the order reports show them: the worst first.
var States = []State{Crashed, TimedOut, BuildFailed, DidNotRun, Failed, UnexpectedPass, Flaky, ExpectedFailure, BuiltNotRun, Skipped, Passed}

// Bad reports whether s makes the CI fail.
func (s State) Bad() bool {
	switch s {
	case Passed, Skipped, ExpectedFailure, BuiltNotRun:
		return false
	}
	return true
}

// A Baseline is what the stock tree says about a bad outcome, or an expected
// failure, of the patched tree. Other outcomes have none ("").
type Baseline string

const (
	UpstreamToo Baseline = "fails upstream too" // the stock tree fails the same test in the same cell
	WeBrokeIt   Baseline = "we broke it"        // the stock tree passes it
	NoBaseline  Baseline = "no baseline"        // the stock tree was not run there, or does not say
)

// The names of outcomes that are not a test's.
const (
	PackageItself = "(package)" // the test binary, outside of its tests
	CellItself    = "(cell)"    // the go command, the record, the CI
)

// An Outcome is one test's state in one cell.
type Outcome struct {
	Package  string // import path; "" for the cell itself
	Test     string // "TestX", "TestX/sub", PackageItself or CellItself
	State    State
	Was      State   // of an ExpectedFailure: the state behind it; else ""
	Reason   string  // one line; "" for Passed
	Text     string  // the output that shows it, clipped in the middle; "" for Passed and Skipped
	Seconds  float64 // the test's own time; 0 when not known
	Attempts int     // attempts that have a result for it
	Baseline Baseline
	Stock    State // the state it has on the stock tree; "" when it has none
}

// Name returns the outcome's package and test in one word.
func (o *Outcome) Name() string {
	if o.Package == "" {
		return o.Test
	}
	return o.Package + "." + o.Test
}

// A CellOutcome is a cell with everything that became of it.
type CellOutcome struct {
	*record.Cell
	Recorded bool // a record was there
	Outcomes []*Outcome
}

// Count returns the number of the cell's outcomes in each state.
func (c *CellOutcome) Count() map[State]int {
	n := map[State]int{}
	for _, o := range c.Outcomes {
		n[o.State]++
	}
	return n
}

// Counts reports whether the outcome goes into the totals. On the patched tree
// every one does. The stock tree is only evidence. Its failures do not count, but an
// expectation about it that no longer holds does, and a baseline that is missing.
func (c *CellOutcome) Counts(o *Outcome) bool {
	if c.Tree == record.Patched {
		return true
	}
	return o.State == UnexpectedPass || o.Test == CellItself && o.State.Bad()
}

// Failed reports whether the cell makes the CI fail.
func (c *CellOutcome) Failed() bool {
	return slices.ContainsFunc(c.Outcomes, func(o *Outcome) bool { return o.State.Bad() && c.Counts(o) })
}

// An Evaluation is everything the records say.
type Evaluation struct {
	Cells []*CellOutcome // in the order of the plan, then the others in order of identity
	Stale []string       // expectations that name no test of a cell they apply to, one line each
}

// Totals are the three numbers of the last line. Every counted outcome is in
// exactly one of them:
//
//	Passed   passed
//	Failed   crashed, timed out, build failed, did not run, failed, unexpected pass, flaky
//	Skipped  skipped, expected failure, built-not-run
type Totals struct {
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
}

func (t Totals) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", t.Passed, t.Failed, t.Skipped)
}

// Totals counts the outcomes.
func (e *Evaluation) Totals() Totals {
	var t Totals
	for _, c := range e.Cells {
		for _, o := range c.Outcomes {
			switch {
			case !c.Counts(o):
			case o.State == Passed:
				t.Passed++
			case o.State.Bad():
				t.Failed++
			default:
				t.Skipped++
			}
		}
	}
	return t
}

// ExitCode is the exit code of the CI: 0 when nothing failed and something
// passed or was at least built, else 1. It comes from the same data as the
// report, and from nothing else.
func (e *Evaluation) ExitCode() int {
	if t := e.Totals(); t.Failed > 0 || t.Passed+t.Skipped == 0 {
		return 1
	}
	return 0
}

// An Expectation says that a test is known to fail. In each pattern, * stands
// for any text; an empty pattern matches everything, but an empty Tree is
// "patched".
type Expectation struct {
	Line, Platform, Suite, Config, Tree string
	Package, Test                       string // Test must not be empty
	Reason                              string // why, in words; must not be empty
	When                                When
}

// A When says how often a test is known to fail, through no fault of the tree.
type When string

const (
	Always  When = ""         // if it passes, remove the expectation
	AtTimes When = "at times" // it must pass in a rerun
	Omit    When = "omit"     // it does not run

	// OmitByDay is Omit by day, and Always at night. An evaluation has one of these.
	OmitByDay When = "omit by day"
)

// Omitted reports whether a cell leaves out a wanted test. Its outcome is
// skipped, with the reason.
func Omitted(expected []Expectation, id record.ID, pkg, test string) bool {
	return slices.ContainsFunc(expected, func(x Expectation) bool {
		return x.When == Omit && x.cell(id) && match(x.Package, pkg) && match(x.Test, test)
	})
}

func (x Expectation) String() string {
	cell := record.ID{
		Line:     cmp.Or(x.Line, "*"),
		Platform: cmp.Or(x.Platform, "*"),
		Suite:    cmp.Or(x.Suite, "*"),
		Config:   cmp.Or(x.Config, "*"),
		Tree:     cmp.Or(x.Tree, record.Patched),
	}
	return fmt.Sprintf("%s %s.%s (%s)", cell, cmp.Or(x.Package, "*"), x.Test, x.Reason)
}

func match(pattern, s string) bool {
	if pattern == "" || pattern == "*" || pattern == s {
		return true
	}
	if !strings.Contains(pattern, "*") {
		return false
	}
	re := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`)
	ok, err := regexp.MatchString(`\A(?s:`+re+`)\z`, s)
	return err == nil && ok
}

func (x Expectation) cell(id record.ID) bool {
	return match(x.Line, id.Line) && match(x.Platform, id.Platform) && match(x.Suite, id.Suite) &&
		match(x.Config, id.Config) && match(cmp.Or(x.Tree, record.Patched), id.Tree)
}

// A Planned is a cell that must have a record, with the tests that must have a
// result in it.
type Planned struct {
	record.ID
	How  string // record.Native, record.QemuUser, record.QemuSystem or record.Cross
	Want record.Want
}

// Evaluate judges the records against the plan and the expected failures. The
// error is about the arguments (a cell planned twice, an expectation without a
// reason), never about a test.
func Evaluate(plan []Planned, cells []*record.Cell, expected []Expectation) (*Evaluation, error) {
	for _, x := range expected {
		if x.Test == "" || x.Reason == "" {
			return nil, fmt.Errorf("expected failure %s: want a test and a reason; complete the entry in the CI's table", x)
		}
	}
	records := map[record.ID]*record.Cell{}
	for _, c := range cells {
		if records[c.ID] != nil {
			return nil, fmt.Errorf("cell %s: two records; read the results directories with record.Read", c.ID)
		}
		records[c.ID] = c
	}
	e := new(Evaluation)
	done := map[record.ID]*CellOutcome{}
	add := func(c *CellOutcome) {
		e.Cells = append(e.Cells, c)
		done[c.ID] = c
	}
	for _, p := range plan {
		if done[p.ID] != nil {
			return nil, fmt.Errorf("cell %s: planned twice; fix the CI's table", p.ID)
		}
		if c := records[p.ID]; c != nil {
			add(judgeCell(c, p))
		} else {
			add(judgeAbsent(p))
		}
	}
	var rest []record.ID
	for id := range records {
		if done[id] == nil {
			rest = append(rest, id)
		}
	}
	slices.SortFunc(rest, func(a, b record.ID) int { return cmp.Compare(a.String(), b.String()) })
	for _, id := range rest {
		add(judgeCell(records[id], Planned{}))
	}

	used := make([]bool, len(expected))
	applies := make([]bool, len(expected))
	for _, c := range e.Cells {
		for i, x := range expected {
			if !x.cell(c.ID) {
				continue
			}
			// Only the slice with a package can have its expected failures.
			applies[i] = applies[i] || !strings.HasPrefix(c.Suite, "dist-") || c.wants(x.Package)
			for _, o := range c.Outcomes {
				if match(x.Package, o.Package) && match(x.Test, o.Test) {
					used[i] = true
					if c.Recorded {
						o.expect(x)
					}
				}
			}
		}
	}
	for i, x := range expected {
		if applies[i] && !used[i] {
			e.Stale = append(e.Stale, x.String())
		}
	}
	for _, c := range e.Cells {
		if c.Tree == record.Patched {
			stock := c.ID
			stock.Tree = record.Stock
			c.compare(done[stock])
		}
	}
	return e, nil
}

// wants reports whether the cell wants a package that fits the pattern.
func (c *CellOutcome) wants(pattern string) bool {
	for pkg := range c.Want {
		if match(pattern, pkg) {
			return true
		}
	}
	return false
}

// expect applies an expectation that matches o.
func (o *Outcome) expect(x Expectation) {
	failed := o.State == Failed || o.State == Crashed || o.State == TimedOut
	switch {
	case x.When == Omit && o.State == DidNotRun:
		o.State, o.Reason = Skipped, "not run: "+x.Reason
	case x.When == Always && failed, x.When == AtTimes && o.State == Flaky:
		o.Was, o.State = o.State, ExpectedFailure
		o.Reason = fmt.Sprintf("%s (%s: %s)", x.Reason, o.Was, o.Reason)
	case x.When == Always && o.State == Passed:
		o.State = UnexpectedPass
		o.Reason = fmt.Sprintf("expected to fail (%s), but it passes: take the entry out of the CI's table", x.Reason)
	}
}

// compare sets what the baseline says about the cell's bad outcomes.
func (c *CellOutcome) compare(stock *CellOutcome) {
	states := map[key]State{}
	if stock != nil {
		for _, o := range stock.Outcomes {
			states[key{o.Package, o.Test}] = o.State
		}
	}
	for _, o := range c.Outcomes {
		o.Stock = states[key{o.Package, o.Test}]
		if !o.State.Bad() && o.State != ExpectedFailure || o.State == UnexpectedPass {
			continue
		}
		switch o.Stock {
		case Failed, Crashed, TimedOut, Flaky, BuildFailed, ExpectedFailure:
			o.Baseline = UpstreamToo
		case Passed, UnexpectedPass:
			o.Baseline = WeBrokeIt
		default:
			// Not there, skipped, or not run because of something else:
			// the stock tree does not say.
			o.Baseline = NoBaseline
		}
	}
}

// A key names an outcome within its cell.
type key struct{ pkg, test string }

// A result is what one attempt says about a key.
type result struct {
	state   State
	reason  string
	text    string
	seconds float64
}

func (r result) bad() bool { return r.state.Bad() && r.state != DidNotRun }

// worse reports whether a is a worse state than b.
func worse(a, b State) bool { return slices.Index(States, a) < slices.Index(States, b) }

// judgeAbsent makes failures of a planned cell that has no record.
func judgeAbsent(p Planned) *CellOutcome {
	c := &CellOutcome{Cell: &record.Cell{ID: p.ID, How: p.How, Want: p.Want}}
	why := "planned, but there is no record of the cell"
	for k := range wanted(p.Want) {
		c.Outcomes = append(c.Outcomes, &Outcome{Package: k.pkg, Test: k.test, State: DidNotRun, Reason: why})
	}
	c.Outcomes = append(c.Outcomes, &Outcome{Test: CellItself, State: DidNotRun, Reason: why})
	c.sort()
	return c
}

func (c *CellOutcome) sort() {
	slices.SortFunc(c.Outcomes, func(a, b *Outcome) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Test, b.Test))
	})
}

// wanted returns the keys of all tests of the given lists.
func wanted(wants ...record.Want) map[key]bool {
	keys := map[key]bool{}
	for _, w := range wants {
		for pkg, tests := range w {
			for _, t := range tests {
				keys[key{pkg, t}] = true
			}
		}
	}
	return keys
}

// A judge folds the attempts of one cell into its outcomes.
type judge struct {
	cell     *record.Cell
	planned  Planned           // zero when the cell is not in the plan
	want     map[key]bool      // tests wanted by name
	holders  map[key]bool      // tests that are wanted for their subtests only
	attempts []map[key]result  // by attempt
	cause    map[string]string // package to why its tests may be missing
}

func judgeCell(c *record.Cell, planned Planned) *CellOutcome {
	j := &judge{cell: c, planned: planned, want: wanted(c.Want, planned.Want), holders: map[key]bool{}, cause: map[string]string{}}
	for k := range j.want {
		for parent := parentTest(k.test); parent != ""; parent = parentTest(parent) {
			if pk := (key{k.pkg, parent}); !j.want[pk] {
				j.holders[pk] = true
			}
		}
	}
	for i := range c.Attempts {
		j.attempts = append(j.attempts, j.attempt(i))
	}

	outcomes := j.fold()

	// The wanted tests that have no result.
	for k := range j.want {
		if outcomes[k] != nil {
			continue
		}
		if k.test == PackageItself {
			if n := j.endings(k.pkg); n > 0 {
				outcomes[k] = &Outcome{Package: k.pkg, Test: k.test, State: Passed, Attempts: n}
				continue
			}
		}
		outcomes[k] = j.missing(k, outcomes)
	}
	for pkg := range packages(c.Want, planned.Want) {
		ran := outcomes.some(func(k key, o *Outcome) bool {
			return k.pkg == pkg && (k.test != PackageItself || o.State.Bad())
		})
		if k := (key{pkg, PackageItself}); !ran {
			outcomes[k] = j.missing(k, outcomes)
		}
	}

	// If a package did not build, one outcome is enough: its tests', if it has any.
	for k, o := range outcomes {
		pkg := key{k.pkg, PackageItself}
		if p := outcomes[pkg]; k != pkg && o.State == BuildFailed && p != nil && p.State == BuildFailed {
			delete(outcomes, pkg)
		}
	}

	// The cell itself.
	self := key{"", CellItself}
	said := outcomes[self]
	didNotRun := func(reason, text string) {
		outcomes[self] = join(said, &Outcome{Test: CellItself, State: DidNotRun, Reason: reason, Text: text})
	}
	stepFailed := slices.ContainsFunc(c.Steps, func(s record.Step) bool { return !s.OK })
	switch {
	case c.Infra != "":
		didNotRun("infrastructure: "+firstLine(c.Infra), c.Infra)
	case !c.Finished:
		didNotRun("the record is not finished: the CI was killed while the cell ran", "")
	case stepFailed && !outcomes.some(func(_ key, o *Outcome) bool { return o.State == BuildFailed }):
		outcomes[self] = join(said, j.missing(self, outcomes))
	case len(outcomes) > 0:
	case c.How == record.Cross && len(c.Steps) > 0:
		outcomes[self] = j.missing(self, outcomes)
	case len(c.Attempts) == 0:
		didNotRun("the record holds no attempt, no step and no wanted test", "")
	default:
		didNotRun("ran zero tests: does the suite's -run match any?", "")
	}
	out := &CellOutcome{Cell: c, Recorded: true, Outcomes: slices.Collect(maps.Values(outcomes))}
	out.sort()
	return out
}

// An outcomeSet is the outcomes of a cell.
type outcomeSet map[key]*Outcome

// some reports whether f is true of an outcome.
func (all outcomeSet) some(f func(key, *Outcome) bool) bool {
	for k, o := range all {
		if f(k, o) {
			return true
		}
	}
	return false
}

// join returns b with the reason and text of a, which may be nil, added.
func join(a, b *Outcome) *Outcome {
	if a != nil {
		b.Reason += "; " + a.Reason
		b.Text = strings.TrimSpace(b.Text + "\n" + a.Text)
		b.Attempts = a.Attempts
	}
	return b
}

// packages returns the packages that the lists want without naming tests.
func packages(wants ...record.Want) map[string]bool {
	pkgs := map[string]bool{}
	for _, w := range wants {
		for pkg, tests := range w {
			if len(tests) == 0 {
				pkgs[pkg] = true
			}
		}
	}
	return pkgs
}

// parentTest returns the test that a subtest belongs to, or "".
func parentTest(test string) string { return test[:max(strings.LastIndex(test, "/"), 0)] }

// endings returns how many attempts have a result for the package itself, or
// for one that the pattern fits.
func (j *judge) endings(pattern string) int {
	root, below := strings.ReplaceAll(pattern, "/...", ""), strings.ReplaceAll(pattern, "...", "*")
	n := 0
	for _, a := range j.attempts {
		for k := range a {
			if k.test == PackageItself && (k.pkg == root || match(below, k.pkg)) {
				n++
				break
			}
		}
	}
	return n
}

// missing returns the outcome of something wanted that has no result.
func (j *judge) missing(k key, outcomes outcomeSet) *Outcome {
	o := &Outcome{Package: k.pkg, Test: k.test, State: DidNotRun}
	for _, s := range j.cell.Steps {
		if !s.OK {
			o.State, o.Reason, o.Text = BuildFailed, fmt.Sprintf("step %q failed: %s", s.Name, firstLine(s.Output)), s.Output
			return o
		}
	}
	pkg := outcomes[key{k.pkg, PackageItself}]
	switch {
	case j.cell.How == record.Cross && j.planned.How != "" && j.planned.How != record.Cross:
		o.Reason = fmt.Sprintf("planned to run (%s), but only built", j.planned.How)
	case j.cell.How == record.Cross && len(j.cell.Attempts) == 0 && j.cell.Infra == "" && j.cell.Finished && len(j.cell.Steps) > 0:
		var names []string
		for _, s := range j.cell.Steps {
			names = append(names, s.Name)
		}
		o.State, o.Reason = BuiltNotRun, "what was built: "+strings.Join(names, "; ")
	case pkg != nil && pkg.State == BuildFailed:
		o.State, o.Reason, o.Text = BuildFailed, pkg.Reason, pkg.Text
	case j.cell.Infra != "":
		o.Reason = "infrastructure: " + firstLine(j.cell.Infra)
	case j.cause[k.pkg] != "":
		o.Reason = j.cause[k.pkg]
	case !j.cell.Finished:
		o.Reason = "the CI was killed while the cell ran"
	case len(j.cell.Attempts) == 0:
		o.Reason = "the record holds no attempt"
	case j.endings(k.pkg) > 0 && !outcomes.some(func(other key, o *Outcome) bool {
		return other.pkg == k.pkg && other.test != PackageItself && o.Attempts > 0 // it comes from events
	}):
		o.Reason = "the package ran zero tests: does -run match any?"
	case j.endings(k.pkg) > 0:
		o.Reason = "go test ran the package, but not this test: did -run miss it, or is it gone?"
	default:
		o.Reason = "no event names the package " + k.pkg
	}
	return o
}

// fold makes one outcome of each key's results in all attempts.
func (j *judge) fold() outcomeSet {
	keys := map[key]bool{}
	for _, a := range j.attempts {
		for k := range a {
			keys[k] = true
		}
	}
	outcomes := outcomeSet{}
	for k := range keys {
		o := &Outcome{Package: k.pkg, Test: k.test}
		var texts []string
		firstBad, lastPass := -1, -1
		for i, a := range j.attempts {
			r, ok := a[k]
			if !ok {
				continue
			}
			o.Attempts++
			if r.bad() {
				if firstBad < 0 {
					firstBad = i
				}
				texts = append(texts, attemptText(i, len(j.attempts), r.text))
			} else if r.state == Passed {
				lastPass = i
			}
			switch {
			// Another attempt may have a result for a test that did not run.
			// Any result tells more than a skip.
			case o.State == "", o.State == DidNotRun, o.State == Skipped && r.state != DidNotRun, r.bad() && worse(r.state, o.State):
				o.State, o.Reason, o.Seconds = r.state, r.reason, r.seconds
			}
		}
		o.Text = strings.Join(texts, "\n")
		if firstBad >= 0 && lastPass > firstBad {
			o.Reason = fmt.Sprintf("%s in attempt %d, passed in attempt %d: %s", o.State, firstBad+1, lastPass+1, o.Reason)
			o.State = Flaky
		}
		outcomes[k] = o
	}
	// A package or a test with other outcomes in it counts only if it is bad and
	// none of those explains why.
	for k, o := range outcomes {
		switch {
		case k.test == PackageItself || k.test == CellItself:
			if !o.State.Bad() {
				delete(outcomes, k)
			}
		case j.holders[k]:
			if !o.State.Bad() || o.State == DidNotRun || outcomes.some(func(other key, o *Outcome) bool {
				return other.pkg == k.pkg && strings.HasPrefix(other.test, k.test+"/") && o.State.Bad()
			}) {
				delete(outcomes, k)
			}
		}
	}
	return outcomes
}

func attemptText(i, n int, text string) string {
	if n == 1 {
		return text
	}
	return fmt.Sprintf("=== attempt %d\n%s", i+1, text)
}

// attempt judges attempt i.
func (j *judge) attempt(i int) map[key]result {
	a := j.cell.Attempts[i]
	results := map[key]result{}
	var problems []result // of the attempt as a whole
	problem := func(s State, text, format string, args ...any) {
		problems = append(problems, result{state: s, reason: fmt.Sprintf("attempt %d: ", i+1) + fmt.Sprintf(format, args...), text: text})
	}

	// read reads a file of the attempt, and compares its size with the record's
	// unless that is negative.
	read := func(file, what string, size int64, from func(io.Reader) error) {
		f, err := os.Open(file)
		if err != nil {
			if size >= 0 {
				problem(Failed, "", "no %s: %v", what, errors.Unwrap(err))
			}
			return
		}
		defer f.Close()
		err = from(f)
		n, _ := f.Seek(0, io.SeekCurrent)
		switch {
		case err != nil:
			problem(Failed, "", "%s: %v", what, err)
		case size >= 0 && n != size:
			problem(Failed, "", "%s holds %d bytes, the record says %d; copy the results again", filepath.Base(file), n, size)
		}
	}
	stderr, size := new(clip), a.StderrBytes
	if a.Lost {
		size = -1
	}
	read(j.cell.Stderr(i+1), "standard error", size, func(r io.Reader) error {
		_, err := io.Copy(stderr, r)
		return err
	})
	s := new(stream)
	read(j.cell.Stdout(i+1), "events", a.StdoutBytes, func(r io.Reader) (err error) {
		s, err = readStream(r)
		return err
	})

	for _, p := range s.pkgs {
		for k, r := range j.pkg(p, s, a, stderr.String()) {
			if old, ok := results[k]; !ok || worse(r.state, old.state) {
				results[k] = r
			}
		}
	}

	died := false // a result says that the process died
	for _, r := range results {
		if r.state == Crashed || r.state == TimedOut {
			died = true
		}
	}
	around := strings.TrimSpace(s.text.String() + "\n" + stderr.String())
	if s.damage != "" {
		problem(Failed, "", "the events are damaged: %s", s.damage)
	}
	if why := death(s.text.String()); why != "" {
		problem(Crashed, around, "something died outside of the events: %s", why)
	}
	switch {
	case a.Lost:
		// Report once that the cell is not finished.
	case a.TimedOut && !died:
		problem(TimedOut, around, "go test did not end in time, and no test was open")
	case a.Signal != "" && !a.TimedOut && !died:
		problem(Crashed, around, "go test was ended by a signal: %s", a.Signal)
	case a.TimedOut || a.Signal != "":
	case a.Exit == 0 && s.fails:
		problem(Failed, around, "exit code 0, but the events report a failure")
	case a.Exit != 0 && !s.fails:
		state, why := Failed, ""
		if w := cmp.Or(death(stderr.String()), firstLine(around)); w != "" {
			why = ": " + w
		}
		if death(stderr.String()) != "" {
			state = Crashed
		}
		problem(state, around, "exit code %d, but no event reports a failure%s", a.Exit, why)
	}
	self := result{state: Passed}
	for n, p := range problems {
		if n == 0 {
			self = p
			continue
		}
		self.reason += "; " + p.reason
		self.text = strings.TrimSpace(self.text + "\n" + p.text)
		if worse(p.state, self.state) {
			self.state = p.state
		}
	}
	results[key{"", CellItself}] = self
	return results
}

// pkg judges one run of a package's test binary. See the package comment for
// the rules.
func (j *judge) pkg(p *pkgRun, s *stream, a record.Attempt, stderr string) map[key]result {
	results := map[key]result{}
	self := key{p.name, PackageItself}

	if p.nobuild || p.failed != "" {
		text := stderrOf(p.name, stderr)
		if c := s.build[p.failed]; c != nil {
			text = c.String()
		}
		results[self] = result{state: BuildFailed, reason: "did not build: " + cmp.Or(firstLine(text), "no reason given"), text: text}
		return results
	}

	if p.cached {
		results[self] = result{state: DidNotRun, reason: "nothing ran: the go command repeated an earlier run's result; want -count=1"}
		return results
	}

	e := p.ending(a)
	culprits := 0
	badTests := false
	for _, name := range p.order {
		r, culprit := p.tests[name].judge(e)
		if culprit {
			culprits++
		}
		badTests = badTests || r.bad()
		k := j.item(p, name)
		if k.test != name {
			// The ancestor takes over the subtest's result if that is bad.
			if !r.bad() {
				continue
			}
			r.seconds = p.tests[k.test].seconds
			if r.state == Failed {
				r.reason = strings.TrimPrefix(name, k.test+"/") + ": " + r.reason
			}
		}
		old, ok := results[k]
		switch {
		case !ok:
			results[k] = r
		case r.bad() && old.bad():
			old.text += r.text
			if worse(r.state, old.state) || old.reason == "" || old.reason == noMessage {
				old.state, old.reason = r.state, r.reason
			}
			results[k] = old
		case r.bad():
			results[k] = r
		}
	}

	after := p.after.String()
	all := strings.TrimSpace(p.outside.String() + after)
	r := result{state: Passed, seconds: p.seconds}
	switch {
	case e.died && culprits == 0:
		where := "before its first test"
		for _, name := range p.order {
			where = "after " + name
		}
		r.state, r.reason, r.text = e.state, "the test process died "+where+": "+e.why, all
	case e.died:
		// The open tests have the reason.
	case death(after) != "":
		r.state, r.reason, r.text = Crashed, fmt.Sprintf("the test process printed %s and then died: %s", p.verdict, death(after)), all
	case p.verdict == "PASS" && p.end == "fail":
		r.state, r.reason, r.text = Failed, "the test process printed PASS, but go test says FAIL: "+cmp.Or(exitLine.FindString(after), "its exit code was not 0"), all
	case p.verdict == "FAIL" && (p.end == "pass" || p.end == "skip"):
		r.state, r.reason, r.text = Failed, "the test process printed FAIL, but go test says ok", all
	case p.end == "" && p.verdict != "":
		r.state, r.reason, r.text = Failed, "go test gave no result for the package", all
	case p.end == "fail" && !badTests:
		r.state, r.reason, r.text = Failed, "the package failed outside of its tests: "+message(all), all
	}
	results[self] = r
	if e.died {
		j.cause[p.name] = "the test process had died before: " + e.why
	}
	return results
}

// An ending is how a test process ended.
type ending struct {
	died  bool
	state State  // of the tests that were open when it died: Crashed or TimedOut
	why   string // it died
}

// ending judges how the process ended.
func (p *pkgRun) ending(a record.Attempt) ending {
	var said strings.Builder // by the process, not by a test that has a result
	anyOpen := false
	for _, name := range p.order {
		t := p.tests[name]
		anyOpen = anyOpen || t.result == ""
		if t.result == "" || t.death {
			said.WriteString(t.out.String())
		}
	}
	// A package with "[no test files]", or that cmd/dist leaves out, has no test
	// binary.
	noBinary := p.end == "skip" && len(p.order) == 0
	if !anyOpen && (p.verdict != "" || noBinary) {
		return ending{}
	}
	e := ending{died: true, state: Crashed, why: death(said.String() + p.outside.String() + p.after.String())}
	// The last words of a process that the CI's own time limit ended, if any, are
	// about the signal that it was sent.
	sent := e.why == "" || ofSignal(e.why)
	if strings.HasPrefix(e.why, timedOutPrefix) || a.TimedOut && sent {
		e.state = TimedOut
	}
	switch {
	case a.TimedOut && sent:
		e.why = strings.TrimSuffix("the CI's time limit ended it: "+e.why, ": ")
	case e.why != "":
	case p.end == "" && a.Signal != "":
		e.why = "go test was ended by a signal: " + a.Signal
	case p.end == "":
		e.why = "the events stop there"
	case p.end == "pass":
		e.why = "it ended with exit code 0 and never printed PASS"
	default:
		e.why = "it ended without a word"
	}
	return e
}

// judge judges a test of a process that ended so, and reports whether the
// process died in it.
func (t *testRun) judge(e ending) (r result, culprit bool) {
	r.seconds = t.seconds
	switch {
	case t.result == "" && t.paused:
		r.state, r.reason = DidNotRun, "waited for its turn to run in parallel when the test process died: "+e.why
	case t.result == "":
		r.state, r.reason, culprit = e.state, e.why, true
		if e.state != TimedOut {
			r.reason = "open when the test process died: " + e.why
		}
		r.text = fmt.Sprintf("=== %s was open\n%s", t.name, t.out.String())
		if !t.began.IsZero() {
			r.seconds = t.last.Sub(t.began).Seconds()
		}
	case e.died && t.death && t.result == "fail":
		r.state, r.reason, r.text = Crashed, "the test process died: "+death(t.out.String()), t.out.String()
		culprit = true
	case t.fails > 0:
		r.state, r.text = Failed, t.failOut.String()
		if t.failOut.empty() {
			r.text = t.out.String()
		}
		r.reason = message(r.text)
		if t.runs > 1 {
			r.reason = fmt.Sprintf("failed in %d of %d runs: %s", t.fails, t.runs, r.reason)
		}
	case t.result == "skip":
		r.state, r.reason = Skipped, message(t.out.String())
	default:
		r.state = Passed
	}
	return r, culprit
}

// item returns the key that a test's result goes to: its own when it is a
// top-level test or wanted by name, else that of the nearest such ancestor.
func (j *judge) item(p *pkgRun, name string) key {
	for {
		k := key{p.name, name}
		parent := parentTest(name)
		if parent == "" || p.tests[parent] == nil || j.want[k] || j.holders[k] {
			return k
		}
		name = parent
	}
}

// stderrOf returns the part of go test's standard error that is about the
// package: Go 1.23 and older print build failures there, each block under a
// line "# import/path". Without such a block it returns everything.
func stderrOf(pkg, stderr string) string {
	var b strings.Builder
	in := false
	for line := range strings.Lines(stderr) {
		if rest, ok := strings.CutPrefix(line, "# "); ok {
			name, _, _ := strings.Cut(strings.Trim(strings.TrimSpace(rest), "[]"), " ")
			in = name == pkg || name == pkg+"_test"
		}
		if in {
			b.WriteString(line)
		}
	}
	return cmp.Or(b.String(), stderr)
}

var (
	resultFrame = regexp.MustCompile(`^\s*(--- (PASS|FAIL|SKIP|BENCH): |=== )`)
	logPrefix   = regexp.MustCompile(`^\s*[\w.\-/]+\.go:\d+: ?`)
	exitLine    = regexp.MustCompile(`(?m)^(exit status \d+|signal: .*)$`)
)

const noMessage = "no reason given"

// message returns what a test has written about itself, as one line: its last
// message with a position (t.Fatal's, t.Skip's), else the first line it printed.
func message(text string) string {
	var msg []string
	first := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		trimmed := strings.TrimSpace(line)
		switch m := logPrefix.FindString(line); {
		case resultFrame.MatchString(line) || trimmed == "":
		case m != "":
			msg = []string{strings.TrimSpace(line[len(m):])}
		case msg != nil && strings.HasPrefix(line, "        "):
			msg = append(msg, trimmed) // the message's next line
		case first == "":
			first = trimmed
		}
	}
	return shorten(cmp.Or(strings.TrimSpace(strings.Join(msg, " ")), first, noMessage))
}

// firstLine returns the first line of text that is not empty and no "# pkg" header.
func firstLine(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "# ") {
			return shorten(line)
		}
	}
	return ""
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 200 {
		return string(r[:199]) + "…"
	}
	return s
}
