// Package fuzz runs random programs that use coroutines, thread locks and C
// calls, and compares what they do with what they must do.
//
// Every program (package program) runs in a process of its own, in an interpreter
// (interp) that the toolchain under test has compiled. The logs of its goroutines
// must be as in the model, and the checks inside the process must hold. A program
// that fails runs again with a Pull made of channels, the yardstick: if it fails
// there, too, the model is wrong. Shrink reduces a program that fails.
//
// The line's stock upstream is a yardstick, too, and a better one for the programs
// that it can run. If a program ends there, without a throw for the thread locks,
// each goroutine that is locked to a thread must be on the same thread here, at
// every step (see sameThreads), and the program may not die.
package fuzz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"gocoro/build/goroot"
	"gocoro/build/run"
	"gocoro/build/store"
	"gocoro/ci/fuzz/program"
)

// A Class says how the runs of a program ended.
type Class string

const (
	Same      Class = "same"      // as the model says
	LIFO      Class = "lifo"      // a death, or hang, for the order of C frames, that the rules allow (docs/corolock.md)
	End       Class = "end"       // a death for a thread that C ended while it was shared, which they allow, too
	Different Class = "different" // a log is not what the model says
	Violation Class = "violation" // a check inside the program failed
	Crash     Class = "crash"     // the process died
	Hang      Class = "hang"      // it did not end in time
	Yardstick Class = "yardstick" // the program fails with channels as well
)

// Classes lists the classes, in the order of summaries.
var Classes = []Class{Same, LIFO, End, Different, Violation, Crash, Hang, Yardstick}

// Failed says whether a program of this class is a finding.
func (c Class) Failed() bool { return c != Same && c != LIFO && c != End }

// An Outcome is what came of a program.
type Outcome struct {
	Class Class

	// Key tells one kind of failure from another: the fatal error, the check
	// that failed. It has no numbers in it.
	Key            string
	Oracle         Oracle
	Detail         string // a line for people
	Stdout, Stderr []byte

	pid int
}

// An Oracle is what a program was compared with.
type Oracle string

const (
	Upstream Oracle = "stock"         // it ends on stock upstream
	Throw    Oracle = "model, throws" // stock kills it for its thread locks
	Died     Oracle = "model, dies"   // stock does not run it for another reason
	Model    Oracle = "model"         // stock was not asked
)

// Oracles lists the oracles, in the order of summaries.
var Oracles = []Oracle{Upstream, Throw, Died, Model}

func (o *Outcome) String() string {
	if o.Key == "" {
		return string(o.Class)
	}
	return string(o.Class) + ": " + o.Key
}

// A Runner runs programs.
type Runner struct {
	Interp string        // the interpreter's file
	Stock  string        // the same, compiled with stock upstream, or empty
	Exec   []string      // what runs it, if it does not run by itself
	Env    []string      // added to the environment
	Args   []string      // added to the interpreter's arguments, but for the yardstick
	Limit  time.Duration // for each process
	Repeat int           // how often the program runs in each process
	Only   string        // if not empty, the one kind of Pull to run: chan or coro
}

// Check runs the program with iter.Pull, and compares it with stock upstream, or
// with the model; or with the one kind of Pull that the runner is set to.
func (r *Runner) Check(ctx context.Context, p *program.Program) (*Outcome, error) {
	if r.Only != "" {
		return r.Run(ctx, p, r.Only)
	}
	oracle := Model
	if r.Stock != "" {
		stock, err := r.Run(ctx, p, "stock")
		if err != nil {
			return nil, err
		}
		switch {
		case stock.Class == Same:
			return r.likeStock(ctx, p, stock)
		case stock.Class == Crash && bytes.Contains(stock.Stderr, []byte(throw)):
			oracle = Throw
		case stock.Class == Different:
			// Stock ends, with other logs than the model's.
			stock.Key = strings.TrimSpace("stock " + string(stock.Class) + " " + stock.Key)
			stock.Class = Yardstick
			return stock, nil
		default:
			oracle = Died
		}
	}
	o, err := r.likeModel(ctx, p)
	if o != nil {
		o.Oracle = oracle
	}
	return o, err
}

// likeStock runs the program, which has ended on stock upstream.
func (r *Runner) likeStock(ctx context.Context, p *program.Program, stock *Outcome) (*Outcome, error) {
	o, err := r.Run(ctx, p, "coro", "-exact")
	if err != nil {
		return nil, err
	}
	o.Oracle = Upstream
	switch {
	case o.Class == Same:
		if what, detail := sameThreads(stock, o); what != "" {
			o.Class, o.Key, o.Detail = Different, what, detail
		}
	case !o.Class.Failed():
		o.Key = "not on stock: " + o.Key
		o.Class = Crash
	}
	return o, nil
}

// likeModel runs the program with iter.Pull, and a failure with channels, too.
func (r *Runner) likeModel(ctx context.Context, p *program.Program) (*Outcome, error) {
	o, err := r.Run(ctx, p, "coro")
	if err != nil || !o.Class.Failed() {
		return o, err
	}
	yardstick, err := r.Run(ctx, p, "chan")
	if err != nil || yardstick.Class == Same {
		return o, err
	}
	yardstick.Key = strings.TrimSpace(string(yardstick.Class) + " " + yardstick.Key)
	yardstick.Class = Yardstick
	return yardstick, nil
}

// Run runs the program on one kind of Pull: coro or chan, or on stock, which
// is iter.Pull of the stock upstream, with more arguments for the interpreter.
func (r *Runner) Run(ctx context.Context, p *program.Program, pull string, more ...string) (*Outcome, error) {
	want, err := p.Run()
	if err != nil {
		return nil, fmt.Errorf("the program is not one to compare: %w", err)
	}
	repeat := r.Repeat
	if p.Main || want.Deadlock {
		repeat = 1
	}
	limited, cancel := context.WithTimeout(ctx, r.Limit)
	defer cancel()
	args := slices.Clip(r.Exec)
	if pull == "stock" {
		args = append(args, r.Stock, "-upstream")
	} else {
		args = append(args, r.Interp, "-pull="+pull)
	}
	args = append(append(args, fmt.Sprintf("-repeat=%d", repeat)), more...)
	if r.Stock != "" && pull != "chan" {
		args = append(args, "-threads")
	}
	if pull == "coro" || r.Only != "" {
		args = append(args, r.Args...)
	}
	cmd := run.Command(limited, args[0], args[1:]...)
	cmd.Env = append(append(os.Environ(), "GOTRACEBACK=system", "GODEBUG="), r.Env...)
	cmd.Stdin = strings.NewReader(p.String())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// Every Go program prints its goroutines on SIGQUIT, and dies.
	cmd.Cancel = func() error { return run.Signal(cmd, syscall.SIGQUIT) }
	cmd.WaitDelay = 30 * time.Second // a busy machine needs some; without a dump, a hang cannot be judged
	err = cmd.Run()
	if cmd.Process != nil && limited.Err() != nil {
		run.Signal(cmd, syscall.SIGKILL) // a process that did not
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	o := &Outcome{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
	if cmd.Process != nil {
		o.pid = cmd.Process.Pid
	}
	exit, exited := errors.AsType[*exec.ExitError](err)
	if err != nil && !exited && limited.Err() == nil {
		return nil, err
	}
	if exited && exit.ExitCode() == 4 {
		return nil, fmt.Errorf("%s: %s", r.Interp, o.Stderr)
	}
	o.classify(err, limited.Err() != nil, expected(want, repeat))
	return o, nil
}

// expected returns what the interpreter must print.
func expected(want *program.Result, repeat int) string {
	var b strings.Builder
	for i := range repeat {
		fmt.Fprintf(&b, "run %d\n%s", i, want.Log)
	}
	return b.String()
}

// The deaths that the rules allow.
const (
	throw     = "fatal error: coro: OS thread locking must match locking at coroutine creation"
	lifoDeath = "C calls of different goroutines on one OS thread must return in LIFO order"
	endDeath  = "thread created by C ended while another goroutine was locked to it"
)

var (
	violationLine = regexp.MustCompile(`(?m)^violation: ([^:\n]*)`)
	fatalLine     = regexp.MustCompile(`(?m)^(fatal error: .*|panic: .*|SIG[A-Z]+: .*|WARNING: DATA RACE|.*[Rr]untime: .*|==\d+==ERROR: .*)$`)
	thread        = regexp.MustCompile(`(?m)\t@(\d+)\.(\d+)$`)
	number        = regexp.MustCompile(`0x[0-9a-f]+|\d+`)
)

func (o *Outcome) classify(err error, late bool, want string) {
	if m := violationLine.FindSubmatch(o.Stderr); m != nil {
		o.Class, o.Key = Violation, string(m[1])
		return
	}
	early := bytes.Contains(o.Stderr, []byte("\nnote: ")) || bytes.HasPrefix(o.Stderr, []byte("note: "))
	// A callback may wait until the goroutine of other C frames is resumed. While
	// other goroutines run, the runtime cannot know that this never happens.
	waits := early && bytes.Contains(o.Stderr, []byte(" [callback return"))
	switch {
	case late:
		o.Class = Hang
		if early {
			o.Key = "after a C call that returns too early"
		}
		if waits {
			o.Class = LIFO
		}
	case err != nil:
		o.Class, o.Key = Crash, err.Error()
		// Only with the note, which says that two goroutines had C frames on one
		// thread in the wrong order, do the rules allow the death.
		if bytes.Contains(o.Stderr, []byte(lifoDeath)) && bytes.Contains(o.Stderr, []byte("note: ")) {
			o.Class = LIFO
		}
		// The same is true of this line about a goroutine that has locked a
		// thread of C.
		if bytes.Contains(o.Stderr, []byte("fatal error: "+endDeath)) && bytes.Contains(o.Stderr, []byte("end: goroutine ")) {
			o.Class = End
		}
		all := fatalLine.FindAll(o.Stderr, -1)
		for _, m := range all {
			o.Key = number.ReplaceAllString(string(m), "N")
			if bytes.HasPrefix(m, []byte("fatal error: ")) {
				break
			}
		}
	case bytes.Contains(o.Stderr, []byte("WARNING: DATA RACE")):
		o.Class, o.Key = Crash, "data race"
	case string(thread.ReplaceAll(o.Stdout, nil)) != want:
		o.Class = Different
		if waits && bytes.HasSuffix(o.Stdout, []byte("\ndeadlock\n")) {
			o.Class, o.Key = LIFO, "after a C call that returns too early"
		}
	default:
		o.Class = Same
	}
}

// sameThreads compares the threads of two runs with equal logs. A step of a
// goroutine that stock upstream has locked to its thread has a mark with the thread
// and the epoch, which lasts from the lock of the thread to its unlock. All steps of
// an epoch must be on one thread here, too, but not on a certain one, except for
// epoch 0: the main thread, which is locked from the start. The process itself checks
// which goroutines with locks of their own may share a thread.
func sameThreads(stock, ours *Outcome) (what, detail string) {
	s, o := strings.Split(string(stock.Stdout), "\n"), strings.Split(string(ours.Stdout), "\n")
	type place struct{ line, thread string }
	main := fmt.Sprint(ours.pid)
	at := map[string]place{"0": {"the start", main}}
	// Threads get numbers as they appear.
	names := map[string]int{main: 0}
	name := func(t string) int {
		if _, ok := names[t]; !ok {
			names[t] = len(names)
		}
		return names[t]
	}
	where := ""
	for i := range min(len(s), len(o)) {
		if !strings.HasPrefix(s[i], "\t") {
			where = s[i]
			continue
		}
		m := thread.FindStringSubmatch(s[i])
		if m == nil {
			continue
		}
		line := fmt.Sprintf("line %d, %s, %q", i+1, where, strings.TrimSpace(strings.TrimSuffix(s[i], m[0])))
		got := thread.FindStringSubmatch(o[i])
		if got == nil {
			return "not locked", line + " is not on a locked thread; on stock it is"
		}
		if was, ok := at[m[2]]; !ok {
			at[m[2]] = place{line, got[1]}
		} else if was.thread != got[1] {
			return "thread", fmt.Sprintf("%s is on thread %d, and %s on thread %d; on stock both are on one", was.line, name(was.thread), line, name(got[1]))
		}
	}
	return "", ""
}

// Diff returns the first line in which the output is not what the model says.
func Diff(p *program.Program, o *Outcome, repeat int) string {
	res, err := p.Run()
	if err != nil {
		return err.Error()
	}
	if p.Main || res.Deadlock {
		repeat = 1
	}
	want, got := strings.Split(expected(res, repeat), "\n"), strings.Split(string(thread.ReplaceAll(o.Stdout, nil)), "\n")
	where := ""
	for i := range max(len(want), len(got)) {
		var w, g string
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			return fmt.Sprintf("line %d, in %s: got %q, want %q", i+1, where, g, w)
		}
		if strings.HasPrefix(w, "run") || strings.HasPrefix(w, "goroutine") {
			where = w
		}
	}
	return ""
}

// Build compiles the interpreter with the toolchain at root, with GOOS, GOARCH, CC
// and the like from the environment. The checkout is in dir. Each toolchain has a
// build cache of its own in cache, since the go command identifies released
// toolchains by their version alone.
func Build(ctx context.Context, dir, root, cache, out string, args ...string) error {
	key, err := toolKey(root)
	if err != nil {
		return err
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	cmd := run.Command(ctx, filepath.Join(abs, "bin", "go"), slices.Concat([]string{"build", "-buildvcs=false", "-o", out}, args, []string{"./ci/fuzz/interp"})...)
	cmd.Dir = dir
	cmd.Env = goroot.Environ("GOROOT="+abs, "GOCACHE="+filepath.Join(cache, "gocache", "fuzz-"+key), "CGO_ENABLED=1", "GOWORK=off")
	for _, k := range []string{"GOOS", "GOARCH", "CC", "GOFLAGS", "GOEXPERIMENT", "GOPROXY", "GOMODCACHE", "GOPATH"} {
		if v, ok := os.LookupEnv(k); ok {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
	}
	if b, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, b)
	}
	return nil
}

// toolKey names the toolchain at root by the bytes of what compiles.
func toolKey(root string) (string, error) {
	tools, err := filepath.Glob(filepath.Join(root, "pkg", "tool", "*", "*"))
	if err != nil {
		return "", err
	}
	var k store.Key
	for _, f := range append(tools, filepath.Join(root, "VERSION"), filepath.Join(root, "bin", "go")) {
		if err := k.AddFile(filepath.Base(f), f); err != nil {
			return "", fmt.Errorf("%s is not a GOROOT: %w", root, err)
		}
	}
	return k.String()[:16], nil
}
