package line

import "testing"

// The new pin has the facts of the new upstream, and nothing that was said of
// the old one.
func TestMove(t *testing.T) {
	const old = `# The upstream of line go1.22. build/line documents the format.
upstream  go1.22.12
revision  3
time      2026-11-23T12:00:00Z
bootstrap go1.20.6    # src/make.bash: bootgo
overlay   go1.22

# How the hash was had.
module linux/amd64 h1:Hdh4VJAlDWzMnhKpqDwqJJr+sE7NgsJ86dyR4wrv2oY=

tarball 012a7e1f37f362c0918c1dfa3334458ac2da1628c4b9cf4d9ca02db986e17d71
overlay   more
`
	p, err := ParsePin("pin", []byte(old))
	if err != nil {
		t.Fatal(err)
	}
	to := &Pin{Upstream: "go1.23.1", Revision: 1, Time: "2026-11-24T12:00:00Z", Bootstrap: "go1.21.0",
		Modules: map[string]string{"linux/arm64": "h1:Hdh4VJAlDWzMnhKpqDwqJJr+sE7NgsJ86dyR4wrv2oY="}}
	const want = `# The upstream of line go1.23. build/line documents the format.
upstream  go1.23.1
revision  1
time      2026-11-24T12:00:00Z
bootstrap go1.21.0    # src/make.bash: bootgo
`
	const hashes = `
# Hashes of golang.org/toolchain@v0.0.1-go1.23.1.<os>-<arch>, as the checksum
# database has them. Other hosts are checked against the database itself.
module linux/arm64 h1:Hdh4VJAlDWzMnhKpqDwqJJr+sE7NgsJ86dyR4wrv2oY=
`
	for _, tt := range []struct {
		overlays []string
		lines    string
	}{
		{nil, "overlay   go1.22\noverlay   more\n"},
		{[]string{"x"}, "overlay   x\n"},
		{[]string{}, ""},
	} {
		got := string(p.Move([]byte(old), to, tt.overlays))
		if got != want+tt.lines+hashes {
			t.Errorf("overlays %q: got\n%s\nwant\n%s", tt.overlays, got, want+tt.lines+hashes)
		}
		if _, err := ParsePin("pin", []byte(got)); err != nil {
			t.Error(err)
		}
	}
}
