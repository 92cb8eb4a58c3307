package release

import (
	"context"
	"flag"
	"fmt"
	"go/version"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gocoro/build/command"
	"gocoro/build/line"
	"gocoro/build/store"
)

var (
	bullet     = regexp.MustCompile(`(?m)^- (removed: )?(.*)$`)
	reportName = regexp.MustCompile(`docs/upstream/[\w.-]+\.md`)
)

// Changelog is the command that updates CHANGELOG.md.
func Changelog(fs *flag.FlagSet) command.Func {
	return command.FlagsOnly(func(ctx context.Context) error {
		repo, err := line.FindRepo(".")
		if err != nil {
			return err
		}
		text, err := changelog(repo)
		if err == nil {
			err = store.WriteFile(filepath.Join(repo.Dir, "CHANGELOG.md"), []byte(text))
		}
		return err
	})
}

// changelog returns what CHANGELOG.md should contain: its old sections, and a
// section for the present release of each line.
func changelog(repo *line.Repo) (string, error) {
	data, err := os.ReadFile(filepath.Join(repo.Dir, "CHANGELOG.md"))
	if err != nil {
		return "", err
	}
	head, rest, _ := strings.Cut(string(data), "\n## ")
	sections := map[string]string{} // by release
	for s := range strings.SplitSeq(rest, "\n## ") {
		if release, _, ok := strings.Cut(s, ","); ok {
			sections[release] = strings.TrimSpace(s)
		}
	}
	lines, err := repo.All()
	if err != nil {
		return "", err
	}
	for _, l := range lines {
		delete(sections, l.Release())
		if sections[l.Release()], err = section(l, sections); err != nil {
			return "", err
		}
	}
	for _, release := range slices.Backward(inOrder(sections)) {
		head += "\n## " + sections[release] + "\n"
	}
	return head, nil
}

// inOrder returns the releases that have sections, the oldest first.
func inOrder(sections map[string]string) []string {
	return slices.SortedFunc(maps.Keys(sections), compareReleases)
}

// section returns the section of the line's present release, given those of
// older ones: the patches that are new since, and those that are gone.
func section(l *line.Line, older map[string]string) (string, error) {
	had, before := map[string]bool{}, ""
	for _, release := range inOrder(older) {
		upstream, _, _ := line.ParseName(release)
		if version.Lang(upstream) == l.Name {
			before = release
			for _, m := range bullet.FindAllStringSubmatch(older[release], -1) {
				had[m[2]] = m[1] == ""
			}
		}
	}
	text := fmt.Sprintf("%s, %s\n", l.Release(), l.Pin.Time[:len("2006-01-02")])
	if before != "" {
		text += fmt.Sprintf("\nOn %s; since %s:\n", l.Pin.Upstream, before)
	}
	patches, err := l.Patches()
	for _, p := range patches {
		n, err := ReadNote(p)
		if err != nil {
			return "", err
		}
		if had[n.Subject] {
			delete(had, n.Subject)
			continue
		}
		text += "\n- " + n.Subject
		for _, t := range n.Trailers {
			if report := reportName.FindString(t[1]); report != "" {
				text += "\n  ([report](" + report + "))"
			}
		}
	}
	for _, subject := range slices.Sorted(maps.Keys(had)) {
		if had[subject] {
			text += "\n- removed: " + subject
		}
	}
	return text, err
}
