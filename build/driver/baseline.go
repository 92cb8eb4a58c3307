package driver

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"gocoro/build/line"
	"gocoro/build/progress"
	"gocoro/build/series"
	"gocoro/build/store"
	"gocoro/build/tree"
)

// Baseline returns the path of a GOROOT to compare with: upstream's own binaries
// and sources, and of ours only the tests, from the overlay and from patches that
// change only tests. If a test fails here and passes on the patched tree, the
// other patches made the difference.
func (d *Driver) Baseline(ctx context.Context) (string, error) {
	up, err := d.Stock(ctx)
	if err != nil {
		return "", err
	}
	key, patches, overlay, err := d.baselineKey(ctx)
	if err != nil {
		return "", err
	}
	what := d.Line.Pin.Upstream + " with our tests"
	return d.step(ctx, "baseline", "baseline", key, what, func(dir string, _ *os.File, _ *progress.Step) (string, error) {
		if err := tree.Copy(ctx, dir, up); err != nil {
			return "", err
		}
		for _, f := range overlay {
			if err := tree.AddFile(dir, f); err != nil {
				return "", err
			}
		}
		for _, p := range patches {
			if _, err := p.Apply(ctx, dir, d.Rep.TraceCmd); err != nil {
				return "", err
			}
		}
		return what, nil
	})
}

// Keys returns the content keys of the patched tree and of the baseline.
func (d *Driver) Keys(ctx context.Context) (patched, baseline string, err error) {
	if patched, err = d.treeKey(ctx); err != nil {
		return "", "", err
	}
	baseline, _, _, err = d.baselineKey(ctx)
	return patched, baseline, err
}

// baselineKey returns the baseline's key and what goes into it.
func (d *Driver) baselineKey(ctx context.Context) (key string, patches []*series.Patch, overlay []line.OverlayFile, err error) {
	up, err := d.upstreamKey(ctx)
	if err != nil {
		return "", nil, nil, err
	}
	var k store.Key
	k.Add("baseline of", []byte(up))
	all, err := series.ReadAll(d.Line)
	if err != nil {
		return "", nil, nil, err
	}
	for _, p := range all {
		if OnlyTests(p.Files...) {
			patches = append(patches, p)
			k.Add("patch "+p.Name, p.Data)
		}
	}
	files, err := d.Line.Overlay()
	if err != nil {
		return "", nil, nil, err
	}
	for _, f := range files {
		if !OnlyTests(f.Name) {
			continue
		}
		overlay = append(overlay, f)
		if err := k.AddFile("overlay "+f.Name, f.Path); err != nil {
			return "", nil, nil, err
		}
	}
	return k.String(), patches, overlay, nil
}

// OnlyTests reports whether all files are tests or in their testdata.
func OnlyTests(files ...string) bool {
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") && !strings.Contains(filepath.ToSlash(f), "/testdata/") {
			return false
		}
	}
	return true
}
