package runner

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// events writes results that do not come from a go command in the form in
// which "go test -json" would: package verdict judges them all alike.
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

// emit writes one event. A failed write is the file's to remember.
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

// begin writes the events of a test that has begun, and what it said.
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
