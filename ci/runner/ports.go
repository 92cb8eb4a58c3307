package runner

import (
	"context"
	"fmt"
	"os"
	"strings"

	"gocoro/ci/plan"
	"gocoro/ci/record"
	"gocoro/ci/suite"
)

// portsPackage stands for a package in the record of the ports.
const portsPackage = "gocoro/ci/ports"

// compiled names a port as a test.
func compiled(port string) string {
	return "TestCompile/" + strings.ReplaceAll(port, "/", "-")
}

// portList returns what the tree's go command can compile for, as GOOS/GOARCH:
// the ports that upstream lists, and not only the platforms that are tested.
func portList(ctx context.Context, t *suite.Tree) ([]string, error) {
	out, err := t.Command(ctx, "tool", "dist", "list").Output()
	if err != nil {
		return nil, fmt.Errorf("go tool dist list in %s: %w", t.GOROOT, err)
	}
	list := strings.Fields(string(out))
	if len(list) == 0 {
		return nil, fmt.Errorf("go tool dist list in %s: no port", t.GOROOT)
	}
	return list, nil
}

// portsWant names the ports.
func portsWant(ctx context.Context, t *suite.Tree) (record.Want, error) {
	list, err := portList(ctx, t)
	if err != nil {
		return nil, err
	}
	want := record.Want{}
	for _, p := range list {
		want[portsPackage] = append(want[portsPackage], compiled(p))
	}
	return want, nil
}

// portCommands returns what must succeed for a port. Vet type-checks the
// runtime's tests, too, and compares its assembly with its declarations, which
// no compiler does. Of android and ios the go command vets nothing without
// their C compiler.
func portCommands(goos string) [][]string {
	commands := [][]string{{"build", "std"}}
	if goos != "android" && goos != "ios" {
		commands = append(commands, []string{"vet", "-unsafeptr=false", "runtime"})
	}
	return commands
}

// ports compiles the standard library for every port. It does without cgo, as
// there are no C libraries of theirs.
func (r *Runner) ports(ctx context.Context, c plan.Cell, cell *record.Cell, t *suite.Tree) error {
	// The packages of a port are wanted once and take 100 MB: no build cache
	// is to keep them all.
	tmp, err := os.MkdirTemp("", "gocoro-ports-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	list, err := portList(ctx, t)
	if err != nil {
		return err
	}
	a := record.Attempt{Command: []string{"go", "build", "std"}, Env: []string{"GOOS=(each)", "GOARCH=(each)", "CGO_ENABLED=0"}}
	return asTests(ctx, c.Limit(), cell, portsPackage, a, func(ctx context.Context, tests *tests) error {
		for _, p := range list {
			tests.run(compiled(p), func() (why string) {
				goos, goarch, _ := strings.Cut(p, "/")
				for _, args := range portCommands(goos) {
					cmd := t.Command(ctx, args...)
					cmd.Env = append(cmd.Env, "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0", "GOCACHE="+tmp)
					r.yield(cmd)
					text, err := cmd.CombinedOutput()
					fmt.Fprintf(tests.Log, "=== %s: %s\n%s", p, strings.Join(cmd.Args, " "), text)
					if err != nil {
						why += fmt.Sprintf("GOOS=%s GOARCH=%s CGO_ENABLED=0 %s: %v\n%s", goos, goarch, strings.Join(cmd.Args, " "), err, text)
					}
				}
				return why
			})
		}
		return nil
	})
}
