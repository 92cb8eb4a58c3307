// Package command implements the command line of a gocoro program: a table of
// commands with their flags and help, and how errors are reported.
package command

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"gocoro/build/hint"
	"gocoro/build/run"
)

// A Command is a row of a program's table.
type Command struct {
	Name  string
	Args  string // "[-line L] [name ...]"
	Short string // what the command is for: one line without a period
	Long  string // paragraphs

	Setup Setup // nil in a program that does not run the command itself

	// Program is the import path of the program that runs the command if
	// Setup is nil. It is compiled only to run the command, so that rarely
	// used dependencies are compiled only when needed. Its flags are here for
	// the help.
	Program string
	Flags   func(fs *flag.FlagSet)
}

// A Func runs a command with the arguments that are not flags.
type Func = func(ctx context.Context, args []string) error

// A Setup defines a command's flags and returns the function that runs it.
type Setup func(fs *flag.FlagSet) Func

// A Group is a part of a program's table, under a heading in the help.
type Group struct {
	Heading  string // "" for none
	Commands []Command
}

// In returns the commands as ones that another program runs.
func In(program string, commands []Command) []Command {
	commands = slices.Clone(commands)
	for i := range commands {
		commands[i].Program = program
	}
	return commands
}

// With returns the commands with their setups, which are given by name.
func With(commands []Command, setups map[string]Setup) []Command {
	commands = slices.Clone(commands)
	for i, c := range commands {
		if commands[i].Setup = setups[c.Name]; commands[i].Setup == nil {
			panic("no setup of command " + c.Name)
		}
	}
	return commands
}

// A Program is a table of commands under a name.
type Program struct {
	Name     string // as typed: "go run ./build"
	Doc      string // what it is, a paragraph
	Default  string // the command that runs when none is named
	Commands []Command
	Groups   []Group // more commands
}

// all returns the program's commands.
func (p *Program) all() []Command {
	all := slices.Clone(p.Commands)
	for _, g := range p.Groups {
		all = append(all, g.Commands...)
	}
	return all
}

// An ExitError ends the program with the given status and no further message.
type ExitError int

func (e ExitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Main runs the program with the arguments and returns its exit status: 0, 1
// for a failure, 2 for arguments that it does not understand. SIGINT, SIGTERM
// and SIGHUP end the context.
func (p *Program) Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return p.run(ctx, args, os.Stdout, os.Stderr)
}

func (p *Program) run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	name := p.Default
	if len(args) > 0 {
		switch a := args[0]; {
		case a == "help" || a == "-h" || a == "-help" || a == "--help":
			return p.help(args[1:], stdout, stderr)
		case !strings.HasPrefix(a, "-"):
			name, args = a, args[1:]
		}
	}
	c := p.find(name)
	if c == nil {
		fmt.Fprintf(stderr, "%s: unknown command %q\n\t%s help lists the commands\n", p.Name, name, p.Name)
		return 2
	}
	if c.Setup == nil {
		return p.other(ctx, c, append([]string{c.Name}, args...), stdout, stderr)
	}
	fs, do := p.setup(c, stderr)
	flags, names := split(fs, args)
	if err := fs.Parse(flags); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			p.helpOn(c, stdout)
			return 0
		}
		fmt.Fprintf(stderr, "\t%s help %s explains the flags\n", p.Name, c.Name)
		return 2
	}
	if f := unset(fs); f != "" {
		fmt.Fprintf(stderr, "invalid value \"\" for flag -%s: want a value (is a variable of the shell not set?)\n\t%s help %s explains the flags\n", f, p.Name, c.Name)
		return 2
	}
	err := do(ctx, names)
	var exit ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	case errors.Is(err, errUsage):
		fmt.Fprintf(stderr, "%s %s: %v\n\t%s help %s explains it\n", p.Name, c.Name, err, p.Name, c.Name)
		return 2
	case ctx.Err() != nil:
		fmt.Fprintf(stderr, "%s: interrupted; finished steps are kept, run the command again to continue\n", p.Name)
		return 1
	}
	fmt.Fprintf(stderr, "%s: %s\n", p.Name, hint.Text(err))
	return 1
}

func (p *Program) find(name string) *Command {
	all := p.all()
	if i := slices.IndexFunc(all, func(c Command) bool { return c.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

func (p *Program) setup(c *Command, stderr io.Writer) (*flag.FlagSet, Func) {
	fs := flag.NewFlagSet(p.Name+" "+c.Name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {}
	if c.Setup == nil {
		c.Flags(fs)
		return fs, nil
	}
	return fs, c.Setup(fs)
}

// split separates the flags, with their values, from the other arguments. Unlike in
// package flag, flags may follow names. All arguments after -- are names.
func split(fs *flag.FlagSet, args []string) (flags, names []string) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return flags, append(names, args...)
		case len(arg) < 2 || arg[0] != '-':
			names = append(names, arg)
			continue
		}
		flags = append(flags, arg)
		name, _, hasValue := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		if f := fs.Lookup(name); f != nil && !hasValue && !isBool(f) && len(args) > 0 {
			flags = append(flags, args[0])
			args = args[1:]
		}
	}
	return flags, names
}

// isBool reports whether the flag takes its value only after =.
func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// unset returns the name of a flag whose value is the empty string, or "". It comes
// from a shell variable that is not set: the command would silently use the flag's
// default. The values that a flag of fs.Func takes are its own affair.
func unset(fs *flag.FlagSet) (name string) {
	fs.Visit(func(f *flag.Flag) {
		if _, ok := f.Value.(flag.Getter); ok && f.Value.String() == "" {
			name = f.Name
		}
	})
	return name
}

// flagInUsage matches a flag in the Args of a command.
var flagInUsage = regexp.MustCompile(`(?:^|[ \[|])-([a-z][-a-z0-9]*)`)

// CheckUsage compares the flags in the usage lines of the program's commands with
// the flags that the commands define, and returns the differences in words.
func (p *Program) CheckUsage() []string {
	var diffs []string
	for _, c := range p.all() {
		fs, _ := p.setup(&c, io.Discard)
		shown := map[string]bool{}
		for _, m := range flagInUsage.FindAllStringSubmatch(c.Args, -1) {
			shown[m[1]] = true
			if fs.Lookup(m[1]) == nil {
				diffs = append(diffs, fmt.Sprintf("%s: the usage line has -%s, which is no flag", c.Name, m[1]))
			}
		}
		fs.VisitAll(func(f *flag.Flag) {
			if !shown[f.Name] {
				diffs = append(diffs, fmt.Sprintf("%s: the usage line lacks -%s", c.Name, f.Name))
			}
		})
	}
	return diffs
}

// other compiles the program of the command and runs it.
func (p *Program) other(ctx context.Context, c *Command, args []string, stdout, stderr io.Writer) int {
	dir, err := os.MkdirTemp("", "gocoro")
	if err != nil {
		fmt.Fprintf(stderr, "%s %s: %v\n", p.Name, c.Name, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, path.Base(path.Dir(c.Program)))
	// Git refuses a checkout that another user owns, as in a container, and
	// this program does not need its revision.
	build := run.Command(ctx, "go", "build", "-buildvcs=false", "-o", program, c.Program)
	var words bytes.Buffer
	build.Stdout = io.MultiWriter(stderr, &words)
	build.Stderr = build.Stdout
	if err := build.Run(); err != nil {
		fmt.Fprintf(stderr, "%s %s: compiling %s failed: %v\n\t%s\n", p.Name, c.Name, c.Program, err, advice(c, err, words.String()))
		return 1
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	case err != nil:
		fmt.Fprintf(stderr, "%s %s: %v\n", p.Name, c.Name, err)
		return 1
	}
	return 0
}

// advice returns what to do after the go command failed to compile the program of c
// and printed the words.
func advice(c *Command, err error, words string) string {
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "put the bin directory of a Go installation on PATH, and run the command again"
	case strings.Contains(words, "is not in std"), strings.Contains(words, "go.mod file not found"), strings.Contains(words, "no required module provides"):
		return "run it from inside the checkout of gocoro"
	}
	return "the go command's message is above; to see it again: go build -buildvcs=false -o " + os.DevNull + " " + c.Program
}

func (p *Program) help(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprintf(stdout, "%s\n\nUsage:\n\n\t%s [command] [flags]\n", p.Doc, p.Name)
		for _, g := range append([]Group{{"The commands are", p.Commands}}, p.Groups...) {
			if len(g.Commands) == 0 {
				continue
			}
			fmt.Fprintf(stdout, "\n%s:\n\n", g.Heading)
			for _, c := range g.Commands {
				mark := ""
				if c.Name == p.Default {
					mark = " (default)"
				}
				fmt.Fprintf(stdout, "\t%-10s %s%s\n", c.Name, c.Short, mark)
			}
		}
		fmt.Fprintf(stdout, "\nUse \"%s help <command>\" for more about a command.\n", p.Name)
		return 0
	}
	c := p.find(args[0])
	if c == nil {
		fmt.Fprintf(stderr, "%s: no help on %q: it is not a command\n\t%s help lists the commands\n", p.Name, args[0], p.Name)
		return 2
	}
	p.helpOn(c, stdout)
	return 0
}

func (p *Program) helpOn(c *Command, stdout io.Writer) {
	fmt.Fprintf(stdout, "Usage: %s\n\n%s\n", strings.TrimSpace(p.Name+" "+c.Name+" "+c.Args), strings.TrimSpace(c.Long))
	fs, _ := p.setup(c, stdout)
	any := false
	fs.VisitAll(func(*flag.Flag) { any = true })
	if any {
		fmt.Fprintf(stdout, "\nFlags:\n\n")
		fs.PrintDefaults()
	}
}

var errUsage = errors.New("unexpected argument")

// NoArgs returns an error if there are arguments.
func NoArgs(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%w %q: this command takes flags only", errUsage, args[0])
	}
	return nil
}

// FlagsOnly returns the function of a command that takes no arguments.
func FlagsOnly(do func(context.Context) error) Func {
	return func(ctx context.Context, args []string) error {
		if err := NoArgs(args); err != nil {
			return err
		}
		return do(ctx)
	}
}
