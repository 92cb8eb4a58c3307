// Maintain has those commands of "go run ./build" that only a maintainer of
// gocoro needs: it is a program of its own so that nobody else waits for what it
// imports.
package main

import (
	"os"

	"gocoro/build/command"
)

const common = "[-line L] [-source S] [-x]"

var program = command.Program{
	Name: "go run ./build",
	Doc:  "Maintain has the maintainers' commands of go run ./build.",
	Commands: []command.Command{
		{Name: "status", Args: "[-line L|all] [-to RELEASE] [-json] [-source S] [-x]", Setup: status,
			Short: "show whether the patches apply, here or to another release",
			Long: `
Status tries each patch of the line, or of all lines, and prints a row for it: it
applies, perhaps with an offset; or git can merge it, which rebase does by
itself; or the release has all of it already; or it conflicts, and where. The
last column is what its header says of its state upstream.

With -to it tries the patches on another release, and also lists the files of the
overlay that the release has by now, and the files under the patches that differ
between the two releases.

The exit status is 0 if a person has nothing to do, 1 if a patch conflicts or
applies only with fuzz, or if a file of the overlay is in the way.`},
		{Name: "lint", Args: "[-line L|all] [-build] [-fast] [-docs=false] [-source S] [-x]", Setup: lintCommand,
			Short: "check the patches, and that each step of the series compiles",
			Long: `
Lint checks the names and the order of the patches, their headers, white space,
that each is what git format-patch would write, and that none touches a file that
the build makes. Then it type-checks what the series changes, after each patch,
for linux and darwin on amd64 and arm64, and after the last one the tests and
test programs, too. It begins after the first patch, because a file of the
overlay may need what that adds. At the end it compares coroswitch_m with
upstream's: the path without a lock must have no further call or atomic
operation.

It also looks for places in README.md and docs/ that name another release than
the pins have; -docs=false leaves that out. What is dated there is history: a line
with a date, an indented block after a paragraph with a date, and the documents
that say what was measured and decided.

With -fast it leaves the type-checking out. With -build it also runs make.bash
after each patch, for this host, and stops at the first one after which that
fails; it takes some minutes a patch, and a step that has built is not built
again. The exit status is 1 if it finds anything.`},
		{Name: "edit", Args: common + " [-run CMD] [-discard]", Setup: edit,
			Short: "check a line out with git, one commit a patch",
			Long: `
Edit makes the folder .edit/<line>: a git checkout of the line's upstream with
the overlay and with one commit a patch, ready to build and test. It prints the
folder. Work there with git: amend a commit, add one, drop one, rebase. Then

	go run ./build save

writes the result back to patches/ and src/. With -run it does all three: CMD
runs in the folder by a shell ('' is your $SHELL), and if it succeeds, the
result is saved.

A workspace that is there already, with work in it, is kept. With -discard it is
removed, with all that is in it.`},
		{Name: "save", Args: common + " [-overlay NAME] [-drop] [-rewrite]", Setup: save,
			Short: "write what was edited back to patches/ and src/",
			Long: `
Save writes each commit of the workspace to a patch, and the files of the overlay
to src/. A patch whose commit is as it was keeps its bytes. A file that a commit
adds goes to the overlay. A new patch gets the lines that its message must end
with, for you to fill in.

It refuses what would lose something: files that are in no commit, a rebase that
is under way, a commit checked out without a branch, a series without a patch,
patches that somebody changed since. If a patch or a file of the overlay is gone,
it says which and removes it only with -drop.`},
		{Name: "rebase", Args: common + " -to RELEASE [-back] [-fast] [-test] | -continue | -skip | -abort", Setup: rebase,
			Short: "move a line to another upstream release",
			Long: `
Rebase gets the release, checks it against the checksum database, merges each
patch with it, and writes the series, the pin and VERSION. It then runs lint
and, with -test, the tests.

Where a patch conflicts, it stops and leaves the conflict in .edit/<line>, with
both sides and what the patch was made on. Nothing in patches/ or src/ has
changed then. Correct the files, git add them there, and run rebase -continue;
-skip leaves the patch out, and -abort forgets the move. A patch of which
nothing is left, because the release has all of it, is dropped.

A release that is older than the one that the line is on wants -back.`},
		{Name: "new-line", Args: "LINE -from L [-to RELEASE] [-overlay NAMES] [-fast] [-source S] [-x]", Setup: newLine,
			Short: "start a line from the series of another",
			Long: `
New-line makes the folder patches/LINE with the series of another line, moved to
the newest release of LINE that is published, or to the one that -to names. It
goes on like rebase: a conflict stops it, and rebase -continue -line LINE goes on.

The new line takes the overlays of the old one, or those that -overlay names,
separated by commas; upstream may have files of the old ones by now.`},
		{Name: "watch", Args: "[-line L] [-json] [-post] [-index URL|proxy] [-history URL] [-source S] [-x]", Setup: watch,
			Short: "look for upstream releases newer than the pins",
			Long: `
Watch compares the pins with the releases that upstream has published, as the
index of go.dev or else the module proxy lists them, and prints the newer ones,
with those that have security fixes marked, and the status of the series on each.
It changes nothing.

With -post it opens, updates or closes one issue in the repository on GitHub,
with gh. The daily workflow does that. It makes no commit and pushes nothing.`},
	},
}

func main() { os.Exit(program.Main(os.Args[1:])) }
