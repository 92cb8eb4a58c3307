// Package release makes and checks release directories, which any static web
// server can serve. It implements the commands changelog, dist, verify,
// check and key of "go run ./build".
package release

import (
	"gocoro/build/command"
	"gocoro/build/options"
)

// Program runs the commands. Package options has the help.
var Program = command.Program{
	Name: "go run ./build",
	Doc:  "The commands that make and check releases.",
	Commands: command.With(options.Releases, map[string]command.Setup{
		"changelog": Changelog,
		"dist":      Dist,
		"verify":    Verify,
		"check":     Check,
		"key":       MakeKey,
	}),
}
