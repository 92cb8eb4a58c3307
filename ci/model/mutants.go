package model

// A mutation is a fault that is planted in a model, or 0.
type mutation int

const (
	borrowerStays mutation = iota + 1
	evictedStays
	evictedLost
	yieldsToScheduler
	yieldsToFront
	syscallFirst
	syscallKeepsThread
	queueLost
	idleKeepsQueue
	nobodyStarted
	claimantsNotFirst
	startBlind
	startRunning
	exitForgotten
	exitUnbinds
	endForgotten
	doomedGoesOn
	fastExit
	loanGoesOn
	loanNotRenewed
	foreignAsAtCreation
	loanForgotten
	borrowerUnlocks
	unlockerStays
	callerStays
	leaverBound
	leaverQueued
	borrowerBlocks
	coroUnmarked
	lentUnderMore
	neverLent
	alwaysLent
	lockedByGoroutine
	returnBelow
	waitersSleep
	unwindPops
	deadForgotten
	switchInDebt
	evictedInDebt
	exitInDebt
	debtWhenUneven
	lockNotShared
	handoffNotShared
	sharedCleared
	freeStaysShared
	doomNotShared
	unevenNotShared
	clearedInDoom
	lentStays
	aloneShared
	lentAgainUnderMore
	madeInDebt
	deadStay
	clearedInDebt
	fastExitPays
	startAloneShared
	debtUnclaimed
	claimantGoesOnReserved
	aloneQueued
	debtUnpaid
	reserveForgotten
	borrowerCannotUnlock
	loanUnnoted
	mutations
)

// A Mutant is a fault that somebody could make in the runtime. In the model
// named Config, the checker must find it, by Check.
type Mutant struct {
	mutation
	Name          string
	Config, Check string
}

// Mutants are faults that somebody could make in corolock.go.
var Mutants = []Mutant{
	{borrowerStays, "bind does not unbind a borrower", "foreign yield", "I3"},
	{evictedStays, "a borrower is displaced and stays in the queue", "foreign yield", "lost"},
	{evictedLost, "a borrower is displaced and not made ready", "foreign yield", "lost"},
	{yieldsToScheduler, "who yields goes into the scheduler's queue", "turns", "turns"},
	{yieldsToFront, "who yields goes before the others", "turns", "turns"},
	{syscallFirst, "who comes from a system call goes into the scheduler's queue", "turns, one P", "turns"},
	{syscallKeepsThread, "who comes from a system call need not yield", "turns", "turns"},
	{queueLost, "the queue is lost when an M becomes idle", "foreign yield", "lost"},
	{idleKeepsQueue, "the queue stays when an M becomes idle", "foreign yield", "I5"},
	{nobodyStarted, "the queue goes to the scheduler, and no M is started", "one iterator", "lost"},
	{claimantsNotFirst, "claimants are not first in the queue", "foreign yield", "B4"},
	{startBlind, "coroStart does not look at lockedm again with the lock", "foreign yield", "alone"},
	{startRunning, "an M that runs is started", "foreign yield", "I3"},
	{exitForgotten, "a locked exit does not doom the thread", "one iterator", "B6"},
	{exitUnbinds, "an exit leaves the M bound to nobody", "one iterator", "B6"},
	{endForgotten, "a hand-off gives the P away before the thread ends", "one iterator", "B6"},
	{doomedGoesOn, "others go on on a doomed thread", "one iterator", "B6"},
	{fastExit, "an exit with a claim goes the fast way", "nested, foreign yield", "B6"},
	{loanGoesOn, "a loan goes on when the driver is resumed elsewhere", "foreign yield", "B1"},
	{loanNotRenewed, "a loan does not begin again when the iterator is blocked as at creation", "loans renewed", "B5"},
	{foreignAsAtCreation, "a coro looks as at creation when somebody else yields", "loans renewed", "B5"},
	{loanForgotten, "a lent claim does not return to a loan", "one iterator", "B5"},
	{borrowerUnlocks, "a borrower unlocks its lender's lock", "one iterator", "I1"},
	{unlockerStays, "who unlocks stays on a reserved thread", "one iterator", "I3"},
	{callerStays, "a caller stays after a callback took its last lock", "callbacks", "B1"},
	{leaverBound, "who leaves is not unbound in exitsyscallNoP", "foreign callbacks", "I3"},
	{leaverQueued, "who leaves stays in the queue", "nested callbacks", "lost"},
	{borrowerBlocks, "a borrower in a coro stays bound", "one iterator", "I3"},
	{coroUnmarked, "a coro looks as at creation when it is not", "one iterator", "B1"},
	{lentUnderMore, "a thread is lent under more callbacks", "callbacks", "B8"},
	{neverLent, "a thread is not lent when the counts differ", "one iterator", "B5"},
	{alwaysLent, "a thread is lent to anybody", "nested", "B0"},
	{lockedByGoroutine, "exitsyscallNoP asks whether the goroutine is bound, not the M", "foreign callbacks", "B6"},
	{returnBelow, "a callback returns below C frames of others", "callbacks", "B8"},
	{waitersSleep, "who waits for C frames is not woken", "foreign callbacks", "B8"},
	{unwindPops, "a panic takes the callbacks above its own off the list", "callbacks", "B8"},
	{deadForgotten, "a callback that a panic has left below others is not noted", "callbacks", "B8"},
	{lentAgainUnderMore, "a lent claim returns to a loan under more callbacks", "three callbacks", "B8"},
	{madeInDebt, "a coroutine made in debt has a home without locks", "debts, foreign yield", "B1"},
	{deadStay, "callbacks that a panic has left stay on the list", "three callbacks", "B8"},
	{switchInDebt, "a switch under other locks leaves the debt", "one iterator", "debt"},
	{evictedInDebt, "bind leaves the debt of the goroutine before", "foreign yield", "debt"},
	{exitInDebt, "an exit leaves the debt", "nested callbacks", "debt"},
	{fastExitPays, "an exit under equal locks voids the debt", "debts", "B0"},
	{debtWhenUneven, "a borrower under other locks than at creation makes a debt", "one iterator", "B1"},
	{debtUnpaid, "LockOSThread in debt is a lock of its own", "one iterator", "B0"},
	{debtUnclaimed, "an M whose locks a borrower has unlocked looks free", "callbacks", "shared"},
	{borrowerCannotUnlock, "UnlockOSThread on a loan does nothing", "one iterator", "B0"},
	{loanUnnoted, "LockOSThread on a loan does not note that", "one iterator", "B5"},
	{lockNotShared, "a lock on a loan does not make the M shared", "foreign callbacks", "shared"},
	{handoffNotShared, "a hand-off does not make the target shared", "foreign yield", "shared"},
	{sharedCleared, "an M is not shared any more while others have locked it", "foreign callbacks", "shared"},
	{clearedInDebt, "an M is not shared any more when the counts in debt are one goroutine's", "foreign callbacks", "alone"},
	{freeStaysShared, "an M stays shared when the last lock goes", "one iterator", "shared"},
	{doomNotShared, "an M that has to end is not shared", "one iterator", "shared"},
	{unevenNotShared, "a switch under other locks does not make the M shared", "one iterator", "shared"},
	{clearedInDoom, "an M that has to end is not shared any more when one goroutine has all locks", "one iterator", "shared"},
	{lentStays, "a claim stays lent when its goroutine has all locks", "one iterator", "shared"},
	{aloneShared, "alone does not look at shared", "foreign yield", "alone"},
	{aloneQueued, "who is alone and yields goes into the M's queue", "turns", "alone"},
	{startAloneShared, "an M that goroutines share is started by startlockedm", "foreign yield", "throw"},
	{reserveForgotten, "an M is not reserved after a hand-off", "one iterator", "I3"},
	{claimantGoesOnReserved, "a direct switch leaves the M reserved for nobody in particular", "one iterator", "I3"},
}
