// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"gocoro/ci/verdict"
)

// markdownLimit is the size in bytes that the summary stays below. Hosted
// runners refuse a step summary of more than 1 MiB whole.
const markdownLimit = 900 << 10

// Markdown writes the summary that a hosted runner shows with the job: the totals, a
// table of the cells, the failures with their texts folded, and how many failures
// did not fit.
func Markdown(w io.Writer, head Head, e *verdict.Evaluation) error {
	var b bytes.Buffer
	mark := "✅"
	if e.ExitCode() != 0 {
		mark = "❌"
	}
	fmt.Fprintf(&b, "## %s %s: %s\n\n", mark, title, e.Totals())
	for _, line := range account(e) {
		fmt.Fprintf(&b, "%s  \n", mdText(line))
	}

	b.WriteString("\n| cell | time | verdict |\n|---|---|---|\n")
	for _, c := range e.Cells {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", mdText(c.ID.String()), took("", c.Seconds), mdText(cellWords(c)))
	}
	if n := len(head.Nightly); n > 0 {
		fmt.Fprintf(&b, "\n%d cells of the nightly plan are not in this run.\n", n)
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

// cellWords names the states of a cell's outcomes, the bad ones first.
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
