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
// See corogo_amd64.s.
TEXT runtime·corogo<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-8
	// R0 = c, g = the goroutine that leaves.
	MOVD	coro_gp(R0), R1 // the one that goes on
	CBZ	R1, slow
	MOVWU	g_atomicstatus(R1), R2
	CMPW	$const__Gwaiting, R2
	BNE	slow // it is being scanned, has leaked, or is the caller
	MOVD	g_bubble(g), R2
	MOVD	g_bubble(R1), R3
	ORR	R3, R2
	CBNZ	R2, slow
	MOVWU	runtime·coroSlow(SB), R9
	CMPW	$const_coroSlowGC, R9
	BHI	slow
#ifdef GOEXPERIMENT_runtimesecret
	MOVW	g_secret(g), R2
	CBNZ	R2, slow
#endif
	MOVD	g_m(g), R4
	MOVBU	g_ditWanted(R1), R2
	MOVBU	m_ditEnabled(R4), R3
	CMPW	R2, R3
	BNE	slow
	MOVD	g_lockedm(g), R10
	MOVD	coro_mp(R0), R3
	ORR	R10, R3, R2
	CBNZ	R2, locked
equal:
	ADD	$coro_gp, R0, R8
	MOVD	coro_taker(R0), R2
	CMP	R2, g
	BEQ	taken
	CMP	R2, R1
	BNE	slow
	MOVBU	runtime·arm64HasATOMICS(SB), R2
	CBZ	R2, llsc
	MOVD	R1, R2
	CASALD	R2, (R8), g
	CMP	R1, R2
	BNE	slow
taken:
	// From here on R1 is the caller's. First it gets an m: suspendG.
	MOVD	R4, g_m(R1)
	ADD	$g_atomicstatus, R1, R3
	MOVD	$const__Grunning, R5
	CBNZ	R9, marking
	STLRW	R5, (R3)
running:
	MOVD	LR, (g_sched+gobuf_pc)(g)
	MOVD	RSP, R5
	MOVD	R5, (g_sched+gobuf_sp)(g)
	MOVD	R29, (g_sched+gobuf_bp)(g)
	MOVD	ZR, (g_sched+gobuf_lr)(g)
	MOVD	$const_waitReasonCoroutine, R5
	MOVB	R5, g_waitreason(g)
	MOVD	R0, g_coroarg(g)
	MOVD	ZR, g_waitsince(R1)
	MOVD	(g_sched+gobuf_sp)(R1), R5
	MOVD	(g_sched+gobuf_pc)(R1), R6
	MOVD	(g_sched+gobuf_lr)(R1), R11

	// Switch. A signal may come after each instruction.
	MOVD	g, R7 // the one that has left
	MOVD	R1, m_curg(R4)
	MOVD	R1, g
#ifndef GOOS_darwin
#ifndef GOOS_openbsd
#ifndef GOOS_windows
	MOVBU	runtime·iscgo(SB), R2
	CBZ	R2, nocgo
#endif
#endif
#endif
	// The frame is for the unwinder. In one of no size it cannot go on from
	// where save_g returns to: there PC equals LR.
	MOVD	LR, -16(RSP)
	SUB	$16, RSP
	BL	runtime·save_g(SB) // clobbers R0 and R27
	MOVD	(RSP), LR
	ADD	$16, RSP
nocgo:
	// LR must never tell of a caller on the stack that SP is not in. 1 is in no
	// function, and there the unwinder stops.
	MOVD	$1, LR
	WORD	$0x910000BF // MOVD R5, RSP
	// LR is where the function that goes on will return to, if it is the first
	// of its goroutine. Otherwise LR is free, and tells the unwinder who has
	// called.
	CMP	ZR, R11
	CSEL	NE, R11, R6, LR
	MOVD	(g_sched+gobuf_bp)(g), R29

	CBNZ	R10, donate
donated:
	ADD	$g_atomicstatus, R7, R3
	MOVD	$const__Gwaiting, R5
	CBNZ	R9, markingOld
	STLRW	R5, (R3)
left:
	MOVD	ZR, g_m(R7)
	// From here on R7 is anybody's. If it was taken by the CAS above, it is
	// in c already.
	STLR	R7, (R8)
	CMP	ZR, ZR // as in gogo
	B	(R6)

locked:
	// This is coroswitch_m's comparison.
	CMP	R3, R4
	BNE	slow
	MOVWU	m_lockedExt(R4), R5
	MOVWU	coro_lockedExt(R0), R6
	CMPW	R5, R6
	BNE	slow
	MOVWU	m_lockedInt(R4), R5
	MOVWU	coro_lockedInt(R0), R6
	CMPW	R5, R6
	BNE	slow
	B	equal

llsc:
	LDAXR	(R8), R2
	CMP	R1, R2
	BNE	slow
	STLXR	g, (R8), R2
	CBNZ	R2, llsc
	B	taken

donate:
	MOVD	ZR, g_lockedm(R7)
	MOVD	g, m_lockedg(R4)
	MOVD	R4, g_lockedm(g)
	B	donated

marking:
	// The stack may be about to be scanned.
	LDAXRW	(R3), R2
	CMPW	$const__Gwaiting, R2
	BNE	scanned
	STLXRW	R5, (R3), R2
	CBNZ	R2, marking
	B	running
scanned:
	MOVD	ZR, g_m(R1)
	STLR	R1, (R8)
slow:
	B	runtime·coroswitch<ABIInternal>(SB)

markingOld:
	LDAXRW	(R3), R2
	CMPW	$const__Grunning, R2
	BNE	pause
	STLXRW	R5, (R3), R2
	CBNZ	R2, markingOld
	B	left
pause:
	// suspendG asks R7 to stop, which takes some instructions.
	YIELD
	B	markingOld

#endif
