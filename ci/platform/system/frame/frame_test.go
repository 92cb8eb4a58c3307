package frame

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// stream returns the lines of a report on three runs: one that exits with 0
// after two pieces of output, one that exits with 3, and one killed by signal 11.
func stream(t *testing.T) []string {
	var buf bytes.Buffer
	w := NewWriter(&buf)
	for _, e := range []Event{
		{Kind: Boot},
		{Kind: Begin, Run: 0},
		{Kind: Output, Run: 0, Data: []byte("O")},
		{Kind: Output, Run: 0, Data: []byte("K\n")},
		{Kind: End, Run: 0, Elapsed: time.Second},
		{Kind: Begin, Run: 1},
		{Kind: End, Run: 1, Exit: 3},
		{Kind: Begin, Run: 2},
		{Kind: Output, Run: 2, Data: []byte("gocoro-frame \xff\x00\n")},
		{Kind: End, Run: 2, Signal: 11, Truncated: true},
		{Kind: Done},
	} {
		if err := w.Send(e); err != nil {
			t.Fatal(err)
		}
	}
	return strings.SplitAfter(strings.TrimSuffix(buf.String(), "\n"), "\n")
}

// The lines of stream, by name.
const (
	boot = iota
	begin0
	output0a
	output0b
	end0
	begin1
	end1
	begin2
	output2
	end2
	done
)

// collect returns what a Collector for three runs has after the text.
func collect(text string) *Collector {
	c := NewCollector(3)
	c.Write([]byte(text))
	c.Close()
	return c
}

func TestWhole(t *testing.T) {
	text := strings.Join(stream(t), "")
	// However it comes: at once, byte by byte, with the terminal's carriage
	// returns, with other things between the lines.
	bytewise := NewCollector(3)
	for i := range text {
		bytewise.Write([]byte{text[i]})
	}
	bytewise.Close()
	for name, c := range map[string]*Collector{
		"at once":         collect(text),
		"byte by byte":    bytewise,
		"carriage return": collect(strings.ReplaceAll(text, "\n", "\r\n")),
		"noise":           collect("EFI stub\n\n" + strings.ReplaceAll(text, "\n", "\n[ 1.0] hello\n")),
	} {
		if err := c.Err(); err != nil {
			t.Errorf("%s: expected no error, found %v", name, err)
		}
		want := []Outcome{
			{State: Exited, Output: []byte("OK\n"), Elapsed: time.Second},
			{State: Exited, Exit: 3},
			{State: Signaled, Signal: 11, Output: []byte("gocoro-frame \xff\x00\n"), Truncated: true},
		}
		if got := c.Outcomes(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: expected %v\nfound %v", name, want, got)
		}
		if got := strings.Contains(string(c.Noise()), "hello"); got != (name == "noise") {
			t.Errorf("%s: noise: %q", name, c.Noise())
		}
	}
}

// Wherever the stream is cut, no run has ended whose end did not come, and the
// stream has an error until its last line is whole.
func TestTruncated(t *testing.T) {
	lines := stream(t)
	text := strings.Join(lines, "")
	for n := range text {
		c := collect(text[:n])
		if c.Err() == nil {
			t.Errorf("cut after %d of %d bytes: expected an error", n, len(text))
		}
		for i, end := range []int{end0, end1, end2} {
			// The newline may be missing; the checksum tells that the line is whole.
			complete := n >= len(strings.Join(lines[:end+1], ""))-1
			switch state := c.Outcomes()[i].State; state {
			case NotRun, Lost:
				if complete {
					t.Errorf("cut after %d bytes: run %d: expected its end, found it %s", n, i, state)
				}
			default:
				if !complete {
					t.Errorf("cut after %d bytes: run %d: expected it not run or lost, found it %s", n, i, state)
				}
			}
		}
	}
}

// Whichever byte is changed, and whichever line left out, it is noticed, and no
// run is taken for a success (here: exited) that was none, nor one whose
// output is not what it wrote.
func TestGarbled(t *testing.T) {
	lines := stream(t)
	text := strings.Join(lines, "")
	check := func(what string, c *Collector) {
		if c.Err() == nil {
			t.Errorf("%s: expected an error", what)
		}
		for i, o := range c.Outcomes() {
			if o.State == Exited && (i == 2 || i == 0 && string(o.Output) != "OK\n" || i == 1 && o.Exit != 3) {
				t.Errorf("%s: run %d: expected it lost, found %+v", what, i, o)
			}
		}
	}
	for i := range text {
		for _, b := range []byte{'\n', 'x', '0', text[i] ^ 1} {
			if b == text[i] {
				continue
			}
			garbled := []byte(text)
			garbled[i] = b
			check(fmt.Sprintf("byte %d is %q", i, b), collect(string(garbled)))
		}
	}
	for i := range lines {
		without := strings.Join(lines[:i], "") + strings.Join(lines[i+1:], "")
		check(fmt.Sprintf("without line %d", i), collect(without))
		twice := strings.Join(lines[:i+1], "") + strings.Join(lines[i:], "")
		check(fmt.Sprintf("line %d twice", i), collect(twice))
	}
}

func TestLost(t *testing.T) {
	lines := stream(t)
	join := func(numbers ...int) string {
		var text string
		for _, n := range numbers {
			text += lines[n]
		}
		return text
	}
	tests := []struct {
		name, text string
		states     []State
		err        string
	}{
		{"nothing", "", []State{NotRun, NotRun, NotRun}, "did not come up"},
		{"a panic at boot", "Kernel panic - not syncing\n", []State{NotRun, NotRun, NotRun}, "did not come up"},
		{"a stop before the runs", join(boot), []State{NotRun, NotRun, NotRun}, "before all runs were over"},
		{"a stop in a run", join(boot, begin0, output0a), []State{Lost, NotRun, NotRun}, "stopped during run 0"},
		{"a stop between runs", join(boot, begin0, output0a, output0b, end0), []State{Exited, NotRun, NotRun}, "before all runs were over"},
		{"output missing", join(boot, begin0, output0b, end0), []State{Lost, Lost, Lost}, "event 4 (output) follows event 2"},
		{"an end missing", join(boot, begin0, output0a, output0b, begin1, end1), []State{Lost, Exited, Lost}, "event 6 (begin) follows event 4"},
		{"a run missing", join(boot, begin0, output0a, output0b, end0, begin2, output2, end2, done), []State{Exited, Lost, Signaled}, "event 8 (begin) follows event 5"},
	}
	for _, test := range tests {
		c := collect(test.text)
		if err := c.Err(); err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: expected an error with %q, found %v", test.name, test.err, err)
		}
		for i, o := range c.Outcomes() {
			if o.State != test.states[i] {
				t.Errorf("%s: run %d: expected %s, found %s (%s)", test.name, i, test.states[i], o.State, o.Detail)
			}
			if (o.State == Lost || o.State == NotRun) && o.Detail == "" {
				t.Errorf("%s: run %d: %s without a reason", test.name, i, o.State)
			}
		}
	}
}

// Events in good form that make no sense.
func TestNonsense(t *testing.T) {
	tests := []struct {
		name   string
		events []Event
		err    string
	}{
		{"run out of range", []Event{{Kind: Begin, Run: 3}}, "expected 0 to 2"},
		{"negative run", []Event{{Kind: Begin, Run: -1}}, "expected 0 to 2"},
		{"unknown kind", []Event{{Kind: "begun"}}, `unknown kind "begun"`},
		{"end without begin", []Event{{Kind: End, Run: 1}}, "not under way"},
		{"end of another", []Event{{Kind: Begin, Run: 0}, {Kind: End, Run: 1}}, "not under way"},
		{"two at once", []Event{{Kind: Begin, Run: 0}, {Kind: Begin, Run: 1}}, "before run 0 has ended"},
		{"again", []Event{{Kind: Begin}, {Kind: End}, {Kind: Begin}}, "a second time"},
		{"done too early", []Event{{Kind: Boot}, {Kind: Done}}, "run 0 had not begun"},
		{"done in a run", []Event{{Kind: Boot}, {Kind: Begin, Run: 2}, {Kind: Done}}, "run 2 has no end"},
	}
	for _, test := range tests {
		c := NewCollector(3)
		w := NewWriter(c)
		for _, e := range test.events {
			w.Send(e)
		}
		c.Close()
		if err := c.Err(); err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: expected an error with %q, found %v", test.name, test.err, err)
		}
	}
}

func TestStates(t *testing.T) {
	tests := []struct {
		end  Event
		want State
	}{
		{Event{}, Exited},
		{Event{Exit: 2}, Exited},
		{Event{Signal: 9}, Signaled},
		{Event{TimedOut: true, Signal: 9}, TimedOut},
		{Event{TimedOut: true, Exit: 2}, TimedOut},
		{Event{Failed: "no such file"}, NotStarted},
	}
	for _, test := range tests {
		c := NewCollector(1)
		w := NewWriter(c)
		w.Send(Event{Kind: Boot})
		w.Send(Event{Kind: Begin})
		test.end.Kind = End
		w.Send(test.end)
		w.Send(Event{Kind: Done})
		if err := c.Err(); err != nil {
			t.Errorf("%+v: %v", test.end, err)
		}
		if got := c.Outcomes()[0].State; got != test.want {
			t.Errorf("%+v: expected %s, found %s", test.end, test.want, got)
		}
	}
}

func FuzzCollector(f *testing.F) {
	f.Add([]byte("gocoro-frame 00000000 {}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := NewCollector(2)
		c.Write(data)
		c.Close()
		if n := len(c.Outcomes()); n != 2 {
			t.Errorf("expected 2 outcomes, found %d", n)
		}
	})
}
