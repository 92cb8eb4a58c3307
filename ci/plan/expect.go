package plan

import (
	"strings"

	"gocoro/ci/platform"
	"gocoro/ci/record"
	"gocoro/ci/verdict"
)

// Expected returns the failures that the lines' cells are known to have at a depth.
func Expected(host platform.Platform, lines []*Line, depth Depth) ([]verdict.Expectation, error) {
	var list []verdict.Expectation
	for _, target := range platform.All {
		methods, err := platform.Methods(host, target)
		if err != nil {
			return nil, err
		}
		for _, m := range methods {
			for _, f := range m.ExpectedFailures() {
				f.Platform, f.Suite = PlatformID(m), "testprog"
				if f.When == verdict.OmitByDay {
					f.When = verdict.Omit
					if depth == Nightly {
						f.When = verdict.Always
					}
				}
				if strings.HasPrefix(f.Test, "TestCoro") {
					f.Suite = "coro"
				}
				for _, tree := range []string{record.Patched, record.Stock} {
					f.Tree = tree
					list = append(list, f)
				}
			}
		}
	}
	list = append(list, verdict.Expectation{
		Suite: "dist-*", Package: "cmd/go/internal/verylongtest", Test: verdict.PackageItself,
		Reason: "with -short its TestMain returns without running a test, and so without PASS",
	})
	for _, l := range lines {
		for _, p := range l.Programs {
			if p.Control {
				list = append(list, verdict.Expectation{
					Line: l.Name, Suite: "coro", Tree: record.Stock,
					Package: "runtime", Test: p.Test,
					Reason: "negative control: without the series this program must fail",
				})
			}
		}
	}
	return list, nil
}
