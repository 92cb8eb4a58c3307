// Package hint adds to an error what its reader can do about it.
package hint

import (
	"fmt"
	"strings"
)

// An Error is an error with a hint. The hint is not part of the text of the error,
// which others can wrap.
type Error struct {
	Err  error
	Hint string // the next command, or what to change; one line or more
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Add returns err with a hint, after the hints that it already has. errors.As finds
// the last one, and Of returns all of them.
func Add(err error, format string, args ...any) error {
	return &Error{err, fmt.Sprintf(format, args...)}
}

// Of returns the hints of err and of the errors that it wraps, in the order in
// which they were added.
func Of(err error) []string {
	var hints []string
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		hints = Of(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, e := range e.Unwrap() {
			hints = append(hints, Of(e)...)
		}
	}
	if e, ok := err.(*Error); ok {
		hints = append(hints, e.Hint)
	}
	return hints
}

// Text returns what to print for err: its text, and below it the lines of its
// hints, indented.
func Text(err error) string {
	text := err.Error()
	for _, h := range Of(err) {
		text += "\n\t" + strings.ReplaceAll(h, "\n", "\n\t")
	}
	return text
}
