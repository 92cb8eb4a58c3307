package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"gocoro/build/hint"
	"gocoro/build/line"
)

// A rebase is the state of the move of a series to another release.
type rebase struct {
	From    string // the line that the series comes from
	To      string // the release
	Pin     []byte // the new pin's text
	Was     string // SHA-256 of the pin that this one replaces, or "" if it replaces none
	Onto    string // the commit of the last patch that was moved
	Next    int    // which of the patches comes next
	Stopped bool   // its conflict is in the working tree, to be resolved
}

// A StopError says that a patch conflicts with the release, and how to continue.
type StopError struct {
	Patch   string   // its base name
	Release string   // the one that it is moved to
	Line    string   // the line that it is moved to
	Files   []string // those that conflict, relative to GOROOT
	Dir     string   // the workspace
	Text    string   // the places, with both sides
}

func (e *StopError) Error() string {
	return fmt.Sprintf(`%[1]s conflicts with %[2]s in %[3]s
%[6]s
	Nothing in patches/ or src/ has changed so far. The files with the conflict are in
	%[4]s
	go on:   correct them and git add them there, then: go run ./build rebase -continue -line %[5]s
	skip it: leave this patch out of the series:        go run ./build rebase -skip -line %[5]s
	go back: forget the move:                           go run ./build rebase -abort -line %[5]s`,
		e.Patch, e.Release, strings.Join(e.Files, ", "), e.Dir, e.Line, e.Text)
}

// Rebase moves the series of line from to the upstream of line to, whose pin
// has the given text: the same line, or a new one. It returns the names of the
// files of the checkout that changed. The error is a *StopError if the user
// must continue the move.
func (e *Env) Rebase(ctx context.Context, from, to *line.Line, pin []byte) ([]string, error) {
	unlock, err := e.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := e.saved(ctx, to); err != nil {
		return nil, err
	}
	oldUp, oldRepo, err := e.upstream(ctx, from)
	if err != nil {
		return nil, err
	}
	newUp, newRepo, err := e.upstream(ctx, to)
	if err != nil {
		return nil, err
	}
	w, remove, err := e.temp(to)
	if err != nil {
		return nil, err
	}
	defer remove()
	if err := w.git.Create(ctx, oldRepo, newRepo); err != nil {
		return nil, err
	}
	w.state = state{Line: to.Name, Upstream: to.Pin.Upstream, Rebase: &rebase{From: from.Name, To: to.Pin.Upstream, Pin: pin}}
	if w.state.Files, err = e.snapshot(from); err != nil {
		return nil, err
	}
	if from.Name == to.Name {
		if w.state.Rebase.Was, err = pinSum(from); err != nil {
			return nil, err
		}
	}

	// First apply the series to its old release: to merge a patch, git needs the
	// files that it was made on.
	old := *w
	old.line = from
	layer, err := old.layer(ctx, oldUp, oldRepo)
	if err != nil {
		return nil, err
	}
	if w.state.Patches, err = old.apply(ctx, layer); err != nil {
		return nil, fmt.Errorf("the series does not fit the release that it is pinned to: %w", err)
	}

	if w.state.Rebase.Onto, err = w.layer(ctx, newUp, newRepo); err != nil {
		return nil, err
	}
	return w.replay(ctx)
}

// replay moves the patches that are left, and saves.
func (w *Workspace) replay(ctx context.Context) ([]string, error) {
	r := w.state.Rebase
	for ; r.Next < len(w.state.Patches); r.Next++ {
		p := w.state.Patches[r.Next]
		if err := w.env.step("move " + p.Name); err != nil {
			return nil, err
		}
		c, conflicts, err := w.git.Merge(ctx, r.Onto, p.Commit)
		switch {
		case err != nil:
			return nil, err
		case len(conflicts) > 0:
			return nil, w.stop(ctx, conflicts)
		case c == "":
			w.env.Say("%s: dropped, %s has all of it", p.Name, r.To)
		default:
			r.Onto = c
		}
	}
	return w.arrive(ctx)
}

// stop puts the conflict of the next patch into the working tree.
func (w *Workspace) stop(ctx context.Context, conflicts []string) error {
	r := w.state.Rebase
	p := w.state.Patches[r.Next]
	if err := w.prepare(ctx); err != nil {
		return err
	}
	if err := w.git.Checkout(ctx, r.Onto); err != nil {
		return err
	}
	if err := w.git.Pick(ctx, p.Commit); err != nil {
		return err
	}
	r.Stopped = true
	w.state.Head = r.Onto
	if err := w.writeState(); err != nil {
		return err
	}
	if err := w.env.step("stop"); err != nil {
		return err
	}
	if w.Dir != w.env.dir(w.line.Name) {
		if err := w.keep(ctx); err != nil {
			return err
		}
	}
	return &StopError{Patch: p.Name, Release: r.To, Line: w.line.Name, Files: conflicts, Dir: w.Dir, Text: sides(w.Dir, conflicts)}
}

// sides returns the places of the conflicts, each with the lines of the new
// release, of the old release, and of the patch.
func sides(dir string, files []string) string {
	var b strings.Builder
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			fmt.Fprintf(&b, "\n\t%s: one side has no such file\n", name)
			continue
		}
		in := false
		for i, l := range strings.Split(string(data), "\n") {
			if strings.HasPrefix(l, "<<<<<<< ") {
				in = true
				fmt.Fprintf(&b, "\n\t%s:%d\n", name, i+1)
			}
			if in && b.Len() < 8000 {
				fmt.Fprintf(&b, "\t\t%s\n", l)
			}
			in = in && !strings.HasPrefix(l, ">>>>>>> ")
		}
	}
	return b.String()
}

// moving returns the workspace of a line that is being moved. The line of the
// workspace is the one that will result.
func (e *Env) moving(name string) (*Workspace, error) {
	w, err := e.open(&line.Line{Name: name})
	if err != nil {
		return nil, err
	}
	if w == nil || w.state.Rebase == nil {
		return nil, hint.Add(fmt.Errorf("line %s is not being moved", name), "start with: go run ./build rebase -line %s -to RELEASE", name)
	}
	pin, err := line.ParsePin("the new pin of "+name, w.state.Rebase.Pin)
	if err != nil {
		return nil, err
	}
	from, err := e.Repo.Line(w.state.Rebase.From)
	if err != nil {
		return nil, err
	}
	w.line = from.For(name, pin)
	return w, w.untouched(from)
}

// untouched returns an error if the files of the line that is being moved have
// changed since the move began.
func (w *Workspace) untouched(from *line.Line) error {
	snap, err := w.env.snapshot(from)
	if err != nil {
		return err
	}
	pin, err := pinSum(from)
	if err != nil {
		return err
	}
	r := w.state.Rebase
	what := "the pin differs"
	if !maps.Equal(snap, w.state.Files) {
		what = difference(snap, w.state.Files)
	} else if pin == r.Was || r.Was == "" {
		return nil
	}
	err = fmt.Errorf("the files of line %s in patches/ or src/ have changed since the move to %s began: %s", from.Name, r.To, what)
	if w.Dir != w.env.dir(w.line.Name) {
		return hint.Add(err, "nothing is moved; run the command again")
	}
	return hint.Add(err, "restore them (git stash, or git checkout), or undo the move: go run ./build rebase -abort -line %s", w.line.Name)
}

// pinSum returns the SHA-256 of the line's pin.
func pinSum(l *line.Line) (string, error) {
	data, err := os.ReadFile(filepath.Join(l.Dir, "pin"))
	return sum(data), err
}

// Continue continues a move after the user has resolved a conflict or, with
// skip, leaves the patch out.
func (e *Env) Continue(ctx context.Context, name string, skip bool) ([]string, error) {
	unlock, err := e.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	w, err := e.moving(name)
	if err != nil {
		return nil, err
	}
	r := w.state.Rebase
	if r.Stopped {
		if !skip {
			p := w.state.Patches[r.Next]
			c, err := w.resolved(ctx, p)
			if err != nil {
				return nil, err
			}
			if c == "" {
				e.Say("%s: dropped, nothing of it is left", p.Name)
			} else {
				r.Onto = c
			}
		}
		r.Next++
		r.Stopped = false
		// From here on the working tree is not needed: Onto has its content.
		if err := w.writeState(); err != nil {
			return nil, err
		}
	} else if skip {
		return nil, hint.Add(fmt.Errorf("no patch of line %s is in conflict", name), "continue with: go run ./build rebase -continue -line %s", name)
	}
	if err := e.step("resolved"); err != nil {
		return nil, err
	}
	return w.replay(ctx)
}

// resolved returns the commit with the person's resolution of the conflict, or ""
// if it changes nothing.
func (w *Workspace) resolved(ctx context.Context, p patch) (string, error) {
	again := fmt.Sprintf("correct it there, git add it, and run: go run ./build rebase -continue -line %s", w.line.Name)
	unmerged, err := w.git.Unmerged(ctx)
	if err != nil {
		return "", err
	}
	if len(unmerged) > 0 {
		return "", hint.Add(fmt.Errorf("%s: the conflict of %s is not resolved in %s", w.Dir, p.Name, strings.Join(unmerged, ", ")), "%s", again)
	}
	dirty, err := w.git.Status(ctx)
	if err != nil {
		return "", err
	}
	for _, l := range dirty {
		if l[1] != ' ' {
			return "", hint.Add(fmt.Errorf("%s: %s is not added: git status says %q", w.Dir, l[3:], l[:2]), "%s", again)
		}
	}
	onto := w.state.Rebase.Onto
	head, err := w.git.Head(ctx)
	if err != nil {
		return "", err
	}
	c := head // if the person made the commit
	if head == onto {
		if c, err = w.git.CommitPicked(ctx, onto, p.Commit); err != nil {
			return "", err
		}
		if c == "" {
			// Do not drop the patch if its resolution may be elsewhere.
			refs, err := w.git.Beyond(ctx, onto)
			if len(refs) > 0 {
				err = hint.Add(fmt.Errorf("%s: nothing of %s is checked out, but there are commits of %s", w.Dir, p.Name, strings.Join(refs, ", ")), "%sor leave the patch out: go run ./build rebase -skip -line %s", w.beyond(onto), w.line.Name)
			}
			return "", err
		}
	} else if parent, err := w.git.Parent(ctx, head); err != nil || parent != onto || len(dirty) > 0 {
		return "", errors.Join(err, hint.Add(fmt.Errorf("%s: %s is checked out, want one commit on %s, or that commit with the files that you resolved added", w.Dir, head, onto), "git reset --soft %s makes one of several", onto))
	}
	changes, err := w.git.Changes(ctx, onto, c)
	if err != nil {
		return "", err
	}
	for _, ch := range changes {
		data, err := os.ReadFile(filepath.Join(w.Dir, filepath.FromSlash(ch.Name)))
		if err != nil {
			continue // it is removed
		}
		for i, l := range strings.Split(string(data), "\n") {
			if strings.HasPrefix(l, "<<<<<<< ") || strings.HasPrefix(l, ">>>>>>> ") || strings.HasPrefix(l, "||||||| ") {
				return "", fmt.Errorf("%s/%s:%d still has the mark of a conflict: %s%s", w.Dir, ch.Name, i+1, l, again)
			}
		}
	}
	return c, nil
}

// arrive saves the series that has been moved.
func (w *Workspace) arrive(ctx context.Context) ([]string, error) {
	r := w.state.Rebase
	worked := w.Dir == w.env.dir(w.line.Name) // the user has worked there
	if worked {
		if err := w.git.Checkout(ctx, r.Onto); err != nil {
			return nil, err
		}
	}
	from, err := w.env.Repo.Line(r.From)
	if err != nil {
		return nil, err
	}
	if err := w.untouched(from); err != nil {
		return nil, err
	}
	changes, err := w.collect(ctx, r.Onto, SaveOptions{})
	if err != nil {
		return nil, err
	}
	dir := "patches/" + w.line.Name + "/"
	more := map[string][]byte{dir + "pin": r.Pin}
	if def, err := w.env.Repo.Default(); err != nil {
		return nil, err
	} else if def == w.line.Name {
		more["VERSION"] = []byte(w.line.VERSION())
	}
	if from.HasAPI() {
		if more[dir+"api.gz"], err = w.env.API(ctx, w.line); err != nil {
			return nil, err
		}
	}
	if from.HasGODEBUG() {
		if more[dir+"godebug.md"], err = os.ReadFile(from.GODEBUG()); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{dir + "api.gz", dir + "godebug.md", dir + "pin", "VERSION"} {
		data, ok := more[name]
		old, err := os.ReadFile(filepath.Join(w.env.Repo.Dir, filepath.FromSlash(name)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if ok && string(old) != string(data) {
			changes = append(changes, change{Path: name, Old: old, New: data})
		}
	}
	if worked {
		return changed(changes), w.write(changes)
	}
	// If there is a workspace, it is of the old release.
	if err := w.env.saved(ctx, w.line); err != nil {
		return nil, err
	}
	if err := write(w.env.Repo.Dir, changes, w.env.step); err != nil {
		return nil, err
	}
	return changed(changes), w.env.remove(w.line.Name)
}

// Abort undoes a move. If the move was killed while it wrote files, Abort
// restores the old ones.
func (e *Env) Abort(ctx context.Context, name string) error {
	unlock, err := e.turn(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	back, err := rollBack(e.Repo.Dir, e.step)
	if err != nil {
		return err
	}
	if err := e.recover(); err != nil {
		return err
	}
	w, err := e.open(&line.Line{Name: name})
	if err != nil {
		return err
	}
	if w == nil || w.state.Rebase == nil {
		if back {
			return nil
		}
		return hint.Add(fmt.Errorf("line %s is not being moved: there is nothing to undo", name), "git diff shows what differs in patches/ and src/")
	}
	return e.remove(name)
}
