// Copyright 2026 The gocoro Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package verdict judges the raw records of a run, which package record keeps.
//
// [Evaluate] makes of these, and of the plan, one [Outcome] for each test of
// each cell. The report, the totals and the exit code come from the outcomes
// and from nothing else.
//
// # When is a test passed?
//
// A reporter that believes the word "pass" loses crashes: a test binary that
// calls exit(0) in the middle of TestX makes the go command print
// {"Action":"pass","Test":"TestX"}; one that dies after printing PASS under an
// exec wrapper that loses the exit code is reported "ok". A reporter that
// searches the output for "fatal error:" cries wolf: the runtime's tests run
// programs that must crash, and print what those say. So the verdict rests on
// the structure that the testing package itself writes, in this order:
//
//  1. A test has a result when its own frame line "--- PASS: TestX" (FAIL,
//     SKIP) is there, at the start of a line and in the test's own output. An
//     action "pass" without it is the package's end under a wrong name.
//  2. A test that began and has no frame line was open when the process died:
//     crashed, or timed out when the process or the CI says so. One that was
//     paused, waiting for its turn to run in parallel, did not run.
//  3. A test binary that comes to its end prints PASS or FAIL alone on a line,
//     outside of any test. Without that line the process died, whatever the go
//     command says and whatever the exit code. The blame goes to the open tests;
//     else to the failed test after whose frame line the process's last words
//     stand (a panic is printed there); else to the package.
//  4. After that line no test can be running any more. A line there that
//     starts as a dying process's does ("fatal error: ", "panic: ", "SIGSEGV: ",
//     "signal: ", …) is the process's own, and makes the package crashed, even
//     when a later line says ok. Only here, and to find the words to quote, is
//     the text looked at. In the output of a test that passed it is not: since
//     the process went on to print the frame line, it was not the process that died.
//  5. PASS and FAIL, the go command's word, and its exit code must agree.
//  6. Every line of the events must be whole, and the file must have the length
//     that the record says.
//  7. A result that the go command repeats from its cache is none: what runs in
//     a cell must run in that cell.
//  8. What is wanted must be there. The list of wanted tests comes from the
//     analysis that chose the suite, not from the run.
//
// A subtest speaks through its top-level test unless it is wanted by name; a
// package, or a test that is wanted for its subtests only, has an outcome of its
// own only when it is bad and nothing inside it explains that.
package verdict
