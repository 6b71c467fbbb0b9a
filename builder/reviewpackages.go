package builder

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// ReviewPackages says what the metadata that was fetched tells of the config's
// packages, sorted by place. It uses no network, writes nothing in the workspace
// and waits for nobody. When fresh is false the metadata could not be asked: it
// is not there, not that of the config's repositories, or in use; then there
// are no diagnostics but an info that says so (CodeNotReviewed), and those of
// repositories whose URL needs a variable. What a look at the manifest alone
// tells is not said again. Not for a stage that holds the cache's lock.
func ReviewPackages(ctx context.Context, env *Env, config *Config) (ds doc.Diagnostics, fresh bool, err error) {
	r := packageReview{root: env.WS.Dir, config: config, sources: map[string][]string{}}
	if len(packageRequest(env, config).Install) == 0 {
		return nil, false, nil
	}
	m, err := openMetadata(ctx, env, config)
	if err != nil {
		return r.notReviewed(err)
	}
	defer func() { err = errors.Join(err, m.close()) }()
	answer, err := m.query(ctx)
	if err != nil {
		return r.notReviewed(err)
	}
	r.request = m.request
	if answer.NotFound != nil {
		r.searched = answer.NotFound.Searched
		for _, m := range answer.NotFound.Items {
			r.missing(m)
		}
	}
	if answer.Conflict != nil {
		for _, g := range answer.Conflict.Groups {
			r.conflict(g)
		}
	}
	for _, u := range answer.Unknown {
		r.unknown(u)
	}
	return r.found.Sorted(), true, nil
}

// packageReview collects the diagnostics.
type packageReview struct {
	root     string // what the names of files are relative to
	config   *Config
	request  compose.QueryRequest
	searched []string
	sources  map[string][]string // the lines of the files, by absolute path
	found    doc.Diagnostics
}

func (r *packageReview) add(d doc.Diagnostic) { r.found = append(r.found, d) }

// notReviewed tells what kept the metadata from being asked; errors that are
// none of these are given back.
func (r *packageReview) notReviewed(err error) (doc.Diagnostics, bool, error) {
	reason, hint := err.Error(), "nosa fetch brings the metadata"
	repos, isRepo := errors.AsType[*compose.RepoError](err)
	_, notFetched := errors.AsType[*NotFetchedError](err)
	_, unknown := errors.AsType[*compose.UnknownRepoError](err)
	switch {
	case isRepo:
		for _, p := range repos.Problems {
			r.unset(p)
		}
		return r.found.Sorted(), false, nil
	case errors.Is(err, workspace.ErrLocked):
		reason, hint = "a stage is writing the cache", "validate again when it has ended"
	case errors.Is(err, compose.ErrDNF):
		hint = ""
	case unknown:
		hint = "repos: takes the ids of the .repo files in src/config and src/yumrepos"
	case !notFetched:
		return nil, false, err
	}
	at := manifest.Origin{File: r.config.Manifest.File}
	r.add(at.Infof(CodeNotReviewed, "the packages were not looked up: %s", reason).WithHint(hint))
	return r.found, false, nil
}

// unset is a repository whose URL needs a variable without a value.
func (r *packageReview) unset(p compose.RepoProblem) {
	if len(p.Unset) == 0 {
		return
	}
	text, hint, _ := strings.Cut(p.UnsetText(), ": ")
	r.add(r.variable(p).Errorf(CodeRepoVariable, "repository %s: %s", p.ID, text).WithHint(hint))
}

// variable finds the place of the first variable without a value in the .repo file.
func (r *packageReview) variable(p compose.RepoProblem) doc.Origin {
	at := doc.Origin{File: p.File}
	if rel, err := filepath.Rel(r.root, p.File); err == nil && filepath.IsLocal(rel) {
		at.File = rel
	}
	data, err := os.ReadFile(p.File)
	if err != nil {
		return at
	}
	use := regexp.MustCompile(`\$(` + strings.Join(p.Unset, "|") + `)\b|\$\{(` + strings.Join(p.Unset, "|") + `)\}`)
	inside := false
	for i, line := range strings.Split(string(data), "\n") {
		if strings.HasPrefix(line, "[") {
			inside = strings.HasPrefix(line, "["+p.ID+"]")
		}
		key, _, _ := strings.Cut(line, "=")
		if hit := use.FindStringIndex(line); inside && hit != nil && slices.Contains(repoURLs(), strings.TrimSpace(key)) {
			at.Line, at.Column = i+1, len([]rune(line[:hit[0]]))+1
			return at
		}
	}
	return at
}

// repoURLs are the keys of a .repo file that hold what the network is asked for.
func repoURLs() []string { return []string{"baseurl", "metalink", "mirrorlist", "gpgkey"} }

// missing is a request that nothing satisfies.
func (r *packageReview) missing(m compose.NotFound) {
	what := "package " + m.Text
	if strings.HasPrefix(m.Text, "/") {
		what = "file " + m.Text
	}
	at, _ := r.place(m.Item)
	switch {
	case len(m.Hidden) > 0:
		r.hidden(m)
	case m.Repo != "" && !slices.Contains(r.searched, m.Repo):
		r.add(at.Errorf(CodeElsewhere, "%s is asked of repository %s, which is not used", what, m.Repo).
			WithHint("add " + m.Repo + " to repos:, or enable it in its .repo file"))
	case m.Repo != "" && len(m.Repos) > 0:
		r.add(at.Errorf(CodeElsewhere, "repository %s does not have the %s", m.Repo, what).WithHint("it is in " + strings.Join(m.Repos, ", ")))
	case len(m.Repos) > 0:
		r.add(at.Errorf(CodeHidden, "%s is hidden by its .repo file", what).WithHint("look at excludepkgs and includepkgs of " + strings.Join(m.Repos, ", ")))
	case len(m.Available) > 0:
		r.add(at.Errorf(CodeOtherVersion, "no repository has the %s", what).WithHint("there is " + listFound(m.Available)))
	case len(m.Unused) > 0:
		r.add(at.Errorf(CodeElsewhere, "%s is only in %s, which is not used", what, strings.Join(m.Unused, ", ")).
			WithHint("add it to repos:, or enable it in its .repo file"))
	default:
		r.nowhere(m, what)
	}
}

// nowhere is a request that no repository has anything for.
func (r *packageReview) nowhere(m compose.NotFound, what string) {
	hint := "the repositories searched are " + strings.Join(r.searched, ", ")
	if len(m.Near) > 0 {
		hint = "did you mean " + strings.Join(m.Near, ", ") + "? " + hint
	}
	at, whole := r.place(m.Item)
	d := at.Errorf(CodeNoPackage, "no repository has the %s", what).WithHint(hint)
	if near := doc.Nearest(m.Text, m.Near); near != "" && whole {
		d = d.WithFix(near)
	}
	r.add(d)
}

// hidden is a request that an exclude or the lock leaves nothing for.
func (r *packageReview) hidden(m compose.NotFound) {
	for _, e := range r.request.Exclude {
		if e.Text == m.Text {
			return // the manifest's own check says it
		}
	}
	var reasons []string
	hint := "take the package out of one of the two"
	for _, why := range m.Hidden {
		switch why {
		case compose.HiddenExclude:
			reasons = append(reasons, "excluded"+r.excludedAt(m.Available))
		case compose.HiddenLock:
			reasons = append(reasons, "locked to another version")
			hint = "the repositories have " + listFound(m.Available) + "; nosa fetch --update-lockfile locks anew"
		case compose.HiddenUnlocked:
			reasons = append(reasons, "only in lockfile-repos, and not locked")
			hint = "lock it, or add the repository to repos:"
		}
	}
	at, _ := r.place(m.Item)
	r.add(at.Errorf(CodeHidden, "package %s cannot be had: %s", m.Text, strings.Join(reasons, ", ")).WithHint(hint))
}

// excludedAt says where packages are excluded.
func (r *packageReview) excludedAt(list []compose.Found) string {
	for _, e := range r.request.Exclude {
		if hasName(list, e.Text) {
			return " as " + e.Text + " at " + e.Origin.String()
		}
	}
	return ""
}

// conflict is a group of requests that cannot be had together.
func (r *packageReview) conflict(g compose.Conflict) {
	for _, n := range g.Needed {
		r.needed(n)
	}
	if len(g.Needed) > 0 {
		return
	}
	first, hint := g.Items[0], "leave it out, or add a repository that has what it needs to repos:"
	var others []string
	for _, item := range g.Items[1:] {
		others = append(others, item.Text+" ("+item.Origin.String()+")")
		hint = "take one of them out of packages:"
	}
	text := first.Text + " cannot be installed"
	if len(others) > 0 {
		text += " together with " + strings.Join(others, ", ")
	}
	at, _ := r.place(first)
	r.add(at.Errorf(CodeConflict, "%s", text).WithWhy(strings.Join(g.Lines, "; ")).WithHint(hint))
}

// needed is a package that is hidden and that requests need.
func (r *packageReview) needed(n compose.Needed) {
	first := n.Links[0]
	code, hint := CodeLocked, "nosa fetch --update-lockfile locks anew"
	switch n.Why {
	case compose.HiddenExclude:
		code, hint = CodeExcluded, "take "+n.Name+" out of exclude-packages:"
		if len(n.Also) == 0 {
			hint += ", or " + first.Text + " out of packages:"
		}
	case compose.HiddenUnlocked:
		hint = "lock " + n.Name + ", or add its repository to repos:"
	}
	at, _ := r.place(compose.Item{Text: first.Text, Origin: first.Origin})
	r.add(at.Errorf(code, "%s", n.Text()).WithHint(hint))
}

// unknown is an exclude that nothing is called like. A config may exclude what
// other releases have; only what looks like a slip is worth a warning.
func (r *packageReview) unknown(u compose.UnknownExclude) {
	near := doc.Nearest(u.Text, u.Near)
	if near == "" || sameButNumbers(near, u.Text) {
		r.add(u.Origin.Infof(CodeNoExclude, "no repository has a package %s to exclude", u.Text))
		return
	}
	r.add(u.Origin.Warnf(CodeNoExclude, "no repository has a package %s to exclude", u.Text).WithHint("did you mean " + near + "?").WithFix(near))
}

// sameButNumbers says of python2 and python3 that neither is a slip for the other.
func sameButNumbers(a, b string) bool {
	digits := regexp.MustCompile(`[0-9]+`)
	return digits.ReplaceAllString(a, "") == digits.ReplaceAllString(b, "")
}

// hasName reports whether one of the packages is called name.
func hasName(list []compose.Found, name string) bool {
	return slices.ContainsFunc(list, func(f compose.Found) bool {
		n, err := rpmmd.ParseNEVRA(f.Package)
		return err == nil && n.Name == name
	})
}

func listFound(list []compose.Found) string {
	texts := make([]string, len(list))
	for i, f := range list {
		texts[i] = f.Package + " in " + f.Repo
	}
	return strings.Join(texts, ", ")
}
