// Package mutate plants faults in a patched runtime, one at a time, and finds
// out whether a test, the shared-lock programs or the fuzzer notice. A test that
// passes whatever the runtime does proves nothing.
package mutate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gocoro/build/goroot"
	"gocoro/build/run"
	"gocoro/ci/fuzz"
	"gocoro/ci/plant"
)

// A Runner plants mutants in the runtime of GOROOT, which stays as it is: the
// go command reads other files instead of GOROOT's.
type Runner struct {
	Repo    string // the directory of this project
	GOROOT  string // a toolchain of a line with the shared locks
	Cache   string // the directory for the go command's cache
	Dir     string // the directory for what is built
	Workers int
	Limit   time.Duration // for each program
	Fuzz    int           // how many random programs a survivor is tried with
	Stock   string        // stock upstream, to compare those with, or empty

	interp sync.Once // compiles the interpreter of random programs with Stock
	built  error
}

var binaries = []string{"testprog", "testprogcgo"}

// A Result is what came of a mutant.
type Result struct {
	Mutant *Mutant // nil for the runtime as it is
	Killer string  // the program that failed, or ""
}

// Run builds the programs with m planted, or with none if m is nil, and runs
// them until one fails.
func (r *Runner) Run(ctx context.Context, m *Mutant) (*Result, error) {
	res := &Result{Mutant: m}
	dir, err := os.MkdirTemp(r.Dir, "mutant-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var flags []string
	if m != nil {
		o := plant.New(r.GOROOT, filepath.Join(dir, "overlay"))
		if err := m.Plant(o); err != nil {
			return nil, err
		}
		flag, err := o.Flag()
		if err != nil {
			return nil, err
		}
		flags = append(flags, flag)
		if m.Test != "" {
			res.Killer, err = r.test(ctx, m.Test, flag)
			return res, err
		}
	}
	for _, b := range binaries {
		exe := filepath.Join(dir, b)
		cmd := run.Command(ctx, filepath.Join(r.GOROOT, "bin", "go"), append(append([]string{"build"}, flags...), "-o", exe, ".")...)
		cmd.Dir = filepath.Join(r.GOROOT, "src", "runtime", "testdata", b)
		cmd.Env = goroot.Environ("GOCACHE="+r.Cache, "PWD="+cmd.Dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s does not build: %v\n%s", b, err, out)
		}
		if res.Killer, err = r.programs(ctx, exe); err != nil || res.Killer != "" {
			return res, err
		}
	}
	interp := filepath.Join(dir, "interp")
	if err := fuzz.Build(ctx, r.Repo, r.GOROOT, r.Dir, interp, flags...); err != nil {
		return nil, err
	}
	stock := ""
	if r.Stock != "" {
		stock = filepath.Join(r.Dir, "interp-stock")
		r.interp.Do(func() { r.built = fuzz.Build(ctx, r.Repo, r.Stock, r.Dir, stock) })
		if r.built != nil {
			return nil, r.built
		}
	}
	c := &fuzz.Campaign{
		Runner: &fuzz.Runner{Interp: interp, Stock: stock, Limit: r.Limit, Repeat: 3},
		Seed:   1, Count: r.Fuzz, Size: 40, Workers: r.Workers, Max: 1, Dir: dir,
		Printf: func(string, ...any) {},
	}
	s, err := c.Run(ctx)
	if err != nil {
		return nil, err
	}
	if s.Failed() {
		res.Killer = "the fuzzer"
	}
	return res, nil
}

// Plant puts the fault into the overlay of a toolchain.
func (m *Mutant) Plant(o *plant.Overlay) error {
	if err := o.Replace("src/runtime/"+m.File, m.Old, m.New); err != nil {
		return fmt.Errorf("mutant %q: %w", m.Name, err)
	}
	return nil
}

// stress is how long the stress of the direct switch runs under each setting. A
// fault in a few instructions needs that.
const stress = 5 * time.Second

// test runs the tests of package runtime that match the pattern, built, like the
// programs that they build, with the flag. It returns the pattern if one fails.
func (r *Runner) test(ctx context.Context, pattern, flag string) (killer string, err error) {
	bin := filepath.Join(r.GOROOT, "bin")
	cmd := run.Command(ctx, filepath.Join(bin, "go"), "test", "-vet=off", "-count=1", "-timeout=5m", "-v", "-run=^"+strings.ReplaceAll(pattern, "/", "$/^")+"$", "runtime")
	cmd.Env = goroot.Environ("GOCACHE="+r.Cache, "GOFLAGS="+flag, "GOCORO_STRESS="+stress.String(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	top, _, _ := strings.Cut(pattern, "/")
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case strings.Contains(string(out), "--- PASS: "+top+" ("):
		return "", nil
	case strings.Contains(string(out), "=== RUN   "+top+"\n") && !strings.Contains(string(out), "--- SKIP: "+top+" ("):
		return pattern, nil
	}
	return "", fmt.Errorf("%s did not run: %v\n%s", pattern, err, out)
}

// programs runs the shared-lock programs of a binary and returns the first one
// seen to fail.
func (r *Runner) programs(ctx context.Context, exe string) (killer string, err error) {
	limited, cancel := context.WithTimeout(ctx, r.Limit)
	defer cancel()
	out, err := run.Command(limited, exe, "CoroSharedNames").CombinedOutput()
	if err != nil {
		return "CoroSharedNames", ctx.Err() // the runtime does not even start
	}
	var names []string
	for _, name := range strings.Fields(string(out)) {
		if name != "CoroSharedNames" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", fmt.Errorf("%s has no programs of the shared locks", exe)
	}
	var mu sync.Mutex
	found := errors.New("found")
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(r.Workers)
	for _, name := range names {
		g.Go(func() error {
			if gctx.Err() != nil {
				return nil
			}
			ok, err := r.program(gctx, exe, name)
			if err != nil || ok || gctx.Err() != nil {
				return err
			}
			mu.Lock()
			killer = name
			mu.Unlock()
			return found
		})
	}
	if err := g.Wait(); err != nil && err != found {
		return "", err
	}
	return killer, ctx.Err()
}

// program reports whether one program does what its first line says.
func (r *Runner) program(ctx context.Context, exe, name string) (bool, error) {
	limited, cancel := context.WithTimeout(ctx, r.Limit)
	defer cancel()
	cmd := run.Command(limited, exe, name)
	cmd.Env = append(os.Environ(), "GODEBUG=")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) && limited.Err() == nil {
		return false, err
	}
	first, rest, _ := strings.Cut(out.String(), "\n")
	want, ok := strings.CutPrefix(first, "expect: ")
	switch {
	case !ok:
		return false, nil
	case want == "OK":
		return err == nil && rest == "OK\n", nil
	}
	return err != nil && strings.Contains(rest, want), nil
}
