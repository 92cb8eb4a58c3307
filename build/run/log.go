//go:build unix

package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// An Error reports a command that failed, with the end of its output.
type Error struct {
	Name string // what was done, for example "make.bash"
	Log  string // path of the full output
	Tail []string
	Err  error
}

// tailLines is how much of a failed command's output its error shows.
const tailLines = 40

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v\n", e.Name, e.Err)
	for _, l := range e.Tail {
		fmt.Fprintf(&b, "\t| %s\n", l)
	}
	fmt.Fprintf(&b, "\tfull log: %s", e.Log)
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Logged runs the command, which must be made by Command with ctx, with its
// output in the log file as it comes, and line by line also to each, which may
// be nil. The error of a command that fails is an *Error with the name.
func Logged(ctx context.Context, name string, cmd *exec.Cmd, log string, each func(line string)) error {
	if cmd.SysProcAttr == nil || !cmd.SysProcAttr.Setpgid {
		panic("run.Logged: a command that run.Command has not made")
	}
	if err := os.MkdirAll(filepath.Dir(log), 0o777); err != nil {
		return err
	}
	f, err := os.Create(log)
	if err != nil {
		return err
	}
	defer f.Close()
	out := &lineWriter{w: f, each: each}
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	out.flush()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: stopped: %w", name, context.Cause(ctx))
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = errors.New("it has ended, but a process that it left behind holds its output open")
	}
	if out.err != nil {
		err = fmt.Errorf("writing its output: %w", out.err)
	}
	return &Error{Name: name, Log: log, Tail: out.tail, Err: err}
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
	if l.each != nil {
		l.each(s)
	}
}
