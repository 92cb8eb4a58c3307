// Package dist packs a built GOROOT as upstream packs its releases: with the
// GOROOT's own cmd/distpack. For other platforms it does not bootstrap again, but
// compiles their commands with the go command of the host, as make.bash does when
// it builds for another platform.
package dist

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gocoro/build/goroot"
	"gocoro/build/hint"
	"gocoro/build/progress"
	"gocoro/build/run"
	"gocoro/build/tree"
)

// Platforms are those that releases are made for.
var Platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"}

// ParsePlatforms returns the platforms of a list such as
// "linux/amd64,darwin/arm64", or of "all", in the order of Platforms.
func ParsePlatforms(list string) ([]string, error) {
	if list == "all" {
		return slices.Clone(Platforms), nil
	}
	want := map[string]bool{}
	for p := range strings.SplitSeq(list, ",") {
		if !slices.Contains(Platforms, p) {
			return nil, hint.Add(fmt.Errorf("unknown platform %q: want all, or some of %s separated by commas", p, strings.Join(Platforms, ", ")), "go run ./build dist -platform all makes the packages of every one")
		}
		want[p] = true
	}
	return slices.DeleteFunc(slices.Clone(Platforms), func(p string) bool { return !want[p] }), nil
}

// Files are the names of what distpack writes for one release and platform.
type Files struct {
	Archive string // <release>.<os>-<arch>.tar.gz
	Source  string // <release>.src.tar.gz, the same for every platform
	Version string // the module's version, v0.0.1-<release>.<os>-<arch>
}

// FilesOf returns the names for a release, such as go1.22.12-coro1, and a
// platform, such as linux/amd64.
// Source: the end of func main in upstream's src/cmd/distpack/pack.go.
func FilesOf(release, platform string) Files {
	p := strings.ReplaceAll(platform, "/", "-")
	return Files{
		Archive: release + "." + p + ".tar.gz",
		Source:  release + ".src.tar.gz",
		Version: "v0.0.1-" + release + "." + p,
	}
}

// Zip returns the name of the module's zip file.
func (f Files) Zip() string { return f.Version + ".zip" }

// Module returns the names of the module's three files.
func (f Files) Module() []string { return []string{f.Zip(), f.Version + ".mod", f.Version + ".info"} }

// All returns all names.
func (f Files) All() []string { return append([]string{f.Archive, f.Source}, f.Module()...) }

// A Job is the packing of one GOROOT for one platform.
type Job struct {
	GOROOT   string // built for the host; only read
	Release  string // what its VERSION says
	Host     string // the platform it was built for
	Platform string // the platform to pack for
	Log      string // file for the output of the commands; "-build" and "-pack" are added to its name
	Rep      *progress.Reporter
	Lock     *os.File     // inherited by the commands
	Detail   func(string) // called with what is being done
}

// Pack writes the files of FilesOf into the empty directory out. It works in
// out/.work, which is gone when it returns.
func (j *Job) Pack(ctx context.Context, out string) error {
	work := filepath.Join(out, ".work")
	defer os.RemoveAll(work)
	root := filepath.Join(work, "goroot")
	if err := os.MkdirAll(root, 0o777); err != nil {
		return err
	}
	// Links are enough: the commands for the platform are new files, and nothing
	// writes to an existing one.
	if err := tree.Link(ctx, root, j.GOROOT, nil); err != nil {
		return err
	}
	goos, goarch, _ := strings.Cut(j.Platform, "/")
	env := []string{"GOROOT=" + root, "GOOS=" + goos, "GOARCH=" + goarch, "GOPROXY=off", "GOWORK=off",
		"GOCACHE=" + filepath.Join(work, "gocache"), "GOPATH=" + filepath.Join(work, "gopath")}
	goCommand := filepath.Join(root, "bin", "go")

	if j.Platform != j.Host {
		b, err := readDist(root)
		if err != nil {
			return err
		}
		j.Detail("compiling the commands for " + j.Platform)
		// CGO_ENABLED=0 and the flags are what the toolenv of cmd/dist sets for
		// platforms whose programs need no external linker.
		err = j.run(ctx, "-build", root, append(env, "CGO_ENABLED=0", "GOFLAGS="+b.flags), goCommand, append([]string{"install"}, b.commands...)...)
		if err != nil {
			return err
		}
	}
	j.Detail("packing " + j.Platform)
	if err := j.run(ctx, "-pack", root, append(env, "GOFLAGS="), goCommand, "tool", "distpack"); err != nil {
		return err
	}
	names := FilesOf(j.Release, j.Platform).All()
	for _, name := range names {
		if err := os.Rename(filepath.Join(root, "pkg/distpack", name), filepath.Join(out, name)); errors.Is(err, fs.ErrNotExist) {
			return hint.Add(fmt.Errorf("cmd/distpack wrote no %s", name), "see its output: %s", j.Log+"-pack.log")
		} else if err != nil {
			return err
		}
	}
	rest, err := os.ReadDir(filepath.Join(root, "pkg/distpack"))
	if err != nil {
		return err
	}
	for _, e := range rest {
		return hint.Add(fmt.Errorf("cmd/distpack wrote a file %s, want only %s", e.Name(), strings.Join(names, ", ")), "upstream's distpack has changed: build/dist must learn its names")
	}
	return nil
}

func (j *Job) run(ctx context.Context, suffix, root string, env []string, name string, args ...string) error {
	cmd := run.Command(ctx, name, args...)
	cmd.Dir = filepath.Join(root, "src")
	cmd.Env = goroot.BuildEnviron(append(env, "PWD="+cmd.Dir)...)
	cmd.ExtraFiles = []*os.File{j.Lock}
	return j.Rep.Run(ctx, "go "+strings.Join(args, " ")+" for "+j.Platform, cmd, j.Log+suffix+".log", nil)
}

// distBuild is what cmd/dist of a release does to build the commands of
// another platform.
type distBuild struct {
	flags    string   // GOFLAGS
	commands []string // arguments of go install
}

var (
	toolFlags = regexp.MustCompile(`(?m)^\s*env = append\(env, "GOFLAGS=([^"]*)"\)$`)
	listed    = regexp.MustCompile(`(?m)^\s*(binExesIncludedInDistpack|toolsIncludedInDistpack)\s*=\s*\[\]string\{([^}]*)\}$`)
	quoted    = regexp.MustCompile(`"(cmd/[^"]+)"`)
	installs  = regexp.MustCompile(`goInstall\(toolenv\(\), goBootstrap, ("cmd"|toolsToInstall\.\.\.)\)`)
)

// readDist reads the flags and the commands from the source of the GOROOT's own
// cmd/dist, because they differ from release to release. Up to about Go 1.24,
// cmd/dist installs "cmd", later only the commands that a release contains.
func readDist(root string) (*distBuild, error) {
	file := filepath.Join(root, "src/cmd/dist/build.go")
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	text := string(data)
	unknown := func(what string) error {
		return hint.Add(fmt.Errorf("%s: found no %s where this program looks for it: upstream's cmd/dist has changed", file, what), "compare its toolenv and cmdbootstrap with readDist in build/dist/dist.go")
	}
	flags := toolFlags.FindAllStringSubmatch(text, -1)
	if len(flags) != 1 {
		return nil, unknown("GOFLAGS of toolenv")
	}
	b := &distBuild{flags: flags[0][1]}
	m := installs.FindStringSubmatch(text)
	switch {
	case m == nil:
		return nil, unknown("installation of the commands")
	case m[1] == `"cmd"`:
		b.commands = []string{"cmd"}
	default:
		lists := listed.FindAllStringSubmatch(text, -1)
		if len(lists) != 2 {
			return nil, unknown("list of the commands of a release")
		}
		for _, l := range lists {
			for _, q := range quoted.FindAllStringSubmatch(l[2], -1) {
				b.commands = append(b.commands, q[1])
			}
		}
	}
	return b, nil
}
