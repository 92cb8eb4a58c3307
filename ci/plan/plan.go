// Package plan defines what the CI does, as a table: platforms × suites ×
// configurations. The workflows, the runner and the report read it; nothing
// else decides what is tested.
package plan

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"gocoro/build/dist"
	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/ci/platform"
	"gocoro/ci/record"
	"gocoro/ci/suite"
)

// A Config is one way of building and running a suite.
type Config struct {
	Name string

	// Env is added to the environment of the go command. So it reaches the test
	// binary and every program that the tests build and run.
	Env []string
	// BuildFlags go into GOFLAGS, for the same reason. A flag may hold spaces.
	BuildFlags []string
	// TestFlags go to "go test" alone.
	TestFlags []string
	// Scale multiplies the time limits.
	Scale int
}

// hooked returns the flags that compile a maymorestack hook into the packages
// under test, and not into the test programs. Upstream's cmd/dist does the
// same for its morestack tests (cmd/dist/test.go), without package iter.
func hooked(hook string) []string {
	var flags []string
	for _, f := range []string{"-gcflags", "-asmflags"} {
		for _, pkg := range []string{"runtime/...", "reflect", "sync", "iter"} {
			flags = append(flags, f+"="+pkg+"=-d=maymorestack=runtime."+hook)
		}
		flags = append(flags, f+"=runtime/testdata/...=")
	}
	return flags
}

// debug returns the flags that make a GODEBUG setting the default of every
// binary. The variable itself would not reach the test programs: the runtime's
// tests take it out of their environment.
func debug(setting string) []string {
	return []string{"-ldflags=-X=runtime.godebugDefault=" + setting}
}

// Configs lists the configurations, the plain one first.
var Configs = []Config{
	{Name: "plain"},
	{Name: "race", BuildFlags: []string{"-race"}, Scale: 3},               // the test programs, too
	{Name: "noopt", BuildFlags: []string{"-gcflags=all=-N -l"}, Scale: 2}, // compiled without optimization and inlining
	{Name: "procs1", Env: []string{"GOMAXPROCS=1"}, Scale: 2},
	{Name: "procs2", Env: []string{"GOMAXPROCS=2"}},
	{Name: "procs4", Env: []string{"GOMAXPROCS=4"}},
	{Name: "morestack-preempt", BuildFlags: hooked("mayMoreStackPreempt"), Scale: 3}, // every function entry may be preempted
	{Name: "morestack-move", BuildFlags: hooked("mayMoreStackMove"), Scale: 3},       // every function entry may move the stack
	{Name: "gccheckmark", BuildFlags: debug("gccheckmark=1"), Scale: 3},              // each collection is checked by a second, stop-the-world mark
	{Name: "asyncpreemptoff", BuildFlags: debug("asyncpreemptoff=1")},                // no preemption by signal
	// The static lock ranking and the assertions of the shared locks are on.
	{Name: "lockrank", Env: []string{"GOEXPERIMENT=staticlockranking"}, BuildFlags: []string{"-tags=corolockdebug"}, Scale: 3},
	{Name: "checkptr", BuildFlags: []string{"-gcflags=all=-d=checkptr"}, Scale: 2}, // unsafe.Pointer conversions are checked
	{Name: "repeat", TestFlags: []string{"-count=20"}, Scale: 5},                   // every test 20 times in one process
}

// A Cell is one run of the plan: a suite on a platform in a configuration,
// on the patched tree or on stock upstream. What must run in it is found
// later, in the tree itself.
type Cell struct {
	record.ID
	Method platform.Method
	Config *Config
	Of     *Line // nil for gocoro's own checks
	Depth  Depth // of the whole run: how long endless suites run

	deep bool // the other lines have it only at night
}

// Short reports whether the cell's tests run with -short. Those of std do, as
// in all.bash. In their long form, those of the shared-lock rules build all
// programs again with the race detector and the like. That takes a night, and
// makes no sense in a configuration that builds the programs in another way.
func (c *Cell) Short() bool {
	switch c.Suite {
	case "std":
		return true
	case "coro":
		return c.Depth != Nightly || c.ID.Config != "plain"
	}
	return false
}

// Fuzz returns how long the cell starts new random programs.
func (c *Cell) Fuzz() time.Duration {
	switch {
	case c.Method.Kind == platform.QemuUser:
		return 20 * time.Minute
	case c.Depth == Nightly:
		return time.Hour
	}
	return time.Minute
}

// Stress returns how many processes run the coroutine tests. One takes three
// seconds on line go1.22, and about a minute where locks can be shared.
func (c *Cell) Stress() int {
	if c.Of.Rules == suite.Shared {
		return 20
	}
	return 200
}

// Proofs returns which of verify's proofs the cell runs. The others build a
// toolchain each.
func (c *Cell) Proofs() []string {
	if c.Depth == Nightly {
		return []string{"upstream", "twice", "patches"}
	}
	return []string{"patches"}
}

// LeavesTestprog reports whether a cell of the suite std skips the tests that the
// suite testprog runs, in their long form, in the same configuration.
func (c *Cell) LeavesTestprog() bool {
	return c.Depth != Nightly && c.ID.Config == "plain" && c.Tree == record.Patched
}

// Packages returns the platforms whose packages a cell of the suite packages makes:
// all of them at night and for a release, and by day the host's, which can be
// unpacked and run. Compiling std and the commands for another platform takes the
// longest by far, and the other platforms' cells compile the runtime, its test and
// its programs by day anyway.
func (c *Cell) Packages() []string {
	if c.Depth == Nightly {
		return slices.Clone(dist.Platforms)
	}
	return []string{packagesHost.String()}
}

// secondDarwin is the platform for which only the default line is built by day.
// The other lines are built for the other darwin, and for linux on the same
// processor.
var secondDarwin = platform.Platform{OS: "darwin", Arch: "amd64"}

// Builds reports whether the cell only builds, and runs no test whose result
// could depend on what else the machine does.
func (c *Cell) Builds() bool {
	return c.Method.Kind == platform.Cross || c.Suite == "api" || c.Suite == "packages" || c.Suite == "ports"
}

// ByName reports whether the cell can run some of its tests, by their names.
func (c *Cell) ByName() bool {
	return (c.Suite == "coro" || c.Suite == "testprog") && c.Method.GoTest()
}

// CanWait reports whether a run that has lasted too long may leave the cell to
// the night: only the default line has it.
func (c *Cell) CanWait() bool { return c.deep && c.Depth != Nightly }

// Limit returns how long the tests of the cell may take, without the build of the
// test binary. A limit ends a hang, so it is several times what was measured.
func (c *Cell) Limit() time.Duration {
	if c.Suite == "fuzz" {
		return 2*c.Fuzz() + 15*time.Minute // with the time to reduce failures
	}
	limit := map[string]time.Duration{
		"self":     20 * time.Minute,
		"user":     10 * time.Minute,
		"api":      30 * time.Minute, // at the lowest priority
		"faults":   5 * time.Minute,
		"packages": 90 * time.Minute, // likewise
		"ports":    4 * time.Hour,    // likewise
		"prefixes": 90 * time.Minute,
		"coro":     10 * time.Minute,
		"testprog": 8 * time.Minute,
		"std":      25 * time.Minute,
		"stress":   30 * time.Minute,
		"all":      3 * time.Hour,
	}[c.Suite]
	if limit == 0 {
		limit = time.Hour // a slice of dist
	}
	if c.Suite == "coro" && !c.Short() {
		limit *= 4
	}
	limit *= time.Duration(max(c.Config.Scale, 1))
	if c.Method.Kind == platform.QemuUser || c.Method.Kind == platform.QemuSystem {
		limit *= 2
	}
	return limit
}

// A Depth says how much of the table a run takes.
type Depth string

const (
	Default Depth = "default" // each push: within the hour on two cores, with the builds
	Nightly Depth = "nightly" // all of it

	// byName is for the lines that are not VERSION's: by day if the selection names
	// the line, else at night. A selection's depth is never byName.
	byName Depth = "by name"
)

// A Line is what the table needs to know of a line.
type Line struct {
	*line.Line
	Default  bool // VERSION names its release
	Rules    suite.Rules
	Programs []suite.Program
}

// Lines loads the lines of a checkout, oldest first.
func Lines(repo *line.Repo) ([]*Line, error) {
	all, err := repo.All()
	if err != nil {
		return nil, err
	}
	def, err := repo.Default()
	if err != nil {
		return nil, err
	}
	var lines []*Line
	for _, l := range all {
		programs, err := suite.Programs(l)
		if err != nil {
			return nil, err
		}
		lines = append(lines, &Line{Line: l, Default: l.Name == def, Rules: suite.RulesOf(l), Programs: programs})
	}
	return lines, nil
}

// A row says where and when a suite runs.
type row struct {
	suite   string
	kind    platform.Kind
	configs string // space-separated
	tree    string
	rules   suite.Rules // of the lines that have it; "" is all of them
	depth   Depth       // for the default line
	others  Depth       // for every other line
}

// byDay reports whether a line has the row on the platform by day.
func (r *row) byDay(l *Line, target platform.Platform, sel Selection) bool {
	depth := r.others
	switch {
	case l.Default:
		depth = r.depth
	case depth == Default && r.kind == platform.Cross && target == secondDarwin:
		depth = byName
	}
	return depth == Default || depth == byName && (sel.Line != "" || sel.Whole)
}

// rows is the table: which suites run where, in which configurations, and at
// which depth in the default line and in the others. By day the other lines run
// what breaks first: the user's stories and the coroutine programs with their
// negative control, natively and on arm64. They are also built for darwin on arm64.
var rows = []row{
	// The negative control needs no toolchain of ours, so it runs while the second
	// lane builds one.
	{"coro", platform.Native, "plain", record.Stock, "", Default, Default},
	{"user", platform.Native, "plain", record.Patched, "", Default, Default},
	{"coro", platform.Native, "plain", record.Patched, "", Default, Default},
	{"testprog", platform.Native, "plain", record.Patched, "", Default, byName},
	{"std", platform.Native, "plain", record.Patched, "", Default, byName},
	{"coro", platform.QemuUser, "plain", record.Patched, "", Default, Default},
	{"testprog", platform.QemuUser, "plain", record.Patched, "", Default, byName},
	{"fuzz", platform.Native, "plain", record.Patched, suite.Shared, Default, byName},
	{"api", platform.Native, "plain", record.Patched, "", Nightly, Nightly}, // it depends on the pin alone
	{"coro", platform.Cross, "plain", record.Patched, "", Default, Default},

	{"faults", platform.Native, "plain", record.Patched, "", Default, Nightly},
	{"coro", platform.Native, "procs1 lockrank", record.Patched, "", Default, Nightly},
	// With shared locks, tests of their own do the same at night. With a preemption
	// at each call, they take minutes instead of seconds.
	{"coro", platform.Native, "race morestack-preempt", record.Patched, suite.Matched, Default, Nightly},
	{"coro", platform.Native, "morestack-preempt", record.Patched, suite.Shared, Nightly, Nightly},
	{"coro", platform.Native, "noopt procs2 procs4 morestack-move gccheckmark asyncpreemptoff checkptr", record.Patched, "", Nightly, Nightly},
	{"testprog", platform.Native, "plain", record.Stock, "", Nightly, Nightly}, // it does not test the series
	{"coro", platform.QemuSystem, "plain race", record.Patched, "", Default, Nightly},
	{"testprog", platform.Cross, "plain", record.Patched, "", Default, Default}, // the same steps as coro's
	{"std", platform.Cross, "plain", record.Patched, "", Nightly, Nightly},
	{"packages", platform.Native, "plain", record.Patched, "", Default, Nightly},

	{"coro", platform.Native, "repeat", record.Patched, "", Nightly, Nightly},
	{"std", platform.Native, "plain", record.Stock, "", Nightly, Nightly},
	{"coro", platform.QemuUser, "plain", record.Stock, "", Nightly, Nightly},
	{"testprog", platform.Native, "noopt procs1 procs4 morestack-preempt morestack-move asyncpreemptoff lockrank", record.Patched, "", Nightly, Nightly},
	{"std", platform.Native, "race noopt morestack-preempt morestack-move gccheckmark lockrank", record.Patched, "", Nightly, Nightly},
	{"coro", platform.QemuUser, "noopt procs1 procs2 procs4 morestack-preempt morestack-move asyncpreemptoff lockrank", record.Patched, "", Nightly, Nightly},
	{"fuzz", platform.Native, "race", record.Patched, suite.Shared, Nightly, Nightly},
	{"fuzz", platform.QemuUser, "plain", record.Patched, suite.Shared, Nightly, Nightly},
	{"stress", platform.Native, "plain race", record.Patched, "", Nightly, Nightly},
	{"ports", platform.Native, "plain", record.Patched, "", Nightly, Nightly},
	{"prefixes", platform.Native, "plain", record.Patched, "", Nightly, Nightly},
	{"all", platform.Native, "plain", record.Patched, "", Nightly, Nightly},
	{"dist", platform.Native, "plain", record.Patched, "", Nightly, Nightly}, // cut into slices
}

// packagesHost is the platform on which the packages of all platforms are made. A
// toolchain that is built elsewhere must be equal, but these cells do not check
// that.
var packagesHost = platform.Platform{OS: "linux", Arch: "amd64"}

// SelfLine stands for a line in the cell of gocoro's own checks.
const SelfLine = "gocoro"

// A Selection narrows the table. Empty patterns select everything; a pattern
// is as in path.Match.
type Selection struct {
	Line, Platform, Suite, Config, Tree string
	Depth                               Depth
	Whole                               bool // every line has what it has when Line names it
	Shard, Shards                       int  // Shard of Shards, from 1; 0 of 0 is all
}

// Cells returns the cells of the lines on this host that the selection takes.
// First come those that every line has, those of the default line before the
// others, and then those that only the default line has by day. So the most likely
// failures show first, and the other lines' toolchains are built while the many
// cells of the default line run.
func Cells(host platform.Platform, lines []*Line, sel Selection) ([]Cell, error) {
	native := platform.Method{Kind: platform.Native, Host: host, Target: host}
	cells := []Cell{{
		ID:     record.ID{Line: SelfLine, Platform: PlatformID(native), Suite: "self", Config: "plain", Tree: record.Patched},
		Method: native,
		Config: &Configs[0],
		Depth:  sel.Depth,
	}}
	for _, l := range lines {
		for _, target := range platform.All {
			methods, err := platform.Methods(host, target)
			if err != nil {
				return nil, err
			}
			for _, m := range methods {
				for _, r := range rows {
					if r.kind != m.Kind || r.suite == "packages" && host != packagesHost ||
						r.rules != "" && r.rules != l.Rules || sel.Depth != Nightly && !r.byDay(l, target, sel) {
						continue
					}
					for i := range Configs {
						c := &Configs[i]
						if !slices.Contains(strings.Fields(r.configs), c.Name) {
							continue
						}
						names := []string{r.suite}
						if r.suite == "dist" {
							names = suite.Dist
						}
						for _, name := range names {
							cells = append(cells, Cell{
								ID:     record.ID{Line: l.Name, Platform: PlatformID(m), Suite: name, Config: c.Name, Tree: r.tree},
								Method: m,
								Config: c,
								Of:     l,
								Depth:  sel.Depth,
								deep:   r.others == Nightly,
							})
						}
					}
				}
			}
		}
	}
	rank := func(c Cell) int {
		switch {
		case c.deep:
			return 2
		case c.Of != nil && !c.Of.Default:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(cells, func(a, b Cell) int { return rank(a) - rank(b) })
	return sel.of(cells)
}

// of returns those of the cells that the selection takes.
func (sel Selection) of(cells []Cell) ([]Cell, error) {
	var out []Cell
	for _, c := range cells {
		ok := true
		for _, p := range []struct{ pattern, name string }{
			{sel.Line, c.Line}, {sel.Platform, c.Platform}, {sel.Suite, c.Suite}, {sel.Config, c.ID.Config}, {sel.Tree, c.Tree},
		} {
			if p.pattern == "" {
				continue
			}
			m, err := path.Match(p.pattern, p.name)
			if err != nil {
				return nil, fmt.Errorf("pattern %q: %v", p.pattern, err)
			}
			ok = ok && m
		}
		if ok {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, hint.Add(errors.New("no cell matches the selection"), "go run ./ci matrix lists the cells")
	}
	if sel.Shards > 0 {
		var shard []Cell
		for i := range out {
			if i%sel.Shards == sel.Shard-1 {
				shard = append(shard, out[i])
			}
		}
		return shard, nil
	}
	return out, nil
}

// PlatformID names a method in records: "linux-amd64" when native,
// "linux-arm64-qemu-user" otherwise.
func PlatformID(m platform.Method) string {
	id := m.Target.OS + "-" + m.Target.Arch
	if m.Kind != platform.Native {
		id += "-" + string(m.Kind)
	}
	return id
}
