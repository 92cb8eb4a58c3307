// Package frame is the protocol by which the virtual machine of package system
// reports what became of the programs it was given to run.
//
// It is a one-way stream of lines over a serial port. Each line is an [Event]:
//
//	gocoro-frame <CRC-32 of the JSON, in hex> <the event, as JSON>
//
// Events are numbered from 1, without gaps. A run is framed by a Begin and an
// End event, with its output in between. So a line that was cut, damaged or
// lost is noticed, and a run counts as ended only when its End is there: a
// program that takes the whole machine down with it is told by what is
// missing. Everything in the stream that is no frame is noise, and is kept.
package frame

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync"
	"time"
)

const prefix = "gocoro-frame "

// MaxData is the most output that one Output event carries, in bytes.
const MaxData = 4096

// The kinds of events.
const (
	Boot   = "boot"   // the machine is up, and about to begin the runs
	Begin  = "begin"  // a run begins
	Output = "output" // a run wrote Data
	End    = "end"    // a run is over, in the way the other fields tell
	Done   = "done"   // all runs are over; the machine powers off
)

// An Event is one line of the stream.
type Event struct {
	Seq  int
	Kind string
	Run  int    `json:",omitempty"` // Begin, Output, End: the run's index
	Data []byte `json:",omitempty"` // Output

	// End only. Of Failed, Signal and Exit, the first that is not zero tells.
	Failed    string        `json:",omitempty"` // the program could not be started, and why
	Signal    int           `json:",omitempty"` // linux's number of the signal that ended it
	Exit      int           `json:",omitempty"` // exit status
	TimedOut  bool          `json:",omitempty"` // it was ended, as its time was up
	Truncated bool          `json:",omitempty"` // there was more output than was sent
	Elapsed   time.Duration `json:",omitempty"`
}

// A Writer sends events. Its methods may be called by several goroutines.
type Writer struct {
	mu  sync.Mutex
	w   io.Writer
	seq int
}

// NewWriter returns a Writer that sends each event to w by one call of Write.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Send sends e, whose Seq it sets.
func (w *Writer) Send(e Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seq++
	e.Seq = w.seq
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.w, "%s%08x %s\n", prefix, crc32.ChecksumIEEE(body), body)
	return err
}

// A State is what became of a run. Only Exited can be a success.
type State string

const (
	NotRun     State = "not run"     // the machine stopped before it began
	Lost       State = "lost"        // what became of it is not known
	NotStarted State = "not started" // the program could not be executed
	TimedOut   State = "timed out"   // it was ended, as its time was up
	Signaled   State = "signaled"    // a signal ended it
	Exited     State = "exited"      // it ended by itself, with an exit status
)

// An Outcome is what the stream tells of one run.
type Outcome struct {
	State     State
	Exit      int    // Exited, or TimedOut with no Signal: the exit status
	Signal    int    // Signaled, TimedOut: linux's number of the signal
	Detail    string // NotRun, Lost, NotStarted: the reason
	Output    []byte // standard output and error, as far as it got here
	Truncated bool   // there was more output than this
	Elapsed   time.Duration
}

// A Collector puts a stream together.
type Collector struct {
	rest    []byte // a line not yet complete
	noise   []byte
	seq     int // of the last event
	booted  bool
	done    bool
	damage  []string
	current int // index of the run under way, -1 if none is
	runs    []run
}

// A run is what has arrived of one run.
type run struct {
	begun  bool
	output []byte
	end    *Event
	damage string // why the rest cannot be believed
}

// NewCollector returns a Collector for a machine that was given n runs.
func NewCollector(n int) *Collector {
	return &Collector{runs: make([]run, n), current: -1}
}

// Write takes a piece of the stream, of any length. It never fails.
func (c *Collector) Write(p []byte) (int, error) {
	c.rest = append(c.rest, p...)
	for {
		line, rest, ok := bytes.Cut(c.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		c.line(line)
		c.rest = rest
	}
}

// Close tells that the stream is at its end.
func (c *Collector) Close() error {
	if len(c.rest) > 0 {
		c.line(c.rest)
		c.rest = nil
	}
	return nil
}

// line takes one line of the stream, without its newline.
func (c *Collector) line(line []byte) {
	line = bytes.TrimSuffix(line, []byte("\r")) // a terminal's line discipline adds it
	text, ok := bytes.CutPrefix(line, []byte(prefix))
	if !ok {
		if bytes.Contains(line, []byte(prefix)) {
			c.damaged("a frame in the middle of a line: %.80q", line)
		}
		c.noise = append(append(c.noise, line...), '\n')
		return
	}
	sum, body, _ := bytes.Cut(text, []byte(" "))
	if string(sum) != fmt.Sprintf("%08x", crc32.ChecksumIEEE(body)) {
		c.damaged("a frame that does not fit its checksum: %.80q", line)
		return
	}
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		c.damaged("a frame that is no event: %v: %.80q", err, line)
		return
	}
	c.event(e)
}

// event takes the next event.
func (c *Collector) event(e Event) {
	if e.Seq != c.seq+1 {
		c.damaged("event %d (%s) follows event %d", e.Seq, e.Kind, c.seq)
	}
	c.seq = e.Seq
	if c.done {
		c.damaged("event %d (%s) comes after the last one", e.Seq, e.Kind)
	}

	switch e.Kind {
	case Boot:
		c.booted = true
		return
	case Done:
		c.done = true
		if c.current >= 0 {
			c.damaged("run %d has no end", c.current)
		}
		for i, r := range c.runs {
			if !r.begun {
				c.damaged("the last event came, and run %d had not begun", i)
			}
		}
		return
	case Begin, Output, End:
	default:
		c.damaged("event %d is of the unknown kind %q", e.Seq, e.Kind)
		return
	}

	if e.Run < 0 || e.Run >= len(c.runs) {
		c.damaged("event %d (%s) is of run %d, expected 0 to %d", e.Seq, e.Kind, e.Run, len(c.runs)-1)
		return
	}
	r := &c.runs[e.Run]
	if e.Kind == Begin {
		if c.current >= 0 {
			c.damaged("run %d begins before run %d has ended", e.Run, c.current)
		}
		c.current = e.Run
		if r.begun {
			c.damaged("run %d begins a second time", e.Run)
		}
		r.begun = true
		return
	}
	if c.current != e.Run {
		c.current = e.Run // for the damage to be its
		c.damaged("event %d (%s) is of run %d, which is not under way", e.Seq, e.Kind, e.Run)
	}
	if e.Kind == Output {
		r.output = append(r.output, e.Data...)
		return
	}
	r.end = &e
	c.current = -1
}

// damaged notes that the stream is not what was sent. The run under way cannot
// be believed then: what is missing may be a part of its output.
func (c *Collector) damaged(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	c.damage = append(c.damage, what)
	if c.current >= 0 && c.runs[c.current].damage == "" {
		c.runs[c.current].damage = what
	}
}

// Outcomes returns the outcome of every run, in the order of the runs.
func (c *Collector) Outcomes() []Outcome {
	var list []Outcome
	for _, r := range c.runs {
		o := Outcome{Output: r.output}
		switch {
		case r.damage != "":
			o.State, o.Detail = Lost, "its report is damaged: "+r.damage
		case r.end == nil && r.begun:
			o.State, o.Detail = Lost, "the machine stopped before the program ended"
		case r.end == nil && (c.done || c.damage != nil):
			o.State, o.Detail = Lost, "nothing arrived of it"
		case r.end == nil:
			o.State, o.Detail = NotRun, "the machine stopped before it began"
		case r.end.Failed != "":
			o.State, o.Detail = NotStarted, r.end.Failed
		case r.end.TimedOut:
			o.State = TimedOut
		case r.end.Signal != 0:
			o.State = Signaled
		default:
			o.State = Exited
		}
		if r.end != nil {
			o.Exit, o.Signal = r.end.Exit, r.end.Signal
			o.Truncated, o.Elapsed = r.end.Truncated, r.end.Elapsed
		}
		list = append(list, o)
	}
	return list
}

// Err returns nil if the stream was whole: the machine came up, reported on
// every run, and came to its end. It says nothing of how the runs ended.
func (c *Collector) Err() error {
	switch {
	case len(c.damage) > 0:
		return fmt.Errorf("the machine's report is damaged: %s", strings.Join(c.damage, "; "))
	case !c.booted:
		return errors.New("the machine did not come up")
	case !c.done && c.current >= 0:
		return fmt.Errorf("the machine stopped during run %d", c.current)
	case !c.done:
		return errors.New("the machine stopped before all runs were over")
	}
	return nil
}

// Progress returns a value that changes whenever an event arrives that shows
// the machine alive, and the run under way, -1 if none is.
func (c *Collector) Progress() (seq, current int) { return c.seq, c.current }

// Noise returns what was in the stream beside the frames.
func (c *Collector) Noise() []byte { return c.noise }
