package main

import (
	"fmt"
	"iter"
	"runtime"
	"sync"
	"time"
)

// plant breaks Pull, to see that the fuzzer finds it.
func plant(fault string) error {
	real := pull
	wrap := func(next func(func() (int, bool)) (int, bool)) {
		pull = func(seq iter.Seq[int]) (func() (int, bool), func()) {
			n, stop := real(seq)
			return func() (int, bool) { return next(n) }, stop
		}
	}
	switch fault {
	case "":
	case "drop": // every third value of an iterator
		pull = func(seq iter.Seq[int]) (func() (int, bool), func()) {
			return real(func(yield func(int) bool) {
				n := 0
				seq(func(v int) bool {
					if n++; n%3 == 0 {
						return true
					}
					return yield(v)
				})
			})
		}
	case "move": // a caller with a lock goes to another thread
		wrap(func(next func() (int, bool)) (int, bool) {
			if !isLocked() {
				return next()
			}
			runtime.UnlockOSThread()
			var wait sync.WaitGroup
			for range 4 {
				wait.Go(func() { runtime.LockOSThread(); runtime.Gosched(); runtime.UnlockOSThread() })
			}
			wait.Wait()
			runtime.LockOSThread()
			return next()
		})
	case "crash": // a next that is called under a panic
		wrap(func(next func() (int, bool)) (int, bool) {
			v, ok := next()
			if ok && v%1000 == 2 {
				panic(runtimeFault{})
			}
			return v, ok
		})
	case "hang": // the second value never arrives
		wrap(func(next func() (int, bool)) (int, bool) {
			v, ok := next()
			if ok && v%1000 == 2 {
				select {}
			}
			return v, ok
		})
	case "starve": // the goroutines that switch to and fro leave bystanders no time
		wrap(func(next func() (int, bool)) (int, bool) {
			v, ok := next()
			if v == besideValue {
				time.Sleep(6 * time.Second)
			}
			return v, ok
		})
	default:
		return fmt.Errorf("-fault=%s: no such fault", fault)
	}
	return nil
}

// A runtimeFault kills the process, recovered or not, when it is printed.
type runtimeFault struct{}

func (runtimeFault) String() string {
	var m map[int]int
	go func() { m[0] = 1 }()
	select {}
}
