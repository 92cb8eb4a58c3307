// Main has the commands of "go run ./build" that only those need who make or
// check releases. That program runs it.
package main

import (
	"os"

	"gocoro/build/release"
)

func main() { os.Exit(release.Program.Main(os.Args[1:])) }
