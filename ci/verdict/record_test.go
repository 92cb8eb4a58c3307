// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package verdict

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var testID = ID{"go1.22", "linux-amd64", "coro", "GOMAXPROCS=1", Patched}

// record writes a cell of one passing test with the API that the runner uses.
func record(t *testing.T, root string, id ID) *Cell {
	t.Helper()
	c, err := Create(root, Cell{ID: id, How: Native, Want: Want{"x": {"TestA"}}})
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.Attempt(Attempt{Command: []string{"go", "test", "-json", "x"}, Env: []string{"GOMAXPROCS=1", "GOFLAGS"}})
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
	io.WriteString(o.Stderr, "go: downloading\n")
	if err := o.End(0, "", false); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRecord(t *testing.T) {
	root := t.TempDir()
	c := record(t, root, testID)

	// Until Finish, the record is visibly unfinished.
	cells, err := Read(root)
	if err != nil || len(cells) != 1 || cells[0].Finished {
		t.Fatalf("Read before Finish: %v, %+v; want one unfinished cell", err, cells)
	}
	if e, _ := Evaluate(nil, cells, nil); e.ExitCode() != 1 || e.Totals().String() != "1 passed, 1 failed, 0 skipped" {
		t.Errorf("before Finish: %s", dump(e))
	}
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	cells, err = Read(root)
	if err != nil || len(cells) != 1 {
		t.Fatalf("Read: %v, %d cells", err, len(cells))
	}
	if !reflect.DeepEqual(cells[0], c) {
		t.Errorf("read\n%+v\nwrote\n%+v", cells[0], c)
	}
	e, err := Evaluate([]Planned{{ID: testID, How: Native, Want: c.Want}}, cells, nil)
	if err != nil || e.ExitCode() != 0 {
		t.Fatalf("%v\n%s", err, dump(e))
	}
	if o := e.Cells[0].Outcomes[0]; o.Seconds != 0.5 || o.Attempts != 1 {
		t.Errorf("outcome %+v, want 0.5 s and 1 attempt", o)
	}

	// No temporary file is left, and no second record can take the place.
	ents, err := os.ReadDir(c.Dir())
	if err != nil || len(ents) != 3 {
		t.Errorf("%v: %v, want cell.json and two files of the attempt", err, ents)
	}
	if _, err := Create(root, Cell{ID: testID}); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("Create over a record: %v", err)
	}
	if _, err := c.Attempt(Attempt{}); err == nil {
		t.Error("Attempt on a finished record: no error")
	}
}

func TestIDCheck(t *testing.T) {
	for _, id := range []ID{
		{},
		{"go1.22", "linux/amd64", "coro", "plain", Patched},
		{"go1.22", "..", "coro", "plain", Patched},
		{"go1.22", "linux-amd64", "coro", "a b", Patched},
		{"go1.22", "linux-amd64", "coro", "plain", "other"},
	} {
		if err := id.Check(); err == nil {
			t.Errorf("%q: no error", id)
		}
		if _, err := Create(t.TempDir(), Cell{ID: id}); err == nil {
			t.Errorf("Create %q: no error", id)
		}
	}
}

// An attempt whose output could not be written is an error at its End, even
// when nobody looked at the errors of Write.
func TestAttemptFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no /dev/full: %v", err)
	}
	c, err := Create(t.TempDir(), Cell{ID: testID})
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.Attempt(Attempt{})
	if err != nil {
		t.Fatal(err)
	}
	o.stdout.f.Close()
	o.stdout.f = full
	fmt.Fprintln(o.Stdout, `{"Action":"start","Package":"x"}`)
	if err := o.End(0, "", false); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("End: %v, want an error that says no space left", err)
	}
}

func TestReadShards(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	other := testID
	other.Config = "race"
	for _, c := range []*Cell{record(t, a, testID), record(t, b, other)} {
		if err := c.Finish(); err != nil {
			t.Fatal(err)
		}
	}
	cells, err := Read(a, b)
	if err != nil || len(cells) != 2 {
		t.Fatalf("two shards: %v, %d cells, want 2", err, len(cells))
	}

	// Two records of one cell cannot both be the truth.
	if err := os.CopyFS(filepath.Join(b, filepath.Join(testID.parts()...)), os.DirFS(cells[0].Dir())); err != nil {
		t.Fatal(err)
	}
	if _, err = Read(a, b); err == nil || !strings.Contains(err.Error(), "has two records") {
		t.Errorf("got %v of a cell in both shards, want an error", err)
	}
	if _, err = Read(filepath.Join(a, "nothing")); err == nil {
		t.Errorf("no such directory: no error")
	}
}

func TestEvaluateArguments(t *testing.T) {
	c := func() *Cell { return &Cell{ID: testID, Finished: true} }
	for _, test := range []struct {
		plan     []Planned
		cells    []*Cell
		expected []Expectation
		want     string
	}{
		{plan: []Planned{{ID: testID}, {ID: testID}}, want: "planned twice"},
		{cells: []*Cell{c(), c()}, want: "two records"},
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
