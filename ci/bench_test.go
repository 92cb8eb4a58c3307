package main

import "testing"

func TestSelected(t *testing.T) {
	for _, tc := range []struct {
		groups []string
		want   int // -1 for an error
	}{
		{nil, len(sharedBenchmarks)},
		{[]string{"switch"}, 1},
		{[]string{"pull", "switch"}, 2},
		{[]string{"switch", "swich"}, -1},
	} {
		got, err := selected(sharedBenchmarks, tc.groups)
		if n := len(got); (err != nil) != (tc.want < 0) || err == nil && n != tc.want {
			t.Errorf("groups %q: got %d benchmarks, %v; want %d", tc.groups, n, err, tc.want)
		}
	}
}
