package lint

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/packages"

	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/series"
	"gocoro/build/tree"
)

// Platforms are those that each step of a series must compile for.
var Platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"}

// Compile type-checks the packages that the series changes, for each platform,
// after each patch, because a bisection can stop anywhere. It starts after the
// first patch, because the overlay may need what that adds. After the last patch
// it also checks the tests and the test programs, and compares the switch of
// coroutines with upstream's.
//
// Compile uses the go command of the unpacked upstream at up. dir is an empty
// directory in the same file system. say is called with the name of each patch.
func Compile(ctx context.Context, l *line.Line, up, dir string, say func(string), trace func(*exec.Cmd)) ([]Problem, error) {
	if err := tree.Lay(ctx, dir, up, l); err != nil {
		return nil, err
	}
	for _, name := range []string{"bin", "pkg"} {
		if err := os.Symlink(filepath.Join(up, name), filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	patches, err := series.ReadAll(l)
	if err != nil {
		return nil, err
	}
	overlay, err := l.Overlay()
	if err != nil {
		return nil, err
	}
	changed := map[string]bool{} // files, relative to GOROOT
	for _, f := range overlay {
		changed[f.Name] = true
	}
	c := &compiler{dir: dir, up: up}
	for _, e := range []string{"rangefunc", "runtimesecret"} {
		if _, err := os.Stat(filepath.Join(up, "src/internal/goexperiment/exp_"+e+"_on.go")); err == nil {
			c.experiments = append(c.experiments, e)
		}
	}
	var problems []Problem
	for i, p := range patches {
		if _, err := p.Apply(ctx, dir, trace); err != nil {
			return nil, err
		}
		for _, f := range p.Files {
			changed[f] = true
		}
		last := i == len(patches)-1
		if !last && !slices.ContainsFunc(p.Files, isPackageFile) && i > 0 {
			continue // it changes only files that are checked at the end
		}
		say(p.Name)
		found, err := c.check(ctx, p.Name, changed, last)
		if err != nil {
			return nil, err
		}
		if problems = append(problems, found...); len(found) > 0 {
			return problems, nil // the next steps would say the same
		}
	}
	return problems, nil
}

// isPackageFile reports whether the file is a part of a package that is not a
// test.
func isPackageFile(name string) bool {
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && !strings.Contains(name, "/testdata/")
}

type compiler struct {
	dir, up string
	// The release's experiments without which package iter, or a test
	// program, does not exist.
	experiments []string
}

// check type-checks the packages with changed files on all platforms.
func (c *compiler) check(ctx context.Context, patch string, changed map[string]bool, tests bool) ([]Problem, error) {
	pkgs, programs := map[string]bool{}, map[string]bool{}
	for f := range changed {
		dir, ok := strings.CutPrefix(path.Dir(f), "src/")
		if !ok || !strings.HasSuffix(f, ".go") {
			continue
		}
		if strings.Contains(dir, "/testdata/") {
			programs["./"+dir] = true
		} else if _, err := os.Stat(filepath.Join(c.dir, "src", filepath.FromSlash(dir))); err == nil {
			pkgs[dir] = true
		}
	}
	if len(pkgs)+len(programs) == 0 {
		return nil, nil
	}
	var g errgroup.Group
	g.SetLimit(2)
	results := make([][]string, len(Platforms)) // what the type-checker says
	var vetted []Problem
	for i, platform := range Platforms {
		g.Go(func() error {
			found, loaded, err := c.load(ctx, patch, platform, slices.Sorted(maps.Keys(pkgs)), tests)
			if err != nil {
				return err
			}
			if tests && len(programs) > 0 {
				more, _, err := c.load(ctx, patch, platform, slices.Sorted(maps.Keys(programs)), false)
				if err != nil {
					return err
				}
				found = append(found, more...)
			}
			if tests && len(found) == 0 && platform == "linux/amd64" {
				if vetted, err = c.vet(loaded); err != nil {
					return err
				}
			}
			results[i] = found
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var texts []string // each once
	platforms := map[string][]string{}
	for i, found := range results {
		for _, text := range found {
			if platforms[text] == nil {
				texts = append(texts, text)
			}
			platforms[text] = append(platforms[text], Platforms[i])
		}
	}
	var problems []Problem
	for _, text := range texts {
		problems = append(problems, Problem{patch, fmt.Sprintf("after it the tree does not compile for %s: %s", strings.Join(platforms[text], ", "), text),
			"go run ./build edit, correct the commit there, then save"})
	}
	const most = 20
	if rest := len(problems) - most; rest > 0 {
		problems = append(problems[:most], Problem{patch, fmt.Sprintf("and %d more errors of the type-checker", rest), "correct these first"})
	}
	return append(problems, vetted...), nil
}

// load type-checks packages, named by path or by directory, in the tree, and returns
// what the type-checker says, each error once.
func (c *compiler) load(ctx context.Context, patch, platform string, patterns []string, tests bool) ([]string, []*packages.Package, error) {
	if len(patterns) == 0 {
		return nil, nil, nil
	}
	goos, goarch, _ := strings.Cut(platform, "/")
	var env []string
	for _, kv := range os.Environ() {
		if k, _, _ := strings.Cut(kv, "="); !strings.HasPrefix(k, "GO") || k == "GOCACHE" || k == "GOMODCACHE" || k == "GOPATH" {
			env = append(env, kv)
		}
	}
	env = append(env, "GOROOT="+c.dir, "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOENV=off", "GOWORK=off", "GOFLAGS=", "GOPROXY=off")
	if len(c.experiments) > 0 {
		env = append(env, "GOEXPERIMENT="+strings.Join(c.experiments, ","))
	}
	config := &packages.Config{
		Context: ctx,
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedDeps |
			packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedModule,
		Dir:   filepath.Join(c.dir, "src"),
		Env:   env,
		Tests: tests,
	}
	pkgs, err := packages.Load(config, patterns...)
	if err != nil {
		return nil, nil, fmt.Errorf("type-checking %s for %s after %s: %v", strings.Join(patterns, " "), platform, patch, err)
	}
	// The go command makes the main package of a test itself.
	pkgs = slices.DeleteFunc(pkgs, func(p *packages.Package) bool { return strings.HasSuffix(p.ID, ".test") })
	var errs []string
	files := 0
	packages.Visit(pkgs, nil, func(p *packages.Package) {
		files += len(p.CompiledGoFiles)
		for _, e := range p.Errors {
			text := strings.ReplaceAll(e.Error(), c.dir+string(filepath.Separator), "")
			if !slices.Contains(errs, text) {
				errs = append(errs, text)
			}
		}
	})
	if files == 0 {
		return nil, nil, hint.Add(fmt.Errorf("type-checking %s for %s after %s: no Go files were found", strings.Join(patterns, " "), platform, patch), "the go command of the release, %s, does not work", filepath.Join(c.up, "bin", "go"))
	}
	return errs, pkgs, nil
}

// vet runs our own analysis on the patched runtime.
func (c *compiler) vet(pkgs []*packages.Package) ([]Problem, error) {
	upstream, err := os.ReadFile(filepath.Join(c.up, "src", "runtime", "coro.go"))
	if err != nil {
		return nil, nil // a release without coroutines
	}
	a, err := fastPath(upstream)
	if err != nil {
		return nil, err
	}
	var runtime []*packages.Package
	for _, p := range pkgs {
		if p.ID == "runtime" {
			runtime = append(runtime, p)
		}
	}
	graph, err := checker.Analyze([]*analysis.Analyzer{a}, runtime, nil)
	if err != nil {
		return nil, err
	}
	var problems []Problem
	for action := range graph.All() {
		if action.Err != nil {
			return nil, action.Err
		}
		for _, d := range action.Diagnostics {
			at := action.Package.Fset.Position(d.Pos)
			rel, err := filepath.Rel(c.dir, at.Filename)
			if err != nil {
				return nil, err
			}
			problems = append(problems, Problem{fmt.Sprintf("%s:%d", filepath.ToSlash(rel), at.Line), d.Message,
				"put it where a lock is involved, or do it without a call"})
		}
	}
	return problems, nil
}
