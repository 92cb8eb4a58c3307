package runner

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gocoro/ci/suite"
)

// What is compiled beforehand is all that a test needs, and only its compilers
// see the collector's settings.
func TestPrecompile(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module m\n\ngo 1.24\n",
		"m.go":      "package m\n",
		"m_test.go": "package m\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestGC(t *testing.T) {\n\tif v, ok := os.LookupEnv(\"GOGC\"); ok {\n\t\tt.Error(v)\n\t}\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var env []string
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); name != "GOGC" && name != "GOMEMLIMIT" {
			env = append(env, kv)
		}
	}
	env = append(env, "GOCACHE="+filepath.Join(dir, "gocache"), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	tree := &suite.Tree{Command: func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir, cmd.Env = dir, env
		return cmd
	}}
	precompile(t.Context(), tree, []string{"m"})
	out, err := tree.Command(t.Context(), "test", "-x", "-vet=off", "-count=1", "m").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// The generated main package of the test is compiled with it.
	if n := strings.Count(string(out), "/compile -o"); n > 1 {
		t.Errorf("got %d compilations in the test itself, want at most one:\n%s", n, out)
	}
}
