package suite

import (
	"context"
	"fmt"
	"go/build"
	"go/token"
	"go/types"
	"os"
	"slices"
	"strings"

	"golang.org/x/tools/go/gcexportdata"
)

// TypeCheckCgo type-checks the Go files of a package that uses cgo, without its
// tests, for a platform whose C library is not there. An expression C.x has any
// type that fits. Undefined names, and calls that do not fit, are errors.
//
// The go command has no such check: with CGO_ENABLED=1 it needs the C compiler,
// and with 0 it leaves the files out.
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
	fset, files, err := parse(dir, slices.Concat(pkg.GoFiles, pkg.CgoFiles))
	if err != nil {
		return err
	}
	std, err := exported(ctx, t, fset, pkg.Imports)
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

// exported returns what standard packages export.
func exported(ctx context.Context, t *Tree, fset *token.FileSet, paths []string) (importer, error) {
	std := importer{"unsafe": types.Unsafe}
	paths = slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return p == "C" || p == "unsafe" })
	pkgs, err := list(ctx, t, append([]string{"-export"}, paths...)...)
	if err != nil {
		return nil, err
	}
	for _, p := range pkgs {
		if p.Error != nil {
			return nil, fmt.Errorf("compiling %s of %s: %s", p.ImportPath, t.GOROOT, p.Error.Err)
		}
		if err := readExport(fset, std, p); err != nil {
			return nil, fmt.Errorf("what %s of %s exports: %v", p.ImportPath, t.GOROOT, err)
		}
	}
	return std, nil
}

// readExport adds a package to std, and what it uses of others.
func readExport(fset *token.FileSet, std importer, p *listed) error {
	f, err := os.Open(p.Export)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := gcexportdata.NewReader(f)
	if err != nil {
		return err
	}
	_, err = gcexportdata.Read(r, fset, std, p.ImportPath)
	return err
}
