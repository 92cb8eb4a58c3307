package upstream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/dirhash"

	"gocoro/build/run"
	"gocoro/build/series"
)

// tarball is a release's source archive, as published on go.dev/dl.
type tarball struct {
	env  *Env
	from string // a path or an http(s) URL
}

func (t *tarball) ID(context.Context) (string, error) {
	if t.env.Pin.Tarball == "" {
		return "", fmt.Errorf("%s has no tarball hash, so %s cannot be verified\n\tadd the archive's SHA-256 as published with the release to the pin, or use -source module", t.env.Pin.File, t.from)
	}
	return "sha256:" + t.env.Pin.Tarball, nil
}

func (t *tarball) Verified() string { return "SHA-256 of the archive equals the pin's" }

func (t *tarball) Unpack(ctx context.Context, dir string) error {
	if _, err := t.ID(ctx); err != nil {
		return err
	}
	file := t.from
	if strings.HasPrefix(file, "https://") || strings.HasPrefix(file, "http://") {
		t.env.progress("downloading %s", t.from)
		tmp, err := os.MkdirTemp(dir, ".download")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		file = filepath.Join(tmp, "src.tar.gz")
		if err := t.download(ctx, file); err != nil {
			return err
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("-source tarball: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != t.env.Pin.Tarball {
		return fmt.Errorf("%s is not the archive that the pin of line %s names (or was cut short)\n\tgot  SHA-256 %s\n\twant SHA-256 %s (%s)\n\tdownload %s.src.tar.gz again", t.from, t.env.Line, sum, t.env.Pin.Tarball, t.env.Pin.File, t.env.Pin.Upstream)
	}
	// The very file that was read, whatever has its name by now.
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	t.env.progress("unpacking %s", filepath.Base(t.from))
	if err := untar(ctx, t.env, f, dir, "-z", "--strip-components=1"); err != nil {
		return fmt.Errorf("unpacking %s: %w", t.from, err)
	}
	return checkVersion(dir, t.env.Pin)
}

// download fetches the archive with curl, which every system that builds Go
// has. The hash that is checked afterwards is what makes the result good.
func (t *tarball) download(ctx context.Context, file string) error {
	cmd := run.Command(ctx, "curl", "--fail", "--location", "--silent", "--show-error", "--retry", "3", "--output", file, "--", t.from)
	t.env.trace(cmd)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("cannot download %s: %v\n\tinstall curl, or download the file yourself and give -source tarball=PATH", t.from, err)
	}
	return fmt.Errorf("cannot download %s: %v: %s\n\tcheck the URL and the network, or download the file yourself and give -source tarball=PATH", t.from, err, strings.TrimSpace(string(out)))
}

// untar unpacks an archive, whose content is verified, into dir with the tar
// that every system has. Without a package for it the driver is compiled
// sooner: archive/tar looks up users, by C code where there is a C compiler.
func untar(ctx context.Context, env *Env, archive *os.File, dir string, flags ...string) error {
	args := append([]string{"-x", "-f", "-", "-C", dir, "--no-same-owner", "--no-same-permissions"}, flags...)
	cmd := run.Command(ctx, "tar", args...)
	cmd.Stdin = archive
	env.trace(cmd)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("tar: %v: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// gitRepo is a clone of the Go repository, local or remote.
type gitRepo struct {
	env    *Env
	repo   string
	commit string // stated by the user, or empty
}

// want returns the commit to fetch: the stated one or the pin's, or "".
func (g *gitRepo) want() string {
	if g.commit != "" {
		return g.commit
	}
	return g.env.Pin.Commit
}

func (g *gitRepo) ID(ctx context.Context) (string, error) {
	if c := g.want(); c != "" {
		return "git:" + c, nil
	}
	ref := "refs/tags/" + g.env.Pin.Upstream
	cmd := series.Git(ctx, os.TempDir(), "ls-remote", g.absRepo(), ref, ref+"^{}")
	g.env.trace(cmd)
	out, err := cmd.Output()
	if err != nil {
		return "", g.fail(err)
	}
	// An annotated tag has a second line, for the commit it points to.
	lines := strings.Fields(string(out))
	if len(lines) < 2 {
		return "", fmt.Errorf("%s has no tag %s\n\tname the commit: -source git=%s@COMMIT", g.repo, g.env.Pin.Upstream, g.repo)
	}
	g.commit = lines[len(lines)-2]
	return "git:" + g.commit, nil
}

func (g *gitRepo) Verified() string {
	switch g.env.Pin.Commit {
	case "":
		return "UNVERIFIED: the pin has no commit; this is " + g.commit
	case g.want():
		return "commit equals the pin's"
	}
	return "UNVERIFIED: stated commit " + g.commit + " is not the pin's"
}

func (g *gitRepo) absRepo() string {
	if st, err := os.Stat(g.repo); err == nil && st.IsDir() {
		if abs, err := filepath.Abs(g.repo); err == nil {
			return abs
		}
	}
	return g.repo
}

func (g *gitRepo) Unpack(ctx context.Context, dir string) error {
	id, err := g.ID(ctx)
	if err != nil {
		return err
	}
	commit := strings.TrimPrefix(id, "git:")
	tmp, err := os.MkdirTemp(dir, ".fetch")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	run := func(args ...string) error {
		cmd := series.Git(ctx, tmp, args...)
		g.env.trace(cmd)
		if out, err := cmd.CombinedOutput(); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("git %s: %v: %s", args[0], err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	g.env.progress("fetching %s from %s", commit, g.repo)
	if err := run("init", "--quiet", "--bare"); err != nil {
		return err
	}
	// By id where the server allows it, else by the release's tag; either
	// way the commit must be there by its id afterwards.
	if err := run("fetch", "--quiet", "--depth=1", g.absRepo(), commit); err != nil {
		if ctx.Err() != nil {
			return err
		}
		if terr := run("fetch", "--quiet", "--depth=1", g.absRepo(), "refs/tags/"+g.env.Pin.Upstream); terr != nil {
			return g.fail(err)
		}
	}
	if err := run("cat-file", "-e", commit+"^{commit}"); err != nil {
		return fmt.Errorf("%s has another commit than %s under the tag %s\n\tthe repository is not the Go project's, or the pin (%s) is wrong", g.repo, commit, g.env.Pin.Upstream, g.env.Pin.File)
	}
	g.env.progress("unpacking %s", commit)
	archive := filepath.Join(tmp, "tree.tar")
	if err := run("-c", "core.autocrlf=false", "archive", "--format=tar", "--output="+archive, commit); err != nil {
		return err
	}
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := untar(ctx, g.env, f, dir); err != nil {
		return err
	}
	return checkVersion(dir, g.env.Pin)
}

func (g *gitRepo) fail(err error) error {
	var stderr string
	if ee, ok := err.(*exec.ExitError); ok {
		stderr = ": " + strings.TrimSpace(string(ee.Stderr))
	}
	return fmt.Errorf("cannot read the repository %s: %v%s\n\tcheck the path or URL after git=", g.repo, err, stderr)
}

// goroot is a directory that already holds the release.
type goroot struct {
	env *Env
	dir string
	id  string
}

func (g *goroot) ID(context.Context) (string, error) {
	if g.id != "" {
		return g.id, nil
	}
	if err := checkVersion(g.dir, g.env.Pin); err != nil {
		return "", err
	}
	files, err := g.files()
	if err != nil {
		return "", err
	}
	h, err := dirhash.Hash1(files, func(name string) (io.ReadCloser, error) {
		return os.Open(filepath.Join(g.dir, filepath.FromSlash(name)))
	})
	if err != nil {
		return "", err
	}
	g.id = "dir:" + h
	return g.id, nil
}

// files lists what the driver takes from the directory: the source, not what
// was built in it and not its history.
func (g *goroot) files() ([]string, error) {
	var files []string
	err := filepath.WalkDir(g.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(g.dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if rel == "bin" || rel == "pkg" || rel == ".git" {
				return filepath.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() {
			files = append(files, filepath.ToSlash(rel))
		}
		return nil
	})
	return files, err
}

func (g *goroot) Verified() string {
	return "UNVERIFIED: the directory was taken as it is"
}

func (g *goroot) Unpack(ctx context.Context, dir string) error {
	if err := checkVersion(g.dir, g.env.Pin); err != nil {
		return err
	}
	files, err := g.files()
	if err != nil {
		return err
	}
	g.env.progress("copying %s", g.dir)
	for _, name := range files {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// Toolchains in the module cache keep their go.mod as _go.mod, and
		// have both once the go command has run them.
		to := name
		if filepath.Base(name) == "_go.mod" {
			to = filepath.Dir(name) + "/go.mod"
			if _, err := os.Stat(filepath.Join(g.dir, to)); err == nil {
				continue
			}
		}
		dst := filepath.Join(dir, filepath.FromSlash(to))
		if err := os.MkdirAll(filepath.Dir(dst), 0o777); err != nil {
			return err
		}
		data, err := os.ReadFile(filepath.Join(g.dir, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if IsExec(to) {
			mode = 0o755
		}
		if err := os.WriteFile(dst, data, mode); err != nil {
			return err
		}
	}
	return nil
}
