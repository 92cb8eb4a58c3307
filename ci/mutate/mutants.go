package mutate

// A Mutant is a fault to plant in a patched runtime: in File, relative to
// GOROOT/src/runtime, the one place that reads Old is made New.
type Mutant struct {
	Name     string
	File     string
	Old, New string
}

// Mutants are the faults that the shared-lock programs and the fuzzer must
// find. Each is a mistake that somebody could make in the file. There is none
// for the time slice that goes on in a hand-off: since coroUnwanted is asked
// first, nobody starves without it, and nothing else shows it.
var Mutants = []Mutant{
	{"a lent claim does not return to a loan", "corolock.go",
		"if mc.claimed() && lent {", "if mc.claimed() && lent && false {"},
	{"who unlocks stays on a reserved thread", "corolock.go",
		"mc.leaver.set(gp)\n\tif now {", "if true {\n\t\treturn\n\t}\n\tif now {"},
	{"LockOSThread stays on a loan from a callback", "corolock.go",
		"(mp.lockedInt != 0 || mp.coro.leaver.ptr() == gp)", "(mp.coro.leaver.ptr() == gp)"},
	{"a borrower unlocks its lender's lock", "corolock.go",
		"	c := mp.coro.claim(gp)\n	if c == nil || c.lockedExt == 0 {", "	c := &mp.coro.first\n	if c.gp == 0 || c.lockedExt == 0 {"},
	{"a caller stays after a callback took its last lock", "corolock.go",
		"if gp := getg(); gp.m.coro.leaver.ptr() == gp {", "if gp := getg(); gp.m.coro.leaver.ptr() == gp && false {"},
	{"a borrower is not displaced", "corolock.go",
		"old.lockedm.ptr() == mp && mc.claim(old) == nil {", "old.lockedm.ptr() == mp && mc.claim(old) == nil && false {"},
	{"the queue is lost when an M becomes idle", "corolock.go",
		"		globrunqputbatch(&q)\n", "		q = gQueue{}\n"},
	{"an M that runs is started", "corolock.go",
		"	if !mc.idle {", "	if !mc.idle && false {"},
	{"two on one thread keep their P", "corolock.go",
		"keep := mp.p != 0 && coroUnwanted(mp.p.ptr())", "keep := mp.p != 0"},
	{"who is preempted goes before those in the queue", "proc.go",
		"{\n\t\tcoroYield(gp)", "&& false {\n\t\tcoroYield(gp)"},
	{"who comes from a system call without a P goes first", "proc.go",
		"{\n\t\t\tcoroYield(gp)", "&& false {\n\t\t\tcoroYield(gp)"},
	{"who comes from a system call and has a P goes first", "corolock.go",
		"if gp.m.coro.queue.head != 0 {", "if gp.m.coro.queue.head != 0 && false {"},
	{"a locked exit does not end the thread", "corolock.go",
		"		mc.doomed = true\n", ""},
	{"others go on on a doomed thread", "corolock.go",
		"direct = lends || !mc.claimed() && !mc.doomed", "direct = lends || !mc.claimed()"},
	{"who unlocks goes on on a doomed thread", "corolock.go",
		"	if !mc.claimed() && !mc.doomed {\n		mp.lockedg = 0", "	if !mc.claimed() {\n		mp.lockedg = 0"},
	{"the P goes away before a thread ends", "corolock.go",
		"if target != nil && !ends && ", "if target != nil && (!ends || true) && "},
	{"a borrower in a coro stays bound", "corolock.go",
		"	if claim == nil {\n		gp.lockedm = 0\n	}\n", ""},
	{"a coro looks as at creation when it is not", "corolock.go",
		"			c.mp = &coroNowhere\n", "			c.mp = c.home\n"},
	{"a thread is lent under more callbacks", "corolock.go",
		"lends = lends && mp.lockedInt == c.lockedInt && ", "lends = lends && "},
	{"a loan is never made again", "corolock.go",
		"(at == mp || gnext == own)", "false"},
	{"a loan goes on when somebody else yields", "corolock.go",
		"		own.loanEnded = true\n", ""},
	{"a loan does not begin again under equal locks", "corolock.go",
		"				gp.loanEnded = false\n", ""},
	{"a coro looks as at creation when somebody else yields", "corolock.go",
		" && (gp == own || gnext == own)", ""},
	{"a bubble is idle during a switch", "corolock.go",
		"	if bubble != nil {\n		// Neither", "	bubble = nil\n	if bubble != nil {\n		// Neither"},
	{"a callback returns below C frames of others", "corolock.go",
		"	for gp.m.coro.frames.gp.ptr() != gp {", "	for gp.m.coro.frames.gp.ptr() != gp && false {"},
	{"who waits for C frames is not woken", "corolock.go",
		"	for !mc.frameWaiters.empty() {", "	for false {"},
	{"callbacks that wait in vain are not noticed", "corolock.go",
		"coroFrameWaits.Add(1)", "coroFrameWaits.Add(0)"},
	{"a panic unwinds below C frames of others", "cgocall.go",
		"	if *restore {\n		if debug.corolock != 0 {\n			coroLeaveFrame()\n", "	if *restore {\n		if debug.corolock != 0 {\n			getg().m.coro.frames = getg().m.coro.frames.next\n"},
	{"the frame pointer unwinder walks into C", "tracestack.go",
		"		cgoOnStack = true\n", "		cgoOnStack = false\n"},
}
