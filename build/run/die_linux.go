package run

import "syscall"

// dieWithParent has the kernel kill the process when the thread that started it
// ends. That thread ends with the process, or when a goroutine exits that is
// locked to it, so commands must not be started from such a goroutine.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
