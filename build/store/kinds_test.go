package store

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Whatever gocoro's programs put into a store has its name in Names: Item
// refuses a kind that has not, and Clean leaves a directory that has not.
func TestKinds(t *testing.T) {
	patterns := []*regexp.Regexp{
		regexp.MustCompile(`\bItem\(ctx, "(\w+)"`),
		regexp.MustCompile(`\.step\(ctx, "\w+", "(\w+)"`),
		regexp.MustCompile(`\b(?:Store|st|s)\.Root, "(\w+)"`),
		regexp.MustCompile(`\brecordKind += "(\w+)"`),
	}
	found := map[string]bool{"lock": true}
	for _, root := range []string{"../../build", "../../ci"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, p := range patterns {
				for _, m := range p.FindAllStringSubmatch(string(data), -1) {
					if found[m[1]] = true; Names[m[1]] == nil && m[1] != "lock" {
						t.Errorf("%s: %q is not in Names", path, m[1])
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"upstream", "tree", "goroot", "baseline", "builds", "git", "api", "record", "ci", "gocache", "tmp", "log"} {
		if !found[want] {
			t.Errorf("no source makes %q any more: the way they are found no longer fits the sources", want)
		}
	}
}
