package system

import (
	"fmt"
	"io"
	"os"
)

// An archive is an initramfs: a cpio archive of the kind "newc", which the
// kernel's Documentation/driver-api/early-userspace/buffer-format.rst defines.
// The kernel takes several, one after the other. Once a method has failed, all
// others do nothing, and close returns the error.
type archive struct {
	w    io.Writer
	size int64
	ino  int
	err  error
}

// The types of a file, in the bits of its mode (see inode(7)).
const (
	typeChar = 0o020000
	typeDir  = 0o040000
	typeFile = 0o100000
)

// header writes the header of a file that is followed by size bytes.
func (a *archive) header(name string, mode uint32, size int64, major, minor int) {
	if size >= 1<<32 {
		a.fail(fmt.Errorf("%s: %d bytes do not fit an initramfs, which takes files of less than 4 GiB", name, size))
		return
	}
	a.ino++
	a.printf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.ino, mode, 0, 0, // owner and group: root
		1, 0, // links, modification time: none is kept, for equal bytes each time
		size, 0, 0, major, minor, len(name)+1, 0, name)
	a.pad()
}

func (a *archive) dir(name string) { a.header(name, typeDir|0o755, 0, 0, 0) }

func (a *archive) device(name string, major, minor int) {
	a.header(name, typeChar|0o600, 0, major, minor)
}

func (a *archive) data(name string, data []byte) {
	a.header(name, typeFile|0o644, int64(len(data)), 0, 0)
	a.write(data)
	a.pad()
}

// program writes the file at path as an executable one.
func (a *archive) program(name, path string) {
	if a.err != nil {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		a.fail(err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		a.fail(err)
		return
	}
	a.header(name, typeFile|0o755, info.Size(), 0, 0)
	// No more and no less than announced, should the file change meanwhile.
	n, err := io.CopyN(a, f, info.Size())
	if err != nil {
		a.fail(fmt.Errorf("%s: expected %d bytes, found %d: %v", path, info.Size(), n, err))
	}
	a.pad()
}

// close ends the archive.
func (a *archive) close() error {
	a.header("TRAILER!!!", 0, 0, 0, 0)
	return a.err
}

// pad fills up to a multiple of four bytes.
func (a *archive) pad() {
	if n := a.size % 4; n != 0 {
		a.write(make([]byte, 4-n))
	}
}

func (a *archive) printf(format string, args ...any) { a.write(fmt.Appendf(nil, format, args...)) }

func (a *archive) write(p []byte) { a.Write(p) }

// Write writes to the archive as is.
func (a *archive) Write(p []byte) (int, error) {
	if a.err != nil {
		return 0, a.err
	}
	n, err := a.w.Write(p)
	a.size += int64(n)
	a.fail(err)
	return n, err
}

// fail keeps the first error.
func (a *archive) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}
