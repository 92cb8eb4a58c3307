// Build makes patched Go toolchains.
//
// It takes the official release that a line's pin names, applies the line's
// patch series and overlay, builds the result as upstream builds releases,
// and installs it where GOTOOLCHAIN finds it. Run it from the top of the
// checkout:
//
//	go run ./build
//	go run ./build help
package main

import (
	"os"

	"gocoro/build/command"
	"gocoro/build/driver"
)

// maintain has the commands that only a maintainer runs.
const maintain = "gocoro/build/maintain"

const steps = "[-line L] [-source S] [-n] [-v] [-x]"

// releases is the program with the commands that only those need who make or
// check releases.
const releases = "gocoro/build/release/main"

var program = command.Program{
	Name:    "go run ./build",
	Doc:     "Build makes patched Go toolchains: an official release, a patch series, make.bash.",
	Default: "install",
	Commands: []command.Command{
		{Name: "install", Args: steps + " [-root DIR] [-bin DIR] [-replace]", Setup: driver.Install,
			Short: "fetch, patch, make and install a toolchain",
			Long: `
Install does all the steps that are not done yet and copies the result to
~/sdk/<name>, where <name> is the release's, such as go1.27.4-coro1. It then
makes a link <name> in GOBIN, which is how GOTOOLCHAIN=<name> finds it.

Nothing is installed before everything is built. A run that was killed, or ran
out of disk, is repeated by typing it again; finished steps are kept.`},
		{Name: "fetch", Args: steps, Setup: driver.Fetch,
			Short: "get and verify the upstream release",
			Long: `
Fetch gets the upstream release of the line, checks it against the hash in
the line's pin, unpacks it into the cache and prints the folder.`},
		{Name: "tree", Args: steps, Setup: driver.Tree,
			Short: "make the patched source tree",
			Long: `
Tree stops at the patched source tree: upstream's files, the overlay, the
series applied, VERSION and go.env written. It prints the folder. Copy it
before you change it: it is part of the cache.`},
		{Name: "make", Args: steps, Setup: driver.Make,
			Short: "build the patched tree with make.bash",
			Long: `
Make builds the patched tree with upstream's make.bash in an environment that
holds none of your settings, and prints the folder of the built GOROOT. The
Go that runs this command is the bootstrap.`},
		{Name: "api", Args: steps + " [-w]", Setup: driver.API,
			Short: "check the API baseline that a line keeps, or make it",
			Long: `
Api makes the API baseline of the line's upstream with upstream's own cmd/api,
which all.bash checks the patched tree against, and compares it with the one
that the line keeps. With -w it writes it there.`},
		{Name: "env", Args: "[-line L] [-shell sh|fish|github] [-route path|unpacked|module] [-dir DIR] [-root DIR] [-bin DIR] [-url URL] [-key KEY]", Setup: driver.Env,
			Short: "print the settings that select the toolchain",
			Long: `
Env prints the environment variables of the chosen route to the toolchain, as
commands of a shell:

	eval "$(go run ./build env)"

The route path uses what install has linked, unpacked a toolchain in another
folder, such as an unpacked release archive, and module the release folder that
dist has made, at a URL. With -shell github it is a step of a
workflow that sets the steps after it.`},
		{Name: "doctor", Args: "[-line L] [-dir DIR] [-root DIR] [-bin DIR]", Setup: driver.Doctor,
			Short: "look for what stops a build or selects another toolchain",
			Long: `
Doctor looks at this machine and at the module in -dir: Go's version, the
settings GOTOOLCHAIN, GOFLAGS, GOROOT, PATH and go.env, leftovers of earlier
installations, the disk. It changes nothing. Each line begins with ok, note,
trap (a program may run on another toolchain than you think) or stop (a build
cannot succeed), and has the fix. The exit status is 1 if there is a trap or a
stop.`},
		{Name: "dist", Program: releases, Short: "make the packages of a release, for all platforms"},
		{Name: "verify", Program: releases, Short: "prove that the packages are upstream's and the patches"},
		{Name: "check", Program: releases, Short: "unpack the packages of a release folder and look at them"},
		{Name: "key", Program: releases, Short: "make a key for a checksum database"},
		{Name: "uninstall", Args: "[-line L] [-root DIR] [-bin DIR] [-force] [-n] [name ...]", Setup: driver.Uninstall,
			Short: "remove an installed toolchain",
			Long: `
Uninstall removes the named toolchains, or the one of the line, and their
links. It removes nothing that install did not make, nothing whose files were
changed since unless -force is given, and nothing at all if one of the names
cannot be removed. It warns if GOTOOLCHAIN selects what it removes.`},
		{Name: "list", Args: "[-root DIR] [-bin DIR]", Setup: driver.List,
			Short: "show the lines and what is installed",
			Long: `
List shows the lines of this checkout and the toolchains installed in ~/sdk,
with those whose files were changed after the installation marked.`},
		{Name: "clean", Args: "[-n]", Setup: driver.Clean,
			Short: "empty the build cache",
			Long: `
Clean removes what gocoro has made in the build cache: the directory gocoro/v2
in your cache directory, or GOCORO_CACHE. It names and leaves anything else that
is there. A directory without the file gocoro-cache is not a build cache, and
nothing in it is touched. Installed toolchains stay. Clean waits for builds that
are under way.`},

		{Name: "status", Program: maintain, Short: "show whether the patches apply, here or to another release"},
		{Name: "lint", Program: maintain, Short: "check the patches, and that each step of the series compiles"},
		{Name: "edit", Program: maintain, Short: "check a line out with git, one commit a patch"},
		{Name: "save", Program: maintain, Short: "write what was edited back to patches/ and src/"},
		{Name: "rebase", Program: maintain, Short: "move a line to another upstream release"},
		{Name: "new-line", Program: maintain, Short: "start a line from the series of another"},
		{Name: "watch", Program: maintain, Short: "look for upstream releases newer than the pins"},
	},
}

func main() { os.Exit(program.Main(os.Args[1:])) }
