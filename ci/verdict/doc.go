// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package verdict judges the raw records of a run, which package record keeps.
//
// From these and the plan, [Evaluate] makes one [Outcome] for each test of each
// cell. The report, the totals and the exit code come from the outcomes and from
// nothing else.
//
// # When is a test passed?
//
// A reporter that trusts the word "pass" misses crashes. If a test binary calls
// exit(0) in the middle of TestX, the go command prints
// {"Action":"pass","Test":"TestX"}. If it dies after printing PASS, under an exec
// wrapper that loses the exit code, the go command prints "ok". A reporter that
// searches the output for "fatal error:" gives false alarms: the runtime's tests run
// programs that must crash, and print their output. So the verdict relies on the
// structure that the testing package itself writes, in this order:
//
//  1. A test has a result when its own frame line "--- PASS: TestX" (FAIL,
//     SKIP) is there, at the start of a line and in the test's own output. An
//     action "pass" without it is the end of the package under a wrong name.
//  2. A test that began and has no frame line was open when the process died:
//     it crashed, or timed out if the process or the CI says so. A test that was
//     paused, and waited for its turn to run in parallel, did not run.
//  3. A test binary that comes to its end prints PASS or FAIL alone on a line,
//     outside of any test. Without that line the process died, whatever the go
//     command and the exit code say. That counts against the open tests. If there
//     are none, it counts against the failed test whose frame line is followed by
//     the process's last words, such as a panic, or else against the package.
//  4. After that line no test runs any more. A line there that starts with the
//     words of a dying process ("fatal error: ", "panic: ", "SIGSEGV: ",
//     "signal: ", …) comes from the process itself. Then the package crashed, even
//     if a later line says ok. Elsewhere such words only serve as a reason to
//     quote. In the output of a test that passed they mean nothing: the process
//     lived on to print the frame line.
//  5. PASS and FAIL, the go command's word, and its exit code must agree.
//  6. Every line of the events must be whole, and the file must have the length
//     that the record says.
//  7. A result that the go command repeats from its cache does not count: the
//     tests of a cell must run in that cell.
//  8. What is wanted must be there. The list of wanted tests comes from the
//     analysis that chose the suite, not from the run.
//
// The result of a subtest is part of its top-level test's unless the subtest is
// wanted by name. A package, or a test that is wanted for its subtests only, has an
// outcome of its own only if that is bad and nothing inside it explains why.
package verdict
