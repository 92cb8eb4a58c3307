package doctor

import (
	"errors"
	"strings"
	"testing"

	"gocoro/build/hint"
	"gocoro/build/install"
	"gocoro/build/line"
)

const release = "go1.22.12-coro1"

// healthy returns a machine without problems.
func healthy() *Machine {
	return &Machine{
		Pin:       &line.Pin{Upstream: "go1.22.12", Bootstrap: "go1.20.6"},
		Release:   release,
		Releases:  []string{release},
		Go:        Go{Path: "/usr/bin/go", Version: "go1.26.8"},
		Seen:      Go{Path: "/usr/bin/go", Version: release},
		Env:       map[string]string{},
		Set:       map[string]string{"GOTOOLCHAIN": release, "GOPROXY": "https://proxy.example.org,direct", "GOSUMDB": "sum.golang.org"},
		File:      map[string]string{"GOTOOLCHAIN": release},
		EnvFile:   "/home/u/.config/go/env",
		Path:      []string{"/usr/bin", "/home/u/go/bin"},
		Bin:       "/home/u/go/bin",
		OnPath:    true,
		Named:     map[string]Go{"/home/u/go/bin": {Version: release}},
		Order:     []string{"/home/u/go/bin"},
		Dir:       "/home/u/m",
		GoMod:     "/home/u/m/go.mod",
		GoLine:    "1.22",
		Root:      "/home/u/sdk",
		Installed: []Install{{Name: release, Linked: true}},
		Tools:     map[string]string{"git": "/usr/bin/git", "bash": "/bin/bash", "cc": "/usr/bin/gcc"},
		Disks:     []Disk{{What: "the build cache", Dir: "/c", Free: 5e9, Flag: "GOCORO_CACHE=DIR"}},
		Need:      2e9,
	}
}

func TestHealthy(t *testing.T) {
	for _, f := range Examine(healthy()) {
		if f.Level != Fine {
			t.Errorf("a healthy machine: %s", f)
		}
	}
}

// Each case makes one thing wrong and names what must be said of it.
func TestExamine(t *testing.T) {
	for _, tt := range []struct {
		break_ func(m *Machine)
		want   string // level and text
		fix    string
	}{
		{func(m *Machine) {
			m.Env["GOTOOLCHAIN"] = "local"
			m.Hidden = Go{Err: errors.New("not found")}
		}, "trap  GOTOOLCHAIN=local in the environment hides the " + release + " that go env -w wrote to /home/u/.config/go/env, which does not run: without the former every go command fails: not found", "GOTOOLCHAIN=local go env -u GOTOOLCHAIN"},
		{func(m *Machine) {
			m.Set["GOTOOLCHAIN"], m.Env["GOTOOLCHAIN"] = release, release
			m.Seen.Err, m.Hidden.Err = errors.New("not found"), errors.New("not found")
		}, "trap  GOTOOLCHAIN=" + release + " does not run", "unset GOTOOLCHAIN; GOTOOLCHAIN=local go env -u GOTOOLCHAIN"},
		{func(m *Machine) { m.Set["GOTOOLCHAIN"] = "go1.22.12-coro.1" }, "trap  GOTOOLCHAIN=go1.22.12-coro.1 (from /home/u/.config/go/env) is the old form of a release's name, with a dot, which debuggers do not recognize as a Go version: it would be go1.22.12-coro1 now", "go env -w GOTOOLCHAIN=" + release},
		{func(m *Machine) {
			m.Set["GOTOOLCHAIN"], m.Installed, m.Seen.Err = "go1.22.12-coro.1", nil, errors.New("not found")
		}, "trap  GOTOOLCHAIN=go1.22.12-coro.1", "GOTOOLCHAIN=local go run ./build && go env -w GOTOOLCHAIN=" + release},
		{func(m *Machine) { m.Installed = append(m.Installed, Install{Name: "go1.22.12-coro.1"}) }, "note  go1.22.12-coro.1 is installed under the old form of a release's name", "go run ./build uninstall go1.22.12-coro.1"},
		{func(m *Machine) {
			m.Installed = append(m.Installed, Install{Name: "go1.22.12-coro.1", Modified: true})
		}, "note  go1.22.12-coro.1 is installed", "uninstall -force go1.22.12-coro.1"},
		{func(m *Machine) { m.Installed[0].Damaged = errors.New("gocoro.json: cut\n\trepair") }, "trap  /home/u/sdk/" + release + " is damaged: gocoro.json: cut", "go run ./build install -replace -line " + release},
		{func(m *Machine) {
			m.Installed = append(m.Installed, Install{Name: "go1.22.12-coro7", Damaged: errors.New("cut")})
		}, "trap  /home/u/sdk/go1.22.12-coro7 is damaged: cut", "uninstall -force go1.22.12-coro7"},
		{func(m *Machine) { m.Cache = hint.Add(errors.New("/c is not a build cache"), "set GOCORO_CACHE") }, "stop  /c is not a build cache", "set GOCORO_CACHE"},
		{func(m *Machine) {
			m.First, m.FirstNames, m.FirstSize = "/home/u/.cache/gocoro", []string{"tmp", "lock"}, 3e6
		}, "note  /home/u/.cache/gocoro has 3 MB that the first release of gocoro left", "cd /home/u/.cache/gocoro && rm -rf tmp lock"},
		{func(m *Machine) { m.Go = Go{Err: errors.New("exec format error")} }, "stop  the go command on PATH does not run: exec format error", "install Go"},
		{func(m *Machine) { m.Go.Version = "go1.19.2" }, "note  go1.19.2 (/usr/bin/go) is too old to build go1.22.12", ""},
		{func(m *Machine) { m.Tools["git"] = "" }, "stop  git is not on PATH", "install git"},
		{func(m *Machine) { m.Tools["bash"] = "" }, "stop  bash is not on PATH", "install bash"},
		{func(m *Machine) { m.Tools["cc"] = "" }, "note  there is no C compiler on PATH", "install gcc"},
		{func(m *Machine) { m.Disks[0].Free = 1e9 }, "stop  the build cache (/c) has 1000 MB left; a build needs 2000 MB", "GOCORO_CACHE=DIR"},
		{func(m *Machine) { m.Set["GOPROXY"] = "off" }, "note  GOPROXY=off", "-source"},
		{func(m *Machine) { m.Env["GOTOOLCHAIN"] = "local" }, "trap  GOTOOLCHAIN=local in the environment hides the " + release, "unset GOTOOLCHAIN"},
		{func(m *Machine) { m.Set["GOTOOLCHAIN"] = release + "+auto" }, "trap  GOTOOLCHAIN=" + release + "+auto (from /home/u/.config/go/env): +auto silently leaves the fork", "go env -w GOTOOLCHAIN=" + release},
		{func(m *Machine) { m.Set["GOTOOLCHAIN"] = "go1.22.12-coro7" }, "trap  GOTOOLCHAIN=go1.22.12-coro7 (from /home/u/.config/go/env) is not a release of this checkout", "go env -w"},
		{func(m *Machine) { m.Set["GOTOOLCHAIN"] = "auto" }, "note  GOTOOLCHAIN=auto (from /home/u/.config/go/env): programs are built with go1.26.8, not with the fork", "go env -w"},
		{func(m *Machine) { m.Seen.Version = "go1.26.8" }, "trap  in /home/u/m the go command is go1.26.8, although GOTOOLCHAIN=" + release, "toolchaintrace"},
		{func(m *Machine) { m.Seen.Err = errors.New("toolchain not available") }, "trap  GOTOOLCHAIN=" + release + " does not run in /home/u/m: toolchain not available", "go run ./build"},
		{func(m *Machine) { m.Env["GOROOT"] = "/old" }, "trap  GOROOT=/old is set", "unset GOROOT"},
		{func(m *Machine) { m.File["GOROOT"] = "/old" }, "trap  /home/u/.config/go/env sets GOROOT=/old", "go env -u GOROOT"},
		{func(m *Machine) { m.Set["GOFLAGS"] = "-mod=mod -toolexec=/x" }, "trap  GOFLAGS has -toolexec=/x", "unset GOFLAGS"},
		{func(m *Machine) { m.Set["GOSUMDB"] = "off" }, "trap  GOSUMDB=off", "unset GOSUMDB"},
		{func(m *Machine) { m.Set["GOSUMDB"] = "dl.example.org/gocoro+1234+abcd" }, "note  GOSUMDB=dl.example.org/gocoro+...: a checksum database of toolchains knows no other module", "ln -s"},
		{func(m *Machine) { m.Set["GOPROXY"] = "file:///srv/dist/proxy" }, "note  GOPROXY=file:///srv/dist/proxy: no other modules", "unset GOPROXY"},
		{func(m *Machine) { m.GoLine = "1.27.0" }, "trap  /home/u/m/go.mod asks for go 1.27.0, which is newer than " + release, "go mod edit -go=1.22"},
		{func(m *Machine) { m.Toolchain = release; m.Set["GOTOOLCHAIN"] = "auto" }, "trap  /home/u/m/go.mod: its line \"toolchain " + release + "\" is ignored", "GOTOOLCHAIN=" + release},
		{func(m *Machine) { m.Toolchain = release; m.Go.Version = "go1.21.0" }, "note  /home/u/m/go.mod: its line \"toolchain " + release + "\" is obeyed by go1.21.0", ""},
		{func(m *Machine) { m.Path = append(m.Path, "bin") }, `note  PATH has the relative entry "bin"`, "PATH"},
		{func(m *Machine) { m.OnPath, m.Order = false, nil }, "trap  /home/u/go/bin is not on PATH", `export PATH="$PATH":/home/u/go/bin`},
		{func(m *Machine) { m.Named["/home/u/go/bin"] = Go{Err: errors.New("cannot find GOROOT")} }, "trap  /home/u/go/bin/" + release + " does not run: cannot find GOROOT", "rm /home/u/go/bin/"},
		{func(m *Machine) { m.Named["/home/u/go/bin"] = Go{Version: "go1.22.12"} }, "trap  /home/u/go/bin/" + release + " is go1.22.12", "rm /home/u/go/bin/"},
		{func(m *Machine) { m.Order = append(m.Order, "/other"); m.Named["/other"] = Go{Version: release} }, "note  /other/" + release + " is hidden by", ""},
		{func(m *Machine) { m.Installed[0].Modified = true }, "trap  /home/u/sdk/" + release + " was changed after it was installed", "-replace"},
		{func(m *Machine) { m.Installed[0].Linked = false }, "trap  " + release + " is installed, but /home/u/go/bin has no link to it", "go run ./build"},
		{func(m *Machine) { m.Installed = append(m.Installed, Install{Name: "go1.22.12-coro0"}) }, "note  go1.22.12-coro0 is installed but is not a release", "uninstall go1.22.12-coro0"},
		{func(m *Machine) {
			m.Leftovers = []install.Leftover{{Path: "/home/u/sdk/x.gocoro-old", Fix: "rm -rf /home/u/sdk/x.gocoro-old"}}
		}, "note  /home/u/sdk/x.gocoro-old remains from", "rm -rf"},
	} {
		m := healthy()
		tt.break_(m)
		ok := false
		var all []string
		for _, f := range Examine(m) {
			all = append(all, f.String())
			if strings.HasPrefix(f.String(), tt.want) && strings.Contains(f.Fix, tt.fix) {
				ok = true
			}
		}
		if !ok {
			t.Errorf("want %s\n\tfix %s\nfound\n%s", tt.want, tt.fix, strings.Join(all, "\n"))
		}
	}
}
