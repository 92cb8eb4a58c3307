package line

import (
	"fmt"
	"go/version"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// For returns the line that this one becomes under another name and pin. Its
// directory need not be there yet.
func (l *Line) For(name string, pin *Pin) *Line {
	return &Line{Name: name, Dir: filepath.Join(l.repo.Dir, "patches", name), Pin: pin, repo: l.repo}
}

// Move returns the text of the pin of another upstream, made from the text of this
// one.
//
// It keeps the first paragraph, with the new facts, the comments and, if overlays
// is nil, the overlays. It drops the rest, which is about the old upstream. The
// hashes of the new upstream's modules follow.
func (p *Pin) Move(text []byte, to *Pin, overlays []string) []byte {
	first, _, _ := strings.Cut(strings.TrimLeft(string(text), "\n"), "\n\n")
	facts := map[string]string{
		"upstream": to.Upstream, "revision": fmt.Sprint(to.Revision), "time": to.Time, "bootstrap": to.Bootstrap,
	}
	kept := map[string]bool{} // the overlays that are in the first paragraph
	var b strings.Builder
	for l := range strings.SplitSeq(strings.TrimRight(first, "\n"), "\n") {
		fact, comment, hasComment := strings.Cut(l, "#")
		f := strings.Fields(fact)
		if len(f) == 0 {
			if old, lang := version.Lang(p.Upstream), version.Lang(to.Upstream); hasComment && old != lang {
				l = strings.ReplaceAll(l, old, lang)
			}
			fmt.Fprintln(&b, l)
			continue
		}
		if v, ok := facts[f[0]]; ok {
			fmt.Fprintf(&b, "%-9s %s", f[0], v)
			delete(facts, f[0])
			if hasComment {
				fmt.Fprintf(&b, "    #%s", comment)
			}
			fmt.Fprintln(&b)
		} else if f[0] == "overlay" && overlays == nil {
			fmt.Fprintln(&b, l)
			kept[f[1]] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(facts)) { // not in the first paragraph
		fmt.Fprintf(&b, "%-9s %s\n", k, facts[k])
	}
	if overlays == nil {
		for _, o := range p.Overlays {
			if !kept[o] {
				overlays = append(overlays, o)
			}
		}
	}
	for _, o := range overlays {
		fmt.Fprintf(&b, "overlay   %s\n", o)
	}
	if len(to.Modules) > 0 {
		fmt.Fprintf(&b, "\n# Hashes of golang.org/toolchain@v0.0.1-%s.<os>-<arch>, as the checksum\n# database has them. Other hosts are checked against the database itself.\n", to.Upstream)
		for _, k := range slices.Sorted(maps.Keys(to.Modules)) {
			fmt.Fprintf(&b, "module %s %s\n", k, to.Modules[k])
		}
	}
	return []byte(b.String())
}
