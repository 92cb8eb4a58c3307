// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gocoro/ci/verdict"
)

var writeSample = flag.String("sample", "", "write the sample's report to this `directory`, to look at")

var sampleHead = Head{
	Title:     "gocoro CI",
	Generated: time.Date(2026, 11, 23, 13, 40, 0, 0, time.UTC),
	Revision:  "0c2f1ab",
	Host:      "linux/amd64, 2 cores",
	Nightly:   []verdict.ID{{Line: "go1.27", Platform: "linux-arm64-qemu-user", Suite: "std", Config: "plain", Tree: verdict.Patched}},
}

func TestSample(t *testing.T) {
	if *writeSample != "" {
		if err := Write(*writeSample, sampleHead, sample()); err != nil {
			t.Fatal(err)
		}
	}
	// The sample must have every state, or the tests below test less than they say.
	n := counts(sample())
	for _, s := range verdict.States {
		if n[s] == 0 {
			t.Errorf("no outcome of the sample is %s", s)
		}
	}
}

func TestText(t *testing.T) {
	e := sample()
	var b bytes.Buffer
	if err := Text(&b, e); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	last := lines[len(lines)-1]
	if last != e.Totals().String() || !regexp.MustCompile(`^\d+ passed, \d+ failed, \d+ skipped$`).MatchString(last) {
		t.Errorf("last line %q, want the totals", last)
	}
	if got := lines[len(lines)-2]; !regexp.MustCompile(`^counted as skipped: .*\d+ built, not run`).MatchString(got) {
		t.Errorf("line before the last is %q, want it to tell what was built and not run", got)
	}
	for _, want := range []string{
		"FAIL go1.22/linux-amd64/testprog/plain/patched",
		"--   go1.22/darwin-arm64/coro/plain/patched",
		"base go1.22/linux-amd64/coro/plain/stock",
		"runtime.TestCgoCrashTraceback: failed [we broke it]",
		"runtime.TestCgoExternalThreadPanic: failed [fails upstream too]",
		"take the expected failure out of the CI's table: */linux-arm64-qemu-user",
		"again:  go run ./ci test -line go1.22",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// The golden text of a small evaluation, with its account of the counts.
func TestTextGolden(t *testing.T) {
	id := verdict.ID{Line: "go1.22", Platform: "linux-amd64", Suite: "coro", Config: "plain", Tree: verdict.Patched}
	cell := func(id verdict.ID, outcomes ...*verdict.Outcome) *verdict.CellOutcome {
		return &verdict.CellOutcome{Cell: &verdict.Cell{ID: id, Seconds: 2.84, Attempts: []verdict.Attempt{{
			Command: []string{"go", "test", "-run", "^(A|B)$", "x"}, Env: []string{"GOMAXPROCS=1", "GOFLAGS", "X=a b"}, Dir: "/src",
		}}}, Outcomes: outcomes}
	}
	stock := id
	stock.Tree = verdict.Stock
	e := &verdict.Evaluation{Cells: []*verdict.CellOutcome{
		cell(id,
			&verdict.Outcome{Package: "x", Test: "TestA", State: verdict.Passed},
			&verdict.Outcome{Package: "x", Test: "TestB", State: verdict.Flaky, Reason: "failed in attempt 1, passed in attempt 2: bad", Baseline: verdict.WeBrokeIt},
			&verdict.Outcome{Package: "x", Test: "TestC", State: verdict.Skipped, Reason: "no"},
			&verdict.Outcome{Package: "x", Test: "TestD", State: verdict.BuiltNotRun, Reason: "built"},
		),
		cell(stock, &verdict.Outcome{Package: "x", Test: "TestA", State: verdict.Failed, Reason: "upstream's"}),
	}}
	var b bytes.Buffer
	if err := Text(&b, e); err != nil {
		t.Fatal(err)
	}
	const want = `FAIL go1.22/linux-amd64/coro/plain/patched                1 passed, 1 skipped, 1 built, not run, 1 flaky  2.8s
base go1.22/linux-amd64/coro/plain/stock                  1 failed  2.8s

go1.22/linux-amd64/coro/plain/patched
  x.TestB: flaky [we broke it]
      failed in attempt 1, passed in attempt 2: bad
  again:  cd /src && env -u GOFLAGS GOMAXPROCS=1 X='a b' go test -run '^(A|B)$' x

counted as failed:  1 flaky
counted as skipped: 1 built, not run; 1 skipped
1 passed, 1 failed, 2 skipped
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// No cell of the overview is blank: what did not run says why.
func TestOverviewCells(t *testing.T) {
	var b bytes.Buffer
	if err := Page(&b, sampleHead, sample()); err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(b.String(), `<table class="over">`)
	table, _, _ = strings.Cut(table, "</table>")
	words := map[string]int{}
	for _, m := range regexp.MustCompile(`<td>(?:<a class="tile[^>]*><b>([^<]*)</b>|<span class="none" title="[^"]+">([^<]*)</span>)?`).FindAllStringSubmatch(table, -1) {
		w := m[1] + m[2]
		if w == "" {
			t.Errorf("a cell is blank: %s", m[0])
		}
		words[w]++
	}
	if words["nightly"] != 1 || words["not planned"] == 0 {
		t.Errorf("cells %v; want one nightly, and some that the plan does not have", words)
	}
}

// Every error of a write must come back, whichever write it is.
func TestWriteErrors(t *testing.T) {
	e := sample()
	for name, render := range map[string]func(io.Writer) error{
		"Text":     func(w io.Writer) error { return Text(w, e) },
		"JUnit":    func(w io.Writer) error { return JUnit(w, e) },
		"JSON":     func(w io.Writer) error { return JSON(w, sampleHead, e) },
		"Markdown": func(w io.Writer) error { return Markdown(w, sampleHead, e) },
		"Page":     func(w io.Writer) error { return Page(w, sampleHead, e) },
	} {
		var whole bytes.Buffer
		if err := render(&whole); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, room := range []int{0, 1, whole.Len() / 2, whole.Len() - 1} {
			if err := render(&shortWriter{room: room}); err == nil || !strings.Contains(err.Error(), "disk is full") {
				t.Errorf("%s: %v with room for %d of %d bytes, want the writer's error", name, err, room, whole.Len())
			}
		}
		if full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0); err == nil {
			if err := render(full); err == nil {
				t.Errorf("%s to /dev/full: no error", name)
			}
			full.Close()
		}
	}
}

type shortWriter struct{ room int }

func (w *shortWriter) Write(p []byte) (int, error) {
	if len(p) > w.room {
		n := w.room
		w.room = 0
		return n, fmt.Errorf("disk is full")
	}
	w.room -= len(p)
	return len(p), nil
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "report")
	if err := Write(dir, sampleHead, sample()); err != nil {
		t.Fatal(err)
	}
	old := readAll(t, dir)
	if len(old) != 5 {
		t.Errorf("%d files, want 5 and nothing temporary", len(old))
	}
	if err := Write(dir, sampleHead, &verdict.Evaluation{}); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, dir); got[TextFile] == old[TextFile] || len(got) != 5 {
		t.Error("a new report did not replace the old one")
	}
	// A file where the directory should be.
	if err := Write(filepath.Join(dir, TextFile), sampleHead, sample()); err == nil {
		t.Error("no error where a file is in the way")
	}
}

func readAll(t *testing.T, dir string) map[string]string {
	t.Helper()
	ents, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range ents {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

// TestJUnit holds the XML against the schema that its readers share: which
// elements and attributes there are, in which order, and that the numbers are
// those of the elements and of the totals.
func TestJUnit(t *testing.T) {
	e := sample()
	e.Cells[0].Outcomes[0].Reason = "control \x1b[31m characters \x00 and <markup>"
	e.Cells[0].Outcomes[0].State = verdict.Failed
	var b bytes.Buffer
	if err := JUnit(&b, e); err != nil {
		t.Fatal(err)
	}
	children := map[string][]string{ // in this order
		"testsuites": {"testsuite"}, "testsuite": {"properties", "testcase"}, "properties": {"property"},
		"testcase": {"skipped", "error", "failure"}, "property": nil, "skipped": nil, "error": nil, "failure": nil,
	}
	required := map[string][]string{
		"testsuites": {"name", "tests", "failures", "errors", "time"}, "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
		"testcase": {"name", "classname", "time"}, "property": {"name", "value"}, "error": {"message", "type"}, "failure": {"message", "type"}, "skipped": {"message"},
	}
	optional := map[string][]string{"testsuite": {"timestamp", "hostname"}}

	type frame struct {
		name string
		last int // index of the last child's name
		attr map[string]int
		n    map[string]int
	}
	var stack []*frame
	total := map[string]int{}
	dec := xml.NewDecoder(&b)
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			name := tok.Name.Local
			if _, ok := children[name]; !ok {
				t.Fatalf("element <%s> is not in the schema", name)
			}
			f := &frame{name: name, attr: map[string]int{}, n: map[string]int{}}
			var got []string
			for _, a := range tok.Attr {
				got = append(got, a.Name.Local)
				f.attr[a.Name.Local], _ = strconv.Atoi(a.Value)
				// A <failure> ran to its end; an <error> did not.
				if a.Name.Local == "type" && (name == "failure") != (a.Value == "failed" || a.Value == "flaky" || a.Value == "unexpected pass") {
					t.Errorf("<%s> of type %q", name, a.Value)
				}
				if a.Name.Local == "time" && !regexp.MustCompile(`^\d+\.\d{3}$`).MatchString(a.Value) {
					t.Errorf("time %q", a.Value)
				}
				if !slices.Contains(required[name], a.Name.Local) && !slices.Contains(optional[name], a.Name.Local) {
					t.Errorf("<%s>: attribute %s is not in the schema", name, a.Name.Local)
				}
			}
			for _, a := range required[name] {
				if !slices.Contains(got, a) {
					t.Errorf("<%s>: attribute %s is missing", name, a)
				}
			}
			if len(stack) > 0 {
				parent := stack[len(stack)-1]
				i := slices.Index(children[parent.name], name)
				if i < parent.last {
					t.Errorf("<%s> in <%s> is not in the schema, or not there", name, parent.name)
				}
				parent.last = i
				if parent.name == "testcase" {
					for _, p := range stack {
						p.n[name]++
					}
				}
			}
			if name == "testcase" {
				for _, p := range stack {
					p.n["testcase"]++
				}
			}
			stack = append(stack, f)
		case xml.EndElement:
			f := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if f.name == "testsuite" || f.name == "testsuites" {
				for attr, elem := range map[string]string{"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"} {
					if f.name == "testsuites" && attr == "skipped" {
						continue
					}
					if f.attr[attr] != f.n[elem] {
						t.Errorf("<%s>: %s=%d, but it has %d", f.name, attr, f.attr[attr], f.n[elem])
					}
				}
			}
			if f.name == "testsuites" {
				total = f.n
			}
		}
	}
	want := e.Totals()
	if total["failure"]+total["error"] != want.Failed || total["skipped"] != want.Skipped || total["testcase"] != want.Passed+want.Failed+want.Skipped {
		t.Errorf("XML has %v, totals are %v", total, want)
	}
	if total["error"] == 0 || total["failure"] == 0 {
		t.Errorf("XML has %v, want failures and errors", total)
	}
}

func TestJSON(t *testing.T) {
	e := sample()
	var b bytes.Buffer
	if err := JSON(&b, sampleHead, e); err != nil {
		t.Fatal(err)
	}
	var s Summary
	dec := json.NewDecoder(&b)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		t.Fatal(err)
	}
	if s.Version != 1 || s.OK || s.Totals != e.Totals() || len(s.Cells) != len(e.Cells) {
		t.Errorf("version %d, ok %v, totals %v, %d cells", s.Version, s.OK, s.Totals, len(s.Cells))
	}
	n := 0
	for state, k := range s.States {
		if !slices.Contains(verdict.States, state) {
			t.Errorf("state %q", state)
		}
		n += k
	}
	if want := s.Totals.Passed + s.Totals.Failed + s.Totals.Skipped; n != want {
		t.Errorf("the states add up to %d, the totals to %d", n, want)
	}
}

func TestMarkdown(t *testing.T) {
	e := sample()
	var b bytes.Buffer
	if err := Markdown(&b, sampleHead, e); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"## ❌ gocoro CI: ", "| suite | configuration | go1.22 linux-amd64 |", "we broke it", "fails upstream too", "fatal error: unexpected signal"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	// However much fails, the summary stays below what is accepted, and says so.
	for _, c := range e.Cells {
		for _, o := range c.Outcomes {
			o.State, o.Reason, o.Text = verdict.Crashed, strings.Repeat("reason ", 20), strings.Repeat("text ```` \n", 1000)
		}
	}
	b.Reset()
	if err := Markdown(&b, sampleHead, e); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 1<<20 || !strings.Contains(b.String(), "more failures did not fit here") {
		t.Errorf("%d bytes, want less than 1 MiB and a word about the rest", b.Len())
	}
}

// No cell of the matrix is blank, every link leads somewhere, nothing is
// loaded, and text stays text.
func TestPage(t *testing.T) {
	var b bytes.Buffer
	if err := Page(&b, sampleHead, sample()); err != nil {
		t.Fatal(err)
	}
	html := b.String()
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(`\sid="([^"]*)"`).FindAllStringSubmatch(html, -1) {
		if ids[m[1]] {
			t.Errorf("two elements with the id %q", m[1])
		}
		ids[m[1]] = true
	}
	links := regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(html, -1)
	for _, m := range links {
		if id, ok := strings.CutPrefix(m[1], "#"); !ok || !ids[id] {
			t.Errorf("link to %q leads nowhere", m[1])
		}
	}
	if len(links) < 300 {
		t.Errorf("%d links, want one for each outcome that did not pass", len(links))
	}
	for _, bad := range []string{"<img", "<link", "src=", "@import", "url(", "http://", "https://", "<script>alert"} {
		if strings.Contains(html, bad) {
			t.Errorf("the page has %q: it must load nothing, and text must stay text", bad)
		}
	}
	if !strings.Contains(html, "&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;") {
		t.Error("the failure's text is not there, or not whole")
	}
	cells := regexp.MustCompile(`(?s)<td class="([a-z]+)[^"]*" title="([^"]*)">(.*?)</td>`).FindAllStringSubmatch(html, -1)
	classes := map[string]bool{}
	for _, m := range cells {
		classes[m[1]] = true
		text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(m[3], "")
		if strings.TrimSpace(text) == "" || m[2] == "" {
			t.Errorf("blank cell: %s", m[0])
		}
		if strings.ContainsAny(m[1], "fctbnukx") && !strings.Contains(m[3], "href=") {
			t.Errorf("a cell that did not pass leads nowhere: %s", m[0])
		}
	}
	for _, l := range looks {
		if !classes[l.Class] {
			t.Errorf("no cell shows %s", l.State)
		}
	}
	if len(looks) != len(verdict.States) {
		t.Errorf("%d looks for %d states", len(looks), len(verdict.States))
	}
	for _, want := range []string{"we broke it", "fails upstream too", "no baseline", "go run ./ci test -line go1.22", "prefers-color-scheme: dark"} {
		if !strings.Contains(html, want) {
			t.Errorf("no %q on the page", want)
		}
	}
}

// The page stays openable when everything fails with much to say.
func TestPageBudget(t *testing.T) {
	e := sample()
	n := 0
	for _, c := range e.Cells {
		for _, o := range c.Outcomes {
			n++
			o.State, o.Text = verdict.Crashed, strings.Repeat(fmt.Sprintf("line of outcome %d\n", n), 3000)
		}
	}
	var b bytes.Buffer
	if err := Page(&b, sampleHead, e); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 2*pageBudget || !strings.Contains(b.String(), "bytes left out; the record has them") {
		t.Errorf("%d bytes, want less than %d, and a word about what is left out", b.Len(), 2*pageBudget)
	}
}

func TestDuration(t *testing.T) {
	for s, want := range map[float64]string{0.004: "0.00s", 0.25: "0.25s", 7.13: "7.1s", 78.2: "78s", 724.6: "12m05s", 7325: "2h02m"} {
		if got := duration(s); got != want {
			t.Errorf("duration(%v) = %q, want %q", s, got, want)
		}
	}
}

// Whichever rename fails, the old report is unchanged, and nothing else is left
// behind.
func TestReplaceFails(t *testing.T) {
	defer func() { rename = os.Rename }()
	var files []file
	for _, name := range []string{"a", "b", "c"} {
		files = append(files, file{name, []byte("new")})
	}
	for _, had := range []int{0, 2, 3} { // how many files the old report has
		for bad := 1; bad <= 2*len(files); bad++ {
			t.Run(fmt.Sprintf("%d old files, rename %d fails", had, bad), func(t *testing.T) {
				dir := t.TempDir()
				for _, f := range files[:had] {
					if err := os.WriteFile(filepath.Join(dir, f.name), []byte("old"), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				before := readAll(t, dir)
				n := 0
				rename = func(from, to string) error {
					if n++; n == bad {
						return errors.New("planted")
					}
					return os.Rename(from, to)
				}
				if err := replace(dir, files); err == nil || !strings.Contains(err.Error(), "is unchanged") {
					t.Errorf("got %v, want an error that says that the old report is unchanged", err)
				}
				if after := readAll(t, dir); !reflect.DeepEqual(after, before) {
					t.Errorf("got files %v, want %v", after, before)
				}
			})
		}
	}
}
