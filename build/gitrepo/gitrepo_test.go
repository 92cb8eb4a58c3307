package gitrepo

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Commits says of a merge that it is one, and of nothing else.
func TestCommits(t *testing.T) {
	ctx := context.Background()
	r := &Repo{Dir: filepath.Join(t.TempDir(), "repo")}
	if err := r.Create(ctx); err != nil {
		t.Fatal(err)
	}
	tree, err := r.run(ctx, nil, nil, "mktree")
	if err != nil {
		t.Fatal(err)
	}
	commit := func(message string, parents ...string) string {
		c, err := r.commit(ctx, tree, parents, message+"\n", nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	base := commit("base")
	a := commit("a", base)
	b := commit("b", base)
	b2 := commit("b2", b)
	merge := commit("merge", a, b)
	other := commit("other")
	for _, tc := range []struct {
		name, base, head string
		want             []string
		err              string
		broken           bool // the repository is gone when rev-list runs
	}{
		{"none", base, base, nil, "", false},
		{"two", base, b2, []string{b, b2}, "", false},
		{"merge", base, merge, nil, "commit " + merge + " is a merge", false},
		{"elsewhere", other, b2, nil, b2 + " is not made on " + other, false},
		{"no such commit", base, "none", nil, "Not a valid object name none", false},
		{"broken", base, b2, nil, "git rev-list", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.broken {
				away := filepath.Join(r.Dir, "objects-away")
				r.Trace = func(cmd *exec.Cmd) {
					if slices.Contains(cmd.Args, "rev-list") {
						os.Rename(filepath.Join(r.Dir, "objects"), away)
					}
				}
			}
			got, err := r.Commits(ctx, tc.base, tc.head)
			if !slices.Equal(got, tc.want) || (err == nil) != (tc.err == "") {
				t.Fatalf("got %q, %v, want %q, error with %q", got, err, tc.want, tc.err)
			}
			if err != nil && (!strings.Contains(err.Error(), tc.err) || tc.name != "merge" && strings.Contains(err.Error(), "is a merge")) {
				t.Errorf("got error %v, want one with %q alone", err, tc.err)
			}
		})
	}
}
