package line

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"go/version"
	"strconv"
	"strings"
	"time"
)

// A Pin holds the facts about a line's upstream. Its file has one fact a line,
// a key followed by its values; '#' starts a comment.
//
//	upstream  go1.22.12              the upstream release
//	revision  1                      N of the release <upstream>-coroN
//	time      2025-01-27T19:15:58Z   the release's time, RFC 3339 in UTC
//	bootstrap go1.20.6               the oldest Go that can build the upstream
//	overlay   go1.22                 a directory of src/ (repeatable)
//	module    linux/amd64 h1:...     hash of the golang.org/toolchain module (repeatable)
//	tarball   012a...                SHA-256 of <upstream>.src.tar.gz
//	commit    0123...                git commit of the upstream's tag, for the reader
//
// The time of revision 1 is the one in upstream's own VERSION file, so that the
// same move always makes the same release. The time of a later revision is the day
// of its change, as in 2026-12-01T00:00:00Z.
//
// tarball, commit and any platform's module may be absent. A source without a hash
// here is checked in another way or refused, and never trusted.
type Pin struct {
	File      string // the pin's own path, for messages
	Upstream  string
	Revision  int
	Time      string
	Bootstrap string
	Overlays  []string
	Modules   map[string]string // "linux/amd64" -> "h1:..."
	Tarball   string
	Commit    string
}

// ParsePin parses the text of a pin file. The file name is for messages.
func ParsePin(file string, data []byte) (*Pin, error) {
	p := &Pin{File: file, Modules: map[string]string{}}
	seen := map[string]bool{}
	for i, raw := range bytes.Split(data, []byte("\n")) {
		text, _, _ := strings.Cut(string(raw), "#")
		f := strings.Fields(text)
		if len(f) == 0 {
			continue
		}
		fail := func(format string, args ...any) error {
			return fmt.Errorf("%s:%d: %s", file, i+1, fmt.Sprintf(format, args...))
		}
		key, vals := f[0], f[1:]
		want := 1
		if key == "module" {
			want = 2
		}
		if len(vals) != want {
			return nil, fail("%s wants %d value(s), has %d", key, want, len(vals))
		}
		if key != "module" && key != "overlay" {
			if seen[key] {
				return nil, fail("%s is given twice", key)
			}
			seen[key] = true
		}
		v := vals[0]
		switch key {
		default:
			return nil, fail("unknown key %q: want upstream, revision, time, bootstrap, overlay, module, tarball or commit", key)
		case "upstream":
			if !version.IsValid(v) || strings.Contains(v, "-") {
				return nil, fail("upstream %q is not a Go release name such as go1.22.12", v)
			}
			p.Upstream = v
		case "revision":
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 {
				return nil, fail("revision %q is not a positive number", v)
			}
			p.Revision = n
		case "time":
			if t, err := time.Parse(time.RFC3339, v); err != nil || t.Location() != time.UTC {
				return nil, fail("time %q is not of the form 2006-01-02T15:04:05Z", v)
			}
			p.Time = v
		case "bootstrap":
			if !version.IsValid(v) {
				return nil, fail("bootstrap %q is not a Go version", v)
			}
			p.Bootstrap = v
		case "overlay":
			if strings.ContainsAny(v, `/\`) || v == "." || v == ".." {
				return nil, fail("overlay %q is not the name of a directory in src/", v)
			}
			p.Overlays = append(p.Overlays, v)
		case "module":
			h := vals[1]
			if goos, goarch, ok := strings.Cut(v, "/"); !ok || goos == "" || goarch == "" {
				return nil, fail("module platform %q is not of the form os/arch", v)
			}
			if b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(h, "h1:")); err != nil || len(b) != 32 || !strings.HasPrefix(h, "h1:") {
				return nil, fail("module hash %q is not an h1 hash", h)
			}
			if p.Modules[v] != "" {
				return nil, fail("module %s is given twice", v)
			}
			p.Modules[v] = h
		case "tarball":
			if b, err := hex.DecodeString(v); err != nil || len(b) != 32 {
				return nil, fail("tarball %q is not a SHA-256 in hexadecimal", v)
			}
			p.Tarball = v
		case "commit":
			if b, err := hex.DecodeString(v); err != nil || len(b) != 20 {
				return nil, fail("commit %q is not a full git commit id", v)
			}
			p.Commit = v
		}
	}
	for key, ok := range map[string]bool{
		"upstream": p.Upstream != "", "revision": p.Revision != 0,
		"time": p.Time != "", "bootstrap": p.Bootstrap != "",
	} {
		if !ok {
			return nil, fmt.Errorf("%s: the line %q is missing", file, key+" ...")
		}
	}
	return p, nil
}

// VersionTime returns the time in the text of an upstream's VERSION file, which
// the releases since Go 1.21 have.
func VersionTime(text []byte) (string, error) {
	for _, l := range strings.Split(string(text), "\n")[1:] {
		if v, ok := strings.CutPrefix(l, "time "); ok {
			if t, err := time.Parse(time.RFC3339, v); err != nil || t.Location() != time.UTC {
				return "", fmt.Errorf("VERSION has the time %q, want the form 2006-01-02T15:04:05Z", v)
			}
			return v, nil
		}
	}
	return "", fmt.Errorf("VERSION has no line \"time ...\": %q", text)
}
