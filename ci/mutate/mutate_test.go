package mutate

import (
	"os"
	"path/filepath"
	"testing"

	"gocoro/ci/plant"
)

// Each mutant of the overlay's files fits them as they are now. (The others
// are planted in upstream's files, which only a built line has.)
func TestMutants(t *testing.T) {
	overlay, err := filepath.Abs("../../src/corolock")
	if err != nil {
		t.Fatal(err)
	}
	goroot := t.TempDir()
	if err := os.Symlink(overlay, filepath.Join(goroot, "src")); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	n := 0
	for i := range Mutants {
		m := &Mutants[i]
		if names[m.Name] {
			t.Errorf("%q is there twice", m.Name)
		}
		names[m.Name] = true
		if _, err := os.Stat(filepath.Join(overlay, "runtime", m.File)); err != nil {
			continue
		}
		n++
		if err := m.Plant(plant.New(goroot, t.TempDir())); err != nil {
			t.Error(err)
		}
	}
	if n == 0 {
		t.Errorf("no mutant is planted in %s", overlay)
	}
}
