package options

import (
	"flag"
	"strings"

	"gocoro/build/command"
)

// Where upstream publishes its releases, and what each one contains.
const (
	IndexURL   = "https://go.dev/dl/?mode=json&include=all"
	historyURL = "https://go.dev/doc/devel/release"
)

// Status has the options of the command status.
type Status struct {
	Series
	To       string
	JSON     bool
	Upstream bool
	Gerrit   string
}

// Register defines the flags.
func (o *Status) Register(fs *flag.FlagSet) {
	o.Series.Register(fs)
	fs.StringVar(&o.To, "to", "", "the `release` to try the patches on (default: the line's own)")
	fs.BoolVar(&o.JSON, "json", false, "print JSON")
	fs.BoolVar(&o.Upstream, "upstream", false, "ask Gerrit for the state of the changes that the headers name")
	fs.StringVar(&o.Gerrit, "gerrit", "https://go-review.googlesource.com", "the `address` of Gerrit")
}

// Lint has the options of the command lint.
type Lint struct {
	Series
	Build bool
	Fast  bool
	Docs  bool
}

// Register defines the flags.
func (o *Lint) Register(fs *flag.FlagSet) {
	o.Series.Register(fs)
	fs.BoolVar(&o.Build, "build", false, "also run make.bash after each patch")
	fs.BoolVar(&o.Fast, "fast", false, "check the files only, and compile nothing")
	fs.BoolVar(&o.Docs, "docs", true, "look for names of other releases in README.md and docs/")
}

// Edit has the options of the command edit.
type Edit struct {
	Series
	Run     *string // nil: not given
	Discard bool
}

// Register defines the flags.
func (o *Edit) Register(fs *flag.FlagSet) {
	o.Series.Register(fs)
	fs.Func("run", "run a `command` in the workspace ('' is your shell), and save if it succeeds", func(s string) error {
		o.Run = &s
		return nil
	})
	fs.BoolVar(&o.Discard, "discard", false, "remove the workspace and everything in it")
}

// Save has the options of the command save.
type Save struct {
	Series
	Overlay string
	Drop    bool
	Rewrite bool
}

// Register defines the flags.
func (o *Save) Register(fs *flag.FlagSet) {
	o.Series.Register(fs)
	fs.StringVar(&o.Overlay, "overlay", "", "the `directory` of src/ that new files go to, if the line has several")
	fs.BoolVar(&o.Drop, "drop", false, "remove the patches and overlay files that the workspace no longer has")
	fs.BoolVar(&o.Rewrite, "rewrite", false, "also rewrite the patches that have not changed")
}

// Rebase has the options of the command rebase.
type Rebase struct {
	Series
	To       string
	Back     bool
	Test     bool
	Fast     bool
	Continue bool
	Skip     bool
	Abort    bool
}

// Register defines the flags.
func (o *Rebase) Register(fs *flag.FlagSet) {
	o.Series.Register(fs)
	fs.StringVar(&o.To, "to", "", "the `release` to move to, such as go1.27.4")
	fs.BoolVar(&o.Back, "back", false, "allow a release that is older than the line's")
	fs.BoolVar(&o.Test, "test", false, "run the tests of the line afterwards (go run ./ci)")
	fs.BoolVar(&o.Fast, "fast", false, "do not type-check in lint")
	fs.BoolVar(&o.Continue, "continue", false, "continue after you have resolved the conflict")
	fs.BoolVar(&o.Skip, "skip", false, "continue without the patch that conflicts")
	fs.BoolVar(&o.Abort, "abort", false, "undo the move")
}

// NewLine has the options of the command new-line.
type NewLine struct {
	Series
	From     string
	To       string
	Fast     bool
	Overlays []string // nil: not given
}

// Register defines the flags.
func (o *NewLine) Register(fs *flag.FlagSet) {
	o.registerSource(fs)
	fs.StringVar(&o.From, "from", "", "the `line` whose series the new line starts with")
	fs.StringVar(&o.To, "to", "", "the upstream `release` (default: the newest one that is published)")
	fs.BoolVar(&o.Fast, "fast", false, "do not type-check in lint")
	fs.Func("overlay", "the `directories` of src/ that the line takes, separated by commas (default: those of the old line)", func(s string) error {
		o.Overlays = strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
		if o.Overlays == nil {
			o.Overlays = []string{}
		}
		return nil
	})
}

// Watch has the options of the command watch.
type Watch struct {
	Series
	JSON    bool
	Post    bool
	Index   string
	History string
}

// Register defines the flags.
func (o *Watch) Register(fs *flag.FlagSet) {
	fs.StringVar(&o.Line, "line", "all", "the `line` to watch")
	o.registerSource(fs)
	fs.BoolVar(&o.JSON, "json", false, "print JSON")
	fs.BoolVar(&o.Post, "post", false, "open, update or close the issue of the repository, with gh")
	fs.StringVar(&o.Index, "index", IndexURL, "the `address` of the list of releases, or proxy for the module proxy's")
	fs.StringVar(&o.History, "history", historyURL, "the `address` of the page that says which releases have security fixes")
}

const common = "[-line L] [-source S] [-x]"

// Maintain has the commands of the program build/maintain.
var Maintain = []command.Command{
	{Name: "status", Args: "[-line L|all] [-to RELEASE] [-upstream] [-gerrit URL] [-json] [-source S] [-x]", Flags: flags(new(Status)),
		Short: "see whether the patches apply, here or to another release",
		Long: `
Status tries each patch of the line, or of all lines, and prints a row for it.
The patch applies, perhaps with an offset; or git can merge it, as rebase will;
or the release already has all of it; or it conflicts, and the row says where.
The last column is what the patch's header says about its state upstream.

With -to it tries the patches on another release. It then also lists the overlay
files that the release has by now, and the patched files that differ between the
two releases.

With -upstream it asks Gerrit for each change that a header names.

Status exits 0 if nothing needs attention. It exits 1 if a patch conflicts or
applies only with fuzz, or if the release has a file of the overlay.`},
	{Name: "lint", Args: "[-line L|all] [-build] [-fast] [-docs=false] [-source S] [-x]", Flags: flags(new(Lint)),
		Short: "check the patches before you commit them",
		Long: `
Lint checks the names and the order of the patches, their headers and white
space, that each is what git format-patch would write, and that none changes a
file that the build generates. It then type-checks what the series changes,
after each patch, for linux and darwin on amd64 and arm64; after the last patch
it includes the tests and test programs. It starts after the first patch,
because an overlay file may need what that patch adds. At the end it compares
coroswitch_m with upstream's: the path without a lock must have no additional
call or atomic operation.

Lint also looks for places in README.md and docs/ that name another release than
the pins do, unless -docs=false is given. Dated text is history and may name old
releases: a line with a date, an indented block after a paragraph with a date,
and the documents that record measurements and decisions.

With -fast it does not type-check. With -build it also runs make.bash after each
patch, for this host, and stops after the first patch that does not build. That
takes some minutes a patch. A step that was built before is not built again.

Lint exits 1 if it finds anything.`},
	{Name: "edit", Args: common + " [-run CMD] [-discard]", Flags: flags(new(Edit)),
		Short: "change a patch: check the line out with git, one commit a patch",
		Long: `
Edit makes the directory .edit/<line> and prints its name. It is a git checkout
of the line's upstream with the overlay and one commit for each patch, ready to
build and test. Work there with git: amend, add, drop or reorder commits. Then

	go run ./build save

writes the result back to patches/ and src/. With -run, edit does all three: it
runs CMD there in a shell ('' is your $SHELL) and saves if CMD succeeds.

Edit keeps an existing workspace that has work in it. With -discard it removes
the workspace and everything in it.`},
	{Name: "save", Args: common + " [-overlay NAME] [-drop] [-rewrite]", Flags: flags(new(Save)),
		Short: "write what you changed in edit back to patches/ and src/",
		Long: `
Save writes each commit of the workspace to a patch, and the files of the overlay
to src/. A patch whose commit has not changed keeps its bytes. A file that a
commit adds goes to the overlay. A new patch gets the lines that its message must
end with, for you to fill in.

Save refuses to lose work: it stops if the workspace has uncommitted files, an
unfinished rebase or a commit checked out without a branch, if no patch is left,
or if somebody changed the patches since. If the workspace no longer has a patch
or an overlay file, save names it and removes it only with -drop.`},
	{Name: "rebase", Args: common + " -to RELEASE [-back] [-fast] [-test] | -continue | -skip | -abort", Flags: flags(new(Rebase)),
		Short: "move a line to another upstream release",
		Long: `
Rebase downloads the release, checks it against the checksum database, merges
each patch with it, and writes the series, the pin and VERSION. It then runs lint
and, with -test, the tests.

If a patch conflicts, rebase stops and leaves the conflict in .edit/<line>, with
both sides and their common base. Nothing in patches/ or src/ has changed at that
point. Correct the files, git add them there, and run rebase -continue. With
-skip it continues without the patch, and with -abort it undoes the move. It
drops a patch if the release already has all of it.

A release that is older than the line's requires -back.`},
	{Name: "new-line", Args: "LINE -from L [-to RELEASE] [-overlay NAMES] [-fast] [-source S] [-x]", Flags: flags(new(NewLine)),
		Short: "start a line from the series of another one",
		Long: `
New-line makes the directory patches/LINE with the series of another line, moved
to the newest published release of LINE, or to the one that -to names. Like
rebase it stops at a conflict; rebase -continue -line LINE continues.

The new line takes the overlays of the old one, or those that -overlay names,
separated by commas. Upstream may have files of the old overlays by now.`},
	{Name: "watch", Args: "[-line L] [-json] [-post] [-index URL|proxy] [-history URL] [-source S] [-x]", Flags: flags(new(Watch)),
		Short: "find upstream releases that are newer than the pins",
		Long: `
Watch compares the pins with the releases that upstream has published, as the
index of go.dev lists them, or else the module proxy. It prints the newer ones,
marks those with security fixes, and prints the status of the series on each. It
changes nothing.

With -post it opens, updates or closes one issue in the repository on GitHub,
with gh. The daily workflow does that. Watch makes no commit and pushes nothing.`},
}
