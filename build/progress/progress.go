// Package progress shows a person what a long command is doing: one step
// after another, how long each took, and the end of the log where one failed.
package progress

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Reporter writes steps to a stream: on a terminal as one live line a step,
// elsewhere as one plain line when a step starts and one when it ends.
type Reporter struct {
	W      io.Writer
	Live   bool // W is a terminal
	Width  int  // columns, when Live
	Trace  bool // print every command before it runs (-x)
	Stream bool // copy the commands' output to W as well as to the log (-v)
	Idle   bool // Run runs commands at the lowest priority, for who is in no hurry

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

// Fail ends the step as failed. What went wrong is told by the error.
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

// A CommandError reports a command that failed, with the end of its output.
type CommandError struct {
	Name string // what was done, for example "make.bash"
	Log  string // path of the full output
	Tail []string
	Err  error
	Next string // the command to try next
}

// tailLines is how much of a failed command's output its error shows.
const tailLines = 40

func (e *CommandError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v\n", e.Name, e.Err)
	for _, l := range e.Tail {
		fmt.Fprintf(&b, "\t| %s\n", l)
	}
	fmt.Fprintf(&b, "\tfull log: %s", e.Log)
	if e.Next != "" {
		fmt.Fprintf(&b, "\n\tnext: %s", e.Next)
	}
	return b.String()
}

func (e *CommandError) Unwrap() error { return e.Err }

// Run runs the command with its output in the log file, line by line also to
// each line (which may be nil). The command gets a process group of its own,
// which is killed as a whole when ctx ends.
func (r *Reporter) Run(ctx context.Context, name string, cmd *exec.Cmd, log string, line func(string)) error {
	r.TraceCmd(cmd)
	if r.Idle {
		Idle(cmd)
	}
	if err := os.MkdirAll(filepath.Dir(log), 0o777); err != nil {
		return err
	}
	f, err := os.Create(log)
	if err != nil {
		return err
	}
	defer f.Close()
	out := &lineWriter{w: f, each: func(s string) {
		if r.Stream {
			r.Printf("%s", s)
		}
		if line != nil {
			line(s)
		}
	}}
	cmd.Stdout, cmd.Stderr = out, out
	err = Group(ctx, cmd)
	out.flush()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: stopped: %w", name, context.Cause(ctx))
	}
	if out.err != nil {
		err = fmt.Errorf("writing its output: %w", out.err)
	}
	return &CommandError{Name: name, Log: log, Tail: out.tail, Err: err}
}

// TraceCmd prints the command if the Reporter traces.
func (r *Reporter) TraceCmd(cmd *exec.Cmd) {
	if !r.Trace {
		return
	}
	args := make([]string, len(cmd.Args))
	for i, a := range cmd.Args {
		args[i] = ShellQuote(a)
	}
	if cmd.Dir != "" {
		r.Printf("cd %s && %s", ShellQuote(cmd.Dir), strings.Join(args, " "))
	} else {
		r.Printf("%s", strings.Join(args, " "))
	}
}

// Idle makes the command run at the lowest priority, where nice is at hand.
func Idle(cmd *exec.Cmd) {
	if nice, err := exec.LookPath("nice"); err == nil {
		cmd.Args = append([]string{nice, "-n", "19"}, cmd.Args...)
		cmd.Path = nice
	}
}

// Group runs cmd in a process group of its own. When ctx ends the whole group
// is killed, so that a make.bash does not outlive the command that began it.
func Group(ctx context.Context, cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		case <-done:
		}
	}()
	err := cmd.Wait()
	close(done)
	return err
}

// A lineWriter copies what it is given to w, calls each with every full line,
// and keeps the last tailLines of them.
type lineWriter struct {
	w    io.Writer
	each func(string)
	buf  bytes.Buffer
	tail []string
	err  error
}

func (l *lineWriter) Write(p []byte) (int, error) {
	if _, err := l.w.Write(p); err != nil {
		if l.err == nil {
			l.err = err
		}
		return 0, err
	}
	l.buf.Write(p)
	for {
		b := l.buf.Bytes()
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return len(p), nil
		}
		l.line(string(b[:i]))
		l.buf.Next(i + 1)
	}
}

func (l *lineWriter) flush() {
	if l.buf.Len() > 0 {
		l.line(l.buf.String())
		l.buf.Reset()
	}
}

func (l *lineWriter) line(s string) {
	s = strings.TrimRight(s, "\r")
	l.tail = append(l.tail, s)
	if len(l.tail) > tailLines {
		l.tail = l.tail[1:]
	}
	l.each(s)
}

// Explain adds the next step to errors whose cause lies outside the driver: a
// full disk, as the driver or a command that it ran tells of it. cache is the
// folder of the build cache.
func Explain(err error, cache string) error {
	if err == nil {
		return nil
	}
	if text := strings.ToLower(err.Error()); strings.Contains(text, "no space left on device") || strings.Contains(text, "disk quota exceeded") {
		return fmt.Errorf("%w\n\tthe disk is full; nothing unfinished was kept, and what was installed before is as it was\n\tfree some space (go run ./build clean), or choose another disk: GOCORO_CACHE=FOLDER for the cache\n\t(now %s), -root FOLDER for the installation", err, cache)
	}
	return err
}

// ShellQuote returns s as a shell reads it as one word.
func ShellQuote(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\n'\"\\$`*?[]{}()<>|&;#~!") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
