// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"gocoro/ci/journal"
)

// A timeline is the picture of a run: a row a lane, a bar a step.
type timeline struct {
	Height int
	Lanes  []timelineLane
	Ticks  []tick
	Wall   string
	Work   string // of all lanes
}

type timelineLane struct {
	Name string
	Y    int
	Bars []bar
}

// A bar is a step: X and W in units of the picture, which is timelineWidth wide.
type bar struct {
	X, Y, W, H float64
	Class      string // of the style sheet: the kind of step, or how it ended
	Title      string
	Label      string // "" where there is no room for one
}

type tick struct {
	X     float64
	Label string
}

const (
	timelineWidth  = 1000.0
	timelineLaneH  = 44
	timelineLabels = 150 // what the names of the lanes take of the width
)

// newTimeline draws the spans of a run. A step that never ended lasts to the
// end of the last one.
func newTimeline(spans []journal.Span) *timeline {
	if len(spans) == 0 {
		return nil
	}
	begin, end := spans[0].Start, spans[0].Start
	for _, s := range spans {
		for _, t := range []time.Time{s.Start, s.End} {
			if t.After(end) {
				end = t
			}
		}
	}
	wall := max(end.Sub(begin), time.Second)
	x := func(t time.Time) float64 {
		return timelineLabels + (timelineWidth-timelineLabels)*float64(t.Sub(begin))/float64(wall)
	}
	tl := &timeline{Wall: duration(wall.Seconds())}
	var lanes []int
	for _, s := range spans {
		if !slices.Contains(lanes, s.Lane) {
			lanes = append(lanes, s.Lane)
		}
	}
	slices.Sort(lanes)
	var work time.Duration
	for i, lane := range lanes {
		row := timelineLane{Name: fmt.Sprintf("lane %d", lane), Y: i * timelineLaneH}
		var outer time.Time // the end of the last step that is in no other
		for _, s := range spans {
			if s.Lane != lane {
				continue
			}
			to, open := s.End, s.End.IsZero()
			if open {
				to = end
			}
			b := bar{X: x(s.Start), Y: float64(row.Y) + 4, W: max(x(to)-x(s.Start), 0.5), H: 30, Class: "step-" + s.Step}
			if inner := to.Before(outer) || to.Equal(outer) && s.Start.Before(outer); inner {
				b.Y, b.H = b.Y+20, 10
			} else {
				outer = to
				work += to.Sub(s.Start)
			}
			b.Title = fmt.Sprintf("%s %s, %s, from minute %.1f", s.Step, s.What, duration(to.Sub(s.Start).Seconds()), s.Start.Sub(begin).Minutes())
			switch {
			case open:
				b.Class, b.Title = "step-open", b.Title+": it never ended"
			case s.Failed:
				b.Class, b.Title = "step-failed", b.Title+": failed"
			}
			if label := cmp.Or(s.What, s.Step); float64(len(label))*5.5 < b.W && b.H > 10 {
				b.Label = label
			}
			row.Bars = append(row.Bars, b)
		}
		tl.Lanes = append(tl.Lanes, row)
	}
	tl.Work = duration(work.Seconds())
	tl.Height = len(lanes)*timelineLaneH + 24
	every := 10 * time.Second
	for _, step := range []time.Duration{time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour} {
		if wall/every > 12 {
			every = step
		}
	}
	for d := time.Duration(0); d <= wall; d += every {
		label := fmt.Sprintf("%g min", d.Minutes())
		if every < time.Minute {
			label = fmt.Sprintf("%g s", d.Seconds())
		}
		tl.Ticks = append(tl.Ticks, tick{x(begin.Add(d)), label})
	}
	return tl
}
