package options

import (
	"flag"
	"fmt"
	"slices"
	"strings"

	"gocoro/build/command"
	"gocoro/build/dist"
	"gocoro/build/driver"
	"gocoro/build/upstream"
)

var platforms = "the `platforms`: all, or some of " + strings.Join(dist.Platforms, ", ") + ", separated by commas"

// Proofs are the names of the proofs of the command verify.
var Proofs = []string{"upstream", "twice", "patches"}

// Dist has the options of the command dist.
type Dist struct {
	driver.Flags
	Platform string
	Out      string
	KeyFile  string
	SignCmd  string
	Flat     bool
	Builder  string
}

// Register defines the flags.
func (o *Dist) Register(fs *flag.FlagSet) {
	o.Flags.Register(fs)
	fs.StringVar(&o.Platform, "platform", "all", platforms)
	fs.StringVar(&o.Out, "o", "", "the release `directory` (default: dist at the top of the checkout)")
	fs.StringVar(&o.KeyFile, "sumdb-key", "", "the `file` with the key that signs the checksum database (go run ./build key makes one)")
	fs.StringVar(&o.SignCmd, "sign-cmd", "", "a `command` that writes a signature beside the file that is its last argument; it runs for SHA256SUMS and each provenance statement")
	fs.BoolVar(&o.Flat, "flat", false, "put all files side by side, as a GitHub release has them, without a module proxy")
	fs.StringVar(&o.Builder, "builder", "urn:gocoro:local", "the `URI` of the builder, for the provenance statement")
}

// Verify has the options of the command verify.
type Verify struct {
	driver.Flags
	Proof    string
	Platform string
	Leak     string
}

// Register defines the flags.
func (o *Verify) Register(fs *flag.FlagSet) {
	o.Flags.Register(fs)
	fs.StringVar(&o.Proof, "proof", strings.Join(Proofs, ","), "the `proofs`, separated by commas")
	fs.StringVar(&o.Platform, "platform", upstream.Host(), platforms)
	fs.StringVar(&o.Leak, "leak", "", "the `name` of a variable to pass to the second build of the proof twice, to see the proof fail")
}

// Check has the options of the command check.
type Check struct {
	Line    string
	Release string
	Key     string
	Exec    map[string][]string // the command for a platform's programs
}

// Register defines the flags.
func (o *Check) Register(fs *flag.FlagSet) {
	fs.StringVar(&o.Line, "line", "", "the `line` whose release to check (default: the line of VERSION)")
	fs.StringVar(&o.Release, "release", "", "the `name` of the release (default: that of the line)")
	fs.StringVar(&o.Key, "key", "", "the public `key` (NAME+HASH+KEY) that must have signed the checksum database; do not take it from the directory")
	o.Exec = map[string][]string{}
	fs.Func("exec", "`os/arch=CMD`: put CMD before the programs of a platform to run them (repeatable)", func(s string) error {
		p, cmd, _ := strings.Cut(s, "=")
		if !slices.Contains(dist.Platforms, p) || strings.TrimSpace(cmd) == "" {
			return fmt.Errorf("want os/arch=CMD with one of %s", strings.Join(dist.Platforms, ", "))
		}
		o.Exec[p] = strings.Fields(cmd)
		return nil
	})
}

// Key has the options of the command key.
type Key struct {
	File string
}

// Register defines the flags.
func (o *Key) Register(fs *flag.FlagSet) {
	fs.StringVar(&o.File, "o", "", "the `file` to write the key to, which must not exist")
}

const steps = "[-line L] [-source S] [-n] [-v] [-x]"

// Releases has the commands of the program build/release/main.
var Releases = []command.Command{
	{Name: "changelog", Flags: func(*flag.FlagSet) {},
		Short: "update CHANGELOG.md from the patches' headers",
		Long: `
Changelog writes CHANGELOG.md. It makes a section for the present release of each
line, with the subjects of the patches that are new since the line's last release
and of those that are gone, and keeps the sections of older releases.`},
	{Name: "dist", Args: steps + " [-platform all|os/arch,...] [-o DIR] [-flat] [-sumdb-key FILE] [-sign-cmd CMD] [-builder URI]", Flags: flags(new(Dist)),
		Short: "make the packages of a release, for all platforms",
		Long: `
Dist builds the toolchain once, for this machine, packs it for each platform
with upstream's own cmd/distpack, and puts the packages into the release
directory:

	<release>.<os>-<arch>.tar.gz    to be unpacked anywhere
	<release>.src.tar.gz            the sources
	proxy/                          a module proxy with the toolchain's modules
	proxy/sumdb/                    the signed checksum database (-sumdb-key)
	<release>.<os>-<arch>.provenance.json
	                                what they were made of: in-toto, SLSA
	<release>.spdx.json             list of materials: SPDX
	<release>.notes.md              release notes, from the patches' headers
	releases.json                   in the form of https://go.dev/dl/?mode=json
	SHA256SUMS                      for sha256sum -c

With -flat all files are side by side, like the assets of a GitHub release:
there is no proxy/, and SHA256SUMS names the modules' files without it.

The directory may contain earlier releases. Dist does not replace a published
package with other bytes: that is an error, and you must raise the revision.`},
	{Name: "verify", Args: steps + " [-proof upstream,twice,patches] [-platform all|os/arch,...] [-leak NAME]", Flags: flags(new(Verify)),
		Short: "prove that a release contains only upstream's files and the patches",
		Long: `
Verify has three proofs, and prints a line with figures for each:

	upstream  the line's upstream, built here without any change, is what
	          upstream published: it has the hash that the pin and the public
	          checksum database have. On macOS, where Apple's certificate signs
	          upstream's programs, the proof compares them without signatures.
	twice     a second build in another directory, for a user with other
	          settings, has the same bytes.
	patches   between the release and the module that upstream published, only
	          the files that the patches and the overlay name differ, and the
	          programs that are linked from them.

Verify exits 0 only if all the selected proofs hold.`},
	{Name: "check", Args: "[-line L] [-release NAME] [-key KEY] [-exec os/arch=CMD] DIR", Flags: flags(new(Check)),
		Short: "unpack, compare and run the packages in a release directory",
		Long: `
Check reads what dist has put into DIR as its users would: SHA256SUMS,
releases.json, the archives, the modules and the checksum database. It unpacks
each archive, compares it with the module, reads the programs' headers and
build information, and runs the toolchain for this machine's platform. It also
runs the platforms for which -exec names a command, which check puts before the
program.

DIR may also contain the downloaded files of a flat release. Check then ignores
other files in it.

Whoever can replace the packages in DIR can also replace the key of its checksum
database. With -key, a key that you have from elsewhere must have signed the
database.`},
	{Name: "key", Args: "-o FILE NAME", Flags: flags(new(Key)),
		Short: "make the key that signs a checksum database",
		Long: `
Key makes a key for dist -sumdb-key. NAME is the name of the database: the host,
and optionally a path, where you will serve the directory proxy/sumdb/NAME. Key
prints the public part, which users put into GOSUMDB. Only the same key can
continue a database: keep the file, and keep it secret.`},
}
