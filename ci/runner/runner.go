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
	// that run tests by name. Cells without such a test are left out.
	Only *regexp.Regexp

	// Fresh runs every cell, even if there is a kept record of it.
	Fresh bool
	// Program stands for this program in the keys of kept records. If it is
	// empty, Run sets it.
	Program string

	// Within, if not zero, is the time after which the run starts no cell that
	// can wait for the night.
	Within time.Duration

	// Done is called with each cell's record when it is complete, by one lane
	// at a time.
	Done func(*record.Cell, verdict.Planned)

	behind  bool // this is the second lane
	drivers map[string]*driver.Driver
	trees   *trees
	crossed map[record.ID][]record.Step // what was cross-built
}

// A treeID names a GOROOT: one of the two trees of a line.
type treeID struct{ line, tree string }

// A job is the work of one cell.
type job struct {
	*Runner
	c   plan.Cell
	t   *suite.Tree
	env []string     // of the tree's commands
	rec *record.Cell // nil until fill
	tmp string       // a directory that fill makes and removes
}

// own are the suites that are not "go test" of some packages of the tree. Their
// results are recorded as tests of package gocoro/ci/SUITE.
var own = map[string]struct {
	want func(*job, context.Context) ([]string, error) // names of tests; nil for self, which wants packages
	run  func(*job, context.Context) error

	checkout bool // it depends on more of the checkout than the tree
	fresh    bool // it looks for something new each time it runs
}{
	"self":     {run: (*job).self, checkout: true},
	"user":     {want: (*job).userWant, run: (*job).user, checkout: true},
	"api":      {want: fixed("TestBaseline"), run: (*job).api, checkout: true},
	"faults":   {want: (*job).faultsWant, run: (*job).faults, checkout: true},
	"packages": {want: (*job).packagesWant, run: (*job).packages, checkout: true},
	"prefixes": {want: (*job).prefixesWant, run: (*job).prefixes, checkout: true},
	"ports":    {want: (*job).portsWant, run: (*job).ports},
	"fuzz":     {want: fixed("TestFuzz"), run: (*job).fuzz, fresh: true},
	"stress":   {want: fixed("TestStress/count", "TestStress/time"), run: (*job).stress, fresh: true},
	"all":      {want: fixed("TestAllBash"), run: (*job).allBash},
}

// fixed returns a want that is the same for all cells of a suite.
func fixed(names ...string) func(*job, context.Context) ([]string, error) {
	return func(*job, context.Context) ([]string, error) { return names, nil }
}

// packageOf returns the package that the tests of one of the own suites are
// recorded in.
func packageOf(suite string) string { return "gocoro/ci/" + suite }

// buildSlack is the time for building the test binary. It is added to the cell's
// limit, which "go test" gets, too: at that limit, a test that hangs ends with a
// dump of its goroutines.
const buildSlack = 15 * time.Minute

// cell runs one cell, and returns what it was to run: the zero Planned if it has no
// test that Only matches.
func (r *Runner) cell(ctx context.Context, c plan.Cell) (verdict.Planned, error) {
	p := verdict.Planned{ID: c.ID, How: string(c.Method.Kind)}
	rec := record.Cell{ID: c.ID, How: p.How, Host: host(), Reproduce: reproduce(c)}

	var tree, key string
	var env []string
	err := c.Method.Check(ctx, r.Store.Root)
	if err == nil && c.Line != plan.SelfLine {
		tree, env, key, err = r.tree(ctx, c, c.Tree)
	}
	step := r.Rep.Start("test", c.ID.String())
	j := &job{Runner: r, c: c, env: env, t: &suite.Tree{GOROOT: tree, Programs: programs(c), Command: func(ctx context.Context, args ...string) *exec.Cmd {
		return c.Method.Go(ctx, tree, env, args...)
	}}}
	if err == nil {
		p.Want, err = j.want(ctx)
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
			r.Done(done, p)
			return p, nil
		}
	}

	cell, cerr := record.Create(r.Results, rec)
	if cerr != nil {
		step.Fail()
		return p, cerr
	}
	if err == nil {
		j.rec = cell
		err = j.fill(ctx)
	}
	if err != nil {
		cell.Infra = hint.Text(err)
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
	r.Done(cell, p)
	return p, nil
}

// want returns what must have a result in the cell.
func (j *job) want(ctx context.Context) (record.Want, error) {
	c := j.c
	if c.Suite == "self" {
		return j.selfWant(ctx)
	}
	if s, ok := own[c.Suite]; ok {
		names, err := s.want(j, ctx)
		if err != nil {
			return nil, err
		}
		return record.Want{packageOf(c.Suite): names}, nil
	}
	switch {
	case c.Method.Kind == platform.QemuSystem:
		return record.Want{"runtime": suite.Tests(guestPrograms(c))}, nil
	case c.Suite == "coro" && c.Tree == record.Stock:
		// The negative control is the line's programs. A dozen of the series'
		// other tests hang on stock go1.22.12, for a minute each.
		return record.Want{"runtime": suite.Tests(programs(c))}, nil
	}
	find, err := suite.Find(c.Suite)
	if err != nil {
		return nil, err
	}
	want, err := find(ctx, j.t)
	for pkg, tests := range want {
		want[pkg] = slices.DeleteFunc(tests, func(test string) bool { return atNight(c, test) })
	}
	return want, err
}

// only returns the wanted tests that the expression matches.
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

// emulatedAtNight are the tests of the suite testprog that took most of its nine
// minutes under qemu-user and have nothing to do with threads, locks, callbacks or
// coroutines. By day they run only natively. (The series changes the goroutine leak
// profile, which a test of the overlay checks under qemu-user by day. TestCgoPprofPIE
// compiles the standard library in another way and is then TestCgoPprof. For
// TestSecretCgo there is the overlay's own test of secrets.)
var emulatedAtNight = []string{
	"TestCgoPprofPIE", "TestCheckPtr", "TestCheckPtr2", "TestConcurrentMapWritesIssue69447", "TestFinalizerOrCleanupDeadlock",
	"TestGoroutineLeakProfile", "TestMemPprof", "TestSecretCgo",
}

// stdAtNight are the tests of the suite std that take half of its time, for gigabytes
// of memory in small steps and for millions of map operations. By day they do not run.
var stdAtNight = []string{"TestConcurrentReadsAfterGrowthReflect", "TestMemmoveOverflow"}

// lockPrograms begins the names of the tests of the programs of shared locks that do
// not use C.
const lockPrograms = "TestCoroLock/testprog/"

// atNight reports whether the cell leaves the test to the night.
func atNight(c plan.Cell, test string) bool {
	top, _, _ := strings.Cut(test, "/")
	switch {
	case c.Depth == plan.Nightly:
		return false
	case c.Suite == "coro" && top == "TestCoroLockYardstick":
		// On channels, the programs of the shared locks show what they should
		// do, and do not test the series. One native run is enough.
		return !c.Of.Default || c.Method.Kind != platform.Native || c.ID.Config != "plain"
	case c.Suite == "coro" && top == "TestCoroLockOff":
		// It runs all programs again, with upstream's rules. A native run is
		// enough.
		return c.Method.Kind == platform.QemuUser
	case c.Suite == "coro" && top == "TestCoroBugRaceEnd":
		// It builds a program, and so the standard library, with the race
		// detector, again in each configuration.
		return c.Method.Kind == platform.Native && c.ID.Config != "plain"
	case c.Suite == "coro" && strings.HasPrefix(test, lockPrograms):
		// Every line has the same code for these programs. Under qemu-user they
		// take a minute, and one line's are enough.
		return !c.Of.Default && c.Method.Kind == platform.QemuUser
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

// fill does the work of the cell.
func (j *job) fill(ctx context.Context) (err error) {
	if j.tmp, err = os.MkdirTemp("", "gocoro-"+j.c.Suite+"-"); err != nil {
		return err
	}
	defer os.RemoveAll(j.tmp)
	if s, ok := own[j.c.Suite]; ok {
		return s.run(j, ctx)
	}
	switch {
	case strings.HasPrefix(j.c.Suite, "dist-"):
		return j.dist(ctx)
	case j.c.Method.Kind == platform.Cross:
		return j.crossBuild(ctx)
	case j.c.Method.Kind == platform.QemuSystem:
		return j.virtualMachine(ctx)
	}
	return j.goTests(ctx)
}

// goTests runs the wanted tests with the go command.
func (j *job) goTests(ctx context.Context) error {
	flags, packages := suite.Args(j.runs())
	if j.c.Suite == "std" {
		// The coro suite runs these tests in the same configuration, or has
		// another form of them for it.
		skip, err := suite.CoroTests(ctx, j.t)
		if err != nil {
			return err
		}
		if j.c.LeavesTestprog() {
			prog, err := suite.ProgTests(ctx, j.t)
			if err != nil {
				return err
			}
			skip = append(skip, prog...)
		}
		if j.c.Depth != plan.Nightly {
			skip = append(skip, stdAtNight...)
		}
		flags = append(flags, "-skip=^("+strings.Join(skip, "|")+")$")
	}
	if atNight(j.c, lockPrograms) {
		flags = append(flags, "-skip=^TestCoroLock$/^testprog$")
	}
	if err := j.goTest(ctx, flags, packages); err != nil {
		return err
	}
	// A second run tells flaky tests from others. Both count as failed.
	again, err := j.failed()
	if err != nil || len(again) == 0 || len(again) > 12 || j.rec.Attempts[0].TimedOut {
		return err
	}
	want := record.Want{}
	for _, o := range again {
		want[o.Package] = append(want[o.Package], o.Test)
	}
	flags, packages = suite.Args(want)
	return j.goTest(ctx, flags, packages)
}

// runs returns what the cell runs: all that is wanted but what is omitted.
func (j *job) runs() record.Want {
	run := record.Want{}
	for pkg, tests := range j.rec.Want {
		left := slices.DeleteFunc(slices.Clone(tests), func(test string) bool {
			return verdict.Omitted(j.Expected, j.rec.ID, pkg, test)
		})
		if len(left) > 0 || len(tests) == 0 { // a package without names is all of it
			run[pkg] = left
		}
	}
	return run
}

// failed returns the tests that failed on the patched tree and were not
// expected to.
func (j *job) failed() ([]*verdict.Outcome, error) {
	if j.c.Tree != record.Patched {
		return nil, nil
	}
	seen := *j.rec
	seen.Finished = true
	e, err := verdict.Evaluate([]verdict.Planned{{ID: seen.ID, How: seen.How, Want: seen.Want}}, []*record.Cell{&seen}, j.Expected)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(e.Cells[0].Outcomes, func(o *verdict.Outcome) bool {
		return !o.State.Bad() || o.Package == "" || !strings.HasPrefix(o.Test, "Test")
	}), nil
}

// goTest runs the go command's test of the packages, as one attempt.
func (j *job) goTest(ctx context.Context, flags, packages []string) error {
	// Without -count, the go command would repeat the result of another
	// configuration, since it does not see which variables the runtime reads.
	args := []string{"test", "-json", "-vet=off", "-count=1", "-timeout=" + j.c.Limit().String()}
	if j.c.Short() {
		args = append(args, "-short")
	}
	args = slices.Concat(args, j.c.Config.TestFlags, flags, packages)
	return attempt(ctx, j.c.Limit()+buildSlack, j.rec, func(ctx context.Context) *exec.Cmd {
		precompile(ctx, j.t, packages)
		return j.t.Command(ctx, args...)
	})
}

// precompile compiles the packages with their tests, and the programs that the
// tests of package runtime build, into the go command's cache. With the settings of
// [goroot.Collector], compilers take a quarter less processor time, but "go test"
// would pass these settings to the tests, too. A compile error shows in the test.
func precompile(ctx context.Context, t *suite.Tree, packages []string) {
	names := slices.Clone(packages)
	if slices.Contains(packages, "runtime") {
		names = append(names, "runtime/testdata/testprog", "runtime/testdata/testprogcgo")
	}
	cmd := t.Command(ctx, append([]string{"list", "-e", "-test", "-deps", "-export", "-f={{/* nothing */}}"}, names...)...)
	cmd.Env = append(cmd.Env, goroot.Collector()...)
	cmd.Run()
}

// attempt runs a command as an attempt of the cell, with a time limit.
func attempt(ctx context.Context, limit time.Duration, cell *record.Cell, command func(context.Context) *exec.Cmd) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := command(limited)
	out, err := cell.Attempt(record.Attempt{Command: cmd.Args, Dir: cmd.Dir, Env: difference(cmd.Env)})
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = out.Stdout, out.Stderr
	err = cmd.Run()
	if cmd.SysProcAttr != nil && cmd.SysProcAttr.Setpgid && cmd.Process != nil {
		// A test binary that died may have left programs running.
		run.Signal(cmd, syscall.SIGKILL)
	}
	exit, sig := status(cmd)
	timedOut := limited.Err() != nil && ctx.Err() == nil
	if eerr := out.End(exit, sig, timedOut); eerr != nil {
		return eerr
	}
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited && !timedOut {
		return fmt.Errorf("%s: %w", cmd.Args[0], err)
	}
	return nil
}

// status returns the exit code of a command, or -1 and the signal.
func status(cmd *exec.Cmd) (exit int, sig string) {
	if cmd.ProcessState == nil {
		return -1, ""
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return -1, ws.Signal().String()
	}
	return cmd.ProcessState.ExitCode(), ""
}

// tree returns the GOROOT of one of the trees of the cell's line, the environment
// of the cell's commands with it, and the tree's content key.
func (r *Runner) tree(ctx context.Context, c plan.Cell, tree string) (dir string, env []string, key string, err error) {
	dir, key, err = r.trees.get(treeID{c.Line, tree}, func(id treeID) (string, string, error) { return r.build(ctx, id) })
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
	r.drivers[name] = d
	return d, nil
}

// environ returns the environment of a cell's commands: that of a build, which has
// none of the user's settings, and the configuration's.
//
// Each tree has a build cache of its own. The go command identifies the compiler of
// a release by its version alone, so two trees of one version would use each
// other's packages.
func (r *Runner) environ(dir, key string, c plan.Cell) []string {
	env := goroot.Environ(
		"GOCACHE="+filepath.Join(r.Store.Root, "gocache", key),
		"GOPROXY=off",
	)
	if !strings.HasPrefix(c.Suite, "dist-") {
		// A crash of the test binary shows every thread. cmd/dist sets a level
		// itself, and the tests of os/exec rely on that.
		env = append(env, "GOTRACEBACK=crash")
	}
	// The user may choose a build cache that runners share: the name of an entry
	// says what went into it.
	if prog := os.Getenv("GOCACHEPROG"); prog != "" {
		env = append(env, "GOCACHEPROG="+prog)
	}
	experiments := ""
	if c.Suite == "coro" || c.Suite == "prefixes" {
		// Otherwise package iter, and the tests that import it, do not exist.
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
func (j *job) crossBuild(ctx context.Context) error {
	id := j.c.ID
	if id.Suite == "testprog" {
		id.Suite = "coro"
	}
	if steps, ok := j.crossed[id]; ok {
		j.rec.Steps = steps
		return nil
	}
	env := slices.Concat(j.env, goroot.Collector())
	for _, s := range j.c.Method.CrossSteps(ctx, j.t.GOROOT, j.tmp, env, j.c.Suite) {
		j.yield(s.Cmd)
		if err := runStep(ctx, j.rec, s.Name, s.Cmd, false); err != nil {
			return err
		}
	}
	if j.c.Suite != "std" {
		if err := j.typeCheck(ctx); err != nil {
			return err
		}
	}
	j.crossed[id] = j.rec.Steps
	return nil
}

// typeCheck checks the programs that want a C compiler of the target.
func (j *job) typeCheck(ctx context.Context) error {
	start := time.Now()
	var experiments []string
	if e := platform.Experiments(j.t.GOROOT, ""); e != "" {
		experiments = strings.Split(e, ",")
	}
	target := j.c.Method.Target
	err := suite.TypeCheckCgo(ctx, j.t, filepath.Join(j.t.GOROOT, "src/runtime/testdata/testprogcgo"), target.OS, target.Arch, experiments)
	s := record.Step{Name: "type-check the Go files of testprogcgo", OK: err == nil, Seconds: time.Since(start).Round(time.Millisecond).Seconds()}
	if err != nil {
		s.Output = err.Error()
	}
	j.rec.Steps = append(j.rec.Steps, s)
	return ctx.Err()
}

// difference returns what a command's environment adds to that of this process.
func difference(env []string) []string {
	have := map[string]bool{}
	for _, kv := range os.Environ() {
		have[kv] = true
	}
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return have[kv] })
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
