package release

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/version"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// IndexFile is the name of the list of downloads in a release folder.
const IndexFile = "releases.json"

// A Release is an entry of the list of downloads, whose form is that of
// https://go.dev/dl/?mode=json. Programs that install Go read that.
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

// download returns the entry of a file called
// <release>.<os>-<arch>.tar.gz or <release>.src.tar.gz.
func download(release, name, sum string, size int64) Download {
	d := Download{Filename: name, Version: release, SHA256: sum, Size: size, Kind: "source"}
	platform := strings.TrimSuffix(strings.TrimPrefix(name, release+"."), ".tar.gz")
	if platform != "src" {
		d.Kind = "archive"
		d.OS, d.Arch, _ = strings.Cut(platform, "-")
	}
	return d
}

// ReadIndex reads a list of downloads. There is none yet if there is no file.
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
		return nil, fmt.Errorf("%s: %w\n\trestore it, or remove it: it is then made of what is built now", file, err)
	}
	return list, nil
}

// addToIndex returns the text of the list in file with the downloads of a
// release added, the newest release first.
func addToIndex(file, release string, files []Download) ([]byte, error) {
	list, err := ReadIndex(file)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(r *Release) bool { return r.Version == release })
	if i < 0 {
		i = len(list)
		list = append(list, &Release{Version: release, Stable: true})
	}
	r := list[i]
	for _, f := range files {
		r.Files = slices.DeleteFunc(r.Files, func(g Download) bool { return g.Filename == f.Filename })
		r.Files = append(r.Files, f)
	}
	slices.SortFunc(r.Files, func(a, b Download) int { return strings.Compare(a.Filename, b.Filename) })
	slices.SortStableFunc(list, func(a, b *Release) int { return compareReleases(b.Version, a.Version) })
	return encode(list)
}

// compareReleases orders release names: by upstream, and by revision.
func compareReleases(a, b string) int {
	if c := version.Compare(a, b); c != 0 { // which ignores the suffix
		return c
	}
	revision := func(s string) (n int) {
		_, rev, _ := strings.Cut(s, "-coro.")
		fmt.Sscan(rev, &n)
		return n
	}
	return revision(a) - revision(b)
}
