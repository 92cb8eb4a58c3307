package line

import (
	"fmt"
	"go/version"
	"strconv"
	"strings"
)

// ReleaseName returns the name of a release: <upstream>-coro<revision>.
//
// It is valid for go/version, which ignores the suffix when it compares versions.
// The suffix has no dot: Delve's goversion.Parse splits a version at its dots and
// takes go1.27.3-coro.1 for go0.0, which it refuses as too old.
func ReleaseName(upstream string, revision int) string {
	return fmt.Sprintf("%s-coro%d", upstream, revision)
}

// ParseName returns the upstream and the revision of a release's name. It also
// accepts the first form of the names, <upstream>-coro.<revision>, to recognize
// toolchains that were installed under such names.
func ParseName(name string) (upstream string, revision int, ok bool) {
	upstream, suffix, ok := strings.Cut(name, "-coro")
	if !ok || !version.IsValid(upstream) {
		return "", 0, false
	}
	digits := strings.TrimPrefix(suffix, ".")
	revision, err := strconv.Atoi(digits)
	if err != nil || strings.Trim(digits, "0123456789") != "" {
		return "", 0, false
	}
	return upstream, revision, true
}

// IsName reports whether name is the name of a gocoro release, today's form or
// the first one.
func IsName(name string) bool {
	_, _, ok := ParseName(name)
	return ok
}

// IsOldName reports whether name is a release's name of the first form, which new
// releases do not get.
func IsOldName(name string) bool {
	return IsName(name) && strings.Contains(name, "-coro.")
}
