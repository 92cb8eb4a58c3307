package upstream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"gocoro/build/hint"
	"gocoro/build/run"
)

// tarball is a release's source archive, as published on go.dev/dl.
type tarball struct {
	env  *Env
	from string // a path or an http(s) URL
}

func (t *tarball) ID(context.Context) (string, error) {
	if t.env.Pin.Tarball == "" {
		return "", hint.Add(fmt.Errorf("%s has no tarball hash, so %s cannot be verified", t.env.Pin.File, t.from), "add the archive's SHA-256 as published with the release to the pin, or use -source module")
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
		return hint.Add(fmt.Errorf("%s is not the archive that the pin of line %s names (or was cut short)\n\tgot  SHA-256 %s\n\twant SHA-256 %s (%s)", t.from, t.env.Line, sum, t.env.Pin.Tarball, t.env.Pin.File), "download %s.src.tar.gz again", t.env.Pin.Upstream)
	}
	// Unpack the file that was hashed, even if its name has another file by now.
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	t.env.progress("unpacking %s", filepath.Base(t.from))
	if err := untar(ctx, t.env, f, dir); err != nil {
		return fmt.Errorf("unpacking %s: %w", t.from, err)
	}
	return checkVersion(dir, t.env.Pin)
}

// download fetches the archive with curl, which every system that builds Go has.
// The caller checks the hash.
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
		return hint.Add(fmt.Errorf("cannot download %s: %v", t.from, err), "install curl, or download the file yourself and give -source tarball=PATH")
	}
	return hint.Add(fmt.Errorf("cannot download %s: %v: %s", t.from, err, strings.TrimSpace(string(out))), "check the URL and the network, or download the file yourself and give -source tarball=PATH")
}

// untar unpacks an archive, whose content is verified, into dir with the tar command
// that every system has. Package archive/tar would make the driver slower to
// compile: it looks up users, with C code if there is a C compiler.
func untar(ctx context.Context, env *Env, archive *os.File, dir string) error {
	cmd := run.Command(ctx, "tar", "-x", "-z", "-f", "-", "-C", dir, "--strip-components=1", "--no-same-owner", "--no-same-permissions")
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
