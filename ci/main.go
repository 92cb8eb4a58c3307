// Ci tests what build makes: it runs gocoro's own checks, the patched runtime's
// suites on every platform that this machine can run, and the same suites on
// stock upstream to compare. Run it from the top of the checkout:
//
//	go run ./ci
//	go run ./ci help
package main

import (
	"os"

	"gocoro/build/command"
)

const selection = "[-line L] [-platform P] [-suite S] [-config C] [-tree T] [-depth D] [-shard I/N]"

var program = command.Program{
	Name:    "go run ./ci",
	Doc:     "Ci tests the patched toolchains, and the program that makes them.",
	Default: "test",
	Commands: []command.Command{
		{Name: "test", Args: selection + " [-run REGEXP] [-fresh] [-within TIME] [-results DIR] [-report DIR]", Setup: testCommand,
			Short: "test the toolchains: build them, run the cells, write a report",
			Long: `
Test runs cells: a suite, on a platform, in a configuration, on the patched
tree or on stock upstream. With no flags it runs the cells of the day: all of
them for the line of VERSION, and for every other line those that break first.
With -line, it runs all of them for the lines that it names. It first installs
what this machine lacks (an emulator, a cross compiler) with
scripts/setup-linux.sh, if it has permission.

A cell that passed before is not run again while nothing that goes into it has
changed: test uses its record, and says so. With -fresh, and at night, every
cell runs.

With -run, test runs the cells of the suites coro and testprog alone, and in them
only the tests whose name matches.

With -within d, as in -within 1h, cells that only the default line has do not
start after d. Test lists them, and leaves them to the nightly run. It never
leaves out what is tested on every line.

Test writes the raw records to -results and the report (index.html,
summary.json, summary.md, summary.txt) to -report. The last line is "N passed, N
failed, N skipped". Test exits 0 only if nothing failed and everything planned
did run.`},
		{Name: "report", Args: selection + " [-report DIR] [-hosted] RESULTS ...", Setup: reportCommand,
			Short: "write a report from the records of one or more runs",
			Long: `
Report reads the raw records in the given directories, one for each shard, judges
them against the plan that the flags select, and writes the report. A planned
cell without a record in any of them is a failure.`},
		{Name: "matrix", Args: selection + " [-json]", Setup: matrixCommand,
			Short: "list the cells, without running them",
			Long: `
Matrix lists the cells that the flags select on this machine, one on each line.
With -json it prints the jobs for the hosted runners instead, in the form of a
workflow's matrix.`},
		{Name: "bench", Args: "[-line L] [-count N] [-only GROUP] [-chart FILE]", Setup: benchCommand,
			Short: "measure what the series costs, against stock upstream",
			Long: `
Bench runs the coroutine benchmarks on stock upstream and on the patched
runtime, in turn, and prints benchstat's comparison. With -chart it also draws
the medians.`},
		{Name: "fuzz", Args: "-goroot DIR [-stock DIR] [-seed N] [-only coro|chan] [-count N] [-time D] [-p N] [-size N] [-limit D] [-repeat N] [-shrink D] [-out DIR] [-failures N] [-godebug S] [-race] [-plain] [-exec CMD] [-interp ARGS]", Setup: fuzzCommand,
			Short: "run random programs on coroutines, locks and C calls",
			Long: `
Fuzz compiles an interpreter with the toolchain at -goroot and runs random
programs. The goroutines must see what a model predicts, and locked goroutines
must be on their threads. With -stock, a program that the stock toolchain runs to
its end must have the same threads there. Fuzz runs a program that fails again
with a Pull made of channels, reduces it, and writes it to -out, beside the raw
output.

A seed always means the same program. The last line is the summary. Fuzz exits 0
only if programs ran and none failed.`},
		{Name: "mutate", Args: "-goroot DIR [-stock DIR] [-mutant NAME] [-p N] [-limit D] [-fuzz N]", Setup: mutateCommand,
			Short: "check that the tests notice faults planted in the runtime",
			Long: `
Mutate plants the faults of ci/mutate/mutants.go in the runtime of the
toolchain at -goroot, one at a time and without writing there, and runs the
shared-lock programs, and then the fuzzer, until one fails. A fault that none
of them notices is a failure. Each fault takes half a minute or more.`},
		{Name: "setup", Args: selection, Setup: setupCommand,
			Short: "install the programs that the cells need on this machine",
			Long: `
Setup installs what the cells of this machine need and it lacks, with
scripts/setup-linux.sh. It says so if it needs root for that.`},
	},
}

func main() { os.Exit(program.Main(os.Args[1:])) }
