// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build linux

package main

/*
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void goNothing(void);

static void *callback(void *p) {
	goNothing();
	return NULL;
}

// thread calls Go in a thread of its own.
static void thread(void) {
	pthread_t t;
	if (pthread_create(&t, NULL, callback, NULL) == 0)
		pthread_join(t, NULL);
}

// storm sends each thread of the process but itself a signal, again and again.
static void *storm(void *p) {
	int pid = getpid(), self = syscall(SYS_gettid);
	for (;;) {
		DIR *d = opendir("/proc/self/task");
		struct dirent *e;
		if (d == NULL)
			continue;
		while ((e = readdir(d)) != NULL) {
			int t = atoi(e->d_name);
			if (t > 0 && t != self)
				syscall(SYS_tgkill, pid, t, SIGURG);
		}
		closedir(d);
	}
	return NULL;
}

// watchdog ends a process in which no goroutine can.
static void *watchdog(void *p) {
	sleep(20);
	dprintf(1, "deadlock\n");
	_exit(3);
}

static void startStorm(void) {
	pthread_t t;
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_create(&t, NULL, storm, NULL);
	pthread_create(&t, NULL, watchdog, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}
*/
import "C"

import (
	"fmt"
	"io"
	"os"
	"runtime/trace"
	"sync/atomic"
	"time"
)

//export goNothing
func goNothing() {}

func init() {
	programs["SignalDeadlock"] = func() {
		C.startStorm()
		var threads atomic.Int64
		for range 6 {
			go func() {
				for {
					C.thread()
					threads.Add(1)
				}
			}()
		}
		go func() {
			for {
				trace.Start(io.Discard)
				time.Sleep(2 * time.Millisecond)
				trace.Stop()
			}
		}()
		// A thread that waits for the lock that it holds stops all others.
		time.Sleep(5 * time.Second)
		if threads.Load() == 0 {
			fmt.Println("no thread has ended")
			os.Exit(1)
		}
	}
}
