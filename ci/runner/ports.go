package runner

import (
	"context"
	"fmt"
	"strings"

	"gocoro/ci/record"
	"gocoro/ci/suite"
)

// compiled names a port as a test.
func compiled(port string) string {
	return "TestCompile/" + strings.ReplaceAll(port, "/", "-")
}

// portList returns all ports that the tree's go command can compile for, as
// GOOS/GOARCH.
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
func (j *job) portsWant(ctx context.Context) ([]string, error) {
	list, err := portList(ctx, j.t)
	var names []string
	for _, p := range list {
		names = append(names, compiled(p))
	}
	return names, err
}

// portCommands returns the go commands that must succeed for a port. Vet also
// type-checks the runtime's tests, and compares its assembly with its declarations,
// which the compiler does not do. For android and ios, vet needs a C compiler.
func portCommands(goos string) [][]string {
	commands := [][]string{{"build", "std"}}
	if goos != "android" && goos != "ios" {
		commands = append(commands, []string{"vet", "-unsafeptr=false", "runtime"})
	}
	return commands
}

// ports compiles the standard library for every port, without cgo, since the C
// libraries are not there.
func (j *job) ports(ctx context.Context) error {
	list, err := portList(ctx, j.t)
	if err != nil {
		return err
	}
	a := record.Attempt{Command: []string{"go", "build", "std"}, Env: []string{"GOOS=(each)", "GOARCH=(each)", "CGO_ENABLED=0"}}
	return asTests(ctx, j.c.Limit(), j.rec, a, func(ctx context.Context, tests *tests) error {
		for _, p := range list {
			tests.run(compiled(p), func() (why string) {
				goos, goarch, _ := strings.Cut(p, "/")
				for _, args := range portCommands(goos) {
					cmd := j.t.Command(ctx, args...)
					// The packages of a port are needed once and take 100 MB, so
					// they stay out of the build cache.
					cmd.Env = append(cmd.Env, "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0", "GOCACHE="+j.tmp)
					j.yield(cmd)
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
