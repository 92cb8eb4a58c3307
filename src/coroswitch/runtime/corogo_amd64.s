// Copyright 2026 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build !race

#include "go_asm.h"
#include "go_tls.h"
#include "funcdata.h"
#include "textflag.h"

#ifdef coro_taker // the patch that uses this file has been applied

// func corogo(c *coro)
//
// See corogo.go for who may take whom, and for what may not be done here.
//
// At each instruction the word at SP is the return address of the goroutine
// whose stack SP points into, so that a profile shows who has called. The two
// instructions that write SP are not known to the assembler as such: it would
// mark the function as one whose frame cannot be found.
TEXT runtime·corogo<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-8
	// AX = c, R14 = the goroutine that leaves.
	MOVQ	coro_gp(AX), BX // the one that goes on
	TESTQ	BX, BX
	JEQ	slow
	CMPL	g_atomicstatus(BX), $const__Gwaiting
	JNE	slow // it is being scanned, has leaked, or is the caller
	MOVQ	g_bubble(R14), DX
	ORQ	g_bubble(BX), DX
	JNE	slow
	MOVL	runtime·coroSlow(SB), R9
	CMPL	R9, $const_coroSlowGC
	JHI	slow
#ifdef GOEXPERIMENT_runtimesecret
	CMPL	g_secret(R14), $0
	JNE	slow
#endif
	MOVQ	g_m(R14), CX
	MOVQ	g_lockedm(R14), R12
	MOVQ	coro_mp(AX), DX
	ORQ	R12, DX
	JNE	locked
equal:
	MOVQ	AX, DI
	MOVQ	coro_taker(DI), DX
	CMPQ	DX, R14
	JEQ	taken
	CMPQ	DX, BX
	JNE	slow
	MOVQ	BX, AX
	LOCK
	CMPXCHGQ	R14, coro_gp(DI)
	JNE	lost
taken:
	// From here on BX is the caller's. First it gets an m: suspendG.
	MOVQ	CX, g_m(BX)
	TESTL	R9, R9
	JNE	marking
	MOVL	$const__Grunning, g_atomicstatus(BX)
running:
	MOVQ	SP, R10 // hide (SP) reads from vet
	MOVQ	(R10), R8
	ADDQ	$8, R10
	MOVQ	R8, (g_sched+gobuf_pc)(R14)
	MOVQ	R10, (g_sched+gobuf_sp)(R14)
	MOVQ	BP, (g_sched+gobuf_bp)(R14)
	MOVB	$const_waitReasonCoroutine, g_waitreason(R14)
	MOVQ	DI, g_coroarg(R14)
	MOVQ	$0, g_waitsince(BX)

	// Put the return address below where SP will be.
	MOVQ	(g_sched+gobuf_pc)(BX), R8
	MOVQ	(g_sched+gobuf_sp)(BX), R10
	SUBQ	$8, R10
	MOVQ	R8, (R10)

	// Switch. A signal may come after each instruction.
	MOVQ	R14, SI // the one that has left
	MOVQ	BX, m_curg(CX)
	MOVQ	BX, R14
	get_tls(R11)
	MOVQ	R14, g(R11)
	BYTE	$0x4C; BYTE $0x89; BYTE $0xD4 // MOVQ R10, SP
	MOVQ	(g_sched+gobuf_bp)(R14), BP

	TESTQ	R12, R12
	JNE	donate
donated:
	TESTL	R9, R9
	JNE	markingOld
	MOVL	$const__Gwaiting, g_atomicstatus(SI)
left:
	MOVQ	$0, g_m(SI)
	// From here on SI is anybody's. If it was taken by the CAS above, it is
	// in c already.
	MOVQ	SI, coro_gp(DI)
	ADJSP	$-8
	JMP	R8
	ADJSP	$8 // not executed: for what the assembler knows of SP below

locked:
	// This is coroswitch_m's comparison.
	CMPQ	coro_mp(AX), CX
	JNE	slow
	MOVQ	m_lockedExt(CX), DX // and lockedInt
	CMPQ	coro_lockedExt(AX), DX
	JNE	slow
	JMP	equal

donate:
	MOVQ	$0, g_lockedm(SI)
	MOVQ	R14, m_lockedg(CX)
	MOVQ	CX, g_lockedm(R14)
	JMP	donated

marking:
	// The stack may be about to be scanned.
	MOVL	$const__Gwaiting, AX
	MOVL	$const__Grunning, DX
	LOCK
	CMPXCHGL	DX, g_atomicstatus(BX)
	JEQ	running
	MOVQ	$0, g_m(BX)
	MOVQ	BX, coro_gp(DI)
lost:
	MOVQ	DI, AX
slow:
	JMP	runtime·coroswitch<ABIInternal>(SB)

markingOld:
	MOVL	$const__Grunning, AX
	MOVL	$const__Gwaiting, DX
	LOCK
	CMPXCHGL	DX, g_atomicstatus(SI)
	JEQ	left
	// suspendG asks SI to stop, which takes some instructions.
	PAUSE
	JMP	markingOld

#endif
