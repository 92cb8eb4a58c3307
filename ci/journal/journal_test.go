package journal

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// write makes a journal with a step that ended, one that failed, and one that
// was under way when the run was killed. It returns the directory.
func write(t *testing.T) string {
	dir := t.TempDir()
	w, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	endMake := w.Begin(1, "make", "go1.27")
	endTest := w.Begin(2, "test", "go1.27/coro")
	endTest(false)
	endMake(true)
	w.Begin(1, "test", "go1.27/std")
	return dir // Close is not called: a kill does not, either
}

func words(spans []Span) []string {
	var words []string
	for _, s := range spans {
		state := "ok"
		if s.End.IsZero() {
			state = "open"
		} else if s.Failed {
			state = "failed"
		}
		words = append(words, s.Step+" "+s.What+" "+state)
	}
	return words
}

func TestRead(t *testing.T) {
	spans, err := Read(write(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"make go1.27 ok", "test go1.27/coro failed", "test go1.27/std open"}
	if got := words(spans); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if spans[0].Lane != 1 || spans[1].Lane != 2 {
		t.Errorf("lanes: got %d, %d, want 1, 2", spans[0].Lane, spans[1].Lane)
	}
}

// Wherever a kill cuts the file, what was written before can be read.
func TestReadCut(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(write(t), File))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i := range data {
		if err := os.WriteFile(filepath.Join(dir, File), data[:i], 0o666); err != nil {
			t.Fatal(err)
		}
		spans, err := Read(dir)
		if err != nil {
			t.Fatalf("cut at %d: %v", i, err)
		}
		if got, want := len(spans), strings.Count(string(data[:i]), "\n"); got > want {
			t.Errorf("cut at %d: got %d spans of %d lines", i, got, want)
		}
	}
}

func TestReadErrors(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"not JSON", "{\n", "journal.jsonl:1: "},
		{"end without beginning", `{"n":1,"end":true}` + "\n", "ends without a beginning"},
		{"two ends", `{"n":1}` + "\n" + `{"n":1,"end":true,"time":"2026-11-27T04:00:00Z"}` + "\n" + `{"n":1,"end":true}` + "\n", ":3: step 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, File), []byte(tc.text), 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	t.Run("no journal", func(t *testing.T) {
		if spans, err := Read(t.TempDir()); spans != nil || err != nil {
			t.Errorf("got %v, %v, want nothing", spans, err)
		}
	})
	t.Run("there already", func(t *testing.T) {
		if _, err := Create(write(t)); err == nil {
			t.Error("a second journal in the same directory: got no error")
		}
	})
}
