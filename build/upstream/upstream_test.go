package upstream

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"gocoro/build/line"
)

// An archive cannot write outside of the folder that it is unpacked in.
func TestUntarStaysInside(t *testing.T) {
	for _, name := range []string{"go/../../evil", "go//etc/evil", "go/link/evil"} {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: 1, Typeflag: tar.TypeReg})
		w.Write([]byte("x"))
		w.Close()
		base := t.TempDir()
		dir := filepath.Join(base, "a", "b")
		os.MkdirAll(dir, 0o777)
		os.Symlink(base, filepath.Join(dir, "link"))
		if err := untar(&buf, dir, "go/"); err == nil {
			t.Errorf("%s was unpacked, want an error", name)
		}
		if _, err := os.Stat(filepath.Join(base, "evil")); err == nil {
			t.Errorf("%s was written outside", name)
		}
	}
}

func TestIsExec(t *testing.T) {
	for name, want := range map[string]bool{
		"bin/go": true, "pkg/tool/linux_amd64/link": true, "src/make.bash": true, "src/make.rc": true,
		"lib/time/update.bash": true, "misc/ios/go_darwin_arm64_exec": true, "src/crypto/x/gen.pl": true,
		"src/go.mod": false, "src/cmd/go_test.go": false, "src/bin/x": false, "go_exec": false,
	} {
		if got := isExec(name); got != want {
			t.Errorf("isExec(%q) = %v", name, got)
		}
	}
}

func TestParse(t *testing.T) {
	const id = "0123456789012345678901234567890123456789"
	env := &Env{Pin: new(line.Pin)}
	for spec, want := range map[string]gitRepo{
		"git=/a/b":              {repo: "/a/b"},
		"git=/a/b@" + id:        {repo: "/a/b", commit: id},
		"git=git@host:go":       {repo: "git@host:go"},
		"git=git@host:go@" + id: {repo: "git@host:go", commit: id},
	} {
		src, err := Parse(spec, env)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
		} else if g := src.(*gitRepo); g.repo != want.repo || g.commit != want.commit {
			t.Errorf("%s: repository %q, commit %q", spec, g.repo, g.commit)
		}
	}
	for _, spec := range []string{"", "module=x", "tarball", "tarball=", "git=", "dir", "git=x@abc"} {
		if _, err := Parse(spec, env); err == nil {
			t.Errorf("%q was understood, want an error", spec)
		}
	}
}
