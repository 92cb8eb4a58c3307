//go:build tools

package main

// This import keeps benchstat, which bench runs, in go.mod. A tool line there
// would do the same, but Go 1.22 stops at it as an unknown directive; without
// one it says which Go it needs.
import _ "golang.org/x/perf/cmd/benchstat"
