package runner

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"gocoro/ci/plan"
	"gocoro/ci/platform"
	"gocoro/ci/record"
	"gocoro/ci/suite"
	"gocoro/ci/verdict"
)

// A go command whose std does not compile for one port, and whose runtime does
// not pass vet for another; it cannot vet android at all.
const fakeGo = `
case "$1 $GOOS" in
"tool "*) echo linux/amd64 plan9/386 aix/ppc64 android/arm64;;
"build plan9") echo 'undefined: cputicks'; exit 1;;
"vet aix") echo '[ppc64] wrong argument size'; exit 1;;
"vet android") exit 1;;
esac
test "$CGO_ENABLED" = 0 || test "$1" = tool
`

func TestPorts(t *testing.T) {
	tree := &suite.Tree{GOROOT: "goroot", Command: func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", fakeGo, "go"}, args...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
		return cmd
	}}
	command := tree.Command
	ctx := context.Background()
	id := record.ID{Line: "go1.27", Platform: "linux-amd64", Suite: "ports", Config: "plain", Tree: record.Patched}
	j := &job{Runner: new(Runner), c: plan.Cell{ID: id, Config: &plan.Configs[0]}, t: tree}
	want, err := j.want(ctx)
	if err != nil {
		t.Fatal(err)
	}
	run := func(ctx context.Context) *verdict.CellOutcome {
		cell, err := record.Create(t.TempDir(), record.Cell{ID: id, How: string(platform.Native), Want: want})
		if err != nil {
			t.Fatal(err)
		}
		j.rec = cell
		if err := j.fill(ctx); err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		if err := cell.Finish(); err != nil {
			t.Fatal(err)
		}
		e, err := verdict.Evaluate([]verdict.Planned{{ID: id, How: string(platform.Native), Want: want}}, []*record.Cell{cell}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return e.Cells[0]
	}

	texts := map[string]string{"TestCompile/linux-amd64": "", "TestCompile/plan9-386": "undefined: cputicks", "TestCompile/aix-ppc64": "wrong argument size", "TestCompile/android-arm64": ""}
	for _, o := range run(ctx).Outcomes {
		text, ok := texts[o.Test]
		if !ok {
			continue
		}
		delete(texts, o.Test)
		if (text == "") != (o.State == verdict.Passed) || !strings.Contains(o.Text, text) {
			t.Errorf("%s: %s: %q, want %q", o.Test, o.State, o.Text, text)
		}
	}
	if len(texts) > 0 {
		t.Errorf("no outcome for %v", texts)
	}

	stopped, cancel := context.WithCancel(ctx)
	tree.Command = func(ctx context.Context, args ...string) *exec.Cmd {
		if args[0] == "vet" {
			cancel()
		}
		return command(ctx, args...)
	}
	for _, o := range run(stopped).Outcomes {
		if strings.HasPrefix(o.Test, "TestCompile") && o.State != verdict.DidNotRun {
			t.Errorf("%s: %s in a run that was stopped at its first vet", o.Test, o.State)
		}
	}
}
