package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// documents returns the texts of the documents, by their names in the checkout.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		files, err := filepath.Glob("../" + pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: got %v, %v, want files", pattern, files, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts[strings.TrimPrefix(file, "../")] = string(data)
		}
	}
	return texts
}

// The README begins with the first example, which the suite user builds and
// runs.
func TestReadmeExample(t *testing.T) {
	readme := documents(t)["README.md"]
	program, err := os.ReadFile("../docs/examples/first/main.go")
	if err != nil {
		t.Fatal(err)
	}
	output, err := os.ReadFile("../docs/examples/first/output.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(program), "package main\n")
	if code = "```go\npackage main\n" + code + "```\n"; !strings.Contains(readme, code) {
		t.Errorf("README.md does not have the program of docs/examples/first:\n%s", code)
	}
	if want := "`" + strings.TrimSpace(string(output)) + "`"; !strings.Contains(readme, want) {
		t.Errorf("README.md does not have the output of docs/examples/first, %s", want)
	}
	if n := strings.Count(readme, "\n"); n > 160 {
		t.Errorf("README.md has %d lines, want at most 160", n)
	}
}

// A document says first for whom it is, and its lines have at most 80 columns,
// except in tables, headings, and what machines print.
func TestDocsForm(t *testing.T) {
	for name, text := range documents(t) {
		report := strings.HasPrefix(name, "docs/upstream/") && name != "docs/upstream/README.md" // in upstream's form
		if name != "README.md" && !report && !strings.Contains(strings.Join(strings.SplitN(text, "\n", 4)[:3], "\n"), "\n\nThis page is for ") {
			t.Errorf("%s: got no \"This page is for\" after the heading", name)
		}
		fence := false
		for i, l := range strings.Split(text, "\n") {
			fence = fence != strings.HasPrefix(l, "```")
			if n := utf8.RuneCountInString(l); n > 80 && !fence && !strings.HasPrefix(l, "|") && !strings.HasPrefix(l, "#") && !strings.HasPrefix(l, "    ") {
				t.Errorf("%s:%d: got %d columns, want at most 80", name, i+1, n)
			}
		}
	}
}

var (
	link    = regexp.MustCompile(`(?m)\]\(([^)]*)\)|^\[[^]]*\]: (\S+)$`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	omitted = regexp.MustCompile("[^a-z0-9 _-]")
)

// Every link to a file of the checkout, or to a heading in one, has its target.
func TestDocsLinks(t *testing.T) {
	texts := documents(t)
	n := 0
	for name, text := range texts {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to := m[1] + m[2]
			if strings.Contains(to, "://") {
				continue
			}
			n++
			file, anchor, _ := strings.Cut(to, "#")
			target := name
			if file != "" {
				target = filepath.Join(filepath.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join("..", target)); err != nil {
				t.Errorf("%s: link to %s: %v", name, to, err)
			}
			if anchor == "" {
				continue
			}
			found := false
			for _, h := range heading.FindAllStringSubmatch(texts[target], -1) {
				found = found || strings.ReplaceAll(omitted.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-") == anchor
			}
			if !found {
				t.Errorf("%s: link to %s: %s has no such heading", name, to, target)
			}
		}
	}
	if n < 30 {
		t.Errorf("found %d links, want more: the pattern no longer fits the documents", n)
	}
}
