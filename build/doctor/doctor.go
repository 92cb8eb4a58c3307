// Package doctor finds what would stop a build on a machine, or make a program
// run on another toolchain than its author thinks.
//
// Look gathers facts and Examine judges them. Neither changes anything.
package doctor

import (
	"fmt"
	"go/version"
	"path/filepath"
	"slices"
	"strings"

	"gocoro/build/hint"
	"gocoro/build/install"
	"gocoro/build/line"
	"gocoro/build/run"
	"gocoro/build/store"
)

// A Level says how bad a finding is.
type Level string

const (
	Fine Level = "ok"   // as it should be
	Note Level = "note" // worth knowing
	Trap Level = "trap" // a program may run on another toolchain than one thinks
	Stop Level = "stop" // a build cannot succeed
)

// A Finding is one thing that was looked at.
type Finding struct {
	Level Level
	Text  string
	Fix   string // the command to type, or empty
}

func (f Finding) String() string {
	s := fmt.Sprintf("%-5s %s", f.Level, f.Text)
	if f.Fix != "" {
		s += "\n      fix: " + f.Fix
	}
	return s
}

// A Go is a go command and what it says.
type Go struct {
	Path    string
	Version string // "go1.26.8"
	Err     error
}

// A Disk is a directory and the space left where it is.
type Disk struct {
	What string // "the build cache"
	Dir  string
	Free int64  // bytes
	Err  error  // why nothing can be written there
	Flag string // how to choose another one
}

// An Install is a toolchain in the directory of installed ones.
type Install struct {
	Name     string
	Linked   bool
	Modified bool
	Damaged  error // why its record cannot be read
}

// A Machine holds the facts.
type Machine struct {
	Pin      *line.Pin
	Release  string   // the line's
	Releases []string // of all lines of this checkout

	// Go is the go command on PATH itself, asked outside of any module and with
	// GOTOOLCHAIN=local. Seen is what it reports in the user's directory.
	Go, Seen Go
	// Hidden is what it would report if the environment did not set GOTOOLCHAIN.
	// It is empty unless the user's go.env file also sets it.
	Hidden Go

	Env map[string]string // GOTOOLCHAIN, GOROOT, ...: of the process
	// Set holds what "go env" says in the user's directory. It combines the
	// environment, the user's go.env file and the GOROOT's.
	Set map[string]string
	// File holds what "go env -w" has written to EnvFile.
	File    map[string]string
	EnvFile string

	Path   []string      // the entries of PATH
	Bin    string        // the directory for links
	OnPath bool          // PATH has it, under this name or another one
	Named  map[string]Go // what PATH has under the release's name, by directory, first on PATH first
	Order  []string      // the directories of Named, in PATH's order

	Dir       string // the directory of the user's module
	GoMod     string // its go.mod, or empty
	GoLine    string // "1.23"
	Toolchain string // "go1.23.4"

	Flags     string // of the commands, that make them mean Root and Bin
	Root      string
	Installed []Install
	Leftovers []install.Leftover // of killed or removed installations
	Tools     map[string]string  // "git" -> path, or empty if it is not there
	Disks     []Disk
	Cache     error // why there is no build cache

	First      string   // the build cache of gocoro's first release, if it is there
	FirstNames []string // what that release made in it
	FirstSize  int64
	Need       int64 // bytes that a build needs in the cache
}

// Bad reports whether a finding should make doctor fail.
func (f Finding) Bad() bool { return f.Level == Trap || f.Level == Stop }

// An adder adds a finding.
type adder func(l Level, fix, format string, args ...any)

// Examine judges the facts, those that stop a build first.
func Examine(m *Machine) []Finding {
	var fs []Finding
	add := func(l Level, fix, format string, args ...any) {
		fs = append(fs, Finding{l, fmt.Sprintf(format, args...), fix})
	}

	// What a build needs.
	switch {
	case m.Go.Err != nil:
		add(Stop, "install Go from https://go.dev/dl and put its bin directory on PATH", "the go command on PATH does not run: %v", m.Go.Err)
	case version.Compare(m.Go.Version, m.Pin.Bootstrap) < 0:
		add(Note, "", "%s (%s) is too old to build %s; the build downloads %s for that", m.Go.Version, m.Go.Path, m.Pin.Upstream, m.Pin.Bootstrap)
	default:
		add(Fine, "", "%s (%s) can build %s", m.Go.Version, m.Go.Path, m.Pin.Upstream)
	}
	for _, t := range []struct{ name, why string }{{"git", "applies the patches"}, {"bash", "runs make.bash"}} {
		if m.Tools[t.name] == "" {
			add(Stop, "install "+t.name, "%s is not on PATH: it %s", t.name, t.why)
		}
	}
	if m.Tools["cc"] == "" {
		add(Note, "install gcc or clang with the C library's headers", "there is no C compiler on PATH: the toolchain builds without one, programs that use cgo do not")
	}
	if m.Cache != nil {
		add(Stop, strings.Join(hint.Of(m.Cache), "\n\t"), "%v", m.Cache)
	}
	for _, d := range m.Disks {
		if d.Err != nil {
			add(Stop, "choose another directory: "+d.Flag, "%s (%s) cannot be written: %v", d.What, d.Dir, d.Err)
		} else if d.Free < m.Need {
			add(Stop, "go run ./build clean, or choose another disk: "+d.Flag, "%s (%s) has %s left; a build needs %s", d.What, d.Dir, megabytes(d.Free), megabytes(m.Need))
		} else {
			add(Fine, "", "%s (%s) has %s left", d.What, d.Dir, megabytes(d.Free))
		}
	}
	if m.Set["GOPROXY"] == "off" {
		add(Note, "unset GOPROXY, or use -source tarball=", "GOPROXY=off: upstream's release can only come from the module cache")
	}

	m.chosen(add)
	m.overrides(add)
	m.module(add)
	m.found(add)
	m.leftovers(add)
	return fs
}

// chosen judges what decides which toolchain runs.
func (m *Machine) chosen(add adder) {
	set, use := m.Set["GOTOOLCHAIN"], m.use()
	from := ""
	switch {
	case m.Env["GOTOOLCHAIN"] != "":
		from = " (from the environment)"
	case m.File["GOTOOLCHAIN"] != "":
		from = " (from " + m.EnvFile + ")"
	}
	if e, f := m.Env["GOTOOLCHAIN"], m.File["GOTOOLCHAIN"]; e != "" && f != "" && e != f {
		if m.Hidden.Err != nil {
			add(Trap, install.Unset, "GOTOOLCHAIN=%s in the environment hides the %s that go env -w wrote to %s, which does not run: without the former every go command fails: %v", e, f, m.EnvFile, m.Hidden.Err)
		} else {
			add(Trap, "unset GOTOOLCHAIN", "GOTOOLCHAIN=%s in the environment hides the %s that go env -w wrote to %s", e, f, m.EnvFile)
		}
	}
	name, mode, plus := strings.Cut(set, "+")
	unset := install.Unset
	if e := m.Env["GOTOOLCHAIN"]; e != "" {
		unset = "unset GOTOOLCHAIN"
		if m.Hidden.Err != nil && m.File["GOTOOLCHAIN"] == e {
			unset += "; " + install.Unset
		}
	}
	switch {
	case line.IsOldName(name):
		build := "go run ./build" + m.Flags + " && "
		switch {
		case m.has(m.Release):
			build = ""
		case m.Seen.Err != nil:
			build = "GOTOOLCHAIN=local " + build
		}
		up, n, _ := line.ParseName(name)
		add(Trap, build+use, "GOTOOLCHAIN=%s%s is the old form of a release's name, with a dot, which debuggers do not recognize as a Go version: it would be %s now, and this checkout makes %s", set, from, line.ReleaseName(up, n), m.Release)
	case plus && line.IsName(name):
		add(Trap, use, "GOTOOLCHAIN=%s%s: +%s silently leaves the fork where a go.mod asks for a newer Go", set, from, mode)
	case line.IsName(name) && !slices.Contains(m.Releases, name):
		add(Trap, use, "GOTOOLCHAIN=%s%s is not a release of this checkout, which has %s", set, from, strings.Join(m.Releases, ", "))
	case line.IsName(name):
		add(Fine, "", "GOTOOLCHAIN=%s%s", set, from)
	case line.IsName(m.Go.Version):
		add(Fine, "", "the go command on PATH is the fork itself: %s", m.Go.Version)
	default:
		add(Note, use, "GOTOOLCHAIN=%s%s: programs are built with %s, not with the fork", set, from, m.Go.Version)
	}
	if line.IsName(name) && !plus {
		switch {
		case m.Seen.Err != nil:
			fix := unset
			if slices.Contains(m.Releases, name) {
				fix = "GOTOOLCHAIN=local go run ./build -line " + name + m.Flags + "  (or " + unset + ")"
			}
			add(Trap, fix, "GOTOOLCHAIN=%s does not run in %s: %v", set, m.Dir, m.Seen.Err)
		case m.Seen.Version != name:
			add(Trap, "find out which: GODEBUG=toolchaintrace=1 go version", "in %s the go command is %s, although GOTOOLCHAIN=%s", m.Dir, m.Seen.Version, set)
		default:
			add(Fine, "", "in %s the go command is %s", m.Dir, m.Seen.Version)
		}
	}
}

// use returns the command that selects the release.
func (m *Machine) use() string {
	if m.Env["GOTOOLCHAIN"] != "" {
		return "export GOTOOLCHAIN=" + m.Release
	}
	return "go env -w GOTOOLCHAIN=" + m.Release
}

// overrides judges the settings that change what a toolchain does.
func (m *Machine) overrides(add adder) {
	if r := m.Env["GOROOT"]; r != "" {
		add(Trap, "unset GOROOT", "GOROOT=%s is set: a go command that is run by its path takes the standard library from there, whatever its own version", r)
	}
	if r := m.File["GOROOT"]; r != "" {
		add(Trap, "go env -u GOROOT", "%s sets GOROOT=%s: every go command takes the standard library from there", m.EnvFile, r)
	}
	for flag := range strings.FieldsSeq(m.Set["GOFLAGS"]) {
		name, _, _ := strings.Cut(strings.TrimLeft(flag, "-"), "=")
		switch name {
		case "toolexec", "overlay", "compiler":
			add(Trap, "unset GOFLAGS, or go env -u GOFLAGS", "GOFLAGS has %s: it replaces the toolchain's tools or files (builds of gocoro itself ignore it)", flag)
		}
	}
	if m.Set["GOSUMDB"] == "off" {
		add(Trap, "unset GOSUMDB, or go env -u GOSUMDB", "GOSUMDB=off: modules are taken from a proxy unchecked, and no toolchain can be downloaded")
	}
	// Settings of the route module that break the download of other modules.
	if db, _, key := strings.Cut(m.Set["GOSUMDB"], "+"); key {
		add(Note, "link the downloaded toolchain (ln -s \"$(go env GOROOT)/bin/go\" "+run.Quote(filepath.Join(m.Bin, m.Release))+"), then unset GOSUMDB, or go env -u GOSUMDB", "GOSUMDB=%s+...: a checksum database of toolchains knows no other module; those that go.sum lacks cannot be downloaded", db)
	}
	if p := m.Set["GOPROXY"]; strings.HasPrefix(p, "file://") && !strings.ContainsAny(p, ",|") {
		add(Note, "link the downloaded toolchain (ln -s \"$(go env GOROOT)/bin/go\" "+run.Quote(filepath.Join(m.Bin, m.Release))+"), then unset GOPROXY, or go env -u GOPROXY", "GOPROXY=%s: no other modules can be downloaded than those in that directory", p)
	}
}

// module judges what the user's go.mod asks for.
func (m *Machine) module(add adder) {
	if m.GoMod == "" {
		return
	}
	// The suffix of a release is ignored in comparison (go/version does so, too).
	if version.Compare("go"+m.GoLine, m.Pin.Upstream) > 0 && m.GoLine != "" {
		add(Trap, "go mod edit -go="+strings.TrimPrefix(version.Lang(m.Pin.Upstream), "go")+" "+run.Quote(m.GoMod), "%s asks for go %s, which is newer than %s: the fork refuses to build it, and a go command with GOTOOLCHAIN=auto leaves the fork", m.GoMod, m.GoLine, m.Release)
	}
	if t := m.Toolchain; line.IsName(t) && m.Go.Version != "" {
		if version.Compare(t, m.Go.Version) > 0 {
			add(Note, "", "%s: its line \"toolchain %s\" is obeyed by %s, unless GOTOOLCHAIN says otherwise", m.GoMod, t, m.Go.Version)
		} else if !line.IsName(m.Set["GOTOOLCHAIN"]) {
			add(Trap, m.use(), "%s: its line \"toolchain %s\" is ignored: %s counts as new enough, since the suffix is ignored in comparison", m.GoMod, t, m.Go.Version)
		}
	}
}

// found judges what PATH has under the release's name.
func (m *Machine) found(add adder) {
	for _, p := range m.Path {
		if p == "" || !filepath.IsAbs(p) {
			add(Note, "take it out of PATH", "PATH has the relative entry %q: the go command runs no toolchain from there", p)
		}
	}
	if m.has(m.Release) && !m.OnPath && len(m.Order) == 0 {
		add(Trap, `export PATH="$PATH":`+run.Quote(m.Bin), "%s is not on PATH, and there the link %s is: GOTOOLCHAIN=%s does not find it", m.Bin, m.Release, m.Release)
	}
	for i, dir := range m.Order {
		g := m.Named[dir]
		file := filepath.Join(dir, m.Release)
		switch {
		case i > 0:
			add(Note, "", "%s is hidden by the one in %s", file, m.Order[0])
		case g.Err != nil:
			add(Trap, "rm "+run.Quote(file)+" && go run ./build"+m.Flags, "%s does not run: %v (a copy of bin/go finds no GOROOT; it must be a link)", file, g.Err)
		case g.Version != m.Release:
			add(Trap, "rm "+run.Quote(file)+" && go run ./build"+m.Flags, "%s is %s: the go command refuses it as %s", file, g.Version, m.Release)
		default:
			add(Fine, "", "%s is %s", file, g.Version)
		}
	}
}

// leftovers judges what earlier installations left.
func (m *Machine) leftovers(add adder) {
	for _, i := range m.Installed {
		uninstall := "go run ./build uninstall" + m.Flags + " "
		if i.Modified || i.Damaged != nil {
			uninstall = "go run ./build uninstall -force" + m.Flags + " "
		}
		switch {
		case i.Damaged != nil && !slices.Contains(m.Releases, i.Name):
			add(Trap, uninstall+i.Name, "%s is damaged: %v", filepath.Join(m.Root, i.Name), i.Damaged)
		case i.Damaged != nil:
			add(Trap, "go run ./build install -replace -line "+i.Name+m.Flags, "%s is damaged: %v", filepath.Join(m.Root, i.Name), i.Damaged)
		case line.IsOldName(i.Name):
			add(Note, uninstall+i.Name, "%s is installed under the old form of a release's name, with a dot, which debuggers do not recognize as a Go version; this checkout makes %s", i.Name, m.Release)
		case i.Modified && slices.Contains(m.Releases, i.Name):
			add(Trap, "go run ./build install -replace -line "+i.Name+m.Flags, "%s was changed after it was installed: what it builds is not what the release builds", filepath.Join(m.Root, i.Name))
		case !slices.Contains(m.Releases, i.Name):
			add(Note, uninstall+i.Name, "%s is installed but is not a release of this checkout", i.Name)
		case !i.Linked:
			add(Trap, "go run ./build -line "+i.Name+m.Flags, "%s is installed, but %s has no link to it", i.Name, m.Bin)
		}
	}
	for _, l := range m.Leftovers {
		add(Note, l.Fix, "%s remains from an installation that was killed or removed", l.Path)
	}
	if m.First != "" {
		add(Note, store.RemoveNames(m.First, m.FirstNames), "%s has %s that the first release of gocoro left in its build cache", m.First, megabytes(m.FirstSize))
	}
}

// has reports whether the release is installed.
func (m *Machine) has(release string) bool {
	return slices.ContainsFunc(m.Installed, func(i Install) bool { return i.Name == release })
}

func megabytes(n int64) string { return fmt.Sprintf("%d MB", n/1e6) }
