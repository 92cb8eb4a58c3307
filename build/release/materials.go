package release

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"gocoro/build/driver"
	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/series"
)

// Materials describe what a release is made of.
type Materials struct {
	Line      *line.Line
	Release   string
	Source    string // identifies the upstream's content: "h1:..."
	Verified  string // what that was checked against
	Bootstrap string // the Go that built it: "go1.26.8"
	Commit    string // of the checkout; empty if it is none, or has changes
	Files     []Material
	Patches   []*Note
}

// A Material is a file of the checkout that goes into a release.
type Material struct {
	Name   string // relative to the checkout, slash-separated
	What   string // "patch", "overlay file", ...
	Target string // for an overlay file: its name relative to GOROOT
	SHA1   string // SPDX wants it
	SHA256 string
}

// gather collects the materials of what the driver builds.
func gather(ctx context.Context, d *driver.Driver) (*Materials, error) {
	rec, err := d.Record(ctx)
	if err != nil {
		return nil, err
	}
	repo := d.Line.Repo()
	m := &Materials{Line: d.Line, Release: d.Release(), Source: rec.Source, Verified: rec.Verified}
	if m.Bootstrap, err = d.BuiltWith(ctx); err != nil {
		return nil, err
	}
	if m.Commit, err = commit(ctx, repo.Dir); err != nil {
		return nil, err
	}
	add := func(file, what, target string) {
		m.Files = append(m.Files, Material{Name: file, What: what, Target: target})
	}
	add(filepath.Join(d.Line.Dir, "pin"), "pin", "")
	patches, err := d.Line.Patches()
	if err != nil {
		return nil, err
	}
	for _, p := range patches {
		add(p, "patch", "")
		n, err := ReadNote(p)
		if err != nil {
			return nil, err
		}
		m.Patches = append(m.Patches, n)
	}
	overlay, err := d.Line.Overlay()
	if err != nil {
		return nil, err
	}
	for _, f := range overlay {
		add(f.Path, "overlay file", f.Name)
	}
	if d.Line.HasAPI() {
		add(d.Line.API(), "API baseline", "")
	}
	if d.Line.HasGODEBUG() {
		add(d.Line.GODEBUG(), "end of a file", "doc/godebug.md")
	}
	for i := range m.Files {
		f := &m.Files[i]
		data, err := os.ReadFile(f.Name)
		if err != nil {
			return nil, err
		}
		rel, err := filepath.Rel(repo.Dir, f.Name)
		if err != nil {
			return nil, err
		}
		f.Name = filepath.ToSlash(rel)
		f.SHA1 = fmt.Sprintf("%x", sha1.Sum(data))
		f.SHA256 = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	return m, nil
}

// commit returns the commit of the checkout at dir, or "" if dir is not a checkout
// or has uncommitted changes.
func commit(ctx context.Context, dir string) (string, error) {
	head, err := series.Git(ctx, dir, "-C", dir, "rev-parse", "--verify", "--quiet", "HEAD").Output()
	if err != nil {
		return "", nil // an unpacked archive, for example
	}
	changes, err := series.Git(ctx, dir, "status", "--porcelain", "--untracked-files=all").Output()
	if err != nil {
		return "", fmt.Errorf("git status in %s: %w", dir, err)
	}
	if len(bytes.TrimSpace(changes)) > 0 {
		return "", nil
	}
	return strings.TrimSpace(string(head)), nil
}

// A Note is what the header of a patch says.
type Note struct {
	File     string // base name
	Subject  string // without [PATCH]
	Body     string // paragraphs
	Trailers [][2]string
}

var trailer = regexp.MustCompile(`^([A-Z][A-Za-z-]*): (.+)$`)

// ReadNote reads the header of a patch in the form of git format-patch, up to the
// line "---". The trailers are the lines KEY: VALUE of its last paragraph.
func ReadNote(file string) (*Note, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	_, preamble, err := gitdiff.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	h, err := gitdiff.ParsePatchHeader(preamble, gitdiff.WithSubjectCleanMode(gitdiff.SubjectCleanPatchOnly))
	if err != nil || h.Title == "" || h.Author == nil {
		return nil, hint.Add(fmt.Errorf("%s has no header with From, Date and Subject before a line ---: %v", file, err), "write it again with git format-patch")
	}
	n := &Note{File: filepath.Base(file), Subject: h.Title}
	paragraphs := strings.Split(strings.TrimSpace(h.Body), "\n\n")
	for l := range strings.SplitSeq(paragraphs[len(paragraphs)-1], "\n") {
		t := trailer.FindStringSubmatch(l)
		if t == nil {
			n.Trailers = nil
			break
		}
		n.Trailers = append(n.Trailers, [2]string{t[1], t[2]})
	}
	if n.Trailers != nil {
		paragraphs = paragraphs[:len(paragraphs)-1]
	}
	n.Body = strings.TrimSpace(strings.Join(paragraphs, "\n\n"))
	return n, nil
}

// Notes returns the release notes, in Markdown.
func (m *Materials) Notes() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n", m.Release)
	fmt.Fprintf(&b, "%s with %d patches and %d files of its own. Released %s.\n", m.Line.Pin.Upstream, len(m.Patches), m.count("overlay file"), m.Line.Pin.Time)
	for _, p := range m.Patches {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", p.Subject, p.Body)
		for _, t := range p.Trailers {
			fmt.Fprintf(&b, "- %s: %s\n", t[0], t[1])
		}
		fmt.Fprintf(&b, "- Patch: %s\n", p.File)
	}
	if m.count("overlay file") > 0 {
		fmt.Fprintf(&b, "\n## Files that upstream does not have\n\n")
		for _, f := range m.Files {
			if f.What == "overlay file" {
				fmt.Fprintf(&b, "- %s\n", f.Target)
			}
		}
	}
	fmt.Fprintf(&b, `
## What it was made of

- Upstream: %s, %s (%s)
- Bootstrap: %s
- Default of GOTOOLCHAIN: local (upstream's is auto)
`, m.Line.Pin.Upstream, m.Source, m.Verified, m.Bootstrap)
	if m.Commit != "" {
		fmt.Fprintf(&b, "- Commit: %s\n", m.Commit)
	}
	return b.Bytes(), nil
}

func (m *Materials) count(what string) (n int) {
	for _, f := range m.Files {
		if f.What == what {
			n++
		}
	}
	return n
}

// A Subject is an artifact of a statement.
// Source: https://github.com/in-toto/attestation, ResourceDescriptor.
type Subject struct {
	Name   string            `json:"name,omitempty"`
	URI    string            `json:"uri,omitempty"`
	Digest map[string]string `json:"digest,omitempty"`
}

// BuildType says what the parameters of a provenance statement mean: those of
// "go run ./build dist", which runs upstream's make.bash and cmd/distpack.
const BuildType = "urn:gocoro:build-dist:v1"

// Provenance returns the in-toto statement of a platform's packages, with a
// predicate of SLSA provenance, in JSON. It has no time, so that two builds of the
// same release have the same statement.
// Source: https://slsa.dev/spec/v1.0/provenance
func (m *Materials) Provenance(platform, builder string, subjects []Subject) ([]byte, error) {
	deps := []Subject{
		m.upstream(),
		{Name: "bootstrap Go", URI: "pkg:golang/std@" + strings.TrimPrefix(m.Bootstrap, "go")},
	}
	if m.Commit != "" {
		deps = append(deps, Subject{Name: "gocoro", Digest: map[string]string{"gitCommit": m.Commit}})
	}
	for _, f := range m.Files {
		deps = append(deps, Subject{Name: f.Name, Digest: map[string]string{"sha256": f.SHA256}})
	}
	type object = map[string]any
	return encode(object{
		"_type":         "https://in-toto.io/Statement/v1",
		"subject":       subjects,
		"predicateType": "https://slsa.dev/provenance/v1",
		"predicate": object{
			"buildDefinition": object{
				"buildType": BuildType,
				"externalParameters": object{
					"line":     m.Line.Name,
					"release":  m.Release,
					"platform": platform,
				},
				"resolvedDependencies": deps,
			},
			"runDetails": object{"builder": object{"id": builder}},
		},
	})
}

// upstream describes the upstream's release by the hash of the module or of the
// archive, whichever it was made from.
// Source of the names and forms: spec/v1/digest_set.md of in-toto's
// attestation framework.
func (m *Materials) upstream() Subject {
	s := Subject{Name: m.Line.Pin.Upstream, URI: "pkg:golang/std@" + strings.TrimPrefix(m.Line.Pin.Upstream, "go")}
	kind, value, _ := strings.Cut(m.Source, ":")
	switch kind {
	case "h1":
		if sum, err := base64.StdEncoding.DecodeString(value); err == nil {
			s.Digest = map[string]string{"dirHash": hex.EncodeToString(sum)}
		}
	case "sha256":
		s.Digest = map[string]string{"sha256": value}
	}
	return s
}

// SPDX returns the list of materials as an SPDX 2.3 document in JSON.
// Source: https://spdx.github.io/spdx-spec/v2.3/
func (m *Materials) SPDX() ([]byte, error) {
	type object = map[string]any
	pack := func(id, name, version, purpose, text string) object {
		return object{
			"SPDXID": id, "name": name, "versionInfo": version,
			"downloadLocation": "NOASSERTION", "filesAnalyzed": false,
			"licenseConcluded": "BSD-3-Clause", "licenseDeclared": "BSD-3-Clause",
			"copyrightText": "NOASSERTION", "primaryPackagePurpose": purpose, "comment": text,
		}
	}
	packages := []object{
		pack("SPDXRef-Release", "gocoro", m.Release, "APPLICATION", "The toolchain: "+m.Release),
		pack("SPDXRef-Upstream", "go", m.Line.Pin.Upstream, "SOURCE", "The official release: "+m.Source+", checked: "+m.Verified),
		pack("SPDXRef-Bootstrap", "go", m.Bootstrap, "APPLICATION", "The Go that compiled it first; no part of it is in the release"),
	}
	relations := []object{
		{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-Release"},
		{"spdxElementId": "SPDXRef-Release", "relationshipType": "DESCENDANT_OF", "relatedSpdxElement": "SPDXRef-Upstream"},
		{"spdxElementId": "SPDXRef-Bootstrap", "relationshipType": "BUILD_TOOL_OF", "relatedSpdxElement": "SPDXRef-Release"},
	}
	var files []object
	for i, f := range m.Files {
		id := fmt.Sprintf("SPDXRef-File-%d", i+1)
		file := object{
			"SPDXID": id, "fileName": "./" + f.Name, "comment": f.What,
			"checksums": []object{
				{"algorithm": "SHA1", "checksumValue": f.SHA1},
				{"algorithm": "SHA256", "checksumValue": f.SHA256},
			},
			"licenseConcluded": "BSD-3-Clause", "licenseInfoInFiles": []string{"NOASSERTION"},
			"copyrightText": "NOASSERTION",
		}
		relation := object{"spdxElementId": "SPDXRef-Release", "relationshipType": "GENERATED_FROM", "relatedSpdxElement": id}
		switch f.What {
		case "patch":
			relation = object{"spdxElementId": id, "relationshipType": "PATCH_FOR", "relatedSpdxElement": "SPDXRef-Upstream"}
		case "overlay file":
			file["comment"] = "overlay file: " + f.Target
			relation["relationshipType"] = "CONTAINS"
		}
		files = append(files, file)
		relations = append(relations, relation)
	}
	doc := object{
		"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
		"name":     m.Release,
		"packages": packages, "files": files, "relationships": relations,
		"creationInfo": object{"created": m.Line.Pin.Time, "creators": []string{"Tool: gocoro-build-dist"}},
	}
	// Each document must have a name space of its own: this one has its hash.
	data, err := encode(doc)
	if err != nil {
		return nil, err
	}
	doc["documentNamespace"] = fmt.Sprintf("urn:gocoro:spdx:%s:%x", m.Release, sha256.Sum256(data))
	return encode(doc)
}

// encode returns v in indented JSON, with the characters < > & as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}
