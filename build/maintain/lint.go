package main

import (
	"context"
	"flag"
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"gocoro/build/command"
	"gocoro/build/line"
	"gocoro/build/lint"
	"gocoro/build/options"
	"gocoro/build/store"
)

// lines loads the line of the flags or, for "all", every line.
func (s *session) lines(ctx context.Context) ([]*line.Line, error) {
	if s.flags.Line != "all" {
		l, err := s.line(ctx)
		return []*line.Line{l}, err
	}
	if err := s.Recover(ctx); err != nil {
		return nil, err
	}
	return s.Repo.All()
}

func lintCommand(fs *flag.FlagSet) command.Func {
	o := new(options.Lint)
	o.Register(fs)
	return noArgs(&o.Series, func(ctx context.Context, s *session) error {
		lines, err := s.lines(ctx)
		if err != nil {
			return err
		}
		var stale []lint.Problem
		if o.Docs {
			if stale, err = lint.Names(s.Repo); err != nil {
				return err
			}
		}
		for _, p := range stale {
			fmt.Println(p)
		}
		for _, l := range lines {
			if err := s.lint(ctx, l, o.Fast); err != nil {
				return err
			}
			if o.Build {
				d, err := s.driver(l)
				if err != nil {
					return err
				}
				if err := d.Builds(ctx); err != nil {
					return err
				}
				fmt.Printf("line %s: builds after each patch\n", l.Name)
			}
		}
		if n := len(stale); n > 0 {
			fmt.Printf("documents: %d found\n", n)
			return command.ExitError(1)
		}
		return nil
	})
}

// lint checks the line, prints what it finds, and returns an ExitError if it finds
// anything.
func (s *session) lint(ctx context.Context, l *line.Line, fast bool) error {
	up, err := s.fetch(ctx, l)
	if err != nil {
		return err
	}
	problems, err := lint.Files(l, up)
	if err != nil {
		return err
	}
	texts, err := s.Canonical(ctx, l)
	if err != nil {
		return err
	}
	more, err := lint.Canonical(l, texts)
	if err != nil {
		return err
	}
	problems = append(problems, more...)
	if !fast && len(problems) == 0 {
		if version.Compare(version.Lang(runtime.Version()), version.Lang(l.Pin.Upstream)) < 0 {
			return s.newer(ctx, l, up)
		}
		if problems, err = s.compile(ctx, l, up); err != nil {
			return err
		}
	}
	for _, p := range problems {
		fmt.Println(p)
	}
	if n := len(problems); n > 0 {
		fmt.Printf("line %s: %d found\n", l.Name, n)
		return command.ExitError(1)
	}
	fmt.Printf("line %s: ok\n", l.Name)
	return nil
}

// newer lints the line with a program that the line's own release compiles, because
// a type-checker does not know the language of a newer Go than its own.
func (s *session) newer(ctx context.Context, l *line.Line, up string) error {
	s.rep.Printf("compiling lint with %s: %s does not know its language", l.Pin.Upstream, runtime.Version())
	cmd := exec.CommandContext(ctx, filepath.Join(up, "bin", "go"), "run", "gocoro/build/maintain", "lint", "-docs=false", "-line", l.Name, "-source", s.flags.Source)
	cmd.Env = append(os.Environ(), "GOROOT="+up, "GOTOOLCHAIN=local")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	s.rep.TraceCmd(cmd)
	err := cmd.Run()
	if _, ok := err.(*exec.ExitError); ok {
		return command.ExitError(1) // it has said why
	}
	return err
}

// compile type-checks the steps of the series in a temporary tree. The tree is in
// the cache, where it can have links to upstream's files.
func (s *session) compile(ctx context.Context, l *line.Line, up string) ([]lint.Problem, error) {
	tmp := filepath.Join(s.Store.Root, "tmp")
	if err := os.MkdirAll(tmp, 0o777); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(tmp, "lint-")
	if err != nil {
		return nil, err
	}
	defer store.RemoveAll(dir)
	// The go command of the release, which go/packages finds by PATH.
	path := os.Getenv("PATH")
	if err := os.Setenv("PATH", filepath.Join(up, "bin")+string(filepath.ListSeparator)+path); err != nil {
		return nil, err
	}
	defer os.Setenv("PATH", path)
	step := s.rep.Start("lint", "type-checking the series")
	problems, err := lint.Compile(ctx, l, up, dir, func(patch string) { step.Detail("type-checking after " + patch) }, s.rep.TraceCmd)
	if err != nil {
		step.Fail()
		return nil, err
	}
	step.Done("type-checked after each patch")
	return problems, nil
}
