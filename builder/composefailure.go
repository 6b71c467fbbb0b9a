package builder

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/builder/rpmostree"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/proc"
)

// ComposeError is rpm-ostree's failure in its own words, where they are of no kind that the dnf
// engine tells too.
type ComposeError struct {
	Text   string
	Origin string // what of the manifest it is about, as in manifest.yaml:12:5; "" is not known
	Config bool   // only a change of the configuration helps
	Err    error  // how the program ended
}

// Error is what the program says.
func (e *ComposeError) Error() string { return "rpm-ostree: " + e.Text }

// Unwrap gives how the program ended.
func (e *ComposeError) Unwrap() error { return e.Err }

// composeFailure is a run of rpm-ostree that failed, with what is known of it.
type composeFailure struct {
	env   *Env
	files *composeFiles
	seen  rpmostree.Reader
	build *build // nil in a fetch
}

// explain gives the error as nosa's own engine would tell it.
func (c composeFailure) explain(err error) error {
	exit, ok := errors.AsType[*proc.ExitError](err)
	if !ok {
		return err
	}
	f := rpmostree.ReadFailure(exit.Output())
	switch {
	case c.build != nil && c.seen.Downloads != "" && c.seen.Phase() == rpmostree.Download:
		return notFetched("rpm-ostree lacks " + c.seen.Downloads + " that no fetch has brought")
	case c.build != nil && f.Kind == rpmostree.RepoBroken:
		return notFetched("the metadata of repository " + f.Repo + " is not in the cache")
	}
	switch f.Kind {
	case rpmostree.NotFound:
		return c.notFound(f)
	case rpmostree.Unsolvable:
		return c.unsolvable(f)
	case rpmostree.NoRepo:
		return c.noRepo(f)
	case rpmostree.RepoBroken:
		return &compose.RepoError{Problems: []compose.RepoProblem{c.repoProblem(f)}}
	case rpmostree.Script:
		if c.build != nil {
			return c.script(f, exit)
		}
	case rpmostree.Scriptlet:
		return c.scriptlet(f)
	case rpmostree.Other, rpmostree.Crash:
	}
	if f.Text == "" {
		return err // nothing in its output looks like its own error
	}
	failed := &ComposeError{Text: f.Text, Origin: c.place(f), Config: f.Config, Err: exit}
	if f.Hint == "" {
		return failed
	}
	return hint(failed, f.Hint)
}

// request finds the entry of the manifest that asked for a package.
func (c composeFailure) request(text, repo string) compose.Item {
	for _, i := range c.files.resolve.Install {
		if i.Text == text && (repo == "" || i.Repo == repo) {
			return i
		}
	}
	return compose.Item{Text: text, Repo: repo}
}

func (c composeFailure) notFound(f rpmostree.Failure) error {
	e := &compose.NotFoundError{Searched: c.seen.Repos}
	for _, name := range f.Names {
		e.Items = append(e.Items, compose.NotFound{Item: c.request(name, f.Repo)})
	}
	return e
}

// unsolvable names the entries of the manifest whose packages the solver speaks of.
func (c composeFailure) unsolvable(f rpmostree.Failure) error {
	g := compose.Conflict{}
	bullet := regexp.MustCompile(`^(- |\d+\. |Problem( \d+)?: )+`)
	for _, line := range f.Lines {
		if text := bullet.ReplaceAllString(strings.TrimSpace(line), ""); text != "" {
			g.Lines = append(g.Lines, text)
		}
	}
	words := strings.FieldsFunc(strings.Join(g.Lines, " "), func(r rune) bool { return r == ' ' || r == ',' || r == '(' || r == ')' })
	for _, i := range c.files.resolve.Install {
		if slices.ContainsFunc(words, func(w string) bool { return w == i.Text || isBuildOf(w, i.Text) }) {
			g.Items = append(g.Items, i)
		}
	}
	if len(g.Items) == 0 {
		g.Items = []compose.Item{{Text: "all packages of the manifest"}}
	}
	for _, x := range c.files.resolve.Exclude {
		if slices.Contains(words, x.Text) || slices.ContainsFunc(words, func(w string) bool { return isBuildOf(w, x.Text) }) {
			g.Excluded = append(g.Excluded, x)
		}
	}
	return &compose.ConflictError{Groups: []compose.Conflict{g}}
}

// isBuildOf says if a word is the full name (NEVRA) of a package of that name.
func isBuildOf(word, name string) bool {
	rest, ok := strings.CutPrefix(word, name+"-")
	return ok && strings.Count(rest, "-") == 1 && rest[0] >= '0' && rest[0] <= '9'
}

func (c composeFailure) noRepo(f rpmostree.Failure) error {
	e := &compose.UnknownRepoError{Dirs: c.files.resolve.RepoDirs}
	if f.Repo != "" {
		e.Unknown = []string{f.Repo}
	}
	for _, r := range c.files.repos {
		e.Known = append(e.Known, compose.KnownRepo{ID: r.ID, File: r.File, Enabled: r.Enabled})
	}
	return e
}

func (c composeFailure) repoProblem(f rpmostree.Failure) compose.RepoProblem {
	p := compose.RepoProblem{ID: f.Repo, Reason: f.Reason}
	for _, r := range c.files.repos {
		if r.ID == f.Repo {
			p.URL, p.File = r.URL, r.File
		}
	}
	if strings.Contains(f.Reason, "rpmostree-unset-releasever") { // what it puts for $releasever
		p.Unset = []string{"releasever"}
	}
	return p
}

// script names the script, and the line if its shell told it.
func (c composeFailure) script(f rpmostree.Failure, exit *proc.ExitError) error {
	scripts := c.build.scripts(c.env)
	n := c.seen.Script - 1
	if c.seen.ScriptFile {
		n = len(scripts) - 1
	}
	if n < 0 || n >= len(scripts) {
		return &ComposeError{Text: f.Text, Err: exit}
	}
	e := &tree.ScriptError{Script: scripts[n], Line: rpmostree.ScriptLine(c.seen.Said)}
	lines := strings.Split(e.Script.Text, "\n")
	if e.Line > len(lines) {
		e.Line = 0
	}
	if e.Line > 0 {
		e.Source = strings.TrimSpace(lines[e.Line-1])
	}
	e.Err = &proc.ExitError{Args: []string{e.Script.Title}, Code: f.Status, Tail: rpmostree.Unprefixed(c.seen.Said)}
	return e
}

func (c composeFailure) scriptlet(f rpmostree.Failure) error {
	name := strings.Join(f.Names, " ")
	e := &compose.ScriptletError{Package: name, Scriptlet: f.What, Status: f.Status}
	prefix := name + "." + strings.TrimPrefix(f.What, "%") + ": "
	for _, line := range c.seen.Said {
		if said, ok := strings.CutPrefix(line, prefix); ok {
			e.Lines = append(e.Lines, said)
		}
	}
	if c.build != nil {
		for _, p := range c.build.fetched.Packages {
			if p.Name == name {
				e.Package = p.NEVRA.String()
			}
		}
	}
	return e
}

// place finds what of the manifest a failure is about.
func (c composeFailure) place(f rpmostree.Failure) string {
	m := c.files.config.Manifest
	for _, items := range [][]manifest.Item{m.RemoveFiles, m.Layers, m.OverrideLayers, m.Units} {
		for _, i := range items {
			if f.Item != "" && i.Text == f.Item {
				return i.String()
			}
		}
	}
	for _, name := range f.Names {
		for _, p := range m.Packages {
			if name == p.Text || isBuildOf(name, p.Text) {
				return p.String()
			}
		}
	}
	if at, ok := m.Origins[f.Key]; ok {
		return at.String()
	}
	return ""
}
