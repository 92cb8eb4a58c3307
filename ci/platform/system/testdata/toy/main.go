// Toy does what its argument says, for the tests of package system.
package main

/*
#include <pthread.h>
static unsigned long self(void) { return (unsigned long)pthread_self(); }
*/
import "C"

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

var shared int

func main() {
	fmt.Println("expect: OK")
	switch os.Args[1] {
	case "ok":
		if C.self() != 0 {
			fmt.Println("OK")
		}
	case "env":
		fmt.Println(os.Getenv("TOY"))
		os.Exit(1) // what is not OK must not exit with 0
	case "exit":
		fmt.Println("OK")
		os.Exit(3)
	case "segv":
		fmt.Println("OK")
		syscall.Kill(os.Getpid(), syscall.SIGSEGV)
		select {}
	case "kill":
		fmt.Println("OK")
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "hang":
		time.Sleep(time.Hour)
	case "orphan":
		// The child leaves the session and keeps the output open.
		cmd := exec.Command(os.Args[0], "hang")
		cmd.Stdout = os.Stdout
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		fmt.Println("OK")
	case "flood":
		line := append(bytes.Repeat([]byte("x"), 99), '\n')
		for range 5_000 {
			os.Stdout.Write(line)
		}
	case "race":
		done := make(chan bool)
		go func() { shared++; close(done) }()
		shared++
		<-done
	case "panic":
		// A panic of the kernel (see its Documentation/admin-guide/sysrq.rst).
		fmt.Println("OK")
		if err := os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0); err != nil {
			panic(err)
		}
		select {}
	}
}
