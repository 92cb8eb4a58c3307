// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"time"

	"gocoro/ci/verdict"
)

// The JUnit shape, as the schema that the common readers share has it: a
// testsuite a cell, a testcase a counted outcome. A test that is known to have
// been run and failed is a <failure>; what crashed, timed out, did not build or
// did not run is an <error>.
type (
	junitSuites struct {
		XMLName  xml.Name `xml:"testsuites"`
		Name     string   `xml:"name,attr"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Errors   int      `xml:"errors,attr"`
		Time     string   `xml:"time,attr"`
		Suites   []junitSuite
	}
	junitSuite struct {
		XMLName    xml.Name        `xml:"testsuite"`
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Time       string          `xml:"time,attr"`
		Timestamp  string          `xml:"timestamp,attr,omitempty"`
		Hostname   string          `xml:"hostname,attr,omitempty"`
		Properties []junitProperty `xml:"properties>property,omitempty"`
		Cases      []junitCase
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		XMLName   xml.Name      `xml:"testcase"`
		Name      string        `xml:"name,attr"`
		Classname string        `xml:"classname,attr"`
		Time      string        `xml:"time,attr"`
		Skipped   *junitMessage `xml:"skipped"`
		Error     *junitMessage `xml:"error"`
		Failure   *junitMessage `xml:"failure"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the evaluation as JUnit XML. The numbers of tests, failures plus
// errors, and skipped are those of the totals.
func JUnit(w io.Writer, e *verdict.Evaluation) error {
	clip := newClipper(e, 16<<20)
	all := junitSuites{Name: "gocoro"}
	var total float64
	for _, c := range e.Cells {
		s := junitSuite{Name: c.ID.String(), Time: junitTime(c.Seconds), Hostname: c.Host}
		total += c.Seconds
		if !c.Started.IsZero() {
			s.Timestamp = c.Started.UTC().Format("2006-01-02T15:04:05")
		}
		for _, p := range []junitProperty{
			{"line", c.Line}, {"platform", c.Platform}, {"suite", c.Suite}, {"config", c.Config}, {"tree", c.Tree},
			{"how", c.How}, {"toolchain", c.Toolchain}, {"reproduce", reproduce(c)},
		} {
			if p.Value != "" {
				s.Properties = append(s.Properties, p)
			}
		}
		for _, o := range c.Outcomes {
			if !c.Counts(o) {
				continue
			}
			class := o.Package
			if class == "" {
				class = c.ID.String()
			}
			t := junitCase{Name: o.Test, Classname: class, Time: junitTime(o.Seconds)}
			msg := &junitMessage{Message: fmt.Sprintf("%s: %s", o.State, o.Reason), Type: string(o.State)}
			if o.Baseline != "" {
				msg.Message += " [" + string(o.Baseline) + "]"
			}
			switch o.State {
			case verdict.Passed:
			case verdict.Failed, verdict.Flaky, verdict.UnexpectedPass:
				msg.Text = clip.clip(o.Text)
				t.Failure = msg
				s.Failures++
			case verdict.Skipped, verdict.ExpectedFailure, verdict.BuiltNotRun:
				msg.Type = ""
				t.Skipped = msg
				s.Skipped++
			default:
				msg.Text = clip.clip(o.Text)
				t.Error = msg
				s.Errors++
			}
			s.Tests++
			s.Cases = append(s.Cases, t)
		}
		if s.Tests == 0 {
			continue // a baseline: evidence, not a test of ours
		}
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Suites = append(all.Suites, s)
	}
	all.Time = junitTime(total)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "\t")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func junitTime(seconds float64) string {
	return fmt.Sprintf("%.3f", time.Duration(seconds*float64(time.Second)).Seconds())
}
