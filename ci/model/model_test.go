package model

import (
	"flag"
	"slices"
	"strings"
	"testing"
)

var large = flag.Bool("large", false, "explore the larger models, too: about a minute and a gigabyte")

func (v *Violation) String() string {
	return v.Check + ": " + v.What + "\n\t" + strings.Join(v.Trace, "\n\t")
}

// TestModels explores the models. With -v it prints their sizes.
func TestModels(t *testing.T) {
	configs := Configs
	if *large {
		configs = slices.Concat(Configs, Larger)
		expect(t, explore[state](Limit), Limit.Name, "B1") // delete it when that is no longer so
	}
	exploreAll(t, len(configs), func(i int) (string, *Report) {
		return configs[i].Name, explore[state](configs[i])
	})
}

// exploreAll explores n models, and fails where one has a violation.
func exploreAll(t *testing.T, n int, explore func(i int) (name string, r *Report)) {
	t.Helper()
	states, steps := 0, 0
	for i := range n {
		name, r := explore(i)
		t.Logf("%-22s %8d states %8d steps", name, r.States, r.Steps)
		states += r.States
		steps += r.Steps
		if r.Violation != nil {
			t.Errorf("%s: %v", name, r.Violation)
		}
	}
	t.Logf("%-22s %8d states %8d steps", "all", states, steps)
}

func find(t *testing.T, name string) Config {
	t.Helper()
	i := slices.IndexFunc(Configs, func(cfg *Config) bool { return cfg.Name == name })
	if i < 0 {
		t.Fatalf("there is no model %q", name)
	}
	return *Configs[i]
}

func expect(t *testing.T, r *Report, name, check string) {
	t.Helper()
	switch {
	case r.Violation == nil:
		t.Errorf("nothing found in %q, want %s", name, check)
	case r.Violation.Check != check:
		t.Errorf("found in %q, want %s: %v", name, check, r.Violation)
	default:
		t.Logf("%s: %v", name, r.Violation)
	}
}

// A checker that finds no fault shows nothing.
func TestMutants(t *testing.T) {
	var seen [mutations]bool
	for _, mu := range Mutants {
		seen[mu.mutation] = true
		t.Run(mu.Name, func(t *testing.T) {
			cfg := find(t, mu.Config)
			cfg.mutant = mu.mutation
			expect(t, explore[state](&cfg), mu.Config, mu.Check)
		})
	}
	if i := slices.Index(seen[1:], false); i >= 0 {
		t.Errorf("mutation %d is not in Mutants", i+1)
	}
}
