package subcommand

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"gocoro/build/command"
	"gocoro/build/doctor"
	"gocoro/build/env"
	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/store"
)

// Env is the command that prints the settings of a route to the toolchain.
func Env(fs *flag.FlagSet) command.Func {
	f := new(flags)
	fs.StringVar(&f.Line, "line", "", "the `line` whose release to use (default: the line of VERSION)")
	f.registerTarget(fs)
	route := fs.String("route", "path", "the `way` to the toolchain: path (installed), unpacked (an archive or a copy elsewhere) or module (a release directory)")
	shell := fs.String("shell", "sh", "the `language` to print: "+env.Shells)
	dir := fs.String("dir", "", "for -route unpacked: the `directory` of the toolchain")
	url := fs.String("url", "", "for -route module: the `URL` of the release directory")
	key := fs.String("key", "", "for -route module: the public `key` of its checksum database")
	return command.FlagsOnly(func(ctx context.Context) error {
		l, err := line.Find(f.Line)
		if err != nil {
			return err
		}
		for _, v := range []struct{ flag, value, route string }{{"-dir", *dir, "unpacked"}, {"-url", *url, "module"}, {"-key", *key, "module"}, {"-root", f.Root, "path"}, {"-bin", f.Bin, "path"}} {
			if v.value != "" && v.route != *route {
				return hint.Add(fmt.Errorf("%s is a flag of -route %s, not of -route %s", v.flag, v.route, *route), "go run ./build help env explains the flags")
			}
		}
		var settings []env.Setting
		switch *route {
		case "path":
			t, err := f.readable(ctx, l.Release())
			if err != nil {
				return err
			}
			if !t.Linked() {
				fmt.Fprintf(os.Stderr, "note: %s is not installed yet: go run ./build%s\n", t.Name, f.again())
			}
			settings = env.Path(t.Name, t.Bin)
		case "unpacked":
			if *dir == "" {
				return errors.New("-route unpacked needs the directory of the toolchain: -dir DIR")
			}
			abs, err := filepath.Abs(*dir)
			if err != nil {
				return err
			}
			data, err := os.ReadFile(filepath.Join(abs, "VERSION"))
			if got, _, _ := strings.Cut(string(data), "\n"); err != nil || got != l.Release() {
				return hint.Add(fmt.Errorf("-dir %s does not hold %s (its VERSION says %q)", abs, l.Release(), got), "give the directory that holds its bin, src and VERSION")
			}
			settings = env.Unpacked(abs)
		case "module":
			if *url == "" {
				return errors.New("-route module needs the URL of the release directory: -url URL")
			}
			// The user's setting, or the go command's default.
			cmd := exec.CommandContext(ctx, "go", "env", "GOPROXY")
			cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local") // whichever it is
			others, err := cmd.Output()
			if err != nil {
				return hint.Add(fmt.Errorf("go env GOPROXY: %v", err), "put the bin directory of a Go installation on PATH")
			}
			if settings, err = env.Module(l.Release(), *url, *key, strings.TrimSpace(string(others))); err != nil {
				return err
			}
		default:
			return hint.Add(fmt.Errorf("unknown -route %q: want path, unpacked or module", *route), "go run ./build help env explains them")
		}
		return env.Print(os.Stdout, *shell, settings)
	})
}

// Doctor is the command that looks for problems on the user's machine.
func Doctor(fs *flag.FlagSet) command.Func {
	f := new(flags)
	fs.StringVar(&f.Line, "line", "", "the `line` to look at (default: the line of VERSION)")
	f.registerTarget(fs)
	dir := fs.String("dir", ".", "the `directory` of the module that you build with the toolchain")
	return command.FlagsOnly(func(ctx context.Context) error {
		findings, err := f.examine(ctx, *dir)
		if err != nil {
			return err
		}
		bad := 0
		for _, x := range findings {
			fmt.Println(x)
			if x.Bad() {
				bad++
			}
		}
		if bad > 0 {
			fmt.Printf("\nproblems that would stop a build or select another toolchain: %d\n", bad)
			return command.ExitError(1)
		}
		fmt.Println("\nno problems found")
		return nil
	})
}

// examine returns the findings for the module in dir. In a checkout that is not
// whole that is the only one: its lines cannot be loaded.
func (f *flags) examine(ctx context.Context, dir string) ([]doctor.Finding, error) {
	repo, err := line.FindRepo(".")
	if err != nil {
		return nil, err
	}
	if err := repo.Whole(); err != nil {
		return []doctor.Finding{{Level: doctor.Stop, Text: err.Error(), Fix: strings.Join(hint.Of(err), "\n")}}, nil
	}
	l, err := repo.Line(f.Line)
	if err != nil {
		return nil, err
	}
	t, err := f.readable(ctx, l.Release())
	if err != nil {
		return nil, err
	}
	st, cache := store.Open()
	m, err := doctor.Look(ctx, l, st, t, dir)
	if err != nil {
		return nil, err
	}
	m.Cache = cache
	return doctor.Examine(m), nil
}
