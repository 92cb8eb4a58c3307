package env

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gocoro/build/hint"
)

// What is printed is run by the shells themselves, with values that need care.
func TestPrint(t *testing.T) {
	const odd = `/a b/it's\ $HOME;"x"`
	settings := []Setting{
		{Name: "PATH", Value: odd, Append: true, Why: "odd"},
		{Name: "GOTOOLCHAIN", Value: odd, Why: "odd"},
		{Name: "GOROOT", Unset: true, Why: "odd"},
	}
	const show = "printf '%s\\n' \"$PATH\" \"$GOTOOLCHAIN\"; printenv GOROOT || :"
	for _, tt := range []struct{ shell, program, show string }{
		{"sh", "sh", show},
		{"bash", "bash", show},
		{"fish", "fish", show},
		{"github", "sh", `printf '%s\n' "$PATH:$(cat "$GITHUB_PATH")"; sed -n 's/^GOTOOLCHAIN=//p' "$GITHUB_ENV"; grep '^GOROOT=.' "$GITHUB_ENV" || :`},
	} {
		t.Run(tt.shell, func(t *testing.T) {
			var b strings.Builder
			if err := Print(&b, tt.shell, settings); err != nil {
				t.Fatal(err)
			}
			program, err := exec.LookPath(tt.program)
			if err != nil {
				if tt.shell == "fish" {
					// The one shell that a machine may lack: then the form
					// must be the one its manual gives.
					want := "# odd\nset -gx PATH $PATH '/a b/it\\'s\\\\ $HOME;\"x\"'\n# odd\nset -gx GOTOOLCHAIN '/a b/it\\'s\\\\ $HOME;\"x\"'\n# odd\nset -e GOROOT\n"
					if b.String() != want {
						t.Errorf("printed %s\nwant %s", b.String(), want)
					}
					return
				}
				t.Fatal(err)
			}
			dir := t.TempDir()
			cmd := exec.Command(program, "-c", b.String()+tt.show)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir,
				"GOROOT=/other", "GITHUB_ENV=" + filepath.Join(dir, "env"), "GITHUB_PATH=" + filepath.Join(dir, "path")}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, b.String(), out)
			}
			if want := os.Getenv("PATH") + ":" + odd + "\n" + odd + "\n"; string(out) != want {
				t.Errorf("%s\ngot  %s\nwant %s", b.String(), out, want)
			}
		})
	}
	if err := Print(new(strings.Builder), "csh", settings); err == nil || !strings.HasSuffix(err.Error(), "want sh (or bash, zsh, dash, ksh: the same), fish, github") || hint.Of(err) == nil {
		t.Errorf("csh: error %v", err)
	}
	if err := Print(new(strings.Builder), "sh", []Setting{{Name: "X", Value: "a\nb"}}); err == nil {
		t.Error("a line break in a value is no error")
	}
}
