// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package record

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var testID = ID{"go1.22", "linux-amd64", "coro", "GOMAXPROCS=1", Patched}

// write writes the record of a cell with one attempt, as the runner does.
func write(t *testing.T, root string, id ID) *Cell {
	t.Helper()
	c, err := Create(root, Cell{ID: id, How: Native, Want: Want{"x": {"TestA"}}})
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.Attempt(Attempt{Command: []string{"go", "test", "-json", "x"}, Env: []string{"GOMAXPROCS=1", "GOFLAGS"}})
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(o.Stdout, `{"Action":"start","Package":"x"}`+"\n")
	io.WriteString(o.Stderr, "go: downloading\n")
	if err := o.End(0, "", false); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRecord(t *testing.T) {
	root := t.TempDir()
	c := write(t, root, testID)

	// Until Finish, the record is visibly unfinished.
	cells, err := Read(root)
	if err != nil || len(cells) != 1 || cells[0].Finished {
		t.Fatalf("Read before Finish: %v, %+v; want one unfinished cell", err, cells)
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
	for _, c := range []*Cell{write(t, a, testID), write(t, b, other)} {
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
