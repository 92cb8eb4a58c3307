package plant

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goroot makes a tree of small files and returns its path and that of a patch
// that has been applied to it: it changed a, removed gone and added b.
func goroot(t *testing.T) (dir, patch string) {
	dir = t.TempDir()
	for name, text := range map[string]string{"src/a": "one\nTWO\nthree\n", "src/b": "new\n", "src/c": "x\n"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	patch = filepath.Join(t.TempDir(), "0001-x.patch")
	const text = `diff --git a/src/a b/src/a
--- a/src/a
+++ b/src/a
@@ -1,3 +1,3 @@
 one
-two
+TWO
 three
diff --git a/src/b b/src/b
new file mode 100644
--- /dev/null
+++ b/src/b
@@ -0,0 +1 @@
+new
diff --git a/src/gone b/src/gone
deleted file mode 100644
--- a/src/gone
+++ /dev/null
@@ -1 +0,0 @@
-gone
`
	if err := os.WriteFile(patch, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir, patch
}

// seen returns the content of a file as the go command sees it.
func seen(t *testing.T, o *Overlay, name string) string {
	flag, err := o.Flag()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(strings.TrimPrefix(flag, "-overlay="))
	if err != nil {
		t.Fatal(err)
	}
	var overlay struct{ Replace map[string]string }
	if err := json.Unmarshal(data, &overlay); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(o.goroot, name)
	if to, ok := overlay.Replace[file]; ok {
		if to == "" {
			return "(none)"
		}
		file = to
	}
	data, err = os.ReadFile(file)
	if err != nil {
		return "(none)"
	}
	return string(data)
}

func TestOverlay(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(o *Overlay, patch string) error
		want   map[string]string
	}{
		{"nothing", func(*Overlay, string) error { return nil }, map[string]string{"src/a": "one\nTWO\nthree\n", "src/gone": "(none)"}},
		{"replace", func(o *Overlay, _ string) error { return o.Replace("src/a", "one", "ONE") }, map[string]string{"src/a": "ONE\nTWO\nthree\n"}},
		{"add", func(o *Overlay, _ string) error { return o.Add("src/d/e", "e") }, map[string]string{"src/d/e": "e"}},
		{"remove", func(o *Overlay, _ string) error { return o.Remove("src/c") }, map[string]string{"src/c": "(none)"}},
		{"unapply", func(o *Overlay, patch string) error { return o.Unapply(context.Background(), []string{patch}) },
			map[string]string{"src/a": "one\ntwo\nthree\n", "src/b": "(none)", "src/gone": "gone\n", "src/c": "x\n"}},
		{"twice", func(o *Overlay, _ string) error {
			if err := o.Replace("src/a", "one", "1"); err != nil {
				return err
			}
			return o.Replace("src/a", "three", "3")
		}, map[string]string{"src/a": "1\nTWO\n3\n"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root, patch := goroot(t)
			o := New(root, t.TempDir())
			if err := tc.change(o, patch); err != nil {
				t.Fatal(err)
			}
			for name, want := range tc.want {
				if got := seen(t, o, name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if data, err := os.ReadFile(filepath.Join(root, "src/a")); err != nil || string(data) != "one\nTWO\nthree\n" {
				t.Errorf("the tree itself has changed: %q, %v", data, err)
			}
		})
	}
}

// A fault that does not fit the tree is an error, not a fault that is not there.
func TestOverlayErrors(t *testing.T) {
	root, patch := goroot(t)
	for _, tc := range []struct {
		name   string
		change func(o *Overlay) error
		want   string
	}{
		{"not there", func(o *Overlay) error { return o.Replace("src/a", "four", "4") }, "0 places"},
		{"ambiguous", func(o *Overlay) error { return o.Replace("src/a", "e", "E") }, "3 places"},
		{"no file", func(o *Overlay) error { return o.Replace("src/z", "a", "b") }, "src/z"},
		{"add over one", func(o *Overlay) error { return o.Add("src/a", "") }, "there already"},
		{"remove none", func(o *Overlay) error { return o.Remove("src/z") }, "src/z"},
		{"unapply twice", func(o *Overlay) error { return o.Unapply(context.Background(), []string{patch, patch}) }, "git apply -R"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.change(New(root, t.TempDir())); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	dir := filepath.Join(t.TempDir(), "with space")
	if flag, err := New(root, dir).Flag(); err == nil {
		t.Errorf("in %q: got flag %s, want an error", dir, flag)
	}
}
