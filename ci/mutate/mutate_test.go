package mutate

import (
	"os"
	"path/filepath"
	"testing"

	"gocoro/ci/plant"
)

// Each mutant of the overlays' files fits them as they are now. (The others are
// planted in upstream's files, which only a built line has.)
func TestMutants(t *testing.T) {
	names := map[string]bool{}
	for _, m := range Mutants {
		if names[m.Name] {
			t.Errorf("%q is there twice", m.Name)
		}
		names[m.Name] = true
	}
	for _, overlay := range []string{"corolock", "coroswitch"} {
		t.Run(overlay, func(t *testing.T) {
			dir, err := filepath.Abs("../../src/" + overlay)
			if err != nil {
				t.Fatal(err)
			}
			goroot := t.TempDir()
			if err := os.Symlink(dir, filepath.Join(goroot, "src")); err != nil {
				t.Fatal(err)
			}
			n := 0
			for i := range Mutants {
				m := &Mutants[i]
				if _, err := os.Stat(filepath.Join(dir, "runtime", m.File)); err != nil {
					continue
				}
				n++
				if err := m.Plant(plant.New(goroot, t.TempDir())); err != nil {
					t.Error(err)
				}
			}
			if n == 0 {
				t.Errorf("no mutant is planted in %s", dir)
			}
		})
	}
}
