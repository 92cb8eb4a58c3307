package hint

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

// Hints come after the whole text, however the errors were wrapped, in the order
// in which they were added.
func TestText(t *testing.T) {
	inner := Add(fs.ErrNotExist, "make %s", "it")
	for _, tc := range []struct {
		err  error
		want string
	}{
		{fs.ErrExist, "file already exists"},
		{inner, "file does not exist\n\tmake it"},
		{fmt.Errorf("%w (here)", inner), "file does not exist (here)\n\tmake it"},
		{Add(fmt.Errorf("tree: %w", inner), "or leave it,\nand go"), "tree: file does not exist\n\tmake it\n\tor leave it,\n\tand go"},
		{errors.Join(inner, Add(errors.New("no space"), "make some")), "file does not exist\nno space\n\tmake it\n\tmake some"},
	} {
		if got := Text(tc.err); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
	if err := Add(inner, "leave it"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got an error that is not the one inside: %v", err)
	}
	var e *Error
	if err := fmt.Errorf("tree: %w", Add(inner, "leave it")); !errors.As(err, &e) || e.Hint != "leave it" {
		t.Errorf("got %v, want the hint that was added last", e)
	}
}
