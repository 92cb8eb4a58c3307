// The examples are programs of their own, for a toolchain with shared locks.
module gocoro/examples

go 1.26
