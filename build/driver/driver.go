// Package driver runs the steps of a build in order and keeps their results:
// pin → fetch and verify → tree (unpack, overlay, apply) → make → install.
package driver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"gocoro/build/goroot"
	"gocoro/build/hint"
	"gocoro/build/install"
	"gocoro/build/line"
	"gocoro/build/progress"
	"gocoro/build/store"
	"gocoro/build/tree"
	"gocoro/build/upstream"
)

// format is part of every key: a change of what the driver does to a tree
// makes all earlier results stale.
const format = "gocoro build 1"

// A Driver builds one line from one source.
type Driver struct {
	Line  *line.Line
	Store *store.Store
	Rep   *progress.Reporter

	// Dry makes the driver say what it would do instead of doing it (-n).
	Dry bool

	// Unpatched makes the driver build the upstream as it is, under its own
	// name: without the series, the overlay, and the changes of VERSION and
	// go.env.
	Unpatched bool

	// Leak is added to the environment of make.bash, to show that verify detects
	// it. Nothing else of the user's environment gets there.
	Leak []string

	src      upstream.Source
	env      *upstream.Env
	sourceID string // from src.ID, once asked
	treeKey_ string
}

// New returns a driver of the line, from the source that spec names.
func New(l *line.Line, spec string, st *store.Store, rep *progress.Reporter) (*Driver, error) {
	d := &Driver{Line: l, Store: st, Rep: rep}
	d.env = &upstream.Env{
		Pin:      l.Pin,
		Line:     l.Name,
		Platform: upstream.Host(),
		Trace:    rep.TraceCmd,
	}
	src, err := upstream.Parse(spec, d.env)
	if err != nil {
		return nil, err
	}
	d.src = src
	st.Waiting = func(what string) {
		rep.Printf("waiting for another gocoro build to finish (%s)", what)
	}
	return d, nil
}

// upstreamKey returns the key of the unpacked upstream.
func (d *Driver) upstreamKey(ctx context.Context) (string, error) {
	if d.sourceID == "" {
		id, err := d.src.ID(ctx)
		if err != nil {
			return "", err
		}
		d.sourceID = id
	}
	var k store.Key
	k.Add("format", []byte(format))
	k.Add("source", []byte(d.sourceID))
	return k.String(), nil
}

// treeKey returns the key of the patched tree, and of what is built from it:
// everything that went into it and the platform it is for.
func (d *Driver) treeKey(ctx context.Context) (string, error) {
	if d.treeKey_ != "" {
		return d.treeKey_, nil
	}
	up, err := d.upstreamKey(ctx)
	if err != nil {
		return "", err
	}
	var k store.Key
	k.Add("upstream", []byte(up))
	k.Add("platform", []byte(d.env.Platform))
	if d.Unpatched {
		k.Add("unpatched", nil)
		d.treeKey_ = k.String()
		return d.treeKey_, nil
	}
	k.Add("VERSION", []byte(d.Line.VERSION()))
	patches, err := d.Line.Patches()
	if err != nil {
		return "", err
	}
	if err := line.Numbered(patches); err != nil {
		return "", err
	}
	for _, p := range patches {
		data, err := os.ReadFile(p)
		if err != nil {
			return "", err
		}
		if err := line.CheckLineEnds(p, data); err != nil {
			return "", err
		}
		k.Add("patch "+filepath.Base(p), data)
	}
	if d.Line.HasAPI() {
		if err := k.AddFile("api", d.Line.API()); err != nil {
			return "", err
		}
	}
	if d.Line.HasGODEBUG() {
		if err := k.AddFile("godebug.md", d.Line.GODEBUG()); err != nil {
			return "", err
		}
	}
	overlay, err := d.Line.Overlay()
	if err != nil {
		return "", err
	}
	for _, f := range overlay {
		if err := k.AddFile("overlay "+f.Name, f.Path); err != nil {
			return "", err
		}
	}
	d.treeKey_ = k.String()
	return d.treeKey_, nil
}

// makeKey returns the key of what make.bash makes of the tree.
func (d *Driver) makeKey(ctx context.Context) (string, error) {
	key, err := d.treeKey(ctx)
	if err != nil || len(d.Leak) == 0 {
		return key, err
	}
	var k store.Key
	k.Add("tree", []byte(key))
	for _, l := range d.Leak {
		k.Add("leak", []byte(l))
	}
	return k.String(), nil
}

// Release returns the name of what is built: the line's release, or, with
// Unpatched, its upstream.
func (d *Driver) Release() string {
	if d.Unpatched {
		return d.Line.Pin.Upstream
	}
	return d.Line.Release()
}

// step runs one item's build as a step with progress, under the name of the
// command that does it. With Dry it only says what it would do.
func (d *Driver) step(ctx context.Context, name, kind, key, what string, build func(dir string, lock *os.File, s *progress.Step) (result string, err error)) (string, error) {
	if d.Store.Has(kind, key) {
		if d.Dry {
			d.Rep.Printf("%-8s is done: %s", name, d.Store.Path(kind, key))
		}
		return d.Store.Path(kind, key), nil
	}
	if d.Dry {
		if err := d.Store.MayLock(); err != nil {
			return "", err
		}
		d.Rep.Printf("%-8s would do: %s\n         into %s", name, what, d.Store.Path(kind, key))
		return d.Store.Path(kind, key), nil
	}
	return d.Store.Item(ctx, kind, key, func(dir string, lock *os.File) error {
		s := d.Rep.Start(name, what)
		d.env.Progress = s.Detail
		result, err := build(dir, lock, s)
		if err != nil {
			s.Fail()
			return fmt.Errorf("%s: %w", name, err)
		}
		s.Done(result)
		return nil
	})
}

// Fetch returns the path of the unpacked, verified upstream.
func (d *Driver) Fetch(ctx context.Context) (string, error) {
	key, err := d.upstreamKey(ctx)
	if err != nil {
		return "", fmt.Errorf("fetch: %w", err)
	}
	return d.step(ctx, "fetch", "upstream", key, d.Line.Pin.Upstream, func(dir string, _ *os.File, _ *progress.Step) (string, error) {
		if err := d.src.Unpack(ctx, dir); err != nil {
			return "", err
		}
		return d.src.Verified(), nil
	})
}

// Tree returns the path of the patched source tree.
func (d *Driver) Tree(ctx context.Context) (string, error) {
	up, err := d.Fetch(ctx)
	if err != nil {
		return "", err
	}
	key, err := d.treeKey(ctx)
	if err != nil {
		return "", fmt.Errorf("tree: %w", err)
	}
	if d.Unpatched {
		what := "the sources of " + d.Line.Pin.Upstream + ", unchanged"
		return d.step(ctx, "tree", "tree", key, what, func(dir string, _ *os.File, _ *progress.Step) (string, error) {
			return what, tree.Link(ctx, dir, up, tree.IsSource)
		})
	}
	patches, err := d.Line.Patches()
	if err != nil {
		return "", err
	}
	overlay, err := d.Line.Overlay()
	if err != nil {
		return "", err
	}
	what := fmt.Sprintf("%d patches and %d overlay files on %s", len(patches), len(overlay), d.Line.Pin.Upstream)
	return d.step(ctx, "tree", "tree", key, what, func(dir string, _ *os.File, _ *progress.Step) (string, error) {
		offsets, err := tree.Make(ctx, dir, up, d.Line, d.Rep.TraceCmd)
		if err != nil {
			return "", err
		}
		result := what
		for _, o := range offsets {
			result += "\n         " + o.String()
		}
		return result, nil
	})
}

// Make returns the path of the built GOROOT.
func (d *Driver) Make(ctx context.Context) (string, error) {
	key, err := d.makeKey(ctx)
	if err != nil {
		return "", fmt.Errorf("make: %w", err)
	}
	if d.Store.Has("goroot", key) && !d.Dry {
		return d.Store.Path("goroot", key), nil
	}
	src, err := d.Tree(ctx)
	if err != nil {
		return "", err
	}
	return d.step(ctx, "make", "goroot", key, "make.bash of "+d.Release(), func(dir string, lock *os.File, s *progress.Step) (string, error) {
		boot, err := goroot.FindBootstrap(ctx, d.Line.Pin, d.Rep)
		if err != nil {
			return "", err
		}
		if err := tree.Copy(ctx, dir, src); err != nil {
			return "", err
		}
		// A line that keeps no API baseline has it made beside make.bash,
		// which leaves a processor idle now and then.
		g, gctx := errgroup.WithContext(ctx)
		api := ""
		switch {
		case d.Unpatched, goroot.HasAPI(dir):
		case d.Line.HasAPI():
			if err := goroot.UnpackAPI(dir, d.Line.API()); err != nil {
				return "", err
			}
		default:
			g.Go(func() (err error) {
				api, err = d.api(gctx, true)
				return err
			})
		}
		g.Go(func() error {
			return goroot.Make(gctx, dir, boot, d.Leak, d.Rep, d.Store.Log("goroot", key), lock, s.Detail, "go run ./build make -v  (shows the whole output)")
		})
		if err := g.Wait(); err != nil {
			return "", err
		}
		if api != "" {
			if err := tree.Copy(ctx, filepath.Join(dir, "api"), api); err != nil {
				return "", err
			}
		}
		return d.Release() + ", built with " + boot.Version, nil
	})
}

// Builds runs make.bash after each patch of the line's series, as Make does after
// the last one, and stops at the first patch after which it fails. Before the
// last patch it keeps only an item that says that the tree builds, and the log: a
// GOROOT takes a quarter of a gigabyte, and nobody uses one with a part of the
// series.
func (d *Driver) Builds(ctx context.Context) error {
	patches, err := d.Line.Patches()
	if err != nil {
		return err
	}
	for i, file := range patches {
		name := filepath.Base(file)
		step := *d
		step.Line, step.treeKey_ = d.Line.Through(name), ""
		if i == len(patches)-1 {
			_, err = step.Make(ctx)
		} else {
			err = step.builds(ctx, name)
		}
		if err != nil {
			return fmt.Errorf("building after %s: %w", name, err)
		}
	}
	return nil
}

// builds is Make for a series that ends with the named patch. It keeps no GOROOT.
func (d *Driver) builds(ctx context.Context, patch string) error {
	key, err := d.treeKey(ctx)
	if err != nil {
		return err
	}
	up, err := d.Fetch(ctx)
	if err != nil {
		return err
	}
	_, err = d.step(ctx, "make", "builds", key, "building after "+patch, func(dir string, lock *os.File, s *progress.Step) (string, error) {
		boot, err := goroot.FindBootstrap(ctx, d.Line.Pin, d.Rep)
		if err != nil {
			return "", err
		}
		linked, built := filepath.Join(dir, "tree"), filepath.Join(dir, "goroot")
		if err := os.Mkdir(linked, 0o777); err != nil {
			return "", err
		}
		if _, err := tree.Make(ctx, linked, up, d.Line, d.Rep.TraceCmd); err != nil {
			return "", err
		}
		// A copy, for make.bash writes to files that are links to upstream's.
		if err := tree.Copy(ctx, built, linked); err != nil {
			return "", err
		}
		next := "go run ./build edit -line " + d.Line.Name + ", correct the commit there, then save"
		if err := goroot.Make(ctx, built, boot, nil, d.Rep, d.Store.Log("builds", key), lock, s.Detail, next); err != nil {
			return "", err
		}
		for _, x := range []string{linked, built} {
			if err := store.RemoveAll(x); err != nil {
				return "", err
			}
		}
		return "builds after " + patch + ", with " + boot.Version, nil
	})
	return err
}

// API makes the API baseline of the upstream, whatever the line keeps, and
// returns its text.
func (d *Driver) API(ctx context.Context) ([]byte, error) {
	dir, err := d.api(ctx, false)
	if err != nil {
		return nil, err
	}
	if dir == "" {
		return nil, hint.Add(errors.New("api: this source has no binaries to make the API baseline with"), "use -source module")
	}
	return os.ReadFile(filepath.Join(dir, "go1.txt"))
}

// CheckAPI compares the API baseline that the line keeps with the upstream's.
func (d *Driver) CheckAPI(ctx context.Context) error {
	want, err := d.API(ctx)
	if err != nil {
		return err
	}
	got, err := goroot.ReadAPI(d.Line.API())
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return hint.Add(fmt.Errorf("%s is not the API of %s: it has %d lines, upstream's cmd/api prints %d", d.Line.API(), d.Line.Pin.Upstream, bytes.Count(got, []byte("\n")), bytes.Count(want, []byte("\n"))), "make it again: go run ./build api -w")
	}
	return nil
}

// api returns the path of the API baseline of the upstream, which does not depend
// on the series, or "" if the source has no binaries to make one with. With idle
// it is made at the lowest priority, beside make.bash.
func (d *Driver) api(ctx context.Context, idle bool) (string, error) {
	key, err := d.upstreamKey(ctx)
	if err != nil {
		return "", err
	}
	if d.Store.Has("api", key) {
		return d.Store.Path("api", key), nil
	}
	up, err := d.Fetch(ctx)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(up, "bin", "go")); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return d.Store.Item(ctx, "api", key, func(dir string, lock *os.File) error {
		return goroot.MakeAPI(ctx, dir, up, d.Rep, d.Store.Log("api", key), lock, idle)
	})
}

// Stock returns the path of a GOROOT of the unpatched upstream with binaries
// for this host, for comparisons.
func (d *Driver) Stock(ctx context.Context) (string, error) {
	up, err := d.Fetch(ctx)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(up, "bin", "go")); err != nil {
		return "", hint.Add(fmt.Errorf("%s has no binaries for %s: %v", up, d.env.Platform, err), "use -source module")
	}
	return up, nil
}

// Install builds what is not built yet and installs it. It reports whether
// anything had to be done.
func (d *Driver) Install(ctx context.Context, t *install.Target, replace bool) (changed bool, err error) {
	key, err := d.treeKey(ctx)
	if err != nil {
		return false, fmt.Errorf("install: %w", err)
	}
	state, err := d.check(t, key, replace)
	if err != nil {
		return false, fmt.Errorf("install: %w", err)
	}
	if state == install.Current && t.Linked() {
		return false, nil
	}
	err = t.Allowed(d.Store.Root)
	if err == nil && !d.Dry {
		err = t.Writable()
	}
	if err != nil {
		return false, fmt.Errorf("install: %w", err)
	}
	built := ""
	if state != install.Current {
		if built, err = d.Make(ctx); err != nil {
			return false, err
		}
	}
	if d.Dry {
		d.Rep.Printf("%-8s would do: copy to %s and link as %s", "install", t.GOROOT(), t.Link())
		return true, nil
	}
	rec, err := d.Record(ctx)
	if err != nil {
		return false, err
	}
	lock, err := t.Lock(ctx, d.Store)
	if err != nil {
		return false, err
	}
	defer lock.Close()
	// Another process may have installed a toolchain while this one built.
	if state, err = d.check(t, key, replace); err != nil {
		return false, fmt.Errorf("install: %w", err)
	}
	if state == install.Current {
		return true, t.MakeLink()
	}
	if built == "" { // it was current, and was uninstalled meanwhile
		if built, err = d.Make(ctx); err != nil {
			return false, err
		}
	}
	s := d.Rep.Start("install", t.GOROOT())
	if err := t.Install(ctx, built, rec); err != nil {
		s.Fail()
		return false, fmt.Errorf("install: %w", err)
	}
	s.Done(t.GOROOT())
	return true, nil
}

// check looks at what is installed at the target. It returns an error for what
// the driver must not replace.
func (d *Driver) check(t *install.Target, key string, replace bool) (install.State, error) {
	state, err := t.Check(key)
	switch {
	case err != nil || replace:
	case state == install.Other:
		err = hint.Add(fmt.Errorf("%s is installed with other content: the patches, the overlay or the upstream have changed since", t.GOROOT()), "a release does not change under its name: raise the revision in %s and in VERSION,\nor replace it anyway: go run ./build install -replace -line %s%s", d.Line.Pin.File, d.Line.Name, t.Flags)
	case state == install.Modified:
		if _, err := install.Read(t.GOROOT()); err != nil {
			return state, hint.Add(err, "repair it: %s", t.Repair())
		}
		err = hint.Add(fmt.Errorf("files in %s have changed since it was installed", t.GOROOT()), "move the directory away to keep them, or discard them: go run ./build install -replace -line %s%s", d.Line.Name, t.Flags)
	}
	return state, err
}

// Record says what the line's toolchain is made of.
func (d *Driver) Record(ctx context.Context) (*install.Record, error) {
	key, err := d.treeKey(ctx)
	if err != nil {
		return nil, err
	}
	r := &install.Record{
		Release:  d.Line.Release(),
		Upstream: d.Line.Pin.Upstream,
		Source:   d.sourceID,
		Verified: d.src.Verified(),
		Key:      key,
	}
	patches, err := d.Line.Patches()
	if err != nil {
		return nil, err
	}
	for _, p := range patches {
		r.Patches = append(r.Patches, filepath.Base(p))
	}
	overlay, err := d.Line.Overlay()
	if err != nil {
		return nil, err
	}
	for _, f := range overlay {
		r.Overlay = append(r.Overlay, f.Name)
	}
	return r, nil
}

// Smoke runs the installed go command once, by its link, as GOTOOLCHAIN would.
func (d *Driver) Smoke(ctx context.Context, t *install.Target) error {
	cmd := exec.CommandContext(ctx, t.Link(), "version")
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOROOT=", "PWD="+cmd.Dir)
	d.Rep.TraceCmd(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil && !t.Linked() {
		return hint.Add(fmt.Errorf("another command has removed %s since it was installed", t.Name), "install it again: go run ./build -line %s%s", d.Line.Name, t.Flags)
	}
	if err != nil {
		return hint.Add(fmt.Errorf("what is installed does not run: %s version: %v: %s", t.Link(), err, out), "build it again (go run ./build clean && %s), or choose other directories with -root and -bin", t.Repair())
	}
	if want := "go version " + t.Name + " "; len(out) < len(want) || string(out[:len(want)]) != want {
		return hint.Add(fmt.Errorf("%s version printed %q, want it to begin with %q", t.Link(), out, want), "the build is not what VERSION says: go run ./build clean && %s", t.Repair())
	}
	return nil
}
