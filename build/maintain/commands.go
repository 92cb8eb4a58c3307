package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"gocoro/build/command"
	"gocoro/build/driver"
	"gocoro/build/goroot"
	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/lint"
	"gocoro/build/options"
	"gocoro/build/progress"
	"gocoro/build/run"
	"gocoro/build/store"
	"gocoro/build/upstream"
	"gocoro/build/workspace"
)

// A session is what a command works with.
type session struct {
	workspace.Env
	flags *options.Series
	rep   *progress.Reporter
}

// withSession calls do with a session in the checkout that contains the working
// directory.
func withSession(ctx context.Context, f *options.Series, do func(s *session) error) error {
	repo, err := line.FindRepo(".")
	if err != nil {
		return err
	}
	st, err := store.Open()
	if err != nil {
		return err
	}
	rep := progress.New(os.Stderr)
	rep.Trace = f.Trace
	st.Waiting = func(what string) { rep.Printf("waiting for another gocoro command to finish (%s)", what) }
	s := &session{flags: f, rep: rep}
	s.Env = workspace.Env{Repo: repo, Store: st, Trace: rep.TraceCmd, Say: rep.Printf, Fetch: s.fetch, API: s.api}
	return st.Do(ctx, func() error { return do(s) })
}

// noArgs returns the function of a command that takes no arguments.
func noArgs(f *options.Series, do func(ctx context.Context, s *session) error) command.Func {
	return command.FlagsOnly(func(ctx context.Context) error {
		return withSession(ctx, f, func(s *session) error { return do(ctx, s) })
	})
}

// line loads the line of the flags.
func (s *session) line(ctx context.Context) (*line.Line, error) {
	if err := s.Recover(ctx); err != nil {
		return nil, err
	}
	return s.Repo.Line(s.flags.Line)
}

// name returns the name of the line of the flags.
func (s *session) name() (string, error) {
	name := s.flags.Line
	switch {
	case name == "":
		return s.Repo.Default()
	case line.IsName(name): // of a release, for which Repo.Line takes it, too
		name = version.Lang(name)
	}
	if version.Lang(name) != name || name == "" {
		return "", hint.Add(fmt.Errorf("%q is not the name of a line such as go1.27", s.flags.Line), "go run ./build list shows the lines")
	}
	return name, nil
}

func (s *session) driver(l *line.Line) (*driver.Driver, error) {
	return driver.New(l, s.flags.Source, s.Store, s.rep)
}

func (s *session) fetch(ctx context.Context, l *line.Line) (string, error) {
	d, err := s.driver(l)
	if err != nil {
		return "", err
	}
	return d.Fetch(ctx)
}

func (s *session) api(ctx context.Context, l *line.Line) ([]byte, error) {
	d, err := s.driver(l)
	if err != nil {
		return nil, err
	}
	if _, err := d.Fetch(ctx); err != nil { // a step of its own
		return nil, err
	}
	what := "making the API baseline of " + l.Pin.Upstream
	step := s.rep.Start("api", what+" with its own cmd/api, which takes a minute or a few")
	stop := still(step, what, 10*time.Second)
	text, err := d.API(ctx)
	stop()
	if err != nil {
		step.Fail()
		return nil, err
	}
	step.Done(fmt.Sprintf("the API baseline of %s, %d lines", l.Pin.Upstream, bytes.Count(text, []byte("\n"))))
	return goroot.PackAPI(text)
}

// still makes the step report at intervals that it is at work, until stop is called.
// Without a terminal, nothing else shows that.
func still(step *progress.Step, what string, every time.Duration) (stop func()) {
	start, done := time.Now(), make(chan struct{})
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				step.Detail(fmt.Sprintf("still %s, for %v", what, time.Since(start).Round(every)))
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}

func edit(fs *flag.FlagSet) command.Func {
	o := new(options.Edit)
	o.Register(fs)
	return noArgs(&o.Series, func(ctx context.Context, s *session) error {
		l, err := s.line(ctx)
		if err != nil {
			return err
		}
		if o.Discard {
			return s.Discard(ctx, l)
		}
		w, err := s.Edit(ctx, l)
		if err != nil {
			return err
		}
		if o.Run == nil {
			fmt.Println(w.Dir)
			fmt.Fprintf(os.Stderr, "\none commit a patch; build it with a cache of its own:\n\n\tcd %s/src && GOCACHE=%s ./make.bash\n\nand write your work back with: go run ./build save -line %s\n", run.Quote(w.Dir), run.Quote(cacheOf(w)), l.Name)
			return nil
		}
		if err := s.shell(ctx, w, *o.Run); err != nil {
			return hint.Add(fmt.Errorf("nothing is saved: %v", err), "your work is in %s; go run ./build save -line %s saves it", w.Dir, l.Name)
		}
		return s.save(ctx, l, workspace.SaveOptions{})
	})
}

// cacheOf returns the build cache of a workspace. It needs one of its own, because
// the go command does not tell its tools from those of another tree with the same
// VERSION.
func cacheOf(w *workspace.Workspace) string { return filepath.Join(w.Dir, ".git", "gocoro", "gocache") }

func (s *session) shell(ctx context.Context, w *workspace.Workspace, run string) error {
	sh := []string{"sh", "-c", run}
	if run == "" {
		sh = []string{os.Getenv("SHELL")}
		if sh[0] == "" {
			sh[0] = "sh"
		}
		fmt.Fprintf(os.Stderr, "in %s; exit the shell to save, or exit 1 to leave without saving\n", w.Dir)
	}
	cmd := exec.CommandContext(ctx, sh[0], sh[1:]...)
	cmd.Dir = w.Dir
	cmd.Env = append(os.Environ(), "PWD="+w.Dir, "GOCACHE="+cacheOf(w), "GOTOOLCHAIN=local")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	s.rep.TraceCmd(cmd)
	return cmd.Run()
}

func save(fs *flag.FlagSet) command.Func {
	o := new(options.Save)
	o.Register(fs)
	return noArgs(&o.Series, func(ctx context.Context, s *session) error {
		l, err := s.line(ctx)
		if err != nil {
			return err
		}
		return s.save(ctx, l, workspace.SaveOptions{Overlay: o.Overlay, Drop: o.Drop, Rewrite: o.Rewrite})
	})
}

func (s *session) save(ctx context.Context, l *line.Line, o workspace.SaveOptions) error {
	names, err := s.Save(ctx, l, o)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		fmt.Println("nothing has changed")
		return nil
	}
	for _, n := range names {
		fmt.Println(n)
	}
	fmt.Fprintln(os.Stderr, "\nlook at it with git diff, and check it: go run ./build lint")
	return nil
}

func rebase(fs *flag.FlagSet) command.Func {
	o := new(options.Rebase)
	o.Register(fs)
	return command.FlagsOnly(func(ctx context.Context) error {
		n := 0
		for _, b := range []bool{o.To != "", o.Continue, o.Skip, o.Abort} {
			if b {
				n++
			}
		}
		if n != 1 {
			return hint.Add(errors.New("rebase requires one of -to RELEASE, -continue, -skip and -abort"), "go run ./build watch lists the releases that are newer than the pins")
		}
		return withSession(ctx, &o.Series, func(s *session) error {
			name, err := s.name()
			if err != nil {
				return err
			}
			if o.Abort {
				return s.Abort(ctx, name)
			}
			var names []string
			if o.To == "" {
				if err := s.Recover(ctx); err != nil {
					return err
				}
				names, err = s.Continue(ctx, name, o.Skip)
			} else {
				l, lerr := s.line(ctx)
				if lerr != nil {
					return lerr
				}
				if o.To == l.Pin.Upstream {
					fmt.Printf("line %s is on %s\n", l.Name, o.To)
					return nil
				}
				if got := version.Lang(o.To); version.IsValid(o.To) && got != l.Name {
					return hint.Add(fmt.Errorf("%s is not a release of line %s", o.To, l.Name), "start a line for it: go run ./build new-line %s -from %s -to %s", got, l.Name, o.To)
				}
				if version.Compare(o.To, l.Pin.Upstream) < 0 && version.IsValid(o.To) && !o.Back {
					return hint.Add(fmt.Errorf("%s is older than %s, which line %s is on", o.To, l.Pin.Upstream, l.Name), "to do it anyway: go run ./build rebase -line %s -to %s -back", l.Name, o.To)
				}
				names, err = s.move(ctx, l, l.Name, o.To, nil)
			}
			return s.moved(ctx, name, names, err, o.Fast, o.Test)
		})
	})
}

func newLine(fs *flag.FlagSet) command.Func {
	f := new(options.NewLine)
	f.Register(fs)
	return func(ctx context.Context, args []string) error {
		if len(args) == 1 && (args[0] == "" || version.Lang(args[0]) != args[0]) {
			name := version.Lang("go" + strings.TrimPrefix(args[0], "go"))
			if name == "" {
				return hint.Add(fmt.Errorf("%q is not the name of a line, which is that of a minor release of Go such as go1.28", args[0]), "for example: go run ./build new-line go1.28 -from go1.27")
			}
			return hint.Add(fmt.Errorf("%q is not the name of a line: want %s", args[0], name), "go run ./build new-line %s -from %s", name, cmp.Or(f.From, "L"))
		}
		if len(args) == 1 && f.From == "" {
			return hint.Add(fmt.Errorf("new-line requires -from, the line whose series %s starts with", args[0]), "for example: go run ./build new-line %s -from go1.27", args[0])
		}
		if len(args) != 1 {
			return hint.Add(errors.New("new-line requires the name of a line, and the line that it starts with"), "for example: go run ./build new-line go1.28 -from go1.27")
		}
		name := args[0]
		f.Line = f.From
		return withSession(ctx, &f.Series, func(s *session) error {
			l, err := s.line(ctx)
			if err != nil {
				return err
			}
			for _, o := range f.Overlays {
				if st, err := os.Stat(filepath.Join(s.Repo.Dir, "src", o)); err != nil || !st.IsDir() || filepath.Base(o) != o {
					return hint.Add(fmt.Errorf("-overlay %q: there is no directory src/%s", o, o), "make it, or name existing ones, separated by commas")
				}
			}
			if _, err := os.Lstat(filepath.Join(s.Repo.Dir, "patches", name)); err == nil {
				return hint.Add(fmt.Errorf("patches/%s already exists", name), "move it to another release with: go run ./build rebase -line %s -to RELEASE", name)
			}
			release := f.To
			if release == "" {
				if release, err = newest(ctx, name); err != nil {
					return err
				}
			} else if version.Lang(release) != name {
				return hint.Add(fmt.Errorf("%s is not a release of line %s", release, name), "give another -to, or another name")
			}
			names, err := s.move(ctx, l, name, release, f.Overlays)
			return s.moved(ctx, name, names, err, f.Fast, false)
		})
	}
}

// move moves the series of the line to the release, as the line called name.
func (s *session) move(ctx context.Context, l *line.Line, name, release string, overlays []string) ([]string, error) {
	to, pin, err := s.newPin(ctx, l, name, release, overlays)
	if err != nil {
		return nil, err
	}
	return s.Rebase(ctx, l, to, pin)
}

// target returns the line as it would be on another release. Its pin has no hash:
// the release is checked against the checksum database.
func target(l *line.Line, name, release string) (*line.Line, error) {
	pin := *l.Pin
	pin.Upstream, pin.Revision, pin.Modules, pin.Tarball, pin.Commit = release, 1, map[string]string{}, "", ""
	if !version.IsValid(release) || strings.Contains(release, "-") {
		return nil, hint.Add(fmt.Errorf("%q is not the name of a Go release such as go1.27.4", release), "go run ./build watch lists those that are newer than the pins")
	}
	return l.For(name, &pin), nil
}

// bootgo matches the line of make.bash that names the oldest Go to build with.
var bootgo = regexp.MustCompile(`(?m)^bootgo=([0-9.]+)$`)

// newPin gets the release and makes its pin.
func (s *session) newPin(ctx context.Context, l *line.Line, name, release string, overlays []string) (*line.Line, []byte, error) {
	to, err := target(l, name, release)
	if err != nil {
		return nil, nil, err
	}
	up, err := s.fetch(ctx, to)
	if err != nil {
		return nil, nil, err
	}
	// Take the time from upstream, so that the same move makes the same release.
	data, err := os.ReadFile(filepath.Join(up, "VERSION"))
	if err != nil {
		return nil, nil, err
	}
	if to.Pin.Time, err = line.VersionTime(data); err != nil {
		return nil, nil, hint.Add(fmt.Errorf("%s: %w", release, err), "a release takes its time from there; upstream's have one since Go 1.21: go run ./build watch lists them")
	}
	if script, err := os.ReadFile(filepath.Join(up, "src", "make.bash")); err == nil {
		if m := bootgo.FindSubmatch(script); m != nil {
			to.Pin.Bootstrap = "go" + string(m[1])
		}
	}
	platforms := map[string]bool{upstream.Host(): true}
	for p := range l.Pin.Modules {
		platforms[p] = true
	}
	hashes := map[string]string{}
	for p := range platforms {
		src, err := upstream.Parse("module", &upstream.Env{Pin: to.Pin, Line: name, Platform: p, Trace: s.rep.TraceCmd})
		if err != nil {
			return nil, nil, err
		}
		id, err := src.ID(ctx)
		if err == nil {
			hashes[p] = id
			continue
		}
		// The release was checked by the host's module, so that is required.
		// Another one may not be published yet, or not be available here. But
		// refuse a module that is not what the checksum database says.
		if p == upstream.Host() || ctx.Err() != nil || strings.Contains(err.Error(), "SECURITY ERROR") {
			return nil, nil, err
		}
		err = hint.Add(fmt.Errorf("%s is left out of the pin: %w", p, err), "when it is available, add a line \"module %s h1:...\" to patches/%s/pin", p, name)
		s.rep.Printf("%s", hint.Text(err))
	}
	to.Pin.Modules = hashes
	old, err := os.ReadFile(filepath.Join(l.Dir, "pin"))
	if err != nil {
		return nil, nil, err
	}
	text := l.Pin.Move(old, to.Pin, overlays)
	if to.Pin, err = line.ParsePin("the new pin", text); err != nil {
		return nil, nil, err
	}
	return to, text, nil
}

// moved prints what a move has done, and runs lint.
func (s *session) moved(ctx context.Context, name string, names []string, err error, fast, test bool) error {
	if err != nil {
		return err
	}
	l, err := s.Repo.Line(name)
	if err != nil {
		return err
	}
	for _, n := range names {
		fmt.Println(n)
	}
	patches, err := l.Patches()
	if err != nil {
		return err
	}
	fmt.Printf("line %s is on %s: %s, %d patches\n", name, l.Pin.Upstream, l.Release(), len(patches))
	stale, err := lint.Names(s.Repo)
	if err != nil {
		return err
	}
	if len(stale) > 0 {
		defer func() {
			fmt.Printf("\nthese places name another release than the pins; correct them, or go run ./build lint fails:\n")
			for _, p := range stale {
				fmt.Printf("%s: %s\n", p.File, p.Text)
			}
		}()
	}
	if err := s.lint(ctx, l, fast); err != nil {
		fmt.Fprintf(os.Stderr, "the series is moved and saved; correct what lint has found (go run ./build edit -line %s), and lint again\n", name)
		return err
	}
	if !test {
		fmt.Fprintf(os.Stderr, "\nlook at it with git diff, and test it: go run ./ci test -line %s\n", name)
		return nil
	}
	cmd := exec.CommandContext(ctx, "go", "run", "gocoro/ci", "test", "-line", name)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	s.rep.TraceCmd(cmd)
	return cmd.Run()
}
