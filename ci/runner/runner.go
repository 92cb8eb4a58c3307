// Package runner runs the cells of a plan and writes their raw records. Package
// verdict judges them.
package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"gocoro/build/driver"
	"gocoro/build/goroot"
	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/progress"
	"gocoro/build/run"
	"gocoro/build/store"
	"gocoro/ci/journal"
	"gocoro/ci/plan"
	"gocoro/ci/platform"
	"gocoro/ci/record"
	"gocoro/ci/suite"
	"gocoro/ci/verdict"
)

// A Runner runs cells, in two lanes: see lanes.go.
type Runner struct {
	Repo     *line.Repo
	Store    *store.Store
	Rep      *progress.Reporter
	Results  string // the directory of records, new
	Expected []verdict.Expectation
	Journal  *journal.Writer // what was done when; may be nil

	// Only, if not nil, matches the names of the tests to run. It is for cells
	// that run tests by name. Those that have no such test are left out.
	Only *regexp.Regexp

	// Fresh runs every cell, also those that a kept record proves.
	Fresh bool
	// Program stands for the program that runs the cells in the keys of kept
	// records. If it is empty, Run sets it.
	Program string

	// Within, if not zero, is how long after the start of the run cells that
	// can wait for the night are begun.
	Within time.Duration

	// Done is called with each cell's record when it is complete, by one lane
	// at a time.
	Done func(*record.Cell, verdict.Planned)

	behind  bool // this is the second lane
	drivers map[string]*driver.Driver
	trees   *trees
	crossed map[treeID][]record.Step // what was cross-built, by line and platform
}

// A treeID names a GOROOT: one of the two trees of a line.
type treeID struct{ line, tree string }

// buildSlack is added to a cell's limit for building the test binary. The
// tests' own limit, given to "go test", ends a hang with a dump of goroutines;
// this one ends what even that does not.
const buildSlack = 15 * time.Minute

// cell runs one cell, and returns what it was to have run: nothing at all if it
// has no test that Only matches.
func (r *Runner) cell(ctx context.Context, c plan.Cell) (verdict.Planned, error) {
	p := verdict.Planned{ID: c.ID, How: string(c.Method.Kind)}
	rec := record.Cell{ID: c.ID, How: p.How, Host: host(), Reproduce: reproduce(c)}

	var tree, key string
	var env []string
	err := c.Method.Check(ctx, r.Store.Root)
	if err == nil && c.Line != plan.SelfLine {
		tree, env, key, err = r.tree(ctx, c)
	}
	step := r.Rep.Start("test", c.ID.String())
	t := &suite.Tree{GOROOT: tree, Programs: programs(c), Command: func(ctx context.Context, args ...string) *exec.Cmd {
		return c.Method.Go(ctx, tree, env, args...)
	}}
	if err == nil {
		p.Want, err = r.want(ctx, c, t)
	}
	if err == nil && r.Only != nil {
		if p.Want = only(p.Want, r.Only); len(p.Want) == 0 {
			step.Done("has no such test")
			return verdict.Planned{}, nil
		}
	}
	rec.Want, rec.Toolchain = p.Want, toolchain(tree, key)

	recKey := ""
	if err == nil {
		recKey, err = r.recordKey(ctx, c, rec, key, env)
	}
	if err == nil {
		done, rerr := r.reuse(c.ID, recKey)
		if rerr != nil {
			step.Fail()
			return p, rerr
		}
		if done != nil {
			step.Done("reused")
			r.done(done, p)
			return p, nil
		}
	}

	cell, cerr := record.Create(r.Results, rec)
	if cerr != nil {
		step.Fail()
		return p, cerr
	}
	if err != nil {
		cell.Infra = hint.Text(err)
	} else {
		err = r.fill(ctx, c, cell, t, env)
		if err != nil && ctx.Err() == nil {
			cell.Infra = hint.Text(err)
		}
	}
	if ctx.Err() != nil {
		// The record stays unfinished, as it is.
		step.Fail()
		return p, nil
	}
	if err := cell.Finish(); err != nil {
		step.Fail()
		return p, err
	}
	if err := r.keep(ctx, cell, p, recKey); err != nil {
		r.Rep.Printf("%s: its record cannot be kept for the next run: %s", c.ID, hint.Text(err))
	}
	step.Done("")
	r.done(cell, p)
	return p, nil
}

// want returns what must have a result in the cell.
func (r *Runner) want(ctx context.Context, c plan.Cell, t *suite.Tree) (record.Want, error) {
	switch {
	case c.Suite == "self":
		return r.selfWant(ctx)
	case c.Suite == "user":
		return r.userWant(c)
	case c.Suite == "api":
		return record.Want{apiPackage: {"TestBaseline"}}, nil
	case c.Suite == "faults":
		return r.faultWant(c)
	case c.Suite == "stress":
		return record.Want{stressPackage: {"TestStress/count", "TestStress/time"}}, nil
	case c.Suite == "all":
		return record.Want{allPackage: {"TestAllBash"}}, nil
	case c.Suite == "packages":
		return packagesWant(c)
	case c.Suite == "fuzz":
		return record.Want{fuzzPackage: {"TestFuzz"}}, nil
	case c.Suite == "ports":
		return portsWant(ctx, t)
	case c.Suite == "prefixes":
		return r.prefixesWant(c)
	case c.Method.Kind == platform.QemuSystem:
		return record.Want{"runtime": suite.Tests(guestPrograms(c))}, nil
	case c.Suite == "coro" && c.Tree == record.Stock:
		// The negative control is the line's programs. Of the series' other
		// tests a dozen hang on stock go1.22.12, a minute each.
		return record.Want{"runtime": suite.Tests(programs(c))}, nil
	}
	s, err := suite.Find(c.Suite)
	if err != nil {
		return nil, err
	}
	want, err := s.Want(ctx, t)
	for pkg, tests := range want {
		want[pkg] = slices.DeleteFunc(tests, func(test string) bool { return atNight(c, test) })
	}
	return want, err
}

// only returns what of the wanted the expression matches.
func only(want record.Want, re *regexp.Regexp) record.Want {
	left := record.Want{}
	for pkg, tests := range want {
		for _, test := range tests {
			if re.MatchString(test) {
				left[pkg] = append(left[pkg], test)
			}
		}
	}
	return left
}

// emulatedAtNight are the tests of upstream's suite testprog that took longest under
// qemu-user, most of its nine minutes, and that have nothing to do with threads,
// locks, callbacks or coroutines; what the series changes of the goroutine leak
// profile, the overlay's own test shows there by day. By day they run natively.
var emulatedAtNight = []string{
	"TestCheckPtr", "TestCheckPtr2", "TestConcurrentMapWritesIssue69447", "TestFinalizerOrCleanupDeadlock",
	"TestGoroutineLeakProfile", "TestMemPprof",
}

// atNight reports whether the cell leaves the test to the night.
func atNight(c plan.Cell, test string) bool {
	top, _, _ := strings.Cut(test, "/")
	switch {
	case c.Depth == plan.Nightly:
		return false
	case c.Suite == "coro" && top == "TestCoroLockYardstick":
		// The programs of the shared locks on channels say what they should
		// do, and nothing of the series: once, natively, will do.
		return !c.Of.Default || c.Method.Kind != platform.Native || c.ID.Config != "plain"
	case c.Suite == "coro" && top == "TestCoroLockOff":
		// All programs again, to die as upstream's do: natively.
		return c.Method.Kind == platform.QemuUser
	case c.Suite == "coro" && top == "TestCoroBugRaceEnd":
		// It builds a program with the race detector, and with it the standard
		// library, again in each configuration.
		return c.Method.Kind == platform.Native && c.ID.Config != "plain"
	case c.Suite == "testprog" && c.Method.Kind == platform.QemuUser:
		return slices.Contains(emulatedAtNight, top)
	}
	return false
}

// programs returns the test programs of the cell's line.
func programs(c plan.Cell) []suite.Program {
	if c.Of == nil {
		return nil
	}
	return c.Of.Programs
}

func (r *Runner) done(c *record.Cell, p verdict.Planned) {
	if r.Done != nil {
		r.Done(c, p)
	}
}

// fill does the work of a cell.
func (r *Runner) fill(ctx context.Context, c plan.Cell, cell *record.Cell, t *suite.Tree, env []string) error {
	switch {
	case c.Suite == "self":
		return r.self(ctx, c, cell)
	case c.Suite == "user":
		return r.user(ctx, c, cell)
	case c.Suite == "api":
		return r.api(ctx, c, cell)
	case c.Suite == "faults":
		return r.runFaults(ctx, c, cell, t, env)
	case c.Suite == "packages":
		return r.packages(ctx, c, cell)
	case c.Suite == "fuzz":
		return r.fuzz(ctx, c, cell, t)
	case c.Suite == "ports":
		return r.ports(ctx, c, cell, t)
	case c.Suite == "prefixes":
		return r.prefixes(ctx, c, cell, env)
	case c.Suite == "stress":
		return r.stress(ctx, c, cell, t)
	case c.Suite == "all":
		return r.allBash(ctx, c, cell, t)
	case strings.HasPrefix(c.Suite, "dist-"):
		return r.dist(ctx, c, cell, t, env)
	case c.Method.Kind == platform.Cross:
		return r.crossBuild(ctx, c, cell, t, env)
	case c.Method.Kind == platform.QemuSystem:
		return r.virtualMachine(ctx, c, cell, t, env)
	}
	flags, packages := suite.Args(r.run(cell))
	if c.Suite == "std" {
		// The cells of the coro suite have them, in the same configuration, or
		// they have a form of their own for it.
		skip, err := suite.CoroTests(ctx, t)
		if err != nil {
			return err
		}
		if c.LeavesTestprog() {
			prog, err := suite.ProgTests(ctx, t)
			if err != nil {
				return err
			}
			skip = append(skip, prog...)
		}
		flags = append(flags, "-skip=^("+strings.Join(skip, "|")+")$")
	}
	if err := r.goTest(ctx, c, cell, t, flags, packages); err != nil {
		return err
	}
	// A failure gets a second chance, not to be forgiven but to be told apart:
	// what passes then is flaky.
	again, err := r.failed(c, cell)
	if err != nil || len(again) == 0 || len(again) > 12 || cell.Attempts[0].TimedOut {
		return err
	}
	want := record.Want{}
	for _, o := range again {
		want[o.Package] = append(want[o.Package], o.Test)
	}
	flags, packages = suite.Args(want)
	return r.goTest(ctx, c, cell, t, flags, packages)
}

// run returns what of the wanted the cell runs: all but what is omitted.
func (r *Runner) run(cell *record.Cell) record.Want {
	run := record.Want{}
	for pkg, tests := range cell.Want {
		left := slices.DeleteFunc(slices.Clone(tests), func(test string) bool {
			return verdict.Omitted(r.Expected, cell.ID, pkg, test)
		})
		if len(left) > 0 || len(tests) == 0 { // a package without names is all of it
			run[pkg] = left
		}
	}
	return run
}

// failed returns the tests that failed on the patched tree and were not
// expected to.
func (r *Runner) failed(c plan.Cell, cell *record.Cell) ([]*verdict.Outcome, error) {
	if c.Tree != record.Patched {
		return nil, nil
	}
	seen := *cell
	seen.Finished = true
	e, err := verdict.Evaluate([]verdict.Planned{{ID: c.ID, How: cell.How, Want: cell.Want}}, []*record.Cell{&seen}, r.Expected)
	if err != nil {
		return nil, err
	}
	var bad []*verdict.Outcome
	for _, o := range e.Cells[0].Outcomes {
		if o.State.Bad() && o.Package != "" && strings.HasPrefix(o.Test, "Test") {
			bad = append(bad, o)
		}
	}
	return bad, nil
}

// goTest runs the go command's test of the packages, as one attempt.
func (r *Runner) goTest(ctx context.Context, c plan.Cell, cell *record.Cell, t *suite.Tree, flags, packages []string) error {
	// Without -count, the go command would take the result of another
	// configuration for this one's: it does not see what the runtime reads
	// of the environment.
	args := []string{"test", "-json", "-vet=off", "-count=1", "-timeout=" + c.Limit().String()}
	if c.Short() {
		args = append(args, "-short")
	}
	args = append(append(append(args, c.Config.TestFlags...), flags...), packages...)
	limited, cancel := context.WithTimeout(ctx, c.Limit()+buildSlack)
	defer cancel()
	precompile(limited, t, packages)
	return attempt(limited, ctx, cell, t.Command(limited, args...))
}

// precompile compiles the packages with their tests, and the programs that the
// tests of package runtime build, into the go command's cache. Compilers take a
// quarter less processor time with the collector of [goroot.BuildEnviron], and
// the tests, which run in the same environment as the compilers of "go test",
// must not see its settings. What does not compile, the test will say.
func precompile(ctx context.Context, t *suite.Tree, packages []string) {
	names := slices.Clone(packages)
	if slices.Contains(packages, "runtime") {
		names = append(names, "runtime/testdata/testprog", "runtime/testdata/testprogcgo")
	}
	cmd := t.Command(ctx, append([]string{"list", "-e", "-test", "-deps", "-export", "-f={{/* nothing */}}"}, names...)...)
	cmd.Env = append(cmd.Env, goroot.Collector()...)
	cmd.Run()
}

// attempt runs a command as an attempt of the cell. Limited is ctx with the
// attempt's time limit.
func attempt(limited, ctx context.Context, cell *record.Cell, cmd *exec.Cmd) error {
	out, err := cell.Attempt(record.Attempt{Command: cmd.Args, Dir: cmd.Dir, Env: difference(cmd.Env)})
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = out.Stdout, out.Stderr
	err = cmd.Run()
	if cmd.SysProcAttr != nil && cmd.SysProcAttr.Setpgid && cmd.Process != nil {
		// A test binary that died may have left programs that it ran.
		run.Signal(cmd, syscall.SIGKILL)
	}
	exit, sig := status(cmd, err)
	timedOut := limited.Err() != nil && ctx.Err() == nil
	if eerr := out.End(exit, sig, timedOut); eerr != nil {
		return eerr
	}
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) && !timedOut {
		return fmt.Errorf("%s: %w", cmd.Args[0], err)
	}
	return nil
}

// status returns the exit code of a command, or -1 and the signal.
func status(cmd *exec.Cmd, err error) (exit int, sig string) {
	if cmd.ProcessState == nil {
		return -1, ""
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return -1, ws.Signal().String()
	}
	return cmd.ProcessState.ExitCode(), ""
}

// tree returns the GOROOT that the cell tests, the environment of its
// commands, and the tree's content key.
func (r *Runner) tree(ctx context.Context, c plan.Cell) (dir string, env []string, key string, err error) {
	dir, key, err = r.trees.get(treeID{c.Line, c.Tree}, func(id treeID) (string, string, error) { return r.build(ctx, id) })
	if err != nil {
		return "", nil, "", err
	}
	return dir, r.environ(dir, key, c), key, nil
}

// build builds a GOROOT.
func (r *Runner) build(ctx context.Context, id treeID) (dir, key string, err error) {
	d, err := r.driver(id.line)
	if err != nil {
		return "", "", err
	}
	patched, baseline, err := d.Keys(ctx)
	if err != nil {
		return "", "", err
	}
	if id.tree == record.Stock {
		dir, err = d.Baseline(ctx)
		return dir, baseline, err
	}
	dir, err = d.Make(ctx)
	return dir, patched, err
}

// driver returns the build driver of a line, always from the module source.
func (r *Runner) driver(name string) (*driver.Driver, error) {
	if d := r.drivers[name]; d != nil {
		return d, nil
	}
	l, err := r.Repo.Line(name)
	if err != nil {
		return nil, err
	}
	d, err := driver.New(l, "module", r.Store, r.Rep)
	if err != nil {
		return nil, err
	}
	if r.drivers == nil {
		r.drivers = map[string]*driver.Driver{}
	}
	r.drivers[name] = d
	return d, nil
}

// environ returns the environment of a cell's commands: that of a build,
// which holds nothing of the user's, and the configuration's.
//
// The build cache is the tree's own. For a release, the go command knows the
// compiler by its version alone, and two trees of one version would take
// each other's packages.
func (r *Runner) environ(dir, key string, c plan.Cell) []string {
	env := goroot.Environ(
		"GOCACHE="+filepath.Join(r.Store.Root, "gocache", key),
		"GOPROXY=off",
	)
	if !strings.HasPrefix(c.Suite, "dist-") {
		// A crash of the test binary shows every thread. cmd/dist sets a level
		// itself, which the tests of os/exec rely on.
		env = append(env, "GOTRACEBACK=crash")
	}
	// A build cache that runners share is the user's to choose: its entries
	// are named by what went into them.
	if prog := os.Getenv("GOCACHEPROG"); prog != "" {
		env = append(env, "GOCACHEPROG="+prog)
	}
	experiments := ""
	if c.Suite == "coro" || c.Suite == "prefixes" {
		// Package iter, and the tests that import it, exist only so.
		experiments = platform.Experiments(dir, "")
	}
	for _, kv := range c.Config.Env {
		if v, ok := strings.CutPrefix(kv, "GOEXPERIMENT="); ok {
			experiments = strings.Trim(experiments+","+v, ",")
			continue
		}
		env = append(env, kv)
	}
	if experiments != "" {
		env = append(env, "GOEXPERIMENT="+experiments)
	}
	if c.Config.BuildFlags != nil {
		var quoted []string
		for _, f := range c.Config.BuildFlags {
			if strings.ContainsAny(f, " ") {
				f = "'" + f + "'"
			}
			quoted = append(quoted, f)
		}
		env = append(env, "GOFLAGS="+strings.Join(quoted, " "))
	}
	return env
}

// crossBuild records the steps of a cell whose programs cannot run here. The
// coro and testprog suites share these steps, so they run once per platform.
func (r *Runner) crossBuild(ctx context.Context, c plan.Cell, cell *record.Cell, t *suite.Tree, env []string) error {
	whole := c.Suite == "std"
	id := treeID{fmt.Sprint(c.Line, "/", c.Platform, "/", whole), c.Tree}
	if steps, ok := r.crossed[id]; ok {
		cell.Steps = steps
		return nil
	}
	tmp, err := os.MkdirTemp("", "gocoro-cross-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, s := range c.Method.CrossSteps(ctx, t.GOROOT, tmp, env, c.Suite) {
		r.yield(s.Cmd)
		start := time.Now()
		out, err := s.Cmd.CombinedOutput()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		step := record.Step{Name: s.Name, OK: err == nil, Seconds: time.Since(start).Round(time.Millisecond).Seconds()}
		if err != nil {
			step.Output = fmt.Sprintf("%s: %v\n%s", strings.Join(s.Cmd.Args, " "), err, out)
		}
		cell.Steps = append(cell.Steps, step)
	}
	if !whole {
		step, err := r.typeCheck(ctx, c, t)
		if err != nil {
			return err
		}
		cell.Steps = append(cell.Steps, step)
	}
	if r.crossed == nil {
		r.crossed = map[treeID][]record.Step{}
	}
	r.crossed[id] = cell.Steps
	return nil
}

// typeCheck checks the programs that want a C compiler of the target.
func (r *Runner) typeCheck(ctx context.Context, c plan.Cell, t *suite.Tree) (record.Step, error) {
	start := time.Now()
	step := record.Step{Name: "type-check the Go files of testprogcgo"}
	var experiments []string
	if e := platform.Experiments(t.GOROOT, ""); e != "" {
		experiments = strings.Split(e, ",")
	}
	err := suite.TypeCheckCgo(ctx, t, filepath.Join(t.GOROOT, "src/runtime/testdata/testprogcgo"), c.Method.Target.OS, c.Method.Target.Arch, experiments)
	if err != nil {
		step.Output = err.Error()
	}
	step.OK, step.Seconds = err == nil, time.Since(start).Round(time.Millisecond).Seconds()
	return step, ctx.Err()
}

// difference returns what a command's environment adds to this process's.
func difference(env []string) []string {
	have := map[string]bool{}
	for _, kv := range os.Environ() {
		have[kv] = true
	}
	var diff []string
	for _, kv := range env {
		if !have[kv] {
			diff = append(diff, kv)
		}
	}
	return diff
}

func toolchain(dir, key string) string {
	data, err := os.ReadFile(filepath.Join(dir, "VERSION"))
	if err != nil {
		return key
	}
	v, _, _ := strings.Cut(string(data), "\n")
	return v + " (" + key + ")"
}

func host() string {
	kernel := ""
	if data, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = ", kernel " + strings.TrimSpace(string(data))
	}
	return fmt.Sprintf("%s/%s, %d cores%s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), kernel)
}

func reproduce(c plan.Cell) string {
	return fmt.Sprintf("go run ./ci test -line %s -platform %s -suite %s -config %s -tree %s", c.Line, c.Platform, c.Suite, c.ID.Config, c.Tree)
}
