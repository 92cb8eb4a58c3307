// Package workspace turns a series into a git checkout that people can edit, the
// upstream release with one commit for each patch, and turns the checkout back
// into the files in patches/ and src/. It moves a series to another release in
// the same way, with another release at the bottom.
//
// A workspace is the directory .edit/<line> of the checkout of gocoro. Its first
// commit is the upstream release, its second the overlay with the release's
// VERSION and go.env, and each further one a patch.
//
// Nothing in the checkout changes before all of a command's work is done. Then
// the command writes the changes to a journal, and from there to their places.
// If it is killed in between, the next command finishes it.
package workspace

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gocoro/build/gitrepo"
	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/run"
	"gocoro/build/series"
	"gocoro/build/store"
	"gocoro/build/tree"
)

const editFolder = ".edit"

// An Env is what the commands work with.
type Env struct {
	Repo  *line.Repo
	Store *store.Store
	Trace func(*exec.Cmd)                  // called before a command runs; may be nil
	Say   func(format string, args ...any) // tells the person something

	// Fetch returns the directory of the unpacked, verified upstream of a line.
	Fetch func(ctx context.Context, l *line.Line) (string, error)

	// API makes the API baseline of the line's upstream, in the form kept in a
	// line's directory. It is asked for only if the line keeps one.
	API func(ctx context.Context, l *line.Line) ([]byte, error)

	// Step, if not nil, is called with the name of each step before it is taken.
	// If it returns an error, the command ends as if it had been killed there.
	// It is for tests.
	Step func(name string) error
}

func (e *Env) step(name string) error {
	if e.Step == nil {
		return nil
	}
	return e.Step(name)
}

// A Workspace is the directory in which one line is edited.
type Workspace struct {
	Dir   string // absolute
	env   *Env
	line  *line.Line
	git   *gitrepo.Repo
	state state
}

// state is the record beside the repository of a workspace.
type state struct {
	Line     string
	Upstream string            // the release
	Base     string            // its commit
	Head     string            // what was checked out when last written or saved
	Overlay  map[string]string // file, relative to GOROOT -> overlay directory
	Patches  []patch           // in order, as they are in the checkout of gocoro
	Files    map[string]string // SHA-256 of the patches and overlay files there

	Rebase *rebase `json:",omitempty"`
}

// A patch is a patch file with its commit, whose parent has the overlay and the
// patches before it.
type patch struct {
	Name   string // 0001-coro-lock.patch
	Commit string
}

func (e *Env) dir(name string) string { return filepath.Join(e.Repo.Dir, editFolder, name) }

// lock makes the commands that write take turns, and finishes what an
// interrupted one had begun.
func (e *Env) lock(ctx context.Context) (unlock func(), err error) {
	unlock, err = e.turn(ctx)
	if err != nil {
		return nil, err
	}
	if err := e.recover(); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// turn is lock without finishing anything.
func (e *Env) turn(ctx context.Context) (unlock func(), err error) {
	if err := gitrepo.Check(ctx); err != nil {
		return nil, err
	}
	var k store.Key
	k.Add("edit", []byte(e.Repo.Dir))
	l, err := e.Store.Lock(ctx, "edit-"+k.String())
	if err != nil {
		return nil, err
	}
	return func() { l.Close() }, nil
}

// Recover finishes what an interrupted command had begun to write. Until then
// the checkout may be a mixture of old and new files.
func (e *Env) Recover(ctx context.Context) error {
	if changes, _, err := readJournal(e.Repo.Dir); changes == nil || err != nil {
		return err
	}
	unlock, err := e.lock(ctx)
	if err != nil {
		return err
	}
	unlock()
	return nil
}

func (e *Env) recover() error {
	done, err := recoverJournal(e.Repo.Dir, e.step)
	if err != nil {
		return err
	}
	if done {
		e.Say("finished what an interrupted command had begun to write to patches/ and src/")
	}
	// Remove the workspaces that killed commands have not finished.
	old, err := filepath.Glob(e.dir("tmp-*"))
	for _, dir := range old {
		if err := store.RemoveAll(dir); err != nil {
			return err
		}
	}
	os.Remove(e.dir("")) // if empty
	return err
}

// open returns the workspace of the line, or nil if there is none.
func (e *Env) open(l *line.Line) (*Workspace, error) {
	w := e.workspace(l, e.dir(l.Name))
	data, err := os.ReadFile(w.stateFile())
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(w.Dir); err == nil {
			return nil, hint.Add(fmt.Errorf("%s exists but is not a workspace: it has no %s", w.Dir, w.stateFile()), "move it away and run the command again")
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &w.state); err != nil {
		return nil, hint.Add(fmt.Errorf("%s is damaged: %v", w.stateFile(), err), "keep what you need of %s, then: go run ./build edit -line %s -discard", w.Dir, l.Name)
	}
	return w, nil
}

func (e *Env) workspace(l *line.Line, dir string) *Workspace {
	return &Workspace{Dir: dir, env: e, line: l, git: &gitrepo.Repo{Dir: filepath.Join(dir, ".git"), Work: dir, Trace: e.Trace}}
}

func (w *Workspace) stateFile() string { return filepath.Join(w.git.Dir, "gocoro", "state.json") }

func (s state) marshal() []byte {
	data, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		panic(err)
	}
	return append(data, '\n')
}

func (w *Workspace) writeState() error { return store.WriteFile(w.stateFile(), w.state.marshal()) }

// upstream returns the directory of the line's upstream, and the directory of a
// repository that has it.
func (e *Env) upstream(ctx context.Context, l *line.Line) (up, repo string, err error) {
	if up, err = e.Fetch(ctx, l); err != nil {
		return "", "", err
	}
	repo, err = e.Store.Item(ctx, "git", filepath.Base(up), func(dir string, _ *os.File) error {
		e.Say("reading %s into git", l.Pin.Upstream)
		return gitrepo.Import(ctx, dir, up, l.Pin.Upstream, e.Trace)
	})
	return up, repo, err
}

// layer makes the commit with the line's overlay, VERSION and go.env on its
// upstream, which is unpacked at up and was imported into the repository repo.
func (w *Workspace) layer(ctx context.Context, up, repo string) (commit string, err error) {
	if w.state.Base, err = gitrepo.Release(ctx, repo, w.line.Pin.Upstream); err != nil {
		return "", err
	}
	overlay, err := w.line.Overlay()
	if err != nil {
		return "", err
	}
	files := map[string][]byte{}
	w.state.Overlay = map[string]string{}
	for _, f := range overlay {
		if files[f.Name], err = os.ReadFile(f.Path); err != nil {
			return "", err
		}
		rel, err := filepath.Rel(filepath.Join(w.env.Repo.Dir, "src"), f.Path)
		if err != nil {
			return "", err
		}
		w.state.Overlay[f.Name], _, _ = strings.Cut(filepath.ToSlash(rel), "/")
	}
	have, err := w.git.Has(ctx, w.state.Base, slices.Sorted(maps.Keys(files)))
	if err != nil {
		return "", err
	}
	if len(have) > 0 {
		return "", hint.Add(fmt.Errorf("upstream's %s has files of the overlay of line %s: %s", w.line.Pin.Upstream, w.line.Name, strings.Join(have, ", ")), "remove ours, or give them other names in src/; a line that needs them still keeps them in another overlay directory, which its pin names")
	}
	files["VERSION"] = []byte(w.line.VERSION())
	if files["go.env"], err = tree.LocalToolchain(filepath.Join(up, "go.env")); err != nil {
		return "", err
	}
	return w.git.Lay(ctx, w.state.Base, files, "gocoro: overlay, VERSION and go.env\n\nNot a patch. \"save\" takes what you change in the overlay's files from\nany commit.\n")
}

// apply makes the commits of the line's patches, the first one on parent.
func (w *Workspace) apply(ctx context.Context, parent string) ([]patch, error) {
	all, err := series.ReadAll(w.line)
	if err != nil {
		return nil, err
	}
	var patches []patch
	for _, p := range all {
		for _, name := range p.Files {
			if _, ok := w.state.Overlay[name]; ok {
				return nil, hint.Add(fmt.Errorf("%s changes %s, which is not upstream's: it comes from the overlay", p.File, name), "remove that from the patch")
			}
		}
		c, _, err := w.git.Apply(ctx, parent, p)
		if err != nil {
			return nil, err
		}
		patches = append(patches, patch{p.Name, c})
		parent = c
	}
	return patches, nil
}

// ours are the settings of a workspace's own repository. All other settings stay
// the user's, who works there.
var ours = [][2]string{
	{"core.autocrlf", "false"}, {"core.safecrlf", "false"}, {"core.eol", "lf"}, {"core.fileMode", "true"}, {"core.hooksPath", "/dev/null"},
	{"core.excludesFile", "/dev/null"}, {"core.attributesFile", "/dev/null"}, {"commit.gpgSign", "false"}, {"am.threeWay", "true"},
	{"merge.conflictStyle", "diff3"}, {"rerere.enabled", "false"}, {"gc.auto", "0"}, {"commit.cleanup", "strip"}, {"commit.template", ".git/gocoro/template"},
}

// excluded are the files that a build makes in the tree.
const excluded = "/bin/\n/pkg/\n/VERSION.cache\n*.test\n"

// Trailers are the lines that the message of each patch ends with.
var Trailers = []string{"Upstream", "Bug", "Tests"}

// trailerTemplate is the end of a new patch's message. lint refuses it.
const trailerTemplate = "Upstream: TODO: the address of the change, or \"not sent\" and why\nBug: TODO: the issue, or none\nTests: TODO: the names of the tests, or none\n"

const template = "runtime: what the patch does\n\nWhy.\n\n" + trailerTemplate

// prepare makes the repository ready to work in.
func (w *Workspace) prepare(ctx context.Context) error {
	if err := w.git.Configure(ctx, ours); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.git.Dir, "info", "exclude"), []byte(excluded), 0o666); err != nil {
		return err
	}
	return store.WriteFile(filepath.Join(w.git.Dir, "gocoro", "template"), []byte(template))
}

// temp returns a workspace in a directory that is removed unless it is renamed.
func (e *Env) temp(l *line.Line) (w *Workspace, remove func(), err error) {
	if err := os.MkdirAll(e.dir(""), 0o777); err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp(e.dir(""), "tmp-")
	if err != nil {
		return nil, nil, err
	}
	return e.workspace(l, dir), func() {
		store.RemoveAll(dir)
		os.Remove(e.dir("")) // if empty
	}, nil
}

// keep renames the workspace of a temporary directory to its place.
func (w *Workspace) keep(ctx context.Context) error {
	to := w.env.dir(w.line.Name)
	if err := w.env.saved(ctx, w.line); err != nil {
		return err
	}
	if err := w.env.remove(w.line.Name); err != nil {
		return err
	}
	if err := os.Rename(w.Dir, to); err != nil {
		return err
	}
	state := w.state
	*w = *w.env.workspace(w.line, to)
	w.state = state
	return nil
}

// Edit returns the workspace of the line, made if need be.
func (e *Env) Edit(ctx context.Context, l *line.Line) (*Workspace, error) {
	unlock, err := e.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	snap, err := e.snapshot(l)
	if err != nil {
		return nil, err
	}
	if w, err := e.open(l); err != nil {
		return nil, err
	} else if w != nil {
		if err := w.notMoving(); err != nil {
			return nil, err
		}
		if maps.Equal(snap, w.state.Files) && w.state.Upstream == l.Pin.Upstream {
			return w, nil
		}
		why, next, err := w.unsaved(ctx)
		if err != nil {
			return nil, err
		}
		if why != "" {
			return nil, hint.Add(fmt.Errorf("%s has changes that are not saved (%s), and the files of line %s in patches/ or src/ are not those that it was made of", w.Dir, why, l.Name), "%srestore those files (git stash, or git checkout) and run: go run ./build save -line %s\nor discard the changes: go run ./build edit -line %s -discard", next, l.Name, l.Name)
		}
	}
	up, repo, err := e.upstream(ctx, l)
	if err != nil {
		return nil, err
	}
	w, remove, err := e.temp(l)
	if err != nil {
		return nil, err
	}
	defer remove()
	if err := w.git.Create(ctx, repo); err != nil {
		return nil, err
	}
	w.state = state{Line: l.Name, Upstream: l.Pin.Upstream, Files: snap}
	layer, err := w.layer(ctx, up, repo)
	if err != nil {
		return nil, err
	}
	if w.state.Patches, err = w.apply(ctx, layer); err != nil {
		return nil, err
	}
	w.state.Head = layer
	if n := len(w.state.Patches); n > 0 {
		w.state.Head = w.state.Patches[n-1].Commit
	}
	if err := w.prepare(ctx); err != nil {
		return nil, err
	}
	if err := w.git.Checkout(ctx, w.state.Head); err != nil {
		return nil, err
	}
	if err := w.writeState(); err != nil {
		return nil, err
	}
	if err := e.step("keep"); err != nil {
		return nil, err
	}
	return w, w.keep(ctx)
}

// Discard removes the workspace of the line with all that is in it.
func (e *Env) Discard(ctx context.Context, l *line.Line) error {
	unlock, err := e.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Lstat(e.workspace(l, e.dir(l.Name)).stateFile()); errors.Is(err, fs.ErrNotExist) {
		if _, err := e.open(l); err != nil {
			return err // it is something else
		}
	}
	return e.remove(l.Name)
}

// remove removes the workspace of the line. It first gives it a temporary name:
// under its own name, a workspace is always complete. If remove is killed, the
// next command removes the rest.
func (e *Env) remove(name string) error {
	if err := e.step("remove"); err != nil {
		return err
	}
	if _, err := os.Lstat(e.dir(name)); err == nil {
		tmp, err := os.MkdirTemp(e.dir(""), "tmp-")
		if err != nil {
			return err
		}
		if err := os.Rename(e.dir(name), filepath.Join(tmp, name)); err != nil {
			return err
		}
		if err := e.step("forget"); err != nil {
			return err
		}
		if err := store.RemoveAll(tmp); err != nil {
			return err
		}
	}
	os.Remove(e.dir("")) // if empty
	return nil
}

// saved returns an error if the line has a workspace that cannot be given up. A
// command that takes a while calls it when it begins, and again when it replaces
// or removes the workspace.
func (e *Env) saved(ctx context.Context, l *line.Line) error {
	w, err := e.open(l)
	if w == nil || err != nil {
		return err
	}
	if err := w.notMoving(); err != nil {
		return err
	}
	why, next, err := w.unsaved(ctx)
	if why != "" {
		err = hint.Add(fmt.Errorf("%s has changes that are not saved: %s", w.Dir, why), "%ssave them (go run ./build save -line %s) or discard them (go run ./build edit -line %s -discard)", next, l.Name, l.Name)
	}
	return err
}

// unsaved says what of the workspace is not saved, or "". If save alone cannot
// save it, next is a line that says what to do before.
func (w *Workspace) unsaved(ctx context.Context) (why, next string, err error) {
	if s := w.git.InProgress(); s != "" {
		return "a git " + s + " is under way", "", nil
	}
	head, err := w.git.Head(ctx)
	if err != nil {
		return "", "", err
	}
	dirty, err := w.git.Status(ctx)
	if err != nil {
		return "", "", err
	}
	if len(dirty) > 0 {
		return fmt.Sprintf("%d files are not committed", len(dirty)), "", nil
	}
	refs, err := w.git.Beyond(ctx, w.state.Head)
	switch {
	case err != nil:
		return "", "", err
	case slices.Equal(refs, []string{"refs/heads/gocoro"}):
		return "commits of refs/heads/gocoro", "", nil
	case len(refs) > 0:
		return "commits of " + strings.Join(refs, ", "), w.beyond(w.state.Head), nil
	case head != w.state.Head:
		return "an earlier commit is checked out", "", nil
	}
	return "", "", nil
}

// beyond is the hint on commits that the given one does not include.
func (w *Workspace) beyond(commit string) string {
	return fmt.Sprintf("look at them: git -C %s log --all --not %.12s\ntake them to the branch gocoro (git stash pop, git cherry-pick), or remove them (git stash drop, git branch -D)\n", run.Quote(w.Dir), commit)
}

func (w *Workspace) notMoving() error {
	if r := w.state.Rebase; r != nil {
		return hint.Add(fmt.Errorf("line %s is being moved to %s, in %s", w.line.Name, r.To, w.Dir), "continue with: go run ./build rebase -continue -line %s\nor undo the move: go run ./build rebase -abort -line %s", w.line.Name, w.line.Name)
	}
	return nil
}

// snapshot returns the SHA-256 of each patch and overlay file of the line, by
// its name in the checkout.
func (e *Env) snapshot(l *line.Line) (map[string]string, error) {
	patches, err := l.Patches()
	if err != nil {
		return nil, err
	}
	overlay, err := l.Overlay()
	if err != nil {
		return nil, err
	}
	for _, f := range overlay {
		patches = append(patches, f.Path)
	}
	snap := map[string]string{}
	for _, file := range patches {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		rel, err := filepath.Rel(e.Repo.Dir, file)
		if err != nil {
			return nil, err
		}
		snap[filepath.ToSlash(rel)] = sum(data)
	}
	return snap, nil
}

func sum(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// SaveOptions are the flags of Save.
type SaveOptions struct {
	Overlay string // the overlay directory that new files go to
	Rewrite bool   // also rewrite unchanged patches
	Drop    bool   // allow patches and overlay files to be removed
}

// Save writes what the workspace of the line holds back to patches/ and src/,
// and returns the names of the files that changed.
func (e *Env) Save(ctx context.Context, l *line.Line, o SaveOptions) ([]string, error) {
	unlock, err := e.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	w, err := e.open(l)
	if err != nil {
		return nil, err
	}
	if w == nil {
		return nil, hint.Add(fmt.Errorf("line %s is not being edited: there is no %s", l.Name, e.dir(l.Name)), "start with: go run ./build edit -line %s", l.Name)
	}
	if err := w.notMoving(); err != nil {
		return nil, err
	}
	if s := w.git.InProgress(); s != "" {
		return nil, hint.Add(fmt.Errorf("a git %s is in progress in %s", s, w.Dir), "finish it there (git %s --continue or --abort), then save", s)
	}
	dirty, err := w.git.Status(ctx)
	if err != nil {
		return nil, err
	}
	if len(dirty) > 0 {
		return nil, hint.Add(fmt.Errorf("%s has files that are in no commit; save writes only commits:\n\t  %s", w.Dir, strings.Join(dirty, "\n\t  ")), "git add and git commit them there (git commit --fixup and git rebase -i --autosquash put them into an earlier patch), or git stash -u")
	}
	snap, err := e.snapshot(l)
	if err != nil {
		return nil, err
	}
	if !maps.Equal(snap, w.state.Files) || l.Pin.Upstream != w.state.Upstream {
		return nil, hint.Add(fmt.Errorf("the files of line %s in patches/ or src/ are not those that %s was made of\n\t%s", l.Name, w.Dir, difference(snap, w.state.Files)), "restore them (git stash, or git checkout) and save again; or, to discard what is in the workspace: go run ./build edit -line %s -discard", l.Name)
	}
	head, err := w.git.Head(ctx)
	if err != nil {
		return nil, err
	}
	// A user who looks at an earlier commit does not want to lose the later ones.
	if detached, err := w.git.Detached(ctx); err != nil {
		return nil, err
	} else if detached {
		return nil, hint.Add(fmt.Errorf("%s has no branch checked out, but the commit %.12s: nothing is saved", w.Dir, head), "go back to the series: git -C %s checkout gocoro\nor, if that commit is the series that you want: git -C %[1]s checkout -B gocoro", run.Quote(w.Dir))
	}
	was := w.state
	changes, err := w.collect(ctx, head, o)
	if err != nil {
		return nil, err
	}
	rewound, err := w.git.Before(ctx, head, was.Head)
	if err != nil {
		return nil, err
	}
	if gone := removed(changes); !o.Drop && (len(gone) > 0 || rewound && len(changes) > 0) {
		what := "save would remove " + strings.Join(gone, ", ")
		if len(gone) == 0 {
			what = "save would undo what later commits changed"
		}
		back := "git reflog there shows what was checked out before"
		if rewound {
			back = fmt.Sprintf("the workspace was reset to an earlier commit; go back: git -C %s reset --hard %.12s", run.Quote(w.Dir), was.Head)
		}
		return nil, hint.Add(fmt.Errorf("line %s: %s", l.Name, what), "%s\nto do it anyway: go run ./build save -line %s -drop", back, l.Name)
	}
	return changed(changes), w.write(changes)
}

// removed returns the names of the files that are removed and not renamed.
func removed(changes []change) (names []string) {
	for _, c := range changes {
		if c.New == nil && c.To == "" {
			names = append(names, c.Path)
		}
	}
	return names
}

func difference(a, b map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if b[name] != a[name] {
			return name + " differs"
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if _, ok := a[name]; !ok {
			return name + " is gone"
		}
	}
	return "the pin names another upstream"
}

// changed returns the names of the files that change, with a note if a file is
// removed or renamed.
func changed(changes []change) (names []string) {
	for _, c := range changes {
		switch {
		case c.New != nil:
			names = append(names, c.Path)
		case c.To != "":
			names = append(names, c.Path+" (renamed to "+path.Base(c.To)+")")
		default:
			names = append(names, c.Path+" (removed)")
		}
	}
	return names
}

// write writes the changes to the checkout, with the new state.
func (w *Workspace) write(changes []change) error {
	old, err := os.ReadFile(w.stateFile())
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(w.env.Repo.Dir, w.stateFile())
	if err != nil {
		return err
	}
	changes = append(changes[:len(changes):len(changes)], change{Path: filepath.ToSlash(rel), Old: old, New: w.state.marshal()})
	return write(w.env.Repo.Dir, changes, w.env.step)
}

// collect converts the commits up to head into the files of the line, records
// them in the state, and returns how they differ from those in the checkout.
func (w *Workspace) collect(ctx context.Context, head string, o SaveOptions) ([]change, error) {
	commits, err := w.git.Commits(ctx, w.state.Base, head)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("%s: %w", w.Dir, err), "put your commits on %s, one a patch: git -C %s rebase -i %.12s", w.state.Upstream, run.Quote(w.Dir), w.state.Base)
	}
	overlay, renamed, err := w.overlayAfter(ctx, commits, o)
	if err != nil {
		return nil, err
	}
	files, err := w.overlayAt(ctx, head, commits, overlay)
	if err != nil {
		return nil, err
	}
	layer, err := w.git.Lay(ctx, w.state.Base, files, "overlay\n")
	if err != nil {
		return nil, err
	}
	cleaned, err := w.git.With(ctx, layer, files, commits)
	if err != nil {
		return nil, err
	}
	subjects, err := w.git.Subjects(ctx, commits)
	if err != nil {
		return nil, err
	}
	was, left, err := w.bySubject(ctx, subjects)
	if err != nil {
		return nil, err
	}
	next := state{Line: w.state.Line, Upstream: w.state.Upstream, Base: w.state.Base, Head: head, Overlay: overlay, Files: map[string]string{}}
	want := map[string][]byte{} // files of the checkout
	for i, c := range cleaned {
		old, known := was[subjects[i]]
		if c == "" {
			if known {
				return nil, hint.Add(fmt.Errorf("%s: the commit of %s, %s, changes nothing", w.Dir, old.Name, commits[i]), "to drop the patch, drop the commit: git -C %s rebase -i %.12s", run.Quote(w.Dir), w.state.Base)
			}
			continue
		}
		if !known && len(left) == 1 {
			// Perhaps this is the missing patch with a new subject: git keeps the
			// author and the date of a commit that is amended.
			if known, err = w.git.SameAuthor(ctx, left[0].Commit, c); err != nil {
				return nil, err
			}
			if known {
				old, left = left[0], nil
			}
		}
		name := fmt.Sprintf("%04d-%s.patch", len(next.Patches)+1, slug(subjects[i]))
		if known {
			name = fmt.Sprintf("%04d-%s", len(next.Patches)+1, strings.TrimLeft(old.Name, "0123456789-"))
			renamed["patches/"+w.state.Line+"/"+old.Name] = "patches/" + w.state.Line + "/" + name
		}
		next.Patches = append(next.Patches, patch{name, c})
		if want["patches/"+w.state.Line+"/"+name], err = w.patchText(ctx, patch{name, c}, old, o.Rewrite); err != nil {
			return nil, err
		}
	}
	if len(next.Patches) == 0 && len(w.state.Patches) > 0 {
		return nil, hint.Add(fmt.Errorf("%s has no patch left: that would empty line %s", w.Dir, w.state.Line), "to do that, remove the patches with git rm; to restore them: git -C %s reset --hard %.12s", run.Quote(w.Dir), w.state.Head)
	}
	for name, folder := range overlay {
		want[overlayFile(folder, name)] = files[name]
	}
	for name, data := range want {
		next.Files[name] = sum(data)
	}
	changes, err := w.diff(want)
	if err != nil {
		return nil, err
	}
	for i, c := range changes {
		if _, ok := want[renamed[c.Path]]; ok {
			changes[i].To = renamed[c.Path]
		}
	}
	w.state = next
	return changes, nil
}

// overlayAfter returns the files of the overlay after the commits, each with its
// overlay directory, and the new names of the files that were renamed, by their
// old names in the checkout. The overlay may include files that were removed.
func (w *Workspace) overlayAfter(ctx context.Context, commits []string, o SaveOptions) (overlay, renamed map[string]string, err error) {
	made := map[string]bool{} // files that the patches make, now or as they were
	for _, p := range w.state.Patches {
		cs, err := w.git.Changes(ctx, p.Commit+"^", p.Commit)
		if err != nil {
			return nil, nil, err
		}
		for _, c := range cs {
			made[c.Name] = made[c.Name] || c.Status == 'A'
		}
	}
	overlay = maps.Clone(w.state.Overlay)
	renamed = map[string]string{}
	for _, commit := range commits {
		cs, err := w.git.Changes(ctx, commit+"^", commit)
		if err != nil {
			return nil, nil, err
		}
		for _, c := range cs {
			if _, ok := overlay[c.Name]; ok || made[c.Name] {
				continue
			}
			switch {
			case c.Status == 'R' && overlay[c.Old] != "":
				overlay[c.Name] = overlay[c.Old]
				renamed[overlayFile(overlay[c.Old], c.Old)] = overlayFile(overlay[c.Old], c.Name)
			case c.Status == 'A' && c.Name != "VERSION" && c.Name != "go.env":
				if overlay[c.Name], err = w.overlayFor(c.Name, o); err != nil {
					return nil, nil, err
				}
			}
		}
	}
	return overlay, renamed, nil
}

// overlayAt returns the contents at head of the overlay's files and of the files
// that the driver writes. For an overlay file that was removed the content is
// nil, and overlayAt deletes it from overlay.
func (w *Workspace) overlayAt(ctx context.Context, head string, commits []string, overlay map[string]string) (map[string][]byte, error) {
	names := slices.Sorted(maps.Keys(overlay))
	// The overlay has only plain files: it would have the name of a link's target
	// as the content of the link.
	if odd, err := w.git.Odd(ctx, head, names); err != nil {
		return nil, err
	} else if odd != nil {
		return nil, hint.Add(fmt.Errorf("%s: %s in the overlay is a link or executable, and an overlay has neither", w.Dir, strings.Join(odd, ", ")), "make it a file of mode 644 there, and amend the commit")
	}
	files, err := w.git.Files(ctx, head, names)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, ok := files[name]; !ok {
			files[name] = nil
			delete(overlay, name)
		}
	}
	if len(overlay) == 0 && len(w.state.Overlay) > 0 {
		return nil, hint.Add(fmt.Errorf("%s: no file of the overlay is left: the commit with it is gone", w.Dir), "git reflog shows what was checked out before; the commit has the subject \"gocoro: overlay, VERSION and go.env\"")
	}
	driver := []string{"VERSION", "go.env"}
	first := append(commits, head)[0] // the overlay with VERSION and go.env
	ours, err := w.git.Files(ctx, first, driver)
	if err != nil {
		return nil, err
	}
	theirs, err := w.git.Files(ctx, head, driver)
	if err != nil {
		return nil, err
	}
	for _, name := range driver {
		if string(ours[name]) != string(theirs[name]) {
			return nil, hint.Add(fmt.Errorf("%s: a commit changes %s, which the driver writes (VERSION says what the pin says)", w.Dir, name), "take that out: git -C %s checkout %.12s -- %s, and amend the commit", run.Quote(w.Dir), first, name)
		}
		files[name] = theirs[name]
	}
	return files, nil
}

// bySubject returns the patches of the state by their subjects, and those whose
// subject is not among the given ones.
func (w *Workspace) bySubject(ctx context.Context, subjects []string) (was map[string]patch, left []patch, err error) {
	var commits []string
	for _, p := range w.state.Patches {
		commits = append(commits, p.Commit)
	}
	old, err := w.git.Subjects(ctx, commits)
	if err != nil {
		return nil, nil, err
	}
	was = map[string]patch{}
	for i, s := range old {
		was[s] = w.state.Patches[i]
		if !slices.Contains(subjects, s) {
			left = append(left, w.state.Patches[i])
		}
	}
	return was, left, nil
}

// patchText returns the text of the patch file for p's commit. old is the same
// patch before the changes, if there was one. If git exports the same text for
// both, patchText returns old's file as it is, unless rewrite is set.
func (w *Workspace) patchText(ctx context.Context, p, old patch, rewrite bool) ([]byte, error) {
	exported, err := w.git.Export(ctx, p.Commit)
	if err != nil {
		return nil, err
	}
	text := exported
	if old.Name != "" {
		before, err := w.git.Export(ctx, old.Commit)
		if err != nil {
			return nil, err
		}
		if string(before) == string(text) && !rewrite {
			if text, err = os.ReadFile(filepath.Join(w.env.Repo.Dir, "patches", w.from(), old.Name)); err != nil {
				return nil, err
			}
		}
	}
	// Compare with exported: text may also have trailers that a save has added.
	if message, back, err := w.git.ReadBack(ctx, p.Commit, exported); err != nil {
		return nil, err
	} else if message != back {
		_, got, want := FirstDifference(back, message)
		return nil, hint.Add(fmt.Errorf("%s: the message of the commit for %s does not survive in a patch: reading it back gives %q, want %q", w.Dir, p.Name, got, want), "reword it: git -C %s commit --amend, or git rebase -i with \"reword\" if it is not the last one", run.Quote(w.Dir))
	}
	text = withTrailers(text)
	if _, err := series.Parse(p.Name, text); err != nil { // a build would refuse it
		return nil, fmt.Errorf("the commit for %s: %w", p.Name, err)
	}
	return text, nil
}

// overlayFile returns where in the checkout an overlay file is.
func overlayFile(folder, name string) string {
	return "src/" + folder + "/" + strings.TrimPrefix(name, "src/")
}

// FirstDifference returns the number of the first line, from 1, in which two
// texts differ, and this line of each.
func FirstDifference(a, b string) (n int, inA, inB string) {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for n = 1; len(x) > 0 && len(y) > 0 && x[0] == y[0]; n++ {
		x, y = x[1:], y[1:]
	}
	return n, append(x, "")[0], append(y, "")[0]
}

// diff returns how the wanted patches and overlay files of the line differ from
// those in the checkout.
func (w *Workspace) diff(want map[string][]byte) ([]change, error) {
	var changes []change
	names := slices.Collect(maps.Keys(want))
	if w.from() == w.state.Line {
		names = slices.AppendSeq(names, maps.Keys(w.state.Files))
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		old, err := os.ReadFile(filepath.Join(w.env.Repo.Dir, filepath.FromSlash(name)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if data, ok := want[name]; !ok && old != nil || ok && (old == nil || string(old) != string(data)) {
			if ok && data == nil {
				data = []byte{}
			}
			changes = append(changes, change{Path: name, Old: old, New: data})
		}
	}
	return changes, nil
}

// from returns the line that the patches came from.
func (w *Workspace) from() string {
	if w.state.Rebase != nil {
		return w.state.Rebase.From
	}
	return w.state.Line
}

// overlayFor returns the overlay directory that a new file goes to.
func (w *Workspace) overlayFor(name string, o SaveOptions) (string, error) {
	overlays := w.line.Pin.Overlays
	switch {
	case !strings.HasPrefix(name, "src/"):
		return "", hint.Add(fmt.Errorf("%s: a commit adds %s, which is outside of src/: the overlay has files below src/ only", w.Dir, name), "move it there, or remove it from the commit")
	case line.Stray(strings.TrimPrefix(name, "src/")):
		return "", hint.Add(fmt.Errorf("%s: a commit adds %s, which is not a file of a release", w.Dir, name), "remove it from the commit")
	case o.Overlay != "" && slices.Contains(overlays, o.Overlay):
		return o.Overlay, nil
	case o.Overlay != "":
		return "", hint.Add(fmt.Errorf("line %s has no overlay %q: its pin has %s", w.line.Name, o.Overlay, strings.Join(overlays, ", ")), "choose one of these with -overlay, or add a line to the pin first")
	case len(overlays) == 1:
		return overlays[0], nil
	}
	return "", hint.Add(fmt.Errorf("a commit adds %s, and line %s has several overlays", name, w.line.Name), "name one: go run ./build save -line %s -overlay NAME, one of %s", w.line.Name, strings.Join(overlays, ", "))
}

var notSlug = regexp.MustCompile(`[^a-z0-9]+`)

// slug makes a file name of a patch's subject: "runtime: check the lock" is
// check-the-lock.
func slug(subject string) string {
	if _, s, ok := strings.Cut(subject, ": "); ok {
		subject = s
	}
	s := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(subject), "-"), "-")
	if len(s) > 40 {
		s = s[:40]
		if i := strings.LastIndex(s, "-"); i > 0 {
			s = s[:i]
		}
	}
	return cmp.Or(s, "patch")
}

// withTrailers adds the trailers, for the user to fill in, to a patch whose
// message has none of them.
func withTrailers(text []byte) []byte {
	message, rest, ok := strings.Cut(string(text), "\n---\n")
	if !ok || slices.ContainsFunc(Trailers, func(t string) bool { return strings.Contains(message, "\n"+t+": ") }) {
		return text
	}
	return []byte(strings.TrimRight(message, "\n") + "\n\n" + trailerTemplate + "---\n" + rest)
}
