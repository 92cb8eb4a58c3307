package series

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gocoro/build/store"
)

const header = `From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: gocoro <gocoro@example.invalid>
Date: Mon, 23 Nov 2026 12:00:00 +0000
Subject: [PATCH] runtime: change, add, remove and
 rename

The reason.

Tests: TestA, TestB/x of Testing; the others with the next
---
Tests: TestC
`

const changes = `diff --git a/src/a.go b/src/a.go
--- a/src/a.go
+++ b/src/a.go
@@ -1 +1 @@
-a
+b
diff --git a/src/new.go b/src/new.go
new file mode 100644
--- /dev/null
+++ b/src/new.go
@@ -0,0 +1 @@
+new
diff --git a/src/old.go b/src/old.go
deleted file mode 100644
--- a/src/old.go
+++ /dev/null
@@ -1 +0,0 @@
-old
diff --git a/src/from.go b/src/to.go
similarity index 100%
rename from src/from.go
rename to src/to.go
`

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := store.WriteFile(name, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestRead(t *testing.T) {
	p, err := Read(write(t, filepath.Join(t.TempDir(), "0001-x.patch"), header+changes))
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "0001-x.patch" {
		t.Errorf("name %q", p.Name)
	}
	if want := []string{"src/a.go", "src/new.go", "src/old.go", "src/to.go", "src/from.go"}; !slices.Equal(p.Files, want) {
		t.Errorf("files %q, want %q", p.Files, want)
	}
}

func TestTests(t *testing.T) {
	p := &Patch{Data: []byte(header + changes)}
	if got, want := p.Tests(), []string{"TestA", "TestB/x"}; !slices.Equal(got, want) {
		t.Errorf("tests %q, want %q", got, want)
	}
	p.Data = []byte(strings.ReplaceAll(header, "Tests:", "Test:"))
	if got := p.Tests(); got != nil {
		t.Errorf("tests %q of a message without the line", got)
	}
}

func TestReadRefuses(t *testing.T) {
	one := func(name string) string {
		return "diff --git a/" + name + " b/" + name + "\n--- a/" + name + "\n+++ b/" + name + "\n@@ -1 +1 @@\n-a\n+b\n"
	}
	created := func(name, mode string) string {
		return "diff --git a/" + name + " b/" + name + "\nnew file mode " + mode + "\n--- /dev/null\n+++ b/" + name + "\n@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n"
	}
	moved := func(how, from, to string) string {
		return "diff --git a/" + from + " b/" + to + "\nsimilarity index 100%\n" + how + " from " + from + "\n" + how + " to " + to + "\n"
	}
	for _, tt := range []struct{ text, want string }{
		{created("bin/planted", "100755"), `changes bin/planted, which is in none of upstream's source directories`},
		{created("pkg/include/textflag.h", "100644"), "in none of upstream's source directories"},
		{created("planted", "100644"), "in none of upstream's source directories"},
		{created("SRC/a.go", "100644"), "in none of upstream's source directories"},
		{created("src", "100644"), "in none of upstream's source directories"},
		{created("src/.git/config", "100644"), "which no release of Go has"},
		{created("src/.GIT/config", "100644"), "which no release of Go has"},
		{one("VERSION"), "changes VERSION, which the driver writes"},
		{one("go.env"), "changes go.env, which the driver writes"},
		{one("src/a.go") + one("VERSION"), "changes VERSION, which the driver writes"},
		{moved("rename", "src/a.go", "bin/a.go"), "changes bin/a.go, which is in none"},
		{moved("rename", "VERSION", "src/a.go"), "changes VERSION, which the driver writes"},
		{moved("copy", "src/a.go", "bin/a.go"), "changes bin/a.go, which is in none"},
		{moved("copy", "src/a.go", "go.env"), "changes go.env, which the driver writes"},
		{"--- a/bin/go\n+++ b/bin/go\n@@ -1 +1 @@\n-a\n+b\n", "changes bin/go, which is in none"},
		{strings.ReplaceAll(strings.ReplaceAll(created("@", "100644"), "a/@", `"a/bi\156/x"`), "b/@", `"b/bi\156/x"`), "changes bin/x, which is in none"},
		{strings.ReplaceAll(strings.ReplaceAll(created("@", "100644"), "a/@", `"a/src/a\nb"`), "b/@", `"b/src/a\nb"`), "which no release of Go has"},
		{created("src/evil", "120000"), "has a file of mode 120000: a link"},
		{header + created("src/evil", "120000"), "has a file of mode 120000: a link"},
		{created("src/evil", "0120000"), "has a file of mode 0120000: a link"},
		{created("src/evil", "160000"), "has a file of mode 160000"},
		{strings.Replace(one("src/a.go"), "\n---", "\nindex 1111111..2222222 120000\n---", 1), "has a file of mode 120000"},
		{strings.Replace(one("src/a.go"), "\n---", "\nold mode 100644\nnew mode 120000\n---", 1), "mode 120000"},
		{"", "changes nothing"},
		{header, "changes nothing"},
		{one("../../etc/passwd"), "not inside GOROOT"},
		{one("src/../../x"), "not inside GOROOT"},
		{one("src/go/build/zcgo.go"), "which cmd/dist generates"},
		{strings.Replace(one("src/a.go"), "@@ -1 +1 @@", "@@ -1 +1,9 @@", 1), "is not a patch that git can read"},
	} {
		if _, err := Read(write(t, filepath.Join(t.TempDir(), "p"), tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want one with %q for\n%s", err, tt.want, tt.text)
		}
	}
}

// A patch is applied wholly or not at all, and says where it failed.
func TestApplyConflict(t *testing.T) {
	dir := t.TempDir()
	a := write(t, filepath.Join(dir, "src/a.go"), "a\n")
	write(t, filepath.Join(dir, "src/old.go"), "not old\n")
	p, err := Read(write(t, filepath.Join(t.TempDir(), "p"), changes))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Apply(context.Background(), dir, nil)
	var c *ConflictError
	if !errors.As(err, &c) {
		t.Fatalf("error %v, want a ConflictError", err)
	}
	if c.Patch != p.File || c.At != "src/old.go:1" || c.Fuzz {
		t.Errorf("got %+v", c)
	}
	if data, _ := os.ReadFile(a); string(data) != "a\n" {
		t.Errorf("a half of the patch was applied: src/a.go is %q", data)
	}

	write(t, filepath.Join(dir, "src/old.go"), "old\n")
	write(t, filepath.Join(dir, "src/from.go"), "from\n")
	if offsets, err := p.Apply(context.Background(), dir, nil); err != nil || len(offsets) != 0 {
		t.Errorf("Apply = %v, %v", offsets, err)
	}
	if data, _ := os.ReadFile(a); string(data) != "b\n" {
		t.Errorf("src/a.go is %q", data)
	}
}

// A link that is there already is not changed by a patch that states no mode.
func TestApplyLink(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "src/b.go"), "b\n")
	if err := os.Symlink("a", filepath.Join(dir, "src/a.go")); err != nil {
		t.Fatal(err)
	}
	p, err := Read(write(t, filepath.Join(t.TempDir(), "p"), "--- a/src/a.go\n+++ b/src/a.go\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+/etc/passwd\n\\ No newline at end of file\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(context.Background(), dir, nil); err == nil || !strings.Contains(err.Error(), "src/a.go, which is not a regular file") {
		t.Errorf("got error %v, want one that src/a.go is not a regular file", err)
	}
	if got, err := os.Readlink(filepath.Join(dir, "src/a.go")); got != "a" {
		t.Errorf("the link is to %q, %v, want a", got, err)
	}
}

// What is allowed: regular files, executable ones too, in all of upstream's
// source directories.
func TestReadAllows(t *testing.T) {
	for _, name := range []string{"src/cmd/go/a b.go", "src/ä.go", "test/a.go", "lib/time/x", "api/next/1.txt", "doc/godebug.md", "misc/x/..y"} {
		t.Run(name, func(t *testing.T) {
			text := "The message may say\nnew file mode 120000\n---\ndiff --git a/" + name + " b/" + name + "\nold mode 100644\nnew mode 100755\nindex 1111111..2222222\n--- a/" + name + "\n+++ b/" + name + "\n@@ -1,2 +1,2 @@\n index 1..2 120000\n-a\n+new mode 120000\n"
			p, err := Read(write(t, filepath.Join(t.TempDir(), "p"), text))
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{name}; !slices.Equal(p.Files, want) {
				t.Errorf("got files %q, want %q", p.Files, want)
			}
		})
	}
}
