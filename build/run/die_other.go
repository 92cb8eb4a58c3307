//go:build unix && !linux

package run

import "syscall"

// dieWithParent does nothing: only linux has a parent death signal.
func dieWithParent(*syscall.SysProcAttr) {}
