package main

import (
	"fmt"
	"testing"

	"gocoro/build/line"
	"gocoro/ci/plan"
	"gocoro/ci/record"
	"gocoro/ci/suite"
)

// The hosted jobs are the hosted plan: each cell is in exactly one of them.
func TestJobs(t *testing.T) {
	lines := []*plan.Line{
		{Line: &line.Line{Name: "go1.22"}, Rules: suite.Matched},
		{Line: &line.Line{Name: "go1.27"}, Rules: suite.Shared, Default: true},
	}
	for _, depth := range []plan.Depth{plan.Default, plan.Nightly} {
		all, err := hostedCells(lines, plan.Selection{Depth: depth})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[record.ID]int{}
		names := map[string]bool{}
		for _, j := range jobs(lines, depth) {
			if names[j.Name] {
				t.Errorf("two jobs are called %s", j.Name)
			}
			names[j.Name] = true
			sel := plan.Selection{Line: j.Line, Depth: depth}
			if _, err := fmt.Sscanf(j.Shard, "%d/%d", &sel.Shard, &sel.Shards); err != nil {
				t.Fatal(err)
			}
			cells, err := nativeCells(j.Platform, lines, sel)
			if err != nil {
				t.Errorf("%s: %v", j.Name, err)
			}
			for _, c := range cells {
				seen[c.ID]++
			}
		}
		for _, c := range all {
			if seen[c.ID] != 1 {
				t.Errorf("depth %s: %s is in %d jobs, want 1", depth, c.ID, seen[c.ID])
			}
		}
		if len(seen) != len(all) {
			t.Errorf("depth %s: the jobs have %d cells, the plan %d", depth, len(seen), len(all))
		}
	}
}
