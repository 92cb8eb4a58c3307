package runner

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gocoro/ci/plan"
	"gocoro/ci/platform"
	"gocoro/ci/record"
	"gocoro/ci/suite"
	"gocoro/ci/verdict"
)

// A slice of dist runs in a copy of the tree and with a build cache of the
// copy's own, and runs its names and no others.
func TestDist(t *testing.T) {
	goroot := t.TempDir()
	script := "#!/bin/sh\n" +
		`case "$*" in *-list) echo a b c d e f g:v;; *) echo "$GOCACHE" "$GO_TEST_TIMEOUT_SCALE" "$0" "$@" >&2;; esac` + "\n"
	for name, text := range map[string]string{"bin/go": script, "src/x.go": "package x\n"} {
		file := filepath.Join(goroot, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	host := platform.Host()
	m := platform.Method{Kind: platform.Native, Host: host, Target: host}
	env := append(os.Environ(), "GOCACHE=/of/the/tree")
	tree := &suite.Tree{GOROOT: goroot, Command: func(ctx context.Context, args ...string) *exec.Cmd {
		return m.Go(ctx, goroot, env, args...)
	}}
	id := record.ID{Line: "go1.27", Platform: "linux-amd64", Suite: suite.Dist[0], Config: "plain", Tree: record.Patched}
	dir := t.TempDir()
	cell, err := record.Create(dir, record.Cell{ID: id, How: string(platform.Native)})
	if err != nil {
		t.Fatal(err)
	}
	j := &job{Runner: new(Runner), c: plan.Cell{ID: id, Method: m, Config: &plan.Configs[0]}, rec: cell, t: tree, env: env}
	if err := j.fill(context.Background()); err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(filepath.Join(cell.Dir(), "attempt-1.stderr"))
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Fields(string(out))
	if len(said) < 3 {
		t.Fatalf("dist said %q", out)
	}
	cache, scale, self := said[0], said[1], said[2]
	if copy := filepath.Dir(filepath.Dir(self)); copy == goroot || filepath.Dir(cache) != filepath.Dir(copy) {
		t.Errorf("%s ran with the build cache %s, want a copy with one beside it", self, cache)
	}
	if scale != "4" || !slices.Equal(said[3:], strings.Fields("tool dist test -k -json a g:v")) {
		t.Errorf("time scale %q, arguments %q", scale, said[3:])
	}
	if _, err := os.Stat(cache); !os.IsNotExist(err) {
		t.Errorf("what the run left: %v", err)
	}
}

// What a script that takes hours says is in its record while it runs, and one
// that hangs is recorded as ended by the time limit.
func TestScripted(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		limit        time.Duration
		endless      bool
		state        verdict.State
	}{
		{"passes", "echo ALL TESTS PASSED", time.Minute, false, verdict.Passed},
		{"fails", "echo ALL TESTS PASSED; exit 1", time.Minute, false, verdict.Failed},
		{"other words", "echo nothing", time.Minute, false, verdict.Failed},
		{"hangs", "echo ALL TESTS PASSED; exec sleep 60", time.Second, false, verdict.TimedOut},
		{"endless", "echo ALL TESTS PASSED; exec sleep 60", time.Second, true, verdict.Passed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, rec := reuseCell("all", record.Patched)
			rec.Want = record.Want{packageOf("all"): {"TestAllBash"}}
			cell, err := record.Create(t.TempDir(), rec)
			if err != nil {
				t.Fatal(err)
			}
			s := script{test: "TestAllBash", limit: tc.limit, endless: tc.endless, want: allPassed,
				command: func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, "sh", "-c", tc.script) }}
			done := make(chan error)
			go func() { done <- scripted(context.Background(), cell, s) }()
			if tc.limit < time.Minute {
				// Half-way, its words are on disk.
				log := filepath.Join(cell.Dir(), "attempt-1.stderr")
				for deadline := time.Now().Add(tc.limit * 9 / 10); ; time.Sleep(10 * time.Millisecond) {
					if data, _ := os.ReadFile(log); strings.Contains(string(data), "PASSED") {
						break
					}
					if time.Now().After(deadline) {
						t.Error("nothing is in the record while the script runs")
						break
					}
				}
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if err := cell.Finish(); err != nil {
				t.Fatal(err)
			}
			e, err := verdict.Evaluate([]verdict.Planned{{ID: cell.ID, How: rec.How, Want: rec.Want}}, []*record.Cell{cell}, nil)
			if err != nil {
				t.Fatal(err)
			}
			var got verdict.State
			for _, o := range e.Cells[0].Outcomes {
				if o.Test == "TestAllBash" {
					got = o.State
				}
			}
			if got != tc.state {
				t.Errorf("got %q, want %q", got, tc.state)
			}
		})
	}
}

func TestTail(t *testing.T) {
	var end tail
	for i := range 3 * tailSize {
		end.Write([]byte{byte('a' + i%26)})
	}
	if len(end) != tailSize || end[tailSize-1] != byte('a'+(3*tailSize-1)%26) {
		t.Errorf("got %d bytes ending in %q, want the last %d", len(end), end[len(end)-1], tailSize)
	}
}
