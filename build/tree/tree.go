// Package tree makes the patched source tree of a line: it copies upstream's
// files without anything built, adds the overlay, applies the series, and writes
// the release's VERSION and go.env.
package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/series"
)

// Make fills the empty directory dst from the upstream tree at up. It returns
// the hunks of the series that applied with an offset.
func Make(ctx context.Context, dst, up string, l *line.Line, trace func(*exec.Cmd)) ([]series.Offset, error) {
	if err := Lay(ctx, dst, up, l); err != nil {
		return nil, err
	}
	patches, err := series.ReadAll(l)
	if err != nil {
		return nil, err
	}
	var offsets []series.Offset
	for _, p := range patches {
		o, err := p.Apply(ctx, dst, trace)
		if err != nil {
			return nil, err
		}
		offsets = append(offsets, o...)
	}
	if err := replaceFile(filepath.Join(dst, "VERSION"), []byte(l.VERSION())); err != nil {
		return nil, err
	}
	if err := document(filepath.Join(dst, "doc", "godebug.md"), l); err != nil {
		return nil, err
	}
	file := filepath.Join(dst, "go.env")
	text, err := LocalToolchain(file)
	if err != nil {
		return offsets, err
	}
	return offsets, replaceFile(file, text)
}

// document adds the line's GODEBUG settings to upstream's list of them, if the
// tree has that: the module form of a release has no doc/.
func document(file string, l *line.Line) error {
	if !l.HasGODEBUG() {
		return nil
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	more, err := os.ReadFile(l.GODEBUG())
	if err != nil {
		return err
	}
	return replaceFile(file, append(append(text, '\n'), more...))
}

// Lay fills the empty directory dst with the sources of the upstream tree at up and
// the line's overlay.
func Lay(ctx context.Context, dst, up string, l *line.Line) error {
	// Links are safe although upstream's item is sealed: nothing later writes to an
	// existing file. (git apply makes a new file for each one that it changes.)
	if err := Link(ctx, dst, up, IsSource); err != nil {
		return err
	}
	overlay, err := l.Overlay()
	if err != nil {
		return err
	}
	for _, f := range overlay {
		if err := AddFile(dst, f); err != nil {
			return err
		}
	}
	return nil
}

// AddFile adds one overlay file to the tree. It must not replace a file of
// upstream's, which only a patch may change.
func AddFile(dst string, f line.OverlayFile) error {
	to := filepath.Join(dst, filepath.FromSlash(f.Name))
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	err := copyFile(to, f.Path, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return hint.Add(fmt.Errorf("overlay file %s would overwrite upstream's %s", f.Path, f.Name), "change upstream's file with a patch, or give the overlay file another name")
	}
	return err
}

// LocalToolchain returns the text of a go.env with the default GOTOOLCHAIN
// changed from auto to local. With auto, a go.mod that names a newer Go makes
// the go command silently leave the fork for an official release.
func LocalToolchain(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: upstream has no go.env; every Go since 1.21 has one, so this is not a Go release", file)
	}
	if err != nil {
		return nil, err
	}
	const old = "\nGOTOOLCHAIN=auto\n"
	text := string(data)
	if strings.Count(text, old) != 1 {
		return nil, hint.Add(fmt.Errorf("%s: want exactly one line GOTOOLCHAIN=auto to change, the file is\n%s", file, text), "this is not an official release of Go: give another -source")
	}
	return []byte(strings.Replace(text, old, "\n# gocoro stays: a newer go line in a go.mod must not switch to a toolchain\n# without its changes. (Upstream's default is auto.)\nGOTOOLCHAIN=local\n", 1)), nil
}

// replaceFile creates a new file, so that other links to the old one keep it.
func replaceFile(name string, data []byte) error {
	if err := os.Remove(name); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

// IsSource reports whether a slash-separated path in a GOROOT is source: it is not
// in bin and pkg, which hold what upstream built.
func IsSource(name string) bool {
	top, _, _ := strings.Cut(name, "/")
	return top != "bin" && top != "pkg"
}

// Copy copies the files of the tree src into dst, with their modes. Files are copied
// by several goroutines.
func Copy(ctx context.Context, dst, src string) error {
	return each(ctx, dst, src, nil, func(from, to string) error {
		info, err := os.Stat(from)
		if err != nil {
			return err
		}
		return copyFile(to, from, info.Mode().Perm())
	})
}

// Link is Copy with hard links for the files, for those files for which keep is true
// (nil: all). Neither tree may be changed in place afterwards.
func Link(ctx context.Context, dst, src string, keep func(name string) bool) error {
	return each(ctx, dst, src, keep, os.Link)
}

// each makes in dst the directories and symbolic links of the tree src for which
// keep is true (nil: all), and calls file for each regular file, from several
// goroutines.
func each(ctx context.Context, dst, src string, keep func(name string) bool, file func(from, to string) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	err := filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		if rel != "." && keep != nil && !keep(filepath.ToSlash(rel)) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		to := filepath.Join(dst, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(to, 0o777)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(target, to)
		case d.Type().IsRegular():
			g.Go(func() error { return file(path, to) })
			return nil
		}
		return fmt.Errorf("%s is neither a file, a directory nor a symbolic link", path)
	})
	// If a copy fails, the walk ends with a mere "context canceled": report the
	// error of the copy.
	if gerr := g.Wait(); gerr != nil {
		return gerr
	}
	return err
}

// copyFile copies a file to a new one.
func copyFile(dst, src string, mode fs.FileMode) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode|0o200)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
