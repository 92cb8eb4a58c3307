// Package subcommand implements the commands that "go run ./build" runs itself,
// with package driver. Package options has the lines of the others.
package subcommand

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"gocoro/build/command"
	"gocoro/build/driver"
	"gocoro/build/goroot"
	"gocoro/build/hint"
	"gocoro/build/install"
	"gocoro/build/line"
	"gocoro/build/run"
	"gocoro/build/store"
)

// flags are the flags of the steps, and of the target of an installation.
type flags struct {
	driver.Flags
	Root string
	Bin  string
}

func (f *flags) registerTarget(fs *flag.FlagSet) {
	fs.StringVar(&f.Root, "root", "", "the `directory` that holds the installed toolchains (default ~/sdk)")
	fs.StringVar(&f.Bin, "bin", "", "the `directory` on PATH for the link (default GOBIN, or GOPATH/bin)")
}

// target returns the install target of the release with the given name.
func (f *flags) target(ctx context.Context, name string, trace func(*exec.Cmd)) (*install.Target, error) {
	t := &install.Target{Root: f.Root, Bin: f.Bin, Name: name, Flags: f.dirs()}
	var err error
	if t.Root == "" {
		if t.Root, err = install.DefaultRoot(); err != nil {
			return nil, err
		}
	}
	if t.Bin == "" {
		if t.Bin, err = install.DefaultBin(ctx, trace); err != nil {
			return nil, err
		}
	}
	if t.Root, err = filepath.Abs(t.Root); err != nil {
		return nil, err
	}
	t.Bin, err = filepath.Abs(t.Bin)
	return t, err
}

// existing returns the target, like readable, for a command that only looks at what
// exists: the directories of the flags must exist.
func (f *flags) existing(ctx context.Context) (*install.Target, error) {
	for _, v := range []struct{ flag, dir, next string }{
		{"-root", f.Root, "give the directory that holds installed toolchains, or leave -root out for ~/sdk"},
		{"-bin", f.Bin, "give the directory that holds their links, or leave -bin out for GOBIN"},
	} {
		if v.dir == "" {
			continue
		}
		f, err := os.Open(v.dir)
		if err == nil {
			f.Close()
			continue
		}
		why := fmt.Sprintf("%s %s is not a directory", v.flag, v.dir)
		if errors.Is(err, fs.ErrPermission) {
			why = fmt.Sprintf("%s %s: %v", v.flag, v.dir, fs.ErrPermission)
		}
		return nil, hint.Add(errors.New(why), "%s", v.next)
	}
	return f.readable(ctx, "")
}

// readable returns the target, like target, for a command that installs nothing:
// a file must not be in the place of its directories.
func (f *flags) readable(ctx context.Context, name string) (*install.Target, error) {
	t, err := f.target(ctx, name, nil)
	if err != nil {
		return nil, err
	}
	for _, v := range [][2]string{{"-root", t.Root}, {"-bin", t.Bin}} {
		if st, err := os.Stat(v[1]); err == nil && !st.IsDir() {
			return nil, hint.Add(fmt.Errorf("%s %s is not a directory", v[0], v[1]), "give another one with %s", v[0])
		}
	}
	return t, nil
}

// path returns the Setup of a command that runs one step and prints the path
// of its result.
func path(step func(*driver.Driver, context.Context) (string, error)) command.Setup {
	return func(fs *flag.FlagSet) command.Func {
		f := new(flags)
		f.Register(fs)
		return f.Command(func(ctx context.Context, d *driver.Driver) error {
			dir, err := step(d, ctx)
			if err == nil && !d.Dry {
				fmt.Println(dir)
			}
			return err
		})
	}
}

// Fetch, Tree and Make are the commands of the single steps.
var (
	Fetch = path((*driver.Driver).Fetch)
	Tree  = path((*driver.Driver).Tree)
	Make  = path((*driver.Driver).Make)
)

// Install is the command that does all steps.
func Install(fs *flag.FlagSet) command.Func {
	f := new(flags)
	f.Register(fs)
	f.registerTarget(fs)
	replace := fs.Bool("replace", false, "replace an installed toolchain of the same name that has other content")
	return f.Command(func(ctx context.Context, d *driver.Driver) error {
		t, err := f.target(ctx, d.Line.Release(), d.Rep.TraceCmd)
		if err != nil {
			return err
		}
		changed, err := d.Install(ctx, t, *replace)
		if err != nil {
			return err
		}
		if !changed {
			fmt.Printf("%s is installed and up to date: %s\n", t.Name, t.GOROOT())
		}
		if d.Dry {
			return nil
		}
		if err := d.Smoke(ctx, t); err != nil {
			return err
		}
		if changed {
			fmt.Print(next(t, f.again(), os.Getenv("PATH")))
		} else if h := pathHint(t, os.Getenv("PATH")); h != "" {
			fmt.Print("\n" + h)
		}
		return nil
	})
}

// again returns the flags that make another command mean the same
// installation.
func (f *flags) again() string {
	if f.Line == "" {
		return f.dirs()
	}
	return " -line " + run.Quote(f.Line) + f.dirs()
}

// dirs returns the flags of again that name directories.
func (f *flags) dirs() string {
	s := ""
	for _, v := range [][2]string{{"root", f.Root}, {"bin", f.Bin}} {
		if v[1] != "" {
			s += " -" + v[0] + " " + run.Quote(v[1])
		}
	}
	return s
}

// next tells what to type after an installation.
func next(t *install.Target, flags, path string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nInstalled %s in %s\n", t.Name, t.GOROOT())
	fmt.Fprintf(&b, "Linked    %s\n\n", t.Link())
	b.WriteString(pathHint(t, path))
	fmt.Fprintf(&b, "Use it for one command, or for all of them from now on:\n\n")
	fmt.Fprintf(&b, "\tGOTOOLCHAIN=%s go version\n\tgo env -w GOTOOLCHAIN=%s\n\n", t.Name, t.Name)
	fmt.Fprintf(&b, "To undo the latter, even after the toolchain was removed:\n\n\t%s\n\n", install.Unset)
	fmt.Fprintf(&b, "Test it:    go run ./ci\nRemove it:  go run ./build uninstall%s\n", flags)
	return b.String()
}

// pathHint tells what to type if PATH lacks the directory of the link, and
// returns "" if it has it.
func pathHint(t *install.Target, path string) string {
	if t.OnPath(path) {
		return ""
	}
	return fmt.Sprintf("%s is not on your PATH, where the go command looks for toolchains:\n\n\texport PATH=\"$PATH\":%s\n\n", t.Bin, run.Quote(t.Bin))
}

// API is the command that checks or makes a line's API baseline.
func API(fs *flag.FlagSet) command.Func {
	f := new(flags)
	f.Register(fs)
	write := fs.Bool("w", false, "write the baseline to the line's directory")
	return f.Command(func(ctx context.Context, d *driver.Driver) error {
		if d.Dry {
			fmt.Printf("would make the API baseline of %s and compare it with %s\n", d.Line.Pin.Upstream, d.Line.API())
			return nil
		}
		if *write {
			text, err := d.API(ctx)
			if err != nil {
				return err
			}
			data, err := goroot.PackAPI(text)
			if err != nil {
				return err
			}
			if err := store.WriteFile(d.Line.API(), data); err != nil {
				return err
			}
		}
		if err := d.CheckAPI(ctx); err != nil {
			return err
		}
		fmt.Printf("%s is the API of %s\n", d.Line.API(), d.Line.Pin.Upstream)
		return nil
	})
}

// Uninstall is the command that removes installed toolchains.
func Uninstall(fs *flag.FlagSet) command.Func {
	f := new(flags)
	fs.StringVar(&f.Line, "line", "", "the `line` whose release to remove (default: the line of VERSION)")
	fs.BoolVar(&f.Dry, "n", false, "print what would be removed, and remove nothing")
	force := fs.Bool("force", false, "remove a toolchain even if its files have changed or its record is damaged")
	f.registerTarget(fs)
	return func(ctx context.Context, args []string) error {
		if len(args) == 0 {
			l, err := line.Find(f.Line)
			if err != nil {
				return err
			}
			args = []string{l.Release()}
		}
		for _, name := range args {
			if !line.IsName(name) {
				return hint.Add(fmt.Errorf("%q is not the name of a gocoro release such as go1.22.12-coro1", name), "go run ./build list shows what is installed")
			}
		}
		st, err := store.Open()
		if err != nil {
			return err
		}
		st.Waiting = func(string) { fmt.Fprintln(os.Stderr, "waiting for another installation to finish") }
		at, err := f.existing(ctx)
		if err != nil {
			return err
		}
		// All names are looked at before the first is removed, by the same code
		// whether it is to be done or only to be said. They are locked in order,
		// so that two runs do not wait for each other.
		var all []*install.Removal
		for _, name := range slices.Compact(slices.Sorted(slices.Values(args))) {
			t := at.Named(name)
			var unlocked error
			switch {
			case !st.Exists(): // no process installs
			case f.Dry:
				unlocked = st.MayLock()
			default:
				lock, err := t.Lock(ctx, st)
				if unlocked = err; err == nil {
					defer lock.Close()
				}
			}
			rm, err := t.Removal(*force)
			if err == nil {
				err = unlocked
			}
			if err != nil {
				if len(args) > 1 {
					err = fmt.Errorf("nothing is removed: %w", err)
				}
				return err
			}
			all = append(all, rm)
		}
		for _, rm := range all {
			for _, w := range rm.Warnings() {
				fmt.Fprintln(os.Stderr, "warning: "+w)
			}
		}
		for _, rm := range all {
			did := "would remove"
			if !f.Dry {
				did = "removed"
				if err := rm.Do(); err != nil {
					return err
				}
			}
			fmt.Printf("%s %s\n", did, strings.Join(rm.Paths, " and "))
			for _, path := range rm.Kept {
				fmt.Printf("left %s, which does not link to %s\n", path, rm.Target.GOROOT())
			}
		}
		return nil
	}
}

// List is the command that shows the lines and what is installed.
func List(fs *flag.FlagSet) command.Func {
	f := new(flags)
	f.registerTarget(fs)
	return command.FlagsOnly(func(ctx context.Context) error {
		repo, err := line.FindRepo(".")
		if err != nil {
			return err
		}
		lines, err := repo.All()
		if err != nil {
			return err
		}
		def, err := repo.Default()
		if err != nil {
			return err
		}
		fmt.Println("Lines:")
		for _, l := range lines {
			patches, err := l.Patches()
			if err != nil {
				return err
			}
			mark := ""
			if l.Name == def {
				mark = ", default"
			}
			fmt.Printf("\t%-8s %s, %d patches%s\n", l.Name, l.Release(), len(patches), mark)
		}
		t, err := f.existing(ctx)
		if err != nil {
			return err
		}
		list, err := install.List(t.Root)
		if err != nil {
			return err
		}
		fmt.Printf("Installed in %s:\n", t.Root)
		for _, e := range list {
			it := t.Named(e.Name)
			if e.Err != nil {
				fmt.Printf("\t%s  DAMAGED: %v\n\trepair it: %s, or remove it: go run ./build uninstall -force%s %[1]s\n", e.Name, e.Err, it.Repair(), t.Flags)
				continue
			}
			r := e.Record
			state, err := it.Check(r.Key)
			if err != nil {
				return err
			}
			notes := []string{"linked as " + it.Link()}
			if !it.Linked() {
				notes[0] = "NOT LINKED in " + t.Bin
			}
			if state == install.Modified {
				notes = append(notes, "MODIFIED since")
			}
			if line.IsOldName(r.Release) {
				notes = append(notes, "the old form of a name, with a dot; remove it: go run ./build uninstall"+t.Flags+" "+r.Release)
			}
			fmt.Printf("\t%s  from %s, %s\n", r.Release, r.Upstream, strings.Join(notes, ", "))
		}
		if len(list) == 0 {
			fmt.Println("\tnothing")
		}
		left, err := install.Leftovers(t.Root, t.Bin)
		if err != nil {
			return err
		}
		for _, l := range left {
			fmt.Printf("Left by a killed run: %s; to fix it: %s\n", l.Path, l.Fix)
		}
		return nil
	})
}

// Clean is the command that frees the cache.
func Clean(fs *flag.FlagSet) command.Func {
	dry := fs.Bool("n", false, "print what would be removed, and remove nothing")
	return command.FlagsOnly(func(ctx context.Context) error {
		st, err := store.Open()
		if err != nil {
			return err
		}
		var foreign []string
		var sum int64
		show := func(it store.Item) {
			sum += it.Bytes
			fmt.Printf("%8.1f MB  %s\n", float64(it.Bytes)/1e6, it.Path)
		}
		if *dry {
			if st.Exists() {
				if err := st.MayLock(); err != nil {
					return err
				}
			}
			var items []store.Item
			if items, foreign, err = st.Items(); err != nil {
				return err
			}
			for _, it := range items {
				show(it)
			}
			fmt.Printf("would free %.1f MB", float64(sum)/1e6)
		} else {
			st.Waiting = func(string) { fmt.Fprintln(os.Stderr, "waiting for the builds under way to finish") }
			if foreign, err = st.Clean(ctx, show); err != nil {
				return err
			}
			fmt.Printf("freed %.1f MB", float64(sum)/1e6)
		}
		fmt.Println("; installed toolchains are not part of the cache")
		for _, path := range foreign {
			fmt.Printf("left      %s, which gocoro did not make\n", path)
		}
		return nil
	})
}
