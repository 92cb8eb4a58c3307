// Child tells what it runs on and executes its arguments, if any, as a program
// that may have left its process group and session.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

func main() {
	fmt.Println(runtime.GOOS, runtime.GOARCH)
	switch os.Args[1] {
	case "exec": // a child in its own session, and its exit status
		cmd := exec.Command(os.Args[0], os.Args[2:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		err := cmd.Run()
		if cmd.ProcessState == nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(cmd.ProcessState.ExitCode())
	case "exit":
		code, _ := strconv.Atoi(os.Args[2])
		os.Exit(code)
	case "hang":
		time.Sleep(time.Hour)
	}
}
