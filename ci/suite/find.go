package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gocoro/build/run"
)

// ProgTests returns the names of the tests of package runtime that build or
// run a program under testdata/testprog*, for the tree's platform, sorted.
//
// A function does so if it joins the name of a directory to "testdata/", as the
// helper that builds the programs does, if it names such a directory, or if it
// mentions a function that does one of these. There is no list of tests that could
// get out of date.
func ProgTests(ctx context.Context, t *Tree) ([]string, error) {
	p, err := listOne(ctx, t, "runtime")
	if err != nil {
		return nil, err
	}
	names, err := progTests(p.Dir, slices.Concat(p.GoFiles, p.TestGoFiles), p.XTestGoFiles)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no test of package runtime runs a program of testdata/testprog*: the way these tests are found no longer fits the tree", t.GOROOT)
	}
	return names, nil
}

// progTests looks at packages, each given by the names of its files.
func progTests(dir string, pkgs ...[]string) ([]string, error) {
	uses := map[types.Object][]types.Object{} // function -> the functions it mentions
	touches := map[types.Object]bool{}
	var tests []*types.Func
	for _, names := range pkgs {
		fset, files, err := parseTree(dir, names)
		if err != nil {
			return nil, err
		}
		// Only the package's own declarations matter. Its imports are not there,
		// and the errors about that mean nothing.
		info := &types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
		conf := types.Config{Importer: importer{}, Error: func(error) {}}
		conf.Check(dir, fset, files, info)
		for _, f := range files {
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || fn.Body == nil {
					continue
				}
				obj, ok := info.Defs[fn.Name].(*types.Func)
				if !ok {
					continue
				}
				if isTest(fn) && strings.HasSuffix(fset.Position(fn.Pos()).Filename, "_test.go") {
					tests = append(tests, obj)
				}
				ast.Inspect(fn.Body, func(n ast.Node) bool {
					switch n := n.(type) {
					case *ast.BasicLit:
						if isProgDir(n) {
							touches[obj] = true
						}
					case *ast.Ident:
						if used, ok := info.Uses[n].(*types.Func); ok && used.Pkg() == obj.Pkg() {
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
	slices.Sort(names)
	return names, nil
}

// isProgDir reports whether a literal is the name of a directory of test
// programs, or the beginning that such a name is joined to.
func isProgDir(lit *ast.BasicLit) bool {
	s, err := strconv.Unquote(lit.Value)
	return err == nil && lit.Kind == token.STRING && (s == "testdata/" || strings.HasPrefix(s, "testdata/testprog"))
}

// fileTests returns the names of a package's tests in the files whose base
// names match the pattern, for the tree's platform and configuration, sorted.
func fileTests(ctx context.Context, t *Tree, pkg, pattern string) ([]string, error) {
	p, err := listOne(ctx, t, pkg)
	if err != nil {
		return nil, err
	}
	return p.tests(pattern)
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

// listed is what the go command of a tree says about a package.
type listed struct {
	ImportPath, Dir string

	// The names of the files for the tree's platform and configuration. Those of
	// XTestGoFiles are a package of their own.
	GoFiles, TestGoFiles, XTestGoFiles []string

	Export string                // the file with what it exports, if that was asked for
	Error  *struct{ Err string } // why it cannot be listed
}

// list returns the packages of the patterns, at least one. A package that is not
// there has an Error. List runs the tree's go command by its path: go/packages
// would take the first one on this process's PATH, which cannot be changed while
// other cells run.
func list(ctx context.Context, t *Tree, args ...string) ([]*listed, error) {
	fail := func(err error) ([]*listed, error) {
		return nil, fmt.Errorf("go list %s in %s: %w", strings.Join(args, " "), t.GOROOT, err)
	}
	out, err := run.Output(t.Command(ctx, append([]string{"list", "-e", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Export,Error"}, args...)...))
	if err != nil {
		return fail(err)
	}
	var pkgs []*listed
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		p := new(listed)
		if err := dec.Decode(p); err != nil {
			return fail(err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) == 0 {
		return fail(errors.New("no such package"))
	}
	return pkgs, nil
}

// listOne returns a package that must be there.
func listOne(ctx context.Context, t *Tree, pkg string) (*listed, error) {
	pkgs, err := list(ctx, t, pkg)
	if err != nil {
		return nil, err
	}
	if p := pkgs[0]; p.Error == nil {
		return p, nil
	}
	return nil, fmt.Errorf("go list %s in %s: %s", pkg, t.GOROOT, pkgs[0].Error.Err)
}

// tests returns the names of the tests in the package's files whose names match
// the pattern, sorted.
func (p *listed) tests(pattern string) ([]string, error) {
	var matching []string
	for _, name := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
		if ok, err := filepath.Match(pattern, name); err != nil {
			return nil, err
		} else if ok {
			matching = append(matching, name)
		}
	}
	_, files, err := parseTree(p.Dir, matching)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, f := range files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && isTest(fn) {
				seen[fn.Name.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen)), nil
}

// parse parses files of a directory. Like go/packages, it returns as much as it can
// of a file with errors, and the first error.
func parse(dir string, names []string) (fset *token.FileSet, files []*ast.File, err error) {
	fset = token.NewFileSet()
	for _, name := range names {
		f, e := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err == nil {
			err = e
		}
		if f != nil {
			files = append(files, f)
		}
	}
	return fset, files, err
}

// parseTree is parse for a tree whose language may be newer than this program's: a
// file with errors is none, but a missing file is.
func parseTree(dir string, names []string) (*token.FileSet, []*ast.File, error) {
	fset, files, err := parse(dir, names)
	if len(files) == len(names) {
		err = nil
	}
	return fset, files, err
}
