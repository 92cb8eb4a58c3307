package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

// fastPath returns the analysis that compares coroswitch_m with upstream's, whose
// file has the text source. On the path of a switch without a lock, the series must
// add no call, and so no atomic operation, because these are calls.
//
// The analysis leaves out the blocks of if statements whose condition is true only
// with a lock, or in another state in which a switch is slow anyway, such as after
// a failed compare-and-swap. It also leaves out blocks that end the program. It
// does not leave out the conditions.
func fastPath(source []byte) (*analysis.Analyzer, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "coro.go", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	allowed := map[string]int{}
	for _, call := range fastCalls(file) {
		allowed[types.ExprString(call.Fun)]++
	}
	return &analysis.Analyzer{
		Name: "fastpath",
		Doc:  "fastpath reports calls that the series adds to a coroutine switch without a lock",
		Run: func(pass *analysis.Pass) (any, error) {
			for _, file := range pass.Files {
				for _, call := range fastCalls(file) {
					if pass.TypesInfo.Types[call.Fun].IsType() {
						continue // a conversion
					}
					name := types.ExprString(call.Fun)
					if allowed[name]--; allowed[name] < 0 {
						pass.Reportf(call.Pos(), "coroswitch_m calls %s where no lock is involved, and upstream's does not: the switch without a lock must cost no call and no atomic operation more", name)
					}
				}
			}
			return nil, nil
		},
	}, nil
}

// fastCalls returns the calls in coroswitch_m that a switch without a lock may
// reach.
func fastCalls(file *ast.File) (calls []*ast.CallExpr) {
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != "coroswitch_m" || f.Body == nil {
			continue
		}
		var visit func(n ast.Node)
		visit = func(n ast.Node) {
			ast.Inspect(n, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					calls = append(calls, n)
				case *ast.IfStmt:
					if n.Init != nil {
						visit(n.Init)
					}
					visit(n.Cond)
					if !isUnusual(n.Cond) && !fatal(n.Body) {
						visit(n.Body)
					}
					if n.Else != nil {
						visit(n.Else)
					}
					return false
				}
				return true
			})
		}
		visit(f.Body)
	}
	return calls
}

// unusual are the names that stand for a lock (the runtime's, upstream's local
// variable, and the record of the creator's thread in a coro), race mode, a
// processor with data independent timing, a goroutine profile, a bubble, or a port
// with a direct switch (first), which calls coroswitch_m only in unusual states.
var unusual = map[string]bool{
	"lockedm": true, "lockedg": true, "lockedExt": true, "lockedInt": true, "locked": true, "corolock": true,
	"raceenabled": true, "sys.DITSupported": true, "goroutineProfile.active": true, "bubble": true,
	"first": true,
}

// isUnusual reports whether a condition is true only in an unusual state: it is
// a comparison such as gp.lockedm != 0 or c.mp != nil, alone or with others.
func isUnusual(cond ast.Expr) bool {
	switch n := cond.(type) {
	case *ast.ParenExpr:
		return isUnusual(n.X)
	case *ast.Ident, *ast.SelectorExpr:
		return tells(n)
	case *ast.UnaryExpr: // !canCAS, and a compare-and-swap that fails
		switch x := n.X.(type) {
		case *ast.Ident:
			return n.Op == token.NOT && x.Name == "canCAS"
		case *ast.CallExpr:
			f, ok := x.Fun.(*ast.SelectorExpr)
			return n.Op == token.NOT && ok && f.Sel.Name == "CompareAndSwap"
		}
	case *ast.BinaryExpr:
		switch n.Op {
		case token.LOR:
			return isUnusual(n.X) && isUnusual(n.Y)
		case token.LAND:
			return isUnusual(n.X) || isUnusual(n.Y)
		case token.NEQ, token.GTR:
			y := types.ExprString(n.Y)
			return (y == "0" || y == "nil") && tells(n.X)
		}
	}
	return false
}

// tells reports whether an expression is, or ends with, a name in unusual.
func tells(e ast.Expr) bool {
	switch n := e.(type) {
	case *ast.Ident:
		return unusual[n.Name]
	case *ast.SelectorExpr:
		x, ok := n.X.(*ast.Ident)
		return unusual[n.Sel.Name] || ok && (x.Name == "c" && n.Sel.Name == "mp" || unusual[x.Name+"."+n.Sel.Name])
	}
	return false
}

// fatal reports whether the block ends the program.
func fatal(b *ast.BlockStmt) bool {
	if len(b.List) == 0 {
		return false
	}
	e, ok := b.List[len(b.List)-1].(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := e.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	name, ok := call.Fun.(*ast.Ident)
	return ok && (name.Name == "throw" || name.Name == "fatal" || name.Name == "panic")
}
