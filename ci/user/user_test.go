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

func TestUser(t *testing.T) {
	bin, release, upstream := os.Getenv("GOCORO_USER_BIN"), os.Getenv("GOCORO_USER_RELEASE"), os.Getenv("GOCORO_USER_UPSTREAM")
	if bin == "" || release == "" || upstream == "" {
		// A toolchain takes minutes to build: plain "go test ./..." has none.
		t.Skip("no installed toolchain given; go run ./ci test -suite user builds one and runs this test")
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			env.Setenv("HOME", home)
			env.Setenv("RELEASE", release)
			env.Setenv("UPSTREAM", upstream)
			env.Setenv("TOOLCHAIN_BIN", bin)
			env.Setenv("PATH", env.Getenv("PATH")+string(os.PathListSeparator)+bin)
			env.Setenv("GOPROXY", "off")
			// The toolchains' packages; one version, so one cache for all
			// stories, made anew for each run of them.
			env.Setenv("GOCACHE", filepath.Join(filepath.Dir(bin), "gocache"))
			return os.MkdirAll(home, 0o777)
		},
	})
}
