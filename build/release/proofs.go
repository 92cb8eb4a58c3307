package release

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gocoro/build/command"
	"gocoro/build/dist"
	"gocoro/build/driver"
	"gocoro/build/goroot"
	"gocoro/build/line"
	"gocoro/build/options"
	"gocoro/build/progress"
	"gocoro/build/proof"
	"gocoro/build/run"
	"gocoro/build/series"
	"gocoro/build/store"
	"gocoro/build/upstream"
)

// A verification is a run of Verify.
type verification struct {
	flags     *driver.Flags
	line      *line.Line
	platforms []string
	leak      string
	passed    int
	failed    int
}

// Verify is the command that proves what the packages contain.
func Verify(fs *flag.FlagSet) command.Func {
	o := new(options.Verify)
	o.Register(fs)
	return command.FlagsOnly(func(ctx context.Context) error {
		v := &verification{flags: &o.Flags, leak: o.Leak}
		var err error
		if v.platforms, err = dist.ParsePlatforms(o.Platform); err != nil {
			return err
		}
		want := strings.Split(o.Proof, ",")
		for _, w := range want {
			if !slices.Contains(options.Proofs, w) {
				return fmt.Errorf("unknown -proof %q: want some of %s, separated by commas", w, strings.Join(options.Proofs, ", "))
			}
		}
		d, err := o.Open()
		if err != nil {
			return err
		}
		v.line = d.Line
		if d.Dry {
			d.Rep.Printf("verify   would prove %s of %s for %s", strings.Join(want, ", "), d.Release(), strings.Join(v.platforms, ", "))
			return nil
		}
		return d.Use(ctx, func() error {
			for _, p := range []struct {
				name string
				run  func(context.Context) error
			}{{"upstream", v.upstream}, {"twice", v.twice}, {"patches", v.patches}} {
				if slices.Contains(want, p.name) {
					if err := p.run(ctx); err != nil {
						return fmt.Errorf("verify: %s: %w", p.name, err)
					}
				}
			}
			fmt.Printf("%d proofs hold, %d do not\n", v.passed, v.failed)
			if v.failed > 0 {
				return command.ExitError(1)
			}
			return nil
		})
	})
}

// say prints the outcome of a proof of the release and counts it.
func (v *verification) say(name, platform, release string, p *proof.Verdict) {
	word := "holds"
	if p.Holds() {
		v.passed++
	} else {
		word = "FAILS"
		v.failed++
	}
	fmt.Printf("%-8s  %-12s  %s  %s: %s\n", name, platform, word, release, p.Text)
	p.Print()
}

// official returns the module that upstream published for the platform.
func (v *verification) official(ctx context.Context, platform string, rep *progress.Reporter) (*upstream.Official, error) {
	return upstream.Module(ctx, &upstream.Env{Pin: v.line.Pin, Line: v.line.Name, Platform: platform, Trace: rep.TraceCmd})
}

// upstream builds the unpatched release and compares it with what upstream
// published.
func (v *verification) upstream(ctx context.Context) error {
	d, err := v.flags.Open()
	if err != nil {
		return err
	}
	d.Unpatched = true
	dirs, err := d.Dist(ctx, v.platforms)
	if err != nil {
		return err
	}
	for _, p := range v.platforms {
		zip := filepath.Join(dirs[p], dist.FilesOf(d.Release(), p).Zip())
		var verdict *proof.Verdict
		o, err := v.official(ctx, p, d.Rep)
		if err == nil {
			goos, _, _ := strings.Cut(p, "/")
			verdict, err = compare(zip, o.Zip, func(ours, official *proof.Package) (*proof.Verdict, error) {
				verdict, err := proof.Upstream(ours, official, goos)
				if err == nil {
					authorities(verdict, official.H1, o, v.line.Pin, p)
				}
				return verdict, err
			})
		} else if ctx.Err() == nil {
			verdict, err = byPin(zip, v.line.Pin.Modules[p], err)
		}
		if err != nil {
			return err
		}
		v.say("upstream", p, d.Release(), verdict)
	}
	return nil
}

// byPin judges a package only by the hash in the pin, because the official module
// is not available, for the reason why.
func byPin(zip, pinned string, why error) (*proof.Verdict, error) {
	p, err := proof.Open(zip)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	v := &proof.Verdict{Text: fmt.Sprintf("%d files, %s", len(p.Files), p.H1)}
	switch pinned {
	case p.H1:
		v.Text += ", as the pin has it; upstream's module is not available here"
	case "":
		v.Fault("the pin has no hash to compare with, and upstream's module is not available: %v", why)
	default:
		v.Fault("the pin says %s; to find the files that differ takes upstream's module, which is not available: %v", pinned, why)
	}
	return v, nil
}

// authorities checks the hash of the official module against the pin, and says
// who vouches for it.
func authorities(v *proof.Verdict, h1 string, o *upstream.Official, pin *line.Pin, platform string) {
	var vouch []string
	if o.H1 != h1 {
		v.Fault("the go command says that the official module is %s, its file is %s: remove %s", o.H1, h1, o.Zip)
	}
	if o.Database != "" {
		vouch = append(vouch, "the checksum database "+o.Database)
	}
	switch want := pin.Modules[platform]; want {
	case "":
	case h1:
		vouch = append(vouch, "the pin")
	default:
		v.Fault("the official module is %s, the pin says %s", h1, want)
	}
	if len(vouch) == 0 {
		v.Fault("nobody vouches for the official module: the pin has no hash of it, and the checksum database was not asked")
		return
	}
	verb := "has"
	if len(vouch) > 1 {
		verb = "have"
	}
	v.Text += ", as " + strings.Join(vouch, " and ") + " " + verb + " it"
}

// compare opens two module zips and returns what judge says of them.
func compare(a, b string, judge func(a, b *proof.Package) (*proof.Verdict, error)) (*proof.Verdict, error) {
	pa, err := proof.Open(a)
	if err != nil {
		return nil, err
	}
	defer pa.Close()
	pb, err := proof.Open(b)
	if err != nil {
		return nil, err
	}
	defer pb.Close()
	return judge(pa, pb)
}

// junk is added to the environment of the second build of twice. If one of these
// variables got through to the build, it would change the bytes or fail.
func junk() []string {
	return []string{
		"CC=/nowhere/cc", "CXX=/nowhere/c++", "CGO_ENABLED=0", "CGO_CFLAGS=-junk", "GOAMD64=v3", "GOARM64=v9.0", "GO386=softfloat",
		"GOFLAGS=-tags=junk", "GOEXPERIMENT=fieldtrack", "GO_GCFLAGS=-N", "GO_LDFLAGS=-s", "GOROOT_FINAL=/nowhere",
		"GO_EXTLINK_ENABLED=1", "PKG_CONFIG=junk", "GOBIN=/nowhere/bin",
		"LANG=tr_TR.UTF-8", "LC_ALL=tr_TR.UTF-8", "TZ=Pacific/Kiritimati", "USER=somebody", "LOGNAME=somebody", "TERM=dumb", "SOURCE_DATE_EPOCH=1",
	}
}

// twice builds the release a second time, as another user in another directory
// would, and compares all files.
func (v *verification) twice(ctx context.Context) error {
	d, err := v.flags.Open()
	if err != nil {
		return err
	}
	first, err := d.Dist(ctx, v.platforms)
	if err != nil {
		return err
	}
	// Deeper in the same cache directory, to be on the same disk.
	parent := filepath.Join(d.Store.Root, "tmp")
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	// Only one at a time, so that any other such directory is from a killed run.
	lock, err := d.Store.Lock(ctx, "verify-twice")
	if err != nil {
		return err
	}
	defer lock.Close()
	const folder = "somebody else's directory "
	left, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, l := range left {
		if !strings.HasPrefix(l.Name(), folder) {
			continue
		}
		if err := store.RemoveAll(filepath.Join(parent, l.Name())); err != nil {
			return err
		}
	}
	other, err := os.MkdirTemp(parent, folder)
	if err != nil {
		return err
	}
	defer store.RemoveAll(other)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"-c", `umask 077; exec "$@"`, "sh", self, "dist", "-line", v.line.Name, "-source", v.flags.Source,
		"-platform", strings.Join(v.platforms, ","), "-o", filepath.Join(other, "release")}
	home := filepath.Join(other, "home")
	if err := os.Mkdir(home, 0o777); err != nil {
		return err
	}
	modcache, err := goEnv(ctx, "GOMODCACHE")
	if err != nil {
		return err
	}
	env := append(junk(), "HOME="+home, "GOCACHE="+filepath.Join(home, "go-build"), "GOPATH="+filepath.Join(home, "go"), "XDG_CACHE_HOME="+filepath.Join(home, ".cache"),
		"GOCORO_CACHE="+filepath.Join(other, "cache"), "GOMODCACHE="+modcache, leakVar+"="+v.leak)
	cmd := run.Command(ctx, "sh", args...)
	cmd.Env = append(os.Environ(), env...)
	s := d.Rep.Start("twice", "a second build, in another directory and environment")
	err = d.Rep.Run(ctx, "the second build", cmd, filepath.Join(d.Store.Root, "log", "verify-twice.log"), func(l string) {
		if strings.HasPrefix(l, "make ") || strings.HasPrefix(l, "dist ") {
			s.Detail(l)
		}
	})
	if err != nil {
		s.Fail()
		return err
	}
	s.Done(d.Release())
	for _, p := range v.platforms {
		verdict, err := same(d.Release(), p, first[p], filepath.Join(other, "release"))
		if err != nil {
			return err
		}
		v.say("twice", p, d.Release(), verdict)
	}
	return nil
}

// leakVar is the variable in which verify tells its second build what to let
// through. Nothing else uses it.
const leakVar = "GOCORO_VERIFY_LEAK"

// same compares the files of a platform, in the directory dir of the store, with
// those in a release directory.
func same(release, platform, dir, folder string) (*proof.Verdict, error) {
	v := new(proof.Verdict)
	packages := Packages(release, platform)
	var size int64
	for _, to := range slices.Sorted(maps.Keys(packages)) {
		a, b := filepath.Join(dir, packages[to]), filepath.Join(folder, filepath.FromSlash(to))
		sumA, err := store.Sum(a)
		if err != nil {
			return nil, err
		}
		sumB, err := store.Sum(b)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(a)
		if err != nil {
			return nil, err
		}
		size += info.Size()
		if sumA != sumB {
			v.Fault("%s differs: %s, then %s", packages[to], sumA, sumB)
		}
	}
	v.Text = fmt.Sprintf("%d of %d files equal in all bytes (%.1f MB)", len(packages)-len(v.Faults), len(packages), float64(size)/1e6)
	if v.Holds() {
		return v, nil
	}
	// Say which files in the package differ.
	zip := dist.FilesOf(release, platform).Zip()
	_, err := compare(filepath.Join(dir, zip), filepath.Join(folder, filepath.FromSlash(proxyDir), zip), func(a, b *proof.Package) (*proof.Verdict, error) {
		d := proof.Compare(a, b)
		for _, l := range []struct {
			what  string
			names []string
		}{{"differs", d.Differ}, {"is only in the first build", d.OnlyA}, {"is only in the second build", d.OnlyB}} {
			for i, n := range l.names {
				if i == 20 {
					v.Fault("and %d more", len(l.names)-i)
					break
				}
				v.Fault("in the module, %s %s", n, l.what)
			}
		}
		return nil, nil
	})
	return v, err
}

// stamped are the generated files that hold the name of a release.
// Source: mkbuildcfg and mkobjabi of cmd/dist.
var stamped = []string{"src/internal/buildcfg/zbootstrap.go"}

// patches compares the release with upstream's official module.
func (v *verification) patches(ctx context.Context) error {
	d, err := v.flags.Open()
	if err != nil {
		return err
	}
	dirs, err := d.Dist(ctx, v.platforms)
	if err != nil {
		return err
	}
	built, err := d.Make(ctx)
	if err != nil {
		return err
	}
	tree, err := d.Tree(ctx)
	if err != nil {
		return err
	}
	named, err := Named(v.line)
	if err != nil {
		return err
	}
	for _, p := range v.platforms {
		o, err := v.official(ctx, p, d.Rep)
		if err != nil {
			return err
		}
		verdict, err := compare(filepath.Join(dirs[p], dist.FilesOf(d.Release(), p).Zip()), o.Zip, func(patched, official *proof.Package) (*proof.Verdict, error) {
			verdict, err := proof.Patches(patched, official, &proof.Changes{
				Release: d.Release(), Upstream: v.line.Pin.Upstream,
				Tree: tree, Named: named, Stamped: stamped,
				Linked: func(program string) ([]string, error) { return linked(ctx, built, p, program) },
			})
			if err == nil {
				authorities(verdict, official.H1, o, v.line.Pin, p)
			}
			return verdict, err
		})
		if err != nil {
			return err
		}
		v.say("patches", p, d.Release(), verdict)
	}
	return nil
}

// Named returns, for each file that the line changes, what changes it: the
// patches, the overlay or the driver. The names are relative to GOROOT.
func Named(l *line.Line) (map[string]string, error) {
	named := map[string]string{
		"VERSION": "the driver (the release's name)",
		"go.env":  "the driver (GOTOOLCHAIN=local)",
	}
	patches, err := series.ReadAll(l)
	if err != nil {
		return nil, err
	}
	for _, p := range patches {
		for _, f := range p.Files {
			if named[f] != "" {
				named[f] += ", "
			}
			named[f] += p.Name
		}
	}
	overlay, err := l.Overlay()
	if err != nil {
		return nil, err
	}
	for _, f := range overlay {
		named[f.Name] = "the overlay"
	}
	return named, nil
}

// linked returns the source files, relative to GOROOT, that are linked into a
// program of a toolchain, as the go command of the built GOROOT lists them.
func linked(ctx context.Context, root, platform, program string) ([]string, error) {
	goos, goarch, _ := strings.Cut(platform, "/")
	cache, err := os.MkdirTemp("", "gocoro")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(cache)
	const format = `{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{range .SFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{range .HFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{range .EmbedFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}`
	cmd := exec.CommandContext(ctx, filepath.Join(root, "bin/go"), "list", "-deps", "-f", format, "cmd/"+path.Base(program))
	cmd.Dir = filepath.Join(root, "src")
	cmd.Env = goroot.Environ("GOROOT="+root, "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0", "GOFLAGS=", "GOPROXY=off", "GOWORK=off",
		"GOCACHE="+filepath.Join(cache, "gocache"), "GOPATH="+filepath.Join(cache, "gopath"), "PWD="+cmd.Dir)
	out, err := run.Output(cmd)
	if err != nil {
		return nil, fmt.Errorf("what is linked into %s: go list: %w", program, err)
	}
	var files []string
	for l := range strings.SplitSeq(string(out), "\n") {
		if rel, ok := strings.CutPrefix(strings.TrimSpace(l), root+"/"); ok {
			files = append(files, rel)
		}
	}
	return files, nil
}

// goEnv asks the user's go command for a setting.
func goEnv(ctx context.Context, name string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", name)
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOROOT=", "GOWORK=off", "GOFLAGS=", "PWD="+cmd.Dir)
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}
