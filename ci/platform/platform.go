// Package platform defines the platforms that gocoro supports, and runs the
// programs of each on the machine at hand.
//
// There are four methods:
//
//   - native: the host is the target. Nothing stands between.
//   - qemu-user: linux/arm64 programs run on a linux/amd64 kernel, each in
//     a qemu process. The go command and the compiler are amd64 programs and
//     run at full speed; the test binary is an arm64 program, and what it
//     builds and executes is one too. See [Method.Command] for how a program
//     comes to be emulated without a change to the machine.
//   - qemu-system: linux/arm64 programs run under an arm64 kernel in a
//     virtual machine. There is no go command in it: programs are built
//     outside and run by [gocoro/ci/platform/system].
//   - cross: the target's programs cannot be executed here at all. They are
//     compiled, linked and vetted ([Method.CrossSteps]), and the outcome is
//     [verdict.BuiltNotRun]; it must never be shown as passed.
//
// Emulation is a test of the code generated for arm64 and of the runtime's
// arm64 assembly. It is no test of arm64's weak memory order.
package platform

import (
	"fmt"
	"runtime"
	"strings"
)

// A Platform is an operating system and an architecture, in Go's words.
type Platform struct {
	OS, Arch string
}

// All is every platform that gocoro supports, in the order reports show them.
var All = []Platform{
	{"linux", "amd64"},
	{"linux", "arm64"},
	{"darwin", "amd64"},
	{"darwin", "arm64"},
}

// String returns the platform as "linux/amd64".
func (p Platform) String() string { return p.OS + "/" + p.Arch }

// Host is the platform this program runs on. It need not be one of All.
func Host() Platform { return Platform{runtime.GOOS, runtime.GOARCH} }

// Parse reads a platform of All, written as "linux/amd64".
func Parse(s string) (Platform, error) {
	var names []string
	for _, p := range All {
		if p.String() == s {
			return p, nil
		}
		names = append(names, p.String())
	}
	return Platform{}, fmt.Errorf("platform %q: expected one of %s", s, strings.Join(names, ", "))
}

// A Kind is one of the four ways in which programs of a platform are run.
type Kind string

const (
	Native     Kind = "native"
	QemuUser   Kind = "qemu-user"
	QemuSystem Kind = "qemu-system"
	Cross      Kind = "cross"
)

// A Method is how programs of Target are run on Host.
type Method struct {
	Kind   Kind
	Host   Platform
	Target Platform
}

// String returns the method as "linux/arm64 by qemu-user".
func (m Method) String() string { return m.Target.String() + " by " + string(m.Kind) }

// emulated has the ways to run programs of a target that is not the host, the
// preferred one first.
var emulated = []Method{
	{QemuUser, Platform{"linux", "amd64"}, Platform{"linux", "arm64"}},
	{QemuSystem, Platform{"linux", "amd64"}, Platform{"linux", "arm64"}},
}

// Methods returns the ways in which programs of target are run on host, the
// preferred one first. There is at least one, since everything can be cross-built.
// The target must be one of All.
func Methods(host, target Platform) ([]Method, error) {
	if _, err := Parse(target.String()); err != nil {
		return nil, err
	}
	if host == target {
		return []Method{{Native, host, target}}, nil
	}
	var ways []Method
	for _, m := range emulated {
		if m.Host == host && m.Target == target {
			ways = append(ways, m)
		}
	}
	if ways == nil {
		ways = []Method{{Cross, host, target}}
	}
	return ways, nil
}

// GoTest reports whether "go test" executes the tests it builds under this
// method. Where it does not, programs are run by package system (qemu-system)
// or not at all (cross).
func (m Method) GoTest() bool { return m.Kind == Native || m.Kind == QemuUser }
