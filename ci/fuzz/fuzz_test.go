package fuzz

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gocoro/ci/fuzz/program"
)

// interp returns the interpreter, compiled with the Go that runs the test.
var interp = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(tmp, "interp"), "./interp").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w\n%s", err, out)
	}
	return filepath.Join(tmp, "interp"), err
})

var tmp string

func TestMain(m *testing.M) {
	var err error
	if tmp, err = os.MkdirTemp("", "gocoro-fuzz-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(tmp)
	os.Exit(code)
}

func campaign(t *testing.T, count int) *Campaign {
	t.Helper()
	file, err := interp()
	if err != nil {
		t.Fatal(err)
	}
	return &Campaign{
		Runner: &Runner{Interp: file, Limit: time.Minute, Repeat: 2},
		Seed:   1, Count: count, Size: 40, Workers: 2, Shrink: 40 * time.Second, Dir: t.TempDir(), Printf: t.Logf,
	}
}

// Whatever Go compiles this, its iter.Pull must be equal to channels for
// programs that take no locks: the whole fuzzer is right or wrong with that.
func TestPlainProgramsAgree(t *testing.T) {
	t.Parallel()
	c := campaign(t, 60)
	c.Plain = true
	s, err := c.Run(t.Context())
	if err != nil || s.Failed() || s.Count[Same] != 60 {
		t.Errorf("%v, %v; want 60 same", s, err)
	}
}

// The yardstick must keep every rule, locks or not.
func TestYardstick(t *testing.T) {
	t.Parallel()
	c := campaign(t, 60)
	c.Runner.Only = "chan"
	s, err := c.Run(t.Context())
	if err != nil || s.Failed() || s.Count[Same] != 60 {
		t.Errorf("%v, %v; want 60 same", s, err)
	}
}

// Planted faults are found, and little is left of the programs that show them.
func TestPlantedFaults(t *testing.T) {
	t.Parallel() // a hang is waited for
	for _, test := range []struct {
		fault, want string
		size        int
	}{
		{"drop", "different", 7},
		{"move", "violation: ", 5},
		{"crash", "crash: panic: assignment to entry in nil map", 7},
		{"hang", "hang", 8},
	} {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			c := campaign(t, 40)
			c.Runner.Args = []string{"-fault=" + test.fault}
			if c.Plain = test.fault != "move"; !c.Plain {
				c.Runner.Only = "chan" // stock's iter.Pull would die of the lock
			}
			if test.fault == "hang" {
				// Each step of the shrinker waits for a hang: a small program,
				// and without a run on the yardstick. On a busy machine a process
				// may take a second to start, which is no hang, and the shrinker
				// must have time for all its steps.
				c.Runner.Only, c.Runner.Limit, c.Runner.Repeat = "coro", 3*time.Second, 1
				c.Size, c.Shrink = 12, 2*time.Minute
			}
			c.Max = 1
			s, err := c.Run(t.Context())
			if err != nil || len(s.Findings) == 0 {
				t.Fatalf("%v, %v; want a finding", s, err)
			}
			f := s.Findings[slices.IndexFunc(s.Findings, func(f Finding) bool { return f.Shrunk })]
			text, _ := os.ReadFile(filepath.Join(f.Dir, "shrunk.txt"))
			if !s.Failed() || !strings.HasPrefix(f.Outcome, test.want) || f.Size > test.size {
				t.Errorf("%v %v; want %s with at most %d operations\n%s", s, f, test.want, test.size, text)
			}
			t.Logf("%s\n%s", f.Outcome, text)
		})
	}
}

// A locked caller that a broken Pull moves to another thread is seen there.
func TestIdentityCheck(t *testing.T) {
	p, err := program.Parse("procs 2\nroot\n\tlock\n\tpull 0\n\t\tloop 50\n\t\t\tyield 0\n\tloop 50\n\t\tnext 0\n\tunlock\n")
	if err != nil {
		t.Fatal(err)
	}
	c := campaign(t, 0)
	c.Runner.Only, c.Runner.Args = "chan", []string{"-fault=move"}
	o, err := c.Runner.Check(t.Context(), p)
	if err != nil || o.String() != "violation: identity" {
		t.Errorf("%v, %v; want violation: identity\n%s", o, err, o.Stderr)
	}
}

// A bystander that has to wait for seconds is seen.
func TestBystanderCheck(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		beside      int
		fault, want string
	}{
		{0, "", "same"}, {1, "", "same"}, {2, "", "same"}, {3, "", "same"}, {4, "", "same"}, {5, "", "same"},
		{0, "starve", "violation: starved"},
	} {
		p, err := program.Parse(fmt.Sprintf("procs 1\nroot\n\tlock\n\tbeside %d\n\tunlock\n", test.beside))
		if err != nil {
			t.Fatal(err)
		}
		c := campaign(t, 0)
		c.Runner.Only, c.Runner.Args, c.Runner.Repeat = "chan", []string{"-fault=" + test.fault}, 1
		if o, err := c.Runner.Check(t.Context(), p); err != nil || o.String() != test.want {
			t.Errorf("beside %d, fault %q: %v, %v; want %s\n%s", test.beside, test.fault, o, err, test.want, o.Stderr)
		}
	}
}

// Shrink finds the smallest program that fails by an artificial rule.
func TestShrink(t *testing.T) {
	fails := func(ctx context.Context, p *program.Program) bool {
		// A yield below a callback, and a GC anywhere.
		yield, gc := false, false
		p.Walk(func(op *program.Op) {
			gc = gc || op.Kind == program.GC
			if op.Kind == program.Callback {
				sub := program.Program{Roots: [][]program.Op{op.Body}}
				sub.Walk(func(op *program.Op) { yield = yield || op.Kind == program.Yield })
			}
		})
		return yield && gc
	}
	n := 0
	for seed := uint64(1); n < 10; seed++ {
		p := program.Generate(seed, 60)
		if !fails(t.Context(), p) {
			continue
		}
		n++
		if res, err := p.Run(); err != nil || res.Deadlock {
			continue
		}
		text := p.String()
		q := Shrink(t.Context(), p, 3, fails)
		if q.Size() != 3 || len(q.Roots) > 2 || q.Procs != 1 || q.Noise != 0 || q.Main || q.Trace {
			t.Errorf("seed %d: left:\n%s", seed, q)
		}
		if p.String() != text {
			t.Errorf("seed %d: Shrink changed its argument", seed)
		}
	}
}

// The model knows which programs upstream's rule kills. Without that, the
// generator could not make programs that it does not. A patched Go has that rule
// with corolock=0, and every other ignores the setting.
func TestThrowsAsModel(t *testing.T) {
	t.Parallel()
	c := campaign(t, 0)
	c.Runner.Stock = c.Runner.Interp
	c.Runner.Env = append(c.Runner.Env, "GODEBUG=corolock=0")
	throws := 0
	for seed := range uint64(60) {
		p := program.Generate(seed, 40)
		want, err := p.Run()
		if err != nil {
			t.Fatal(err)
		}
		if want.Pairs > 0 || want.Deadlock || p.Trace {
			continue // there is luck in it, it takes long, or a bug of upstream's is in the way
		}
		o, err := c.Runner.Run(t.Context(), p, "stock")
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Contains(string(o.Stderr), throw)
		if got != want.Throws {
			t.Errorf("seed %d: throws: %t, want %t\n%s", seed, got, want.Throws, p)
		}
		if got {
			throws++
		} else if o.Class != Same {
			t.Errorf("seed %d: %v\n%s", seed, o, o.Stderr)
		}
	}
	if throws == 0 {
		t.Error("no program throws")
	}
}

func TestSameThreads(t *testing.T) {
	for _, test := range []struct{ name, stock, ours, want string }{
		{"none", "run 0\ngoroutine 0\n\tend\n", "run 0\ngoroutine 0\n\tend\n", ""},
		{"numbers", "goroutine 0\n\tlock\t@7.1\n\tunlock\n\tlock\t@7.2\n\tmark\t@7.2\n", "goroutine 0\n\tlock\t@3.1\n\tunlock\n\tlock\t@4.2\n\tmark\t@4.2\n", ""},
		{"locked for longer", "goroutine 0\n\tlock\t@7.1\n\tunlock\n", "goroutine 0\n\tlock\t@3.1\n\tunlock\t@3.1\n", ""},
		{"two goroutines", "goroutine 0\n\tlock\t@7.1\ngoroutine 1\n\tmark\t@7.1\n", "goroutine 0\n\tlock\t@3.1\ngoroutine 1\n\tmark\t@4.2\n", "thread"},
		{"unlocked", "goroutine 0\n\tlock\t@7.1\n\tmark\t@7.1\n", "goroutine 0\n\tlock\t@3.1\n\tmark\n", "not locked"},
		{"main", "goroutine 0\n\tmark\t@7.0\n", "goroutine 0\n\tmark\t@9.0\n", ""},
		{"not main", "goroutine 0\n\tmark\t@7.0\n", "goroutine 0\n\tmark\t@8.0\n", "thread"},
	} {
		got, detail := sameThreads(&Outcome{Stdout: []byte(test.stock), pid: 7}, &Outcome{Stdout: []byte(test.ours), pid: 9})
		if got != test.want {
			t.Errorf("%s: %q, %s; want %q", test.name, got, detail, test.want)
		}
	}
}

func TestClassify(t *testing.T) {
	died := fmt.Errorf("exit status 2")
	const note = "note: goroutine 0 is about to return to C on thread 1 before goroutine 1\n"
	for _, test := range []struct {
		name, stdout, stderr string
		err                  error
		late                 bool
		want                 string
	}{
		{"same", "x", "", nil, false, "same"},
		{"different", "y", "", nil, false, "different"},
		{"cut", "", "", nil, false, "different"},
		{"violation", "x", "violation: identity: goroutine 1\n", died, false, "violation: identity"},
		{"violation, hung", "", "note: x\nviolation: identity: goroutine 1\n", died, true, "violation: identity"},
		{"throw", "", "coro: got thread 0x1\nfatal error: self-deadlock 0x12 of 7\n\nruntime: x\n", died, false, "crash: fatal error: self-deadlock N of N"},
		{"signal", "", "SIGSEGV: segmentation violation\nPC=0x1\n", died, false, "crash: SIGSEGV: segmentation violation"},
		{"silent", "x", "", died, false, "crash: exit status 2"},
		{"hang", "x", "SIGQUIT: quit\n", died, true, "hang"},
		{"hang, LIFO", "x", note + "SIGQUIT: quit\n", died, true, "hang: after a C call that returns too early"},
		{"hang, LIFO, waiting", "x", note + "SIGQUIT: quit\ngoroutine 7 [callback return, locked to thread]:\n", died, true, "lifo: after a C call that returns too early"},
		{"LIFO", "", note + "fatal error: " + lifoDeath + "\n", died, false, "lifo: fatal error: " + lifoDeath},
		{"LIFO for nothing", "", "fatal error: " + lifoDeath + "\n", died, false, "crash: fatal error: " + lifoDeath},
		{"end", "", "end: goroutine 1 has\nfatal error: " + endDeath + "\n", died, false, "end: fatal error: " + endDeath},
		{"end for nothing", "", "fatal error: " + endDeath + "\n", died, false, "crash: fatal error: " + endDeath},
		{"race", "x", "WARNING: DATA RACE\n", nil, false, "crash: data race"},
	} {
		o := &Outcome{Stdout: []byte(test.stdout), Stderr: []byte(test.stderr)}
		if o.classify(test.err, test.late, "x"); o.String() != test.want {
			t.Errorf("%s: %q, want %q", test.name, o, test.want)
		}
	}
}
