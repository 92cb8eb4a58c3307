package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// Workflows and documents are written by hand and read by machines and people
// who do not know better: every command that they type must exist, and every
// flag that they give it.
func TestTypedCommandsExist(t *testing.T) {
	var files []string
	for _, pattern := range []string{"../.github/workflows/*.yml", "../*.md", "../docs/*.md", "../docs/*/*.md", "../.ci/run", "../scripts/*"} {
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

// unpinned returns what is wrong with the actions that a workflow uses: each is
// named by a commit, with its version in a comment for people and dependabot,
// and none leaves the token in the checkout for what runs there.
func unpinned(workflow string) (problems []string) {
	lines := strings.Split(workflow, "\n")
	uses := regexp.MustCompile(`^(\s*)(- |  )uses: (.*)$`)
	pinned := regexp.MustCompile(`^[A-Za-z0-9-]+/[A-Za-z0-9./_-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	for i, l := range lines {
		m := uses.FindStringSubmatch(l)
		if m == nil || strings.HasPrefix(m[3], "./") {
			continue
		}
		if !pinned.MatchString(m[3]) {
			problems = append(problems, fmt.Sprintf("line %d: uses %s, want OWNER/NAME@COMMIT # vN.N.N", i+1, m[3]))
		}
		if !strings.HasPrefix(m[3], "actions/checkout@") {
			continue
		}
		// The rest of the step is indented deeper than its dash.
		kept := true
		for _, l := range lines[i+1:] {
			if strings.TrimSpace(l) != "" && !strings.HasPrefix(l, m[1]+"  ") {
				break
			}
			if strings.TrimSpace(l) == "persist-credentials: false" {
				kept = false
			}
		}
		if kept {
			problems = append(problems, fmt.Sprintf("line %d: the checkout keeps the token, want persist-credentials: false", i+1))
		}
	}
	return problems
}

func TestActionsArePinned(t *testing.T) {
	files, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("got workflows %v, %v, want some", files, err)
	}
	n := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n += strings.Count(string(data), "uses: actions/")
		for _, p := range unpinned(string(data)) {
			t.Errorf("%s: %s", file, p)
		}
	}
	if n < 10 {
		t.Errorf("got %d uses of actions, want more: the pattern no longer fits the texts", n)
	}

	const commit = "0123456789abcdef0123456789abcdef01234567"
	for _, tc := range []struct {
		name, steps string
		want        int
	}{
		{"pinned", "      - uses: actions/cache@" + commit + " # v1.2.3\n        with:\n          path: x\n", 0},
		{"own workflow", "    uses: ./.github/workflows/test.yml\n", 0},
		{"tag", "      - uses: actions/cache@v4\n", 1},
		{"tag after a name", "      - name: cache\n        uses: actions/cache@v4\n", 1},
		{"short commit", "      - uses: actions/cache@0123456 # v1.2.3\n", 1},
		{"no version", "      - uses: actions/cache@" + commit + "\n", 1},
		{"checkout", "      - uses: actions/checkout@" + commit + " # v1.2.3\n        with:\n          persist-credentials: false\n", 0},
		{"checkout with the token", "      - uses: actions/checkout@" + commit + " # v1.2.3\n      - run: x\n        with:\n          persist-credentials: false\n", 1},
		{"checkout by a tag with the token", "      - uses: actions/checkout@v4\n", 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := unpinned(tc.steps); len(got) != tc.want {
				t.Errorf("got problems %q, want %d", got, tc.want)
			}
		})
	}
}

// TestMainIsNotCancelled looks at the workflows that run at each push: there the
// next push must not cancel a run, be it that it runs or that it waits.
func TestMainIsNotCancelled(t *testing.T) {
	files, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	group := regexp.MustCompile(`(?m)^concurrency:\n  group: (.*)$`)
	n := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), "\n  push:") {
			continue
		}
		n++
		if m := group.FindStringSubmatch(string(data)); m != nil && !strings.Contains(m[1], "github.event_name == 'pull_request' && github.ref || github.run_id") {
			t.Errorf("%s: got the group %s, want one of its own for each push", file, m[1])
		}
	}
	if n < 2 {
		t.Errorf("got %d workflows that run at a push, want ci and release", n)
	}
}

// scripts returns the shell scripts of a workflow's steps "- run: |".
func scripts(workflow string) []string {
	var all []string
	for _, step := range strings.Split(workflow, "\n      - ")[1:] {
		text, ok := strings.CutPrefix(step, "run: |\n")
		if !ok {
			continue
		}
		var script strings.Builder
		for _, l := range strings.Split(text, "\n") {
			l, ok := strings.CutPrefix(l, "          ")
			if !ok {
				break
			}
			script.WriteString(l + "\n")
		}
		all = append(all, script.String())
	}
	return all
}

// TestReleaseWorkflow runs the scripts that publish a release, with a gh that
// lays the assets side by side, as a download of them does.
func TestReleaseWorkflow(t *testing.T) {
	workflow, err := os.ReadFile("../.github/workflows/release.yml")
	if err != nil {
		t.Fatal(err)
	}
	run := scripts(string(workflow))
	if len(run) != 2 {
		t.Fatalf("got %d scripts in release.yml, want 2", len(run))
	}
	const tag = "go1.99.1-coro1"
	for _, tc := range []struct {
		name, tag string
		spoil     string // a file to change
		want      string // part of the output of the script that fails
	}{
		{"good", tag, "", ""},
		{"tag of no release", "go1.99.1-coro2", "", "no packages of go1.99.1-coro2 were tested, only of: " + tag},
		{"changed on the way", tag, "packages/" + tag + "/v0.0.1-" + tag + ".linux-amd64.zip", "FAILED"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			gh := "#!/bin/sh\necho \"$@\" >gh.args\nmkdir download\nfor f; do case $f in assets/*) cp \"$f\" download;; esac; done\n"
			files := fstest.MapFS{
				"packages/" + tag + "/stray": {},
				"report/index.html":          {},
				"report/summary.json":        {},
				"bin/gh":                     {Data: []byte(gh), Mode: 0o777},
			}
			var sums []byte
			packages := []string{tag + ".linux-amd64.tar.gz", tag + ".notes.md", "v0.0.1-" + tag + ".linux-amd64.zip"}
			for _, name := range packages {
				files["packages/"+tag+"/"+name] = &fstest.MapFile{Data: []byte(name)}
				sums = fmt.Appendf(sums, "%x  %s\n", sha256.Sum256([]byte(name)), name)
			}
			files["packages/"+tag+"/SHA256SUMS"] = &fstest.MapFile{Data: sums}
			if tc.spoil != "" {
				files[tc.spoil] = &fstest.MapFile{Data: []byte("other bytes")}
			}
			if err := os.CopyFS(dir, files); err != nil {
				t.Fatal(err)
			}
			sh := func(dir, script string) (string, error) {
				cmd := exec.Command("bash", "-e", "-o", "pipefail", "-c", script) // as a runner does
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "TAG="+tc.tag, "GITHUB_REPOSITORY=owner/gocoro")
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			out, err := sh(dir, run[0])
			if tc.want != "" {
				if err == nil || !strings.Contains(out, tc.want) {
					t.Errorf("got %v and output %q, want a failure with %q", err, out, tc.want)
				}
				return
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if out, err := sh(dir, run[1]); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			download := filepath.Join(dir, "download")
			if out, err := sh(download, "sha256sum -c SHA256SUMS"); err != nil {
				t.Errorf("sha256sum: %v\n%s", err, out)
			}
			var got []string
			entries, err := os.ReadDir(download)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				got = append(got, e.Name())
			}
			want := append([]string{"SHA256SUMS", "index.html", "summary.json"}, packages...)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("got assets %q, want %q", got, want)
			}
			args, err := os.ReadFile(filepath.Join(dir, "gh.args"))
			if err != nil {
				t.Fatal(err)
			}
			if want := "release create " + tag + " --repo owner/gocoro --verify-tag --title " + tag + " --notes-file assets/" + tag + ".notes.md "; !strings.HasPrefix(string(args), want) {
				t.Errorf("got gh %s, want it to begin with %q", args, want)
			}
		})
	}

	// A statement of provenance has the commit of a checkout in which nothing
	// else lies. What the jobs put there must be ignored.
	if out, err := exec.Command("git", "check-ignore", "../results/x", "../packages/x").CombinedOutput(); err != nil || strings.Count(string(out), "\n") != 2 {
		t.Errorf("git check-ignore: got %v, %s, want both", err, out)
	}
}

// A command's usage line names its flags, and no others.
func TestUsage(t *testing.T) {
	for _, wrong := range program.CheckUsage() {
		t.Error(wrong)
	}
}
