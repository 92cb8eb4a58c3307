// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package record keeps on disk what happened in the cells of a run, byte for
// byte, and reads it back. It judges nothing: package verdict does.
//
// Each cell (see [ID]) has a directory of its own:
//
//	<results>/<line>/<platform>/<suite>/<config>/<tree>/
//		cell.json           the Cell; "finished": false until its very end
//		attempt-1.json      standard output of `go test -json`
//		attempt-1.stderr    its standard error
//		attempt-2.json …    a rerun
package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"gocoro/build/store"
)

// The two trees of a cell.
const (
	Patched = "patched" // upstream with our series: the subject
	Stock   = "stock"   // unpatched upstream of the same line: the baseline
)

// The ways a cell is executed.
const (
	Native     = "native"
	QemuUser   = "qemu-user"   // user-mode emulation
	QemuSystem = "qemu-system" // a real kernel of the platform, emulated
	Cross      = "cross"       // built for the platform, not run
)

// Version is the version of the shape of cell.json.
const Version = 1

// An ID names a cell. Its five parts, in this order, are also the cell's
// directory below the results directory.
type ID struct {
	Line     string `json:"line"`     // "go1.22"
	Platform string `json:"platform"` // "linux-amd64", "linux-arm64-qemu-user": os-arch, then how unless native
	Suite    string `json:"suite"`    // "coro"
	Config   string `json:"config"`   // "plain", "race"
	Tree     string `json:"tree"`     // Patched or Stock
}

func (id ID) String() string { return strings.Join(id.parts(), "/") }

func (id ID) parts() []string {
	return []string{id.Line, id.Platform, id.Suite, id.Config, id.Tree}
}

var idPart = regexp.MustCompile(`^[\w=+,-][\w.=+,-]*$`)

// Check reports whether every part of id can be a directory's name on every
// platform, and the tree is one of the two.
func (id ID) Check() error {
	for i, p := range id.parts() {
		if !idPart.MatchString(p) {
			part := []string{"line", "platform", "suite", "config", "tree"}[i]
			return fmt.Errorf("cell %q: %s is %q, want letters, digits and ._=+,- not starting with a dot; fix the CI's table", id, part, p)
		}
	}
	if id.Tree != Patched && id.Tree != Stock {
		return fmt.Errorf("cell %q: tree is %q, want %q or %q; fix the CI's table", id, id.Tree, Patched, Stock)
	}
	return nil
}

// A Want lists what must run: for each package, by its import path, the names of
// tests. A name may be a subtest's ("TestX/sub"). A package without names must run
// at least one test. The name "(package)" wants only a result of the package, which
// may have no tests. With that name, the package may also be a pattern of the go
// command, such as "x/...", which wants the result of one package that matches.
//
// The list comes from the analysis that chose the suite, never from what the go
// command ran. So the verdict notices a lost test.
type Want map[string][]string

// A Cell is the raw record of one cell, cell.json in its directory.
type Cell struct {
	Version int `json:"version"` // [Version]
	ID
	How       string    `json:"how"`                 // Native, QemuUser, QemuSystem or Cross
	Host      string    `json:"host,omitempty"`      // the machine, in words: "linux/amd64, 2 cores, kernel 6.12"
	Toolchain string    `json:"toolchain,omitempty"` // what was tested: "go1.22.12-coro1", with its content key
	Reproduce string    `json:"reproduce,omitempty"` // the command that runs this cell again
	Want      Want      `json:"want,omitempty"`
	Started   time.Time `json:"started"`
	Seconds   float64   `json:"seconds"`
	Steps     []Step    `json:"steps,omitempty"` // built or checked, not run
	Attempts  []Attempt `json:"attempts,omitempty"`
	Infra     string    `json:"infra,omitempty"`  // why the CI itself, not the tree, failed; empty when it did not
	Finished  bool      `json:"finished"`         // false until Finish: a killed run leaves false
	Reused    bool      `json:"reused,omitempty"` // of an earlier run, whose every input was the same

	dir string // where it was read from or is written to
}

// Dir returns the directory that the cell was read from or is being written to.
func (c *Cell) Dir() string { return c.dir }

// A Step is one thing that was built or checked for a cell, without running
// any of its tests.
type Step struct {
	Name    string  `json:"name"` // "go vet std"
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
	Output  string  `json:"output,omitempty"` // of a step that failed
}

// An Attempt is one run of the go command (or of test2json over a test
// binary). Its standard output is kept byte for byte in attempt-N.json, its
// standard error in attempt-N.stderr, N counting from 1.
type Attempt struct {
	Command     []string  `json:"command"`
	Dir         string    `json:"dir,omitempty"` // working directory
	Env         []string  `json:"env,omitempty"` // KEY=value, and KEY alone when unset: differences from the CI's own environment
	Started     time.Time `json:"started"`
	Seconds     float64   `json:"seconds"`
	Exit        int       `json:"exit"`               // exit code; -1 when ended by a signal
	Signal      string    `json:"signal,omitempty"`   // the signal that ended the command itself: "killed"
	TimedOut    bool      `json:"timedOut,omitempty"` // ended by the CI's own time limit
	StdoutBytes int64     `json:"stdoutBytes"`        // length of attempt-N.json when it was complete
	StderrBytes int64     `json:"stderrBytes"`

	Lost bool `json:"-"` // found on disk only: the run was killed before the attempt ended
}

// Create starts the record of a cell below the results directory root: it makes
// the cell's directory and writes an unfinished cell.json. The identity, How and
// whatever else is known come from c. A directory that is already there is an
// error: records are never overwritten.
func Create(root string, c Cell) (*Cell, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	c.dir = filepath.Join(append([]string{root}, c.parts()...)...)
	if err := os.MkdirAll(filepath.Dir(c.dir), 0o777); err != nil {
		return nil, fmt.Errorf("cell %s: %w; is the results directory %s writable?", c.ID, err, root)
	}
	if err := os.Mkdir(c.dir, 0o777); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("cell %s: %s is there already, want a new directory; use another results directory, or rm -r %s", c.ID, c.dir, c.dir)
		}
		return nil, fmt.Errorf("cell %s: %w", c.ID, err)
	}
	c.Version = Version
	c.Finished = false
	c.Attempts = nil
	c.Started = time.Now().UTC().Round(time.Millisecond)
	if err := c.write(); err != nil {
		return nil, err
	}
	return &c, nil
}

// Finish marks the record as complete. Nothing may be written to it afterwards.
func (c *Cell) Finish() error {
	c.Seconds = time.Since(c.Started).Round(time.Millisecond).Seconds()
	c.Finished = true
	if err := c.write(); err != nil {
		c.Finished = false
		return err
	}
	return nil
}

// Copy copies the finished record of a cell from the results directory from to
// root, and marks the copy as reused.
func Copy(root, from string, id ID) (*Cell, error) {
	src := filepath.Join(append([]string{from}, id.parts()...)...)
	c := readCell(from, src)
	if !c.Finished {
		return nil, fmt.Errorf("cell %s: the record in %s is not finished: %s", id, src, c.Infra)
	}
	c.dir = filepath.Join(append([]string{root}, id.parts()...)...)
	if err := os.CopyFS(c.dir, os.DirFS(src)); err != nil {
		return nil, fmt.Errorf("cell %s: %w", id, err)
	}
	c.Reused = true
	return c, c.write()
}

func (c *Cell) write() error {
	data, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return fmt.Errorf("cell %s: %w", c.ID, err)
	}
	if err := store.WriteFile(filepath.Join(c.dir, "cell.json"), append(data, '\n')); err != nil {
		return fmt.Errorf("cell %s: %w; cell.json is as it was before", c.ID, err)
	}
	return nil
}

// An Output is an attempt that is running: the go command's two streams on
// their way to the disk.
type Output struct {
	Stdout, Stderr io.Writer // remember their first error for End

	cell           *Cell
	a              Attempt
	stdout, stderr *rawFile
}

// A rawFile is a file that counts its bytes and keeps its first error, so that End
// can report that an attempt's output is not complete even if the writer ignored
// the error.
type rawFile struct {
	f   *os.File
	n   int64
	err error
}

func (r *rawFile) Write(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.f.Write(p)
	r.n += int64(n)
	r.err = err
	return n, err
}

func (r *rawFile) close() error {
	return errors.Join(r.err, r.f.Sync(), r.f.Close())
}

// Attempt opens the files of the cell's next attempt. The caller fills in a's
// Command, Dir and Env, connects Stdout and Stderr to the command (tee'd if it
// likes), and calls End exactly once.
func (c *Cell) Attempt(a Attempt) (*Output, error) {
	if c.Finished {
		return nil, fmt.Errorf("cell %s: a new attempt, but the record is finished", c.ID)
	}
	a.Started = time.Now().UTC().Round(time.Millisecond)
	o := &Output{cell: c, a: a}
	n := len(c.Attempts) + 1
	for i, r := range []**rawFile{&o.stdout, &o.stderr} {
		f, err := os.OpenFile([]string{c.Stdout(n), c.Stderr(n)}[i], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			if o.stdout != nil {
				o.stdout.f.Close()
			}
			return nil, fmt.Errorf("cell %s: attempt %d: %w", c.ID, n, err)
		}
		*r = &rawFile{f: f}
	}
	o.Stdout, o.Stderr = o.stdout, o.stderr
	return o, nil
}

// Stdout returns the path of attempt n's standard output.
func (c *Cell) Stdout(n int) string { return filepath.Join(c.dir, fmt.Sprintf("attempt-%d.json", n)) }

// Stderr returns the path of attempt n's standard error.
func (c *Cell) Stderr(n int) string { return filepath.Join(c.dir, fmt.Sprintf("attempt-%d.stderr", n)) }

// End closes the attempt's files and adds the attempt to the record, which
// stays unfinished. Exit is the exit code, -1 with the name of the signal that
// ended the command. An error means that the output on disk is not whole; the
// caller puts it into the cell's Infra.
func (o *Output) End(exit int, signal string, timedOut bool) error {
	a := o.a
	a.Exit, a.Signal, a.TimedOut = exit, signal, timedOut
	a.Seconds = time.Since(a.Started).Round(time.Millisecond).Seconds()
	a.StdoutBytes, a.StderrBytes = o.stdout.n, o.stderr.n
	err := errors.Join(o.stdout.close(), o.stderr.close())
	o.cell.Attempts = append(o.cell.Attempts, a)
	err = errors.Join(err, o.cell.write())
	if err != nil {
		return fmt.Errorf("cell %s: attempt %d: output not kept whole: %w; free some space and run the cell again", o.cell.ID, len(o.cell.Attempts), err)
	}
	return nil
}

// Read reads the records below the given results directories, one for each shard.
// The same cell in two directories is an error.
//
// A cell whose cell.json is missing or cannot be read comes back as a record
// that is not finished, with Infra saying why.
func Read(roots ...string) ([]*Cell, error) {
	var cells []*Cell
	seen := map[ID]*Cell{}
	for _, root := range roots {
		dirs, err := cellDirs(root)
		if err != nil {
			return nil, fmt.Errorf("results %s: %w; want a directory that `go run ./ci test` wrote", root, err)
		}
		for _, dir := range dirs {
			c := readCell(root, dir)
			if old := seen[c.ID]; old != nil {
				return nil, fmt.Errorf("cell %s has two records, %s and %s; leave one of them out", c.ID, old.dir, c.dir)
			}
			seen[c.ID] = c
			cells = append(cells, c)
		}
	}
	return cells, nil
}

// cellDirs returns the directories five levels below root, sorted.
func cellDirs(root string) ([]string, error) {
	if _, err := os.Stat(root); err != nil {
		return nil, err
	}
	dirs := []string{root}
	for range (ID{}).parts() {
		var next []string
		for _, dir := range dirs {
			ents, err := os.ReadDir(dir)
			if err != nil {
				return nil, err
			}
			for _, e := range ents {
				if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
					next = append(next, filepath.Join(dir, e.Name()))
				}
			}
		}
		dirs = next
	}
	return dirs, nil
}

func readCell(root, dir string) *Cell {
	rel, err := filepath.Rel(root, dir)
	if err != nil {
		rel = dir
	}
	var id ID
	p := strings.Split(filepath.ToSlash(rel), "/")
	if len(p) == 5 {
		id = ID{p[0], p[1], p[2], p[3], p[4]}
	}
	bad := func(format string, args ...any) *Cell {
		c := &Cell{ID: id, dir: dir, Infra: "cell.json: " + fmt.Sprintf(format, args...)}
		c.findLost()
		return c
	}
	data, err := os.ReadFile(filepath.Join(dir, "cell.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return bad("missing, want the record of the cell")
	} else if err != nil {
		return bad("%v", err)
	}
	c := new(Cell)
	if err := json.Unmarshal(data, c); err != nil {
		return bad("not a record: %v", err)
	}
	if c.Version != Version {
		return bad("version %d, want %d: written by another version of the CI", c.Version, Version)
	}
	if c.ID != id {
		return bad("names the cell %s, want %s as its directory says", c.ID, id)
	}
	c.dir = dir
	c.findLost()
	return c
}

// findLost adds the attempt whose files are on disk but which never ended.
func (c *Cell) findLost() {
	for c.dir != "" {
		fi, err := os.Stat(c.Stdout(len(c.Attempts) + 1))
		if err != nil {
			return
		}
		c.Attempts = append(c.Attempts, Attempt{Lost: true, StdoutBytes: fi.Size()})
	}
}
