// Package gitrepo imports releases of upstream and patch series into a git
// repository: each release is a root commit, and each patch a commit of its own.
// There git can merge a patch with another release, and people can edit it.
//
// The package ignores the user's git configuration. Only Checkout and Pick
// change files outside of the repository.
package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gocoro/build/hint"
	"gocoro/build/run"
	"gocoro/build/series"
)

// A Repo is a git repository.
type Repo struct {
	Dir   string          // the repository itself: GIT_DIR
	Work  string          // its working tree, or empty
	Trace func(*exec.Cmd) // called before a command runs; may be nil
}

// settings apply to every command. For everything that affects what git writes
// they restore git's defaults, which a person's repository may have changed.
var settings = func() []string {
	vars := [][2]string{
		{"core.hooksPath", "/dev/null"},
		{"core.autocrlf", "false"},
		{"core.safecrlf", "false"},
		{"core.eol", "lf"},
		{"core.fileMode", "true"},
		{"core.symlinks", "true"},
		{"core.quotePath", "true"},
		{"core.fsmonitor", "false"},
		{"core.attributesFile", "/dev/null"},
		{"core.excludesFile", "/dev/null"},
		{"commit.gpgSign", "false"},
		{"core.abbrev", "40"},
		{"gc.auto", "0"},
		{"maintenance.auto", "false"},
		{"diff.algorithm", "myers"},
		{"diff.context", "3"},
		{"diff.interHunkContext", "0"},
		{"diff.noprefix", "false"},
		{"diff.mnemonicPrefix", "false"},
		{"diff.renames", "true"},
		{"diff.indentHeuristic", "true"},
		{"diff.orderFile", "/dev/null"},
		{"diff.suppressBlankEmpty", "false"},
		{"merge.conflictStyle", "diff3"},
		{"merge.renames", "true"},
		{"merge.directoryRenames", "false"},
		{"rerere.enabled", "false"},
		{"format.useAutoBase", "false"},
		{"format.noPrefix", "false"},
		{"i18n.logOutputEncoding", "UTF-8"},
		{"color.ui", "false"},
	}
	// They go into the environment, to keep the output of -x readable.
	env := []string{fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(vars))}
	for i, v := range vars {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, v[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, v[1]))
	}
	return env
}()

// identity is the author and committer of the commits of upstream and of the
// overlay. With a fixed date the same files make the same commit.
var identity = []string{
	"GIT_AUTHOR_NAME=gocoro", "GIT_AUTHOR_EMAIL=gocoro@users.noreply.github.com", "GIT_AUTHOR_DATE=@0 +0000",
	"GIT_COMMITTER_NAME=gocoro", "GIT_COMMITTER_EMAIL=gocoro@users.noreply.github.com", "GIT_COMMITTER_DATE=@0 +0000",
}

// command returns a git command on the repository.
func (r *Repo) command(ctx context.Context, args ...string) *exec.Cmd {
	dir := r.Work
	if dir == "" {
		dir = r.Dir
	}
	cmd := series.Git(ctx, dir, args...)
	cmd.Env = append(append(cmd.Env, settings...), identity...)
	cmd.Env = append(cmd.Env, "GIT_DIR="+r.Dir, "GIT_ATTR_NOSYSTEM=1", "GIT_EDITOR=true")
	if r.Work != "" {
		cmd.Env = append(cmd.Env, "GIT_WORK_TREE="+r.Work)
	}
	return cmd
}

// An Error is a git command that failed.
type Error struct {
	Args   []string
	Status int // its exit status
	Output string
}

func (e *Error) Error() string {
	return fmt.Sprintf("git %s: exit status %d: %s", strings.Join(e.Args, " "), e.Status, strings.TrimSpace(e.Output))
}

// run runs a command with the given input and environment and returns what it
// printed, less the last newline.
func (r *Repo) run(ctx context.Context, in []byte, env []string, args ...string) (string, error) {
	cmd := r.command(ctx, args...)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdin = bytes.NewReader(in)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if r.Trace != nil {
		r.Trace(cmd)
	}
	err := cmd.Run()
	out := strings.TrimSuffix(stdout.String(), "\n")
	if err == nil {
		return out, nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return "", hint.Add(fmt.Errorf("git %s: %v", args[0], err), "git is needed to edit and move patches: install it and run the command again")
	}
	msg := stderr.String()
	if msg == "" {
		msg = stdout.String()
	}
	return out, &Error{Args: args, Status: exit.ExitCode(), Output: msg}
}

func (r *Repo) git(ctx context.Context, args ...string) (string, error) {
	return r.run(ctx, nil, nil, args...)
}

// Check returns an error if git is too old: merge-tree came with 2.38.
func Check(ctx context.Context) error {
	out, err := series.Git(ctx, os.TempDir(), "version").Output()
	if err != nil {
		return hint.Add(fmt.Errorf("git version: %v", err), "install git and run the command again")
	}
	m := regexp.MustCompile(`(\d+)\.(\d+)`).FindStringSubmatch(string(out))
	if m == nil {
		return nil
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	if major < 2 || major == 2 && minor < 38 {
		return hint.Add(fmt.Errorf("git is %s, want 2.38 or later to merge patches", m[0]), "install a newer git (building needs none)")
	}
	return nil
}

// attributes switch off what a .gitattributes of upstream's may ask for.
const attributes = "* -text -ident -filter -working-tree-encoding -export-subst !diff !merge\n"

// Import makes a bare repository in the empty directory dir that holds the release
// at up, without built files, as the only commit on the branch named release.
func Import(ctx context.Context, dir, up, release string, trace func(*exec.Cmd)) error {
	r := &Repo{Dir: dir, Trace: trace}
	if err := r.init(ctx); err != nil {
		return err
	}
	r.Work = up
	// git puts big files into one pack and does not look for deltas between
	// them, so let it treat every file as big. bin and pkg hold what upstream
	// built.
	if _, err := r.git(ctx, "-c", "core.bigFileThreshold=1", "-c", "core.compression=1", "add", "-A", "-f", "--", ".", ":(exclude,top)bin", ":(exclude,top)pkg"); err != nil {
		return err
	}
	tree, err := r.git(ctx, "-c", "core.compression=1", "write-tree")
	if err != nil {
		return err
	}
	c, err := r.commit(ctx, tree, nil, "upstream "+release+"\n", nil)
	if err != nil {
		return err
	}
	if _, err := r.git(ctx, "update-ref", "refs/heads/"+release, c); err != nil {
		return err
	}
	if _, err := r.git(ctx, "-c", "core.compression=1", "repack", "-a", "-d", "-q", "--window=0"); err != nil {
		return err
	}
	return os.Remove(filepath.Join(dir, "index"))
}

func (r *Repo) init(ctx context.Context) error {
	if _, err := r.git(ctx, "init", "-q", "--template=", "--initial-branch=gocoro"); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(r.Dir, "info"), 0o777); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Dir, "info", "attributes"), []byte(attributes), 0o666)
}

// Create makes a repository in the empty or missing directory r.Dir with the
// releases that the repositories made by Import have.
func (r *Repo) Create(ctx context.Context, from ...string) error {
	if err := os.MkdirAll(r.Dir, 0o777); err != nil {
		return err
	}
	if err := r.init(ctx); err != nil {
		return err
	}
	for _, src := range from {
		if err := r.Add(src); err != nil {
			return err
		}
	}
	return nil
}

// Add adds the releases of a repository made by Import. It copies them. If a
// command writes an object that a pack already has, git changes the time of the
// pack: if that were a link or a reference, the original would no longer agree
// with its seal.
func (r *Repo) Add(src string) error {
	packs := filepath.Join(src, "objects", "pack")
	ents, err := os.ReadDir(packs)
	if err != nil {
		return err
	}
	for _, e := range ents {
		data, err := os.ReadFile(filepath.Join(packs, e.Name()))
		if err != nil {
			return err
		}
		to := filepath.Join(r.Dir, "objects", "pack", e.Name())
		if _, err := os.Lstat(to); err == nil {
			continue // the same release once more: a pack's name is its content's hash
		}
		if err := os.WriteFile(to, data, 0o444); err != nil {
			return err
		}
	}
	return nil
}

// Release returns the commit of the release in a repository made by Import.
func Release(ctx context.Context, dir, release string) (string, error) {
	r := &Repo{Dir: dir}
	return r.git(ctx, "rev-parse", "--verify", "refs/heads/"+release+"^{commit}")
}

// commit makes a commit object.
func (r *Repo) commit(ctx context.Context, tree string, parents []string, message string, env []string) (string, error) {
	args := []string{"commit-tree", tree}
	for _, p := range parents {
		args = append(args, "-p", p)
	}
	return r.run(ctx, []byte(message), env, args...)
}

// tree returns the tree of a commit.
func (r *Repo) tree(ctx context.Context, commit string) (string, error) {
	return r.git(ctx, "rev-parse", "--verify", commit+"^{tree}")
}

// withIndex calls f with the environment of an index file of its own, which
// holds the commit's tree.
func (r *Repo) withIndex(ctx context.Context, commit string, f func(env []string) error) error {
	dir, err := os.MkdirTemp(r.Dir, "index")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(dir, "index")}
	if _, err := r.run(ctx, nil, env, "read-tree", commit); err != nil {
		return err
	}
	return f(env)
}

// Files returns the content of the named files in the commit; those that are
// not there are left out.
func (r *Repo) Files(ctx context.Context, commit string, names []string) (map[string][]byte, error) {
	have, err := r.list(ctx, commit, names)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for name, e := range have {
		if files[name], err = r.output(ctx, "cat-file", "blob", e.id); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// Odd returns the named files that are links or executable in the commit. Lay
// makes neither.
func (r *Repo) Odd(ctx context.Context, commit string, names []string) ([]string, error) {
	entries, err := r.list(ctx, commit, names)
	var odd []string
	for name, e := range entries {
		if e.mode != regular {
			odd = append(odd, name)
		}
	}
	slices.Sort(odd)
	return odd, err
}

// regular is git's mode of a file that is not executable.
const regular = "100644"

// output returns all that a command prints.
func (r *Repo) output(ctx context.Context, args ...string) ([]byte, error) {
	cmd := r.command(ctx, args...)
	if r.Trace != nil {
		r.Trace(cmd)
	}
	out, err := run.Output(cmd)
	if err != nil {
		return nil, fmt.Errorf("git %s: %w", args[0], err)
	}
	return out, nil
}

type entry struct{ mode, id string }

// list returns the entries of the named files in the commit.
func (r *Repo) list(ctx context.Context, commit string, names []string) (map[string]entry, error) {
	if len(names) == 0 {
		return nil, nil
	}
	out, err := r.git(ctx, append([]string{"--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", commit, "--"}, names...)...)
	if err != nil {
		return nil, err
	}
	entries := map[string]entry{}
	for _, l := range fields(out) {
		meta, name, ok := strings.Cut(l, "\t")
		if f := strings.Fields(meta); ok && len(f) == 3 {
			entries[name] = entry{f[0], f[2]}
		}
	}
	return entries, nil
}

// fields returns what a command has printed with a NUL after each field.
func fields(out string) []string {
	return strings.FieldsFunc(out, func(c rune) bool { return c == 0 })
}

// Has returns the named files that the commit has, sorted.
func (r *Repo) Has(ctx context.Context, commit string, names []string) ([]string, error) {
	entries, err := r.list(ctx, commit, names)
	return slices.Sorted(maps.Keys(entries)), err
}

// Lay makes a commit on parent that adds or replaces the given files. A nil
// content removes the file.
func (r *Repo) Lay(ctx context.Context, parent string, files map[string][]byte, message string) (string, error) {
	info, err := r.store(ctx, files)
	if err != nil {
		return "", err
	}
	var c string
	err = r.withIndex(ctx, parent, func(env []string) error {
		tree, err := r.lay(ctx, env, info)
		if err != nil {
			return err
		}
		c, err = r.commit(ctx, tree, []string{parent}, message, nil)
		return err
	})
	return c, err
}

// store makes blobs of the files and returns the input of update-index for
// them.
func (r *Repo) store(ctx context.Context, files map[string][]byte) (info []byte, err error) {
	var b bytes.Buffer
	for name, data := range files {
		if data == nil {
			fmt.Fprintf(&b, "0 %040d\t%s\x00", 0, name)
			continue
		}
		id, err := r.run(ctx, data, nil, "hash-object", "-w", "--stdin", "--no-filters")
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s %s\t%s\x00", regular, id, name)
	}
	return b.Bytes(), nil
}

// lay puts the files into the index and returns the tree.
func (r *Repo) lay(ctx context.Context, env []string, info []byte) (string, error) {
	if _, err := r.run(ctx, info, env, "update-index", "-z", "--index-info"); err != nil {
		return "", err
	}
	return r.run(ctx, nil, env, "write-tree")
}

// With repeats the commits, each of which follows the one before it, on base. In
// all of the new commits the files have the given contents, so that each commit
// only changes other files. In the result, "" stands for a commit that would
// change nothing.
func (r *Repo) With(ctx context.Context, base string, files map[string][]byte, commits []string) ([]string, error) {
	info, err := r.store(ctx, files)
	if err != nil {
		return nil, err
	}
	result := make([]string, len(commits))
	parent := base
	for i, c := range commits {
		err := r.withIndex(ctx, c, func(env []string) error {
			tree, err := r.lay(ctx, env, info)
			if err != nil {
				return err
			}
			if old, err := r.tree(ctx, parent); err != nil || old == tree {
				return err
			}
			result[i], err = r.recommit(ctx, c, tree, parent)
			parent = result[i]
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return result, nil
}

// recommit makes a commit with the author and the message of c.
func (r *Repo) recommit(ctx context.Context, c, tree, parent string) (string, error) {
	out, err := r.git(ctx, "show", "-s", "--no-show-signature", "--format=%an%x00%ae%x00%ad%x00%B", "--date=raw", c)
	if err != nil {
		return "", err
	}
	f := strings.SplitN(out, "\x00", 4)
	if len(f) != 4 {
		return "", fmt.Errorf("git show %s printed %q, want an author, a date and a message", c, out)
	}
	env := []string{"GIT_AUTHOR_NAME=" + f[0], "GIT_AUTHOR_EMAIL=" + f[1], "GIT_AUTHOR_DATE=" + f[2]}
	return r.commit(ctx, tree, []string{parent}, strings.TrimRight(f[3], "\n")+"\n", env)
}

// Apply makes a commit of the patch on parent, and returns the hunks that had
// moved. Like a build it refuses fuzz. If the patch does not apply, the error is
// a *series.ConflictError.
func (r *Repo) Apply(ctx context.Context, parent string, p *series.Patch) (commit string, offsets []series.Offset, err error) {
	err = r.withIndex(ctx, parent, func(env []string) error {
		offsets, err = p.ApplyWith(ctx, func(args ...string) *exec.Cmd {
			cmd := r.command(ctx, args...)
			cmd.Env = append(cmd.Env, env...)
			return cmd
		}, r.Trace, "--cached")
		if err != nil {
			return err
		}
		tree, err := r.run(ctx, nil, env, "write-tree")
		if err != nil {
			return err
		}
		message, author, err := r.message(ctx, p)
		if err != nil {
			return err
		}
		commit, err = r.commit(ctx, tree, []string{parent}, message, author)
		return err
	})
	return commit, offsets, err
}

// message returns the commit message of a patch, and its author as settings
// for the environment.
func (r *Repo) message(ctx context.Context, p *series.Patch) (message string, author []string, err error) {
	dir, err := os.MkdirTemp(r.Dir, "mail")
	if err != nil {
		return "", nil, err
	}
	defer os.RemoveAll(dir)
	msg := filepath.Join(dir, "msg")
	out, err := r.run(ctx, p.Data, nil, "mailinfo", "-b", "--encoding=UTF-8", msg, filepath.Join(dir, "patch"))
	if err != nil {
		return "", nil, err
	}
	info := map[string]string{}
	for l := range strings.SplitSeq(out, "\n") {
		if k, v, ok := strings.Cut(l, ": "); ok {
			info[k] = v
		}
	}
	for _, k := range []string{"Author", "Email", "Date", "Subject"} {
		if info[k] == "" {
			return "", nil, hint.Add(fmt.Errorf("%s has no header with From:, Date: and Subject: lines (git mailinfo finds no %s)", p.File, k), "write it again with git format-patch")
		}
	}
	body, err := os.ReadFile(msg)
	if err != nil {
		return "", nil, err
	}
	return join(info["Subject"], string(body)), []string{"GIT_AUTHOR_NAME=" + info["Author"], "GIT_AUTHOR_EMAIL=" + info["Email"], "GIT_AUTHOR_DATE=" + info["Date"]}, nil
}

// join returns the message of a commit with the subject and the body.
func join(subject, body string) string {
	if body = strings.Trim(body, "\n"); body == "" {
		return subject + "\n"
	}
	return subject + "\n\n" + body + "\n"
}

// ReadBack returns the message of the commit c, and the message that git reads
// from its patch. They differ if git takes a part of the message, such as "Re:"
// at its beginning, for a part of the mail.
func (r *Repo) ReadBack(ctx context.Context, c string, patch []byte) (message, back string, err error) {
	out, err := r.git(ctx, "show", "-s", "--no-show-signature", "--format=%s%x00%b", c)
	if err != nil {
		return "", "", err
	}
	subject, body, _ := strings.Cut(out, "\x00")
	back, _, err = r.message(ctx, &series.Patch{File: "the patch of commit " + c, Data: patch})
	return join(subject, body), back, err
}

// Merge makes a commit on onto with the changes of c, by a three-way merge of
// c's parent, c and onto. The commit is "" if onto already has all of them. If
// there are conflicts, Merge returns the files that have them instead.
func (r *Repo) Merge(ctx context.Context, onto, c string) (commit string, conflicts []string, err error) {
	ours, err := r.tree(ctx, onto)
	if err != nil {
		return "", nil, err
	}
	// Merge a commit with the files of onto and the parent of c. This parent is
	// then the base of the merge, whatever the parents of onto are.
	side, err := r.commit(ctx, ours, []string{c + "^"}, "onto\n", nil)
	if err != nil {
		return "", nil, err
	}
	out, err := r.git(ctx, "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", side, c)
	if g, ok := errors.AsType[*Error](err); ok && g.Status == 1 && out != "" {
		return "", fields(out)[1:], nil // the first one is the tree
	}
	if err != nil {
		return "", nil, err
	}
	tree := strings.Trim(out, "\x00\n")
	if tree == ours {
		return "", nil, nil
	}
	commit, err = r.recommit(ctx, c, tree, onto)
	return commit, nil, err
}

// Export returns a commit as a patch file. Its bytes do not depend on the
// version of git.
func (r *Repo) Export(ctx context.Context, c string) ([]byte, error) {
	return r.output(ctx, "format-patch", "--stdout", "-1", "--zero-commit", "--full-index", "--no-signature", "--binary",
		"--find-renames", "--no-numbered", "--subject-prefix=PATCH", "--no-attach", "--no-thread", "--no-ext-diff", "--no-textconv", "--no-encode-email-headers", "--stat=72", c)
}

// Commits returns the commits between base and head, oldest first.
func (r *Repo) Commits(ctx context.Context, base, head string) ([]string, error) {
	if before, err := r.Before(ctx, base, head); err != nil {
		return nil, err
	} else if !before && base != head {
		return nil, fmt.Errorf("%s is not made on %s", head, base)
	}
	merges, err := r.git(ctx, "rev-list", "--merges", base+".."+head)
	if err != nil {
		return nil, err
	}
	if m := strings.Fields(merges); len(m) > 0 {
		return nil, fmt.Errorf("commit %s is a merge, and a series is a straight line of commits", strings.Join(m, ", "))
	}
	out, err := r.git(ctx, "rev-list", "--reverse", base+".."+head)
	return strings.Fields(out), err
}

// Head returns the commit that is checked out.
func (r *Repo) Head(ctx context.Context) (string, error) {
	return r.git(ctx, "rev-parse", "--verify", "HEAD^{commit}")
}

// Detached reports whether a commit is checked out instead of a branch.
func (r *Repo) Detached(ctx context.Context) (bool, error) {
	_, err := r.git(ctx, "symbolic-ref", "-q", "HEAD")
	if g, ok := errors.AsType[*Error](err); ok && g.Status == 1 {
		return true, nil
	}
	return false, err
}

// Before reports whether commit a is an ancestor of b, and not b itself.
func (r *Repo) Before(ctx context.Context, a, b string) (bool, error) {
	_, err := r.git(ctx, "merge-base", "--is-ancestor", a, b)
	if g, ok := errors.AsType[*Error](err); ok && g.Status == 1 {
		return false, nil
	}
	return a != b, err
}

// Beyond returns the names under which the repository has commits that the given
// one does not include: branches, tags, refs/stash, and HEAD without a branch,
// that of other worktrees as well.
func (r *Repo) Beyond(ctx context.Context, commit string) ([]string, error) {
	out, err := r.git(ctx, "log", "--no-show-signature", "--all", "--source", "--format=%S", "--not", commit)
	return slices.Compact(slices.Sorted(strings.FieldsSeq(out))), err
}

// Parent returns a commit's first parent.
func (r *Repo) Parent(ctx context.Context, c string) (string, error) {
	return r.git(ctx, "rev-parse", "--verify", c+"^")
}

// Subjects returns the first lines of the commits' messages.
func (r *Repo) Subjects(ctx context.Context, commits []string) ([]string, error) {
	if len(commits) == 0 {
		return nil, nil
	}
	out, err := r.git(ctx, append([]string{"show", "-s", "--no-show-signature", "--format=%s"}, commits...)...)
	if err != nil {
		return nil, err
	}
	subjects := strings.Split(out, "\n")
	if len(subjects) != len(commits) {
		return nil, fmt.Errorf("git show gave %d subjects of %d commits", len(subjects), len(commits))
	}
	return subjects, nil
}

// SameAuthor reports whether two commits have the same author and date.
func (r *Repo) SameAuthor(ctx context.Context, a, b string) (bool, error) {
	out, err := r.git(ctx, "show", "-s", "--no-show-signature", "--format=%an <%ae> %at", a, b)
	x, y, _ := strings.Cut(out, "\n")
	return x == y, err
}

// A Change is a file that differs between two commits.
type Change struct {
	Status byte   // A, D, M or T, or R of a file that was renamed
	Name   string // slash-separated, relative to GOROOT
	Old    string // for R, the name it had
}

// Changes returns what differs between two commits, in the named files or, with
// no names, in all.
func (r *Repo) Changes(ctx context.Context, from, to string, names ...string) ([]Change, error) {
	out, err := r.git(ctx, append([]string{"--literal-pathspecs", "diff-tree", "-r", "-z", "--name-status", "--find-renames", from, to, "--"}, names...)...)
	if err != nil {
		return nil, err
	}
	f := fields(out)
	var changes []Change
	for i := 0; i+1 < len(f); i += 2 {
		c := Change{Status: f[i][0], Name: f[i+1]}
		if c.Status == 'R' || c.Status == 'C' {
			c.Old, c.Name = f[i+1], f[i+2]
			i++
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// Checkout sets the working tree and the branch to the commit. Uncommitted
// changes are lost.
func (r *Repo) Checkout(ctx context.Context, commit string) error {
	_, err := r.git(ctx, "checkout", "-q", "-f", "-B", "gocoro", commit)
	return err
}

// Pick merges the changes of commit c into the working tree. Where there are
// conflicts, git leaves marks in the files.
func (r *Repo) Pick(ctx context.Context, c string) error {
	_, err := r.git(ctx, "cherry-pick", "--allow-empty", "--keep-redundant-commits", c)
	if g, ok := errors.AsType[*Error](err); ok && g.Status == 1 {
		return nil
	}
	return err
}

// CommitPicked commits the index on parent, with the author and the message of
// c. It changes nothing in the state that Pick made. The commit is "" if the
// index does not differ from parent.
func (r *Repo) CommitPicked(ctx context.Context, parent, c string) (string, error) {
	tree, err := r.git(ctx, "write-tree")
	if err != nil {
		return "", err
	}
	if old, err := r.tree(ctx, parent); err != nil || old == tree {
		return "", err
	}
	return r.recommit(ctx, c, tree, parent)
}

// Unmerged returns the files of the working tree that have conflicts.
func (r *Repo) Unmerged(ctx context.Context) ([]string, error) {
	out, err := r.git(ctx, "diff", "--name-only", "--diff-filter=U", "-z")
	return fields(out), err
}

// Status returns what differs from the commit that is checked out: for each
// file a line as in git status --short.
func (r *Repo) Status(ctx context.Context) ([]string, error) {
	out, err := r.git(ctx, "status", "--porcelain", "--untracked-files=all", "--no-renames")
	if out == "" {
		return nil, err
	}
	return strings.Split(out, "\n"), err
}

// InProgress returns the git command that the user has not finished in the
// working tree, such as rebase, or "".
func (r *Repo) InProgress() string {
	for _, s := range [][2]string{
		{"rebase-merge", "rebase"}, {"rebase-apply", "am"}, {"CHERRY_PICK_HEAD", "cherry-pick"},
		{"MERGE_HEAD", "merge"}, {"REVERT_HEAD", "revert"}, {"BISECT_LOG", "bisect"},
	} {
		if _, err := os.Lstat(filepath.Join(r.Dir, s[0])); err == nil {
			return s[1]
		}
	}
	return ""
}

// Configure sets variables in the repository's own configuration, which override
// the user's.
func (r *Repo) Configure(ctx context.Context, vars [][2]string) error {
	for _, v := range vars {
		if _, err := r.git(ctx, "config", "--local", v[0], v[1]); err != nil {
			return err
		}
	}
	return nil
}
