package release

import (
	"os"
	"path/filepath"
	"testing"

	"gocoro/build/line"
	"gocoro/build/store"
)

// CHANGELOG.md is what the command makes of it.
func TestChangelogIsCurrent(t *testing.T) {
	repo, err := line.FindRepo(".")
	if err != nil {
		t.Fatal(err)
	}
	want, err := changelog(repo)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(repo.Dir, "CHANGELOG.md"))
	if err != nil || string(got) != want {
		t.Errorf("CHANGELOG.md is not current (%v)\n\tgo run ./build changelog", err)
	}
}

// A release has the patches that are new since the line's last one, and names
// those that are gone.
func TestChangelog(t *testing.T) {
	const head = "# Changelog\n\nWords.\n"
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := store.WriteFile(filepath.Join(dir, name), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	pin := func(upstream string) {
		t.Helper()
		write("patches/go1.27/pin", "upstream "+upstream+"\nrevision 1\ntime 2026-11-02T20:36:20Z\nbootstrap go1.24.6\n")
		write("VERSION", upstream+"-coro1\ntime 2026-11-02T20:36:20Z\n")
	}
	patch := func(name, subject, trailer string) {
		t.Helper()
		write("patches/go1.27/"+name, "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\nFrom: a <a@b>\nDate: Fri, 27 Nov 2026 04:44:01 +0000\nSubject: [PATCH] "+subject+"\n\nWhy.\n\n"+trailer+"\n---\n")
	}
	check := func(want string) {
		t.Helper()
		repo, err := line.FindRepo(dir)
		if err != nil {
			t.Fatal(err)
		}
		got, err := changelog(repo)
		if err != nil {
			t.Fatal(err)
		}
		if want = head + want; got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
		write("CHANGELOG.md", got)
	}
	write("go.mod", "module gocoro\n")
	write("CHANGELOG.md", head)
	pin("go1.27.3")
	patch("0001-a.patch", "runtime: do a", "Upstream: not sent: docs/upstream/01-a.md is the report")
	patch("0002-b.patch", "runtime: do b", "Upstream: not sent")
	first := "\n## go1.27.3-coro1, 2026-11-02\n\n- runtime: do a\n  ([report](docs/upstream/01-a.md))\n- runtime: do b\n"
	check(first)
	check(first)
	pin("go1.27.4")
	patch("0002-b.patch", "runtime: do c", "Upstream: not sent")
	second := "\n## go1.27.4-coro1, 2026-11-02\n\nOn go1.27.4; since go1.27.3-coro1:\n\n- runtime: do c\n- removed: runtime: do b\n"
	check(second + first)
	check(second + first)
	pin("go1.27.5")
	if err := os.Remove(filepath.Join(dir, "patches/go1.27/0001-a.patch")); err != nil {
		t.Fatal(err)
	}
	patch("0001-b.patch", "runtime: do b", "Upstream: not sent")
	check("\n## go1.27.5-coro1, 2026-11-02\n\nOn go1.27.5; since go1.27.4-coro1:\n\n- runtime: do b\n- removed: runtime: do a\n" + second + first)
}
