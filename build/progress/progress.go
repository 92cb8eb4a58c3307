// Package progress reports what a long command is doing: one step after another,
// how long each took, and the end of the log if one failed.
package progress

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"gocoro/build/run"
)

// A Reporter writes steps to a stream: on a terminal as one live line a step,
// elsewhere as one plain line when a step starts and one when it ends.
type Reporter struct {
	W      io.Writer
	Live   bool // W is a terminal
	Width  int  // columns, when Live
	Trace  bool // print every command before it runs (-x)
	Stream bool // copy the commands' output to W as well as to the log (-v)
	Idle   bool // Run runs commands at the lowest priority, for background work

	// Begin, if set, is called when a step begins, and the function that it
	// returns when the step ends.
	Begin func(name, detail string) (end func(ok bool))

	mu   sync.Mutex
	step *Step
}

// New returns a Reporter for f, live if f is a terminal.
func New(f *os.File) *Reporter {
	r := &Reporter{W: f, Width: 80}
	// Lines and columns, from a program that every system has: a package for
	// it would be most of what "go run ./build" has to download and compile.
	stty := exec.Command("stty", "size")
	stty.Stdin = f
	if out, err := stty.Output(); err == nil { // f is a terminal
		r.Live = true
		var lines, columns int
		if _, err := fmt.Sscan(string(out), &lines, &columns); err == nil && columns > 20 {
			r.Width = columns
		}
	}
	return r
}

// Printf prints a line of its own, above the live line if there is one.
func (r *Reporter) Printf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clear()
	fmt.Fprintf(r.W, format+"\n", args...)
	r.draw()
}

func (r *Reporter) clear() {
	if r.Live && r.step != nil {
		fmt.Fprintf(r.W, "\r\x1b[K")
	}
}

func (r *Reporter) draw() {
	if !r.Live || r.step == nil {
		return
	}
	s := r.step
	text := fmt.Sprintf("%-8s %s", s.name, elapsed(s.start))
	if s.detail != "" {
		text += "  " + s.detail
	}
	if rs := []rune(text); len(rs) >= r.Width {
		text = string(rs[:r.Width-1])
	}
	fmt.Fprintf(r.W, "\r\x1b[K%s", text)
}

// A Step is one piece of work under way.
type Step struct {
	r      *Reporter
	name   string
	detail string
	start  time.Time
	stop   chan struct{}
	ended  func(ok bool)
}

// Start begins a step. Steps do not nest: one that begins inside another takes
// its place on the stream.
func (r *Reporter) Start(name, detail string) *Step {
	s := &Step{r: r, name: name, detail: detail, start: time.Now(), stop: make(chan struct{}), ended: func(bool) {}}
	if r.Begin != nil {
		s.ended = r.Begin(name, detail)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.step = s
	if !r.Live {
		fmt.Fprintf(r.W, "%-8s %s\n", name, detail)
		return s
	}
	r.draw()
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.mu.Lock()
				if r.step == s {
					r.draw()
				}
				r.mu.Unlock()
			case <-s.stop:
				return
			}
		}
	}()
	return s
}

// Detail says what the step is doing now.
func (s *Step) Detail(text string) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if s.r.step != s || text == s.detail {
		return
	}
	s.detail = text
	if s.r.Live {
		s.r.draw()
	} else if !s.r.Stream {
		fmt.Fprintf(s.r.W, "%-8s %s  %s\n", s.name, elapsed(s.start), text)
	}
}

// Done ends the step; result says what came of it.
func (s *Step) Done(result string) { s.end("", result) }

// Fail ends the step as failed. The error says what went wrong.
func (s *Step) Fail() { s.end("FAILED ", "") }

func (s *Step) end(mark, result string) {
	s.ended(mark == "")
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if s.r.step != s {
		return
	}
	s.r.clear()
	s.r.step = nil
	close(s.stop)
	fmt.Fprintln(s.r.W, strings.TrimRight(fmt.Sprintf("%-8s %s%s  %s", s.name, mark, elapsed(s.start), result), " "))
}

func elapsed(start time.Time) string {
	d := time.Since(start)
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}

// Run is run.Logged. If the user wants it, Run also prints the command and its
// output.
func (r *Reporter) Run(ctx context.Context, name string, cmd *exec.Cmd, log string, line func(string)) error {
	r.TraceCmd(cmd)
	if r.Idle {
		run.Idle(cmd)
	}
	return run.Logged(ctx, name, cmd, log, func(s string) {
		if r.Stream {
			r.Printf("%s", s)
		}
		if line != nil {
			line(s)
		}
	})
}

// TraceCmd prints the command if the Reporter traces.
func (r *Reporter) TraceCmd(cmd *exec.Cmd) {
	if r.Trace {
		r.Printf("%s", run.Line(cmd))
	}
}
