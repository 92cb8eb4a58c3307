package runner

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gocoro/ci/plan"
	"gocoro/ci/platform/system"
	"gocoro/ci/record"
	"gocoro/ci/suite"
)

// guestPrograms returns the programs that the virtual machine runs: the 19, and with
// shared locks the 19 again by upstream's rules. The others need more of a system
// than it has.
func guestPrograms(c plan.Cell) []suite.Program {
	return slices.DeleteFunc(slices.Clone(programs(c)), func(p suite.Program) bool {
		return p.Binary == "" || strings.HasPrefix(p.Test, "TestCoroLock/")
	})
}

// programTimeout is the limit of a program in the virtual machine. A program takes
// well under a second there, or a few seconds with the race detector.
const programTimeout = 2 * time.Minute

// virtualMachine builds the test programs for the target and runs each in the
// virtual machine, as a test.
func (j *job) virtualMachine(ctx context.Context) error {
	for _, name := range []string{"testprog", "testprogcgo"} {
		cmd := j.t.Command(ctx, "build", "-o", filepath.Join(j.tmp, name), ".")
		cmd.Dir = filepath.Join(j.t.GOROOT, "src/runtime/testdata", name)
		if err := runStep(ctx, j.rec, "build "+name, cmd, false); err != nil {
			return err
		}
		if s := j.rec.Steps[len(j.rec.Steps)-1]; !s.OK {
			return errors.New(s.Output)
		}
	}
	var list []system.Program
	for _, p := range guestPrograms(j.c) {
		list = append(list, system.Program{
			Test: p.Test, File: filepath.Join(j.tmp, p.Binary), Arg: p.Name,
			Env: p.Env, Expect: p.Expect, Timeout: programTimeout,
		})
	}
	limited, cancel := context.WithTimeout(ctx, j.c.Limit())
	defer cancel()
	vm, err := system.Command(limited, j.Store.Root, j.Repo.Dir, j.tmp, list)
	if err != nil {
		return err
	}
	convert := j.hostGo(ctx, "tool", "test2json", "-t", "-p", "runtime") // it ends after the machine
	out, err := j.rec.Attempt(record.Attempt{Command: vm.Args})
	if err != nil {
		return err
	}
	var end tail
	convert.Stdout, convert.Stderr, vm.Stderr = io.MultiWriter(out.Stdout, &end), out.Stderr, out.Stderr
	if convert.Stdin, err = vm.StdoutPipe(); err == nil {
		err = convert.Start()
	}
	if err != nil {
		return errors.Join(err, out.End(-1, "", false))
	}
	err = vm.Run()
	exit, sig := status(vm)
	if vm.ProcessState != nil {
		err = nil
	}
	err = errors.Join(err, convert.Wait())
	if !bytes.Contains(end, []byte(`"Action":"pass","Package":"runtime","Elapsed"`)) {
		exit = cmp.Or(exit, 1) // qemu's own status says nothing about the programs
	}
	return errors.Join(err, out.End(exit, sig, limited.Err() != nil && ctx.Err() == nil), ctx.Err())
}
