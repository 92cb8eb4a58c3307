package workspace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
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
	Offset    int      // the largest of its hunks, if it applies; may be negative
	Fuzz      bool     // it does not apply, but would if context were ignored
	At        string   // where it does not apply: "src/runtime/coro.go:12"
	Conflicts []string // the files that git cannot merge
	Changed   []string // its files that differ between the two releases

	// After are the patches that it must follow, by its header. If there are
	// none, it is to be sent upstream as a change of its own.
	After []string
	// NotAlone is the place where it does not apply to the release with only
	// these patches before it, or "".
	NotAlone string

	Header string // what its line Upstream: says
}

// after matches the names of the patches that one must follow, in its header.
var after = regexp.MustCompile(`; after ([\w-]+(?:, [\w-]+)*)$`)

// Status tries the series of line from on the release of line to, which may be
// from itself. Patches after one that conflicts are tried without it. It also
// returns the files of the overlay that the release has, too.
func (e *Env) Status(ctx context.Context, from, to *line.Line) (rows []Row, overlay []string, err error) {
	if err := gitrepo.Check(ctx); err != nil {
		return nil, nil, err
	}
	w, layer, remove, err := e.chain(ctx, from)
	if err != nil {
		return nil, nil, err
	}
	defer remove()
	patches, err := series.ReadAll(from)
	if err != nil {
		return nil, nil, err
	}
	moving := to.Pin.Upstream != from.Pin.Upstream
	onto := layer
	base := w.state.Base
	newBase := base
	if moving {
		_, repo, err := e.upstream(ctx, to)
		if err != nil {
			return nil, nil, err
		}
		if err := w.git.Add(repo); err != nil {
			return nil, nil, err
		}
		if newBase, err = gitrepo.Release(ctx, repo, to.Pin.Upstream); err != nil {
			return nil, nil, err
		}
		onto = newBase
		if overlay, err = w.git.Has(ctx, newBase, slices.Sorted(maps.Keys(w.state.Overlay))); err != nil {
			return nil, nil, err
		}
	}
	parent := layer // the series on its own release
	for _, p := range patches {
		row := Row{Patch: p.Name, Header: p.Trailer("Upstream")}
		if row.After, row.NotAlone, err = w.alone(ctx, newBase, p, patches); err != nil {
			return nil, nil, err
		}
		c, offsets, err := w.git.Apply(ctx, onto, p)
		if conflict, ok := errors.AsType[*series.ConflictError](err); ok {
			row.State, row.At, row.Fuzz = Conflicts, conflict.At, conflict.Fuzz
		} else if err != nil {
			return nil, nil, err
		} else {
			row.State = Applies
		}
		for _, o := range offsets {
			if max(o.Lines, -o.Lines) > max(row.Offset, -row.Offset) {
				row.Offset = o.Lines
			}
		}
		if moving {
			if parent, _, err = w.git.Apply(ctx, parent, p); err != nil {
				return nil, nil, err
			}
			merged, files, err := w.git.Merge(ctx, onto, parent)
			switch {
			case err != nil:
				return nil, nil, err
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
				return nil, nil, err
			}
			for _, ch := range changes {
				row.Changed = append(row.Changed, ch.Name)
			}
		}
		if row.State == Applies || row.State == Merges {
			onto = c
		}
		rows = append(rows, row)
	}
	return rows, overlay, nil
}

// alone tries the patch on the release at base. Of the other patches, only those
// that its line Upstream: says it follows come before it. alone returns their
// names, and where there is a conflict.
func (w *Workspace) alone(ctx context.Context, base string, p *series.Patch, patches []*series.Patch) (follows []string, at string, err error) {
	var conflict *series.ConflictError
	if m := after.FindStringSubmatch(p.Trailer("Upstream")); m != nil {
		follows = strings.Split(m[1], ", ")
	}
	for _, name := range follows {
		i := slices.IndexFunc(patches, func(o *series.Patch) bool { return strings.HasSuffix(o.Name, "-"+name+".patch") })
		if i < 0 || patches[i] == p {
			return nil, "", hint.Add(fmt.Errorf("%s is to follow %s, and there is no such patch", p.Name, name), "correct the end of its line Upstream:")
		}
		before := patches[i]
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
func (e *Env) chain(ctx context.Context, l *line.Line) (w *Workspace, layer string, remove func(), err error) {
	up, repo, err := e.upstream(ctx, l)
	if err != nil {
		return nil, "", nil, err
	}
	dir, err := os.MkdirTemp("", "gocoro")
	if err != nil {
		return nil, "", nil, err
	}
	w, remove = e.workspace(l, dir), func() { os.RemoveAll(dir) }
	defer func() {
		if err != nil {
			remove()
		}
	}()
	if err := w.git.Create(ctx, repo); err != nil {
		return nil, "", nil, err
	}
	layer, err = w.layer(ctx, up, repo)
	return w, layer, remove, err
}

// Canonical returns the text of each patch of the line, by its base name, as
// save would write it.
func (e *Env) Canonical(ctx context.Context, l *line.Line) (map[string][]byte, error) {
	w, layer, remove, err := e.chain(ctx, l)
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
		if texts[p.Name], err = w.git.Export(ctx, p.Commit); err != nil {
			return nil, err
		}
	}
	return texts, nil
}
