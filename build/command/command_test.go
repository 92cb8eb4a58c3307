package command

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var toy = Program{
	Name:    "toy",
	Doc:     "Toy does little.",
	Default: "one",
	Commands: []Command{
		{Name: "one", Args: "[-f S] [-g S]", Short: "do one thing", Long: "\nOne is a thing.", Setup: func(fs *flag.FlagSet) func(context.Context, []string) error {
			f := fs.String("f", "", "fail with `S`")
			fs.Func("g", "do nothing with `S`, which may be empty", func(string) error { return nil })
			return func(ctx context.Context, args []string) error {
				if *f == "exit" {
					return ExitError(7)
				}
				if *f != "" {
					return errors.New(*f)
				}
				return NoArgs(args)
			}
		}},
	},
}

func TestProgram(t *testing.T) {
	for _, tt := range []struct {
		args           string
		status         int
		stdout, stderr string // a part of it; "" means that there is none
	}{
		{"", 0, "", ""},
		{"one", 0, "", ""},
		{"one -f oh", 1, "", "toy: oh\n"},
		{"-f oh", 1, "", "toy: oh\n"},
		{"-f exit", 7, "", ""},
		{"one two", 2, "", "toy one: unexpected argument \"two\": this command takes flags only\n\ttoy help one explains it\n"},
		{"one two -f oh", 1, "", "toy: oh\n"},
		{"one two -f", 2, "", "flag needs an argument: -f\n"},
		{"one two -h2", 2, "", "flag provided but not defined: -h2\n"},
		{"one -- -f", 2, "", "toy one: unexpected argument \"-f\""},
		{"one two --help", 0, "Usage: toy one [-f S] [-g S]\n", ""},
		{"two", 2, "", "toy: unknown command \"two\"\n\ttoy help lists the commands\n"},
		{"one -h2", 2, "", "flag provided but not defined: -h2\n\ttoy help one explains the flags\n"},
		{"one -f=", 2, "", "invalid value \"\" for flag -f: want a value (is a variable of the shell not set?)\n\ttoy help one explains the flags\n"},
		{"one -g=", 0, "", ""},
		{"help", 0, "Toy does little.\n\nUsage:\n\n\ttoy [command] [flags]\n", ""},
		{"--help", 0, "\tone        do one thing (default)\n", ""},
		{"help one", 0, "Usage: toy one [-f S] [-g S]\n\nOne is a thing.\n\nFlags:\n\n  -f S\n    \tfail with S\n", ""},
		{"one -h", 0, "Usage: toy one [-f S] [-g S]\n", ""},
		{"help two", 2, "", "toy: no help on \"two\""},
	} {
		var stdout, stderr bytes.Buffer
		status := toy.run(context.Background(), strings.Fields(tt.args), &stdout, &stderr)
		if status != tt.status || !holds(stdout.String(), tt.stdout) || !holds(stderr.String(), tt.stderr) {
			t.Errorf("toy %s: status %d, stdout %q, stderr %q\nwant %d, %q, %q", tt.args, status, &stdout, &stderr, tt.status, tt.stdout, tt.stderr)
		}
	}
}

func holds(text, part string) bool {
	return strings.Contains(text, part) && (part != "" || text == "")
}

func TestSplit(t *testing.T) {
	for _, tc := range []struct {
		name         string
		args         string
		flags, names string
	}{
		{"none", "", "", ""},
		{"flags first", "-n -o DIR a b", "-n -o DIR", "a b"},
		{"flags last", "a b -n -o DIR", "-n -o DIR", "a b"},
		{"flags between", "a -n b -o=DIR c", "-n -o=DIR", "a b c"},
		{"two dashes", "a --n --o DIR", "--n --o DIR", "a"},
		{"a value that looks like a flag", "a -o -n b", "-o -n", "a b"},
		{"a value that looks like the end", "a -o -- b -n", "-o -- -n", "a b"},
		{"a bool with a value", "a -n=false b", "-n=false", "a b"},
		{"the end of flags", "-n a -- -o b -n", "-n", "a -o b -n"},
		{"a dash", "- -n", "-n", "-"},
		{"an unknown flag", "a -x b", "-x", "a b"},
		{"no value", "a -o", "-o", "a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fs := flag.NewFlagSet("", flag.ContinueOnError)
			fs.Bool("n", false, "")
			fs.String("o", "", "")
			flags, names := split(fs, strings.Fields(tc.args))
			if got := strings.Join(flags, " "); got != tc.flags {
				t.Errorf("flags: got %q, want %q", got, tc.flags)
			}
			if got := strings.Join(names, " "); got != tc.names {
				t.Errorf("names: got %q, want %q", got, tc.names)
			}
		})
	}
}

func TestCheckUsage(t *testing.T) {
	setup := func(fs *flag.FlagSet) func(context.Context, []string) error {
		fs.Bool("n", false, "")
		fs.String("sumdb-key", "", "")
		return nil
	}
	for _, tc := range []struct {
		args string
		want string
	}{
		{"[-n] [-sumdb-key FILE] DIR", ""},
		{"-sumdb-key a-b|c [-n|-sumdb-key x] [NAME ...]", ""},
		{"[-n]", "x: the usage line lacks -sumdb-key"},
		{"[-n] [-sumdb-key FILE] [-v]", "x: the usage line has -v, which is no flag"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			p := Program{Commands: []Command{{Name: "x", Args: tc.args, Setup: setup}, {Name: "far", Args: "[-g]", Program: "toy/program", Flags: func(fs *flag.FlagSet) { fs.Bool("g", false, "") }}}}
			if got := strings.Join(p.CheckUsage(), "\n"); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// The program of a command also compiles in a checkout that git believes to be
// another user's, as in a container.
func TestForeignCheckout(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":          "module toy\n\ngo 1.22\n",
		"program/main.go": "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n)\n\nfunc main() { fmt.Println(os.Args[1:]) }\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("git", "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	t.Chdir(dir)
	t.Setenv("GOFLAGS", "-buildvcs=auto") // what it is if nobody sets it
	t.Setenv("GOWORK", "off")
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	p := Program{Name: "toy", Commands: []Command{{Name: "far", Program: "toy/program"}}}
	var stdout, stderr bytes.Buffer
	status := p.run(t.Context(), []string{"far", "-n", "x"}, &stdout, &stderr)
	if got, want := stdout.String(), "[far -n x]\n"; status != 0 || got != want {
		t.Errorf("got status %d, stdout %q, stderr %q; want 0 and %q", status, got, &stderr, want)
	}
}
