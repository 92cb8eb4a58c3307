package release

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/version"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"gocoro/build/hint"
	"gocoro/build/line"
)

// IndexFile is the name of the list of downloads in a release directory.
const IndexFile = "releases.json"

// A Release is an entry of the list of downloads, which has the form of
// https://go.dev/dl/?mode=json. Programs that install Go read this form.
// Source: the types of golang.org/x/website/internal/dl.
type Release struct {
	Version string     `json:"version"`
	Stable  bool       `json:"stable"`
	Files   []Download `json:"files"`
}

// A Download is a file of a Release.
type Download struct {
	Filename string `json:"filename"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Version  string `json:"version"`
	SHA256   string `json:"sha256"`
	Size     int64  `json:"size"` // bytes
	Kind     string `json:"kind"` // "archive" or "source"
}

// archive matches the names of archives: the release, and the platform or src.
var archive = regexp.MustCompile(`^(go.*)\.(src|[a-z0-9]+-[a-z0-9]+)\.tar\.gz$`)

// ReadIndex reads a list of downloads. It is empty if there is no file.
func ReadIndex(file string) ([]*Release, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []*Release
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, hint.Add(fmt.Errorf("%s: %w", file, err), "restore it, or remove it: then dist makes it from this build")
	}
	return list, nil
}

// makeIndex returns the text of the list of all archives in the directory's list of
// hashes, with the newest release first. size has the sizes of the new files. An
// archive that is served elsewhere keeps the size from the old list.
func (f *Folder) makeIndex(size map[string]int64) ([]byte, error) {
	old, err := ReadIndex(f.path(IndexFile))
	if err != nil {
		return nil, err
	}
	before := map[string]Download{}
	for _, r := range old {
		for _, d := range r.Files {
			before[d.Filename] = d
		}
	}
	byName := map[string]*Release{}
	list := []*Release{}
	for _, name := range f.names() { // sorted, as the files of a release are
		m := archive.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		d := Download{Filename: name, Version: m[1], SHA256: f.Sums[name], Size: size[name], Kind: "source"}
		if m[2] != "src" {
			d.Kind = "archive"
			d.OS, d.Arch, _ = strings.Cut(m[2], "-")
		}
		if d.Size == 0 {
			if info, err := os.Stat(f.path(name)); err == nil {
				d.Size = info.Size()
			} else if b := before[name]; b.SHA256 == d.SHA256 && b.Size > 0 {
				d.Size = b.Size
			} else {
				return nil, hint.Add(fmt.Errorf("%s lists %s, and neither the directory nor %s says how large it is", f.path(SumsFile), name, IndexFile), "restore the file")
			}
		}
		r := byName[d.Version]
		if r == nil {
			r = &Release{Version: d.Version, Stable: true}
			byName[d.Version] = r
			list = append(list, r)
		}
		r.Files = append(r.Files, d)
	}
	slices.SortStableFunc(list, func(a, b *Release) int { return compareReleases(b.Version, a.Version) })
	return encode(list)
}

// compareReleases orders release names: by upstream, and by revision.
func compareReleases(a, b string) int {
	_, ra, _ := line.ParseName(a)
	_, rb, _ := line.ParseName(b)
	return cmp.Or(version.Compare(a, b), cmp.Compare(ra, rb)) // version ignores the suffix
}
