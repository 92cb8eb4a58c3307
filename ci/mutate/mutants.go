package mutate

// A Mutant is a fault to plant in a patched runtime: in File, relative to
// GOROOT/src/runtime, the one place that reads Old is made New. The tests of
// package runtime that match Test must find it, or, if Test is empty, the
// shared-lock programs or the fuzzer.
type Mutant struct {
	Name     string
	File     string
	Old, New string
	Test     string
}

// Mutants are the faults that must be found. Each is a mistake that somebody
// could make in the file. There is none for the time slice that goes on in a
// hand-off: since coroUnwanted is asked first, nobody starves without it, and
// nothing else shows it.
var Mutants = []Mutant{
	{Name: "a lent claim does not return to a loan", File: "corolock.go",
		Old: "if mc.claimed() && lent {", New: "if mc.claimed() && lent && false {"},
	{Name: "who unlocks stays on a reserved thread", File: "corolock.go",
		Old: "mc.leaver.set(gp)\n\tif now {", New: "if true {\n\t\treturn\n\t}\n\tif now {"},
	{Name: "LockOSThread stays on a loan from a callback", File: "corolock.go",
		Old: "(mp.lockedInt != 0 || mp.coro.leaver.ptr() == gp)", New: "(mp.coro.leaver.ptr() == gp)"},
	{Name: "a borrower unlocks its lender's lock", File: "corolock.go",
		Old: "	c := mp.coro.claim(gp)\n	if c == nil || c.lockedExt == 0 {", New: "	c := &mp.coro.first\n	if c.gp == 0 || c.lockedExt == 0 {"},
	{Name: "a caller stays after a callback took its last lock", File: "corolock.go",
		Old: "if gp := getg(); gp.m.coro.leaver.ptr() == gp {", New: "if gp := getg(); gp.m.coro.leaver.ptr() == gp && false {"},
	{Name: "a borrower is not displaced", File: "corolock.go",
		Old: "old.lockedm.ptr() == mp && mc.claim(old) == nil {", New: "old.lockedm.ptr() == mp && mc.claim(old) == nil && false {"},
	{Name: "the queue is lost when an M becomes idle", File: "corolock.go",
		Old: "		globrunqputbatch(&q)\n", New: "		q = gQueue{}\n"},
	{Name: "an M that runs is started", File: "corolock.go",
		Old: "	if !mc.idle {", New: "	if !mc.idle && false {"},
	{Name: "two on one thread keep their P", File: "corolock.go",
		Old: "keep := mp.p != 0 && coroUnwanted(mp.p.ptr())", New: "keep := mp.p != 0"},
	{Name: "who is preempted goes before those in the queue", File: "proc.go",
		Old: "{\n\t\tcoroYield(gp)", New: "&& false {\n\t\tcoroYield(gp)"},
	{Name: "who comes from a system call without a P goes first", File: "proc.go",
		Old: "{\n\t\t\tcoroYield(gp)", New: "&& false {\n\t\t\tcoroYield(gp)"},
	{Name: "who comes from a system call and has a P goes first", File: "corolock.go",
		Old: "if gp.m.coro.queue.head != 0 {", New: "if gp.m.coro.queue.head != 0 && false {"},
	{Name: "a locked exit does not end the thread", File: "corolock.go",
		Old: "		mc.doomed = true\n", New: ""},
	{Name: "others go on on a doomed thread", File: "corolock.go",
		Old: "direct = lends || !mc.claimed() && !mc.doomed", New: "direct = lends || !mc.claimed()"},
	{Name: "who unlocks goes on on a doomed thread", File: "corolock.go",
		Old: "	if !mc.claimed() && !mc.doomed {\n		mp.lockedg = 0", New: "	if !mc.claimed() {\n		mp.lockedg = 0"},
	{Name: "the P goes away before a thread ends", File: "corolock.go",
		Old: "if target != nil && !ends && ", New: "if target != nil && (!ends || true) && "},
	{Name: "a borrower in a coro stays bound", File: "corolock.go",
		Old: "	if claim == nil {\n		gp.lockedm = 0\n	}\n", New: ""},
	{Name: "a coro looks as at creation when it is not", File: "corolock.go",
		Old: "			c.mp = &coroNowhere\n", New: "			c.mp = c.home\n"},
	{Name: "a thread is lent under more callbacks", File: "corolock.go",
		Old: "lends = lends && mp.lockedInt == c.lockedInt && ", New: "lends = lends && "},
	{Name: "a loan is never made again", File: "corolock.go",
		Old: "(at == mp || gnext == own)", New: "false"},
	{Name: "a loan goes on when somebody else yields", File: "corolock.go",
		Old: "		own.loanEnded = true\n", New: ""},
	{Name: "a loan does not begin again under equal locks", File: "corolock.go",
		Old: "				gp.loanEnded = false\n", New: ""},
	{Name: "a coro looks as at creation when somebody else yields", File: "corolock.go",
		Old: " && (gp == own || gnext == own)", New: ""},
	{Name: "a bubble is idle during a switch", File: "corolock.go",
		Old: "	if bubble != nil {\n		// Neither", New: "	bubble = nil\n	if bubble != nil {\n		// Neither"},
	{Name: "a callback returns below C frames of others", File: "corolock.go",
		Old: "	for gp.m.coro.frames.gp.ptr() != gp {", New: "	for gp.m.coro.frames.gp.ptr() != gp && false {"},
	{Name: "who waits for C frames is not woken", File: "corolock.go",
		Old: "	for !mc.frameWaiters.empty() {", New: "	for false {"},
	{Name: "callbacks that wait in vain are not noticed", File: "corolock.go",
		Old: "coroFrameWaits.Add(1)", New: "coroFrameWaits.Add(0)"},
	{Name: "a panic unwinds below C frames of others", File: "cgocall.go",
		Old: "	if *restore {\n		if debug.corolock != 0 {\n			coroLeaveFrame()\n", New: "	if *restore {\n		if debug.corolock != 0 {\n			getg().m.coro.frames = getg().m.coro.frames.next\n"},
	{Name: "the frame pointer unwinder walks into C", File: "tracestack.go",
		Old: "		cgoOnStack = true\n", New: "		cgoOnStack = false\n"},

	// Half a repair of upstream's bugs. (That of data independent timing is for
	// arm64, and a mutant of it for a machine that has it.)
	{Name: "the race detector does not see a coroutine end", File: "coro.go",
		Old: "		racegoend()\n", New: "", Test: "TestCoroBugRaceEnd"},
	{Name: "a coroutine keeps its function", File: "coro.go",
		Old: "	c.f = nil\n", New: "", Test: "TestCoroBugRetention"},
	{Name: "a direct switch leaves the wait time", File: "coro.go",
		Old: "	gnext.waitsince = 0 // as in execute\n", New: "", Test: "TestCoroBugWaitTime"},
	{Name: "a shared switch leaves the wait time", File: "corolock.go",
		Old: "		gnext.waitsince = 0\n", New: "", Test: "TestCoroBugWaitTime"},
	{Name: "a secret coroutine's stack is not erased", File: "proc.go",
		Old: "gp.secret > 0 {\n		// Erase", New: "gp.secret > 1 {\n		// Erase", Test: "TestCoroBugSecret"},
	{Name: "the tracer walks into C below a panic", File: "tracestack.go",
		Old: "gp._panic != nil || ", New: "", Test: "TestCoroBugUnwindPanic/Start"},
	{Name: "the block profile walks into C below a panic", File: "mprof.go",
		Old: " || iscgo && curg != nil && curg._panic != nil", New: "", Test: "TestCoroBugUnwindPanic/Block"},
	{Name: "a heap dump meets who leaves a system call", File: "heapdump.go",
		Old: "				dumpgoroutine(gp)\n				break\n", New: "				dumpgoroutine(gp)\n", Test: "TestCoroBugHeapDump"},
	{Name: "a signal takes an M while a lock is held", File: "signal_unix.go",
		Old: "gp.m.isExtraInC && gp.m.locks == 0", New: "gp.m.isExtraInC", Test: "TestCoroBugSignalDeadlock"},
	{Name: "a locked goroutine always comes first", File: "proc.go",
		Old: "inheritTime && pp.schedtick%61 == 0", New: "inheritTime && pp.schedtick%61 == 61", Test: "TestCoroBugLockedStarvation"},
}
