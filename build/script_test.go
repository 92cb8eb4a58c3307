package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/tools/txtar"

	"gocoro/build/release"
	"gocoro/build/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"build":   main,
		"release": func() { os.Exit(release.Program.Main(os.Args[1:])) },
	})
}

// TestScript runs the stories in testdata/script. Each finds in its working
// directory what testdata/toy.txtar holds: a small release of Go ("upstream") and
// a checkout with patches for it ("repo"), in which the story begins.
func TestScript(t *testing.T) {
	toy, err := txtar.ParseFile("testdata/toy.txtar")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, dir := range cleanup {
			os.RemoveAll(dir)
		}
	})
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               func(env *testscript.Env) error { return setup(env, toy) },
		Condition:           condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"archive":  archive,
			"capture":  capture,
			"distpack": distpack,
			"flip":     flip,
			"gone":     gone,
			"pin":      pin,
			"publish":  publish,
			"replace":  replace,
			"serve":    serve,
			"waitfor":  waitfor,
		},
	})
}

// name is the release that the toy's checkout makes.
const name = "go1.22.12-coro1"

func setup(env *testscript.Env, toy *txtar.Archive) error {
	for _, f := range toy.Files {
		file := filepath.Join(env.WorkDir, f.Name)
		if _, err := os.Stat(file); err == nil {
			continue // the story has a file of its own in this place
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(file, f.Data, 0o666); err != nil {
			return err
		}
	}
	home := filepath.Join(env.WorkDir, "home")
	if err := os.MkdirAll(home, 0o777); err != nil {
		return err
	}
	env.Cd = filepath.Join(env.WorkDir, "repo")
	env.Setenv("HOME", home)
	env.Setenv("TMPDIR", os.TempDir())
	env.Setenv("NAME", name)
	env.Setenv("PATH", strings.Join(slices.DeleteFunc(filepath.SplitList(env.Getenv("PATH")), func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, name)) // a real one, of that name
		return err == nil
	}), string(os.PathListSeparator)))
	env.Setenv("PLATFORM", runtime.GOOS+"/"+runtime.GOARCH)
	env.Setenv("GOCORO_CACHE", filepath.Join(env.WorkDir, "cache"))
	env.Setenv("GOPATH", filepath.Join(home, "go"))
	env.Setenv("GOMODCACHE", filepath.Join(env.WorkDir, "modcache"))
	env.Setenv("GOPROXY", "file://"+filepath.ToSlash(filepath.Join(env.WorkDir, "proxy")))
	env.Setenv("GONOSUMDB", "golang.org/toolchain")
	env.Setenv("GOTOOLCHAIN", "local")
	env.Setenv("ZIP", filepath.Join(env.WorkDir, "proxy", moduleFile+".zip"))
	env.Setenv("MODZIP", filepath.Join(env.WorkDir, "modcache/cache/download", moduleFile+".zip"))
	env.Defer(func() { removeModCache(env.WorkDir) })
	return nil
}

// removeModCache removes what the go command makes read-only.
func removeModCache(work string) {
	store.RemoveAll(filepath.Join(work, "modcache"))
}

// condition knows [userns]: a process may mount file systems that only it sees.
func condition(cond string) (bool, error) {
	if cond != "userns" {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	return userns(), nil
}

var userns = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "userns")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	return exec.Command("unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", dir).Run() == nil
})

var (
	moduleVersion = "v0.0.1-go1.22.12." + runtime.GOOS + "-" + runtime.GOARCH
	moduleFile    = "golang.org/toolchain/@v/" + moduleVersion // in a proxy and in the module cache
)

// distpack: puts upstream's own cmd/distpack, compiled from the sources of the
// Go that runs this test, on PATH as toy-distpack, for the toy's go command.
func distpack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: distpack")
	}
	dir, err := compiled()
	ts.Check(err)
	ts.Setenv("PATH", dir+string(os.PathListSeparator)+ts.Getenv("PATH"))
}

var compiled = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "gocoro-test"); err != nil {
		return "", err
	}
	cleanup = append(cleanup, dir)
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "toy-distpack"), "cmd/distpack").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build cmd/distpack: %v: %s", err, out)
	}
	return dir, err
})

// cleanup holds directories to be removed when the stories are told.
var cleanup []string

// flip file text: flips a bit of the first byte of the text in the file.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip file text")
	}
	data := []byte(ts.ReadFile(args[0]))
	i := bytes.Index(data, []byte(args[1]))
	if i < 0 {
		ts.Fatalf("%s does not contain %q", args[0], args[1])
	}
	data[i] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o666))
}

// publish: puts upstream into the module proxy as the toolchain module of this
// platform and writes its hash into the pin. -nopin leaves the pin, -zip takes
// the module that is there. The module cache, which may have an earlier one, is
// emptied.
func publish(ts *testscript.TestScript, neg bool, args []string) {
	nopin := len(args) == 1 && args[0] == "-nopin"
	asIs := len(args) == 1 && args[0] == "-zip"
	if neg || len(args) > 0 && !nopin && !asIs {
		ts.Fatalf("usage: publish [-nopin|-zip]")
	}
	if asIs {
		removeModCache(ts.Getenv("WORK"))
		h1, err := dirhash.HashZip(ts.Getenv("ZIP"), dirhash.Hash1)
		ts.Check(err)
		setPin(ts, "module", ts.Getenv("PLATFORM"), h1)
		return
	}
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	eachUpstream(ts, func(name string, data []byte) {
		w, err := zw.Create("golang.org/toolchain@" + moduleVersion + "/" + name)
		ts.Check(err)
		_, err = w.Write(data)
		ts.Check(err)
	})
	ts.Check(zw.Close())
	file := ts.Getenv("ZIP")
	ts.Check(os.MkdirAll(filepath.Dir(file), 0o777))
	ts.Check(os.WriteFile(file, buf.Bytes(), 0o666))
	base := strings.TrimSuffix(file, ".zip")
	ts.Check(os.WriteFile(base+".mod", []byte("module golang.org/toolchain\n"), 0o666))
	ts.Check(os.WriteFile(base+".info", fmt.Appendf(nil, `{"Version":%q}`, moduleVersion), 0o666))
	removeModCache(ts.Getenv("WORK"))
	if !nopin {
		h1, err := dirhash.HashZip(file, dirhash.Hash1)
		ts.Check(err)
		setPin(ts, "module", ts.Getenv("PLATFORM"), h1)
	}
}

// archive file: makes the source archive of upstream, as it is on go.dev/dl,
// and writes its SHA-256 into the pin.
func archive(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: archive file")
	}
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	tw := tar.NewWriter(gz)
	eachUpstream(ts, func(name string, data []byte) {
		if strings.HasPrefix(name, "bin/") || strings.HasPrefix(name, "pkg/") {
			return
		}
		h := &tar.Header{Name: "go/" + strings.Replace(name, "_go.mod", "go.mod", 1), Mode: 0o644, Size: int64(len(data))}
		if strings.HasSuffix(name, ".bash") {
			h.Mode = 0o755
		}
		ts.Check(tw.WriteHeader(h))
		_, err := tw.Write(data)
		ts.Check(err)
	})
	ts.Check(tw.Close())
	ts.Check(gz.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), buf.Bytes(), 0o666))
	setPin(ts, "tarball", fmt.Sprintf("%x", sha256.Sum256(buf.Bytes())))
}

// eachUpstream calls f for every file of $WORK/upstream.
func eachUpstream(ts *testscript.TestScript, f func(name string, data []byte)) {
	fsys := os.DirFS(filepath.Join(ts.Getenv("WORK"), "upstream"))
	ts.Check(fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		f(name, data)
		return err
	}))
}

// pin key [value ...]: sets the fact in the pin, or removes it.
func pin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: pin key [value ...]")
	}
	setPin(ts, args[0], args[1:]...)
}

func setPin(ts *testscript.TestScript, key string, values ...string) {
	file := filepath.Join(ts.Getenv("WORK"), "repo/patches/go1.22/pin")
	data, err := os.ReadFile(file)
	ts.Check(err)
	var out []string
	for _, l := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		if f := strings.Fields(l); len(f) == 0 || f[0] != key {
			out = append(out, l)
		}
	}
	if len(values) > 0 {
		out = append(out, key+" "+strings.Join(values, " "))
	}
	ts.Check(os.WriteFile(file, []byte(strings.Join(out, "\n")+"\n"), 0o666))
}

// replace old new file: replaces a text that must be in the file.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace old new file")
	}
	text := ts.ReadFile(args[2])
	if !strings.Contains(text, args[0]) {
		ts.Fatalf("%s does not contain %q", args[2], args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.ReplaceAll(text, args[0], args[1])), 0o666))
}

// capture var: sets the variable to what the last command printed.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: capture var")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// serve: serves the working directory by HTTP at $URL. What is asked for below
// $URL/cut breaks off in the middle.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: serve")
	}
	root := http.Dir(ts.Getenv("WORK"))
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(root))
	mux.HandleFunc("/cut/", func(w http.ResponseWriter, r *http.Request) {
		data, err := os.ReadFile(filepath.Join(string(root), strings.TrimPrefix(r.URL.Path, "/cut/")))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:len(data)/2])
	})
	s := httptest.NewServer(mux)
	ts.Defer(s.Close)
	ts.Setenv("URL", s.URL)
}

// waitfor file [text]: waits until the file is not empty, and has the text. (A
// shell makes a file a moment before it writes there.)
func waitfor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: waitfor file [text]")
	}
	poll(ts, strings.Join(args, " "), func() bool {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && len(data) > 0 && (len(args) == 1 || strings.Contains(string(data), args[1]))
	})
}

// gone file: checks that no process is left of the group whose id the file
// holds. (A killed process may be seen for a moment after.)
func gone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone file")
	}
	group := strings.TrimSpace(ts.ReadFile(args[0]))
	poll(ts, "the end of process group "+group, func() bool {
		out, err := exec.Command("ps", "-A", "-o", "pgid=,stat=").Output()
		ts.Check(err)
		for _, l := range strings.Split(string(out), "\n") {
			if f := strings.Fields(l); len(f) == 2 && f[0] == group && f[1][0] != 'Z' {
				return false
			}
		}
		return true
	})
}

func poll(ts *testscript.TestScript, what string, ok func() bool) {
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("waited 10 seconds in vain for %s", what)
		}
	}
}
