package model

import (
	"slices"
	"testing"
)

// TestSwitch explores the models of the direct switch.
func TestSwitch(t *testing.T) {
	switches := Switches
	if *large {
		switches = slices.Concat(Switches, LargerSwitches)
	}
	states, steps := 0, 0
	for _, cfg := range switches {
		r := explore[dstate](cfg)
		t.Logf("%-22s %8d states %8d steps", cfg.Name, r.States, r.Steps)
		states += r.States
		steps += r.Steps
		if r.Violation != nil {
			t.Errorf("%s: %v", cfg.Name, r.Violation)
		}
	}
	t.Logf("%-22s %8d states %8d steps", "all", states, steps)
}

func TestSwitchMutants(t *testing.T) {
	var seen [faults]bool
	for _, mu := range SwitchMutants {
		seen[mu.dmutation] = true
		t.Run(mu.Name, func(t *testing.T) {
			i := slices.IndexFunc(Switches, func(cfg *Switch) bool { return cfg.Name == mu.Config })
			if i < 0 {
				t.Fatalf("there is no model %q", mu.Config)
			}
			cfg := *Switches[i]
			cfg.mutant = mu.dmutation
			expect(t, explore[dstate](&cfg), mu.Config, mu.Check)
		})
	}
	if i := slices.Index(seen[1:], false); i >= 0 {
		t.Errorf("fault %d is not in SwitchMutants", i+1)
	}
}
