// Package options defines the command lines of those commands of
// "go run ./build" that other programs run: their names, flags and help.
//
// The driver prints the help from here, at once. It compiles the other program
// only to run a command.
package options

import "flag"

// A Series has the flags of the commands that work on a line's series.
type Series struct {
	Line   string
	Source string
	Trace  bool // print each command
}

// Register defines the flags.
func (o *Series) Register(fs *flag.FlagSet) {
	fs.StringVar(&o.Line, "line", "", "the `line`, such as go1.22 (default: the line of VERSION)")
	o.registerSource(fs)
}

func (o *Series) registerSource(fs *flag.FlagSet) {
	fs.StringVar(&o.Source, "source", "module", "where to get the upstream release: module, or tarball=PATH or URL")
	fs.BoolVar(&o.Trace, "x", false, "print each command before it runs")
}

// flags returns the function that defines the flags of a command, for its help.
func flags(o interface{ Register(*flag.FlagSet) }) func(*flag.FlagSet) { return o.Register }
