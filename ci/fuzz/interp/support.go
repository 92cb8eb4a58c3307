package main

/*
#cgo LDFLAGS: -lpthread
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef __APPLE__
static uint64_t threadid(void) { uint64_t id; pthread_threadid_np(NULL, &id); return id; }
#else
#include <sys/syscall.h>
static uint64_t threadid(void) { return syscall(SYS_gettid); }
#endif

// call calls back into Go. Its frame must be as it was when that returns.
static int call(uintptr_t h) {
	extern void goCallback(uintptr_t);
	volatile uintptr_t canary[8];
	uint64_t self = threadid();
	for (int i = 0; i < 8; i++) canary[i] = h ^ (uintptr_t)canary;
	goCallback(h);
	for (int i = 0; i < 8; i++) if (canary[i] != (h ^ (uintptr_t)canary)) return 1;
	return threadid() == self ? 0 : 2;
}

struct calls { uintptr_t h; int n; };

static void *threadMain(void *arg) {
	struct calls *c = arg;
	for (int i = 0; i < c->n; i++) {
		int bad = call(c->h);
		if (bad) { fprintf(stderr, "violation: C frame: a thread of C, call %d\n", bad); _exit(3); }
	}
	return NULL;
}

// thread makes a thread that calls back into Go n times.
static int thread(uintptr_t h, int n) {
	struct calls c = { h, n };
	pthread_t t;
	int err = pthread_create(&t, NULL, threadMain, &c);
	return err ? err : pthread_join(t, NULL);
}

static void inC(int us) { usleep(us); }

static void *lateMain(void *us) {
	extern void goLate(void);
	usleep((uintptr_t)us);
	goLate();
	return NULL;
}

// late makes a thread that calls Go for the first time when us have passed.
static int late(int us) {
	pthread_t t;
	int err = pthread_create(&t, NULL, lateMain, (void *)(uintptr_t)us);
	return err ? err : pthread_detach(t);
}
*/
import "C"

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	osexec "os/exec"
	"runtime"
	"runtime/cgo"
	"runtime/trace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gocoro/ci/fuzz/program"
)

// The operations, and the checks that go with each.
//
// A goroutine with locks of its own (LockOSThread, or C frames below it) has a claim
// on its thread. At every operation, a goroutine with a claim must be on its thread.
// No goroutine may be on a thread that another one has claimed, unless iterators
// connect the two and the other one is inside next, stop or yield, so that it may
// have lent the thread.

var (
	pullKind = flag.String("pull", "coro", "coro: iter.Pull; chan: one made of channels, to compare with")
	repeat   = flag.Int("repeat", 1, "how many times the program runs")
	threads  = flag.Bool("threads", false, "print the thread of each step of a locked goroutine")
	exact    = flag.Bool("exact", false, "upstream's runtime runs the program: what is unlocked on loan is locked again, and nothing is left behind")
	upstream = flag.Bool("upstream", false, "check nothing: upstream's runtime may do what the checks do not know")
)

// Pull makes an iterator into next and stop.
var pull func(iter.Seq[int]) (func() (int, bool), func())

func choosePull() {
	switch *pullKind {
	case "coro":
		pull = iter.Pull[int]
	case "chan":
		pull = channelPull
	default:
		fmt.Fprintf(os.Stderr, "-pull=%s: want coro or chan\n", *pullKind)
		os.Exit(2)
	}
}

// A G is a goroutine.
type G struct {
	name   string
	run    *run
	slots  *[4]*iterator
	parent *G
	kids   int
	forks  []chan bool

	// Guarded by world.
	log    []string
	ext    int   // its calls of LockOSThread without those of UnlockOSThread
	unsure int   // such calls that may have undone an unlock on loan
	init   bool  // in package initialization, which has the main thread locked
	frames int   // C frames that called it
	thread int   // its claim, if it has one
	away   bool  // inside next, stop or yield
	exited bool  // with locks of its own
	group  *G    // union-find: who is connected by iterators
	stack  []int // the threads of its C frames
}

// An iterator is what Pull returned.
type iterator struct {
	slot, count int
	next        func() (int, bool)
	stop        func()
	yield       func(int) bool
	co          *G
}

// A run is one run of the program.
type run struct {
	gs     []*G
	wait   sync.WaitGroup // for roots, forks, and what runs on threads of C
	events atomic.Int64
}

// world has what goroutines know of each other.
var world struct {
	sync.Mutex
	threads map[int]*thread
	epoch   int // the last one
}

// A thread is what is known of a thread.
type thread struct {
	claims []*G // who claims it
	debts  int  // how often it may have been unlocked by goroutines that had it on loan
	epoch  int  // since it was locked
	frames []*G // whose C frames are on it, the innermost last
	seen   bool // a goroutine of the program has run on it
	unsure bool // somebody may have locked it, or may not
	fatal  bool // a goroutine with locks has exited on it
	ours   bool // it may end for other reasons
}

// on returns the thread t. The caller holds world.
func on(t int) *thread {
	if world.threads == nil {
		world.threads = map[int]*thread{}
	}
	if world.threads[t] == nil {
		world.threads[t] = new(thread)
	}
	return world.threads[t]
}

// violation ends the process: the program saw what it must not.
func violation(kind, format string, args ...any) {
	buf := make([]byte, 1<<16)
	buf = buf[:runtime.Stack(buf, false)]
	fmt.Fprintf(os.Stderr, "violation: %s: %s\n\n%s\n", kind, fmt.Sprintf(format, args...), buf)
	os.Exit(3)
}

func self() int {
	if runtime.GOOS == "linux" {
		// No cgo call: that would be a scheduling point.
		id, _, _ := syscall.RawSyscall(syscall.SYS_GETTID, 0, 0, 0)
		return int(id)
	}
	return int(C.threadid())
}

func (g *G) find() *G {
	for g.group != g {
		g.group = g.group.group
		g = g.group
	}
	return g
}

func (g *G) event(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fixed := *threads && isLocked()
	world.Lock()
	if fixed {
		t := self()
		text = fmt.Sprintf("%s\t@%d.%d", text, t, on(t).epoch)
	}
	g.log = append(g.log, text)
	world.Unlock()
	g.run.events.Add(1)
	g.check()
}

// begins notes that a goroutine that was not locked has locked its thread, and so
// begins an epoch. Which thread that is, is chance: it may be one that the goroutine
// or others had locked before. All goroutines that are locked in this epoch are on
// the same thread.
func begins() {
	world.Lock()
	world.epoch++
	on(self()).epoch = world.epoch
	world.Unlock()
}

// isLocked reports whether the runtime has locked the goroutine to its thread.
func isLocked() bool { return strings.Contains(header(), "locked to thread") }

// header returns what the runtime says of the goroutine, such as "goroutine 1
// [running, locked to thread]:".
func header() string {
	buf := make([]byte, 128)
	line, _, _ := bytes.Cut(buf[:runtime.Stack(buf, false)], []byte("\n"))
	return string(line)
}

// own reports whether g has locked its thread itself.
func (g *G) own() bool { return g.ext+g.frames > 0 || g.init }

// check checks that g is where it may be.
func (g *G) check() {
	if *upstream {
		return
	}
	world.Lock()
	g.checkLocked()
	own := g.own()
	world.Unlock()
	if own {
		g.locked(true)
	}
}

// checkLocked is check with world held. While it is, no claim changes: a claim
// is made after the lock and given up before the unlock.
func (g *G) checkLocked() {
	if *upstream {
		return
	}
	t := self()
	thread := on(t)
	thread.seen = true
	own := g.own()
	if own && t != g.thread {
		violation("identity", "goroutine %s has a lock on thread %d and is on thread %d", g.name, g.thread, t)
	}
	live, lent := false, false
	for _, c := range thread.claims {
		if c == g {
			continue
		}
		if c.find() != g.find() {
			violation("stranger", "goroutine %s is on thread %d, which is goroutine %s's: no iterator connects them", g.name, t, c.name)
		}
		live = live || !c.exited
		lent = lent || c.exited || c.away
	}
	// Of several who have claims on one thread, one may lend it.
	if live && !lent && !own && g.unsure == 0 {
		violation("trespass", "goroutine %s is on thread %d, which is goroutine %s's, who lends it to nobody", g.name, t, thread.claims[0].name)
	}
}

// locked checks whether the runtime has locked g to its thread.
func (g *G) locked(want bool) {
	if *upstream {
		return
	}
	if got := isLocked(); got != want {
		violation("lock state", "goroutine %s: locked %t, want %t: %s", g.name, got, want, header())
	}
}

// claim registers a lock that was just taken; ext and frames say which.
func (g *G) claim(ext, frames int) {
	world.Lock()
	defer world.Unlock()
	if !g.own() {
		g.thread = self()
		thread := on(g.thread)
		thread.claims = append(thread.claims, g)
	}
	g.ext += ext
	g.frames += frames
	if frames > 0 {
		t := self()
		g.stack = append(g.stack, t)
		on(t).frames = append(on(t).frames, g)
	}
	g.checkLocked()
}

// unclaim takes back what claim registered, before the lock is undone.
func (g *G) unclaim(ext, frames int) {
	world.Lock()
	defer world.Unlock()
	g.checkLocked()
	g.ext -= ext
	g.frames -= frames
	if frames > 0 {
		t := g.stack[len(g.stack)-1]
		g.stack = g.stack[:len(g.stack)-1]
		fs := on(t).frames
		if fs[len(fs)-1] != g {
			// The runtime may wait, and end the process if it waits forever.
			fmt.Fprintf(os.Stderr, "note: goroutine %s is about to return to C on thread %d before goroutine %s\n", g.name, t, fs[len(fs)-1].name)
		}
		for i := len(fs) - 1; i >= 0; i-- {
			if fs[i] == g {
				on(t).frames = slices.Delete(fs, i, i+1)
				break
			}
		}
	}
	if !g.own() {
		g.drop()
	}
}

func (g *G) drop() {
	thread := on(g.thread)
	i := slices.Index(thread.claims, g)
	thread.claims = slices.Delete(thread.claims, i, i+1)
}

func (r *run) newG(name string) *G {
	g := &G{name: name, run: r}
	g.group = g
	world.Lock()
	r.gs = append(r.gs, g)
	world.Unlock()
	return g
}

func (g *G) kid() *G {
	g.kids++
	h := g.run.newG(fmt.Sprintf("%s.%d", g.name, g.kids))
	h.parent, h.slots = g, g.slots
	return h
}

// base runs body as all that goroutine g does, or all that it does for one call from
// a thread of C. If g is a coroutine, base passes a panic on.
func (g *G) base(coroutine bool, body func(*G)) {
	how := "goexit"
	defer func() {
		var e any
		if how == "goexit" {
			if e = recover(); e != nil {
				how = fmt.Sprint("panic ", e)
			}
		}
		g.event("%s", how)
		switch {
		case g.frames > 0: // on a thread of C, which gets its locks undone
			for g.ext+g.unsure > 0 {
				g.undo()
			}
		case g.unsure > 0: // its thread may end, or not
			world.Lock()
			if g.ext > 0 {
				g.drop()
			}
			world.Unlock()
		case g.ext > 0:
			world.Lock()
			if thread := on(g.thread); thread.ours {
				g.drop() // a thread of C goes on
			} else {
				g.exited = true
				thread.fatal = true
			}
			world.Unlock()
		case !coroutine:
			g.locked(false)
		}
		if e != nil && coroutine {
			panic(e)
		}
	}()
	body(g)
	how = "end"
}

// spawn runs body on a new goroutine and closes the channel when it ends.
func (g *G) spawn(body func(*G)) chan bool {
	h := g.kid()
	done := make(chan bool)
	g.run.wait.Add(1)
	go func() {
		defer g.run.wait.Done()
		defer close(done)
		h.base(false, body)
	}()
	return done
}

// switches marks that g is in next, stop or yield of it.
func (g *G) switches(it *iterator) (back func()) {
	world.Lock()
	g.checkLocked()
	g.find().group = it.co.find()
	g.away = true
	world.Unlock()
	return func() {
		world.Lock()
		g.away = false
		world.Unlock()
	}
}

func (g *G) pull(slot int, body func(*G, *iterator)) {
	co := g.kid()
	it := &iterator{slot: slot, co: co}
	world.Lock()
	co.find().group = g.find()
	world.Unlock()
	it.next, it.stop = pull(func(yield func(int) bool) {
		it.yield = yield
		co.base(true, func(co *G) { body(co, it) })
	})
	g.slots[slot] = it
	g.event("pull %d", slot)
}

func (g *G) next(slot int) {
	it := g.slots[slot]
	if it == nil {
		g.event("next %d: none", slot)
		return
	}
	v, ok := func() (int, bool) {
		defer g.switches(it)()
		return it.next()
	}()
	g.event("next %d: %d %t", slot, v, ok)
}

func (g *G) stop(slot int) {
	if it := g.slots[slot]; it != nil {
		func() {
			defer g.switches(it)()
			it.stop()
		}()
	}
	g.event("stop %d", slot)
}

// yield yields to it, which is n levels up; it is nil if there is none.
func (g *G) yield(it *iterator, n int) {
	if it == nil {
		g.event("yield %d: none", n)
		return
	}
	ok := func() bool {
		defer g.switches(it)()
		// A yield that panics does not count.
		old := it.count
		it.count++
		defer func() {
			if e := recover(); e != nil {
				it.count = old
				panic(e)
			}
		}()
		return it.yield(it.slot*1000 + it.count)
	}()
	g.event("yield %d: %t", n, ok)
}

func (g *G) lock() {
	// A goroutine that unlocks a thread that it has on loan, and locks it again,
	// has no lock of its own. The interpreter cannot see whether the loan goes on.
	world.Lock()
	thread := on(self())
	unsure := thread.debts > 0 && slices.ContainsFunc(thread.claims, func(c *G) bool { return c != g })
	if unsure {
		thread.debts--
		if !*exact {
			thread.unsure = true
		}
		g.unsure++
	}
	world.Unlock()
	was := isLocked()
	runtime.LockOSThread()
	if !was {
		begins()
	}
	if !unsure {
		g.claim(1, 0)
	}
	g.event("lock")
}

func (g *G) undo() {
	if g.ext > 0 {
		g.unclaim(1, 0)
	} else {
		world.Lock()
		thread, lent := on(self()), 0
		for _, c := range thread.claims {
			if c != g {
				lent += c.ext
			}
		}
		if lent > 0 {
			thread.debts++
		}
		if g.unsure > 0 {
			g.unsure--
		}
		world.Unlock()
	}
	runtime.UnlockOSThread()
}

func (g *G) unlock() {
	g.undo()
	g.event("unlock")
}

func (g *G) join() {
	for _, f := range g.forks {
		<-f
	}
	g.forks = nil
	g.event("join")
}

//export goCallback
func goCallback(h C.uintptr_t) { cgo.Handle(h).Value().(func())() }

func (g *G) callback(body func()) {
	func() {
		was := isLocked()
		h := cgo.NewHandle(func() {
			if !was {
				begins()
			}
			g.claim(0, 1)
			defer g.unclaim(0, 1)
			body()
		})
		defer h.Delete()
		if bad := C.call(C.uintptr_t(h)); bad != 0 {
			violation("C frame", "goroutine %s: call %d", g.name, bad)
		}
	}()
	g.event("callback")
}

func (g *G) cthread(n int, body func(*G)) {
	h := cgo.NewHandle(func() {
		k := g.kid()
		t := self()
		begins()
		world.Lock()
		on(t).ours = true
		for _, c := range on(t).claims {
			// It has locked the thread in a callback, in an earlier call of
			// C's. C calls all the same.
			c.find().group = k.find()
		}
		world.Unlock()
		k.claim(0, 1)
		defer func() {
			k.unclaim(0, 1)
			world.Lock()
			defer world.Unlock()
			for _, c := range on(t).claims {
				fmt.Fprintf(os.Stderr, "end: goroutine %s has locked thread %d of C, which may end now\n", c.name, t)
			}
			if on(t).unsure {
				fmt.Fprintf(os.Stderr, "end: goroutine ? may have locked thread %d of C, which may end now\n", t)
			}
		}()
		k.base(false, body)
	})
	defer h.Delete()
	g.run.wait.Add(1)
	// Another goroutine waits in C. Other goroutines may have C frames on g's
	// thread, or may have lent it to g, and the new thread may have to wait for them.
	made := make(chan C.int)
	go func() { made <- C.thread(C.uintptr_t(h), C.int(n)) }()
	if err := <-made; err != 0 {
		fmt.Fprintf(os.Stderr, "pthread_create: %d\n", err)
		os.Exit(4)
	}
	g.run.wait.Done()
	g.event("thread")
}

func (g *G) try(body func()) {
	g.event("try: %v", recovered(body))
}

// recovered runs body and returns what it panics with.
func recovered(body func()) (e any) {
	defer func() { e = recover() }()
	body()
	return nil
}

//go:noinline
func grow(kib int) byte {
	var frame [1024]byte
	if kib > 1 {
		frame[kib%1024] = grow(kib - 1)
	}
	return frame[kib%1024]
}

// lateRun is the run that waits for its threads of C to call Go.
var lateRun atomic.Pointer[run]

//export goLate
func goLate() {
	runtime.Gosched()
	lateRun.Load().wait.Done()
}

// quiet does an operation that only keeps the runtime busy.
func (g *G) quiet(what string, n int) {
	us := time.Duration(n) * time.Microsecond
	switch what {
	case "gosched":
		runtime.Gosched()
	case "gc":
		runtime.GC()
	case "grow":
		grow(n)
	case "block":
		c := make(chan bool)
		go func() {
			runtime.Gosched()
			c <- true
		}()
		<-c
	case "spin":
		for start := time.Now(); time.Since(start) < us; {
		}
	case "sleep":
		time.Sleep(us)
	case "syscall":
		t := syscall.NsecToTimeval(int64(us))
		syscall.Select(0, nil, nil, nil, &t)
	case "ccall":
		C.inC(C.int(n))
	case "procs":
		runtime.GOMAXPROCS(n)
	case "world":
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
	case "timer":
		called := make(chan bool)
		time.AfterFunc(us, func() { close(called) })
		<-called
	case "signal":
		// The runtime handles it, and nothing follows. With os/signal, a thread
		// would wait for signals, and no deadlock would be found.
		syscall.Kill(os.Getpid(), syscall.SIGWINCH)
	case "exec":
		// An emulator of user programs may hang in a fork.
		if os.Getenv("QEMU_LD_PREFIX") == "" {
			if err := osexec.Command("true").Run(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(4)
			}
		}
	case "late":
		g.run.wait.Add(1)
		lateRun.Store(g.run)
		if err := C.late(C.int(n)); err != 0 {
			fmt.Fprintf(os.Stderr, "pthread_create: %d\n", err)
			os.Exit(4)
		}
	}
	g.event("%s", what)
}

// bystanders each have one turn beside a pair of goroutines that switch to and fro.
var bystanders = [program.BesideLocked]func(){
	runtime.Gosched,
	func() { time.Sleep(100 * time.Microsecond) },
	func() {
		r, w, err := os.Pipe()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(4)
		}
		defer r.Close()
		go func() {
			runtime.Gosched()
			w.Close()
		}()
		io.ReadAll(r)
	},
}

// beside drives an iterator for as long as a bystander needs for its turns. A turn
// comes after a few time slices, whoever has locked what: with channels 5 seconds are
// never needed.
func (g *G) beside(n int) {
	const turns, limit = 3, 5 * time.Second
	var over atomic.Bool
	go func() {
		for range turns {
			bystanders[n%program.BesideLocked]()
		}
		over.Store(true)
	}()
	next, stop := pull(func(yield func(int) bool) {
		if n >= program.BesideLocked {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
		}
		for yield(besideValue) {
		}
	})
	start := time.Now()
	for !over.Load() {
		next()
	}
	if d := time.Since(start); d > limit {
		violation("starved", "goroutine %s drove an iterator beside a bystander that had its %d turns after %v", g.name, turns, d)
	}
	stop()
	g.event("%s", program.Beside)
}

// besideValue is what the iterators of beside yield.
const besideValue = 999

// A channelCoro does with channels what the runtime's coro does: one goroutine
// is blocked on it, and a switch blocks the caller and starts that one.
type channelCoro struct{ blocked atomic.Pointer[chan bool] }

func newChannelCoro(f func(*channelCoro)) *channelCoro {
	c := new(channelCoro)
	start := make(chan bool)
	c.blocked.Store(&start)
	go func() {
		<-start
		defer func() { *c.blocked.Swap(nil) <- true }()
		f(c)
	}()
	return c
}

func (c *channelCoro) swap() {
	me := make(chan bool)
	*c.blocked.Swap(&me) <- true
	<-me
}

// channelPull is the yardstick: what iter.Pull does, with channels.
func channelPull(seq iter.Seq[int]) (func() (int, bool), func()) {
	var (
		value             int
		valid             bool
		asked, done, over bool
		fault             any
		goexit            bool
	)
	c := newChannelCoro(func(c *channelCoro) {
		if done {
			return
		}
		defer func() {
			if fault = recover(); fault == nil && !over {
				goexit = true
			}
			done = true
		}()
		seq(func(v int) bool {
			if done {
				return false
			}
			if !asked {
				panic("iter.Pull: yield called again before next")
			}
			asked, value, valid = false, v, true
			c.swap()
			return !done
		})
		value, valid, over = 0, false, true
	})
	pass := func() {
		if goexit {
			runtime.Goexit()
		}
		if fault != nil {
			panic(fault)
		}
	}
	next := func() (int, bool) {
		if done {
			return 0, false
		}
		if asked {
			panic("iter.Pull: next called again before yield")
		}
		asked = true
		c.swap()
		pass()
		return value, valid
	}
	stop := func() {
		if !done {
			done = true
			c.swap()
			pass()
		}
	}
	return next, stop
}

// The main goroutine is on the main thread when main starts.
func init() { runtime.LockOSThread() }

// mainG is the main goroutine if the program has something to do in init.
var mainG *G

// prelude runs prog.Init, before the main goroutine is locked by LockOSThread.
func prelude(body func(*G)) {
	runtime.GOMAXPROCS(prog.Procs)
	g := new(run).newG("0")
	g.slots = new([4]*iterator)
	world.Lock()
	g.init, g.thread = true, self()
	on(g.thread).claims = []*G{g}
	world.Unlock()
	e := recovered(func() { body(g) })
	world.Lock()
	g.ext++ // see init
	g.init = false
	world.Unlock()
	g.event("init: %v", e)
	mainG = g
}

// start runs a program and prints the logs of its goroutines.
func start(roots []func(*G)) {
	if !prog.Main {
		runtime.UnlockOSThread()
	}
	if mainG == nil {
		runtime.GOMAXPROCS(prog.Procs)
	}
	if prog.Trace {
		if err := trace.Start(io.Discard); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(4)
		}
		defer trace.Stop()
	}
	var over atomic.Bool
	defer over.Store(true)
	for i := range prog.Noise {
		g := (&run{}).newG(fmt.Sprint("noise", i))
		go func() {
			for !over.Load() {
				g.check()
				if i%2 == 0 {
					runtime.Gosched()
				} else {
					g.quiet("spin", 50)
					time.Sleep(50 * time.Microsecond)
				}
			}
		}()
	}
	if prog.Main || deadlock {
		*repeat = 1
	}
	for i := range *repeat {
		r := new(run)
		if mainG != nil {
			r = mainG.run
		}
		if once(r, roots) {
			r.print(i, "")
		} else {
			buf := make([]byte, 1<<20)
			os.Stderr.Write(buf[:runtime.Stack(buf, true)])
			r.print(i, "deadlock\n")
			return
		}
	}
	leftover()
}

// once runs the roots. It returns false if it never ends.
func once(r *run, roots []func(*G)) bool {
	ended := make(chan bool)
	r.wait.Add(len(roots))
	gs := make([]*G, len(roots))
	for i := range roots {
		if i == 0 && mainG != nil {
			gs[i] = mainG
			continue
		}
		gs[i] = r.newG(fmt.Sprint(i))
		gs[i].slots = new([4]*iterator)
	}
	for i, root := range roots {
		if prog.Main && i == 0 {
			continue
		}
		go func() {
			defer r.wait.Done()
			gs[i].base(false, root)
		}()
	}
	go func() {
		r.wait.Wait()
		close(ended)
	}()
	if prog.Main {
		if mainG == nil {
			gs[0].claim(1, 0)
		}
		gs[0].mainBase(roots[0])
		r.wait.Done()
	}
	if !deadlock {
		<-ended
		return true
	}
	// The program is in a deadlock if there is no event for a second.
	for last := int64(-1); last != r.events.Load(); {
		last = r.events.Load()
		select {
		case <-ended:
			return true
		case <-time.After(time.Second):
		}
	}
	return false
}

// mainBase is base for the main goroutine, which goes on afterwards.
func (g *G) mainBase(body func(*G)) {
	func() {
		defer func() {
			how := "end"
			if e := recover(); e != nil {
				how = fmt.Sprint("panic ", e)
			}
			g.event("%s", how)
		}()
		body(g)
	}()
	sure := g.unsure == 0
	for g.ext+g.unsure > 0 {
		g.undo()
	}
	if sure {
		g.locked(false)
	}
}

// print prints the logs, ordered by the goroutines' names.
func (r *run) print(i int, end string) {
	world.Lock()
	defer world.Unlock()
	slices.SortFunc(r.gs, func(a, b *G) int { return strings.Compare(a.name, b.name) })
	var b strings.Builder
	fmt.Fprintf(&b, "run %d\n", i)
	for _, g := range r.gs {
		if len(g.log) > 0 {
			fmt.Fprintf(&b, "goroutine %s\n\t%s\n", g.name, strings.Join(g.log, "\n\t"))
		}
	}
	fmt.Print(b.String() + end)
}

// leftover checks that exactly the threads have ended that must: when a goroutine
// exits with locks, its thread ends after the last claim on it. The main thread never
// ends.
func leftover() {
	if runtime.GOOS != "linux" || *upstream {
		return
	}
	alive := func(t int) bool {
		_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", t))
		return err == nil
	}
	world.Lock()
	defer world.Unlock()
	for t, thread := range world.threads {
		if thread.seen && !thread.fatal && !thread.ours && !thread.unsure && !alive(t) {
			violation("thread lost", "thread %d has ended; no goroutine exited on it with a lock", t)
		}
	}
	for t, thread := range world.threads {
		if !thread.fatal || t == os.Getpid() || thread.ours || thread.unsure || slices.ContainsFunc(thread.claims, func(g *G) bool { return !g.exited }) {
			continue
		}
		for n := 0; alive(t); n++ {
			if n == 1000 {
				violation("thread left", "thread %d lives on; a goroutine exited on it with a lock, and nobody claims it", t)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}
