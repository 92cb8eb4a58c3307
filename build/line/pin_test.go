package line

import (
	"strings"
	"testing"
)

const goodPin = `
# A comment.
upstream  go1.22.12
revision  3
time      2026-11-23T12:00:00Z # another
bootstrap go1.20.6
overlay   go1.22
overlay   common
module    linux/amd64 h1:Hdh4VJAlDWzMnhKpqDwqJJr+sE7NgsJ86dyR4wrv2oY=
module    plan9/386   h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
tarball   012a7e1f37f362c0918c1dfa3334458ac2da1628c4b9cf4d9ca02db986e17d71
commit    0123456789abcdef0123456789abcdef01234567
`

func TestParsePin(t *testing.T) {
	p, err := ParsePin("pin", []byte(goodPin))
	if err != nil {
		t.Fatal(err)
	}
	l := &Line{Name: "go1.22", Pin: p}
	if got, want := l.VERSION(), "go1.22.12-coro3\ntime 2026-11-23T12:00:00Z\n"; got != want {
		t.Errorf("VERSION = %q, want %q", got, want)
	}
	if len(p.Modules) != 2 || len(p.Overlays) != 2 || p.Tarball == "" || p.Commit == "" {
		t.Errorf("facts are missing: %+v", p)
	}
}

// Each case changes one text of the good pin and names what the error must say.
func TestParsePinErrors(t *testing.T) {
	for _, tt := range []struct{ old, new, want string }{
		{"upstream  go1.22.12", "", `pin: the line "upstream ..." is missing`},
		{"revision  3", "", `pin: the line "revision ..." is missing`},
		{"time      2026-11-23T12:00:00Z", "", `pin: the line "time ..." is missing`},
		{"bootstrap go1.20.6", "", `pin: the line "bootstrap ..." is missing`},
		{"go1.22.12", "1.22.12", `pin:3: upstream "1.22.12" is not a Go release`},
		{"go1.22.12", "go1.22.12-coro1", `pin:3: upstream "go1.22.12-coro1" is not a Go release`},
		{"revision  3", "revision 0", `pin:4: revision "0" is not a positive number`},
		{"revision  3", "revision", `pin:4: revision wants 1 value(s), has 0`},
		{"revision  3", "revision 3\nrevision 4", `pin:5: revision is given twice`},
		{"revision  3", "revison 3", `pin:4: unknown key "revison": want upstream,`},
		{"12:00:00Z", "12:00:00+01:00", `pin:5: time `},
		{"go1.20.6", "1.20", `pin:6: bootstrap "1.20" is not a Go version`},
		{"common", "../..", `pin:8: overlay "../.." is not the name of a directory`},
		{"linux/amd64", "linux", `pin:9: module platform "linux" is not of the form os/arch`},
		{"h1:H", "H", `pin:9: module hash`},
		{"h1:AAAA", "h1:AAA", `pin:10: module hash`},
		{"plan9/386", "linux/amd64", `pin:10: module linux/amd64 is given twice`},
		{"012a7e", "12a7e", `pin:11: tarball`},
		{"0123456789abcdef", "0123456789abcde", `pin:12: commit`},
	} {
		text := strings.Replace(goodPin, tt.old, tt.new, 1)
		_, err := ParsePin("pin", []byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q for %q: error %v, want %s...", tt.new, tt.old, err, tt.want)
		}
	}
}

func TestVersionTime(t *testing.T) {
	for _, tc := range []struct{ name, text, want, err string }{
		{"release", "go1.27.4\ntime 2026-11-04T17:28:06Z\n", "2026-11-04T17:28:06Z", ""},
		{"more lines", "go1.27.4\nx y\ntime 2026-11-04T17:28:06Z", "2026-11-04T17:28:06Z", ""},
		{"before Go 1.21", "go1.20.14", "", "no line"},
		{"not UTC", "go1.27.4\ntime 2026-11-04T17:28:06+01:00\n", "", "want the form"},
		{"empty", "", "", "no line"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := VersionTime([]byte(tc.text))
			if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("got %q, %v, want %q, error with %q", got, err, tc.want, tc.err)
			}
		})
	}
}
