// Package subcommand implements the commands of "go run ./ci".
package subcommand

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"gocoro/build/command"
	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/progress"
	"gocoro/build/run"
	"gocoro/build/store"
	"gocoro/ci/journal"
	"gocoro/ci/plan"
	"gocoro/ci/platform"
	"gocoro/ci/record"
	"gocoro/ci/report"
	"gocoro/ci/runner"
	"gocoro/ci/verdict"
)

// flags are the flags that select cells.
type flags struct {
	sel   plan.Selection
	depth string
	shard string

	hosted bool // the plan of all hosted runners, not of this machine
}

func (f *flags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.sel.Line, "line", "", "only `lines` that match (a pattern as in path.Match, here and below), with all cells of the default line")
	fs.StringVar(&f.sel.Platform, "platform", "", "only `platforms` that match: linux-amd64, linux-arm64-qemu-user, ...")
	fs.StringVar(&f.sel.Suite, "suite", "", "only `suites` that match: self, user, coro, testprog, std, fuzz, ...")
	fs.StringVar(&f.sel.Config, "config", "", "only `configurations` that match: plain, race, procs*, ...")
	fs.StringVar(&f.sel.Tree, "tree", "", "only this `tree`: patched or stock")
	fs.StringVar(&f.depth, "depth", "default", "which cells: default (of the day) or nightly (all)")
	fs.StringVar(&f.shard, "shard", "", "part I of N of the cells, as `I/N`")
}

// cells returns the checkout, its lines, and the cells that the flags select.
func (f *flags) cells() (*line.Repo, []*plan.Line, []plan.Cell, error) {
	switch d := plan.Depth(f.depth); d {
	case plan.Default, plan.Nightly:
		f.sel.Depth = d
	default:
		return nil, nil, nil, fmt.Errorf("-depth %q: want default or nightly", f.depth)
	}
	if f.shard != "" {
		n, err := fmt.Sscanf(f.shard, "%d/%d", &f.sel.Shard, &f.sel.Shards)
		if err != nil || n != 2 || f.sel.Shard < 1 || f.sel.Shard > f.sel.Shards {
			return nil, nil, nil, fmt.Errorf("-shard %q: want I/N with 1 <= I <= N", f.shard)
		}
	}
	repo, err := line.FindRepo(".")
	if err != nil {
		return nil, nil, nil, err
	}
	lines, err := plan.Lines(repo)
	if err != nil {
		return nil, nil, nil, err
	}
	cells, err := f.plan(lines, f.sel)
	return repo, lines, cells, err
}

// plan returns the cells of a selection: this machine's, or those of all
// hosted runners.
func (f *flags) plan(lines []*plan.Line, sel plan.Selection) ([]plan.Cell, error) {
	if f.hosted {
		return hostedCells(lines, sel)
	}
	return plan.Cells(platform.Host(), lines, sel)
}

// nightly returns the cells that the selection would have at nightly depth and
// does not have at its own, whatever its shard.
func (f *flags) nightly(lines []*plan.Line) ([]record.ID, error) {
	sel := f.sel
	sel.Shard, sel.Shards = 0, 0
	cells, err := f.plan(lines, sel)
	if err != nil {
		return nil, err
	}
	sel.Depth = plan.Nightly
	all, err := f.plan(lines, sel)
	if err != nil {
		return nil, err
	}
	now := map[record.ID]bool{}
	for _, c := range cells {
		now[c.ID] = true
	}
	var ids []record.ID
	for _, c := range all {
		if !now[c.ID] {
			ids = append(ids, c.ID)
		}
	}
	return ids, nil
}

// hostedCells returns the plan of all hosted runners.
func hostedCells(lines []*plan.Line, sel plan.Selection) ([]plan.Cell, error) {
	sel.Whole = true // each job names its line
	var cells []plan.Cell
	for _, h := range hosted {
		c, err := nativeCells(h.platform, lines, sel)
		if err != nil {
			return nil, err
		}
		cells = append(cells, c...)
	}
	return cells, nil
}

// nativeCells returns the cells that run natively on the platform, given as
// "linux-amd64".
func nativeCells(name string, lines []*plan.Line, sel plan.Selection) ([]plan.Cell, error) {
	host, err := platform.Parse(strings.Replace(name, "-", "/", 1))
	if err != nil {
		return nil, err
	}
	sel.Platform = name
	return plan.Cells(host, lines, sel)
}

// inStore calls do with the build cache, which no other process cleans
// meanwhile.
func inStore(ctx context.Context, do func(*store.Store) error) error {
	st, err := store.Open()
	if err != nil {
		return err
	}
	return st.Do(ctx, func() error { return do(st) })
}

// Test runs cells and reports.
func Test(fs *flag.FlagSet) func(context.Context, []string) error {
	f := new(flags)
	f.register(fs)
	results := fs.String("results", "", "the `directory` for the raw records, new (default: ci-<time> in the build cache)")
	reportDir := fs.String("report", "", "the `directory` for the report (default: report in the directory of the records)")
	fresh := fs.Bool("fresh", false, "run every cell, even if it passed before and nothing has changed")
	within := fs.Duration("within", 0, "after this `time`, start no cell that can wait for the nightly run (default: no limit)")
	return func(ctx context.Context, args []string) error {
		if err := command.NoArgs(args); err != nil {
			return err
		}
		repo, lines, cells, err := f.cells()
		if err != nil {
			return err
		}
		nightly, err := f.nightly(lines)
		if err != nil {
			return err
		}
		return inStore(ctx, func(st *store.Store) error {
			dir := *results
			if dir == "" {
				dir = filepath.Join(st.Root, "ci", time.Now().UTC().Format("20060102-150405"))
			}
			if *reportDir == "" {
				*reportDir = filepath.Join(dir, "report")
			}
			r := &runner.Runner{Repo: repo, Store: st, Results: filepath.Join(dir, "records"), Within: *within, Fresh: *fresh}
			return test(ctx, r, lines, cells, nightly, *reportDir)
		})
	}
}

// test runs cells, leaves their records in one directory and the report in
// another. Those of nightly it only names.
func test(ctx context.Context, r *runner.Runner, lines []*plan.Line, cells []plan.Cell, nightly []record.ID, reportDir string) error {
	if err := os.MkdirAll(r.Results, 0o777); err != nil {
		return err
	}
	expected, err := plan.Expected(platform.Host(), lines)
	if err != nil {
		return err
	}
	rep := progress.New(os.Stderr)
	r.Rep, r.Expected = rep, expected
	if r.Journal, err = journal.Create(r.Results); err != nil {
		return err
	}
	rep.Begin = r.Begin(1)
	// What cannot be installed is told once here, and again by each cell
	// that fails for the want of it; the others run.
	if err := setup(ctx, rep, r.Repo, r.Store, cells); err != nil {
		if ctx.Err() != nil {
			return err
		}
		rep.Printf("%s", hint.Text(err))
	}
	r.Done = func(c *record.Cell, p verdict.Planned) {
		e, err := verdict.Evaluate([]verdict.Planned{p}, []*record.Cell{c}, expected)
		if err == nil {
			rep.Printf("%s", report.CellLine(e.Cells[0]))
		}
	}
	// A run that was stopped is reported, too: with what did not run.
	planned, late, runErr := r.Run(ctx, cells)
	runErr = errors.Join(runErr, r.Journal.Close())
	if len(late) > 0 {
		fmt.Printf("\ndeferred to the nightly run, not started within %v (go run ./ci test -depth nightly):\n", r.Within)
		for _, id := range late {
			fmt.Printf("\t%s\n", id)
		}
	}
	if err := finish(r.Repo, planned, append(nightly, late...), expected, reportDir, r.Results); err != nil {
		return err
	}
	return runErr
}

// finish judges the records, writes the report, prints the summary and turns
// the verdict into the exit status.
func finish(repo *line.Repo, planned []verdict.Planned, nightly []record.ID, expected []verdict.Expectation, dir string, results ...string) error {
	cells, err := record.Read(results...)
	if err != nil {
		return err
	}
	e, err := verdict.Evaluate(planned, cells, expected)
	if err != nil {
		return err
	}
	var runs [][]journal.Span
	for _, dir := range results {
		spans, err := journal.Read(dir)
		if err != nil {
			return err
		}
		runs = append(runs, spans)
	}
	head := report.Head{Runs: runs, Title: "gocoro CI", Generated: time.Now().UTC(), Revision: revision(repo), URL: os.Getenv("GOCORO_RUN_URL"), Nightly: nightly}
	if err := report.Write(dir, head, e); err != nil {
		// Without a report, what passed is not visible.
		return hint.Add(err, "the records are in %s\nfree some space, then: go run ./ci report %s", strings.Join(results, " "), strings.Join(results, " "))
	}
	fmt.Printf("\nreport: %s\n\n", filepath.Join(dir, report.PageFile))
	if err := report.Text(os.Stdout, e); err != nil {
		return err
	}
	if code := e.ExitCode(); code != 0 {
		return command.ExitError(code)
	}
	return nil
}

func revision(repo *line.Repo) string {
	cmd := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12")
	cmd.Dir = repo.Dir
	out, err := cmd.Output()
	if err != nil {
		return "" // an archive of the repository has no history
	}
	return strings.TrimSpace(string(out))
}

// Report judges records that are there already.
func Report(fs *flag.FlagSet) func(context.Context, []string) error {
	f := new(flags)
	f.register(fs)
	dir := fs.String("report", "report", "the `directory` for the report")
	fs.BoolVar(&f.hosted, "hosted", false, "judge against the plan of all hosted runners, not of this machine")
	return func(ctx context.Context, args []string) error {
		if len(args) == 0 {
			return hint.Add(errors.New("no directory of records given"), "go run ./ci report RESULTS ...")
		}
		repo, lines, cells, err := f.cells()
		if err != nil {
			return err
		}
		nightly, err := f.nightly(lines)
		if err != nil {
			return err
		}
		expected, err := plan.Expected(platform.Host(), lines)
		if err != nil {
			return err
		}
		// What was wanted of a cell, its record knows: it was found in a
		// tree that may not be on this machine.
		recs, err := record.Read(args...)
		if err != nil {
			return err
		}
		want := map[record.ID]record.Want{}
		for _, c := range recs {
			want[c.ID] = c.Want
		}
		var planned []verdict.Planned
		for _, c := range cells {
			planned = append(planned, verdict.Planned{ID: c.ID, How: string(c.Method.Kind), Want: want[c.ID]})
		}
		return finish(repo, planned, nightly, expected, *dir, args...)
	}
}

// Setup installs what is missing.
func Setup(fs *flag.FlagSet) func(context.Context, []string) error {
	f := new(flags)
	f.register(fs)
	return func(ctx context.Context, args []string) error {
		if err := command.NoArgs(args); err != nil {
			return err
		}
		repo, _, cells, err := f.cells()
		if err != nil {
			return err
		}
		return inStore(ctx, func(st *store.Store) error {
			return setup(ctx, progress.New(os.Stderr), repo, st, cells)
		})
	}
}

// setup runs the setup script if a method that the cells need does not work
// yet. What is still missing afterwards, the cells will say.
func setup(ctx context.Context, rep *progress.Reporter, repo *line.Repo, st *store.Store, cells []plan.Cell) error {
	seen := map[platform.Method]bool{}
	missing := false
	for _, c := range cells {
		if !seen[c.Method] {
			seen[c.Method] = true
			missing = missing || c.Method.Check(ctx, st.Root) != nil
		}
	}
	if !missing || platform.Host().OS != "linux" {
		return nil
	}
	s := rep.Start("setup", "scripts/setup-linux.sh")
	cmd := run.Command(ctx, "sh", filepath.Join(repo.Dir, "scripts/setup-linux.sh"), st.Root)
	if err := rep.Run(ctx, "scripts/setup-linux.sh", cmd, filepath.Join(st.Root, "log", "setup.log"), nil); err != nil {
		s.Fail()
		return fmt.Errorf("setup: %w", err)
	}
	s.Done("")
	return nil
}

// A job is a row of the hosted workflow's matrix.
type job struct {
	Name     string `json:"name"`
	Runner   string `json:"runner"`   // the hosted runner's label
	Platform string `json:"platform"` // pattern for -platform
	Line     string `json:"line"`     // pattern for -line
	Shard    string `json:"shard"`
}

// hosted lists the hosted runners. Each runs what is native to it. A job builds
// one line's toolchain; the shards are the default line's jobs, the others have
// less to do.
var hosted = []struct {
	runner, platform string
	shards           map[plan.Depth]int
}{
	{"ubuntu-24.04", "linux-amd64", map[plan.Depth]int{plan.Default: 2, plan.Nightly: 6}},
	{"ubuntu-24.04-arm", "linux-arm64", map[plan.Depth]int{plan.Default: 2, plan.Nightly: 6}},
	{"macos-15-intel", "darwin-amd64", map[plan.Depth]int{plan.Default: 2, plan.Nightly: 6}},
	{"macos-15", "darwin-arm64", map[plan.Depth]int{plan.Default: 2, plan.Nightly: 6}},
}

// jobs returns the jobs of the hosted runners at a depth. Together they run
// every cell of the hosted plan, each once.
func jobs(lines []*plan.Line, depth plan.Depth) []job {
	var list []job
	for _, h := range hosted {
		add := func(line string, shards int) {
			for i := 1; i <= shards; i++ {
				list = append(list, job{
					Name:     fmt.Sprintf("%s %s %d/%d", h.platform, line, i, shards),
					Runner:   h.runner,
					Platform: h.platform,
					Line:     line,
					Shard:    fmt.Sprintf("%d/%d", i, shards),
				})
			}
		}
		add(plan.SelfLine, 1)
		for _, l := range lines {
			if n := h.shards[depth]; l.Default {
				add(l.Name, n)
			} else {
				add(l.Name, (n+1)/2)
			}
		}
	}
	return list
}

// Matrix lists the plan.
func Matrix(fs *flag.FlagSet) func(context.Context, []string) error {
	f := new(flags)
	f.register(fs)
	asJSON := fs.Bool("json", false, "print the hosted workflow's matrix")
	return func(ctx context.Context, args []string) error {
		if err := command.NoArgs(args); err != nil {
			return err
		}
		_, lines, cells, err := f.cells()
		if err != nil {
			return err
		}
		if !*asJSON {
			for _, c := range cells {
				fmt.Println(c.ID)
			}
			return nil
		}
		out, err := json.Marshal(map[string]any{"include": jobs(lines, f.sel.Depth)})
		if err != nil {
			return err
		}
		fmt.Println(string(out))
		return nil
	}
}
