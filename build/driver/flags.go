package driver

import (
	"context"
	"flag"
	"os"

	"gocoro/build/command"
	"gocoro/build/line"
	"gocoro/build/progress"
	"gocoro/build/store"
)

// Flags are the flags that the steps share.
type Flags struct {
	Line   string
	Source string
	Trace  bool
	Dry    bool
	Stream bool
}

// Register defines the flags of the steps.
func (f *Flags) Register(fs *flag.FlagSet) {
	fs.StringVar(&f.Line, "line", "", "the `line` to build, such as go1.22, or the name of its release (default: the line of VERSION)")
	fs.StringVar(&f.Source, "source", "module", "where to get the upstream release: module, or tarball=PATH or URL")
	fs.BoolVar(&f.Trace, "x", false, "print each command before it runs")
	fs.BoolVar(&f.Dry, "n", false, "print what would be done, and do nothing")
	fs.BoolVar(&f.Stream, "v", false, "print the output of the commands as they run")
}

// Open returns the driver that the flags ask for, in the checkout that holds
// the working directory.
func (f *Flags) Open() (*Driver, error) {
	l, err := line.Find(f.Line)
	if err != nil {
		return nil, err
	}
	st, err := store.Open()
	if err != nil {
		return nil, err
	}
	rep := progress.New(os.Stderr)
	rep.Trace, rep.Stream = f.Trace, f.Stream
	d, err := New(l, f.Source, st, rep)
	if err != nil {
		return nil, err
	}
	d.Dry = f.Dry
	return d, nil
}

// Use calls f, which uses what the store holds.
func (d *Driver) Use(ctx context.Context, f func() error) error {
	if d.Dry {
		return store.Explain(f(), d.Store.Root)
	}
	return d.Store.Do(ctx, f)
}

// Command returns the function of a command that takes no arguments: it opens
// the driver that the flags ask for, and calls do while no other process
// cleans the store.
func (f *Flags) Command(do func(context.Context, *Driver) error) command.Func {
	return command.FlagsOnly(func(ctx context.Context) error {
		d, err := f.Open()
		if err != nil {
			return err
		}
		return d.Use(ctx, func() error { return do(ctx, d) })
	})
}
