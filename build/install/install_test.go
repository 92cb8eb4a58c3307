package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"gocoro/build/hint"
	"gocoro/build/store"
)

const release = "go1.22.12-coro1"

// built makes a GOROOT that says word.
func built(t *testing.T, word string) string {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"VERSION":    release + "\n",
		"bin/go":     "#!/bin/sh\necho " + word + "\n",
		"src/a/a.go": "package a\n",
		"src/b.go":   "package b // " + word + "\n",
	} {
		if err := store.WriteFile(filepath.Join(dir, name), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "bin/go"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func newTarget(t *testing.T) *Target {
	dir := filepath.Join(t.TempDir(), "it's here") // to be quoted for a shell
	tg := &Target{Root: filepath.Join(dir, "sdk"), Bin: filepath.Join(dir, "bin"), Name: release}
	if err := tg.Writable(); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{filepath.Join(tg.Root, "mine"), filepath.Join(tg.Bin, "mine")} {
		if err := store.WriteFile(file, nil); err != nil {
			t.Fatal(err)
		}
	}
	return tg
}

func install(ctx context.Context, tg *Target, built, key string) error {
	return tg.Install(ctx, built, &Record{Release: tg.Name, Upstream: "go1.22.12", Key: key})
}

func uninstall(tg *Target) error {
	rm, err := tg.Removal(false)
	if err != nil {
		return err
	}
	return rm.Do()
}

// TestMain is the program that TestKilled kills if KILL is set: it does what
// that says, up to a certain write.
func TestMain(m *testing.M) {
	if kill := os.Getenv("KILL"); kill != "" {
		if err := killed(strings.Split(kill, "|")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func killed(args []string) error {
	tg := &Target{Root: args[1], Bin: args[2], Name: release}
	left, err := strconv.Atoi(args[4])
	if err != nil {
		return err
	}
	atWrite = func(what string) {
		if left--; left < 0 {
			os.Stdout.WriteString("killed before: " + what)
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	if args[0] == "uninstall" {
		return uninstall(tg)
	}
	return install(context.Background(), tg, args[3], "new")
}

// A program that is killed before any of its writes loses nothing, and what is
// typed next, be it install or uninstall, does all that it should.
func TestKilled(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before bool // something is installed
	}{
		{"install", false},
		{"replace", true},
		{"uninstall", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			old, new := built(t, "old"), built(t, "new")
			for n, done := 0, false; !done; n++ {
				for _, next := range []string{"install", "uninstall"} {
					tg := newTarget(t)
					if tc.before {
						if err := install(t.Context(), tg, old, "old"); err != nil {
							t.Fatal(err)
						}
					}
					child := exec.Command(os.Args[0])
					child.Env = append(os.Environ(), "KILL="+strings.Join([]string{tc.name, tg.Root, tg.Bin, new, strconv.Itoa(n)}, "|"))
					out, err := child.CombinedOutput()
					done = err == nil
					if !done && !strings.Contains(string(out), "killed before: ") {
						t.Fatalf("%v: %s", err, out)
					}
					_, where, _ := strings.Cut(string(out), "killed before: ")

					list, err := List(tg.Root)
					if err != nil {
						t.Errorf("%s: List: %v", where, err)
					}
					left, err := Leftovers(tg.Root, tg.Bin)
					if err != nil {
						t.Errorf("%s: Leftovers: %v", where, err)
					}
					// What is there is whole; if there was something before and
					// nothing is now, Leftovers says how to have it back.
					for _, e := range list {
						if e.Err != nil || !whole(filepath.Join(tg.Root, e.Name)) {
							t.Errorf("%s: what is installed is not whole (%v)", where, e.Err)
						}
					}
					if tc.name == "replace" && len(list) == 0 {
						for _, l := range left {
							if out, err := exec.Command("sh", "-c", l.Fix).CombinedOutput(); err != nil {
								t.Errorf("%s: %s: %v: %s", where, l.Fix, err, out)
							}
						}
						if out, err := exec.Command(tg.Link()).Output(); err != nil || string(out) != "old\n" {
							t.Errorf("%s: after %v the link runs %q (%v)", where, left, out, err)
						}
					}

					if next == "install" {
						if err := install(t.Context(), tg, new, "new"); err != nil {
							t.Errorf("%s: install: %v", where, err)
						}
						if out, err := exec.Command(tg.Link()).Output(); err != nil || string(out) != "new\n" {
							t.Errorf("%s: after install the link runs %q (%v)", where, out, err)
						}
					} else if err := uninstall(tg); err != nil && !strings.Contains(err.Error(), "is not installed") {
						t.Errorf("%s: uninstall: %v", where, err)
					}
					if left, err := Leftovers(tg.Root, tg.Bin); err != nil || len(left) > 0 {
						t.Errorf("%s: %s left %v (%v)", where, next, left, err)
					}
					want := 1
					if next == "install" {
						want = 2
					}
					for _, dir := range []string{tg.Root, tg.Bin} {
						if ents, err := os.ReadDir(dir); err != nil || len(ents) != want {
							t.Errorf("%s: after %s got %v in %s (%v), want %d names", where, next, ents, dir, err, want)
						}
						if _, err := os.Stat(filepath.Join(dir, "mine")); err != nil {
							t.Errorf("%s: %s removed a file that is not its own: %v", where, next, err)
						}
					}
				}
			}
		})
	}
}

// What Removal says before anything is removed.
func TestRemoval(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, tg *Target)
		force  bool
		paths  string // relative to the parent of root and bin
		err    string
	}{
		{"as installed", func(*testing.T, *Target) {}, false, "bin/NAME sdk/NAME", ""},
		{"a name of the first form", func(t *testing.T, tg *Target) {
			uninstall(tg)
			tg.Name = "go1.22.12-coro.1"
			if err := install(t.Context(), tg, built(t, "old"), "k"); err != nil {
				t.Fatal(err)
			}
		}, false, "bin/NAME sdk/NAME", ""},
		{"without the link", func(t *testing.T, tg *Target) { os.Remove(tg.Link()) }, false, "sdk/NAME", ""},
		{"another's link", func(t *testing.T, tg *Target) { os.Remove(tg.Link()); os.Symlink("/x", tg.Link()) }, false, "sdk/NAME", ""},
		{"only the link", func(t *testing.T, tg *Target) { os.RemoveAll(tg.GOROOT()) }, false, "bin/NAME", ""},
		{"nothing", func(t *testing.T, tg *Target) { uninstall(tg) }, false, "", "is not installed"},
		{"modified", func(t *testing.T, tg *Target) { store.WriteFile(tg.GOROOT()+"/mine", nil); tg.Flags = " -root R" }, false, "", "uninstall -force -root R NAME"},
		{"modified, by force", func(t *testing.T, tg *Target) { store.WriteFile(tg.GOROOT()+"/mine", nil) }, true, "bin/NAME sdk/NAME", ""},
		{"cut record", func(t *testing.T, tg *Target) { os.Truncate(tg.GOROOT()+"/"+RecordFile, 9) }, false, "", "is damaged (gocoro.json: "},
		{"cut record, by force", func(t *testing.T, tg *Target) { os.Truncate(tg.GOROOT()+"/"+RecordFile, 9) }, true, "bin/NAME sdk/NAME", ""},
		{"empty record", func(t *testing.T, tg *Target) {
			store.WriteFile(tg.GOROOT()+"/"+RecordFile, []byte("{}"))
		}, false, "", "it names no release"},
		{"somebody's record", func(t *testing.T, tg *Target) {
			os.Truncate(tg.GOROOT()+"/"+RecordFile, 9)
			os.Remove(tg.GOROOT() + "/VERSION")
		}, true, "", "may not be gocoro's"},
		{"somebody's link", func(t *testing.T, tg *Target) {
			os.Remove(tg.GOROOT() + "/" + RecordFile)
			os.Symlink(RecordFile, tg.GOROOT()+"/"+RecordFile)
			os.Remove(tg.GOROOT() + "/VERSION")
		}, true, "", "may not be gocoro's"},
		{"no record", func(t *testing.T, tg *Target) { os.Remove(tg.GOROOT() + "/" + RecordFile) }, false, "", "is damaged (gocoro.json: no such file or directory)"},
		{"no record, by force", func(t *testing.T, tg *Target) { os.Remove(tg.GOROOT() + "/" + RecordFile) }, true, "bin/NAME sdk/NAME", ""},
		{"a directory for a record", func(t *testing.T, tg *Target) {
			os.Remove(tg.GOROOT() + "/" + RecordFile)
			os.Mkdir(tg.GOROOT()+"/"+RecordFile, 0o777)
		}, true, "bin/NAME sdk/NAME", ""},
		{"another's record", func(t *testing.T, tg *Target) {
			store.WriteFile(tg.GOROOT()+"/"+RecordFile, []byte(`{"release":"go1.22.12-coro9"}`))
		}, false, "", "is damaged (gocoro.json: it is of go1.22.12-coro9)"},
		{"no record and no VERSION", func(t *testing.T, tg *Target) {
			os.Remove(tg.GOROOT() + "/" + RecordFile)
			os.Remove(tg.GOROOT() + "/VERSION")
		}, true, "", "was not installed by gocoro"},
		{"a file", func(t *testing.T, tg *Target) { os.RemoveAll(tg.GOROOT()); os.WriteFile(tg.GOROOT(), nil, 0o666) }, true, "", "was not installed by gocoro"},
		{"renamed", func(t *testing.T, tg *Target) {
			os.Rename(tg.GOROOT(), tg.GOROOT()+"7")
			tg.Name += "7"
		}, true, "", "holds " + release},
		{"leftovers", func(t *testing.T, tg *Target) {
			os.Rename(tg.GOROOT(), tg.GOROOT()+".gocoro-old")
			os.Remove(tg.Link())
		}, false, "sdk/NAME.gocoro-old", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tg := newTarget(t)
			if err := install(t.Context(), tg, built(t, "old"), "k"); err != nil {
				t.Fatal(err)
			}
			tc.change(t, tg)
			before, _ := store.Seal(filepath.Dir(tg.Root))
			rm, err := tg.Removal(tc.force)
			if after, _ := store.Seal(filepath.Dir(tg.Root)); after != before {
				t.Errorf("Removal changed files")
			}
			if tc.err != "" {
				if err == nil || !strings.Contains(hint.Text(err), strings.ReplaceAll(tc.err, "NAME", release)) || hint.Of(err) == nil {
					t.Fatalf("got %v, want %q and what to do", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range rm.Paths {
				rel, _ := filepath.Rel(filepath.Dir(tg.Root), p)
				got = append(got, rel)
			}
			if got, want := strings.Join(got, " "), strings.ReplaceAll(tc.paths, "NAME", tg.Name); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if err := rm.Do(); err != nil {
				t.Fatal(err)
			}
			for _, p := range rm.Paths {
				if _, err := os.Lstat(p); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is still there", p)
				}
			}
			for _, p := range rm.Kept {
				if _, err := os.Lstat(p); err != nil {
					t.Errorf("%s is gone", p)
				}
			}
		})
	}
}

// Places that are not fit for an installation are refused before anything is
// done.
func TestAllowed(t *testing.T) {
	dir := t.TempDir()
	cache := filepath.Join(dir, "cache")
	for name, text := range map[string]string{
		"file":          "",
		"goroot/bin/go": "", "goroot/VERSION": "go1.26.8", "ours/gocoro.json": "{}",
		"bin3/" + release: "",
	} {
		if err := store.WriteFile(filepath.Join(dir, name), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	os.Mkdir(filepath.Join(dir, "bin2"), 0o777)
	os.Symlink("/x/go", filepath.Join(dir, "bin2", release))
	os.Mkdir(filepath.Join(dir, "bin4"), 0o777)
	os.Symlink("/x/"+release+"/bin/go", filepath.Join(dir, "bin4", release))
	for _, tc := range []struct{ name, root, bin, want string }{
		{"new", "sdk", "bin", ""},
		{"another root's link", "sdk", "bin4", ""},
		{"root is a file", "file", "bin", "file: not a directory\n\tchoose a directory that you may write to with -root"},
		{"bin is a file", "sdk", "file", "not a directory\n\tchoose a directory that you may write to with -bin"},
		{"below a file", "file/x", "bin", "not a directory\n\tchoose a directory that you may write to with -root"},
		{"root in the cache", "cache/tmp", "bin", "is in the build cache"},
		{"bin is the cache", "sdk", "cache", "is in the build cache"},
		{"root is a toolchain", "goroot", "bin", "is in a Go toolchain, DIR/goroot, which must not change\n\tchoose a directory outside of it, such as -root DIR"},
		{"root in a toolchain", "goroot/src/x", "bin", "is in a Go toolchain"},
		{"bin in a toolchain", "sdk", "goroot/bin", ""},
		{"bin in one of gocoro's", "sdk", "ours/bin", "is in a Go toolchain, DIR/ours"},
		{"bin in the target", "sdk", "sdk/" + release + "/bin", "is in a Go toolchain"},
		{"the same", "sdk", "sdk", "-root and -bin are both"},
		{"another's link", "sdk", "bin2", "is a link to /x/go, which gocoro did not make"},
		{"a file for a link", "sdk", "bin3", "is not a link made by gocoro"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tg := &Target{Root: filepath.Join(dir, tc.root), Bin: filepath.Join(dir, tc.bin), Name: release}
			err := tg.Allowed(cache)
			want := strings.ReplaceAll(tc.want, "DIR", dir)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(hint.Text(err), want)) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}
