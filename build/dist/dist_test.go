package dist

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestReadDist reads what cmd/dist of Go 1.22 and of Go 1.27 say, and what a
// later one may.
func TestReadDist(t *testing.T) {
	const flags = "\t\tenv = append(env, \"GOFLAGS=-trimpath -ldflags=-w -gcflags=cmd/...=-dwarf=false\")\n"
	const lists = "\tbinExesIncludedInDistpack = []string{\"cmd/go\", \"cmd/gofmt\"}\n\ttoolsIncludedInDistpack = []string{\"cmd/asm\", \"cmd/vet\"}\n"
	for _, tt := range []struct{ name, text, commands, err string }{
		{"go1.22", flags + "\tgoInstall(toolenv(), goBootstrap, append([]string{\"-a\"}, toolchain...)...)\n\tgoInstall(toolenv(), goBootstrap, \"cmd\")\n", "cmd", ""},
		{"go1.27", flags + lists + "\tgoInstall(toolenv(), goBootstrap, toolsToInstall...)\n", "cmd/go cmd/gofmt cmd/asm cmd/vet", ""},
		{"no flags", lists + "\tgoInstall(toolenv(), goBootstrap, toolsToInstall...)\n", "", "found no GOFLAGS of toolenv"},
		{"two flags", flags + flags + "\tgoInstall(toolenv(), goBootstrap, \"cmd\")\n", "", "found no GOFLAGS of toolenv"},
		{"no lists", flags + "\tgoInstall(toolenv(), goBootstrap, toolsToInstall...)\n", "", "found no list of the commands"},
		{"no installation", flags + lists, "", "found no installation of the commands"},
	} {
		root := t.TempDir()
		file := filepath.Join(root, "src/cmd/dist/build.go")
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(tt.text), 0o666); err != nil {
			t.Fatal(err)
		}
		b, err := readDist(root)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if b.flags != "-trimpath -ldflags=-w -gcflags=cmd/...=-dwarf=false" || !slices.Equal(b.commands, strings.Fields(tt.commands)) {
			t.Errorf("%s: %+v", tt.name, b)
		}
	}
}

func TestParsePlatforms(t *testing.T) {
	got, err := ParsePlatforms("darwin/arm64,linux/amd64,darwin/arm64")
	if want := []string{"linux/amd64", "darwin/arm64"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	for _, bad := range []string{"", "linux", "linux/amd64,", "windows/amd64", "all,linux/amd64"} {
		if got, err := ParsePlatforms(bad); err == nil {
			t.Errorf("ParsePlatforms(%q) = %q", bad, got)
		}
	}
}
