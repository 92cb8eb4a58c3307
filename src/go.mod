// This module holds the overlay: files for the Go tree, not for this one.
// It keeps the root module's ./... from compiling them.
module gocoro/src

go 1.26.0
