package command

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"strings"
	"testing"
)

var toy = Program{
	Name:    "toy",
	Doc:     "Toy does little.",
	Default: "one",
	Commands: []Command{
		{Name: "one", Args: "[-f S]", Short: "do one thing", Long: "\nOne is a thing.", Setup: func(fs *flag.FlagSet) func(context.Context, []string) error {
			f := fs.String("f", "", "fail with `S`")
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
		{"two", 2, "", "toy: unknown command \"two\"\n\ttoy help lists the commands\n"},
		{"one -g", 2, "", "flag provided but not defined: -g\n\ttoy help one explains the flags\n"},
		{"help", 0, "Toy does little.\n\nUsage:\n\n\ttoy [command] [flags]\n", ""},
		{"--help", 0, "\tone        do one thing (what runs when no command is named)\n", ""},
		{"help one", 0, "Usage: toy one [-f S]\n\nOne is a thing.\n\nFlags:\n\n  -f S\n    \tfail with S\n", ""},
		{"one -h", 0, "Usage: toy one [-f S]\n", ""},
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
