package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Workflows and documents are written by hand and read by machines and people
// who do not know better: every command that they type must exist, and every
// flag that they give it.
func TestTypedCommandsExist(t *testing.T) {
	var files []string
	for _, pattern := range []string{"../.github/workflows/*.yml", "../README.md", "../docs/*.md", "../.ci/run", "../scripts/*"} {
		match, err := filepath.Glob(pattern)
		if err != nil || len(match) == 0 {
			t.Fatalf("%s: %v, %v; want files", pattern, match, err)
		}
		files = append(files, match...)
	}
	programs := map[string]string{}
	for _, name := range []string{"build", "ci"} {
		programs[name] = filepath.Join(t.TempDir(), name)
		if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", programs[name], "../"+name).CombinedOutput(); err != nil {
			t.Fatalf("go build ../%s: %v\n%s", name, err, out)
		}
	}
	typed := regexp.MustCompile(`go run \./(build|ci)\b([^\n` + "`" + `|)]*)`)
	flag := regexp.MustCompile(`(^|\s)-([a-z]+)\b`)
	help := map[string]string{}
	n := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range typed.FindAllStringSubmatch(string(data), -1) {
			n++
			program, args := m[1], strings.TrimSpace(m[2])
			args, _, _ = strings.Cut(args, "#")
			name := map[string]string{"build": "install", "ci": "test"}[program]
			if f := strings.Fields(args); len(f) > 0 && regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(f[0]) {
				name = f[0]
			}
			if name == "help" {
				continue
			}
			text, ok := help[program+" "+name]
			if !ok {
				out, err := exec.Command(programs[program], "help", name).CombinedOutput()
				if err != nil {
					t.Errorf("%s: %q: no command %s in go run ./%s: %v\n%s", file, m[0], name, program, err, out)
					continue
				}
				text = string(out)
				help[program+" "+name] = text
			}
			for _, f := range flag.FindAllStringSubmatch(args, -1) {
				if !regexp.MustCompile(`(?m)^  -` + f[2] + `\b`).MatchString(text) {
					t.Errorf("%s: %q: go run ./%s %s has no flag -%s", file, m[0], program, name, f[2])
				}
			}
		}
	}
	if n < 10 {
		t.Errorf("found %d commands in %v; want more: the pattern no longer fits the texts", n, files)
	}
}
