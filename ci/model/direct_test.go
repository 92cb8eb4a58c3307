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
	exploreAll(t, len(switches), func(i int) (string, *Report) {
		return switches[i].Name, explore[dstate](switches[i])
	})
}

func TestSwitchMutants(t *testing.T) {
	var seen [faults]bool
	for _, mu := range SwitchMutants {
		seen[mu.mutation] = true
		t.Run(mu.Name, func(t *testing.T) {
			i := slices.IndexFunc(Switches, func(cfg *Switch) bool { return cfg.Name == mu.Config })
			if i < 0 {
				t.Fatalf("there is no model %q", mu.Config)
			}
			cfg := *Switches[i]
			cfg.mutant = mu.mutation
			expect(t, explore[dstate](&cfg), mu.Config, mu.Check)
		})
	}
	if i := slices.Index(seen[1:], false); i >= 0 {
		t.Errorf("fault %d is not in SwitchMutants", i+1)
	}
}
