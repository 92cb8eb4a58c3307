// Package user plays the stories of a user who has installed a toolchain:
// each is a script in testdata/script. The CI installs one and says where:
//
//	go run ./ci test -suite user
package user

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestUser plays the stories that every line must let happen.
func TestUser(t *testing.T) { play(t, "testdata/script") }

// TestUserShared plays those of the lines with the shared-lock rules.
func TestUserShared(t *testing.T) {
	if rules := os.Getenv("GOCORO_USER_RULES"); rules != "shared" && rules != "" {
		t.Skipf("the line has the %s-lock rules", rules)
	}
	play(t, "testdata/shared")
}

func play(t *testing.T, dir string) {
	bin, release, upstream := os.Getenv("GOCORO_USER_BIN"), os.Getenv("GOCORO_USER_RELEASE"), os.Getenv("GOCORO_USER_UPSTREAM")
	dlv := os.Getenv("GOCORO_USER_DLV")
	if bin == "" || release == "" || upstream == "" || dlv == "" {
		// A toolchain takes minutes to build: plain "go test ./..." has none.
		t.Skip("no installed toolchain given; go run ./ci test -suite user builds one and runs this test")
	}
	examples, err := filepath.Abs("../../docs/examples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			env.Setenv("HOME", home)
			env.Setenv("RELEASE", release)
			env.Setenv("UPSTREAM", upstream)
			// What package iter is behind, in go1.22; else empty.
			env.Setenv("EXPERIMENT", os.Getenv("GOCORO_USER_EXPERIMENT"))
			env.Setenv("TOOLCHAIN_BIN", bin)
			env.Setenv("DLV", dlv)
			env.Setenv("EXAMPLES", examples)
			env.Setenv("PATH", env.Getenv("PATH")+string(os.PathListSeparator)+bin)
			env.Setenv("GOPROXY", "off")
			// The toolchains' packages; one version, so one cache for all
			// stories, created for each run of them.
			env.Setenv("GOCACHE", filepath.Join(filepath.Dir(bin), "gocache"))
			return os.MkdirAll(home, 0o777)
		},
	})
}
