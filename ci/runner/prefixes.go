package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gocoro/build/line"
	"gocoro/build/series"
	"gocoro/build/store"
	"gocoro/build/tree"
	"gocoro/ci/record"
)

// after names a patch as a test.
func after(patch string) string {
	return "TestAfter/" + strings.TrimSuffix(filepath.Base(patch), ".patch")
}

// prefixesWant names the patches of the cell's line.
func (j *job) prefixesWant(context.Context) ([]string, error) {
	l, err := j.Repo.Line(j.c.Line)
	if err != nil {
		return nil, err
	}
	patches, err := l.Patches()
	var names []string
	for _, p := range patches {
		names = append(names, after(p))
	}
	return names, err
}

// prefixes applies the series one patch after another, and after each runs the
// tests that the patches so far name. A series must work at every step for those
// who bisect, and for a line that drops its last patches. The stock release's
// binaries compile each step; "lint -build" is what builds a toolchain of each.
func (j *job) prefixes(ctx context.Context) error {
	d, err := j.driver(j.c.Line)
	if err != nil {
		return err
	}
	stock, err := d.Stock(ctx)
	if err != nil {
		return err
	}
	patches, err := d.Line.Patches()
	if err != nil {
		return err
	}
	// A directory in the store can have hard links to upstream's files.
	tmp := filepath.Join(j.Store.Root, "tmp")
	if err := os.MkdirAll(tmp, 0o777); err != nil {
		return err
	}
	tmp, err = os.MkdirTemp(tmp, "prefixes-")
	if err != nil {
		return err
	}
	defer store.RemoveAll(tmp)
	env := append(slices.Clone(j.env), "GOCACHE="+filepath.Join(tmp, "gocache"))

	a := record.Attempt{Command: []string{"go", "test", "-short", "-run=(the tests named so far)", "runtime"}}
	return asTests(ctx, j.c.Limit(), j.rec, a, func(ctx context.Context, tests *tests) (err error) {
		var names []string
		for _, file := range patches {
			tests.run(after(file), func() (why string) {
				why, err = j.prefix(ctx, tests.Log, tmp, stock, d.Line, file, &names, env)
				return why
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// prefix applies the series up to the patch in the file, and adds the tests that
// the patch names to names. It runs them all, and returns why the step does not
// work, or "".
func (j *job) prefix(ctx context.Context, log io.Writer, tmp, stock string, l *line.Line, file string, names *[]string, env []string) (why string, err error) {
	p, err := series.Read(file)
	if err != nil {
		return "", err
	}
	for _, name := range p.Tests() {
		if !slices.Contains(*names, name) {
			*names = append(*names, name)
		}
	}
	dir := filepath.Join(tmp, p.Name)
	defer store.RemoveAll(dir)
	if _, err := tree.Make(ctx, dir, stock, l.Through(p.Name), j.Rep.TraceCmd); err != nil {
		return "", err
	}
	if err := tree.Link(ctx, dir, stock, func(name string) bool { return name == "." || !tree.IsSource(name) }); err != nil {
		return "", err
	}
	cmd := j.c.Method.Go(ctx, dir, env, "test", "-json", "-short", "-vet=off", "-count=1", "-timeout="+j.c.Limit().String(), "-run="+pattern(*names), "runtime")
	command := strings.Join(cmd.Args, " ")
	fmt.Fprintf(log, "=== after %s: %s\n", p.Name, command)
	var text bytes.Buffer
	w := io.MultiWriter(log, &text)
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Run()
	why = unpassed(text.Bytes(), *names)
	if err != nil || why != "" {
		why = fmt.Sprintf("after %s: %s: %v\n%s", p.Name, command, err, why)
	}
	return why, nil
}

// pattern returns what -run takes for exactly these tests and subtests.
func pattern(names []string) string {
	var alternatives []string
	for _, name := range names {
		alternatives = append(alternatives, "^"+strings.ReplaceAll(name, "/", "$/^")+"$")
	}
	if alternatives == nil {
		return "^$"
	}
	return strings.Join(alternatives, "|")
}

// unpassed returns a text about the named tests, and those below them, that did not
// pass, from the output of "go test -json". It is empty if all passed.
func unpassed(output []byte, names []string) string {
	result := map[string]string{}
	var why strings.Builder
	for line := range bytes.Lines(output) {
		var e struct{ Action, Test, Output string }
		if json.Unmarshal(line, &e) != nil {
			why.Write(line) // the go command's own words
			continue
		}
		switch e.Action {
		case "pass", "fail", "skip":
			result[e.Test] = e.Action
		case "build-output":
			why.WriteString(e.Output)
		}
		if e.Action == "fail" && e.Test != "" {
			fmt.Fprintf(&why, "%s failed\n", e.Test)
		}
	}
	for _, name := range names {
		if got := result[name]; got == "" {
			fmt.Fprintf(&why, "%s did not run\n", name)
		} else if got == "skip" {
			fmt.Fprintf(&why, "%s was skipped\n", name)
		}
	}
	return why.String()
}
