package lint

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gocoro/build/line"
)

// The documents of this checkout name the releases of its pins.
func TestNamesHere(t *testing.T) {
	repo, err := line.FindRepo(".")
	if err != nil {
		t.Fatal(err)
	}
	problems, err := Names(repo)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

func TestNames(t *testing.T) {
	for _, tc := range []struct {
		name, file, text string
		want             []string
	}{
		{"current", "README.md", "GOTOOLCHAIN=go1.27.4-coro2 go version, on go1.27.4, newer than 1.26.3\n", nil},
		{"older upstream", "README.md", "GOTOOLCHAIN=go1.27.3-coro2\n", []string{"README.md:1"}},
		{"other revision", "README.md", "x\n\n\ny\nfrom go1.27.4-coro1.linux-amd64.tar.gz\n", []string{"README.md:5"}},
		{"old form", "docs/trust.md", "\n\n\tgo1.27.4-coro.2\n", []string{"docs/trust.md:3"}},
		{"no such line", "docs/trust.md", "go1.21.1-coro1\n", []string{"docs/trust.md:1"}},
		{"upstream alone", "docs/examples/README.md", "GOVERSION=go1.27.3, 1.27.2, go1.21.1\n", []string{"docs/examples/README.md:1", "docs/examples/README.md:1"}},
		{"a later one", "docs/maintaining.md", "go run ./build rebase -to go1.27.5\n", nil},
		{"a candidate", "docs/maintaining.md", "go1.27rc1\n", []string{"docs/maintaining.md:1"}},
		{"dated line", "README.md", "On 2026-11-25 go1.27.3-coro1 was out.\nNow it is go1.27.3-coro1.\n", []string{"README.md:2"}},
		{"dated block", "README.md", "On 2026-11-25,\nwith it:\n\n    go1.27.3-coro1\n\n\n    go1.27.3\n\ngo1.27.3\n\n    go1.27.3\n", []string{"README.md:9", "README.md:11"}},
		{"a date without a colon", "README.md", "On 2026-11-25.\n\n    go1.27.3-coro1\n", []string{"README.md:3"}},
		{"history", "docs/measurements.md", "go1.27.3-coro1\n", nil},
		{"no document", "docs/x.txt", "go1.27.3-coro1\n", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{
				"VERSION":            "go1.27.4-coro2\ntime 2026-11-25T00:00:00Z\n",
				"patches/go1.27/pin": "upstream go1.27.4\nrevision 2\ntime 2026-11-25T00:00:00Z\nbootstrap go1.24.6\n",
				tc.file:              tc.text,
			} {
				file := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			problems, err := Names(&line.Repo{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range problems {
				got = append(got, p.File)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
