// Package mutate plants faults in a patched runtime, one at a time, and checks that a
// test, the shared-lock programs or the fuzzer notice. A test that passes with any
// runtime proves nothing.
package mutate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gocoro/build/goroot"
	"gocoro/build/run"
	"gocoro/ci/fuzz"
	"gocoro/ci/plant"
	"gocoro/ci/platform/system"
)

// A Runner plants mutants in the runtime of GOROOT, which stays as it is: the
// go command reads other files instead of GOROOT's.
type Runner struct {
	Repo    string // the directory of this project
	GOROOT  string // a toolchain of a line with the shared locks
	Dir     string // the directory for what is built, and for the go command's cache
	Workers int
	Limit   time.Duration // for each program
	Fuzz    int           // how many random programs a survivor is tried with
	Stock   string        // stock upstream, to compare those with, or empty

	interp sync.Once // compiles the interpreter of random programs with Stock
	built  error
}

var binaries = []string{"testprog", "testprogcgo"}

// Run builds the programs with m planted, or with none if m is nil, and runs
// them until one fails. It returns the program that failed, or "".
func (r *Runner) Run(ctx context.Context, m *Mutant) (killer string, err error) {
	dir, err := os.MkdirTemp(r.Dir, "mutant-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	var flags []string
	if m != nil {
		o := plant.New(r.GOROOT, filepath.Join(dir, "overlay"))
		if err := m.Plant(o); err != nil {
			return "", err
		}
		flag, err := o.Flag()
		if err != nil {
			return "", err
		}
		if m.Test != "" {
			return r.test(ctx, m.Test, flag)
		}
		flags = []string{flag}
	}
	for _, b := range binaries {
		exe := filepath.Join(dir, b)
		cmd := run.Command(ctx, filepath.Join(r.GOROOT, "bin", "go"), slices.Concat([]string{"build"}, flags, []string{"-o", exe, "."})...)
		cmd.Dir = filepath.Join(r.GOROOT, "src", "runtime", "testdata", b)
		cmd.Env = goroot.Environ("GOCACHE="+filepath.Join(r.Dir, "gocache"), "PWD="+cmd.Dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s does not build: %v\n%s", b, err, out)
		}
		if killer, err := r.programs(ctx, exe); err != nil || killer != "" {
			return killer, err
		}
	}
	interp := filepath.Join(dir, "interp")
	if err := fuzz.Build(ctx, r.Repo, r.GOROOT, r.Dir, interp, flags...); err != nil {
		return "", err
	}
	stock := ""
	if r.Stock != "" {
		stock = filepath.Join(r.Dir, "interp-stock")
		r.interp.Do(func() { r.built = fuzz.Build(ctx, r.Repo, r.Stock, r.Dir, stock) })
		if r.built != nil {
			return "", r.built
		}
	}
	c := &fuzz.Campaign{
		Runner: &fuzz.Runner{Interp: interp, Stock: stock, Limit: r.Limit, Repeat: 3},
		Seed:   1, Count: r.Fuzz, Size: 40, Workers: r.Workers, Max: 1, Dir: dir,
		Printf: func(string, ...any) {},
	}
	s, err := c.Run(ctx)
	if err == nil && s.Failed() {
		killer = "the fuzzer"
		if len(s.Findings) > 0 {
			killer = fmt.Sprintf("the fuzzer, seed %d, %s", s.Findings[0].Seed, s.Findings[0].Outcome)
		}
	}
	return killer, err
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
	cmd.Env = goroot.Environ("GOCACHE="+filepath.Join(r.Dir, "gocache"), "GOFLAGS="+flag, "GOCORO_STRESS="+stress.String(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
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
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited && limited.Err() == nil {
		return false, err
	}
	exit := 0
	if err != nil {
		exit = 1
	}
	return system.Program{}.Check(out.String(), exit) == "", nil
}
