package program

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestGenerateIsDeterministic(t *testing.T) {
	for seed := range uint64(200) {
		if a, b := Generate(seed, 40).String(), Generate(seed, 40).String(); a != b {
			t.Fatalf("seed %d: two programs:\n%s\n%s", seed, a, b)
		}
	}
	// The seeds that people write down must mean the same tomorrow.
	const want = "procs 8\nmain\ninit\n\tlock\n\tblock\n\tunlock\n\tpull 3\n\t\tyield 0\n\t\tprocs 8\n\t\tlock\n\t\tsyscall 40\n\t\tunlock\n\t\tgosched\n\tnext 3\nroot\n"
	if got := Generate(1, 6).String(); got != want {
		t.Errorf("seed 1, size 6:\n%s\nwant:\n%s", got, want)
	}
}

func TestRoundTrip(t *testing.T) {
	for seed := range uint64(500) {
		text := Generate(seed, 60).String()
		p, err := Parse("# a comment\n\n" + text)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if again := p.String(); again != text {
			t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, again, text)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, text := range []string{
		"", "procs 1", "root\n\tdance", "root\n\tnext", "root\n\tlock 1", "root\n\tnext 4", "root\n\tnext -1", "root\n\tbeside 6",
		"root\n\tlock\n\t\tlock", "root\n\t\tlock", "\tlock", "root\n\tgo 1 2", "tree",
	} {
		if p, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", text, p)
		}
	}
}

// The log of a program that the model accepts depends on no schedule.
func TestModelIsDeterministic(t *testing.T) {
	deadlocks := 0
	for seed := range uint64(1500) {
		p := Generate(seed, 50)
		want, err := p.Run()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if want.Deadlock {
			deadlocks++
		}
		for i := range uint64(5) {
			got, err := p.run(rand.New(rand.NewPCG(seed, i)))
			if err != nil {
				t.Fatalf("seed %d, schedule %d: %v\n%s", seed, i, err, p)
			}
			if got.Log != want.Log {
				t.Fatalf("seed %d, schedule %d: got\n%s\nwant\n%s\n%s", seed, i, got.Log, want.Log, p)
			}
		}
	}
	if deadlocks == 0 || deadlocks > 30 {
		t.Errorf("%d of 1500 programs deadlock, want a few", deadlocks)
	}
}

func TestModel(t *testing.T) {
	for _, test := range []struct{ name, program, log, err string }{
		{"values", "root\n\tpull 0\n\t\tyield 0\n\t\tyield 0\n\tloop 3\n\t\tnext 0\n\tnext 1",
			"goroutine 0\n\tpull 0\n\tnext 0: 1 true\n\tnext 0: 2 true\n\tnext 0: 0 false\n\tloop\n\tnext 1: none\n\tend\n" +
				"goroutine 0.1\n\tyield 0: true\n\tyield 0: true\n\tend\n", ""},
		{"stop", "root\n\tpull 0\n\t\tdefer\n\t\t\tmark\n\t\tyield 0\n\tnext 0\n\tstop 0\n\tnext 0",
			"goroutine 0\n\tpull 0\n\tnext 0: 1 true\n\tstop 0\n\tnext 0: 0 false\n\tend\n" +
				"goroutine 0.1\n\tdefer\n\tyield 0: false\n\tmark\n\tend\n", ""},
		{"panic", "root\n\tpull 0\n\t\tpanic 7\n\ttry\n\t\tnext 0",
			"goroutine 0\n\tpull 0\n\ttry: fault 7\n\tend\ngoroutine 0.1\n\tpanic fault 7\n", ""},
		{"goexit", "root\n\tpull 0\n\t\tgoexit\n\tnext 0",
			"goroutine 0\n\tpull 0\n\tgoexit\ngoroutine 0.1\n\tgoexit\n", ""},
		{"self", "root\n\tpull 0\n\t\tnext 0\n\ttry\n\t\tnext 0",
			"goroutine 0\n\tpull 0\n\ttry: iter.Pull: next called again before yield\n\tend\n" +
				"goroutine 0.1\n\tpanic iter.Pull: next called again before yield\n", ""},
		{"foreign yield", "root\n\tpull 0\n\t\tgo\n\t\t\tyield 0\n\tnext 0\n\tnext 0",
			"goroutine 0\n\tpull 0\n\tnext 0: 1 true\n\tnext 0: 0 false\n\tend\n" +
				"goroutine 0.1\n\tgo\n\tend\ngoroutine 0.1.1\n\tyield 0: true\n\tend\n", ""},
		{"stop self", "root\n\tpull 0\n\t\tstop 0\n\tnext 0", "", "its own iterator"},
		{"deadlock", "root\n\tpull 0\n\t\tgo\n\t\t\tyield 0\n\tgo\n\t\tnext 0\n\tfork\n\t\tpull 1\n\t\t\tpull 2\n\t\t\t\tyield 1\n\t\t\tnext 2\n\t\tnext 1\n\tjoin",
			"", ""}, // only that it is one
		{"race", "root\n\tpull 0\n\t\tyield 0\n\tfork\n\t\tnext 0\n\tnext 0", "", "at the same time"},
		{"slot race", "root\n\tfork\n\t\tpull 0\n\tnext 0", "", "at the same time"},
		{"long", "root\n\tloop 100\n\t\tloop 100\n\t\t\tmark", "", "more than"},
		{"goexit in C", "root\n\tthread 1\n\t\tgoexit", "", "Goexit of goroutine 0.1"},
		{"traced", "trace\nroot\n\tcallback\n\t\tpanic 1", "", "unwinds C frames"},
		{"init", "init\n\tpull 0\n\t\tyield 0\n\tpanic 2\nroot\n\tnext 0", "goroutine 0\n\tpull 0\n\tinit: fault 2\n\tnext 0: 1 true\n\tend\n", ""},
		{"thread in init", "init\n\tthread 1\nroot\n\tmark", "", "before packages"},
		{"goexit of main", "main\nroot\n\tgoexit", "", "Goexit of goroutine 0"},
	} {
		p, err := Parse(test.program)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		res, err := p.Run()
		switch {
		case test.err != "":
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want one with %q", test.name, err, test.err)
			}
		case err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.log != "" && res.Log != test.log:
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, res.Log, test.log)
		case test.log == "" && !(res.Deadlock && strings.HasSuffix(res.Log, "\ndeadlock\n")):
			t.Errorf("%s: no deadlock:\n%s", test.name, res.Log)
		}
	}
}

// Programs must have in them what the fuzzer is for.
func TestGenerateCovers(t *testing.T) {
	seen := map[Kind]int{}
	nexts, values := 0, 0
	for seed := range uint64(300) {
		p := Generate(seed, 40)
		p.Walk(func(op *Op) { seen[op.Kind]++ })
		res, err := p.Run()
		if err != nil {
			t.Fatal(err)
		}
		nexts += strings.Count(res.Log, "\tnext ")
		for _, l := range strings.Split(res.Log, "\n") {
			if strings.HasPrefix(l, "\tnext ") && strings.HasSuffix(l, "true") {
				values++
			}
		}
	}
	for k := range kinds {
		if k != Mark && seen[k] == 0 {
			t.Errorf("no %s in 300 programs", k)
		}
	}
	t.Logf("%v; %d nexts, %d with a value", seen, nexts, values)
	if values < 300 {
		t.Errorf("300 programs pass %d values, want one each at least", values)
	}
}

// The model knows which programs upstream throws for.
func TestThrows(t *testing.T) {
	for _, test := range []struct {
		program string
		want    bool
	}{
		{"root\n\tpull 0\n\t\tlock\n\t\tunlock\n\t\tyield 0\n\tnext 0", false},
		{"root\n\tpull 0\n\t\tlock\n\t\tyield 0\n\tnext 0", true},
		{"root\n\tlock\n\tpull 0\n\t\tlock\n\t\tunlock\n\t\tyield 0\n\tnext 0", false},
		{"root\n\tlock\n\tpull 0\n\t\tunlock\n\t\tlock\n\t\tyield 0\n\tnext 0", false},
		{"root\n\tlock\n\tpull 0\n\t\tunlock\n\t\tyield 0\n\tnext 0", true},
		{"root\n\tlock\n\tpull 0\n\t\tgo\n\t\t\tyield 0\n\tnext 0", true},
		{"root\n\tpull 0\n\t\tyield 0\n\tlock\n\tnext 0", true},
		{"root\n\tcallback\n\t\tpull 0\n\t\t\tlock\n\t\t\tunlock\n\t\t\tyield 0\n\t\tnext 0", false},
		{"root\n\tcallback\n\t\tpull 0\n\t\t\tyield 0\n\tnext 0", true},
		{"root\n\tpull 0\n\t\tcallback\n\t\t\tyield 0\n\tnext 0", true},
		{"root\n\tthread 2\n\t\tpull 0\n\t\t\tyield 0\n\t\tnext 0\n\t\tstop 0", false},
		{"init\n\tpull 0\n\t\tlock\n\t\tunlock\n\t\tyield 0\n\tnext 0\nroot\n\tmark", false},
		{"init\n\tpull 0\n\t\tyield 0\nroot\n\tnext 0", true},
		{"root\n\tlock\n\tbeside 2", false},
		{"root\n\tbeside 3", true},
	} {
		p, err := Parse(test.program)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := p.Run(); err != nil || res.Throws != test.want {
			t.Errorf("throws: %t, %v; want %t\n%s", res.Throws, err, test.want, p)
		}
	}
}

// A third of the programs, and more, must be of the kind that stock upstream
// runs, and lock threads that were handed over.
func TestGenerateKinds(t *testing.T) {
	const n = 300
	runs, loans, pairs, inits, throws := 0, 0, 0, 0, 0
	for seed := range uint64(n) {
		p := Generate(seed, 40)
		res, err := p.Run()
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Init) > 0 {
			inits++
		}
		if res.Throws {
			throws++
			continue
		}
		runs++
		if res.Loans > 0 {
			loans++
		}
		if res.Pairs > 0 {
			pairs++
		}
	}
	t.Logf("of %d programs %d do not throw on stock upstream; %d of them lock on loan, %d unlock and lock; %d use init", n, runs, loans, pairs, inits)
	if loans < n*4/10 || pairs < n/20 || inits < n/20 || throws < n*3/10 {
		t.Errorf("too few of a kind; %d throw", throws)
	}
}
