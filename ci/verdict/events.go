// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package verdict

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// An event is one line of test2json's output, as `go doc test2json` describes
// it. Build output is part of the stream since Go 1.24, OutputType since 1.26.
type event struct {
	Time        time.Time
	Action      string
	Package     string
	Test        string
	Elapsed     float64
	Output      string
	OutputType  string
	ImportPath  string
	FailedBuild string
}

// A stream is what the events of one attempt say, before anything is judged.
type stream struct {
	pkgs    []*pkgRun
	build   map[string]*clip // compiler output by import path, as FailedBuild names it
	fails   bool             // the go command reported a package or a build as failed
	text    clip             // lines that are no events
	damage  string           // the first damage to the stream: cut or garbled
	framed  bool             // the writer marks frame lines by OutputType
	started map[string]*pkgRun
}

// A pkgRun is one run of a package's test binary.
type pkgRun struct {
	name    string
	tests   map[string]*testRun
	order   []string // of the tests' first "run"
	verdict string   // "PASS" or "FAIL": printed by the test binary itself as its last act
	end     string   // "pass", "fail", "skip": what the go command says at the end; "" when it never did
	seconds float64
	failed  string // FailedBuild
	nobuild bool   // the output says "[build failed]" or "[setup failed]"
	cached  bool   // the go command repeats an earlier run
	outside clip   // output outside of any test, before the verdict
	after   clip   // output after the verdict
}

// A testRun is one test or subtest; with -count, its latest run.
type testRun struct {
	name    string
	result  string // "pass", "fail", "skip" by its own frame line; "" while open
	paused  bool
	death   bool // the process's death throes follow the frame line
	runs    int
	fails   int
	began   time.Time
	last    time.Time
	seconds float64
	out     clip // emptied when the test passes
	failOut clip // of the first failed run
}

// A test prints its result as a frame line, "--- PASS: TestX (0.01s)", which
// cannot be indented. The go command's own "pass" event is no such proof: when
// a test binary exits with code 0 in the middle of TestX, the go command says
// {"Action":"pass","Test":"TestX"} for what was meant to be the package's end.
var frameLine = regexp.MustCompile(`^--- (PASS|FAIL|SKIP): ([^ \n]+)`)

// What the go command prints of a package that has no test binary to run.
var packageFail = regexp.MustCompile(`^FAIL\t.*\[(build|setup) failed\]\n?$`)

// What the go command prints of a package whose tests it did not run: it
// repeats what an earlier run said, which may have been another cell's.
var packageCached = regexp.MustCompile(`^ok  \t.*\t\(cached\)`)

// deathLine matches the line by which a dying process says why, at the start
// of a line. It is consulted only where the structure of the events already
// says that the process died, or that no test was running any more: a test of
// the runtime prints such lines of the programs it runs, and passes.
var deathLine = regexp.MustCompile(`(?m)^(fatal error: |panic: |SIG[A-Z]+: |unexpected fault address |qemu: uncaught target signal |signal: |fatal: |runtime: out of memory).*`)

const timedOutPrefix = "panic: test timed out after "

// readStream reads the events of one attempt. Damage is recorded, not
// returned: what can be read still counts, and the damage is a failure of its
// own. The error is that of r.
func readStream(r io.Reader) (*stream, error) {
	s := &stream{build: map[string]*clip{}, started: map[string]*pkgRun{}}
	br := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		line, err := br.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return s, err
		}
		if len(line) > 0 {
			s.line(n, line, err == io.EOF)
		}
		if err == io.EOF {
			return s, nil
		}
	}
}

func (s *stream) line(n int, line []byte, last bool) {
	var e event
	err := json.Unmarshal(line, &e)
	isEvent := bytes.HasPrefix(line, []byte("{")) || bytes.Contains(line, []byte(`"Action":"`))
	damaged := func(how string) { s.damage = cmp.Or(s.damage, fmt.Sprintf("line %d %s", n, how)) }
	switch {
	case err == nil && e.Action != "":
		s.event(&e)
		if last {
			damaged("has no end of line: the output was cut there")
		}
	case isEvent && last:
		damaged("stops in the middle of an event: " + tail(line))
	case isEvent:
		damaged("is a damaged event: " + tail(line))
	default:
		s.text.Write(line)
	}
}

func tail(line []byte) string {
	line = bytes.TrimRight(line, "\n")
	if len(line) > 60 {
		return fmt.Sprintf("…%q", line[len(line)-60:])
	}
	return fmt.Sprintf("%q", line)
}

func (s *stream) event(e *event) {
	switch e.Action {
	case "build-output":
		c := s.build[e.ImportPath]
		if c == nil {
			c = new(clip)
			s.build[e.ImportPath] = c
		}
		c.WriteString(e.Output)
		return
	case "build-fail":
		s.fails = true
		return
	}
	if e.OutputType == "frame" {
		s.framed = true
	}
	p := s.started[e.Package]
	if p == nil || e.Action == "start" {
		p = &pkgRun{name: e.Package, tests: map[string]*testRun{}}
		s.pkgs = append(s.pkgs, p)
		s.started[e.Package] = p
	}
	frameOK := !s.framed || e.OutputType == "frame"
	t := p.tests[e.Test]
	if e.Test != "" && t == nil {
		t = &testRun{name: e.Test}
		p.tests[e.Test] = t
		p.order = append(p.order, e.Test)
	}
	switch e.Action {
	case "run":
		if t.runs > 0 && t.result == "" {
			t.fails++ // begun again, and the run before never ended
		}
		t.runs++
		t.result, t.paused, t.death, t.out = "", false, false, clip{}
		t.began, t.last = e.Time, e.Time
	case "pause":
		t.paused = true
	case "cont":
		t.paused = false
	case "output":
		if t == nil {
			p.output(e.Output, frameOK)
			return
		}
		t.last = e.Time
		if t.result != "" {
			// Printed after the test was over and before the next thing
			// began: it is the process that speaks.
			if deathLine.MatchString(e.Output) {
				t.death = true
			}
			if t.result == "fail" {
				t.out.WriteString(e.Output)
			} else {
				p.outside.WriteString(e.Output)
			}
			return
		}
		if m := frameLine.FindStringSubmatch(e.Output); m != nil && frameOK && (m[2] == e.Test || len(e.Test) > 900 && strings.HasPrefix(e.Test, m[2])) {
			t.frame(strings.ToLower(m[1]))
		}
		if !strings.HasPrefix(e.Output, "=== ") {
			t.out.WriteString(e.Output)
		}
	case "pass", "fail", "skip":
		if t != nil && t.result == e.Action {
			t.seconds = e.Elapsed
			t.over()
			return
		}
		// The end of the package. It names a test when the process ended
		// while that test was open.
		p.end, p.seconds = e.Action, e.Elapsed
		if e.FailedBuild != "" {
			p.failed = e.FailedBuild
		}
		if e.Action == "fail" {
			s.fails = true
		}
	}
}

// output takes a line that belongs to no test.
func (p *pkgRun) output(text string, frameOK bool) {
	switch {
	case p.verdict == "" && frameOK && (text == "PASS\n" || text == "FAIL\n"):
		p.verdict = strings.TrimSuffix(text, "\n")
		return
	case packageFail.MatchString(text):
		p.nobuild = true
	case packageCached.MatchString(text):
		p.cached = true
	}
	if p.verdict != "" {
		p.after.WriteString(text)
	} else {
		p.outside.WriteString(text)
	}
}

// frame notes the test's result, of which its frame line is the proof.
func (t *testRun) frame(result string) {
	t.result = result
	if !t.began.IsZero() && !t.last.IsZero() {
		t.seconds = t.last.Sub(t.began).Seconds()
	}
	if result == "fail" {
		t.fails++
	}
}

// over drops the output of a test that passed, which no report shows.
func (t *testRun) over() {
	switch {
	case t.result == "pass":
		t.out = clip{}
	case t.result == "fail" && t.fails == 1:
		t.failOut = t.out
	}
}

// A clip keeps the beginning and the end of a text that may be of any length:
// a runtime that goes wrong can print for hours.
type clip struct {
	head    []byte
	tail    []byte
	dropped int64
}

const (
	clipHead = 24 << 10
	clipTail = 40 << 10
)

func (c *clip) WriteString(s string) { c.Write([]byte(s)) }

func (c *clip) Write(p []byte) (int, error) {
	n := len(p)
	if room := clipHead - len(c.head); room > 0 {
		k := min(room, len(p))
		c.head = append(c.head, p[:k]...)
		p = p[k:]
	}
	c.tail = append(c.tail, p...)
	if over := len(c.tail) - clipTail; over > clipTail {
		c.tail = append(c.tail[:0], c.tail[over:]...)
		c.dropped += int64(over)
	}
	return n, nil
}

func (c *clip) empty() bool { return len(c.head) == 0 }

// String returns the text, with a line in the middle that tells what is left out.
func (c *clip) String() string {
	tail, dropped := c.tail, c.dropped
	if over := len(tail) - clipTail; over > 0 {
		tail = tail[over:]
		dropped += int64(over)
	}
	if dropped == 0 {
		return strings.ToValidUTF8(string(c.head)+string(tail), "\uFFFD")
	}
	return strings.ToValidUTF8(fmt.Sprintf("%s\n… %d bytes left out; the raw record has them …\n%s", c.head, dropped, tail), "\uFFFD")
}

// death returns the line of text by which a process says why it dies, or "".
// It is the last such line, but for the signals that the runtime and the go
// command raise or report in consequence of an earlier one.
func death(text string) string {
	m := deathLine.FindAllString(text, -1)
	if m == nil {
		return ""
	}
	for _, why := range slices.Backward(m) {
		if !ofSignal(why) {
			return strings.TrimSpace(why)
		}
	}
	return strings.TrimSpace(m[len(m)-1])
}

// ofSignal reports whether a process that says this dies of a signal that it was
// sent.
func ofSignal(why string) bool {
	return strings.HasPrefix(why, "signal: ") || strings.HasPrefix(why, "SIGQUIT: ") || strings.HasPrefix(why, "SIGABRT: ")
}
