// Main runs those commands of "go run ./build" that only people who make or
// check releases need.
package main

import (
	"os"

	"gocoro/build/release"
)

func main() { os.Exit(release.Program.Main(os.Args[1:])) }
