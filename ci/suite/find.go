package suite

import (
	"context"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/tools/go/packages"
)

// ProgTests returns the names of the tests of package runtime that build or
// run a program under testdata/testprog*, for the tree's platform, sorted.
//
// A function does so if it joins the name of a folder to "testdata/", as the
// helper that builds the programs does, or names such a folder outright, or if
// it mentions a function that does: the tests are the Test functions among the
// closure. Nothing of this is a list of tests that could grow old.
func ProgTests(ctx context.Context, t *Tree) ([]string, error) {
	pkgs, err := load(ctx, t, "runtime", typesMode)
	if err != nil {
		return nil, err
	}
	names := progTests(pkgs)
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no test of package runtime runs a program of testdata/testprog*: the way these tests are found no longer fits the tree", t.GOROOT)
	}
	return names, nil
}

func progTests(pkgs []*packages.Package) []string {
	uses := map[types.Object][]types.Object{} // function -> the functions it mentions
	touches := map[types.Object]bool{}
	var tests []*types.Func
	for _, p := range pkgs {
		for _, f := range p.Syntax {
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || fn.Body == nil {
					continue
				}
				obj := p.TypesInfo.Defs[fn.Name].(*types.Func)
				if isTest(fn) && isTestFile(p, fn.Pos()) {
					tests = append(tests, obj)
				}
				ast.Inspect(fn.Body, func(n ast.Node) bool {
					switch n := n.(type) {
					case *ast.BasicLit:
						if isProgDir(n) {
							touches[obj] = true
						}
					case *ast.Ident:
						if used, ok := p.TypesInfo.Uses[n].(*types.Func); ok && used.Pkg() == obj.Pkg() {
							uses[obj] = append(uses[obj], used)
						}
					}
					return true
				})
			}
		}
	}
	for again := true; again; {
		again = false
		for fn, used := range uses {
			for _, u := range used {
				if touches[u] && !touches[fn] {
					touches[fn], again = true, true
				}
			}
		}
	}
	var names []string
	for _, t := range tests {
		if touches[t] {
			names = append(names, t.Name())
		}
	}
	sort.Strings(names)
	return names
}

// isProgDir reports whether a literal is the name of a folder of test
// programs, or the beginning that such a name is joined to.
func isProgDir(lit *ast.BasicLit) bool {
	s, err := strconv.Unquote(lit.Value)
	return err == nil && lit.Kind == token.STRING && (s == "testdata/" || strings.HasPrefix(s, "testdata/testprog"))
}

// FileTests returns the names of a package's tests in the files whose base
// names match the pattern, for the tree's platform and configuration, sorted.
func FileTests(ctx context.Context, t *Tree, pkg, pattern string) ([]string, error) {
	pkgs, err := load(ctx, t, pkg, 0)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, p := range pkgs {
		for _, f := range p.Syntax {
			name := filepath.Base(p.Fset.Position(f.Pos()).Filename)
			if ok, err := filepath.Match(pattern, name); err != nil || !ok || !strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && isTest(fn) {
					seen[fn.Name.Name] = true
				}
			}
		}
	}
	var names []string
	for n := range seen {
		names = append(names, n)
	}
	sort.Strings(names)
	return names, nil
}

// isTest reports whether a function is a test by name and form.
func isTest(fn *ast.FuncDecl) bool {
	name := fn.Name.Name
	if fn.Recv != nil || !strings.HasPrefix(name, "Test") || name == "TestMain" || len(fn.Type.Params.List) != 1 {
		return false
	}
	if rest := name[len("Test"):]; rest != "" && rest[0] >= 'a' && rest[0] <= 'z' {
		return false
	}
	star, ok := fn.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	sel, ok := star.X.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "T"
}

func isTestFile(p *packages.Package, pos token.Pos) bool {
	return strings.HasSuffix(p.Fset.Position(pos).Filename, "_test.go")
}

const (
	loadMode  = packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedSyntax
	typesMode = packages.NeedImports | packages.NeedTypes | packages.NeedTypesInfo
)

var pathMu sync.Mutex

// goList loads packages with the tree's go command and environment.
func goList(ctx context.Context, t *Tree, cfg *packages.Config, patterns ...string) ([]*packages.Package, error) {
	// go/packages looks for the go command on this process's own PATH,
	// whatever Config.Env says.
	pathMu.Lock()
	defer pathMu.Unlock()
	path := os.Getenv("PATH")
	defer os.Setenv("PATH", path)
	os.Setenv("PATH", filepath.Join(t.GOROOT, "bin")+string(os.PathListSeparator)+path)

	cfg.Context, cfg.Dir = ctx, filepath.Join(t.GOROOT, "src")
	cfg.Env = append(t.Command(ctx).Env, "GOPACKAGESDRIVER=off")
	pkgs, err := packages.Load(cfg, patterns...)
	if err != nil {
		return nil, fmt.Errorf("loading %s of %s: %w", strings.Join(patterns, " "), t.GOROOT, err)
	}
	return pkgs, nil
}

// load parses a package of the tree with its tests, and type-checks it if the
// mode asks for that. Errors of types are no errors here: the build tells of
// them better.
func load(ctx context.Context, t *Tree, pkg string, mode packages.LoadMode) ([]*packages.Package, error) {
	pkgs, err := goList(ctx, t, &packages.Config{Mode: mode | loadMode, Tests: true}, pkg)
	if err != nil {
		return nil, err
	}
	var out []*packages.Package
	for _, p := range pkgs {
		// The test's main package is generated; it has no tests in it.
		if !strings.HasSuffix(p.ID, ".test") {
			out = append(out, p)
		}
		for _, e := range p.Errors {
			if e.Kind == packages.ListError {
				return nil, fmt.Errorf("loading %s of %s: %v", pkg, t.GOROOT, e)
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("loading %s of %s: no such package", pkg, t.GOROOT)
	}
	return out, nil
}
