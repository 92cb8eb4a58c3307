package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gocoro/build/hint"
	"gocoro/ci/record"
)

// tests records the tests of an attempt that is not a go command.
type tests struct {
	Log io.Writer // the attempt's standard error

	whole context.Context // of the run
	ctx   context.Context // of the attempt, with its time limit
	ev    *events
	last  time.Time
}

// run runs a test, which fails if it returns why. Its time is the time since the
// test before. If the attempt's time is up, or the run is stopped, neither this
// test nor those after it have a result.
func (t *tests) run(name string, test func() (why string)) {
	if t.ctx.Err() != nil {
		return
	}
	why := test()
	switch {
	case t.whole.Err() != nil:
		return
	case t.ctx.Err() != nil:
		t.ev.begin(name, why)
		return
	}
	t.ev.test(name, why, time.Since(t.last))
	t.last = time.Now()
}

// asTests calls do as an attempt of the cell, and records the tests that it runs
// as "go test -json" would. A limit of 0 means no limit. The error of do is one of
// the CI itself.
func asTests(ctx context.Context, limit time.Duration, cell *record.Cell, a record.Attempt, do func(context.Context, *tests) error) error {
	limited, cancel := context.WithCancel(ctx)
	if limit > 0 {
		limited, cancel = context.WithTimeout(ctx, limit)
	}
	defer cancel()
	out, err := cell.Attempt(a)
	if err != nil {
		return err
	}
	t := &tests{Log: out.Stderr, whole: ctx, ctx: limited, ev: newEvents(out.Stdout, packageOf(cell.Suite)), last: time.Now()}
	err = do(limited, t)
	if limited.Err() != nil || err != nil {
		return errors.Join(err, out.End(-1, "", ctx.Err() == nil && limited.Err() != nil), ctx.Err())
	}
	return out.End(t.ev.end(), "", false)
}

// text returns the text of an error, or "" if err is nil.
func text(err error) string {
	if err != nil {
		return hint.Text(err)
	}
	return ""
}

// events writes results that do not come from a go command as "go test -json"
// would, so that package verdict can judge all results alike.
type events struct {
	enc    *json.Encoder
	pkg    string
	failed bool
}

func newEvents(w io.Writer, pkg string) *events {
	e := &events{enc: json.NewEncoder(w), pkg: pkg}
	e.emit("start", "", "")
	return e
}

// emit writes one event. The file remembers a failed write.
func (e *events) emit(action, test, output string) {
	e.enc.Encode(struct {
		Action  string
		Package string
		Test    string `json:",omitempty"`
		Output  string `json:",omitempty"`
	}{action, e.pkg, test, output})
}

// test writes the events of a test, which failed if why is not empty.
func (e *events) test(name, why string, elapsed time.Duration) {
	result := "pass"
	if why != "" {
		result, e.failed = "fail", true
	}
	e.begin(name, why)
	e.emit("output", name, fmt.Sprintf("--- %s: %s (%.2fs)\n", strings.ToUpper(result), name, elapsed.Seconds()))
	e.emit(result, name, "")
}

// begin writes the events of a test that has begun, and its output.
func (e *events) begin(name, output string) {
	e.emit("run", name, "")
	e.emit("output", name, "=== RUN   "+name+"\n")
	if output != "" {
		for _, l := range strings.Split(strings.TrimRight(output, "\n"), "\n") {
			e.emit("output", name, "    "+l+"\n")
		}
	}
}

// end writes the package's result and returns the exit status that goes with it.
func (e *events) end() (exit int) {
	result := "pass"
	if e.failed {
		result, exit = "fail", 1
	}
	e.emit("output", "", strings.ToUpper(result)+"\n")
	e.emit(result, "", "")
	return exit
}
