package runner

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gocoro/build/line"
	"gocoro/build/progress"
	"gocoro/build/store"
	"gocoro/ci/fuzz"
	"gocoro/ci/plan"
	"gocoro/ci/platform"
	"gocoro/ci/record"
	"gocoro/ci/suite"
	"gocoro/ci/verdict"
)

func TestEventsText(t *testing.T) {
	var b bytes.Buffer
	ev := newEvents(&b, "p")
	ev.test("TestX", "two\nlines", 1500*time.Millisecond)
	if exit := ev.end(); exit != 1 {
		t.Errorf("exit status %d after a failure, want 1", exit)
	}
	for _, want := range []string{`"Output":"--- FAIL: TestX (1.50s)\n"`, `"Output":"    lines\n"`, `"Action":"fail","Package":"p"}`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
}

// A configuration reaches the programs that tests build, and nothing of the
// user's does.
func TestEnviron(t *testing.T) {
	t.Setenv("GOFLAGS", "-mod=vendor")
	t.Setenv("CGO_CFLAGS", "-O9")
	goroot := t.TempDir()
	exp := filepath.Join(goroot, "src/internal/goexperiment/exp_rangefunc_on.go")
	if err := os.MkdirAll(filepath.Dir(exp), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exp, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	r := &Runner{Store: &store.Store{Root: t.TempDir()}}
	env := func(name, config string) string {
		c := plan.Cell{ID: record.ID{Suite: name}, Config: findConfig(config)}
		return "\n" + strings.Join(r.environ(goroot, "key", c), "\n") + "\n"
	}
	for _, tt := range []struct {
		suite, config string
		want          string
	}{
		{"coro", "noopt", "\nGOFLAGS='-gcflags=all=-N -l'\n"},
		{"coro", "race", "\nGOFLAGS=-race\n"},
		{"coro", "procs1", "\nGOMAXPROCS=1\n"},
		{"coro", "plain", "\nGOEXPERIMENT=rangefunc\n"},
		{"coro", "plain", "\nGOTRACEBACK=crash\n"},
		{"coro", "lockrank", "\nGOEXPERIMENT=rangefunc,staticlockranking\n"},
		{"std", "lockrank", "\nGOEXPERIMENT=staticlockranking\n"},
		{"coro", "morestack-move", "-asmflags=iter=-d=maymorestack=runtime.mayMoreStackMove"},
	} {
		got := env(tt.suite, tt.config)
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: no %q in%s", tt.suite, tt.config, tt.want, got)
		}
		for _, leak := range []string{"vendor", "-O9"} {
			if strings.Contains(got, leak) {
				t.Errorf("%s %s: %s of the user's is in%s", tt.suite, tt.config, leak, got)
			}
		}
	}
	if got := env("dist-1-of-6", "plain"); strings.Contains(got, "GOTRACEBACK") {
		t.Errorf("dist: want that cmd/dist sets GOTRACEBACK, got%s", got)
	}
}

// Each fault names a test to look for, and its text to plant is for this tree.
func TestFaultTable(t *testing.T) {
	repo, err := line.FindRepo("../..")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := repo.All()
	if err != nil {
		t.Fatal(err)
	}
	r := &Runner{Repo: repo}
	for _, l := range lines {
		name := l.Name
		faults, err := r.faultsOf(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range faults {
			if !f.state.Bad() || f.test == "" || f.plant == nil {
				t.Errorf("%s: fault %s is not complete: %+v", name, f.name, f)
			}
		}
	}
}

// What stress and all.bash say at their ends is read as they mean it.
func TestLastLines(t *testing.T) {
	for _, tt := range []struct {
		re   *regexp.Regexp
		line string
		want bool
	}{
		{countedRuns, "1m5s: 200 runs total, 0 failures", true},
		{countedRuns, "1m5s: 200 runs total, 10 failures (5.00%)", false},
		{countedRuns, "30m0s: 120 runs so far, 0 failures, 2 active", false},
		{runsInTime, "9m55s: 120 runs so far, 0 failures, 2 active", true},
		{runsInTime, "9m55s: 0 runs so far, 0 failures, 2 active", false},
		{runsInTime, "9m55s: 120 runs so far, 1 failures (0.83%), 2 active", false},
		{allPassed, "x\n\nALL TESTS PASSED\n---\n", true},
		{allPassed, "ALL TESTS PASSED (some were excluded)", false},
	} {
		if got := tt.re.MatchString(tt.line); got != tt.want {
			t.Errorf("%q in %q: %t, want %t", tt.re, tt.line, got, tt.want)
		}
	}
}

// A line's stories are every line's, and those of its rules.
func TestUserWant(t *testing.T) {
	repo, err := line.FindRepo("../..")
	if err != nil {
		t.Fatal(err)
	}
	r := &Runner{Repo: repo}
	for _, tt := range []struct {
		rules  suite.Rules
		shared bool
	}{{suite.Matched, false}, {suite.Shared, true}} {
		j := &job{Runner: r, c: plan.Cell{Of: &plan.Line{Rules: tt.rules}}}
		tests, err := j.userWant(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(tests, "TestUser/locked") || slices.Contains(tests, "TestUserShared/gomod") != tt.shared {
			t.Errorf("%s locks: stories %q", tt.rules, tests)
		}
	}
}

// A step that fails names its command and what that printed.
func TestRunStep(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		quiet        bool
		want         string // of the output; "" if the step is to succeed
	}{
		{"ok", "echo fine", false, ""},
		{"quiet", "true", true, ""},
		{"not quiet", "echo main.go", true, "sh -c echo main.go: <nil>\nmain.go\n"},
		{"failed", "echo no such host >&2; exit 3", false, "sh -c echo no such host >&2; exit 3: exit status 3\nno such host\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cell := &record.Cell{}
			if err := runStep(t.Context(), cell, tc.name, exec.Command("sh", "-c", tc.script), tc.quiet); err != nil {
				t.Fatal(err)
			}
			s := cell.Steps[0]
			if s.Name != tc.name || s.OK != (tc.want == "") || s.Output != tc.want {
				t.Errorf("got step %q, ok %t, output %q; want output %q", s.Name, s.OK, s.Output, tc.want)
			}
		})
	}
}

// The line's Delve is one that knows its upstream.
func TestDelve(t *testing.T) {
	for _, tc := range []struct{ upstream, want string }{
		{"go1.22.12", "github.com/go-delve/delve/cmd/dlv@v1.25.2"},
		{"go1.26.11", "github.com/go-delve/delve/cmd/dlv@v1.27.2"},
		{"go1.27.4", "github.com/go-delve/delve/cmd/dlv@v1.27.2"},
	} {
		t.Run(tc.upstream, func(t *testing.T) {
			if got := delve(tc.upstream); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// What a campaign found is told with the program that shows it.
func TestFound(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "shrunk.txt"), []byte("procs 1\nroot\n\tlock\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	text := found(&fuzz.Summary{Programs: 7, Count: map[fuzz.Class]int{fuzz.Same: 6, fuzz.Hang: 1},
		Findings: []fuzz.Finding{{Seed: 42, Outcome: "hang", Dir: dir, Size: 1, Shrunk: true}}})
	for _, want := range []string{"7 programs", "1 hang", "seed 42: hang (1 operations)", "\tlock\n", filepath.Join(dir, "README")} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// Every planned suite is one that the runner can run.
func TestSuites(t *testing.T) {
	lines := []*plan.Line{{Line: &line.Line{Name: "go1.27"}, Rules: suite.Shared, Default: true}}
	planned := map[string]bool{}
	for _, host := range []platform.Platform{{OS: "linux", Arch: "amd64"}, {OS: "darwin", Arch: "arm64"}} {
		cells, err := plan.Cells(host, lines, plan.Selection{Depth: plan.Nightly})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cells {
			planned[c.Suite] = true
			if _, ok := own[c.Suite]; ok {
				continue
			}
			if _, err := suite.Find(c.Suite); err != nil {
				t.Errorf("%s: %v", c.ID, err)
			}
		}
	}
	for name, s := range own {
		if !planned[name] || s.run == nil || s.want == nil && name != "self" {
			t.Errorf("suite %s is not planned, or not complete", name)
		}
	}
}

// By day the packages, which can wait for the night, come after what is built for
// darwin, which cannot.
func TestLanes(t *testing.T) {
	repo, err := line.FindRepo("../..")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := plan.Lines(repo)
	if err != nil {
		t.Fatal(err)
	}
	linux := platform.Platform{OS: "linux", Arch: "amd64"}
	cells, err := plan.Cells(linux, lines, plan.Selection{Depth: plan.Default})
	if err != nil {
		t.Fatal(err)
	}
	first, second := lanes(cells)
	if len(first)+len(second) != len(cells) || len(second) < 3 {
		t.Fatalf("%d and %d cells in the lanes, of %d", len(first), len(second), len(cells))
	}
	for n, i := range second {
		if got, want := cells[i].Suite == "packages", n == len(second)-1; got != want {
			t.Errorf("cell %d of the second lane is %s", n, cells[i].ID)
		}
	}
}

// Only selects tests by name, as -run does, and a package without such a test goes.
func TestOnly(t *testing.T) {
	want := record.Want{"runtime": {"TestCoroA", "TestCoroB", "TestOther"}, "iter": {"TestPull"}}
	for expr, left := range map[string]record.Want{
		"Coro":       {"runtime": {"TestCoroA", "TestCoroB"}},
		"A$|Pull":    {"runtime": {"TestCoroA"}, "iter": {"TestPull"}},
		"^NoSuch":    {},
		"^TestOther": {"runtime": {"TestOther"}},
	} {
		if got := only(want, regexp.MustCompile(expr)); !reflect.DeepEqual(got, left) {
			t.Errorf("%s: got %v, want %v", expr, got, left)
		}
	}
}

// Each cell is run once, whatever its lane, and what each was to have run is
// told in the order of the cells.
func TestRun(t *testing.T) {
	repo, err := line.FindRepo("../..")
	if err != nil {
		t.Fatal(err)
	}
	config := findConfig("plain")
	host := platform.Host()
	var cells []plan.Cell
	for _, c := range []struct {
		suite string
		kind  platform.Kind
	}{{"coro", platform.Native}, {"coro", platform.Cross}, {"testprog", platform.Native}, {"packages", platform.Native}} {
		m := platform.Method{Kind: c.kind, Host: host, Target: host}
		// The line does not exist, so no cell gets beyond that.
		id := record.ID{Line: "go1.0", Platform: plan.PlatformID(m), Suite: c.suite, Config: config.Name, Tree: record.Patched}
		cells = append(cells, plan.Cell{ID: id, Method: m, Config: config})
	}
	run := func(ctx context.Context, cells []plan.Cell, done func(*record.Cell)) ([]verdict.Planned, error) {
		r := &Runner{Repo: repo, Store: &store.Store{Root: t.TempDir()}, Rep: &progress.Reporter{W: io.Discard}, Results: t.TempDir()}
		r.Done = func(c *record.Cell, _ verdict.Planned) { done(c) }
		planned, late, err := r.Run(ctx, cells)
		if len(late) > 0 {
			t.Errorf("%v put off with no limit of time", late)
		}
		if len(planned) != len(cells) {
			t.Fatalf("%d cells planned, want %d", len(planned), len(cells))
		}
		for i, p := range planned {
			if p.ID != cells[i].ID || p.How != string(cells[i].Method.Kind) {
				t.Errorf("planned %v in the place of %v", p.ID, cells[i].ID)
			}
		}
		return planned, err
	}

	for _, cells := range [][]plan.Cell{cells, cells[1:2]} {
		seen := map[record.ID]int{}
		if _, err := run(context.Background(), cells, func(c *record.Cell) {
			seen[c.ID]++
			if !strings.Contains(c.Infra, "go1.0") {
				t.Errorf("%v: its record says %q, want that there is no such line", c.ID, c.Infra)
			}
		}); err != nil {
			t.Error(err)
		}
		for _, c := range cells {
			if seen[c.ID] != 1 {
				t.Errorf("%v ran %d times", c.ID, seen[c.ID])
			}
		}
	}

	ctx, cancel := context.WithCancel(context.Background())
	count := 0
	_, err = run(ctx, cells, func(*record.Cell) { count++; cancel() })
	if !errors.Is(err, context.Canceled) || count == len(cells) {
		t.Errorf("stopped at the first cell's end: error %v after %d cells", err, count)
	}
}

// The trees that are built ahead are those that the first lane wants, in that
// order, and not the one that it begins with.
func TestAhead(t *testing.T) {
	cell := func(s string) plan.Cell {
		var id record.ID
		id.Line, id.Tree, _ = strings.Cut(s, " ")
		return plan.Cell{ID: id}
	}
	for _, tt := range []struct{ cells, want []string }{
		{[]string{"gocoro patched"}, nil},
		{[]string{"a patched", "a patched"}, nil},
		{[]string{"gocoro patched", "a patched", "a stock", "a patched", "b patched"}, []string{"a patched", "a stock", "b patched"}},
		{[]string{"a patched", "b stock", "b patched"}, []string{"b stock", "b patched"}},
	} {
		var cells []plan.Cell
		var first []int
		for i, s := range tt.cells {
			cells = append(cells, cell(s))
			first = append(first, i)
		}
		var got []string
		for _, c := range ahead(cells, first) {
			got = append(got, c.Line+" "+c.Tree)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q are built ahead, want %q", tt.cells, got, tt.want)
		}
	}
}

// A tree is built once, and its failure is everybody's.
func TestTrees(t *testing.T) {
	var ts trees
	var built atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			dir, key, err := ts.get(treeID{"a", record.Stock}, func(id treeID) (string, string, error) {
				built.Add(1)
				return "dir", "key", errors.New(id.line)
			})
			if dir != "dir" || key != "key" || err == nil || err.Error() != "a" {
				t.Errorf("got %s, %s, %v", dir, key, err)
			}
		}()
	}
	wg.Wait()
	if n := built.Load(); n != 1 {
		t.Errorf("built %d times", n)
	}
}

// After the time of Within the cells of the default line alone are not begun,
// and named; what is tested of every line is run all the same.
func TestWithin(t *testing.T) {
	repo, err := line.FindRepo("../..")
	if err != nil {
		t.Fatal(err)
	}
	// As in TestRun, no cell of this line gets far.
	lines := []*plan.Line{{Line: &line.Line{Name: "go1.0"}, Rules: suite.Matched, Default: true}}
	host := platform.Host()
	native := plan.PlatformID(platform.Method{Kind: platform.Native, Host: host, Target: host})
	for _, depth := range []plan.Depth{plan.Default, plan.Nightly} {
		cells, err := plan.Cells(host, lines, plan.Selection{Line: "go1.0", Platform: native, Depth: depth})
		if err != nil {
			t.Fatal(err)
		}
		begun := map[record.ID]bool{}
		r := &Runner{Repo: repo, Store: &store.Store{Root: t.TempDir()}, Rep: &progress.Reporter{W: io.Discard}, Results: t.TempDir(), Within: 1}
		r.Done = func(c *record.Cell, _ verdict.Planned) { begun[c.ID] = true }
		planned, late, err := r.Run(context.Background(), cells)
		if err != nil {
			t.Fatal(err)
		}
		if len(planned)+len(late) != len(cells) || len(planned) != len(begun) {
			t.Errorf("%s: %d planned, %d begun, %d late, want all %d", depth, len(planned), len(begun), len(late), len(cells))
		}
		for _, id := range late {
			if begun[id] {
				t.Errorf("%s: %v was put off, and begun", depth, id)
			}
		}
		var suites []string
		for _, id := range late {
			suites = append(suites, id.Suite)
		}
		if wait := slices.Contains(suites, "faults") && slices.Contains(suites, "packages"); wait != (depth == plan.Default) {
			t.Errorf("%s: put off %v", depth, late)
		}
		if slices.Contains(suites, "std") || slices.Contains(suites, "user") || slices.Contains(suites, "api") {
			t.Errorf("%s: put off %v, want nothing that is tested of every line", depth, late)
		}
	}
}

func TestAtNight(t *testing.T) {
	for _, tc := range []struct {
		name, suite string
		kind        platform.Kind
		line        plan.Line
		depth       plan.Depth
		config      string
		test        string
		want        bool
	}{
		{"default line", "coro", platform.Native, plan.Line{Default: true}, plan.Default, "plain", "TestCoroLockYardstick/a/b", false},
		{"other line", "coro", platform.Native, plan.Line{}, plan.Default, "plain", "TestCoroLockYardstick", true},
		{"emulated", "coro", platform.QemuUser, plan.Line{Default: true}, plan.Default, "plain", "TestCoroLockYardstick", true},
		{"at night", "coro", platform.QemuUser, plan.Line{}, plan.Nightly, "plain", "TestCoroLockYardstick", false},
		{"checked locks", "coro", platform.Native, plan.Line{Default: true}, plan.Default, "lockrank", "TestCoroLockYardstick", true},
		{"checked locks at night", "coro", platform.Native, plan.Line{Default: true}, plan.Nightly, "lockrank", "TestCoroLockYardstick", false},
		{"another build", "coro", platform.Native, plan.Line{}, plan.Default, "plain", "TestCoroBugRaceEnd", false},
		{"another build of another", "coro", platform.Native, plan.Line{Default: true}, plan.Default, "lockrank", "TestCoroBugRaceEnd", true},
		{"upstream's rules, emulated", "coro", platform.QemuUser, plan.Line{Default: true}, plan.Default, "plain", "TestCoroLockOff/x", true},
		{"upstream's rules, native, other line", "coro", platform.Native, plan.Line{}, plan.Default, "plain", "TestCoroLockOff/x", false},
		{"another test", "coro", platform.QemuUser, plan.Line{}, plan.Default, "plain", "TestCoroLockTrace", false},
		{"programs, emulated", "coro", platform.QemuUser, plan.Line{Default: true}, plan.Default, "plain", "TestCoroLock/testprog/X", false},
		{"programs, emulated, other line", "coro", platform.QemuUser, plan.Line{}, plan.Default, "plain", "TestCoroLock/testprog/X", true},
		{"programs in C, emulated, other line", "coro", platform.QemuUser, plan.Line{}, plan.Default, "plain", "TestCoroLock/testprogcgo/X", false},
		{"programs, other line", "coro", platform.Native, plan.Line{}, plan.Default, "plain", "TestCoroLock/testprog/X", false},
		{"slow, native", "testprog", platform.Native, plan.Line{Default: true}, plan.Default, "plain", "TestGoroutineLeakProfile/X", false},
		{"slow, emulated", "testprog", platform.QemuUser, plan.Line{Default: true}, plan.Default, "plain", "TestGoroutineLeakProfile/X", true},
		{"another build, emulated", "testprog", platform.QemuUser, plan.Line{Default: true}, plan.Default, "plain", "TestCgoPprofPIE", true},
		{"fast, emulated", "testprog", platform.QemuUser, plan.Line{Default: true}, plan.Default, "plain", "TestCgoCallbackGC", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := plan.Cell{Method: platform.Method{Kind: tc.kind}, Of: &tc.line, Depth: tc.depth}
			c.Suite, c.ID.Config = tc.suite, tc.config
			if got := atNight(c, tc.test); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
