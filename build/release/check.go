package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"debug/macho"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gocoro/build/command"
	"gocoro/build/dist"
	"gocoro/build/goroot"
	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/options"
	"gocoro/build/proof"
	"gocoro/build/run"
	"gocoro/build/store"
	"gocoro/build/sumdb"
	"gocoro/build/upstream"
)

// Check is the command that checks the content of a release directory.
func Check(fs *flag.FlagSet) command.Func {
	o := new(options.Check)
	o.Register(fs)
	return func(ctx context.Context, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return errors.New("want one release directory: go run ./build check DIR")
		}
		if o.Key != "" {
			if err := sumdb.CheckPublic(o.Key); err != nil {
				return fmt.Errorf("-key: %w", err)
			}
		}
		if o.Release == "" {
			l, err := line.Find(o.Line)
			if err != nil {
				return err
			}
			o.Release = l.Release()
		}
		if _, ok := o.Exec[upstream.Host()]; !ok {
			o.Exec[upstream.Host()] = nil
		}
		c := &Checker{Dir: args[0], Release: o.Release, Key: o.Key, Exec: o.Exec}
		faults := 0
		c.Say = func(what, platform string, v *proof.Verdict) {
			word := "ok"
			if !v.Holds() {
				word = "BAD"
				faults += len(v.Faults)
			}
			fmt.Printf("%-9s %-12s  %-4s  %s\n", what, platform, word, v.Text)
			v.Print()
		}
		if err := c.Run(ctx); err != nil {
			return fmt.Errorf("check: %w", store.Explain(err, os.TempDir()))
		}
		if faults > 0 {
			fmt.Printf("%d faults in %s\n\tdo not use it: get what %s lists again, or make a release in a new directory: go run ./build dist -o DIR\n", faults, args[0], SumsFile)
			return command.ExitError(1)
		}
		fmt.Printf("%s of %s: ok\n", args[0], o.Release)
		return nil
	}
}

// A Checker checks a release directory.
type Checker struct {
	Dir     string
	Release string // "go1.22.12-coro1"

	// Exec has the platforms whose programs can run here. The value is put before
	// a program's name and arguments. The children of the program must be able to
	// run, too, because a go command starts compilers.
	Exec map[string][]string

	// Key, if set, is the public key that must have signed the checksum database.
	// Otherwise it is the one beside the database.
	Key string

	// Say is called with the outcome of each check: what was checked ("directory",
	// "package", "programs", "run"), and of which platform.
	Say func(what, platform string, v *proof.Verdict)
}

// broken is the error of a package that cannot be read. It is a fault of the
// release.
type broken struct{ error }

// Run checks everything. It returns an error if it could not check something.
func (c *Checker) Run(ctx context.Context) error {
	f, err := OpenFolder(c.Dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(f.path(SumsFile)); err == nil && len(f.Sums) == 0 {
		return hint.Add(fmt.Errorf("%s lists nothing: the go run ./build dist that made it was killed", f.path(SumsFile)), "run that again")
	}
	if len(f.Sums) == 0 {
		return hint.Add(fmt.Errorf("%s has no %s", c.Dir, SumsFile), "give a directory that go run ./build dist has made")
	}
	if err := c.sums(f); err != nil {
		return err
	}
	any := false
	for _, p := range dist.Platforms {
		names := dist.FilesOf(c.Release, p)
		if f.Sums[names.Archive] == "" {
			continue
		}
		any = true
		switch err := c.platform(ctx, f, p, names); err := err.(type) {
		case nil:
		case broken:
			c.Say("package", p, &proof.Verdict{Text: "cannot be read", Faults: []string{err.Error()}})
		default:
			return err
		}
	}
	if !any {
		return hint.Add(fmt.Errorf("%s lists no archive of %s", filepath.Join(c.Dir, SumsFile), c.Release), "name another release with -release")
	}
	return nil
}

// platform checks the packages of one platform.
func (c *Checker) platform(ctx context.Context, f *Folder, platform string, names dist.Files) error {
	tmp, err := os.MkdirTemp("", "gocoro")
	if err != nil {
		return err
	}
	defer store.RemoveAll(tmp)

	v := new(proof.Verdict)
	archive, err := untar(v, f.path(names.Archive), tmp)
	if err != nil {
		return err
	}
	module, err := proof.Open(f.module(names.Zip()))
	if err != nil {
		return broken{err}
	}
	defer module.Close()
	extra := 0
	for name, sum := range archive {
		if m, ok := module.Files[name]; ok && m.Sum != sum {
			v.Fault("%s differs between archive and module", name)
		} else if !ok {
			// What cmd/distpack leaves out of modules.
			switch top, _, _ := strings.Cut(name, "/"); top {
			case "api", "doc", "misc", "test":
				extra++
			default:
				v.Fault("%s is in the archive and not in the module", name)
			}
		}
	}
	for name := range module.Files {
		if _, ok := archive[name]; !ok {
			v.Fault("%s is in the module and not in the archive", name)
		}
	}
	source, err := untar(v, f.path(names.Source), "")
	if err != nil {
		return err
	}
	for name, sum := range source {
		if got, ok := archive[name]; !ok || got != sum {
			v.Fault("%s of the source archive is not that of %s", name, names.Archive)
		}
		if proof.IsBinary(name) || strings.HasPrefix(name, "pkg/") {
			v.Fault("%s is in the source archive", name)
		}
	}
	root := filepath.Join(tmp, "go")
	version, _ := os.ReadFile(filepath.Join(root, "VERSION")) // none says ""
	if got, _, _ := strings.Cut(string(version), "\n"); got != c.Release {
		v.Fault("VERSION says %q, want %q", got, c.Release)
	}
	vouched, err := c.databases(v, f, names, module)
	if err != nil {
		return err
	}
	v.Text = fmt.Sprintf("%d files in the archive, %d in the module, %d in the source archive; %s", len(archive), len(module.Files), len(source), module.H1)
	if vouched {
		v.Text += ", as the checksum database has it"
		if c.Key == "" {
			v.Text += ", by the key that lies beside it"
		}
	}
	slices.Sort(v.Faults)
	c.Say("package", platform, v)

	v = new(proof.Verdict)
	programs, good := 0, 0
	for _, name := range slices.Sorted(maps.Keys(archive)) {
		if proof.IsBinary(name) {
			programs++
			if err := header(filepath.Join(root, filepath.FromSlash(name)), name, c.Release, platform); err != nil {
				v.Fault("%s: %v", name, err)
			} else {
				good++
			}
		}
	}
	if programs < 3 {
		v.Fault("there are %d programs, want bin/go, bin/gofmt and tools", programs)
	}
	v.Text = fmt.Sprintf("%d of %d programs with the headers and build information of %s", good, programs, platform)
	c.Say("programs", platform, v)

	wrap, ok := c.Exec[platform]
	if !ok {
		return nil
	}
	v = try(ctx, wrap, root, tmp, c.Release, platform)
	c.Say("run", platform, v)
	return nil
}

// untar reads an archive and returns the hashes of its files by name, without the
// first element, go. It checks the header of each file: a release has plain files
// with the same time, without an owner, and executable where upstream's are. If
// dir is not empty, untar unpacks the files there.
func untar(v *proof.Verdict, file, dir string) (map[string][sha256.Size]byte, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, broken{err}
	}
	defer in.Close()
	zr, err := gzip.NewReader(in)
	if err != nil {
		return nil, broken{fmt.Errorf("%s: %w", file, err)}
	}
	sums := map[string][sha256.Size]byte{}
	var when time.Time
	tr := tar.NewReader(zr)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, broken{fmt.Errorf("%s: %w", file, err)}
		}
		name, ok := strings.CutPrefix(h.Name, "go/")
		if when.IsZero() {
			when = h.ModTime
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" || !h.ModTime.Equal(when) {
			v.Fault("%s: %s belongs to %d:%d (%s:%s) and is of %v, want 0:0, no names, and %v", filepath.Base(file), h.Name, h.Uid, h.Gid, h.Uname, h.Gname, h.ModTime, when)
		}
		switch {
		case h.Typeflag == tar.TypeDir && (ok || h.Name == "go/"):
			continue
		case !ok || h.Typeflag != tar.TypeReg || !fs.ValidPath(name):
			return nil, broken{fmt.Errorf("%s holds %q of type %q, want files and directories below go/", file, h.Name, h.Typeflag)}
		}
		mode := fs.FileMode(0o644)
		if upstream.IsExec(name) {
			mode = 0o755
		}
		if h.FileInfo().Mode() != mode {
			v.Fault("%s: %s has the mode %v, want %v", filepath.Base(file), h.Name, h.FileInfo().Mode(), mode)
		}
		if _, dup := sums[name]; dup {
			v.Fault("%s holds %s twice", filepath.Base(file), h.Name)
		}
		sum := sha256.New()
		if dir == "" {
			_, err = io.Copy(sum, tr)
		} else {
			to := filepath.Join(dir, filepath.FromSlash(h.Name))
			if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
				return nil, err
			}
			out, failed := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
			if failed != nil {
				return nil, failed
			}
			_, err = io.Copy(io.MultiWriter(sum, out), tr)
			if failed = out.Close(); failed != nil {
				return nil, failed
			}
		}
		if _, ok := errors.AsType[*fs.PathError](err); ok { // of the file system
			return nil, fmt.Errorf("unpacking %s: %w", file, err)
		}
		if err != nil {
			return nil, broken{fmt.Errorf("%s: %s: %w", file, h.Name, err)}
		}
		sums[name] = [sha256.Size]byte(sum.Sum(nil))
	}
	return sums, nil
}

// databases asks the checksum databases of the directory for the module. It
// reports whether there are any and all of them have it.
func (c *Checker) databases(v *proof.Verdict, f *Folder, names dist.Files, module *proof.Package) (vouched bool, err error) {
	keys, err := f.databases()
	if err != nil {
		return false, err
	}
	agree := 0
	for _, dir := range slices.Sorted(maps.Keys(keys)) {
		key := keys[dir]
		if c.Key != "" && key != c.Key {
			v.Fault("the checksum database in %s is of the key %s, want %s", dir, key, c.Key)
			continue
		}
		lines, err := sumdb.Lookup(dir, key, modulePath, names.Version)
		want := modulePath + " " + names.Version + " " + module.H1
		switch {
		case err != nil:
			v.Fault("the checksum database in %s has no good record of %s: %v", dir, names.Version, err)
		case !slices.Contains(lines, want):
			v.Fault("the checksum database in %s says %q of %s, want %q", dir, lines, names.Version, want)
		default:
			agree++
		}
	}
	if len(keys) == 0 && c.Key != "" {
		v.Fault("there is no checksum database in %s for the key %s", f.path(sumdbDir), c.Key)
	}
	return len(keys) > 0 && agree == len(keys), nil
}

// header checks that a program is of the platform, and that its build
// information says what it is and how it was built.
func header(file, name, release, platform string) error {
	goos, goarch, _ := strings.Cut(platform, "/")
	switch goos {
	case "linux":
		e, err := elf.Open(file)
		if err != nil {
			return err
		}
		defer e.Close()
		want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[goarch]
		if e.Machine != want || e.Type != elf.ET_EXEC {
			return fmt.Errorf("is %v for %v, want %v for %v", e.Type, e.Machine, elf.ET_EXEC, want)
		}
		for _, p := range e.Progs {
			if p.Type == elf.PT_INTERP {
				return errors.New("needs a dynamic linker: it was built with cgo")
			}
		}
	case "darwin":
		m, err := macho.Open(file)
		if err != nil {
			return err
		}
		defer m.Close()
		want := map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}[goarch]
		if m.Cpu != want || m.Type != macho.TypeExec {
			return fmt.Errorf("is %v for %v, want %v for %v", m.Type, m.Cpu, macho.TypeExec, want)
		}
		signed := slices.ContainsFunc(m.Loads, func(l macho.Load) bool {
			const codeSignature = 0x1d // LC_CODE_SIGNATURE
			return m.ByteOrder.Uint32(l.Raw()) == codeSignature
		})
		if goarch == "arm64" && !signed {
			return errors.New("has no signature: macOS on arm64 runs no program without one")
		}
	}
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return err
	}
	if want := "cmd/" + path.Base(name); info.Path != want || info.GoVersion != release {
		return fmt.Errorf("is %s of %s by its build information, want %s of %s", info.Path, info.GoVersion, want, release)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	for k, want := range map[string]string{"GOOS": goos, "GOARCH": goarch, "CGO_ENABLED": "0", "-trimpath": "true", "-tags": "", "-race": "", "GOEXPERIMENT": ""} {
		if settings[k] != want {
			return fmt.Errorf("was built with %s=%q, want %q", k, settings[k], want)
		}
	}
	return nil
}

// hello is a program whose coroutine runs under a thread lock. It does without
// fmt, which would double what is compiled: an emulated toolchain takes ten times
// as long to compile a package.
const hello = `package main

import (
	"iter"
	"runtime"
)

func main() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	next, stop := iter.Pull(func(yield func(int) bool) {
		for i := 40; yield(i); i++ {
		}
	})
	defer stop()
	next()
	next()
	v, _ := next()
	version := runtime.Version()
	for i := range version {
		if version[i] == ' ' { // " X:rangefunc"
			version = version[:i]
			break
		}
	}
	println(version, runtime.GOOS+"/"+runtime.GOARCH, v)
}
`

// try runs the unpacked toolchain: first the go command alone, then to compile and
// run a program.
func try(ctx context.Context, wrap []string, root, tmp, release, platform string) *proof.Verdict {
	v := new(proof.Verdict)
	dir := filepath.Join(tmp, "hello")
	if err := store.WriteFile(filepath.Join(dir, "hello.go"), []byte(hello)); err != nil {
		v.Fault("%v", err)
		return v
	}
	// Go 1.22 has package iter behind an experiment.
	experiment := ""
	if _, err := os.Stat(filepath.Join(root, "src/internal/goexperiment/exp_rangefunc_on.go")); err == nil {
		experiment = "rangefunc"
	}
	asked, answered := 0, 0
	ask := func(want string, args ...string) {
		argv := append(append(slices.Clone(wrap), filepath.Join(root, "bin/go")), args...)
		cmd := run.Command(ctx, argv[0], argv[1:]...)
		cmd.Dir = dir
		// Without the GOTOOLCHAIN of Environ, the toolchain shows its own default.
		cmd.Env = slices.DeleteFunc(goroot.Environ("GOROOT=", "GO111MODULE=off", "CGO_ENABLED=0", "GOEXPERIMENT="+experiment, "PWD="+dir,
			"GOCACHE="+filepath.Join(tmp, "gocache"), "GOPATH="+filepath.Join(tmp, "gopath")), func(kv string) bool { return strings.HasPrefix(kv, "GOTOOLCHAIN=") })
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		asked++
		switch got := strings.TrimSpace(out.String()); {
		case err != nil:
			v.Fault("%s: %v; it printed %q, want %q", strings.Join(argv, " "), err, got, want)
		case got != want:
			v.Fault("%s printed %q, want %q", strings.Join(argv, " "), got, want)
		default:
			answered++
		}
	}
	ask("go version "+release+" "+platform, "version")
	ask("local", "env", "GOTOOLCHAIN")
	ask(release+" "+platform+" 42", "run", "hello.go")
	v.Text = fmt.Sprintf("%d of %d as wanted: go version, go env, and a program compiled and run", answered, asked)
	return v
}
