package plan

import (
	"strings"

	"gocoro/build/line"
	"gocoro/ci/platform"
	"gocoro/ci/suite"
	"gocoro/ci/verdict"
)

// stockPasses lists the programs that pass without the series, on stock
// go1.22.12: the others are the negative control. They must fail there, or
// the tests show nothing. Measured on linux/amd64 and, emulated, on arm64.
var stockPasses = map[string]bool{
	"CoroLockOSThreadIterLock":             true,
	"CoroLockOSThreadLock":                 true,
	"CoroLockOSThreadLockIterNested":       true,
	"CoroLockOSThreadStopLocked":           true,
	"CoroLockOSThreadStopLockedIterNested": true,
	"CoroCgoIterCallback":                  true,
}

// Expected returns the failures that the lines' cells are known to have.
func Expected(host platform.Platform, lines []*line.Line) ([]verdict.Expectation, error) {
	var list []verdict.Expectation
	for _, target := range platform.All {
		methods, err := platform.Methods(host, target)
		if err != nil {
			return nil, err
		}
		for _, m := range methods {
			for _, f := range m.ExpectedFailures() {
				in := "testprog"
				if strings.HasPrefix(f.Test, "TestCoro") {
					in = "coro"
				}
				for _, tree := range []string{verdict.Patched, verdict.Stock} {
					list = append(list, verdict.Expectation{
						Platform: PlatformID(m), Suite: in, Tree: tree,
						Package: f.Package, Test: f.Test, Reason: f.Reason,
					})
				}
			}
		}
	}
	for _, l := range lines {
		if l.Name != "go1.22" {
			continue
		}
		for top, progs := range suite.Programs {
			for _, p := range progs {
				if stockPasses[p] {
					continue
				}
				list = append(list, verdict.Expectation{
					Line: l.Name, Suite: "coro", Tree: verdict.Stock,
					Package: "runtime", Test: top + "/" + p,
					Reason: "negative control: without the series this program must fail",
				})
			}
		}
	}
	return list, nil
}
