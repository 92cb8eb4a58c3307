package fuzz

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gocoro/ci/fuzz/program"
)

// A Campaign runs many programs.
type Campaign struct {
	Runner  *Runner
	Seed    uint64        // of the first program; the others follow
	Count   int           // how many programs; 0 for no limit
	Time    time.Duration // after which no new one starts; 0 for no limit
	Size    int
	Plain   bool // no thread locks and no C calls, so that every Go must run them
	Workers int
	Shrink  time.Duration // for each kind of failure
	Max     int           // how many failures end the campaign; 0 for no limit
	Dir     string        // where findings are written
	Printf  func(string, ...any)
}

// A Summary is what came of a campaign.
type Summary struct {
	Programs int
	Count    map[Class]int
	Oracles  map[Oracle]int // how many were compared with each
	Elapsed  time.Duration
	Findings []Finding
}

// A Finding is a program that failed.
type Finding struct {
	Seed    uint64
	Outcome string
	Dir     string // its files
	Size    int    // operations, after shrinking
	Shrunk  bool   // only the first of each kind is
}

// Failed says whether there is a finding, or nothing was tested.
func (s *Summary) Failed() bool {
	if s.Programs == 0 || s.Count[Same] == 0 {
		return true
	}
	for c, n := range s.Count {
		if c.Failed() && n > 0 {
			return true
		}
	}
	return false
}

// String returns the line that ends a report.
func (s *Summary) String() string {
	var parts []string
	for _, c := range Classes {
		if n := s.Count[c]; n > 0 || c == Same {
			parts = append(parts, fmt.Sprintf("%d %s", n, c))
		}
	}
	text := fmt.Sprintf("%d programs in %v: %s", s.Programs, s.Elapsed.Round(100*time.Millisecond), strings.Join(parts, ", "))
	parts = nil
	for _, o := range Oracles {
		if n := s.Oracles[o]; n > 0 && o != Model {
			parts = append(parts, fmt.Sprintf("%s %d%%", o, (100*n+s.Programs/2)/s.Programs))
		}
	}
	if len(parts) > 0 {
		text += "; compared with " + strings.Join(parts, "; ")
	}
	return text
}

// Run runs the campaign. The summary has the results of the programs. The error is
// one of the fuzzer itself.
func (c *Campaign) Run(ctx context.Context) (*Summary, error) {
	start := time.Now()
	s := &Summary{Count: map[Class]int{}, Oracles: map[Oracle]int{}}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu     sync.Mutex
		kinds  = map[string]bool{}
		fails  int
		issued int
	)
	next := func() (uint64, bool) {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil || c.Max > 0 && fails >= c.Max || c.Count > 0 && issued >= c.Count || c.Time > 0 && time.Since(start) > c.Time {
			return 0, false
		}
		issued++
		return c.Seed + uint64(issued-1), true
	}
	var wait sync.WaitGroup
	for range max(c.Workers, 1) {
		wait.Go(func() {
			for seed, ok := next(); ok; seed, ok = next() {
				p := program.Generate(seed, c.Size)
				if c.Plain {
					p = p.Unlocked()
				}
				o, err := c.Runner.Check(ctx, p)
				if ctx.Err() != nil {
					return // the run was cut short
				}
				if err != nil {
					cancel(fmt.Errorf("seed %d: %w", seed, err))
					return
				}
				mu.Lock()
				s.Programs++
				s.Count[o.Class]++
				if o.Oracle != "" {
					s.Oracles[o.Oracle]++
				}
				isNew := false
				if o.Class.Failed() {
					isNew = !kinds[o.String()]
					kinds[o.String()] = true
					fails++
				}
				mu.Unlock()
				if o.Class.Failed() {
					c.Printf("seed %d: %s", seed, o)
					f, err := c.finding(ctx, seed, p, o, isNew)
					if err != nil {
						cancel(err)
						return
					}
					mu.Lock()
					s.Findings = append(s.Findings, *f)
					mu.Unlock()
				}
			}
		})
	}
	wait.Wait()
	s.Elapsed = time.Since(start)
	if err := context.Cause(ctx); err != nil {
		return s, err
	}
	return s, nil
}

// finding writes a failure down and, if asked, shrinks it.
func (c *Campaign) finding(ctx context.Context, seed uint64, p *program.Program, o *Outcome, shrink bool) (*Finding, error) {
	f := &Finding{Seed: seed, Outcome: o.String(), Size: p.Size(), Dir: filepath.Join(c.Dir, fmt.Sprintf("seed-%d-size-%d", seed, c.Size))}
	if err := os.MkdirAll(f.Dir, 0o777); err != nil {
		return nil, err
	}
	write := func(name string, data []byte) error { return os.WriteFile(filepath.Join(f.Dir, name), data, 0o666) }
	save := func(name string, p *program.Program, o *Outcome) error {
		if err := write(name+".txt", []byte(p.String())); err != nil {
			return err
		}
		if err := write(name+".stdout", o.Stdout); err != nil {
			return err
		}
		return write(name+".stderr", o.Stderr)
	}
	if err := save("program", p, o); err != nil || !shrink {
		return f, err
	}
	f.Shrunk = true
	small, last, rate := c.shrink(ctx, p, o)
	f.Size = small.Size()
	if err := save("shrunk", small, last); err != nil {
		return f, err
	}
	c.Printf("seed %d: %d operations left of %d, fails in %.0f%% of runs: %s", seed, small.Size(), p.Size(), 100*rate, filepath.Join(f.Dir, "shrunk.txt"))
	return f, write("README", []byte(c.about(seed, small, last, rate)))
}

// about returns the README of a reduced program.
func (c *Campaign) about(seed uint64, p *program.Program, o *Outcome, rate float64) string {
	text := fmt.Sprintf("Seed %d, size %d, shrunk: %s.\nIt failed in %.0f%% of runs.\n", seed, c.Size, o, 100*rate)
	switch o.Class {
	case Different:
		if o.Detail != "" {
			text += o.Detail + "\n"
		} else {
			text += Diff(p, o, c.Runner.Repeat) + "\n"
		}
	case Violation:
		first, _, _ := strings.Cut(string(o.Stderr), "\n\n")
		text += first + "\n"
	}
	return text + fmt.Sprintf("\nIn the checkout, with a go command of the toolchain:\n\n\tgo run ./ci/fuzz/interp -repeat %d <shrunk.txt\n\tgo run ./ci/fuzz/interp -pull chan <shrunk.txt  # for comparison\n", max(c.Runner.Repeat, 10))
}

// shrink makes p small. It returns with it the last failure seen and the
// share of its runs that fail.
func (c *Campaign) shrink(ctx context.Context, p *program.Program, o *Outcome) (*program.Program, *Outcome, float64) {
	limited, cancel := context.WithTimeout(ctx, c.Shrink)
	defer cancel()
	run := func(ctx context.Context, p *program.Program) *Outcome {
		check := c.Runner.Check
		if o.Class != Yardstick && c.Runner.Only == "" && o.Oracle != Upstream {
			check = func(ctx context.Context, p *program.Program) (*Outcome, error) { return c.Runner.Run(ctx, p, "coro") }
		}
		got, err := check(ctx, p)
		if err != nil || got.String() != o.String() {
			return nil
		}
		return got
	}
	// A failure that is rare must be tried often before it counts as gone. A few
	// failures are enough to know the rate, and each hang takes its time limit.
	const sample = 20
	rate := func(ctx context.Context, p *program.Program, enough int) (float64, int) {
		n, bad := 0, 0
		for n < sample*10 && bad < enough && ctx.Err() == nil && (n < sample || bad == 0) {
			if run(ctx, p) != nil {
				bad++
			}
			n++
			if bad > 5 && bad == n {
				break
			}
		}
		return float64(bad) / float64(max(n, 1)), bad
	}
	share, bad := rate(limited, p, 3)
	if bad == 0 {
		return p, o, 0
	}
	tries := min(int(math.Ceil(3/share)), 100)
	var mu sync.Mutex
	last, lastText := o, ""
	small := Shrink(limited, p, max(c.Workers, 1), func(ctx context.Context, q *program.Program) bool {
		for range tries {
			if ctx.Err() != nil {
				return false
			}
			if got := run(ctx, q); got != nil {
				mu.Lock()
				last, lastText = got, q.String()
				mu.Unlock()
				return true
			}
		}
		return false
	})
	// The log in the finding must be one of the reduced program.
	after, cancel := context.WithTimeout(ctx, c.Shrink/4+time.Second)
	defer cancel()
	share, _ = rate(after, small, sample)
	for range tries {
		if lastText == small.String() {
			break
		}
		if got := run(after, small); got != nil {
			last = got
			break
		}
	}
	return small, last, share
}
