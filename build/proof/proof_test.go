package proof

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pack writes a toolchain module with the given files and opens it.
func pack(t *testing.T, files map[string]string) *Package {
	t.Helper()
	file := filepath.Join(t.TempDir(), "v0.0.1-go1.22.12.darwin-arm64.zip")
	var b bytes.Buffer
	zw := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := zw.Create("golang.org/toolchain@v0.0.1-go1.22.12.darwin-arm64/" + name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(files[name]))
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	p, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// machO returns a Mach-O program whose text is code, with a signature of the
// given size, or without one (0). As the linker's, it is padded to a multiple of
// 16 bytes, where a signature may begin.
func machO(code string, signature int) string {
	le := binary.LittleEndian
	const header, segment, sigCommand = 32, 72, 16
	commands := segment
	n := uint32(1)
	if signature > 0 {
		commands += sigCommand
		n++
	}
	// The commands have room to grow, as in files that the linker writes.
	const start = 256
	end := start + len(code)
	pad := -end & 15
	data := make([]byte, end+pad+signature)
	for i, v := range []uint32{0xfeedfacf, 0x0100000c, 0, 2, n, uint32(commands), 0, 0} {
		le.PutUint32(data[4*i:], v)
	}
	seg := data[header:]
	le.PutUint32(seg, loadSegment64)
	le.PutUint32(seg[4:], segment)
	copy(seg[8:], "__LINKEDIT")
	filesize := end - start + pad + signature
	vmsize := filesize
	if signature >= 900 { // as by Apple's codesign
		vmsize = (filesize + 4095) &^ 4095
	}
	le.PutUint64(seg[32:], uint64(vmsize))
	le.PutUint64(seg[40:], start) // fileoff
	le.PutUint64(seg[48:], uint64(filesize))
	if signature > 0 {
		sig := seg[segment:]
		le.PutUint32(sig, loadCodeSignature)
		le.PutUint32(sig[4:], sigCommand)
		le.PutUint32(sig[8:], uint32(end+pad))
		le.PutUint32(sig[12:], uint32(signature))
		for i := range data[end+pad:] {
			data[end+pad+i] = 0xaa
		}
	}
	copy(data[start:], code)
	return string(data)
}

func TestStripSignature(t *testing.T) {
	strip := func(s string) string {
		t.Helper()
		data, err := StripSignature([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	plain := strip(machO("some code!", 0))
	for _, size := range []int{16, 100, 4000} {
		if strip(machO("some code!", size)) != plain {
			t.Errorf("with a signature of %d bytes stripped, the program is not the one without", size)
		}
	}
	if plain != machO("some code!", 0) {
		t.Error("stripping changes a program without a signature")
	}
	// What is no signature's is not hidden.
	const linkedit = 32 // the load command
	size := func(s string, off int, f func(uint64) uint64) string {
		b := []byte(s)
		le := binary.LittleEndian
		le.PutUint64(b[linkedit+off:], f(le.Uint64(b[linkedit+off:])))
		return string(b)
	}
	for _, tc := range []struct {
		name, file string
	}{
		{"another text", machO("some_code!", 100)},
		{"zeros at the end", plain + "\x00"},
		{"16 zeros at the end", plain + strings.Repeat("\x00", 16)},
		{"a large size in memory", size(machO("some code!", 100), 32, func(n uint64) uint64 { return 1 << 40 })},
		{"a size in memory one page up", size(machO("some code!", 900), 32, func(n uint64) uint64 { return n + 4096 })},
		{"a large size in memory, unsigned", size(plain, 32, func(n uint64) uint64 { return 1 << 40 })},
		{"another size in the file, unsigned", size(plain, 48, func(n uint64) uint64 { return n - 1 })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if strip(tc.file) == plain {
				t.Error("got equal files without signatures, want a difference")
			}
		})
	}
	for _, tc := range []struct {
		name, file, want string
	}{
		{"another size in the file", size(machO("some code!", 100), 48, func(n uint64) uint64 { return n - 1 }), "does not end with the code signature"},
		{"no __LINKEDIT", strings.Replace(machO("some code!", 100), "__LINKEDIT", "__LINKEDOT", 1), "no segment __LINKEDIT"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := StripSignature([]byte(tc.file)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want one with %q", err, tc.want)
			}
		})
	}
	if !strings.Contains(plain, "some code!") {
		t.Error("stripping lost the code")
	}
	if _, err := StripSignature([]byte("\x7fELF")); err == nil {
		t.Error("an ELF file was stripped")
	}
	if _, err := StripSignature([]byte(machO("some code!", 100) + "more")); err == nil || !strings.Contains(err.Error(), "is not the end of a file") {
		t.Errorf("bytes after the signature: %v", err)
	}
}

// release has the files of an upstream's package.
func release(signature int) map[string]string {
	return map[string]string{
		"VERSION":                 "go1.22.12\n",
		"src/_go.mod":             "module std\n",
		"src/bytes/bytes.go":      "package bytes\n",
		"bin/go":                  machO("the go command", signature),
		"pkg/tool/darwin_x/vet":   machO("vet", signature),
		"src/runtime/testdata/go": machO("data", 0),
	}
}

func TestUpstream(t *testing.T) {
	for _, tt := range []struct {
		name, goos string
		change     func(ours map[string]string)
		text       string
		fault      string // empty: the proof holds
	}{
		{"equal", "linux", func(f map[string]string) {
			f["bin/go"], f["pkg/tool/darwin_x/vet"] = machO("the go command", 900), machO("vet", 900)
		}, "6 of 6 files equal, h1:", ""},
		{"signatures", "darwin", func(map[string]string) {}, "4 of 6 files equal, and 2 programs equal without the signatures that Apple's certificate makes", ""},
		{"signatures elsewhere", "linux", func(map[string]string) {}, "4 of 6", "2 differ: bin/go, pkg/tool/darwin_x/vet"},
		{"a flipped byte", "darwin", func(f map[string]string) { f["src/bytes/bytes.go"] = "package bytez\n" }, "3 of 6 files equal, and 2", "1 differ: src/bytes/bytes.go"},
		{"a flipped byte in a program", "darwin", func(f map[string]string) { f["bin/go"] = machO("the go kommand", 100) }, "4 of 6 files equal, and 1", "1 differ: bin/go"},
		{"data is no program", "darwin", func(f map[string]string) { f["src/runtime/testdata/go"] = machO("data", 100) }, "", "1 differ: src/runtime/testdata/go"},
		{"a stray file", "darwin", func(f map[string]string) { f["src/x.go"] = "" }, "", "1 only in what was built here: src/x.go"},
		{"a missing file", "darwin", func(f map[string]string) { delete(f, "src/_go.mod") }, "", "1 only in what upstream published: src/go.mod"},
	} {
		ours := release(100)
		tt.change(ours)
		v, err := Upstream(pack(t, ours), pack(t, release(900)), tt.goos)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(v.Text, tt.text) {
			t.Errorf("%s: %q, want %q...", tt.name, v.Text, tt.text)
		}
		if v.Holds() != (tt.fault == "") || tt.fault != "" && !slices.Contains(v.Faults, tt.fault) {
			t.Errorf("%s: faults %q, want %q", tt.name, v.Faults, tt.fault)
		}
	}
}

// TestLinked has what the stories, whose programs all hold everything, do not:
// a program that differs although nothing that differs is linked into it.
func TestLinked(t *testing.T) {
	tree := t.TempDir()
	if err := os.WriteFile(filepath.Join(tree, "VERSION"), []byte("go1.22.12-coro1\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	patched := release(100)
	patched["VERSION"] = "go1.22.12-coro1\n"
	patched["bin/go"] = machO("the go command, changed", 100)
	patched["pkg/tool/darwin_x/vet"] = machO("vet, changed", 100)
	v, err := Patches(pack(t, patched), pack(t, release(900)), &Changes{
		Release: "go1.22.12-coro1", Upstream: "go1.22.12", Tree: tree,
		Named: map[string]string{"VERSION": "the driver"},
		Linked: func(program string) ([]string, error) {
			if program == "bin/go" {
				return []string{"src/bytes/bytes.go", "VERSION"}, nil
			}
			return []string{"src/bytes/bytes.go"}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"pkg/tool/darwin_x/vet differs, and no file that differs is linked into it"}; !slices.Equal(v.Faults, want) {
		t.Errorf("faults %q, want %q", v.Faults, want)
	}
	if want := []string{"bin/go holds VERSION"}; !slices.Equal(v.Details, want) {
		t.Errorf("details %q, want %q", v.Details, want)
	}
}
