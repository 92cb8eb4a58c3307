package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strings"

	"gocoro/build/command"
	"gocoro/ci/plan"
	"gocoro/ci/platform"
)

// A job is a row of the hosted workflow's matrix.
type job struct {
	Name     string `json:"name"`
	Runner   string `json:"runner"`   // the hosted runner's label
	Platform string `json:"platform"` // pattern for -platform
	Line     string `json:"line"`     // pattern for -line
	Shard    string `json:"shard"`
}

// hosted lists the hosted runners. Each runs what is native to it.
var hosted = []struct{ runner, platform string }{
	{"ubuntu-24.04", "linux-amd64"},
	{"ubuntu-24.04-arm", "linux-arm64"},
	{"macos-15-intel", "darwin-amd64"},
	{"macos-15", "darwin-arm64"},
}

// shards is how many jobs the default line has on each runner. The other lines
// have less to do. A job builds one line's toolchain.
var shards = map[plan.Depth]int{plan.Default: 2, plan.Nightly: 6}

// jobs returns the jobs of the hosted runners at a depth. Together they run
// every cell of the hosted plan, each once.
func jobs(lines []*plan.Line, depth plan.Depth) []job {
	var list []job
	for _, h := range hosted {
		add := func(line string, n int) {
			for i := 1; i <= n; i++ {
				list = append(list, job{
					Name:     fmt.Sprintf("%s %s %d/%d", h.platform, line, i, n),
					Runner:   h.runner,
					Platform: h.platform,
					Line:     line,
					Shard:    fmt.Sprintf("%d/%d", i, n),
				})
			}
		}
		add(plan.SelfLine, 1)
		for _, l := range lines {
			if n := shards[depth]; l.Default {
				add(l.Name, n)
			} else {
				add(l.Name, (n+1)/2)
			}
		}
	}
	return list
}

// hostedCells returns the plan of all hosted runners.
func hostedCells(lines []*plan.Line, sel plan.Selection) ([]plan.Cell, error) {
	sel.Whole = true // each job names its line
	var cells []plan.Cell
	for _, h := range hosted {
		c, err := nativeCells(h.platform, lines, sel)
		if err != nil {
			return nil, err
		}
		cells = append(cells, c...)
	}
	return cells, nil
}

// nativeCells returns the cells that run natively on the platform, given as
// "linux-amd64".
func nativeCells(name string, lines []*plan.Line, sel plan.Selection) ([]plan.Cell, error) {
	host, err := platform.Parse(strings.Replace(name, "-", "/", 1))
	if err != nil {
		return nil, err
	}
	sel.Platform = name
	return plan.Cells(host, lines, sel)
}

// matrixCommand lists the plan.
func matrixCommand(fs *flag.FlagSet) func(context.Context, []string) error {
	f := new(flags)
	f.register(fs)
	asJSON := fs.Bool("json", false, "print the hosted workflow's matrix")
	return func(ctx context.Context, args []string) error {
		if err := command.NoArgs(args); err != nil {
			return err
		}
		_, lines, cells, err := f.cells()
		if err != nil {
			return err
		}
		if !*asJSON {
			for _, c := range cells {
				fmt.Println(c.ID)
			}
			return nil
		}
		out, err := json.Marshal(map[string]any{"include": jobs(lines, f.sel.Depth)})
		if err != nil {
			return err
		}
		fmt.Println(string(out))
		return nil
	}
}
