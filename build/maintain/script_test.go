package main

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/tools/txtar"

	"gocoro/build/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"build": main, "gh": gh})
}

// gh stands for GitHub's command: it keeps the one issue in $WORK/issue, and a
// log of what it was asked for.
func gh() {
	file := filepath.Join(os.Getenv("WORK"), "issue")
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	log, err := os.OpenFile(filepath.Join(os.Getenv("WORK"), "gh.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	check(err)
	fmt.Fprintln(log, strings.Join(os.Args[1:], " "))
	check(log.Close())
	switch os.Args[2] {
	case "list":
		type issue struct {
			Number int    `json:"number"`
			Title  string `json:"title"`
			Body   string `json:"body"`
		}
		issues := []issue{{1, "Upstream has newer releases, says a person", ""}}
		if data, err := os.ReadFile(file); err == nil {
			issues = append(issues, issue{7, issueTitle, string(data)})
		}
		check(json.NewEncoder(os.Stdout).Encode(issues))
	case "create", "edit":
		data, err := io.ReadAll(os.Stdin)
		check(err)
		check(os.WriteFile(file, data, 0o666))
	case "close":
		check(os.Remove(file))
	}
}

// TestScript runs the stories in testdata/script. Each finds in its working
// directory what testdata/toy.txtar holds, a small release of Go ("upstream") and a
// checkout with patches for it ("repo"), in which the story begins; a module
// proxy to which it can publish releases; and a checksum database.
func TestScript(t *testing.T) {
	toy, err := txtar.ParseFile("testdata/toy.txtar")
	if err != nil {
		t.Fatal(err)
	}
	realGo, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               func(env *testscript.Env) error { return setup(env, toy, realGo) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"capture": capture,
			"checkin": checkin,
			"release": publish,
			"replace": replace,
			"serve":   serve,
		},
	})
}

func setup(env *testscript.Env, toy *txtar.Archive, realGo string) error {
	for _, f := range toy.Files {
		name := filepath.Join(env.WorkDir, f.Name)
		if _, err := os.Stat(name); err == nil {
			continue // the story has a file of its own in this place
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(name, f.Data, 0o666); err != nil {
			return err
		}
	}
	// The go command asks its compiler for its version even to list packages.
	tool := filepath.Join(env.WorkDir, "upstream/pkg/tool", runtime.GOOS+"_"+runtime.GOARCH, "compile")
	if err := os.MkdirAll(filepath.Dir(tool), 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(tool, []byte("#!/bin/sh\nexec "+filepath.Join(goEnv("GOTOOLDIR"), "compile")+" \"$@\"\n"), 0o666); err != nil {
		return err
	}
	home := filepath.Join(env.WorkDir, "home")
	if err := os.MkdirAll(home, 0o777); err != nil {
		return err
	}
	sums, err := checksumDatabase(env)
	if err != nil {
		return err
	}
	env.Cd = filepath.Join(env.WorkDir, "repo")
	for k, v := range map[string]string{
		"HOME":            home,
		"TMPDIR":          os.TempDir(),
		"PLATFORM":        runtime.GOOS + "/" + runtime.GOARCH,
		"REALGO":          realGo,
		"EDIT":            filepath.Join(env.WorkDir, "repo", ".edit", "go1.22"),
		"GOCORO_CACHE":    filepath.Join(env.WorkDir, "cache"),
		"GOCACHE":         goEnv("GOCACHE"),
		"GOMODCACHE":      filepath.Join(env.WorkDir, "modcache"),
		"GOPROXY":         "file://" + filepath.ToSlash(filepath.Join(env.WorkDir, "proxy")),
		"GOSUMDB":         sums,
		"GOTOOLCHAIN":     "local",
		"GIT_AUTHOR_NAME": "Gopher", "GIT_AUTHOR_EMAIL": "gopher@example.invalid", "GIT_AUTHOR_DATE": "2026-11-24T12:00:00Z",
		"GIT_COMMITTER_NAME": "Gopher", "GIT_COMMITTER_EMAIL": "gopher@example.invalid",
	} {
		env.Setenv(k, v)
	}
	env.Defer(func() { store.RemoveAll(filepath.Join(env.WorkDir, "modcache")) })
	return nil
}

func goEnv(name string) string {
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		panic(err)
	}
	return strings.TrimSpace(string(out))
}

// checksumDatabase serves a checksum database that has the hashes of what is in
// the module proxy, and returns the setting of GOSUMDB that names it.
func checksumDatabase(env *testscript.Env) (string, error) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "sum.toy")
	if err != nil {
		return "", err
	}
	proxy := filepath.Join(env.WorkDir, "proxy")
	server := httptest.NewServer(sumdb.NewServer(sumdb.NewTestServer(skey, func(path, vers string) ([]byte, error) {
		h, err := dirhash.HashZip(filepath.Join(proxy, path, "@v", vers+".zip"), dirhash.Hash1)
		if err != nil {
			return nil, err
		}
		mod, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(goMod)), nil
		})
		return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", path, vers, h, path, vers, mod), err
	})))
	env.Defer(server.Close)
	return vkey + " " + server.URL, nil
}

const goMod = "module golang.org/toolchain\n"

// release name: publishes upstream, with that name in its VERSION, as the
// toolchain module of this platform.
func publish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: release name")
	}
	vers := "v0.0.1-" + args[0] + "." + runtime.GOOS + "-" + runtime.GOARCH
	root := filepath.Join(ts.Getenv("WORK"), "upstream")
	ts.Check(os.WriteFile(filepath.Join(root, "VERSION"), []byte(args[0]+"\ntime 2026-01-01T00:00:00Z\n"), 0o666))
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	ts.Check(fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		w, err := zw.Create("golang.org/toolchain@" + vers + "/" + name)
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	}))
	ts.Check(zw.Close())
	dir := filepath.Join(ts.Getenv("WORK"), "proxy/golang.org/toolchain/@v")
	ts.Check(os.MkdirAll(dir, 0o777))
	ts.Check(os.WriteFile(filepath.Join(dir, vers+".zip"), buf.Bytes(), 0o666))
	ts.Check(os.WriteFile(filepath.Join(dir, vers+".mod"), []byte(goMod), 0o666))
	ts.Check(os.WriteFile(filepath.Join(dir, vers+".info"), fmt.Appendf(nil, `{"Version":%q}`, vers), 0o666))
	list, err := os.OpenFile(filepath.Join(dir, "list"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	ts.Check(err)
	_, err = fmt.Fprintln(list, vers)
	ts.Check(err)
	ts.Check(list.Close())
}

// replace old new file: replaces a text that must be in the file.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace old new file")
	}
	text := ts.ReadFile(args[2])
	old, new := strings.ReplaceAll(args[0], `\n`, "\n"), strings.ReplaceAll(args[1], `\n`, "\n")
	if !strings.Contains(text, old) {
		ts.Fatalf("%s does not contain %q", args[2], old)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.ReplaceAll(text, old, new)), 0o666))
}

// checkin: makes repo a git repository, or commits what has changed in it.
func checkin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: checkin")
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "-m", "checkin"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = filepath.Join(ts.Getenv("WORK"), "repo")
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=g", "GIT_AUTHOR_EMAIL=g@example.invalid", "GIT_COMMITTER_NAME=g", "GIT_COMMITTER_EMAIL=g@example.invalid")
		if out, err := cmd.CombinedOutput(); err != nil {
			ts.Fatalf("git %s: %v: %s", args[0], err, out)
		}
	}
}

// capture var: sets the variable to what the last command printed.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: capture var")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// serve: serves the directory web of the working directory by HTTP at $URL.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: serve")
	}
	web := filepath.Join(ts.Getenv("WORK"), "web")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := os.ReadFile(filepath.Join(web, filepath.FromSlash(r.URL.Path)))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Write(data)
	}))
	ts.Defer(s.Close)
	ts.Setenv("URL", s.URL)
}
