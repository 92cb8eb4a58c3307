package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"go/version"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/build/gerrit"

	"gocoro/build/command"
	"gocoro/build/line"
	"gocoro/build/options"
	"gocoro/build/workspace"
)

// A report is what status prints of a line, as text or in JSON.
type report struct {
	Line     string   // "go1.22"
	Upstream string   // the release that it is on
	To       string   // the release that was tried
	OK       bool     // nothing needs attention
	Patches  []row    // in order
	Overlay  []string // files of the overlay that the release has, too
	Note     string   `json:",omitempty"` // why Gerrit told nothing
}

type row struct {
	workspace.Row
	Report  string   `json:",omitempty"` // the file of the report to upstream that the header names
	Missing bool     `json:",omitempty"` // there is no such file
	Since   string   `json:",omitempty"` // by its header, the release with the change, such as go1.23
	Changes []change `json:",omitempty"` // what Gerrit says of those that the header names
}

// A change is a CL of upstream's.
type change struct {
	Number   string
	Status   string   // "NEW", "MERGED" or "ABANDONED"
	Branches []string `json:",omitempty"` // the branches that have it
	Error    string   `json:",omitempty"`
}

func (c change) String() string {
	s := "CL " + c.Number + ": "
	if c.Error != "" {
		return s + c.Error
	}
	s += map[string]string{"NEW": "open", "MERGED": "merged", "ABANDONED": "abandoned"}[c.Status]
	if len(c.Branches) > 0 {
		s += " in " + strings.Join(c.Branches, ", ")
	}
	return s
}

func status(fs *flag.FlagSet) command.Func {
	o := new(options.Status)
	o.Register(fs)
	return noArgs(&o.Series, func(ctx context.Context, s *session) error {
		lines, err := s.lines(ctx)
		if err != nil {
			return err
		}
		reports := []report{}
		ok := true
		for _, l := range lines {
			r, err := s.status(ctx, l, o.To)
			if err != nil {
				return err
			}
			if o.Upstream {
				r.ask(ctx, gerrit.NewClient(o.Gerrit, gerrit.NoAuth), o.Gerrit)
			}
			ok = ok && r.OK
			reports = append(reports, *r)
		}
		if o.JSON {
			e := json.NewEncoder(os.Stdout)
			e.SetIndent("", "\t")
			if err := e.Encode(reports); err != nil {
				return err
			}
		} else {
			for _, r := range reports {
				r.print(os.Stdout)
			}
		}
		if !ok {
			return command.ExitError(1)
		}
		return nil
	})
}

// since matches what a header says of a change that upstream has.
var since = regexp.MustCompile(`\bsince Go (1\.\d+)\b`)

// reports matches the name of a report to upstream in a header.
var reports = regexp.MustCompile(`\bdocs/upstream/[\w.-]+\.md\b`)

func (s *session) status(ctx context.Context, l *line.Line, release string) (*report, error) {
	to := l
	if release != "" && release != l.Pin.Upstream {
		var err error
		if to, err = target(l, version.Lang(release), release); err != nil {
			return nil, err
		}
	}
	rows, overlay, err := s.Status(ctx, l, to)
	if err != nil {
		return nil, err
	}
	r := &report{Line: l.Name, Upstream: l.Pin.Upstream, To: to.Pin.Upstream, Overlay: overlay, OK: len(overlay) == 0}
	for _, tried := range rows {
		x := row{Row: tried}
		if m := since.FindStringSubmatch(x.Header); m != nil {
			x.Since = "go" + m[1]
		}
		if x.Report = reports.FindString(x.Header); x.Report != "" {
			if _, err := os.Stat(filepath.Join(s.Repo.Dir, filepath.FromSlash(x.Report))); err != nil {
				x.Missing = true
			}
			// A change that is to be sent must apply on its own.
			if x.Missing || x.NotAlone != "" {
				r.OK = false
			}
		}
		if x.State == workspace.Conflicts || x.Fuzz && x.State != workspace.Merges {
			r.OK = false
		}
		r.Patches = append(r.Patches, x)
	}
	return r, nil
}

// state says in a few words what becomes of the patch on the release.
func (x row) state(to string) string {
	s := string(x.State)
	switch x.State {
	case workspace.Applies:
		if x.Offset != 0 {
			s = fmt.Sprintf("applies, offset %d", x.Offset)
		}
	case workspace.Conflicts:
		at := x.At
		if at == "" {
			at = strings.Join(x.Conflicts, ", ")
		}
		s = "conflict at " + at
		if x.Fuzz && len(x.Conflicts) == 0 {
			s = "fuzz at " + at
		}
	}
	if x.Since != "" && x.State != workspace.Contained && version.Compare(version.Lang(to), x.Since) >= 0 {
		s = "already upstream by its header; " + s
	}
	return s
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "line %s, on %s", r.Line, r.Upstream)
	if r.To != r.Upstream {
		fmt.Fprintf(w, ", tried on %s", r.To)
	}
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, x := range r.Patches {
		fmt.Fprintf(tw, "  %s\t%s\t%s\n", x.Patch, x.state(r.To), x.Header)
		for _, c := range x.Changes {
			fmt.Fprintf(tw, "  \t\t%s\n", c)
		}
	}
	tw.Flush()
	for _, x := range r.Patches {
		how := "alone"
		if len(x.After) > 0 {
			how = "after " + strings.Join(x.After, ", ")
		}
		switch {
		case x.Report == "":
		case x.Missing:
			fmt.Fprintf(w, "  not ready: %s names %s, which is not there\n", x.Patch, x.Report)
		case x.NotAlone != "":
			fmt.Fprintf(w, "  not ready: %s is the report, but %s does not apply to %s %s: %s\n", x.Report, x.Patch, r.To, how, x.NotAlone)
		default:
			fmt.Fprintf(w, "  ready to send: %s; %s applies to %s %s\n", x.Report, x.Patch, r.To, how)
		}
	}
	for _, x := range r.Patches {
		if len(x.Changed) > 0 {
			fmt.Fprintf(w, "  %s differs between the releases under %s\n", strings.Join(x.Changed, ", "), x.Patch)
		}
	}
	for _, name := range r.Overlay {
		fmt.Fprintf(w, "  %s has %s, which the overlay has, too\n", r.To, name)
	}
	if r.Note != "" {
		fmt.Fprintf(w, "  %s\n", r.Note)
	}
}

// number matches the address of a CL.
var number = regexp.MustCompile(`(?:go\.dev/cl/|golang\.org/cl/|go-review\.googlesource\.com/(?:c/go/\+/)?|\bCL )(\d+)`)

// ask adds the states in Gerrit of the changes that the headers name.
func (r *report) ask(ctx context.Context, client *gerrit.Client, url string) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	asked := 0
	for i := range r.Patches {
		for _, m := range number.FindAllStringSubmatch(r.Patches[i].Header, -1) {
			asked++
			c := change{Number: m[1]}
			info, err := client.GetChange(ctx, m[1], gerrit.QueryChangesOpt{Fields: []string{"CURRENT_REVISION"}})
			if err != nil && err != gerrit.ErrResourceNotExist {
				// Without a network, all others would fail, too, and slowly.
				r.Note = fmt.Sprintf("%s cannot be asked: %v; the column is what the headers say", url, err)
				return
			}
			if err != nil {
				c.Error = "Gerrit has no such change"
			} else if c.Status = info.Status; c.Status == gerrit.ChangeStatusMerged {
				c.Branches = []string{info.Branch}
				branches, err := releaseBranches(ctx, client, info)
				if err != nil {
					c.Error = err.Error()
				}
				c.Branches = append(c.Branches, branches...)
			}
			r.Patches[i].Changes = append(r.Patches[i].Changes, c)
		}
	}
	if asked == 0 {
		r.Note = "no header names a change of upstream's: there is nothing to ask Gerrit for"
	}
}

// releaseBranches returns the release branches that have the change.
func releaseBranches(ctx context.Context, client *gerrit.Client, info *gerrit.ChangeInfo) ([]string, error) {
	branches, err := client.GetProjectBranches(ctx, info.Project)
	if err != nil {
		return nil, err
	}
	var refs []string
	for name := range branches {
		if strings.Contains(name, "release-branch.go") {
			refs = append(refs, "refs/heads/"+filepath.Base(name))
		}
	}
	in, err := client.GetCommitsInRefs(ctx, info.Project, []string{info.CurrentRevision}, refs)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, ref := range in[info.CurrentRevision] {
		names = append(names, strings.TrimPrefix(ref, "refs/heads/"))
	}
	return names, nil
}
