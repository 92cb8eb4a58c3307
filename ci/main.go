// Ci tests what build makes: gocoro's own checks, the patched runtime's
// suites on every platform that this machine can serve, and the same suites on
// stock upstream to compare with. Run it from the top of the checkout:
//
//	go run ./ci
//	go run ./ci help
package main

import (
	"os"

	"gocoro/build/command"
	"gocoro/ci/subcommand"
)

const selection = "[-line L] [-platform P] [-suite S] [-config C] [-tree T] [-depth D] [-shard I/N]"

var program = command.Program{
	Name:    "go run ./ci",
	Doc:     "Ci tests the patched toolchains, and the program that makes them.",
	Default: "test",
	Commands: []command.Command{
		{Name: "test", Args: selection + " [-fresh] [-within TIME] [-results DIR] [-report DIR]", Setup: subcommand.Test,
			Short: "build what is not built yet, run the cells of the plan, report",
			Long: `
Test runs cells: a suite, on a platform, in a configuration, on the patched
tree or on stock upstream. With no flags it runs the default depth: all of it
for the line of VERSION, and for every other line what breaks first. A line
that -line names has all of the default depth. What this machine lacks (an emulator, a cross compiler) it
installs first, if it may, with scripts/setup-linux.sh.

A cell that passed before, with the same content of all that goes into it,
does not run again: its record is used, and the run says so. With -fresh, and
at night, every cell runs.

With -within, as -within 1h, a slow machine puts off what it does not begin in
that time of the cells that are the default line's alone: the run says which,
they are nightly cells in its report. What is tested of every line is never
put off.

The raw records go to -results, the report (index.html, summary.json,
summary.md, summary.txt) to -report. The last line is "N passed, N failed, N
skipped", and the exit status is 0 only if nothing failed and everything
planned did run.`},
		{Name: "report", Args: selection + " [-report DIR] [-hosted] RESULTS ...", Setup: subcommand.Report,
			Short: "judge records again, or those of several shards together",
			Long: `
Report reads the raw records in the given folders, one for each shard, judges
them against the plan that the flags select, and writes the report. A cell
that is planned and has no record in any of them is a failure.`},
		{Name: "matrix", Args: selection + " [-json]", Setup: subcommand.Matrix,
			Short: "list the cells of the plan",
			Long: `
Matrix lists the cells that the flags select on this machine, a line each.
With -json it prints the jobs for the hosted runners instead, in the form of a
workflow's matrix.`},
		{Name: "bench", Args: "[-line L] [-count N]", Setup: subcommand.Bench,
			Short: "measure what the series costs, against stock upstream",
			Long: `
Bench runs the coroutine benchmarks on stock upstream and on the patched
runtime, in turn, and prints benchstat's comparison.`},
		{Name: "fuzz", Args: "-goroot DIR [-stock DIR] [-seed N] [-only coro|chan] [-count N] [-time D] [-p N] [-size N] [-limit D] [-repeat N] [-shrink D] [-out DIR] [-failures N] [-godebug S] [-race] [-plain] [-exec CMD] [-interp ARGS]", Setup: subcommand.Fuzz,
			Short: "run random programs on coroutines, locks and C calls",
			Long: `
Fuzz compiles an interpreter with the toolchain at -goroot and runs random
programs. What the goroutines see must be what a model says, and locked
goroutines must be on their threads. With -stock, a program that the stock
toolchain runs to its end must have the same threads there. A program that fails
runs again with a Pull made of channels, is made smaller, and is written to
-out, beside the raw output.

A seed always means the same program. The last line is the summary, and the
exit status is 0 only if programs ran and none failed.`},
		{Name: "mutate", Args: "-goroot DIR [-stock DIR] [-mutant NAME] [-p N] [-limit D] [-fuzz N]", Setup: subcommand.Mutate,
			Short: "plant faults in the runtime, and see that the tests notice",
			Long: `
Mutate plants the faults of ci/mutate/mutants.go in the runtime of the
toolchain at -goroot, one at a time and without writing there, and runs the
shared-lock programs, and then the fuzzer, until one fails. A fault that none
of them notices is a failure. It takes half a minute or more a fault.`},
		{Name: "setup", Args: selection, Setup: subcommand.Setup,
			Short: "install what this machine lacks for its cells",
			Long: `
Setup installs what the cells of this machine need and do not find, with
scripts/setup-linux.sh. It needs root for that, and says so.`},
	},
}

func main() { os.Exit(program.Main(os.Args[1:])) }
