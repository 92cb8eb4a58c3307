package line

import (
	"go/version"
	"testing"
)

func TestParseName(t *testing.T) {
	for _, tc := range []struct {
		name     string
		upstream string
		revision int
		ok, old  bool
	}{
		{name: "go1.27.4-coro1", upstream: "go1.27.4", revision: 1, ok: true},
		{name: "go1.27.4-coro12", upstream: "go1.27.4", revision: 12, ok: true},
		{name: "go1.28rc1-coro1", upstream: "go1.28rc1", revision: 1, ok: true},
		{name: "go1.27.3-coro.1", upstream: "go1.27.3", revision: 1, ok: true, old: true},
		{name: "go1.27.4"},
		{name: "go1.27.4-coro"},
		{name: "go1.27.4-coro."},
		{name: "go1.27.4-coro..1"},
		{name: "go1.27.4-coro-1"},
		{name: "go1.27.4-coro1+auto"},
		{name: "go1.27.4-coro1/bin"},
		{name: "1.27.4-coro1"},
		{name: "../go1.27.4-coro1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			upstream, revision, ok := ParseName(tc.name)
			if upstream != tc.upstream || revision != tc.revision || ok != tc.ok {
				t.Errorf("ParseName: got %q, %d, %v, want %q, %d, %v", upstream, revision, ok, tc.upstream, tc.revision, tc.ok)
			}
			if got := IsOldName(tc.name); got != tc.old {
				t.Errorf("IsOldName: got %v, want %v", got, tc.old)
			}
		})
	}
}

// The name must be a version to the go command, equal to its upstream, and
// without a dot in its suffix for debuggers.
func TestReleaseName(t *testing.T) {
	got := ReleaseName("go1.27.4", 2)
	if want := "go1.27.4-coro2"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	if !version.IsValid(got) || version.Compare(got, "go1.27.4") != 0 {
		t.Errorf("%s is not equal to go1.27.4 in comparison", got)
	}
	if upstream, revision, ok := ParseName(got); upstream != "go1.27.4" || revision != 2 || !ok || IsOldName(got) {
		t.Errorf("ParseName(%s): got %s, %d, %v", got, upstream, revision, ok)
	}
}
