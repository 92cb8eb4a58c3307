package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/version"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"gocoro/build/command"
	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/options"
	"gocoro/build/run"
)

// A news is what watch found for a line.
type news struct {
	Line     string
	Upstream string // the release that its pin names
	Newer    []release
}

// A release is one that is newer than a pin.
type release struct {
	Name     string
	Security bool    // upstream's history says that it has security fixes
	Status   *report `json:",omitempty"` // of the line's series on it
}

// A watchReport is what watch prints.
type watchReport struct {
	From  string // where the releases were listed
	Lines []news
	Next  []string // upstream's lines that are newer than ours
	Notes []string // what could not be found out

	newest string // the newest line that we have
}

func watch(fs *flag.FlagSet) command.Func {
	o := new(options.Watch)
	o.Register(fs)
	return noArgs(&o.Series, func(ctx context.Context, s *session) error {
		if o.Post && o.Line != "all" {
			return hint.Add(fmt.Errorf("-post maintains one issue about all lines, and -line %s selects one", o.Line), "go run ./build watch -post")
		}
		lines, err := s.lines(ctx)
		if err != nil {
			return err
		}
		w, err := s.watch(ctx, lines, o.Index, o.History)
		if err != nil {
			return err
		}
		if o.Post {
			return w.post(ctx, s)
		}
		if o.JSON {
			e := json.NewEncoder(os.Stdout)
			e.SetIndent("", "\t")
			return e.Encode(w)
		}
		w.print(os.Stdout)
		return nil
	})
}

func (s *session) watch(ctx context.Context, lines []*line.Line, index, history string) (*watchReport, error) {
	releases, from, note, err := published(ctx, index)
	if err != nil {
		return nil, err
	}
	if len(releases) == 0 {
		return nil, hint.Add(fmt.Errorf("%s lists no release of Go", from), "try the other list: go run ./build watch -index proxy")
	}
	w := &watchReport{From: from}
	if note != "" {
		w.Notes = append(w.Notes, note)
	}
	secure, err := securityReleases(ctx, history)
	if err != nil {
		w.Notes = append(w.Notes, fmt.Sprintf("which releases have security fixes is not known: %v", err))
	}
	carried, err := s.Repo.Lines() // all of them, whichever are asked for
	if err != nil {
		return nil, err
	}
	w.newest = carried[len(carried)-1]
	for _, l := range lines {
		n := news{Line: l.Name, Upstream: l.Pin.Upstream}
		for _, name := range releases {
			if version.Lang(name) != l.Name || version.Compare(name, l.Pin.Upstream) <= 0 || !stable(name) {
				continue
			}
			r := release{Name: name, Security: secure[name]}
			if r.Status, err = s.status(ctx, l, name); err != nil {
				// A release that is announced but not there yet must not hide the
				// others.
				w.Notes = append(w.Notes, fmt.Sprintf("%s cannot be tried: %s", name, hint.Text(err)))
			}
			n.Newer = append(n.Newer, r)
		}
		w.Lines = append(w.Lines, n)
	}
	for _, name := range releases {
		if lang := version.Lang(name); version.Compare(lang, w.newest) > 0 && !slices.Contains(w.Next, lang) {
			w.Next = append(w.Next, lang)
		}
	}
	return w, nil
}

// stable reports whether the release is neither a beta nor a candidate.
func stable(name string) bool {
	return !strings.Contains(name, "rc") && !strings.Contains(name, "beta")
}

// published returns the names of upstream's releases, oldest first, and where
// they were listed. The index of go.dev is asked first; where it cannot be
// reached, note says so and the list is the module proxy's.
func published(ctx context.Context, index string) (names []string, from, note string, err error) {
	if index != "proxy" {
		names, err = indexReleases(ctx, index)
		if err == nil {
			return names, index, "", nil
		}
		if ctx.Err() != nil {
			return nil, "", "", ctx.Err()
		}
		note = fmt.Sprintf("the index of releases cannot be read, so the list is the module proxy's: %v", err)
	}
	names, err = proxyReleases(ctx)
	return names, "the module proxy", note, err
}

func get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	return data, err
}

// indexReleases reads go.dev's index. Source of the format: golang.org/x/website,
// internal/dl, and https://go.dev/dl/?mode=json.
func indexReleases(ctx context.Context, url string) ([]string, error) {
	data, err := get(ctx, url)
	if err != nil {
		return nil, err
	}
	var list []struct{ Version string }
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%s: %v", url, err)
	}
	var names []string
	for _, r := range list {
		names = append(names, r.Version)
	}
	return sorted(names), nil
}

// proxyReleases reads the module proxy's list of toolchains for this host.
func proxyReleases(ctx context.Context) ([]string, error) {
	dir, err := os.MkdirTemp("", "gocoro")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-versions", "-f", "{{range .Versions}}{{println .}}{{end}}", "golang.org/toolchain")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GO111MODULE=on", "GOWORK=off", "GOFLAGS=-mod=mod", "GOTOOLCHAIN=local", "PWD="+dir)
	out, err := run.Output(cmd)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("cannot list the releases of the module proxy: go list: %w", err), "check the network and GOPROXY (go env GOPROXY)")
	}
	var names []string
	for v := range strings.FieldsSeq(string(out)) {
		if name, ok := strings.CutSuffix(v, "."+runtime.GOOS+"-"+runtime.GOARCH); ok {
			names = append(names, strings.TrimPrefix(name, "v0.0.1-"))
		}
	}
	return sorted(names), nil
}

func sorted(names []string) []string {
	names = slices.DeleteFunc(names, func(n string) bool { return !version.IsValid(n) || strings.Contains(n, "-") })
	slices.SortFunc(names, version.Compare)
	return slices.Compact(names)
}

var (
	tag     = regexp.MustCompile(`<[^>]*>`)
	secured = regexp.MustCompile(`(go1[0-9.]+)\s+\(released [0-9-]+\)\s+includes (?:a )?security fix`)
)

// securityReleases reads upstream's release history, which has a sentence about
// each release.
func securityReleases(ctx context.Context, url string) (map[string]bool, error) {
	data, err := get(ctx, url)
	if err != nil {
		return nil, err
	}
	secure := map[string]bool{}
	for _, m := range secured.FindAllSubmatch(tag.ReplaceAll(data, nil), -1) {
		secure[string(m[1])] = true
	}
	if len(secure) == 0 {
		return nil, fmt.Errorf("%s has no sentence of the form \"go1.2.3 (released DATE) includes security fixes\"", url)
	}
	return secure, nil
}

// newest returns the newest release of a line that is published.
func newest(ctx context.Context, name string) (string, error) {
	releases, from, _, err := published(ctx, options.IndexURL)
	if err != nil {
		return "", err
	}
	found := ""
	for _, r := range releases {
		if version.Lang(r) == name {
			found = r
		}
	}
	if found == "" {
		return "", hint.Add(fmt.Errorf("%s has no release of %s", from, name), "name one with -to")
	}
	return found, nil
}

// any reports whether something needs attention.
func (w *watchReport) any() bool {
	return len(w.Next) > 0 || slices.ContainsFunc(w.Lines, func(n news) bool { return len(n.Newer) > 0 })
}

func (w *watchReport) print(out io.Writer) {
	for _, n := range w.Lines {
		if len(n.Newer) == 0 {
			fmt.Fprintf(out, "line %s is on %s: nothing newer\n", n.Line, n.Upstream)
			continue
		}
		for _, r := range n.Newer {
			kind := "a newer release"
			if r.Security {
				kind = "a newer release with security fixes"
			}
			fmt.Fprintf(out, "line %s is on %s: %s is %s\n", n.Line, n.Upstream, r.Name, kind)
			if r.Status != nil {
				r.Status.print(out)
			}
		}
		fmt.Fprintf(out, "  move it: go run ./build rebase -line %s -to %s\n", n.Line, n.Newer[len(n.Newer)-1].Name)
	}
	for _, lang := range w.Next {
		fmt.Fprintf(out, "upstream has releases of %s, which is not a line here yet\n  start it: go run ./build new-line %[1]s -from %s\n", lang, w.newest)
	}
	for _, note := range w.Notes {
		fmt.Fprintf(out, "note: %s\n", note)
	}
}

// issueTitle is how the one issue is found again.
const issueTitle = "Upstream has newer releases"

// post opens the issue that tells of newer releases, updates it, or closes it
// when there are none. It touches nothing else: no branch, no pin.
func (w *watchReport) post(ctx context.Context, s *session) error {
	gh := func(stdin string, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "gh", args...)
		cmd.Dir = s.Repo.Dir
		cmd.Stdin = strings.NewReader(stdin)
		s.rep.TraceCmd(cmd)
		out, err := run.Output(cmd)
		if errors.Is(err, exec.ErrNotFound) {
			return "", hint.Add(fmt.Errorf("-post needs GitHub's command gh: %v", err), "install it, or run watch without -post")
		}
		if err != nil {
			return "", hint.Add(fmt.Errorf("gh %s: %w", strings.Join(args[:2], " "), err), "gh auth status shows its permissions")
		}
		return strings.TrimSpace(string(out)), nil
	}
	out, err := gh("", "issue", "list", "--state", "open", "--search", "in:title \""+issueTitle+"\"", "--json", "number,title,body")
	if err != nil {
		return err
	}
	var issues []struct {
		Number      int
		Title, Body string
	}
	if err := json.Unmarshal([]byte(out), &issues); err != nil {
		return fmt.Errorf("gh issue list printed %q: %v", out, err)
	}
	number, old := "", ""
	for _, i := range issues {
		if i.Title == issueTitle {
			number, old = fmt.Sprint(i.Number), i.Body
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "This is what `go run ./build watch` says; it is updated when that changes.\n\n```\n")
	w.print(&text)
	fmt.Fprintf(&text, "```\n")
	switch {
	case !w.any() && number == "":
		fmt.Println("nothing newer, and no issue to close")
		return nil
	case !w.any():
		_, err = gh("", "issue", "close", number, "--comment", "Every line is on the newest release now.")
	case number == "":
		out, err = gh(text.String(), "issue", "create", "--title", issueTitle, "--body-file", "-")
		fmt.Println(out)
	case strings.TrimSpace(strings.ReplaceAll(old, "\r\n", "\n")) == strings.TrimSpace(text.String()):
		fmt.Printf("issue %s is up to date\n", number)
	default:
		_, err = gh(text.String(), "issue", "edit", number, "--body-file", "-")
	}
	return err
}
