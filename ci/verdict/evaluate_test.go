// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package verdict

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"gocoro/ci/record"
)

var update = flag.Bool("update", false, "rewrite the want files in testdata")

// TestGolden evaluates the records in each testdata/*.txtar. An archive holds
// the files of a results directory, of which cell.json may leave out what is the
// same everywhere (see fill), and
//
//	plan.json      []Planned, optional
//	expected.json  []Expectation, optional
//	want           the outcomes as text
//	cut FILE       in the comment: FILE ends without its last newline
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			root := t.TempDir()
			unpack(t, ar, root)
			got := evaluate(t, ar, root)
			i := slices.IndexFunc(ar.Files, func(f txtar.File) bool { return f.Name == "want" })
			if i < 0 {
				ar.Files = append(ar.Files, txtar.File{Name: "want"})
				i = len(ar.Files) - 1
			}
			if want := string(ar.Files[i].Data); got != want {
				if *update {
					ar.Files[i].Data = []byte(got)
					if err := os.WriteFile(file, txtar.Format(ar), 0o666); err != nil {
						t.Fatal(err)
					}
					return
				}
				t.Errorf("%s: got\n%s\nwant\n%s\n(if the new text is right: go test ./ci/verdict -update)", file, got, want)
			}
		})
	}
}

func evaluate(t *testing.T, ar *txtar.Archive, roots ...string) string {
	t.Helper()
	var plan []Planned
	var expected []Expectation
	for _, f := range ar.Files {
		var err error
		switch f.Name {
		case "plan.json":
			err = json.Unmarshal(f.Data, &plan)
		case "expected.json":
			err = json.Unmarshal(f.Data, &expected)
		}
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
	}
	cells, err := record.Read(roots...)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Evaluate(plan, cells, expected)
	if err != nil {
		t.Fatal(err)
	}
	return dump(e)
}

// dump renders an evaluation for a person who compares.
func dump(e *Evaluation) string {
	var b strings.Builder
	for _, c := range e.Cells {
		fmt.Fprintf(&b, "%s\n", c.ID)
		for _, o := range c.Outcomes {
			fmt.Fprintf(&b, "\t%s: %s", o.Name(), o.State)
			if o.Reason != "" {
				fmt.Fprintf(&b, ": %s", o.Reason)
			}
			if o.Baseline != "" {
				fmt.Fprintf(&b, " [%s]", o.Baseline)
			}
			b.WriteByte('\n')
			if o.Text != "" {
				for line := range strings.Lines(strings.TrimRight(o.Text, "\n")) {
					fmt.Fprintf(&b, "\t\t| %s\n", strings.TrimRight(line, "\n"))
				}
			}
		}
	}
	for _, s := range e.Stale {
		fmt.Fprintf(&b, "stale: %s\n", s)
	}
	fmt.Fprintf(&b, "%s (exit code %d)\n", e.Totals(), e.ExitCode())
	return b.String()
}

// unpack writes an archive's results directory to root.
func unpack(t *testing.T, ar *txtar.Archive, root string) {
	t.Helper()
	cut := map[string]bool{}
	for line := range strings.Lines(string(ar.Comment)) {
		if name, ok := strings.CutPrefix(line, "cut "); ok {
			cut[strings.TrimSpace(name)] = true
		}
	}
	for _, f := range ar.Files {
		if !strings.Contains(f.Name, "/") {
			continue
		}
		data := f.Data
		if cut[f.Name] {
			data = data[:len(data)-1]
			delete(cut, f.Name)
		}
		name := filepath.Join(root, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if len(cut) > 0 {
		t.Fatalf("files to cut that are not there: %v", cut)
	}
	for _, f := range ar.Files {
		if strings.HasSuffix(f.Name, "/cell.json") && json.Valid(f.Data) {
			fill(t, root, f.Name)
		}
	}
}

// fill completes a cell.json: the version, the identity by its directory, that it
// is finished, and the lengths of the attempts' files, which are made if need be.
func fill(t *testing.T, root, name string) {
	t.Helper()
	path := filepath.Join(root, filepath.FromSlash(name))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cell := map[string]any{}
	if err := json.Unmarshal(data, &cell); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	set := func(m map[string]any, k string, v any) {
		if _, ok := m[k]; !ok {
			m[k] = v
		}
	}
	p := strings.Split(name, "/")
	for i, k := range []string{"line", "platform", "suite", "config", "tree"} {
		set(cell, k, p[i])
	}
	set(cell, "version", record.Version)
	set(cell, "finished", true)
	set(cell, "how", record.Native)
	attempts, _ := cell["attempts"].([]any)
	for i, a := range attempts {
		for ext, k := range map[string]string{"json": "stdoutBytes", "stderr": "stderrBytes"} {
			raw := filepath.Join(filepath.Dir(path), fmt.Sprintf("attempt-%d.%s", i+1, ext))
			fi, err := os.Stat(raw)
			if err != nil {
				if ext == "json" {
					continue
				}
				if err := os.WriteFile(raw, nil, 0o666); err != nil {
					t.Fatal(err)
				}
				set(a.(map[string]any), k, 0)
				continue
			}
			set(a.(map[string]any), k, fi.Size())
		}
	}
	data, err = json.Marshal(cell)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestCutAnywhere cuts the events of a cell that passes at many places, and
// takes out every line. Neither may give a cell that passes with a wanted test
// lost, whatever the exit code says.
func TestCutAnywhere(t *testing.T) {
	ar, err := txtar.ParseFile("testdata/passed-with-deaths-of-children.txtar")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	unpack(t, ar, root)
	cells, err := record.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	c := cells[0]
	raw := c.Stdout(1)
	whole, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	try := func(data []byte) *Evaluation {
		if err := os.WriteFile(raw, data, 0o666); err != nil {
			t.Fatal(err)
		}
		c.Attempts[0].StdoutBytes = int64(len(data)) // the length must not be what tells
		e, err := Evaluate(nil, cells, nil)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	if e := try(whole); e.ExitCode() != 0 {
		t.Fatalf("uncut:\n%s", dump(e))
	}
	for i := range whole {
		// Every place near the end of a line, and some within.
		if i%11 != 0 && whole[i] != '\n' && whole[max(0, i-1)] != '\n' {
			continue
		}
		if e := try(whole[:i]); e.ExitCode() == 0 {
			t.Errorf("cut after %d of %d bytes, %q: passed\n%s", i, len(whole), whole[max(0, i-60):i], dump(e))
		}
	}
	lines := strings.SplitAfter(string(whole), "\n")
	lines = lines[:len(lines)-1]
	for i, line := range lines {
		e := try([]byte(strings.Join(lines[:i], "") + strings.Join(lines[i+1:], "")))
		// The other lines carry no verdict: what tests print, that they begin, and
		// the go command's echo of what the frame lines say.
		verdict := strings.Contains(line, `"--- PASS: `) || strings.Contains(line, `"--- SKIP: `) || strings.Contains(line, `"PASS\n"`) ||
			strings.Contains(line, `"Action":"pass"`) && !strings.Contains(line, `"Test":`)
		if e.ExitCode() == 0 && verdict {
			t.Errorf("without line %d, %s: passed\n%s", i+1, strings.TrimSpace(line), dump(e))
		}
	}
}

var testID = record.ID{Line: "go1.22", Platform: "linux-amd64", Suite: "coro", Config: "plain", Tree: record.Patched}

// A record, before and after its end, as the runner writes it.
func TestEvaluateRecord(t *testing.T) {
	want := record.Want{"x": {"TestA"}}
	c, err := record.Create(t.TempDir(), record.Cell{ID: testID, How: record.Native, Want: want})
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.Attempt(record.Attempt{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		`{"Action":"start","Package":"x"}`,
		`{"Action":"run","Package":"x","Test":"TestA"}`,
		`{"Action":"output","Package":"x","Test":"TestA","Output":"--- PASS: TestA (0.50s)\n"}`,
		`{"Action":"pass","Package":"x","Test":"TestA","Elapsed":0.5}`,
		`{"Action":"output","Package":"x","Output":"PASS\n"}`,
		`{"Action":"pass","Package":"x","Elapsed":0.6}`,
	} {
		fmt.Fprintln(o.Stdout, s)
	}
	if err := o.End(0, "", false); err != nil {
		t.Fatal(err)
	}
	if e, _ := Evaluate(nil, []*record.Cell{c}, nil); e.ExitCode() != 1 || e.Totals().String() != "1 passed, 1 failed, 0 skipped" {
		t.Errorf("before Finish: %s", dump(e))
	}
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	e, err := Evaluate([]Planned{{ID: testID, How: record.Native, Want: want}}, []*record.Cell{c}, nil)
	if err != nil || e.ExitCode() != 0 {
		t.Fatalf("%v\n%s", err, dump(e))
	}
	if o := e.Cells[0].Outcomes[0]; o.Seconds != 0.5 || o.Attempts != 1 {
		t.Errorf("outcome %+v, want 0.5 s and 1 attempt", o)
	}
}

func TestEvaluateArguments(t *testing.T) {
	c := func() *record.Cell { return &record.Cell{ID: testID, Finished: true} }
	for _, test := range []struct {
		plan     []Planned
		cells    []*record.Cell
		expected []Expectation
		want     string
	}{
		{plan: []Planned{{ID: testID}, {ID: testID}}, want: "planned twice"},
		{cells: []*record.Cell{c(), c()}, want: "two records"},
		{expected: []Expectation{{Test: "TestA"}}, want: "want a test and a reason"},
		{expected: []Expectation{{Reason: "all"}}, want: "want a test and a reason"},
	} {
		if _, err := Evaluate(test.plan, test.cells, test.expected); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: want an error that says %q", err, test.want)
		}
	}
	e, err := Evaluate(nil, nil, nil)
	if err != nil || e.ExitCode() != 1 {
		t.Errorf("nothing planned, nothing recorded: %v, exit code %d, want 1", err, e.ExitCode())
	}
}

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "x", true}, {"*", "a/b", true}, {"a", "a", true}, {"a", "ab", false},
		{"TestRace*", "TestRaceProf", true}, {"TestRace*", "MyTestRaceProf", false},
		{"*/sub", "TestX/y/sub", true}, {"a.c", "abc", false}, {"a.*", "abc", false},
	} {
		if got := match(test.pattern, test.s); got != test.want {
			t.Errorf("match(%q, %q) = %v", test.pattern, test.s, got)
		}
	}
}

// A clip keeps both ends and is never much larger than they are.
func TestClip(t *testing.T) {
	var c clip
	for i := range 200_000 {
		fmt.Fprintf(&c, "line %d\n", i)
	}
	s := c.String()
	if len(s) > clipHead+clipTail+200 || !strings.HasPrefix(s, "line 0\n") || !strings.HasSuffix(s, "line 199999\n") || !strings.Contains(s, "bytes left out") {
		t.Errorf("%d bytes: %.40q … %q", len(s), s, s[len(s)-40:])
	}
	var small clip
	small.WriteString("a\xffb")
	if got := small.String(); got != "a\uFFFDb" {
		t.Errorf("got %q", got)
	}
}

// A test that was lost between two shards is noticed when they are merged.
func TestShardsLoseNothing(t *testing.T) {
	ar, err := txtar.ParseFile("testdata/planned-without-record.txtar")
	if err != nil {
		t.Fatal(err)
	}
	a, b := t.TempDir(), t.TempDir()
	unpack(t, ar, a)
	if got := evaluate(t, ar, a, b); !strings.Contains(got, "linux-arm64/coro/plain/patched\n\t(cell): did not run") {
		t.Errorf("got\n%s", got)
	}
}
