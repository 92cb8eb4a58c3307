package release

import (
	"flag"
	"regexp"
	"slices"
	"testing"
)

// TestUsage compares the flags that the usage lines name with those that the
// commands have.
func TestUsage(t *testing.T) {
	named := regexp.MustCompile(`(?:^|[\[ ])-([a-z][a-z0-9-]*)`)
	for _, c := range Program.Commands {
		t.Run(c.Name, func(t *testing.T) {
			var got, want []string
			for _, m := range named.FindAllStringSubmatch(c.Args, -1) {
				got = append(got, m[1])
			}
			fs := flag.NewFlagSet(c.Name, flag.ContinueOnError)
			c.Setup(fs)
			fs.VisitAll(func(f *flag.Flag) { want = append(want, f.Name) })
			slices.Sort(got)
			if !slices.Equal(got, want) { // VisitAll sorts
				t.Errorf("the usage %q names the flags %q, want %q", c.Args, got, want)
			}
		})
	}
}
