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
	"gocoro/build/options"
	"gocoro/build/subcommand"
)

// The programs that run the commands whose help is in package options.
const (
	maintain = "gocoro/build/maintain"
	releases = "gocoro/build/release/main"
)

const steps = "[-line L] [-source S] [-n] [-v] [-x]"

var program = command.Program{
	Name:    "go run ./build",
	Doc:     "Build makes patched Go toolchains: an official release, a patch series, make.bash.",
	Default: "install",
	Groups: []command.Group{
		{Heading: "Install and use a toolchain", Commands: install},
		{Heading: "Maintain the series of patches", Commands: append(command.In(maintain, options.Maintain), api)},
		{Heading: "Make and check releases", Commands: command.In(releases, options.Releases)},
	},
}

var install = []command.Command{
	{Name: "install", Args: steps + " [-root DIR] [-bin DIR] [-replace]", Setup: subcommand.Install,
		Short: "build the toolchain and install it where GOTOOLCHAIN finds it",
		Long: `
Install runs all steps that are not done yet: fetch, tree and make. It copies the
result to ~/sdk/<name>, where <name> is the release's, such as go1.27.4-coro1. It
then makes a link <name> in GOBIN, where the go command looks for
GOTOOLCHAIN=<name>.

Nothing is installed before everything is built. If install is killed, or the
disk is full, run it again: it keeps the finished steps.`},
	{Name: "doctor", Args: "[-line L] [-dir DIR] [-root DIR] [-bin DIR]", Setup: subcommand.Doctor,
		Short: "find out why a build fails, or why another Go runs",
		Long: `
Doctor examines this machine and the module in -dir: Go's version, the settings
GOTOOLCHAIN, GOFLAGS, GOROOT, PATH and go.env, leftovers of earlier
installations, and the disk. It changes nothing. Each line begins with ok, note,
trap (another toolchain may run than you think) or stop (a build cannot
succeed), and says how to fix the problem. Doctor exits 1 if there is a trap or a
stop.`},
	{Name: "env", Args: "[-line L] [-shell sh|fish|github] [-route path|unpacked|module] [-dir DIR] [-root DIR] [-bin DIR] [-url URL] [-key KEY]", Setup: subcommand.Env,
		Short: "print the settings that select the toolchain, for a shell or CI",
		Long: `
Env prints the environment variables that select the toolchain, as commands of a
shell:

	eval "$(go run ./build env)"

The route path uses the link that install has made; unpacked uses a toolchain in
another directory, such as an unpacked release archive; and module uses the
release directory that dist has made, at a URL. With -shell github, env is a step
of a workflow that sets the variables of the later steps.`},
	{Name: "list", Args: "[-root DIR] [-bin DIR]", Setup: subcommand.List,
		Short: "see the lines and the installed toolchains",
		Long: `
List prints the lines of this checkout and the toolchains installed in ~/sdk. It
marks those whose files have changed since the installation.`},
	{Name: "uninstall", Args: "[-line L] [-root DIR] [-bin DIR] [-force] [-n] [name ...]", Setup: subcommand.Uninstall,
		Short: "remove an installed toolchain",
		Long: `
Uninstall removes the named toolchains, or the one of the line, and their links.
It removes only what install made, and no toolchain whose files have changed
since, unless -force is given. If it cannot remove one of the names, it removes
none. It warns if GOTOOLCHAIN selects what it removes.`},
	{Name: "clean", Args: "[-n]", Setup: subcommand.Clean,
		Short: "free the disk space of the build cache",
		Long: `
Clean removes what gocoro has put in the build cache: the directory gocoro/v2 in
your cache directory, or GOCORO_CACHE. It lists and keeps anything else there. A
directory without the file gocoro-cache is not a build cache, and clean does not
touch it. Installed toolchains stay. Clean waits for running builds.`},
	{Name: "fetch", Args: steps, Setup: subcommand.Fetch,
		Short: "get and verify the upstream release, without building",
		Long: `
Fetch gets the upstream release of the line, checks it against the hash in
the line's pin, unpacks it into the cache and prints the directory.`},
	{Name: "tree", Args: steps, Setup: subcommand.Tree,
		Short: "make the patched source tree, to read it",
		Long: `
Tree makes the patched source tree and prints its directory: upstream's files
with the overlay, the patches, VERSION and go.env. Copy the tree before you
change it: it is part of the cache.`},
	{Name: "make", Args: steps, Setup: subcommand.Make,
		Short: "build the toolchain without installing it",
		Long: `
Make builds the patched tree with upstream's make.bash, in an environment without
your settings, and prints the directory of the built GOROOT. The Go that runs
this command is the bootstrap toolchain.`},
}

var api = command.Command{Name: "api", Args: steps + " [-w]", Setup: subcommand.API,
	Short: "check or make the API baseline of a line",
	Long: `
Api makes the API baseline of the line's upstream with upstream's own cmd/api,
and compares it with the one that the line keeps. all.bash checks the patched
tree against the baseline. With -w, api writes the baseline to the line.`}

func main() { os.Exit(program.Main(os.Args[1:])) }
