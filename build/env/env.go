// Package env knows the ways to a released toolchain, the routes, and prints
// the settings that each one needs in the language of a shell.
package env

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// A Setting is one environment variable.
type Setting struct {
	Name  string
	Value string
	Why   string // one line, shown as a comment

	// Prepend adds Value, a folder, in front of a list such as PATH, and
	// Append behind it.
	Prepend, Append bool
}

// Path returns the settings of the PATH route: the go command finds the link
// called name in the folder bin.
func Path(name, bin string) []Setting {
	return []Setting{
		{Name: "PATH", Value: bin, Append: true, Why: "where the link " + name + " is"},
		{Name: "GOTOOLCHAIN", Value: name, Why: "the go command becomes " + name},
	}
}

// Unpacked returns the settings for a release archive unpacked at goroot.
func Unpacked(goroot string) []Setting {
	return []Setting{
		{Name: "PATH", Value: filepath.Join(goroot, "bin"), Prepend: true, Why: "the unpacked toolchain is the go command"},
		{Name: "GOTOOLCHAIN", Value: "local", Why: "and stays it, whatever a go.mod says"},
	}
}

// Shells lists the languages that Print knows.
var Shells = []string{"sh", "fish", "github"}

// Print writes the settings as commands for a shell: "sh" (any POSIX shell),
// "fish", or "github" for a step of a GitHub workflow, which hands settings on
// to the steps after it through two files.
func Print(w io.Writer, shell string, settings []Setting) error {
	var line func(Setting) string
	switch shell {
	case "sh":
		line = func(s Setting) string {
			v := quote(s.Value, `'\''`)
			switch {
			case s.Prepend:
				v += `":$` + s.Name + `"`
			case s.Append:
				v = `"$` + s.Name + `:"` + v
			}
			return "export " + s.Name + "=" + v
		}
	case "fish":
		line = func(s Setting) string {
			v := quote(strings.ReplaceAll(s.Value, `\`, `\\`), `\'`)
			switch {
			case s.Prepend:
				v += " $" + s.Name
			case s.Append:
				v = "$" + s.Name + " " + v
			}
			return "set -gx " + s.Name + " " + v
		}
	case "github":
		line = func(s Setting) string {
			if s.Prepend || s.Append {
				return "echo " + quote(s.Value, `'\''`) + ` >>"$GITHUB_` + s.Name + `"`
			}
			return "echo " + quote(s.Name+"="+s.Value, `'\''`) + ` >>"$GITHUB_ENV"`
		}
	default:
		return fmt.Errorf("unknown -shell %q: want %s", shell, strings.Join(Shells, ", "))
	}
	for _, s := range settings {
		if strings.ContainsAny(s.Value, "\n\r") {
			return fmt.Errorf("%s=%q holds a line break, which no setting may", s.Name, s.Value)
		}
		if _, err := fmt.Fprintf(w, "# %s\n%s\n", s.Why, line(s)); err != nil {
			return err
		}
	}
	return nil
}

// quote returns s in single quotes, with those that it holds written as esc.
func quote(s, esc string) string {
	return "'" + strings.ReplaceAll(s, "'", esc) + "'"
}
