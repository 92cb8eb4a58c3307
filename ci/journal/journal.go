// Package journal records what a run of the CI did, and when. It writes each step
// to disk when the step begins and again when it ends, so that a killed run shows
// what it was doing, and a report can show where the time went.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gocoro/build/hint"
)

// File is the name of the journal in a directory of records.
const File = "journal.jsonl"

// A Span is one step of a lane.
type Span struct {
	Lane   int       // from 1
	Step   string    // what kind of step it is: "test", "make"
	What   string    // what it is about: a cell, a release
	Start  time.Time // UTC
	End    time.Time // zero of a step that the run was killed in
	Failed bool
}

// An entry is a line of the file. A step has two, of the same number.
type entry struct {
	N      int       `json:"n"`
	Time   time.Time `json:"time"`
	Lane   int       `json:"lane,omitempty"`
	Step   string    `json:"step,omitempty"`
	What   string    `json:"what,omitempty"`
	End    bool      `json:"end,omitempty"`
	Failed bool      `json:"failed,omitempty"`
}

// A Writer writes a journal. Its methods may be called by several lanes at a
// time; the first error is kept for Close.
type Writer struct {
	mu  sync.Mutex
	f   *os.File
	n   int
	err error
}

// Create begins the journal of a run in the directory of its records. One that
// is there already is an error.
func Create(dir string) (*Writer, error) {
	f, err := os.OpenFile(filepath.Join(dir, File), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o666)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("journal: %w", err), "use a new directory: -results DIR")
	}
	return &Writer{f: f}, nil
}

// Begin records that a lane begins a step. The caller calls end when the step
// is over, once.
func (w *Writer) Begin(lane int, step, what string) (end func(ok bool)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
	n := w.n
	w.write(entry{N: n, Lane: lane, Step: step, What: what})
	return func(ok bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.write(entry{N: n, End: true, Failed: !ok})
	}
}

// write appends a line in one call, so that a kill cuts at most the last one.
func (w *Writer) write(e entry) {
	if w.err != nil {
		return
	}
	e.Time = time.Now().UTC().Round(time.Millisecond)
	data, err := json.Marshal(e)
	if err == nil {
		_, err = w.f.Write(append(data, '\n'))
	}
	w.err = err
}

// Close ends the journal. It returns the first error of any write.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.err, w.f.Close())
}

// Read returns the spans of the journal in a directory of records, in the
// order of their starts. Without a journal there are none.
func Read(dir string) ([]Span, error) {
	data, err := os.ReadFile(filepath.Join(dir, File))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var spans []Span
	index := map[int]int{}
	for i, line := range bytes.SplitAfter(data, []byte("\n")) {
		if len(line) == 0 || line[len(line)-1] != '\n' {
			continue // the run was killed while it wrote this
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("%s:%d: %v", filepath.Join(dir, File), i+1, err)
		}
		at, begun := index[e.N]
		switch {
		case !begun && !e.End:
			index[e.N] = len(spans)
			spans = append(spans, Span{Lane: e.Lane, Step: e.Step, What: e.What, Start: e.Time})
		case begun && e.End && spans[at].End.IsZero():
			spans[at].End, spans[at].Failed = e.Time, e.Failed
		default:
			return nil, fmt.Errorf("%s:%d: step %d begins twice or ends without a beginning", filepath.Join(dir, File), i+1, e.N)
		}
	}
	return spans, nil
}
