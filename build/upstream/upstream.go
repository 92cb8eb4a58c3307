// Package upstream gets an official Go release from one of several sources
// and turns it into a verified tree: a GOROOT as the release archives have it,
// with the exec bits and the go.mod files that the module form lacks.
package upstream

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"gocoro/build/hint"
	"gocoro/build/line"
)

// A Source is a place to get a line's upstream from.
type Source interface {
	// ID returns a name for the content that the source promises. If it can, it
	// does not fetch the content. The name is part of cache keys.
	ID(ctx context.Context) (string, error)

	// Unpack gets the upstream, verifies it and writes its tree into the
	// empty directory dir. On error dir's content is of no use.
	Unpack(ctx context.Context, dir string) error

	// Verified says in a few words what the content was checked against.
	Verified() string
}

// Env is what a Source needs from the driver.
type Env struct {
	Pin      *line.Pin
	Platform string              // "linux/amd64": the host
	Trace    func(*exec.Cmd)     // called before a command runs; may be nil
	Progress func(detail string) // says what is being done; may be nil
	Line     string              // name of the line, for messages
}

func (e *Env) progress(format string, args ...any) {
	if e.Progress != nil {
		e.Progress(fmt.Sprintf(format, args...))
	}
}

func (e *Env) trace(cmd *exec.Cmd) {
	if e.Trace != nil {
		e.Trace(cmd)
	}
}

// Host returns the platform of the running program, for example "linux/amd64".
func Host() string { return runtime.GOOS + "/" + runtime.GOARCH }

// Parse returns the source that spec names: "module" or "tarball=PATH-or-URL".
func Parse(spec string, env *Env) (Source, error) {
	kind, arg, hasArg := strings.Cut(spec, "=")
	switch {
	case kind == "module" && !hasArg:
		return &moduleSource{env: env}, nil
	case kind == "tarball" && arg != "":
		return &tarball{env: env, from: arg}, nil
	}
	return nil, fmt.Errorf("unknown -source %q: want module, or tarball=PATH or URL", spec)
}

// checkVersion checks that the tree at dir is the release that the pin names.
func checkVersion(dir string, pin *line.Pin) error {
	file := filepath.Join(dir, "VERSION")
	data, err := os.ReadFile(file)
	if err != nil {
		return hint.Add(fmt.Errorf("%s is not the root of a Go release: %v", dir, err), "give the directory that holds VERSION and src/")
	}
	got, _, _ := strings.Cut(string(data), "\n")
	if got != pin.Upstream {
		return hint.Add(fmt.Errorf("%s says %q, but %s is pinned to %q", file, got, pin.File, pin.Upstream), "give a source of %s", pin.Upstream)
	}
	return nil
}

// IsExec reports whether a file of a Go release is executable. The rule is
// cmd/distpack's own (its func mode): the module form of a release does not
// record it.
func IsExec(name string) bool {
	if strings.HasPrefix(name, "bin/") || strings.HasPrefix(name, "pkg/tool/") {
		return true
	}
	for _, suffix := range []string{".bash", ".sh", ".pl", ".rc"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	ok, _ := filepath.Match("go_?*_?*_exec", filepath.Base(name))
	return ok
}
