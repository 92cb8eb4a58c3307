package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

// moduleSource is the golang.org/toolchain module of the release for the host: what
// the go command itself downloads when it switches toolchains.
type moduleSource struct {
	env *Env
	sum string // h1 of the module, once known
	zip string // the downloaded zip, once known
}

// modulePath is the path of the toolchain module.
// Source: https://go.dev/ref/mod#toolchain and cmd/distpack.
const modulePath = "golang.org/toolchain"

func (m *moduleSource) version() string {
	return "v0.0.1-" + m.env.Pin.Upstream + "." + strings.ReplaceAll(m.env.Platform, "/", "-")
}

func (m *moduleSource) pinned() string { return m.env.Pin.Modules[m.env.Platform] }

func (m *moduleSource) ID(ctx context.Context) (string, error) {
	if h := m.pinned(); h != "" {
		return h, nil
	}
	if err := m.download(ctx); err != nil {
		return "", err
	}
	return m.sum, nil
}

func (m *moduleSource) Verified() string {
	if m.pinned() != "" {
		return "h1 of the module equals the pin's"
	}
	return "checksum database (the pin has no h1 for " + m.env.Platform + ")"
}

// download makes the go command fetch the module. The go command itself checks
// the result against the public checksum database, unless it is told not to.
func (m *moduleSource) download(ctx context.Context) error {
	if m.zip != "" {
		return nil
	}
	tmp, err := os.MkdirTemp("", "gocoro")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if m.pinned() == "" {
		if err := m.needChecksumDatabase(ctx, tmp); err != nil {
			return err
		}
	}
	m.env.progress("downloading %s@%s", modulePath, m.version())
	out, stderr, err := m.goCommand(ctx, tmp, "mod", "download", "-json", modulePath+"@"+m.version())
	var info struct{ Zip, Sum, Error string }
	if jerr := json.Unmarshal(out, &info); jerr != nil && err == nil {
		err = jerr
	}
	if err != nil || info.Error != "" {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		why := info.Error
		if why == "" {
			why = fmt.Sprintf("%v: %s", err, bytes.TrimSpace(stderr))
		}
		return fmt.Errorf("cannot download %s@%s: %s\n\tcheck the network and GOPROXY (go env GOPROXY), or use -source tarball=, git= or dir=", modulePath, m.version(), why)
	}
	m.zip, m.sum = info.Zip, info.Sum
	return nil
}

// needChecksumDatabase refuses a platform that the pin has no hash for when
// the user's settings keep the checksum database out: nothing would be left
// to check the module against.
func (m *moduleSource) needChecksumDatabase(ctx context.Context, dir string) error {
	out, _, err := m.goCommand(ctx, dir, "env", "GOSUMDB", "GONOSUMDB", "GOFLAGS")
	if err != nil {
		return fmt.Errorf("go env: %v", err)
	}
	f := strings.Split(string(out), "\n")
	if f[0] == "off" || module.MatchPrefixPatterns(f[1], modulePath) {
		return fmt.Errorf("the pin of line %s has no h1 for %s, and GOSUMDB=%s GONOSUMDB=%s leave the checksum database out\n\tunset these, or use -source tarball= or git=", m.env.Line, m.env.Platform, f[0], f[1])
	}
	return nil
}

func (m *moduleSource) goCommand(ctx context.Context, dir string, args ...string) (stdout, stderr []byte, err error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GO111MODULE=on", "GOROOT=", "GOWORK=off", "GOFLAGS=", "GOTOOLCHAIN=local", "PWD="+dir)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	m.env.trace(cmd)
	err = cmd.Run()
	return o.Bytes(), e.Bytes(), err
}

func (m *moduleSource) Unpack(ctx context.Context, dir string) error {
	if err := m.download(ctx); err != nil {
		return err
	}
	m.env.progress("checking and unpacking %s", filepath.Base(m.zip))
	// Both at once: what was unpacked is thrown away if the hash is wrong.
	unpacked := make(chan error, 1)
	go func() {
		mod := module.Version{Path: modulePath, Version: m.version()}
		unpacked <- zip.Unzip(dir, mod, m.zip)
	}()
	sum, err := dirhash.HashZip(m.zip, dirhash.Hash1)
	unpackErr := <-unpacked
	if err != nil {
		return fmt.Errorf("%s is damaged: %v\n\tremove it (rm '%s'), and run the command again", m.zip, err, m.zip)
	}
	if sum != m.sum {
		return fmt.Errorf("%s has changed since the go command downloaded it\n\tgot  %s\n\twant %s\n\tremove it (rm '%s'), and run the command again", m.zip, sum, m.sum, m.zip)
	}
	if want := m.pinned(); want != "" && sum != want {
		return fmt.Errorf("%s is not the module that the pin of line %s names\n\tgot  %s\n\twant %s (%s)\n\tthe pin is wrong, or what GOPROXY serves was tampered with: remove the file (rm '%s'), unset\n\tGOPROXY and run the command again; if it says the same, the pin is wrong", m.zip, m.env.Line, sum, want, m.env.Pin.File, m.zip)
	}
	if unpackErr != nil {
		return fmt.Errorf("unpacking %s: %w", m.zip, unpackErr)
	}
	return m.restore(dir)
}

// restore undoes what the module form does to a GOROOT: distpack renames each
// go.mod to _go.mod, and module zips have no modes.
func (m *moduleSource) restore(dir string) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if isExec(filepath.ToSlash(rel)) {
			mode = 0o755
		}
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
		if d.Name() == "_go.mod" {
			return os.Rename(path, filepath.Join(filepath.Dir(path), "go.mod"))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return checkVersion(dir, m.env.Pin)
}
