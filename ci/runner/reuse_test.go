package runner

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"gocoro/build/line"
	"gocoro/build/store"
	"gocoro/ci/plan"
	"gocoro/ci/platform"
	"gocoro/ci/record"
	"gocoro/ci/verdict"
)

func findConfig(name string) *plan.Config {
	return &plan.Configs[slices.IndexFunc(plan.Configs, func(c plan.Config) bool { return c.Name == name })]
}

// reuseCell returns a cell of the suite and the beginning of its record.
func reuseCell(suite, tree string) (plan.Cell, record.Cell) {
	config := findConfig("plain")
	host := platform.Host()
	m := platform.Method{Kind: platform.Native, Host: host, Target: host}
	id := record.ID{Line: "go1.27", Platform: plan.PlatformID(m), Suite: suite, Config: config.Name, Tree: tree}
	c := plan.Cell{ID: id, Method: m, Config: config, Depth: plan.Default, Of: &plan.Line{}}
	return c, record.Cell{ID: id, How: record.Native, Want: record.Want{"p": {"TestX"}}}
}

// record makes a finished record with one test, which failed if why is not empty.
func recorded(t *testing.T, root string, rec record.Cell, why string) *record.Cell {
	cell, err := record.Create(root, rec)
	if err != nil {
		t.Fatal(err)
	}
	out, err := cell.Attempt(record.Attempt{Command: []string{"test"}})
	if err != nil {
		t.Fatal(err)
	}
	ev := newEvents(out.Stdout, "p")
	ev.test("TestX", why, 0)
	if err := out.End(ev.end(), "", false); err != nil {
		t.Fatal(err)
	}
	if err := cell.Finish(); err != nil {
		t.Fatal(err)
	}
	return cell
}

func TestReuse(t *testing.T) {
	ctx := context.Background()
	for _, tc := range []struct {
		name, tree, why string
		infra, fresh    bool
		want            bool
	}{
		{name: "passed", tree: record.Patched, want: true},
		{name: "failed", tree: record.Patched, why: "failed"},
		{name: "the CI failed", tree: record.Patched, infra: true},
		{name: "stock, passed", tree: record.Stock, want: true},
		{name: "stock, failed", tree: record.Stock, why: "failed", want: true},
		{name: "fresh", tree: record.Patched, fresh: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, rec := reuseCell("coro", tc.tree)
			r := &Runner{Store: &store.Store{Root: t.TempDir()}, Program: "ci"}
			r.Results = t.TempDir()
			key, err := r.recordKey(ctx, c, rec, "tree", nil)
			if err != nil || key == "" {
				t.Fatalf("got key %q, %v", key, err)
			}
			if tc.infra {
				rec.Infra = "no disk"
			}
			p := verdict.Planned{ID: c.ID, How: rec.How, Want: rec.Want}
			if err := r.keep(ctx, recorded(t, r.Results, rec, tc.why), p, key); err != nil {
				t.Fatal(err)
			}
			r.Results, r.Fresh = t.TempDir(), tc.fresh
			got, err := r.reuse(c.ID, key)
			if err != nil || (got != nil) != tc.want {
				t.Fatalf("got %v, %v, want a record: %v", got, err, tc.want)
			}
			if got == nil {
				return
			}
			cells, err := record.Read(r.Results)
			if err != nil || len(cells) != 1 || !cells[0].Reused || !cells[0].Finished || len(cells[0].Attempts) != 1 {
				t.Errorf("got records %+v, %v, want one that is reused, and whole", cells, err)
			}
		})
	}
}

// A cell that passed and then fails, with nothing changed, is not proven.
func TestReuseAfterFailure(t *testing.T) {
	ctx := context.Background()
	c, rec := reuseCell("coro", record.Patched)
	r := &Runner{Store: &store.Store{Root: t.TempDir()}, Program: "ci"}
	key, err := r.recordKey(ctx, c, rec, "tree", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := verdict.Planned{ID: c.ID, How: rec.How, Want: rec.Want}
	for _, why := range []string{"", "failed"} {
		if err := r.keep(ctx, recorded(t, t.TempDir(), rec, why), p, key); err != nil {
			t.Fatal(err)
		}
	}
	r.Results = t.TempDir()
	if got, err := r.reuse(c.ID, key); got != nil || err != nil {
		t.Errorf("got %v, %v, want nothing", got, err)
	}
}

// Whatever a cell's result may depend on is in its key.
func TestRecordKey(t *testing.T) {
	ctx := context.Background()
	repo := t.TempDir()
	git := func(args ...string) {
		cmd := exec.Command("git", args...)
		cmd.Dir = repo
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	write := func(name, text string) {
		if err := store.WriteFile(filepath.Join(repo, name), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	git("init", "-q")
	write("a", "1")
	key := func(t *testing.T, suite string, change func(r *Runner, c *plan.Cell, rec *record.Cell, tree *string, env *[]string)) string {
		c, rec := reuseCell(suite, record.Patched)
		r := &Runner{Repo: &line.Repo{Dir: repo}, Program: "ci"}
		tree, env := "tree", []string{"A=1"}
		if change != nil {
			change(r, &c, &rec, &tree, &env)
		}
		k, err := r.recordKey(ctx, c, rec, tree, env)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	of := func(dir string) string {
		k, err := (&Runner{Repo: &line.Repo{Dir: dir}}).program(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	write("ci/x.go", "package main")
	write("ci/x_test.go", "package main")
	first := of(repo)
	clone := t.TempDir()
	if err := os.CopyFS(clone, os.DirFS(repo)); err != nil {
		t.Fatal(err)
	}
	if of(clone) != first {
		t.Error("another clone's program has another key")
	}
	write("ci/x_test.go", "package main_test")
	write("README.md", "text")
	if of(repo) != first {
		t.Error("got another key of the program after a change that is not in it")
	}
	for _, name := range []string{"ci/x.go", guestSource + "guest_test.go"} {
		write(name, "package main // changed")
		if next := of(repo); next == first {
			t.Errorf("got the same key of the program after a change of %s", name)
		} else {
			first = next
		}
	}
	if _, err := os.Stat(filepath.Join("../..", guestSource, "guest_test.go")); err != nil {
		t.Error(err)
	}

	type change = func(r *Runner, c *plan.Cell, rec *record.Cell, tree *string, env *[]string)
	for _, tc := range []struct {
		name   string
		change change
	}{
		{"program", func(r *Runner, _ *plan.Cell, _ *record.Cell, _ *string, _ *[]string) { r.Program = "other" }},
		{"expected", func(r *Runner, _ *plan.Cell, _ *record.Cell, _ *string, _ *[]string) {
			r.Expected = []verdict.Expectation{{Test: "TestY"}}
		}},
		{"tree", func(_ *Runner, _ *plan.Cell, _ *record.Cell, tree *string, _ *[]string) { *tree = "other" }},
		{"environment", func(_ *Runner, _ *plan.Cell, _ *record.Cell, _ *string, env *[]string) { *env = nil }},
		{"want", func(_ *Runner, _ *plan.Cell, rec *record.Cell, _ *string, _ *[]string) { rec.Want = nil }},
		{"line", func(_ *Runner, _ *plan.Cell, rec *record.Cell, _ *string, _ *[]string) { rec.Line = "go1.26" }},
		{"config", func(_ *Runner, c *plan.Cell, _ *record.Cell, _ *string, _ *[]string) {
			config := *c.Config
			config.BuildFlags = []string{"-race"}
			c.Config = &config
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if key(t, "coro", nil) == key(t, "coro", tc.change) {
				t.Error("got the same key")
			}
		})
	}
	if key(t, "coro", nil) != key(t, "coro", nil) || key(t, "self", nil) != key(t, "self", nil) {
		t.Error("got another key with nothing changed")
	}
	before, coro := key(t, "self", nil), key(t, "coro", nil)
	seen := map[string]bool{before: true}
	for _, text := range []string{"2", "3"} {
		write("a", text)
		seen[key(t, "self", nil)] = true
	}
	write("untracked", "1")
	seen[key(t, "self", nil)] = true
	if len(seen) != 4 {
		t.Errorf("got %d keys of self for 4 states of the checkout", len(seen))
	}
	if key(t, "coro", nil) != coro {
		t.Error("coro: got another key after a change that is in no tree")
	}
	for _, tc := range []struct {
		suite string
		depth plan.Depth
	}{{"fuzz", plan.Default}, {"stress", plan.Nightly}, {"coro", plan.Nightly}} {
		if got := key(t, tc.suite, func(_ *Runner, c *plan.Cell, _ *record.Cell, _ *string, _ *[]string) { c.Depth = tc.depth }); got != "" {
			t.Errorf("%s at depth %s: got key %s, want that it runs", tc.suite, tc.depth, got)
		}
	}
}
