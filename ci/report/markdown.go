// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"gocoro/ci/verdict"
)

// markdownLimit is the size in bytes that the summary stays below. Hosted
// runners refuse a step summary of more than 1 MiB whole.
const markdownLimit = 900 << 10

// Markdown writes the summary that a hosted runner shows with the job: the
// totals, a table of the cells, and the failures with their texts folded. It
// tells how many failures did not fit.
func Markdown(w io.Writer, head Head, e *verdict.Evaluation) error {
	var b bytes.Buffer
	mark := "✅"
	if e.ExitCode() != 0 {
		mark = "❌"
	}
	fmt.Fprintf(&b, "## %s %s: %s\n\n", mark, mdText(head.Title), e.Totals())
	for _, line := range account(e) {
		fmt.Fprintf(&b, "%s  \n", mdText(line))
	}

	columns := orderOf(e.Cells, func(c *verdict.CellOutcome) [2]string { return [2]string{c.Line, c.Platform} })
	b.WriteString("\n| suite | configuration |")
	for _, col := range columns {
		fmt.Fprintf(&b, " %s %s |", mdText(col[0]), mdText(col[1]))
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(columns)) + "\n")
	byID := map[verdict.ID]*verdict.CellOutcome{}
	for _, c := range e.Cells {
		byID[c.ID] = c
	}
	for _, row := range orderOf(e.Cells, func(c *verdict.CellOutcome) [3]string { return [3]string{c.Suite, c.Config, c.Tree} }) {
		config := row[1]
		if row[2] == verdict.Stock {
			config += " (stock)"
		}
		fmt.Fprintf(&b, "| %s | %s |", mdText(row[0]), mdText(config))
		for _, col := range columns {
			id := verdict.ID{Line: col[0], Platform: col[1], Suite: row[0], Config: row[1], Tree: row[2]}
			c := byID[id]
			if c == nil {
				word := " not planned |"
				if slices.Contains(head.Nightly, id) {
					word = " nightly |"
				}
				b.WriteString(word)
				continue
			}
			fmt.Fprintf(&b, " %s |", mdText(cellWords(c)))
		}
		b.WriteString("\n")
	}

	clip := min(newClipper(e, markdownLimit/2), 8<<10)
	left := 0
	for _, c := range e.Cells {
		for _, o := range c.Outcomes {
			if !o.State.Bad() || !c.Counts(o) {
				continue
			}
			item := mdFailure(c, o, clip)
			if b.Len()+len(item) > markdownLimit {
				left++
				continue
			}
			b.WriteString(item)
		}
	}
	if left > 0 {
		fmt.Fprintf(&b, "\n%d more failures did not fit here; the page in the run's artifacts has them all.\n", left)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func mdFailure(c *verdict.CellOutcome, o *verdict.Outcome, clip clipper) string {
	var b strings.Builder
	about := ""
	if o.Baseline != "" {
		about = ", " + string(o.Baseline)
	}
	fmt.Fprintf(&b, "\n<details><summary>%s <b>%s</b>: %s%s (%s)</summary>\n\n%s\n\n", symbols[o.State], mdText(o.Name()), o.State, about, mdText(c.ID.String()), mdText(o.Reason))
	for _, text := range []string{clip.clip(o.Text), reproduce(c)} {
		if text == "" {
			continue
		}
		// A fence longer than any run of backquotes in the text.
		fence := "```"
		for strings.Contains(text, fence) {
			fence += "`"
		}
		fmt.Fprintf(&b, "%s\n%s\n%s\n\n", fence, strings.TrimRight(text, "\n"), fence)
	}
	b.WriteString("</details>\n")
	return b.String()
}

// mdText escapes what Markdown and HTML would read as markup.
func mdText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "\n", " ").Replace(s)
}

// cellWords says in a few words how a cell went: its bad states, then the rest.
func cellWords(c *verdict.CellOutcome) string {
	n := c.Count()
	var words []string
	for _, s := range verdict.States {
		if n[s] > 0 {
			words = append(words, symbols[s]+" "+plural(n[s], s))
		}
	}
	return strings.Join(words, ", ")
}
