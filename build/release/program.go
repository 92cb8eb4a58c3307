// Package release makes release folders, which any static host can serve, and
// checks them: what "go run ./build dist", "verify", "check" and "key" do.
package release

import "gocoro/build/command"

const steps = "[-line L] [-source S] [-n] [-v] [-x]"

// Program has the commands.
var Program = command.Program{
	Name: "go run ./build",
	Doc:  "The commands that make and check releases.",
	Commands: []command.Command{
		{Name: "dist", Args: steps + " [-platform all|os/arch,...] [-o DIR] [-flat] [-sumdb-key FILE] [-sign-cmd CMD] [-builder URI]", Setup: Dist,
			Short: "make the packages of a release, for all platforms",
			Long: `
Dist builds the toolchain once, for this machine, lets upstream's own
cmd/distpack pack it for each platform, and puts the packages into the release
folder:

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

With -flat all files lie side by side, as the assets of a GitHub release do:
there is no proxy/, and SHA256SUMS names the modules' files without it.

The folder may hold earlier releases. A package that was published there is
never replaced by other bytes: that is an error, and the revision must go up.`},
		{Name: "verify", Args: steps + " [-proof upstream,twice,patches] [-platform all|os/arch,...] [-leak NAME]", Setup: Verify,
			Short: "prove that the packages are upstream's and the patches",
			Long: `
Verify has three proofs, and prints a line for each with its figures:

	upstream  the line's upstream, built here without any change, is what
	          upstream published: the hash of the pin and the public checksum
	          database. On macOS, where upstream's programs carry a signature
	          of Apple's, they are compared without it.
	twice     the release, built a second time in another folder and for a user
	          with other settings, has the same bytes.
	patches   what differs between the release and the module that upstream
	          published is what the patches and the overlay name, and the
	          programs that these are linked into.

The exit status is 0 only if all that was asked for holds.`},
		{Name: "check", Args: "[-line L] [-release NAME] [-key KEY] [-exec os/arch=CMD] DIR", Setup: Check,
			Short: "unpack the packages of a release folder and look at them",
			Long: `
Check reads what dist has put into DIR as its users would: SHA256SUMS,
releases.json, the archives, the modules and the checksum database. It unpacks
each archive, compares it with the module, reads the programs' headers and
build information, and runs the toolchain where it can: the platform of this
machine, and those that -exec names a command for, which is put before the
program.

DIR may also be what was downloaded of a flat release. Other files in it are
not looked at then.

Whoever can replace the packages in DIR can replace the key of the database in
it, too. With -key the database must be signed by a key that you have from
elsewhere.`},
		{Name: "key", Args: "-o FILE NAME", Setup: MakeKey,
			Short: "make a key for a checksum database",
			Long: `
Key makes a key for dist -sumdb-key. NAME is the name of the database: the host,
and path if you like, where the folder proxy/sumdb/NAME will be served. It
prints the public part, which users put into GOSUMDB. A database can only be
continued with its own key: keep the file, and keep it to yourself.`},
	},
}
