package platform

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gocoro/ci/platform/system"
)

var (
	linuxAMD64  = Platform{"linux", "amd64"}
	linuxARM64  = Platform{"linux", "arm64"}
	darwinAMD64 = Platform{"darwin", "amd64"}
	darwinARM64 = Platform{"darwin", "arm64"}
)

func TestMethods(t *testing.T) {
	tests := []struct {
		host, target Platform
		want         []Kind
	}{
		{linuxAMD64, linuxAMD64, []Kind{Native}},
		{linuxAMD64, linuxARM64, []Kind{QemuUser, QemuSystem}},
		{linuxAMD64, darwinAMD64, []Kind{Cross}},
		{linuxAMD64, darwinARM64, []Kind{Cross}},
		{linuxARM64, linuxARM64, []Kind{Native}},
		{linuxARM64, linuxAMD64, []Kind{Cross}},
		{darwinARM64, darwinARM64, []Kind{Native}},
		{darwinARM64, darwinAMD64, []Kind{Cross}},
		{darwinARM64, linuxARM64, []Kind{Cross}},
		{Platform{"freebsd", "riscv64"}, linuxAMD64, []Kind{Cross}},
	}
	for _, test := range tests {
		ways, err := Methods(test.host, test.target)
		if err != nil {
			t.Errorf("%v on %v: %v", test.target, test.host, err)
			continue
		}
		var kinds []Kind
		for _, m := range ways {
			kinds = append(kinds, m.Kind)
			if m.Host != test.host || m.Target != test.target {
				t.Errorf("%v on %v: found method of %v on %v", test.target, test.host, m.Target, m.Host)
			}
		}
		if !slices.Equal(kinds, test.want) {
			t.Errorf("%v on %v: expected %v, found %v", test.target, test.host, test.want, kinds)
		}
	}
	if _, err := Methods(linuxAMD64, Platform{"windows", "amd64"}); err == nil || !strings.Contains(err.Error(), "darwin/arm64") {
		t.Errorf("windows/amd64: expected an error that names the platforms, found %v", err)
	}
}

func TestParse(t *testing.T) {
	for _, p := range All {
		if got, err := Parse(p.String()); got != p || err != nil {
			t.Errorf("%v: found %v, %v", p, got, err)
		}
	}
	for _, s := range []string{"", "linux", "linux-amd64", "linux/amd64 ", "linux/386"} {
		if p, err := Parse(s); err == nil {
			t.Errorf("%q: expected an error, found %v", s, p)
		}
	}
}

// unescape decodes a field of the binfmt line as the kernel does.
func unescape(t *testing.T, field string) []byte {
	s, err := strconv.Unquote(`"` + field + `"`)
	if err != nil {
		t.Fatalf("%s: %v", field, err)
	}
	return []byte(s)
}

// The line must take the headers of arm64 programs, and no others.
func TestBinfmt(t *testing.T) {
	line := binfmt("/usr/bin/qemu")
	f := strings.Split(line, ":")
	if len(f) != 8 || f[0] != "" || f[2] != "M" || f[3] != "" || f[6] != "/usr/bin/qemu" || f[7] != "F" {
		t.Fatalf("expected :name:M::magic:mask:interpreter:F, found %s", line)
	}
	magic, mask := unescape(t, f[4]), unescape(t, f[5])
	if len(magic) != 20 || len(mask) != 20 {
		t.Fatalf("expected 20 bytes of magic and of mask, found %d and %d", len(magic), len(mask))
	}
	// fs/binfmt_misc.c has these limits.
	if len(line) > 1920 {
		t.Errorf("expected a line of at most 1920 bytes, found %d", len(line))
	}
	matches := func(h elf.Header64) bool {
		var buf bytes.Buffer
		binary.Write(&buf, binary.LittleEndian, h)
		for i := range magic {
			if (buf.Bytes()[i]^magic[i])&mask[i] != 0 {
				return false
			}
		}
		return true
	}
	header := func(class elf.Class, abi elf.OSABI, kind elf.Type, machine elf.Machine) elf.Header64 {
		h := elf.Header64{Type: uint16(kind), Machine: uint16(machine), Version: 1}
		copy(h.Ident[:], elf.ELFMAG)
		h.Ident[elf.EI_CLASS] = byte(class)
		h.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
		h.Ident[elf.EI_VERSION] = byte(elf.EV_CURRENT)
		h.Ident[elf.EI_OSABI] = byte(abi)
		return h
	}
	for _, test := range []struct {
		header elf.Header64
		want   bool
	}{
		{header(elf.ELFCLASS64, elf.ELFOSABI_NONE, elf.ET_EXEC, elf.EM_AARCH64), true},
		{header(elf.ELFCLASS64, elf.ELFOSABI_NONE, elf.ET_DYN, elf.EM_AARCH64), true},
		{header(elf.ELFCLASS64, elf.ELFOSABI_LINUX, elf.ET_DYN, elf.EM_AARCH64), true},
		{header(elf.ELFCLASS64, elf.ELFOSABI_NONE, elf.ET_REL, elf.EM_AARCH64), false},
		{header(elf.ELFCLASS64, elf.ELFOSABI_NONE, elf.ET_CORE, elf.EM_AARCH64), false},
		{header(elf.ELFCLASS64, elf.ELFOSABI_NONE, elf.ET_EXEC, elf.EM_X86_64), false},
		{header(elf.ELFCLASS32, elf.ELFOSABI_NONE, elf.ET_EXEC, elf.EM_ARM), false},
		{header(elf.ELFCLASS32, elf.ELFOSABI_NONE, elf.ET_EXEC, elf.EM_AARCH64), false},
	} {
		if got := matches(test.header); got != test.want {
			t.Errorf("%v: expected match %v, found %v", test.header, test.want, got)
		}
	}
}

func TestEnv(t *testing.T) {
	base := []string{"HOME=/h", "GOOS=plan9", "CC=tcc", "GOARCHX=1", "CGO_ENABLED=maybe"}
	tests := []struct {
		m    Method
		want []string
	}{
		{Method{Native, linuxAMD64, linuxAMD64},
			[]string{"CC=tcc", "CGO_ENABLED=1", "GOARCH=amd64", "GOARCHX=1", "GOOS=linux", "HOME=/h"}},
		{Method{QemuUser, linuxAMD64, linuxARM64},
			[]string{"CC=/dev/shm/gocoro-cc", "CGO_ENABLED=1", "GOARCH=arm64", "GOARCHX=1", "GOOS=linux", "GO_TEST_TIMEOUT_SCALE=5", "HOME=/h", "QEMU_LD_PREFIX=/usr/aarch64-linux-gnu"}},
		{Method{QemuSystem, linuxAMD64, linuxARM64},
			[]string{"CC=aarch64-linux-gnu-gcc", "CGO_ENABLED=1", "GOARCH=arm64", "GOARCHX=1", "GOOS=linux", "HOME=/h"}},
		{Method{Cross, linuxAMD64, darwinARM64},
			[]string{"CC=tcc", "CGO_ENABLED=0", "GOARCH=arm64", "GOARCHX=1", "GOOS=darwin", "HOME=/h"}},
	}
	for _, test := range tests {
		got := test.m.Env(base)
		slices.Sort(got)
		if !slices.Equal(got, test.want) {
			t.Errorf("%v:\nexpected %q\nfound    %q", test.m, test.want, got)
		}
	}
	if base[1] != "GOOS=plan9" {
		t.Errorf("Env changed its argument: %q", base)
	}
	m := Method{QemuUser, linuxAMD64, linuxARM64}
	if got := getenv(m.Env([]string{"GO_TEST_TIMEOUT_SCALE=9"}), "GO_TEST_TIMEOUT_SCALE"); got != "9" {
		t.Errorf("GO_TEST_TIMEOUT_SCALE: expected the caller's 9, found %q", got)
	}
}

func TestCommand(t *testing.T) {
	ctx := context.Background()
	native := Method{Native, linuxAMD64, linuxAMD64}
	cmd := native.Go(ctx, "/goroot", []string{"GOROOT=/other", "GOTOOLCHAIN=auto"}, "test", "a b")
	if want := []string{"/goroot/bin/go", "test", "a b"}; !slices.Equal(cmd.Args, want) {
		t.Errorf("native: expected %q, found %q", want, cmd.Args)
	}
	if cmd.Dir != "/goroot/src" {
		t.Errorf("native: expected the directory /goroot/src, found %s", cmd.Dir)
	}
	for _, want := range []string{"GOROOT=/goroot", "GOTOOLCHAIN=local", "GOOS=linux"} {
		if !slices.Contains(cmd.Env, want) {
			t.Errorf("native: expected %s in the environment, found %q", want, cmd.Env)
		}
	}

	user := Method{QemuUser, linuxAMD64, linuxARM64}
	cmd = user.Go(ctx, "/goroot", nil, "test", "a b", "$HOME;")
	if cmd.Args[0] != "unshare" {
		t.Errorf("qemu-user: expected unshare, found %q", cmd.Args)
	}
	// What the shell gets must be the command, word by word.
	tail := cmd.Args[len(cmd.Args)-4:]
	if want := []string{"/goroot/bin/go", "test", "a b", "$HOME;"}; !slices.Equal(tail, want) {
		t.Errorf("qemu-user: expected %q at the end, found %q", want, tail)
	}
	for _, want := range []string{"--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"} {
		if !slices.Contains(cmd.Args, want) {
			t.Errorf("qemu-user: expected %s, found %q", want, cmd.Args)
		}
	}
	if cmd.SysProcAttr == nil || !cmd.SysProcAttr.Setpgid || cmd.Cancel == nil {
		t.Errorf("qemu-user: expected a process group of its own")
	}
}

// present answers for a machine that has all but what absent names.
func present(absent ...string) machine {
	has := func(name string) bool { return !slices.Contains(absent, name) }
	return machine{
		lookPath: func(name string) (string, error) {
			if !has(name) {
				return "", errors.New("not found")
			}
			return "/bin/" + name, nil
		},
		exists:  has,
		release: func() string { return "6.12.48-amd64" },
		private: func() error {
			if !has("namespaces") {
				return errors.New("unshare: operation not permitted")
			}
			return nil
		},
	}
}

func TestCheck(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "the cache")
	kernel := filepath.Join(cache, "kernel", "arm64", "linux-image_1_arm64")
	if err := os.MkdirAll(kernel, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(kernel, "vmlinuz"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	old := present("namespaces")
	old.release = func() string { return "6.1.0-41-amd64" }
	native := Method{Native, linuxAMD64, linuxAMD64}
	mac := Method{Native, darwinARM64, darwinARM64}
	user := Method{QemuUser, linuxAMD64, linuxARM64}
	vm := Method{QemuSystem, linuxAMD64, linuxARM64}
	cross := Method{Cross, linuxAMD64, darwinARM64}
	script := "sh scripts/setup-linux.sh '" + cache + "'"
	const apparmor = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
	tests := []struct {
		name    string
		m       Method
		machine machine
		cache   string
		want    []string // in the error; none: no error
		fix     string
	}{
		{"native", native, present(), cache, nil, ""},
		{"native, no compiler", native, present("gcc"), cache, []string{"linux/amd64 by native", "gcc"}, script},
		{"mac", mac, present("gcc"), cache, nil, ""},
		{"mac, no compiler", mac, present("clang"), cache, []string{"clang"}, "xcode-select --install"},
		{"user", user, present(), cache, nil, ""},
		{"user, the other name", user, present("qemu-aarch64-static"), cache, nil, ""},
		{"user, nothing", user, present("qemu-aarch64-static", "qemu-aarch64", "aarch64-linux-gnu-gcc", "/usr/aarch64-linux-gnu/lib/crt1.o"), cache,
			[]string{"linux/arm64 by qemu-user", "qemu-aarch64-static or qemu-aarch64", "aarch64-linux-gnu-gcc", "crt1.o"}, script},
		{"user, neither Debian", user, present("unshare", "/etc/debian_version"), cache, []string{"unshare", "by hand"}, script},
		{"user, old kernel", user, old, cache, []string{"operation not permitted", "6.7", "6.1.0-41-amd64"}, "boot a newer kernel, or use the method qemu-system"},
		{"user, no module", user, present("namespaces", "/proc/sys/fs/binfmt_misc"), cache, []string{"operation not permitted", "binfmt_misc"}, "sudo modprobe binfmt_misc"},
		{"user, AppArmor", user, present("namespaces"), cache, []string{"operation not permitted", "AppArmor"}, "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
		{"user, container", user, present("namespaces", apparmor), cache, []string{"operation not permitted", "containers"}, "use the method qemu-system, or a machine that is no container"},
		{"system", vm, present(), cache, nil, ""},
		{"system, nothing", vm, present("qemu-system-aarch64"), t.TempDir(), []string{"qemu-system-aarch64", "vmlinuz: the kernel"}, ""},
		{"cross", cross, present("gcc", "/etc/debian_version"), cache, nil, ""},
	}
	for _, test := range tests {
		err := test.m.check(test.cache, test.machine)
		if test.want == nil {
			if err != nil {
				t.Errorf("%s: expected no error, found %v", test.name, err)
			}
			continue
		}
		var missing *Missing
		if !errors.As(err, &missing) {
			t.Errorf("%s: expected a *Missing, found %v", test.name, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: expected %q in the error, found %v", test.name, want, err)
			}
		}
		if test.fix != "" && missing.Fix != test.fix {
			t.Errorf("%s: expected the command %q, found %q", test.name, test.fix, missing.Fix)
		}
	}
}

func TestExperiments(t *testing.T) {
	plain, ranging := t.TempDir(), t.TempDir()
	dir := filepath.Join(ranging, "src", "internal", "goexperiment")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "exp_rangefunc_on.go"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ goroot, set, want string }{
		{plain, "", ""},
		{plain, "staticlockranking", "staticlockranking"},
		{ranging, "", "rangefunc"},
		{ranging, "staticlockranking", "staticlockranking,rangefunc"},
		{ranging, "norangefunc", "norangefunc"},
		{ranging, "rangefunc,arenas", "rangefunc,arenas"},
	}
	for _, test := range tests {
		if got := Experiments(test.goroot, test.set); got != test.want {
			t.Errorf("%q, rangefunc known %v: expected %q, found %q", test.set, test.goroot == ranging, test.want, got)
		}
	}
}

func TestCrossSteps(t *testing.T) {
	m := Method{Cross, linuxAMD64, darwinARM64}
	var steps []Step
	for _, suite := range []string{"coro", "std"} {
		list := m.CrossSteps(context.Background(), "/goroot", "/out", []string{"A=b"}, suite)
		if len(list) == 0 {
			t.Fatalf("%s: expected steps, found none", suite)
		}
		steps = append(steps, list...)
	}
	for _, s := range steps {
		for _, want := range []string{"GOOS=darwin", "GOARCH=arm64", "CGO_ENABLED=0", "A=b"} {
			if !slices.Contains(s.Cmd.Env, want) {
				t.Errorf("%s: expected %s in the environment, found %q", s.Name, want, s.Cmd.Env)
			}
		}
	}
}

func TestExpectedFailures(t *testing.T) {
	user := Method{QemuUser, linuxAMD64, linuxARM64}
	var names []string
	for _, f := range user.ExpectedFailures() {
		names = append(names, f.Package+"."+f.Test)
		if f.Reason == "" || f.Package == "" {
			t.Errorf("%s: expected a package and a reason, found %+v", f.Test, f)
		}
	}
	if len(names) != 13 || !slices.IsSorted(names) {
		t.Errorf("expected thirteen entries in order, found %q", names)
	}
	for _, m := range []Method{{Native, linuxARM64, linuxARM64}, {QemuSystem, linuxAMD64, linuxARM64}, {Native, linuxAMD64, linuxAMD64}} {
		if list := m.ExpectedFailures(); len(list) != 0 {
			t.Errorf("%v: expected none, found %+v", m, list)
		}
	}
}

// The script must install everything that Check looks for, and put the kernel
// where package system looks for it.
func TestSetupScript(t *testing.T) {
	data, err := os.ReadFile("../../" + setup)
	if err != nil {
		t.Fatal(err)
	}
	script := string(data)
	for _, thing := range []string{"gcc", "unshare", "mount", arm64CC, arm64Sysroot + "/lib/crt1.o", system.QEMU, emulators[0], emulators[1]} {
		if !strings.Contains(script, "want "+thing+" ") && !strings.Contains(script, "command -v "+thing+" ") {
			t.Errorf("%s: expected a line that wants %s, found none", setup, thing)
		}
	}
	if !strings.Contains(script, "kernels=$cache/kernel/arm64\n") || !strings.Contains(script, `"$kernels"/*/vmlinuz`) {
		t.Errorf("%s: expected the kernel in kernel/arm64/*/vmlinuz of the cache directory", setup)
	}
}
