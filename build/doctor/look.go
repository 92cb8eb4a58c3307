package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"gocoro/build/hint"
	"gocoro/build/install"
	"gocoro/build/line"
	"gocoro/build/run"
	"gocoro/build/store"
)

// Space is what one build of a line takes in the build cache, with its
// temporary files: 1.1 GB were measured for go1.22.12 (du -s of a cache after
// go run ./build make), and as much again while it runs.
const Space = 2e9

// Look gathers the facts for the line. t says where its toolchain is, or would
// be, installed, dir is the directory of the user's module. st is nil if there is no
// build cache.
func Look(ctx context.Context, l *line.Line, st *store.Store, t *install.Target, dir string) (*Machine, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if s, err := os.Stat(abs); err != nil || !s.IsDir() {
		return nil, hint.Add(fmt.Errorf("-dir %s is not a directory", dir), "give the directory of the module that you build")
	}
	m := &Machine{
		Pin:     l.Pin,
		Release: l.Release(),
		Env:     map[string]string{},
		Named:   map[string]Go{},
		Tools:   map[string]string{},
		Bin:     t.Bin,
		OnPath:  t.OnPath(os.Getenv("PATH")),
		Root:    t.Root,
		Flags:   t.Flags,
		Path:    filepath.SplitList(os.Getenv("PATH")),
		Dir:     abs,
		Need:    Space,
	}
	lines, err := l.Repo().All()
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		m.Releases = append(m.Releases, l.Release())
	}
	for _, k := range []string{"GOTOOLCHAIN", "GOROOT"} {
		m.Env[k] = os.Getenv(k)
	}
	if switched(m.Env["GOROOT"], m.Path) {
		m.Env["GOROOT"] = ""
	}
	m.Go = ask(ctx, "go", os.TempDir(), "GOTOOLCHAIN=local")
	m.Seen = ask(ctx, "go", abs)
	file, _, _ := strings.Cut(install.ReadGoEnv(install.GoEnvFile())["GOTOOLCHAIN"], "+")
	if line.IsName(file) && m.Env["GOTOOLCHAIN"] != "" {
		m.Hidden = ask(ctx, "go", os.TempDir(), "GOTOOLCHAIN="+file)
	}
	if err := m.settings(ctx, abs); err != nil {
		return nil, err
	}
	for _, p := range m.Path {
		file := filepath.Join(p, m.Release)
		if s, err := os.Stat(file); filepath.IsAbs(p) && err == nil && s.Mode().IsRegular() && s.Mode()&0o111 != 0 {
			if _, seen := m.Named[p]; !seen {
				m.Order = append(m.Order, p)
			}
			m.Named[p] = ask(ctx, file, os.TempDir(), "GOTOOLCHAIN=local")
		}
	}
	for _, tool := range []string{"git", "bash"} {
		m.Tools[tool], _ = exec.LookPath(tool)
	}
	for _, cc := range []string{"gcc", "clang"} {
		if p, err := exec.LookPath(cc); err == nil {
			m.Tools["cc"] = p
			break
		}
	}
	if err := m.installed(t); err != nil {
		return nil, err
	}
	if first, err := store.First(); err == nil {
		for _, name := range store.FirstNames(first) {
			m.First = first
			m.FirstNames = append(m.FirstNames, name)
			m.FirstSize += store.Size(filepath.Join(first, name))
		}
	}
	disks := []Disk{{What: "the directory of toolchains", Dir: t.Root, Flag: "-root DIR"}}
	if st != nil {
		disks = append([]Disk{{What: "the build cache", Dir: st.Root, Flag: "GOCORO_CACHE=DIR"}}, disks...)
	}
	for _, d := range disks {
		if d.Free, err = free(d.Dir); err != nil {
			return nil, err
		}
		d.Err = store.MayWrite(d.Dir)
		m.Disks = append(m.Disks, d)
	}
	return m, nil
}

// switched reports whether it was the go command that has set GOROOT. A go command
// that becomes a toolchain of the module cache sets it for all that it runs, and
// hides what the user has set. go run puts the bin directory first on PATH.
func switched(goroot string, path []string) bool {
	dir, name := filepath.Split(goroot)
	return filepath.Base(dir) == "golang.org" && strings.HasPrefix(name, "toolchain@") &&
		len(path) > 0 && path[0] == filepath.Join(goroot, "bin")
}

// ask asks a go command for its version, in dir.
func ask(ctx context.Context, program, dir string, env ...string) Go {
	g := Go{Path: program}
	if p, err := exec.LookPath(program); err == nil {
		g.Path = p
	}
	cmd := exec.CommandContext(ctx, program, "version")
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "GOROOT=", "GOFLAGS=", "PWD="+dir), env...)
	out, err := run.Output(cmd)
	f := strings.Fields(string(out)) // go version go1.26.8 linux/amd64
	switch {
	case err != nil:
		g.Err = err
	case len(f) < 3 || f[1] != "version":
		g.Err = fmt.Errorf("%s version printed %q", program, out)
	default:
		g.Version = f[2]
	}
	return g
}

// settings asks the go command for its settings, and go.mod for its lines.
func (m *Machine) settings(ctx context.Context, dir string) error {
	// A GOROOT that does not exist must not keep the command from answering. With
	// GOTOOLCHAIN=local it runs whatever the user's GOTOOLCHAIN says. That
	// setting is read separately, which always works.
	read := func(v any, args ...string) error {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOROOT=", "GOTOOLCHAIN=local", "PWD="+dir)
		out, err := run.Output(cmd)
		if err != nil {
			return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
		}
		return json.Unmarshal(out, v)
	}
	if err := read(&m.Set, "env", "-json", "GOFLAGS", "GOPROXY", "GOSUMDB", "GOENV", "GOMOD"); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "env", "GOTOOLCHAIN")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOROOT=", "PWD="+dir)
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go env GOTOOLCHAIN: %v", err)
	}
	m.Set["GOTOOLCHAIN"] = strings.TrimSpace(string(out))
	m.EnvFile = m.Set["GOENV"]
	m.File = install.ReadGoEnv(m.EnvFile)
	if mod := m.Set["GOMOD"]; mod != "" && mod != os.DevNull {
		var f struct{ Go, Toolchain string }
		if err := read(&f, "mod", "edit", "-json", mod); err != nil {
			return err
		}
		m.GoMod, m.GoLine, m.Toolchain = mod, f.Go, f.Toolchain
	}
	return nil
}

// installed looks at the directory of toolchains and at that of the links.
func (m *Machine) installed(t *install.Target) error {
	list, err := install.List(t.Root)
	if err != nil {
		return err
	}
	for _, e := range list {
		it := t.Named(e.Name)
		i := Install{Name: e.Name, Linked: it.Linked(), Damaged: e.Err}
		if e.Err == nil {
			state, err := it.Check(e.Record.Key)
			if err != nil {
				return err
			}
			i.Modified = state == install.Modified
		}
		m.Installed = append(m.Installed, i)
	}
	m.Leftovers, err = install.Leftovers(t.Root, t.Bin)
	return err
}

// free returns the bytes left on the disk that holds the directory, or would: the
// directory need not exist.
func free(dir string) (int64, error) {
	for {
		var s syscall.Statfs_t
		err := syscall.Statfs(dir, &s)
		if err == nil {
			return int64(s.Bavail) * int64(s.Bsize), nil
		}
		if up := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && up != dir {
			dir = up
			continue
		}
		return 0, fmt.Errorf("how much space is left at %s: %w", dir, err)
	}
}
