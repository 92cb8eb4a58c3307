package workspace

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"gocoro/build/line"
	"gocoro/build/store"
)

// A toy is the world of the stories of build/maintain, with a second release:
// the first patch moves there, the second conflicts.
type toy struct {
	root string
	env  *Env
}

// releaseDir returns where a release is unpacked, in a directory that is named
// as an item of a store.
func releaseDir(root, release string) string {
	var k store.Key
	k.Add("release", []byte(release))
	return filepath.Join(root, k.String())
}

func newToy(t *testing.T) *toy {
	t.Helper()
	a, err := txtar.ParseFile("../maintain/testdata/toy.txtar")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, f := range a.Files {
		if name, ok := strings.CutPrefix(f.Name, "upstream/"); ok {
			writeFile(t, filepath.Join(releaseDir(root, "go1.22.12"), name), string(f.Data))
			text := string(f.Data)
			switch name {
			case "src/runtime/coro.go":
				text = "// Copyright.\n\n" + text
			case "src/runtime/proc.go":
				text = strings.Replace(text, "gp = 1", "gp = 10", 1)
			}
			writeFile(t, filepath.Join(releaseDir(root, "go1.22.13"), name), text)
		} else {
			writeFile(t, filepath.Join(root, f.Name), string(f.Data))
		}
	}
	writeFile(t, filepath.Join(root, "repo/patches/go1.22/api.gz"), "the API of go1.22.12")
	return openToy(t, root)
}

func openToy(t *testing.T, root string) *toy {
	repo, err := line.FindRepo(filepath.Join(root, "repo"))
	if err != nil {
		t.Fatal(err)
	}
	return &toy{root, &Env{
		Repo:  repo,
		Store: &store.Store{Root: filepath.Join(root, "cache")},
		Say:   func(string, ...any) {},
		API: func(_ context.Context, l *line.Line) ([]byte, error) {
			return []byte("the API of " + l.Pin.Upstream), nil
		},
		Fetch: func(_ context.Context, l *line.Line) (string, error) { return releaseDir(root, l.Pin.Upstream), nil },
	}}
}

// again returns a copy of the whole world.
func (y *toy) again(t *testing.T) *toy {
	t.Helper()
	root := t.TempDir()
	if out, err := exec.Command("cp", "-r", y.root+"/.", root).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return openToy(t, root)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := store.WriteFile(name, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// files returns the content of every file of the checkout, less the workspace.
func (y *toy) files(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	fsys := os.DirFS(y.env.Repo.Dir)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name == editFolder {
			return fs.SkipDir
		}
		if d.IsDir() {
			files[name+"/"] = ""
			return nil
		}
		data, err := fs.ReadFile(fsys, name)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func (y *toy) line(t *testing.T) *line.Line {
	t.Helper()
	if err := y.env.Recover(context.Background()); err != nil {
		t.Fatal(err)
	}
	l, err := y.env.Repo.Line("go1.22")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

const newPin = "upstream go1.22.13\nrevision 1\ntime 2026-11-24T12:00:00Z\nbootstrap go1.20.6\noverlay go1.22\n"

// move does what a person does who moves the line to the second release: it
// begins, resolves the conflict and goes on, from wherever it finds the move.
func (y *toy) move(ctx context.Context, t *testing.T) error {
	l, err := y.env.Repo.Line("go1.22")
	if err != nil {
		return err
	}
	if l.Pin.Upstream == "go1.22.13" {
		return nil
	}
	pin, err := line.ParsePin("pin", []byte(newPin))
	if err != nil {
		t.Fatal(err)
	}
	w, err := y.env.open(l)
	if err != nil {
		return err
	}
	if w == nil || w.state.Rebase == nil {
		_, err = y.env.Rebase(ctx, l, l.For("go1.22", pin), []byte(newPin))
		var stop *StopError
		if !errors.As(err, &stop) {
			return errors.Join(err, errors.New("the move did not stop at the conflict"))
		}
		if stop.Patch != "0002-proc-ready.patch" || !slices.Equal(stop.Files, []string{"src/runtime/proc.go"}) {
			t.Fatalf("it stopped at %s in %q", stop.Patch, stop.Files)
		}
	}
	writeFile(t, filepath.Join(y.env.dir("go1.22"), "src/runtime/proc.go"), "package runtime\n\n// ready marks c as ready to run.\nfunc ready(c *coro) {\n\tc.gp = 20\n}\n\nfunc throw(s string) { panic(s) }\n")
	if out, err := exec.Command("git", "-C", y.env.dir("go1.22"), "add", "-A").CombinedOutput(); err != nil {
		t.Fatalf("git add: %v: %s", err, out)
	}
	_, err = y.env.Continue(ctx, "go1.22", false)
	return err
}

var errKilled = errors.New("killed")

// Wherever a move is interrupted, it can be gone on with to the same result, or
// gone back from to the same bytes.
func TestInterrupt(t *testing.T) {
	ctx := context.Background()
	first := newToy(t)
	// The releases are in the cache already, so that each run below is short.
	for _, r := range []string{"go1.22.12", "go1.22.13"} {
		l := first.line(t).For("go1.22", &line.Pin{Upstream: r})
		if _, _, err := first.env.upstream(ctx, l); err != nil {
			t.Fatal(err)
		}
	}
	before := first.files(t)
	whole := first.again(t)
	commands := 0
	steps := []string{}
	whole.env.Trace = func(*exec.Cmd) { commands++ }
	whole.env.Step = func(name string) error { steps = append(steps, name); return nil }
	if err := whole.move(ctx, t); err != nil {
		t.Fatal(err)
	}
	after := whole.files(t)
	if got, want := after["patches/go1.22/api.gz"], "the API of go1.22.13"; got != want {
		t.Errorf("the API baseline is %q, want %q", got, want)
	}
	if got, want := after["patches/go1.22/pin"], newPin; got != want {
		t.Errorf("the pin is %q, want %q", got, want)
	}
	if maps.Equal(before, after) || commands < 50 || len(steps) < 10 {
		t.Fatalf("the move has %d commands and the steps %q; want a move", commands, steps)
	}

	interrupt := func(t *testing.T, arm func(e *Env, cancel func())) {
		t.Parallel()
		y := first.again(t)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		arm(y.env, cancel)
		if err := y.move(ctx, t); err == nil {
			t.Fatal("the move was not interrupted")
		}
		y.env.Step, y.env.Trace = nil, nil
		// What a killed command leaves, which cannot tidy up.
		if err := os.MkdirAll(filepath.Join(y.env.Repo.Dir, editFolder, "tmp-1", "x"), 0o777); err != nil {
			t.Fatal(err)
		}
		back := y.again(t)
		if err := back.env.Abort(context.Background(), "go1.22"); err != nil && !strings.Contains(err.Error(), "nothing to undo") {
			t.Fatalf("abort: %v", err)
		}
		if got := back.files(t); !maps.Equal(got, before) {
			t.Errorf("after abort the files are not those of before: %s", different(got, before))
		}
		if _, err := os.Lstat(filepath.Join(back.env.Repo.Dir, editFolder)); err == nil {
			t.Errorf("abort leaves %s", editFolder)
		}
		y.line(t)
		if err := y.move(context.Background(), t); err != nil {
			t.Fatalf("going on: %v", err)
		}
		if got := y.files(t); !maps.Equal(got, after) {
			t.Errorf("gone on with, the files are others than without an interruption: %s", different(got, after))
		}
	}
	for i, name := range steps {
		t.Run("step "+name, func(t *testing.T) {
			interrupt(t, func(e *Env, _ func()) {
				n := 0
				e.Step = func(string) error {
					if n++; n > i {
						return errKilled
					}
					return nil
				}
			})
		})
	}
	for n := 5; n < commands; n += 61 {
		t.Run("command", func(t *testing.T) {
			interrupt(t, func(e *Env, cancel func()) {
				i := 0
				e.Trace = func(*exec.Cmd) {
					if i++; i == n {
						cancel()
					}
				}
			})
		})
	}
}

// An abort that fails half-way is finished, not turned into its opposite: by
// another abort, and by any other command.
func TestAbortInterrupt(t *testing.T) {
	ctx := context.Background()
	first := newToy(t)
	before := first.files(t)
	writing := false
	first.env.Step = func(name string) error {
		// Killed while it writes: some of the files are new, others are old.
		writing = writing || name == "journal"
		if writing && name == "patches/go1.22/pin" {
			return errKilled
		}
		return nil
	}
	if err := first.move(ctx, t); !errors.Is(err, errKilled) {
		t.Fatalf("got error %v, want %v", err, errKilled)
	}
	if maps.Equal(first.files(t), before) {
		t.Fatal("the move was killed before it wrote anything")
	}
	if _, err := first.env.Repo.Line("go1.22"); err == nil {
		t.Error("a line of a mixture of old and new files was loaded")
	}

	whole := first.again(t)
	var steps []string
	whole.env.Step = func(name string) error { steps = append(steps, name); return nil }
	if err := whole.env.Abort(ctx, "go1.22"); err != nil {
		t.Fatal(err)
	}
	if got := whole.files(t); !maps.Equal(got, before) {
		t.Fatalf("after abort the files are not those of before: %s", different(got, before))
	}
	if len(steps) < 6 {
		t.Fatalf("got steps %q, want one for each file and more", steps)
	}
	for i, name := range steps {
		t.Run(name, func(t *testing.T) {
			y := first.again(t)
			n := 0
			y.env.Step = func(string) error {
				if n++; n > i {
					return errKilled
				}
				return nil
			}
			if err := y.env.Abort(ctx, "go1.22"); !errors.Is(err, errKilled) {
				t.Fatalf("got error %v, want %v", err, errKilled)
			}
			y.env.Step = nil
			if _, err := y.env.Repo.Line("go1.22"); err == nil && !maps.Equal(y.files(t), before) {
				t.Error("a line of a mixture of old and new files was loaded")
			}
			if i > 0 { // it has begun
				other := y.again(t)
				if err := other.env.Recover(ctx); err != nil {
					t.Fatal(err)
				}
				if got := other.files(t); !maps.Equal(got, before) {
					t.Errorf("after another command the files are not those of before: %s", different(got, before))
				}
			}
			if err := y.env.Abort(ctx, "go1.22"); err != nil && !strings.Contains(err.Error(), "nothing to undo") {
				t.Fatal(err)
			}
			if got := y.files(t); !maps.Equal(got, before) {
				t.Errorf("after another abort the files are not those of before: %s", different(got, before))
			}
			if _, err := os.Lstat(filepath.Join(y.env.Repo.Dir, editFolder)); err == nil {
				t.Errorf("abort leaves %s", editFolder)
			}
		})
	}
}

// What somebody does to a file while a move runs, or after it was killed, is not
// overwritten.
func TestChangedMeanwhile(t *testing.T) {
	ctx := context.Background()
	const mine = "package runtime // mine\n"
	for _, c := range []struct {
		name, file string
		kill       bool
	}{
		{"move 0001-coro-lock.patch", "src/go1.22/runtime/coro_test.go", false},
		{"journal", "patches/go1.22/0001-coro-lock.patch", false},
		{"patches/go1.22/0001-coro-lock.patch", "patches/go1.22/0001-coro-lock.patch", true},
		{"end", "patches/go1.22/0001-coro-lock.patch", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			y := newToy(t)
			// Only the first patch has something to merge, so nothing conflicts.
			writeFile(t, filepath.Join(releaseDir(y.root, "go1.22.13"), "src/runtime/proc.go"), procGo)
			file := filepath.Join(y.env.Repo.Dir, c.file)
			y.env.Step = func(name string) error {
				if name != c.name {
					return nil
				}
				writeFile(t, file, mine)
				if c.kill {
					return errKilled
				}
				return nil
			}
			l := y.line(t)
			pin, err := line.ParsePin("pin", []byte(newPin))
			if err != nil {
				t.Fatal(err)
			}
			_, err = y.env.Rebase(ctx, l, l.For("go1.22", pin), []byte(newPin))
			y.env.Step = nil
			if c.kill {
				if !errors.Is(err, errKilled) {
					t.Fatalf("got error %v, want %v", err, errKilled)
				}
				if err = y.env.Recover(ctx); err == nil {
					err = y.env.Abort(ctx, "go1.22")
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.file) {
				t.Errorf("got error %v, want one that names %s", err, c.file)
			}
			if data, err := os.ReadFile(file); string(data) != mine {
				t.Errorf("%s was overwritten with %q, %v", c.file, data, err)
			}
			if err := y.env.Repo.Whole(); (err != nil) != c.kill {
				t.Errorf("after a kill (%v) Whole returns %v", c.kill, err)
			}
		})
	}
}

// Nor is a workspace that was saved when a command began, and is not at the end.
func TestWorkMeanwhile(t *testing.T) {
	ctx := context.Background()
	for _, step := range []string{"keep", "move 0001-coro-lock.patch", "stop"} {
		t.Run(step, func(t *testing.T) {
			y := newToy(t)
			if step != "stop" { // nothing conflicts
				writeFile(t, filepath.Join(releaseDir(y.root, "go1.22.13"), "src/runtime/proc.go"), procGo)
			}
			l := y.line(t)
			w, err := y.env.Edit(ctx, l)
			if err != nil {
				t.Fatal(err)
			}
			work := filepath.Join(w.Dir, "src/runtime/work.go")
			y.env.Step = func(name string) error {
				if name == step {
					writeFile(t, work, "package runtime\n")
				}
				return nil
			}
			if step == "keep" {
				writeFile(t, filepath.Join(y.env.Repo.Dir, "src/go1.22/runtime/coro_test.go"), "package runtime\n")
				_, err = y.env.Edit(ctx, l)
			} else {
				pin, perr := line.ParsePin("pin", []byte(newPin))
				if perr != nil {
					t.Fatal(perr)
				}
				_, err = y.env.Rebase(ctx, l, l.For("go1.22", pin), []byte(newPin))
			}
			if err == nil || !strings.Contains(err.Error(), "has changes that are not saved") {
				t.Errorf("got error %v, want one that says what is not saved", err)
			}
			if _, err := os.Stat(work); err != nil {
				t.Errorf("the work is gone: %v", err)
			}
		})
	}
}

// procGo is src/runtime/proc.go of the first release.
const procGo = "package runtime\n\n// ready marks c as ready to run.\nfunc ready(c *coro) {\n\tc.gp = 1\n}\n\nfunc throw(s string) { panic(s) }\n"

func different(a, b map[string]string) string {
	var names []string
	for name := range a {
		if v, ok := b[name]; !ok || v != a[name] {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name+" (missing)")
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func TestSlug(t *testing.T) {
	for subject, want := range map[string]string{
		"runtime: check the lock at exit":                           "check-the-lock-at-exit",
		"runtime, iter: Keep (the) thread":                          "keep-the-thread",
		"no package":                                                "no-package",
		"runtime: a subject that goes on and on for much of a line": "a-subject-that-goes-on-and-on-for-much",
		"runtime: äöü":                                              "patch",
	} {
		if got := slug(subject); got != want {
			t.Errorf("slug(%q) = %q, want %q", subject, got, want)
		}
	}
}

func TestWithTrailers(t *testing.T) {
	const head, tail = "Subject: [PATCH] x\n\nWhy.\n", "---\n a | 1 +\n\ndiff --git a/a b/a\n"
	if got, want := string(withTrailers([]byte(head+tail))), head+"\n"+trailerTemplate+tail; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := string(withTrailers([]byte("Subject: [PATCH] x\n\nBug: none\n" + tail))); strings.Contains(got, "TODO") {
		t.Errorf("a message with a trailer was given more:\n%s", got)
	}
}
