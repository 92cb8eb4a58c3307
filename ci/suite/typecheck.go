package suite

import (
	"context"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// TypeCheckCgo type-checks the Go files, tests apart, of a package that uses
// cgo, in a folder of the tree, for a platform whose C library is not there.
// What a C compiler would say is left out: an expression C.x has whatever type
// fits. Names that are not there, and calls that do not fit, are found.
//
// The go command knows no such check: with CGO_ENABLED=1 it wants the C
// compiler, and with 0 it leaves the files out.
func TypeCheckCgo(ctx context.Context, t *Tree, dir, goos, goarch string, experiments []string) error {
	bctx := build.Default
	bctx.GOROOT, bctx.GOOS, bctx.GOARCH, bctx.CgoEnabled = t.GOROOT, goos, goarch, true
	bctx.ToolTags = nil
	for _, e := range experiments {
		bctx.ToolTags = append(bctx.ToolTags, "goexperiment."+e)
	}
	pkg, err := bctx.ImportDir(dir, 0)
	if err != nil {
		return err
	}
	if len(pkg.CgoFiles) == 0 {
		return fmt.Errorf("%s: no file imports C on %s/%s: the check has nothing to check", dir, goos, goarch)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range slices.Concat(pkg.GoFiles, pkg.CgoFiles) {
		f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	std, err := loadStd(ctx, t, fset, pkg.Imports)
	if err != nil {
		return err
	}
	var errs []string
	conf := types.Config{
		FakeImportC: true,
		Importer:    std,
		Sizes:       types.SizesFor("gc", goarch),
		Error:       func(err error) { errs = append(errs, err.Error()) },
	}
	conf.Check(pkg.Name, fset, files, nil)
	if errs != nil {
		return fmt.Errorf("%s, for %s/%s:\n%s", dir, goos, goarch, strings.Join(errs, "\n"))
	}
	return nil
}

// An importer has packages by their paths.
type importer map[string]*types.Package

func (i importer) Import(path string) (*types.Package, error) {
	if p := i[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("package %s was not loaded", path)
}

// loadStd type-checks standard packages and all that they import.
func loadStd(ctx context.Context, t *Tree, fset *token.FileSet, paths []string) (importer, error) {
	std := importer{"unsafe": types.Unsafe}
	paths = slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return p == "C" || p == "unsafe" })
	pkgs, err := goList(ctx, t, &packages.Config{Mode: loadMode | typesMode | packages.NeedDeps, Fset: fset}, paths...)
	if err != nil {
		return nil, err
	}
	for _, p := range pkgs {
		if p.Types == nil || len(p.Errors) > 0 {
			return nil, fmt.Errorf("loading %s of %s: %v", p.PkgPath, t.GOROOT, p.Errors)
		}
		std[p.PkgPath] = p.Types
	}
	return std, nil
}
