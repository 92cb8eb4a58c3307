package goroot

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gocoro/build/hint"
	"gocoro/build/progress"
	"gocoro/build/run"
)

// HasAPI reports whether a tree has the files that cmd/api checks the
// standard library against, or has no cmd/api to miss them.
func HasAPI(tree string) bool {
	_, noCmd := os.Stat(filepath.Join(tree, "src/cmd/api/main_test.go"))
	_, hasAPI := os.Stat(filepath.Join(tree, "api/go1.txt"))
	return noCmd != nil || hasAPI == nil
}

// except is the text of api/except.txt.
const except = "# This baseline is of the release itself: nothing is excepted.\n"

// UnpackAPI makes the api directory of a tree from the kept baseline in file.
func UnpackAPI(tree, file string) error {
	text, err := ReadAPI(file)
	if err != nil {
		return err
	}
	return writeAPI(filepath.Join(tree, "api"), text)
}

// writeAPI makes dir the api directory of a tree with the baseline.
func writeAPI(dir string, text []byte) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "go1.txt"), text, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "except.txt"), []byte(except), 0o644)
}

// ReadAPI returns the text of a kept baseline.
func ReadAPI(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var text []byte
	zr, err := gzip.NewReader(f)
	if err == nil {
		text, err = io.ReadAll(zr)
	}
	if err != nil {
		return nil, hint.Add(fmt.Errorf("%s: %w", file, err), "make it again: go run ./build api -w")
	}
	return text, nil
}

// PackAPI returns the form in which a baseline is kept.
func PackAPI(text []byte) ([]byte, error) {
	var b bytes.Buffer
	zw, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	zw.Write(text) // to memory
	if err := zw.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// MakeAPI writes go1.txt and except.txt into the directory dst: the exported API of
// the unpatched upstream at stock, as upstream's own cmd/api sees it. stock must
// have binaries for this host.
//
// The module form of a release has no api directory, and without one the test of
// cmd/api fails, and with it all.bash. With an empty baseline cmd/api prints every
// feature as "+pkg ...", and these lines are the baseline. The test in the patched
// tree then shows that the series changes no public API.
//
// The commands inherit lock, as in Make. With idle they use only idle processor
// time, so that they do not slow a make.bash that runs at the same time.
func MakeAPI(ctx context.Context, dst, stock string, rep *progress.Reporter, log string, lock *os.File, idle bool) error {
	work := filepath.Join(dst, ".work") // in dst, whose leftovers the next run removes
	defer os.RemoveAll(work)
	root := filepath.Join(work, "goroot")
	if err := mirror(root, stock); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(root, "api"), 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "api", "except.txt"), []byte(except), 0o644); err != nil {
		return err
	}

	logged := func(name string, line func(string), arg0 string, args ...string) error {
		cmd := run.Command(ctx, arg0, args...)
		cmd.Dir = filepath.Join(root, "src/cmd/api")
		cmd.Env = BuildEnviron("GOROOT="+root, "GOFLAGS=", "GOCACHE="+filepath.Join(work, "gocache"), "PWD="+cmd.Dir,
			"PATH="+filepath.Join(root, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
		quiet := &progress.Reporter{Idle: idle}
		cmd.ExtraFiles = []*os.File{lock}
		rep.TraceCmd(cmd)
		// Not rep.Run: 150,000 features are too many to print, even with -v.
		return quiet.Run(ctx, name, cmd, log, line)
	}
	test := filepath.Join(work, "api.test")
	if err := logged("building cmd/api", nil, filepath.Join(root, "bin/go"), "test", "-c", "-o", test, "."); err != nil {
		return err
	}
	var features []string
	err := logged("cmd/api -check", func(l string) {
		if feature, ok := strings.CutPrefix(l, "+"); ok {
			features = append(features, feature)
		}
	}, test, "-check")
	if ctx.Err() != nil {
		return err
	}
	// Its check must have failed, for everything is new to it.
	if err == nil || len(features) == 0 {
		return fmt.Errorf("cmd/api of %s printed %d features and ended with %v, want every feature and a failed check\n\tfull log: %s", stock, len(features), err, log)
	}
	return writeAPI(dst, []byte(strings.Join(features, "\n")+"\n"))
}

// mirror makes root look like the GOROOT at stock, with symbolic links, so
// that an api directory can be added without touching stock.
func mirror(root, stock string) error {
	if err := os.MkdirAll(root, 0o777); err != nil {
		return err
	}
	ents, err := os.ReadDir(stock)
	if err != nil {
		return err
	}
	for _, e := range ents {
		if e.Name() == "api" {
			continue
		}
		if err := os.Symlink(filepath.Join(stock, e.Name()), filepath.Join(root, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
