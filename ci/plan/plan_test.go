package plan

import (
	"slices"
	"strings"
	"testing"

	"gocoro/build/line"
	"gocoro/ci/platform"
	"gocoro/ci/record"
	"gocoro/ci/suite"
	"gocoro/ci/verdict"
)

var (
	linux = platform.Platform{OS: "linux", Arch: "amd64"}
	mac   = platform.Platform{OS: "darwin", Arch: "arm64"}
	lines = []*Line{
		{Line: &line.Line{Name: "go1.22"}, Rules: suite.Matched},
		{Line: &line.Line{Name: "go1.26"}, Rules: suite.Shared},
		{Line: &line.Line{Name: "go1.27"}, Rules: suite.Shared, Default: true},
	}
)

func TestCells(t *testing.T) {
	for _, host := range []platform.Platform{linux, mac} {
		for _, depth := range []Depth{Default, Nightly} {
			cells, err := Cells(host, lines, Selection{Depth: depth})
			if err != nil {
				t.Fatal(err)
			}
			seen := map[record.ID]bool{}
			platforms := map[string]bool{}
			for _, c := range cells {
				if err := c.ID.Check(); err != nil {
					t.Error(err)
				}
				if seen[c.ID] {
					t.Errorf("%s/%s: %s is planned twice", host, depth, c.ID)
				}
				seen[c.ID] = true
				platforms[c.Method.Target.String()] = true
				if c.Limit() <= 0 {
					t.Errorf("%s has no time limit", c.ID)
				}
				if slices.Contains(c.Config.BuildFlags, "-race") && c.Method.Kind != platform.Native && c.Method.Kind != platform.QemuSystem {
					t.Errorf("%s: no race detector by %s", c.ID, c.Method)
				}
			}
			// Every platform is on the page, run or built.
			for _, p := range platform.All {
				if !platforms[p.String()] {
					t.Errorf("%s/%s: no cell for %s", host, depth, p)
				}
			}
			for _, l := range lines {
				id := record.ID{Line: l.Name, Platform: host.OS + "-" + host.Arch, Suite: "coro", Config: "plain", Tree: record.Stock}
				if !seen[id] {
					t.Errorf("%s/%s: no negative control %s", host, depth, id)
				}
			}
		}
	}
}

// The shards of a plan are the plan, each cell once.
func TestShards(t *testing.T) {
	all, err := Cells(linux, lines, Selection{})
	if err != nil {
		t.Fatal(err)
	}
	const n = 3
	seen := map[record.ID]int{}
	for i := 1; i <= n; i++ {
		cells, err := Cells(linux, lines, Selection{Shard: i, Shards: n})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cells {
			seen[c.ID]++
		}
	}
	for _, c := range all {
		if seen[c.ID] != 1 {
			t.Errorf("%s is in %d shards, want 1", c.ID, seen[c.ID])
		}
	}
	if len(seen) != len(all) {
		t.Errorf("shards have %d cells, want %d", len(seen), len(all))
	}
}

func TestSelection(t *testing.T) {
	cells, err := Cells(linux, lines, Selection{Line: "go1.22", Suite: "coro", Config: "procs*", Depth: Nightly, Platform: "linux-amd64"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cells {
		if c.Line != "go1.22" || c.Suite != "coro" {
			t.Errorf("selected %s", c.ID)
		}
	}
	if len(cells) != 3 {
		t.Errorf("selected %d cells, want procs1, procs2 and procs4", len(cells))
	}
	if _, err := Cells(linux, lines, Selection{Suite: "corro"}); err == nil {
		t.Errorf("a selection of nothing is no error")
	}
}

// The negative control is the 13 programs of the locks and the 3 tests of repairs
// that stock go1.22.12 gets wrong.
func TestExpected(t *testing.T) {
	repo, err := line.FindRepo(".")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := Lines(repo)
	if err != nil {
		t.Fatal(err)
	}
	for depth, race := range map[Depth]verdict.When{Default: verdict.Omit, Nightly: verdict.Always} {
		expected, err := Expected(linux, lines, depth)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, x := range expected {
			if x.Tree == record.Stock && x.Line == "go1.22" && x.Platform == "" {
				n++
			}
			if x.Reason == "" || x.Test == "" {
				t.Errorf("%s: no reason or no test", x)
			}
			// What the emulator cannot run is still tried at night.
			if x.Test == "TestRaceProf" && x.When != race || x.When == verdict.OmitByDay {
				t.Errorf("%s: %s: got %q, want %q", depth, x, x.When, race)
			}
		}
		if n != 16 {
			t.Errorf("%d programs are expected to fail on stock go1.22, want 16", n)
		}
	}
}

func TestTables(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Configs {
		if names[c.Name] {
			t.Errorf("configuration %s is there twice", c.Name)
		}
		names[c.Name] = true
	}
	for _, r := range rows {
		if r.depth == Nightly && r.others != Nightly {
			t.Errorf("row %s %s: a line that is not the default has more than the default line", r.suite, r.configs)
		}
		for _, name := range strings.Fields(r.configs) {
			if !names[name] {
				t.Errorf("row %s: no configuration %q", r.suite, name)
			}
		}
	}
}

// Every line is tested at each push, where its programs can run and where they
// can only be built; only the lines with the rules have the rows for them.
func TestLines(t *testing.T) {
	cells, err := Cells(linux, lines, Selection{Depth: Default})
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	n := map[string]int{}
	deep, others := false, false
	for _, c := range cells {
		others = others || c.Of != nil && !c.Of.Default
		if others && !c.deep && c.Of.Default {
			t.Errorf("%s comes after the other lines", c.ID)
		}
		have[c.ID.String()] = true
		n[c.Line]++
		if deep && !c.deep {
			t.Errorf("%s comes after what is tested of the default line alone", c.ID)
		}
		deep = c.deep
	}
	for _, l := range lines {
		// By day, what breaks first; the rest when the line is named, and at night.
		day := []string{
			"linux-amd64/user/plain/patched", "linux-amd64/coro/plain/patched", "linux-amd64/coro/plain/stock",
			"linux-arm64-qemu-user/coro/plain/patched", "darwin-arm64-cross/coro/plain/patched",
			"darwin-arm64-cross/testprog/plain/patched",
		}
		rest := []string{
			"linux-amd64/testprog/plain/patched", "linux-amd64/std/plain/patched", "linux-arm64-qemu-user/testprog/plain/patched",
			"darwin-amd64-cross/coro/plain/patched", "darwin-amd64-cross/testprog/plain/patched",
		}
		if l.Rules == suite.Shared {
			rest = append(rest, "linux-amd64/fuzz/plain/patched")
		}
		for _, want := range day {
			if !have[l.Name+"/"+want] {
				t.Errorf("no cell %s/%s", l.Name, want)
			}
		}
		for _, sel := range []Selection{{Depth: Default}, {Depth: Default, Line: l.Name}, {Depth: Default, Whole: true}, {Depth: Nightly}} {
			cells, err := Cells(linux, lines, sel)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			for _, c := range cells {
				got[c.ID.String()] = true
			}
			wanted := l.Default || sel.Line != "" || sel.Whole || sel.Depth == Nightly
			for _, id := range rest {
				if got[l.Name+"/"+id] != wanted {
					t.Errorf("%+v: cell %s/%s: got %v, want %v", sel, l.Name, id, !wanted, wanted)
				}
			}
		}
	}
	if n["go1.27"] <= n["go1.26"] || n["go1.26"] < n["go1.22"] {
		t.Errorf("cells by line: %v; want most in the default line go1.27", n)
	}
}

// The tests that the std suite leaves to the testprog suite run there, if the run
// has the cell's line at all.
func TestLeavesTestprog(t *testing.T) {
	for _, sel := range []Selection{{Depth: Default}, {Depth: Default, Line: "go1.22"}, {Depth: Default, Whole: true}, {Depth: Nightly}} {
		cells, err := Cells(linux, lines, sel)
		if err != nil {
			t.Fatal(err)
		}
		have := idsOf(cells)
		for _, c := range cells {
			if c.Suite != "std" || c.Method.Kind == platform.Cross {
				continue
			}
			prog := c.ID
			prog.Suite = "testprog"
			if c.LeavesTestprog() && !have[prog] || c.LeavesTestprog() == (sel.Depth == Nightly) {
				t.Errorf("%+v: %s leaves what testprog runs: %v; there is a cell %s: %v", sel, c.ID, c.LeavesTestprog(), prog, have[prog])
			}
		}
	}
}

// By day the host's packages are made, at night, and so for a release, all.
func TestPackages(t *testing.T) {
	for depth, want := range map[Depth]string{Default: "linux/amd64", Nightly: "linux/amd64 linux/arm64 darwin/amd64 darwin/arm64"} {
		cells, err := Cells(linux, lines, Selection{Suite: "packages", Line: "go1.27", Depth: depth})
		if err != nil || len(cells) != 1 {
			t.Fatalf("%s: %d cells, %v; want one", depth, len(cells), err)
		}
		if got := strings.Join(cells[0].Packages(), " "); got != want {
			t.Errorf("%s: the packages are of %s, want %s", depth, got, want)
		}
	}
	// The runtime is compiled for the others by day, too.
	for _, p := range []string{"darwin-amd64-cross", "darwin-arm64-cross", "linux-arm64-qemu-user"} {
		if _, err := Cells(linux, lines, Selection{Line: "go1.27", Platform: p, Suite: "coro", Depth: Default}); err != nil {
			t.Errorf("%s by day: %v", p, err)
		}
	}
}

// idsOf returns the set of the cells' IDs.
func idsOf(cells []Cell) map[record.ID]bool {
	ids := map[record.ID]bool{}
	for _, c := range cells {
		ids[c.ID] = true
	}
	return ids
}

// The tests that the std suite leaves to the coro suite run there.
func TestStd(t *testing.T) {
	cells, err := Cells(linux, lines, Selection{Depth: Nightly})
	if err != nil {
		t.Fatal(err)
	}
	have := idsOf(cells)
	for _, c := range cells {
		coro := c.ID
		coro.Suite = "coro"
		own := c.ID.Config == "race" && c.Of != nil && c.Of.Rules == suite.Shared // TestCoroLockRace
		if c.Suite == "std" && !have[coro] && !own {
			t.Errorf("there is a cell %s, and no %s", c.ID, coro)
		}
	}
}

// The long forms of tests run once, at night.
func TestShort(t *testing.T) {
	for _, depth := range []Depth{Default, Nightly} {
		cells, err := Cells(linux, lines, Selection{Suite: "coro", Depth: depth})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cells {
			if long := depth == Nightly && c.ID.Config == "plain"; c.Short() == long {
				t.Errorf("%s at depth %s: -short is %t", c.ID, depth, c.Short())
			}
		}
	}
}
