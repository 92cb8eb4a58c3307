package driver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sync/errgroup"

	"gocoro/build/dist"
	"gocoro/build/goroot"
	"gocoro/build/hint"
	"gocoro/build/store"
)

// Dist returns, for each platform, the directory that holds the files of
// dist.FilesOf, made by upstream's own cmd/distpack. make.bash runs once, for
// the host.
func (d *Driver) Dist(ctx context.Context, platforms []string) (map[string]string, error) {
	base, err := d.makeKey(ctx)
	if err != nil {
		return nil, fmt.Errorf("dist: %w", err)
	}
	dirs := map[string]string{}
	keys := map[string]string{}
	var missing []string
	for _, p := range platforms {
		var k store.Key
		k.Add("goroot", []byte(base))
		k.Add("target", []byte(p))
		keys[p] = k.String()
		dirs[p] = d.Store.Path("dist", keys[p])
		if !d.Store.Has("dist", keys[p]) {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return dirs, nil
	}
	built, err := d.Make(ctx)
	if err != nil {
		return nil, err
	}
	what := d.Release() + " for " + strings.Join(missing, ", ")
	if d.Dry {
		d.Rep.Printf("%-8s would do: pack %s", "dist", what)
		return dirs, nil
	}
	s := d.Rep.Start("dist", what)
	// Two at once: packing is the work of one processor, and so is much of
	// linking.
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for _, p := range missing {
		g.Go(func() error {
			_, err := d.Store.Item(gctx, "dist", keys[p], func(dir string, lock *os.File) error {
				j := &dist.Job{
					GOROOT:   built,
					Release:  d.Release(),
					Host:     d.env.Platform,
					Platform: p,
					Log:      strings.TrimSuffix(d.Store.Log("dist", keys[p]), ".log"),
					Rep:      d.Rep,
					Lock:     lock,
					Detail:   s.Detail,
				}
				return j.Pack(gctx, dir)
			})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		s.Fail()
		return nil, fmt.Errorf("dist: %w", err)
	}
	s.Done(what)
	return dirs, d.sameSource(platforms, dirs)
}

// sameSource checks that the source archive is the same for every platform, as
// it must be.
func (d *Driver) sameSource(platforms []string, dirs map[string]string) error {
	sums := map[string]string{}
	for _, p := range platforms {
		name := dist.FilesOf(d.Release(), p).Source
		sum, err := store.Sum(filepath.Join(dirs[p], name))
		if err != nil {
			return err
		}
		sums[sum] = p
	}
	if len(sums) > 1 {
		return hint.Add(fmt.Errorf("dist: the source archive differs between platforms: %v", sums), "compare them: the sources must not depend on what they are packed for")
	}
	return nil
}

// bootstrap matches the line of make.bash that names the bootstrap Go.
var bootstrap = regexp.MustCompile(`(?m)^Building Go cmd/dist using .*\((go[^ )]+)`)

// BuiltWith returns the version of the Go that built the toolchain, from the log
// of make.bash or, if that is missing, from FindBootstrap.
func (d *Driver) BuiltWith(ctx context.Context) (string, error) {
	key, err := d.makeKey(ctx)
	if err != nil {
		return "", err
	}
	if log, err := os.ReadFile(d.Store.Log("goroot", key)); err == nil {
		if m := bootstrap.FindSubmatch(log); m != nil {
			return string(m[1]), nil
		}
	}
	boot, err := goroot.FindBootstrap(ctx, d.Line.Pin, d.Rep)
	if err != nil {
		return "", err
	}
	return boot.Version, nil
}
