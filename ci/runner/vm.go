package runner

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gocoro/ci/plan"
	"gocoro/ci/platform/system"
	"gocoro/ci/record"
	"gocoro/ci/suite"
)

// guestPrograms is what the virtual machine runs: the programs themselves, as
// there is no go command in it to build them. It is the 19, and with shared
// locks the 19 once more; the others want more of a system than there is in it.
func guestPrograms(c plan.Cell) []suite.Program {
	return slices.DeleteFunc(slices.Clone(programs(c)), func(p suite.Program) bool {
		return p.Binary == "" || strings.HasPrefix(p.Test, "TestCoroLock/")
	})
}

// programTimeout ends a program in the virtual machine. They take well under
// a second each; race builds on an emulated processor a few.
const programTimeout = 2 * time.Minute

// virtualMachine builds the test programs for the target and runs each in the
// virtual machine. In its own right each is a test; the tests above them, on a
// host with a go command, have no part in it.
func (r *Runner) virtualMachine(ctx context.Context, c plan.Cell, cell *record.Cell, t *suite.Tree, env []string) error {
	tmp, err := os.MkdirTemp("", "gocoro-vm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, name := range []string{"testprog", "testprogcgo"} {
		cmd := t.Command(ctx, "build", "-o", filepath.Join(tmp, name), ".")
		cmd.Dir = filepath.Join(t.GOROOT, "src/runtime/testdata", name)
		if err := runStep(ctx, cell, "build "+name, cmd, false); err != nil {
			return err
		}
		if s := cell.Steps[len(cell.Steps)-1]; !s.OK {
			return errors.New(s.Output)
		}
	}
	var list []system.Program
	for _, p := range guestPrograms(c) {
		list = append(list, system.Program{
			Test: p.Test, File: filepath.Join(tmp, p.Binary), Arg: p.Name,
			Env: p.Env, Expect: p.Expect, Timeout: programTimeout,
		})
	}
	limited, cancel := context.WithTimeout(ctx, c.Limit())
	defer cancel()
	vm, err := system.Command(limited, r.Store.Root, r.Repo.Dir, tmp, list)
	if err != nil {
		return err
	}
	convert := r.hostGo(ctx, "tool", "test2json", "-t", "-p", "runtime") // it ends after the machine
	out, err := cell.Attempt(record.Attempt{Command: vm.Args})
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
	exit, sig := status(vm, err)
	if vm.ProcessState != nil {
		err = nil
	}
	err = errors.Join(err, convert.Wait())
	if !bytes.Contains(end, []byte(`"Action":"pass","Package":"runtime","Elapsed"`)) {
		exit = cmp.Or(exit, 1) // qemu's own status says nothing of the programs
	}
	return errors.Join(err, out.End(exit, sig, limited.Err() != nil && ctx.Err() == nil), ctx.Err())
}
