package workspace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gocoro/build/gitrepo"
	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/series"
)

// A State says what becomes of a patch on a release.
type State string

const (
	Applies   State = "applies"          // to the letter, perhaps with an offset
	Merges    State = "merges"           // not to the letter, but git merges it
	Conflicts State = "conflict"         // it needs attention
	Contained State = "already upstream" // the release has all of it
)

// A Row is what becomes of one patch.
type Row struct {
	Patch     string   // its base name
	State     State    //
	Offset    int      // the largest one of its hunks, if it applies; may be negative
	Fuzz      bool     // it does not apply, but would if context were ignored
	At        string   // where it does not apply: "src/runtime/coro.go:12"
	Conflicts []string // the files that git cannot merge
	Changed   []string // those of its files that differ between the two releases

	// After are the patches that it is to follow, by its header, if it is not
	// to be a change of its own: those without which it does not apply.
	After []string
	// NotAlone is where it does not apply to the release with only these
	// before it, "" if it does.
	NotAlone string
}

// after matches what a header says of the patches that one is to follow.
var after = regexp.MustCompile(`(?m)^Upstream: .*; after ([\w-]+(?:, [\w-]+)*)$`)

// A Table is what becomes of a line's series on a release.
type Table struct {
	Line, Upstream, To string
	Rows               []Row
	Overlay            []string // files of the overlay that the release has, too
}

// Status tries the series of line from on the release of line to, which may be
// from itself. Patches after one that conflicts are tried without it.
func (e *Env) Status(ctx context.Context, from, to *line.Line) (*Table, error) {
	if err := gitrepo.Check(ctx); err != nil {
		return nil, err
	}
	w, base, layer, remove, err := e.chain(ctx, from)
	if err != nil {
		return nil, err
	}
	defer remove()
	t := &Table{Line: from.Name, Upstream: from.Pin.Upstream, To: to.Pin.Upstream}
	files, err := from.Patches()
	if err != nil {
		return nil, err
	}
	moving := to.Pin.Upstream != from.Pin.Upstream
	onto := layer
	newBase := base
	if moving {
		_, repo, err := e.upstream(ctx, to)
		if err != nil {
			return nil, err
		}
		if err := w.git.Add(repo); err != nil {
			return nil, err
		}
		if newBase, err = gitrepo.Release(ctx, repo, to.Pin.Upstream); err != nil {
			return nil, err
		}
		onto = newBase
		have, err := w.git.Has(ctx, newBase, slices.Sorted(maps.Keys(w.state.Overlay)))
		if err != nil {
			return nil, err
		}
		t.Overlay = slices.Sorted(maps.Keys(have))
	}
	parent := layer // the series on its own release
	for _, file := range files {
		p, err := series.Read(file)
		if err != nil {
			return nil, err
		}
		row := Row{Patch: p.Name}
		if row.After, row.NotAlone, err = w.alone(ctx, newBase, p, files); err != nil {
			return nil, err
		}
		var conflict *series.ConflictError
		c, offsets, err := w.git.Apply(ctx, onto, p)
		if errors.As(err, &conflict) {
			row.State, row.At, row.Fuzz = Conflicts, conflict.At, conflict.Fuzz
		} else if err != nil {
			return nil, err
		} else {
			row.State = Applies
		}
		for _, o := range offsets {
			if max(o.Lines, -o.Lines) > max(row.Offset, -row.Offset) {
				row.Offset = o.Lines
			}
		}
		if moving {
			own, _, err := w.git.Apply(ctx, parent, p)
			if err != nil {
				return nil, err
			}
			parent = own
			merged, files, err := w.git.Merge(ctx, onto, own)
			switch {
			case err != nil:
				return nil, err
			case len(files) > 0:
				row.State, row.Conflicts = Conflicts, files
			case merged == "":
				row.State = Contained
			default:
				if row.State != Applies {
					row.State = Merges
				}
				c = merged
			}
			changes, err := w.git.Changes(ctx, base, newBase, p.Files...)
			if err != nil {
				return nil, err
			}
			for _, ch := range changes {
				row.Changed = append(row.Changed, ch.Name)
			}
		}
		if row.State == Applies || row.State == Merges {
			onto = c
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

// alone tries the patch on the release at base, after no others of the series,
// whose files are given, but those that its line Upstream: says it follows. It
// returns their names, and where it conflicts.
func (w *Workspace) alone(ctx context.Context, base string, p *series.Patch, files []string) (follows []string, at string, err error) {
	var conflict *series.ConflictError
	if m := after.FindSubmatch(p.Data); m != nil {
		follows = strings.Split(string(m[1]), ", ")
	}
	for _, name := range follows {
		i := slices.IndexFunc(files, func(f string) bool { return strings.HasSuffix(f, "-"+name+".patch") })
		if i < 0 || files[i] == p.File {
			return nil, "", hint.Add(fmt.Errorf("%s is to follow %s, and there is no such patch", p.Name, name), "correct the end of its line Upstream:")
		}
		before, err := series.Read(files[i])
		if err != nil {
			return nil, "", err
		}
		if base, _, err = w.git.Apply(ctx, base, before); errors.As(err, &conflict) {
			return follows, before.Name + " at " + conflict.At, nil
		} else if err != nil {
			return nil, "", err
		}
	}
	if _, _, err := w.git.Apply(ctx, base, p); errors.As(err, &conflict) {
		return follows, conflict.At, nil
	} else if err != nil {
		return nil, "", err
	}
	return follows, "", nil
}

// chain makes, in a repository that is removed afterwards, the commits of the
// line's release and overlay.
func (e *Env) chain(ctx context.Context, l *line.Line) (w *Workspace, base, layer string, remove func(), err error) {
	up, repo, err := e.upstream(ctx, l)
	if err != nil {
		return nil, "", "", nil, err
	}
	dir, err := os.MkdirTemp("", "gocoro")
	if err != nil {
		return nil, "", "", nil, err
	}
	w, remove = e.workspace(l, dir), func() { os.RemoveAll(dir) }
	defer func() {
		if err != nil {
			remove()
		}
	}()
	if err := w.git.Create(ctx, repo); err != nil {
		return nil, "", "", nil, err
	}
	if base, err = gitrepo.Release(ctx, repo, l.Pin.Upstream); err != nil {
		return nil, "", "", nil, err
	}
	layer, _, err = w.layer(ctx, up, base)
	return w, base, layer, remove, err
}

// Canonical returns the text of each patch of the line, by its base name, as
// save would write it.
func (e *Env) Canonical(ctx context.Context, l *line.Line) (map[string][]byte, error) {
	w, _, layer, remove, err := e.chain(ctx, l)
	if err != nil {
		return nil, err
	}
	defer remove()
	patches, err := w.apply(ctx, layer)
	if err != nil {
		return nil, err
	}
	texts := map[string][]byte{}
	for _, p := range patches {
		if texts[filepath.Base(p.Name)], err = w.git.Export(ctx, p.Commit); err != nil {
			return nil, err
		}
	}
	return texts, nil
}
