package upstream

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"

	"gocoro/build/hint"
	"gocoro/build/run"
)

// moduleSource is the golang.org/toolchain module of the release for the host, which
// the go command also downloads when it switches toolchains.
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
	// Without a hash in the pin, only the checksum database is left to check the
	// module against.
	if m.pinned() == "" {
		db, asked, err := m.checksumDatabase(ctx, tmp)
		if err != nil {
			return err
		}
		if !asked {
			return hint.Add(fmt.Errorf("the pin of line %s has no h1 for %s, and %s leave the checksum database out", m.env.Line, m.env.Platform, db), "unset these, or use -source tarball=")
		}
	}
	m.env.progress("downloading %s@%s", modulePath, m.version())
	cache, err := m.zipCache(ctx, tmp)
	if err != nil {
		return err
	}
	out, err := m.goCommand(ctx, tmp, "GOMODCACHE="+cache, "mod", "download", "-json", modulePath+"@"+m.version())
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
			why = err.Error()
		}
		return hint.Add(fmt.Errorf("cannot download %s@%s: %s", modulePath, m.version(), why), "check the network and GOPROXY (go env GOPROXY), or use -source tarball=")
	}
	m.sum = info.Sum
	m.zip, err = filepath.EvalSymlinks(info.Zip) // where it is in the user's own module cache
	return err
}

// An Official is the module that upstream published of its release for a
// platform, as the go command has downloaded it.
type Official struct {
	Zip string // path of the zip file, in the module cache
	H1  string // what the go command says is its hash

	// Database names the checksum database that the go command has asked. It
	// is empty if the user's settings leave it out.
	Database string
}

// Module downloads the release's module for the platform of env.
func Module(ctx context.Context, env *Env) (*Official, error) {
	m := &moduleSource{env: env}
	if err := m.download(ctx); err != nil {
		return nil, err
	}
	o := &Official{Zip: m.zip, H1: m.sum}
	db, asked, err := m.checksumDatabase(ctx, os.TempDir())
	if asked {
		o.Database, _, _ = strings.Cut(db, "+") // a key's name, if it is one
	}
	return o, err
}

// zipCache makes in tmp a module cache in which the go command downloads the zip and
// does not unpack it. The cache shares the downloads of the user's cache, but has
// an empty directory in the place of the unpacked module, which the go command
// takes for unpacked. That saves a quarter of a gigabyte that the driver never
// reads.
func (m *moduleSource) zipCache(ctx context.Context, tmp string) (string, error) {
	out, err := m.goCommand(ctx, tmp, "", "env", "GOMODCACHE")
	if err != nil {
		return "", fmt.Errorf("go env GOMODCACHE: %w", err)
	}
	downloads := filepath.Join(strings.TrimSpace(string(out)), "cache")
	if err := os.MkdirAll(downloads, 0o777); err != nil {
		return "", err
	}
	cache := filepath.Join(tmp, "mod")
	if err := os.MkdirAll(filepath.Join(cache, modulePath+"@"+m.version()), 0o777); err != nil {
		return "", err
	}
	return cache, os.Symlink(downloads, filepath.Join(cache, "cache"))
}

// checksumDatabase returns the user's GOSUMDB and whether the go command asks it
// about the toolchain module. If not, db is instead the settings that say so.
func (m *moduleSource) checksumDatabase(ctx context.Context, dir string) (db string, asked bool, err error) {
	out, err := m.goCommand(ctx, dir, "", "env", "GOSUMDB", "GONOSUMDB", "GOPROXY")
	if err != nil {
		return "", false, fmt.Errorf("go env: %v", err)
	}
	f := strings.Split(string(out), "\n")
	// The go command asks about toolchains, whatever GONOSUMDB says, unless
	// GOPROXY is one file:// URL. (Source: useSumDB of cmd/go/internal/modfetch.)
	file := strings.HasPrefix(f[2], "file://") && !strings.ContainsAny(f[2], ",|")
	if f[0] == "off" || file && module.MatchPrefixPatterns(f[1], modulePath) {
		return fmt.Sprintf("GOSUMDB=%s GONOSUMDB=%s", f[0], f[1]), false, nil
	}
	return f[0], true, nil
}

// goCommand runs the go command in dir, with env, if not empty, added to what
// it finds in the environment.
func (m *moduleSource) goCommand(ctx context.Context, dir, env string, args ...string) ([]byte, error) {
	cmd := run.Command(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GO111MODULE=on", "GOROOT=", "GOWORK=off", "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local", "PWD="+dir)
	if env != "" {
		cmd.Env = append(cmd.Env, env)
	}
	m.env.trace(cmd)
	return run.Output(cmd)
}

func (m *moduleSource) Unpack(ctx context.Context, dir string) error {
	if err := m.download(ctx); err != nil {
		return err
	}
	m.env.progress("checking and unpacking %s", filepath.Base(m.zip))
	// Report a wrong hash before an error of unpacking, which it may have caused.
	sum, unpackErr, err := unzip(dir, m.zip, modulePath+"@"+m.version()+"/")
	if err != nil {
		return hint.Add(fmt.Errorf("%s is damaged: %v", m.zip, err), "remove it (rm %s), and run the command again", run.Quote(m.zip))
	}
	if sum != m.sum {
		return hint.Add(fmt.Errorf("%s has changed since the go command downloaded it\n\tgot  %s\n\twant %s", m.zip, sum, m.sum), "remove it (rm %s), and run the command again", run.Quote(m.zip))
	}
	if want := m.pinned(); want != "" && sum != want {
		return hint.Add(fmt.Errorf("%s is not the module that the pin of line %s names\n\tgot  %s\n\twant %s (%s)", m.zip, m.env.Line, sum, want, m.env.Pin.File), "the pin is wrong, or what GOPROXY serves was tampered with: remove the file (rm %s), unset\nGOPROXY and run the command again; if it says the same, the pin is wrong", run.Quote(m.zip))
	}
	if unpackErr != nil {
		return fmt.Errorf("unpacking %s: %w", m.zip, unpackErr)
	}
	return checkVersion(dir, m.env.Pin)
}

// unzip unpacks a toolchain module into the empty directory dir and returns the
// module's h1 hash. It reads each file of the zip once. err says why there is no
// hash, and unpackErr why dir does not have all files of the zip.
//
// It undoes what the module form does to a GOROOT: distpack renames each
// go.mod to _go.mod, and module zips have no modes.
func unzip(dir, file, prefix string) (h1 string, unpackErr, err error) {
	zr, err := zip.OpenReader(file)
	if err != nil {
		return "", nil, err
	}
	defer zr.Close()

	// Several goroutines decompress and write files. Meanwhile Hash1 takes one
	// after the other, in the order of their names.
	type result struct {
		data               []byte
		readErr, unpackErr error
	}
	queue := make(chan chan result, 2*runtime.GOMAXPROCS(0)) // bounds what waits in memory
	stop := make(chan struct{})
	var work sync.WaitGroup
	defer func() { // before zr.Close, and before the caller removes dir
		close(stop)
		work.Wait()
	}()
	slices.SortFunc(zr.File, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })
	names := make([]string, len(zr.File))
	for i, f := range zr.File {
		names[i] = f.Name
	}
	work.Go(func() {
		for _, f := range zr.File {
			done := make(chan result, 1)
			select {
			case queue <- done:
			case <-stop:
				return
			}
			work.Go(func() {
				var r result
				if r.data, r.readErr = readFile(f); r.readErr == nil {
					r.unpackErr = writeFile(dir, prefix, f.Name, r.data)
				}
				done <- r
			})
		}
	})
	h1, err = dirhash.Hash1(names, func(name string) (io.ReadCloser, error) {
		r := <-<-queue
		if r.unpackErr != nil && unpackErr == nil {
			unpackErr = r.unpackErr
		}
		return io.NopCloser(bytes.NewReader(r.data)), r.readErr
	})
	return h1, unpackErr, err
}

// readFile returns the content of a file of a zip.
func readFile(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var b bytes.Buffer
	b.Grow(int(min(f.UncompressedSize64, 64<<20)) + bytes.MinRead)
	if _, err := b.ReadFrom(r); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	return b.Bytes(), nil
}

// writeFile writes a file of the zip to its place in dir, which must be free.
func writeFile(dir, prefix, name string, data []byte) error {
	rel, ok := strings.CutPrefix(name, prefix)
	if !ok || !fs.ValidPath(rel) {
		return fmt.Errorf("it holds a file %q, want names of the form %sFILE", name, prefix)
	}
	mode := fs.FileMode(0o644)
	if IsExec(rel) {
		mode = 0o755
	}
	if path.Base(rel) == "_go.mod" {
		rel = path.Join(path.Dir(rel), "go.mod")
	}
	to := filepath.Join(dir, filepath.FromSlash(rel))
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
