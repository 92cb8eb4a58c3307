// Package env defines the ways to a released toolchain, the routes, and prints
// the settings that each one needs, in the language of a shell.
package env

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"gocoro/build/hint"
	"gocoro/build/run"
	"gocoro/build/sumdb"
)

// A Setting is one environment variable.
type Setting struct {
	Name  string
	Value string
	Why   string // one line, shown as a comment

	// Prepend adds Value, a directory, at the beginning of a list such as PATH,
	// and Append at its end.
	Prepend, Append bool

	// Unset removes the variable; there is no Value.
	Unset bool
}

// Path returns the settings of the PATH route: the go command finds the link
// called name in the directory bin.
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
		{Name: "GOROOT", Unset: true, Why: "it would name another toolchain's files"},
		{Name: "GOTOOLCHAIN", Value: "local", Why: "and stays it, whatever a go.mod says"},
	}
}

// Module returns the settings with which the go command downloads the toolchain
// called name from the proxy in the release directory at url. key is the public key
// of the directory's checksum database. A directory at a file:// URL can do without
// one. others is the GOPROXY for all other modules.
//
// The go command checks toolchains against a checksum database whatever
// GONOSUMDB says, unless GOPROXY is one file:// URL: see useSumDB in its
// internal/modfetch.
func Module(name, url, key, others string) ([]Setting, error) {
	proxy := strings.TrimSuffix(url, "/") + "/proxy"
	use := Setting{Name: "GOTOOLCHAIN", Value: name, Why: "the go command downloads and becomes " + name}
	switch {
	case !strings.Contains(url, "://") || strings.ContainsAny(url, ",| "):
		return nil, fmt.Errorf("-url %q is not a URL such as https://dl.example.org/gocoro or file:///srv/gocoro", url)
	case key != "":
		if err := sumdb.CheckPublic(key); err != nil {
			return nil, fmt.Errorf("-key: %w", err)
		}
		return []Setting{
			{Name: "GOPROXY", Value: proxy + "," + others, Why: "where the toolchain's module is, then all others"},
			{Name: "GOSUMDB", Value: key, Why: "who vouches for the toolchain; it knows no other module, whose hashes must be in go.sum"},
			use,
		}, nil
	case !strings.HasPrefix(url, "file://"):
		return nil, hint.Add(fmt.Errorf("the go command asks a checksum database for every toolchain that comes from %s, and the public one does not know this one", url), "give the public key of the release directory's own: -key NAME+HASH+KEY")
	}
	return []Setting{
		{Name: "GOPROXY", Value: proxy, Why: "where the toolchain's module is; it must be the only proxy"},
		{Name: "GONOSUMDB", Value: "golang.org/toolchain", Why: "nobody vouches for what is in that directory"},
		use,
	}, nil
}

// Shells lists the languages that Print supports.
const Shells = "sh (or bash, zsh, dash, ksh: the same), fish, github"

// Print writes the settings as commands for a shell: "sh" (or the name of another
// POSIX shell), "fish", or "github" for a step of a GitHub workflow, which passes
// settings to later steps through two files.
func Print(w io.Writer, shell string, settings []Setting) error {
	var line func(Setting) string
	switch shell {
	case "sh", "bash", "zsh", "dash", "ksh":
		line = func(s Setting) string {
			v := run.SingleQuote(s.Value, `'\''`)
			switch {
			case s.Unset:
				return "unset " + s.Name
			case s.Prepend:
				v += `":$` + s.Name + `"`
			case s.Append:
				v = `"$` + s.Name + `:"` + v
			}
			return "export " + s.Name + "=" + v
		}
	case "fish":
		line = func(s Setting) string {
			v := run.SingleQuote(strings.ReplaceAll(s.Value, `\`, `\\`), `\'`)
			switch {
			case s.Unset:
				return "set -e " + s.Name
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
				return "echo " + run.SingleQuote(s.Value, `'\''`) + ` >>"$GITHUB_` + s.Name + `"`
			}
			// A workflow cannot unset a variable for its steps, but the go command
			// takes an empty variable for one that is not set.
			return "echo " + run.SingleQuote(s.Name+"="+s.Value, `'\''`) + ` >>"$GITHUB_ENV"`
		}
	default:
		return hint.Add(fmt.Errorf("unknown -shell %q: want %s", shell, Shells), "most shells take the words of sh: go run ./build env -shell sh")
	}
	for _, s := range settings {
		if strings.ContainsAny(s.Value, "\n\r") {
			return hint.Add(fmt.Errorf("%s=%q holds a line break, which no setting may", s.Name, s.Value), "choose another directory")
		}
		if (s.Prepend || s.Append) && strings.Contains(s.Value, ":") {
			return hint.Add(fmt.Errorf("%q holds a colon, which separates the entries of %s", s.Value, s.Name), "choose another directory")
		}
		if _, err := fmt.Fprintf(w, "# %s\n%s\n", s.Why, line(s)); err != nil {
			return err
		}
	}
	return nil
}
