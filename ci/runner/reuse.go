package runner

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"gocoro/build/hint"
	"gocoro/build/store"
	"gocoro/ci/plan"
	"gocoro/ci/record"
	"gocoro/ci/verdict"
)

// A cell depends on the tree, this program, the configuration, the expected
// failures and the machine. By day, a cell that passed does not run again while all
// of these are the same: its record is kept in the store, and copied into the
// records of the run. At night everything runs.

// recordKind is the kind of the store's items that are records.
const recordKind = "record"

// recordKey returns the key under which the cell's record is kept, or "" if the
// cell must run.
func (r *Runner) recordKey(ctx context.Context, c plan.Cell, rec record.Cell, treeKey string, env []string) (string, error) {
	if c.Depth == plan.Nightly || own[c.Suite].fresh {
		return "", nil
	}
	var k store.Key
	program, err := r.program(ctx)
	if err != nil {
		return "", err
	}
	k.Add("program", []byte(program))
	k.Add("tree", []byte(treeKey))
	k.Add("cell", fmt.Append(nil, rec.ID, rec.How, rec.Want, c.Limit(), c.Short(), c.Proofs()))
	k.Add("config", fmt.Appendf(nil, "%+v", *c.Config))
	k.Add("environment", []byte(strings.Join(c.Method.Env(env), "\x00")))
	k.Add("expected", fmt.Appendf(nil, "%+v", r.Expected))
	k.Add("host", []byte(host()))
	for _, tool := range c.Method.Tools() {
		k.Add("tool", []byte(stamp(tool)))
	}
	if own[c.Suite].checkout {
		sum, err := checkoutSum(ctx, r.Repo.Dir, func(string) bool { return true })
		if err != nil {
			return "", nil // git does not know the files of an archive
		}
		k.Add("checkout", []byte(sum))
		k.Add("go", []byte(stamp("go")))
	}
	return k.String(), nil
}

// program returns what stands for the CI in a key: a digest of its sources, or, in
// an archive, which has no list of them, the hash of the running program. That hash
// is different in each clone, because a program contains paths.
func (r *Runner) program(ctx context.Context) (string, error) {
	if r.Program == "" {
		sources := func(name string) bool {
			dir, _, _ := strings.Cut(name, "/")
			return (dir == "ci" || dir == "build" || dir == "go.mod" || dir == "go.sum") &&
				(!strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, guestSource)) && !strings.Contains(name, "/testdata/")
		}
		sum, err := checkoutSum(ctx, r.Repo.Dir, sources)
		if err == nil {
			r.Program = fmt.Sprint(runtime.Version(), " ", sum)
			return r.Program, nil
		}
		exe, err := os.Executable()
		if err != nil {
			return "", err
		}
		if r.Program, err = store.Sum(exe); err != nil {
			return "", err
		}
	}
	return r.Program, nil
}

// guestSource is the directory of the tests that run in the virtual machine, and so
// are part of the CI.
const guestSource = "ci/platform/system/guest/"

// stamp tells one installed version of a tool from another.
func stamp(tool string) string {
	path, err := exec.LookPath(tool)
	if err != nil {
		return tool + ": none"
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	info, err := os.Stat(path)
	if err != nil {
		return tool + ": none"
	}
	return fmt.Sprint(path, " ", info.Size(), " ", info.ModTime().UnixNano())
}

// checkoutSum returns a digest of the names, modes and contents of the files of a
// checkout that git tracks or would track, and whose names of accepts.
func checkoutSum(ctx context.Context, dir string, of func(name string) bool) (string, error) {
	cmd := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return "", err
	}
	names := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	slices.Sort(names)
	h := sha256.New()
	for _, name := range slices.Compact(names) {
		if !of(name) {
			continue
		}
		file := filepath.Join(dir, name)
		info, err := os.Lstat(file)
		if err != nil { // tracked, and removed
			fmt.Fprintf(h, "%q gone\n", name)
			continue
		}
		sum := "not a regular file"
		if info.Mode().IsRegular() {
			if sum, err = store.Sum(file); err != nil {
				return "", err
			}
		}
		fmt.Fprintf(h, "%q %v %s\n", name, info.Mode(), sum)
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// reuse copies the record that is kept under the key into the records of the run. It
// returns nil if there is none.
func (r *Runner) reuse(id record.ID, key string) (*record.Cell, error) {
	if key == "" || r.Fresh || !r.Store.Has(recordKind, key) {
		return nil, nil
	}
	cell, err := record.Copy(r.Results, r.Store.Path(recordKind, key), id)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("kept record of %s: %w", id, err), "run it again: go run ./ci test -fresh")
	}
	return cell, nil
}

// keep puts the record of a cell that passed into the store. A record of the stock
// tree is kept whatever the results.
func (r *Runner) keep(ctx context.Context, cell *record.Cell, p verdict.Planned, key string) error {
	if key == "" {
		return nil
	}
	e, err := verdict.Evaluate([]verdict.Planned{p}, []*record.Cell{cell}, r.Expected)
	if err != nil {
		return err
	}
	if cell.Infra != "" || e.Cells[0].Failed() {
		// The record of an earlier run that passed proves nothing any more.
		return r.Store.Drop(ctx, recordKind, key)
	}
	_, err = r.Store.Item(ctx, recordKind, key, func(dir string, _ *os.File) error {
		return os.CopyFS(filepath.Join(dir, cell.ID.String()), os.DirFS(cell.Dir()))
	})
	return errors.Join(err, ctx.Err())
}
