package lint

import (
	"fmt"
	"go/version"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gocoro/build/line"
)

// history are the documents that record past releases, measurements and
// decisions. They may name old releases.
var history = []string{"CHANGELOG.md", "docs/corolock.md", "docs/decisions.md", "docs/measurements.md"}

var (
	anyName = regexp.MustCompile(`\b(?:go|Go )1\.[0-9]+(?:\.[0-9]+|rc[0-9]+)(?:-coro\.?[0-9]+)?`)
	aDate   = regexp.MustCompile(`\b20[0-9]{2}-[0-9]{2}-[0-9]{2}\b`)
)

// Names returns the places in README.md and the other documents that name another
// release of a line than its pin does, or an older upstream.
//
// It leaves out dated text, which is history: a line with a date, and the indented
// blocks after a paragraph that has a date and ends with a colon.
func Names(repo *line.Repo) ([]Problem, error) {
	lines, err := repo.All()
	if err != nil {
		return nil, err
	}
	pins := map[string]*line.Line{}
	for _, l := range lines {
		pins[l.Name] = l
	}
	files, err := filepath.Glob(filepath.Join(repo.Dir, "*.md"))
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(filepath.Join(repo.Dir, "docs"), func(file string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && !d.IsDir() && strings.HasSuffix(file, ".md") {
			files = append(files, file)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var problems []Problem
	for _, file := range files {
		rel, err := filepath.Rel(repo.Dir, file)
		if err != nil {
			return nil, err
		}
		if rel = filepath.ToSlash(rel); slices.Contains(history, rel) {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, s := range stale(string(data), pins) {
			problems = append(problems, Problem{fmt.Sprintf("%s:%d", rel, s.line), fmt.Sprintf("it names %s, and %s", s.name, s.why), "correct it, or give the date if it is history"})
		}
	}
	return problems, nil
}

// A staleName names a release that is not in the pins.
type staleName struct {
	line      int // from 1
	name, why string
}

// stale returns the stale names in the text of a document.
func stale(text string, pins map[string]*line.Line) (names []staleName) {
	n := 0              // lines before this paragraph
	introduced := false // a paragraph with a date and a colon at its end came last
	for _, paragraph := range strings.SplitAfter(text, "\n\n") {
		start := n + 1
		n += strings.Count(paragraph, "\n")
		paragraph = strings.TrimRight(paragraph, "\n")
		start += len(paragraph) - len(strings.TrimLeft(paragraph, "\n"))
		paragraph = strings.TrimLeft(paragraph, "\n")
		block := strings.HasPrefix(paragraph, "    ") || strings.HasPrefix(paragraph, "\t")
		if !block {
			introduced = aDate.MatchString(paragraph) && strings.HasSuffix(paragraph, ":")
		} else if introduced {
			continue
		}
		for i, l := range strings.Split(paragraph, "\n") {
			if aDate.MatchString(l) {
				continue
			}
			for _, name := range anyName.FindAllString(l, -1) {
				if why := otherThan(pins, strings.Replace(name, "Go ", "go", 1)); why != "" {
					names = append(names, staleName{start + i, name, why})
				}
			}
		}
	}
	return names
}

// otherThan says why the name of a release or of an upstream is stale, or "".
func otherThan(pins map[string]*line.Line, name string) string {
	upstream, _, ours := line.ParseName(name)
	if !ours {
		upstream = name
	}
	lang := version.Lang(upstream)
	switch l := pins[lang]; {
	case ours && l == nil:
		return "there is no line " + lang
	case ours && name != l.Release():
		return "line " + lang + " is at " + l.Release()
	case !ours && l != nil && version.Compare(upstream, l.Pin.Upstream) < 0:
		return "line " + lang + " is on " + l.Pin.Upstream
	}
	return ""
}
