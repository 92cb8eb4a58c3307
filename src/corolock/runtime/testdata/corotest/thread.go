// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package corotest

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// Fatal prints its arguments like println and ends the program.
func Fatal(args ...any) {
	for i, a := range args {
		if i > 0 {
			print(" ")
		}
		switch a := a.(type) {
		case string:
			print(a)
		case int:
			print(a)
		case bool:
			print(a)
		case error:
			print(a.Error())
		default:
			print("?")
		}
	}
	println()
	os.Exit(2)
}

// Locked reports whether the calling goroutine is bound to its thread, by its
// own lock or callback or by a lent one, as its traceback tells.
func Locked() bool {
	var buf [128]byte
	header, _, _ := bytes.Cut(buf[:runtime.Stack(buf[:], false)], []byte("\n"))
	return bytes.Contains(header, []byte("locked to thread"))
}

// MustBeUnlocked ends the program if the calling goroutine is bound to its
// thread.
func MustBeUnlocked(where string) {
	if Locked() {
		Fatal(where, "is locked to thread", ThreadID())
	}
}

// A Pin is a goroutine's own claim on the thread that it is on: it has locked
// the thread, or C frames of it are there. While the claim lasts, the goroutine
// calls Check at every step.
type Pin struct {
	who  string
	tid  int
	lock bool
}

// Lock locks the calling goroutine to its thread. Who names it in messages.
func Lock(who string) *Pin {
	runtime.LockOSThread()
	p := Hold(who)
	p.lock = true
	return p
}

// Hold is Lock for a goroutine that is bound already, by a callback.
func Hold(who string) *Pin {
	p := &Pin{who: who, tid: ThreadID()}
	reserve(p.tid, 1)
	return p
}

// Thread returns the pinned thread.
func (p *Pin) Thread() int { return p.tid }

// Check ends the program unless the goroutine is on its thread and bound to
// it.
func (p *Pin) Check(where string) {
	if tid := ThreadID(); tid != p.tid {
		Fatal(p.who, where, "is on thread", tid, "and not on", p.tid)
	}
	if !Locked() {
		Fatal(p.who, where, "is no longer locked to its thread")
	}
}

// Unlock ends what Lock or Hold began, with a Check.
func (p *Pin) Unlock() {
	p.Check("at unlock")
	reserve(p.tid, -1)
	if p.lock {
		runtime.UnlockOSThread()
	}
}

// Forget is for a goroutine that exits with its lock: nobody checks any more.
func (p *Pin) Forget() { reserve(p.tid, -1) }

// reservations counts the pins of each thread. The epoch grows when a thread
// gets its first.
var reservations struct {
	sync.Mutex
	byThread map[int]reservation
	epoch    int
}

type reservation struct{ pins, epoch int }

func reserve(tid, delta int) {
	reservations.Lock()
	defer reservations.Unlock()
	if reservations.byThread == nil {
		reservations.byThread = map[int]reservation{}
	}
	r := reservations.byThread[tid]
	if r.pins == 0 {
		reservations.epoch++
		r.epoch = reservations.epoch
	}
	r.pins += delta
	if r.pins == 0 {
		delete(reservations.byThread, tid)
		return
	}
	reservations.byThread[tid] = r
}

// reservedSince returns when a thread got its first pin, or 0 if it has none.
func reservedSince(tid int) int {
	reservations.Lock()
	defer reservations.Unlock()
	return reservations.byThread[tid].epoch
}

// MustBeFree ends the program if the calling goroutine, a foreign one, is on
// a pinned thread.
func MustBeFree(who string) {
	tid := ThreadID()
	if tid == 0 {
		return
	}
	// The caller may move, and the thread then be pinned, between any two
	// steps: only who is still there after having been seen there counts.
	if since := reservedSince(tid); since != 0 && ThreadID() == tid && reservedSince(tid) == since {
		Fatal(who, "is on thread", tid, "which others have locked")
	}
}

// Churn keeps n goroutines hopping between threads, so that whoever is not
// locked is moved, until the function it returns is called. It ends the
// program if one of them gets to a pinned thread.
func Churn(n int) (stop func()) {
	quit := make(chan bool)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-quit:
					return
				default:
				}
				MustBeFree("a foreign goroutine")
				if i%64 == 0 {
					time.Sleep(10 * time.Microsecond)
				} else {
					runtime.Gosched()
				}
			}
		})
	}
	return func() {
		close(quit)
		wg.Wait()
	}
}

// Block blocks the calling goroutine for a moment.
func Block() {
	done := make(chan bool)
	go func() {
		time.Sleep(50 * time.Microsecond)
		done <- true
	}()
	<-done
}

// Spin computes until done reports true. It can be preempted by signal only, as
// the loops are that users write. Where the runtime sends no signals for that
// (asyncpreemptoff, gccheckmark), it yields every 2^24 rounds: long after a
// signal would have come.
func Spin(done func() bool) {
	for i := 1; !done(); i++ {
		if i%(1<<24) == 0 {
			runtime.Gosched()
		}
	}
}

// Threads returns how many threads the process has, or 0 if unknown.
func Threads() int {
	list, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return 0
	}
	return len(list)
}

// CountsThreads reports whether the runtime can count the process's threads: on
// Linux, by /proc/self/stat. An emulator may not have the number there.
func CountsThreads() bool {
	stat, err := os.ReadFile("/proc/self/stat")
	_, rest, ok := bytes.Cut(stat, []byte(") "))
	fields := bytes.Fields(rest)
	return runtime.GOOS == "linux" && err == nil && ok && len(fields) > 17 && string(fields[17]) != "0"
}

// MustEnd ends the program unless a thread ends within some seconds. It does
// nothing that makes the runtime wake a thread that went idle instead: a sleep
// can, and so can a system call, if they last.
func MustEnd(who string, tid int) {
	for deadline := time.Now().Add(10 * time.Second); Exists(tid); runtime.Gosched() {
		if time.Now().After(deadline) {
			Fatal("thread", tid, "outlives", who)
		}
	}
}

// AwaitSleep spins until a thread sleeps, for a second at most, or not at all
// where there is no way to tell.
func AwaitSleep(tid int) {
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); {
		stat, err := os.ReadFile("/proc/self/task/" + strconv.Itoa(tid) + "/stat")
		// pid (comm) state …
		_, state, _ := bytes.Cut(stat, []byte(") "))
		if err != nil || len(state) == 0 || state[0] == 'S' {
			return
		}
	}
}

// NeedThreads makes the calling goroutine's thread, and others, start new
// ones.
func NeedThreads() {
	runtime.GOMAXPROCS(4)
	var gates []*Gate
	var wg sync.WaitGroup
	for range 20 {
		gate := NewGate()
		gates = append(gates, gate)
		wg.Go(gate.Wait)
		runtime.Gosched()
		Block()
	}
	for _, gate := range gates {
		gate.Open()
	}
	wg.Wait()
}
