// Maintain runs those commands of "go run ./build" that only a maintainer of
// gocoro needs. It is a separate program so that nobody else has to compile what
// it imports. Package options has the help.
package main

import (
	"os"

	"gocoro/build/command"
	"gocoro/build/options"
)

var program = command.Program{
	Name: "go run ./build",
	Doc:  "Maintain runs the maintainers' commands of go run ./build.",
	Commands: command.With(options.Maintain, map[string]command.Setup{
		"status":   status,
		"lint":     lintCommand,
		"edit":     edit,
		"save":     save,
		"rebase":   rebase,
		"new-line": newLine,
		"watch":    watch,
	}),
}

func main() { os.Exit(program.Main(os.Args[1:])) }
