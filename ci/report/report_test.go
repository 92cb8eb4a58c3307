// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gocoro/ci/record"
	"gocoro/ci/verdict"
)

var writeSample = flag.String("sample", "", "write the sample's report to this `directory`, to look at")

var sampleHead = Head{
	Generated: time.Date(2026, 11, 23, 13, 40, 0, 0, time.UTC),
	Revision:  "0c2f1ab",
	Nightly:   []record.ID{{Line: "go1.27", Platform: "linux-arm64-qemu-user", Suite: "std", Config: "plain", Tree: record.Patched}},
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
	id := record.ID{Line: "go1.22", Platform: "linux-amd64", Suite: "coro", Config: "plain", Tree: record.Patched}
	cell := func(id record.ID, outcomes ...*verdict.Outcome) *verdict.CellOutcome {
		return &verdict.CellOutcome{Cell: &record.Cell{ID: id, Seconds: 2.84, Attempts: []record.Attempt{{
			Command: []string{"go", "test", "-run", "^(A|B)$", "x"}, Env: []string{"GOMAXPROCS=1", "GOFLAGS", "X=a b"}, Dir: "/src",
		}}}, Outcomes: outcomes}
	}
	stock := id
	stock.Tree = record.Stock
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

// No row of the table of cells is blank: what did not run says why.
func TestCellRows(t *testing.T) {
	var b bytes.Buffer
	e := sample()
	if err := Page(&b, sampleHead, e); err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(b.String(), "</table>")
	rows := regexp.MustCompile(`<tr><td>(.*?)</td><td>(.*?)</td><td class="(bad|good|quiet)">(.*?)</td></tr>`).FindAllStringSubmatch(table, -1)
	if got, want := len(rows), len(e.Cells)+len(sampleHead.Nightly); got != want {
		t.Errorf("got %d rows, want %d", got, want)
	}
	nightly, classes := 0, map[string]bool{}
	for _, m := range rows {
		classes[m[3]] = true
		if strings.Contains(m[4], "nightly") {
			nightly++
		}
		if m[1] == "" || m[4] == "" {
			t.Errorf("a cell is blank: %s", m[0])
		}
	}
	if nightly != 1 || len(classes) != 3 {
		t.Errorf("got %d nightly rows and classes %v, want 1 and all three", nightly, classes)
	}
}

// Every error of a write must come back, whichever write it is.
func TestWriteErrors(t *testing.T) {
	e := sample()
	for name, render := range map[string]func(io.Writer) error{
		"Text":     func(w io.Writer) error { return Text(w, e) },
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
	if len(old) != 4 {
		t.Errorf("%d files, want 4 and nothing temporary", len(old))
	}
	if err := Write(dir, sampleHead, &verdict.Evaluation{}); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, dir); got[TextFile] == old[TextFile] || len(got) != 4 {
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
	for _, want := range []string{"## ❌ gocoro CI: ", "| go1.22/linux-amd64/testprog/plain/patched | ", "1 cells of the nightly plan", "we broke it", "fails upstream too", "fatal error: unexpected signal"} {
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

// Every link leads somewhere, every cell's failures are there, nothing is
// loaded, and text stays text.
func TestPage(t *testing.T) {
	var b bytes.Buffer
	e := sample()
	if err := Page(&b, sampleHead, e); err != nil {
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
	if len(links) != len(e.Cells) {
		t.Errorf("got %d links, want one for each of %d cells", len(links), len(e.Cells))
	}
	for _, bad := range []string{"<img", "<link", "src=", "@import", "url(", "http://", "https://", "<script"} {
		if strings.Contains(html, bad) {
			t.Errorf("the page has %q: it must load nothing, and text must stay text", bad)
		}
	}
	if !strings.Contains(html, "&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;") {
		t.Error("the failure's text is not there, or not whole")
	}
	for _, s := range verdict.States {
		if symbols[s] == "" || !strings.Contains(html, symbols[s]+" ") {
			t.Errorf("nothing on the page shows %s", s)
		}
	}
	for _, c := range e.Cells {
		for _, o := range c.Outcomes {
			if o.State.Bad() && !strings.Contains(html, o.Name()) {
				t.Errorf("%s of %s is not on the page", o.Name(), c.ID)
			}
		}
	}
	for _, want := range []string{"we broke it", "fails upstream too", "no baseline", "go run ./ci test -line go1.22", "light dark"} {
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
