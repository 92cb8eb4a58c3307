// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package report

import (
	"encoding/json"
	"io"
	"time"

	"gocoro/ci/record"
	"gocoro/ci/verdict"
)

// SummaryVersion is the version of the JSON summary's shape. It goes up when a
// field changes its meaning or goes away, not when one is added.
const SummaryVersion = 1

// A Summary is the shape of the JSON summary.
type Summary struct {
	Version   int                   `json:"version"` // SummaryVersion
	Title     string                `json:"title"`
	Generated time.Time             `json:"generated"`
	Revision  string                `json:"revision,omitempty"`
	OK        bool                  `json:"ok"` // the CI's exit code is 0
	Totals    verdict.Totals        `json:"totals"`
	States    map[verdict.State]int `json:"states"` // of the counted outcomes; they add up to the totals
	Cells     []SummaryCell         `json:"cells"`
	Stale     []string              `json:"stale,omitempty"` // expected failures that name no test
}

// A SummaryCell is a cell of the JSON summary.
type SummaryCell struct {
	record.ID
	How       string                `json:"how,omitempty"`
	Recorded  bool                  `json:"recorded"` // false: planned, but no record
	Host      string                `json:"host,omitempty"`
	Toolchain string                `json:"toolchain,omitempty"`
	Started   time.Time             `json:"started,omitzero"`
	Seconds   float64               `json:"seconds"`
	States    map[verdict.State]int `json:"states"` // of all outcomes, counted or not
	Outcomes  []SummaryOutcome      `json:"outcomes"`
}

// A SummaryOutcome is an outcome of the JSON summary. The failure's text is in
// the raw record and on the page, not here.
type SummaryOutcome struct {
	Package  string           `json:"package,omitempty"`
	Test     string           `json:"test"`
	State    verdict.State    `json:"state"`
	Was      verdict.State    `json:"was,omitempty"`
	Counted  bool             `json:"counted"` // part of the totals
	Reason   string           `json:"reason,omitempty"`
	Seconds  float64          `json:"seconds,omitempty"`
	Attempts int              `json:"attempts,omitempty"`
	Baseline verdict.Baseline `json:"baseline,omitempty"`
	Stock    verdict.State    `json:"stock,omitempty"`
}

// JSON writes the evaluation as a Summary.
func JSON(w io.Writer, head Head, e *verdict.Evaluation) error {
	s := Summary{
		Version:   SummaryVersion,
		Title:     title,
		Generated: head.Generated.UTC(),
		Revision:  head.Revision,
		OK:        e.ExitCode() == 0,
		Totals:    e.Totals(),
		States:    counts(e),
		Stale:     e.Stale,
	}
	for _, c := range e.Cells {
		sc := SummaryCell{
			ID: c.ID, How: c.How, Recorded: c.Recorded, Host: c.Host, Toolchain: c.Toolchain,
			Started: c.Started, Seconds: c.Seconds, States: c.Count(),
		}
		for _, o := range c.Outcomes {
			sc.Outcomes = append(sc.Outcomes, SummaryOutcome{
				Package: o.Package, Test: o.Test, State: o.State, Was: o.Was, Counted: c.Counts(o), Reason: o.Reason,
				Seconds: o.Seconds, Attempts: o.Attempts, Baseline: o.Baseline, Stock: o.Stock,
			})
		}
		s.Cells = append(s.Cells, sc)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "\t")
	return enc.Encode(s)
}
