package lint

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// repoSet is what the .repo files define.
type repoSet struct {
	files    []*entry
	sections []*repoSection // repositories, in the order in which dnf reads them
	unread   bool           // a file could not be read, so that what is missing may be in it
}

// repos checks the .repo files and the ids that the treefile names.
func (k *checker) repos() {
	set := k.readRepos()
	if len(set.files) == 0 {
		return
	}
	k.repoIDs(set)
	for _, s := range set.sections {
		k.options(s)
		if k.isUsed(s) {
			k.source(s)
			k.trust(s)
			k.variables(s)
		}
	}
	k.repoTwice(set)
	k.unusedRepos(set)
}

func (k *checker) readRepos() repoSet {
	var set repoSet
	for _, dir := range k.RepoDirs {
		for _, e := range k.files {
			if filepath.Dir(e.path) != filepath.Clean(dir) || !strings.HasSuffix(e.path, repoSuffix) {
				continue
			}
			set.files = append(set.files, e)
			if e.text == "" && (e.size > 0 || e.mode&modeLink != 0) {
				set.unread = true
				continue
			}
			sections, faults := parseRepo(e)
			for _, f := range faults {
				k.report(e.at(f.line, f.offset).Errorf(CodeRepoLine, "%s", f.message).
					WithWhy("dnf skips the whole file").WithHint(f.hint))
			}
			k.addSections(&set, sections)
		}
	}
	return set
}

// addSections adds those of one file. What stands there twice becomes one, as dnf does it.
func (k *checker) addSections(set *repoSet, sections []*repoSection) {
	first := map[string]*repoSection{}
	for _, s := range sections {
		have, again := first[s.id]
		switch {
		case !repoID.MatchString(s.id):
			k.badID(s)
		case again:
			have.keys = append(have.keys, s.keys...)
			k.report(s.at().Warnf(CodeRepoTwice, "the repository %s is also defined at %s", s.id, have.at().Short()).
				WithWhy("dnf joins the two, the later value of an option wins").WithHint("join them"))
		case s.id != "main":
			set.sections = append(set.sections, s)
			first[s.id] = s
		}
	}
}

func (k *checker) badID(s *repoSection) {
	if s.id == "" {
		return // reported with its line
	}
	d := s.at().Errorf(CodeRepoLine, "%q cannot be the id of a repository", s.id).
		WithWhy("dnf skips the repository").WithHint("an id has letters, digits and - _ . : only")
	if fix := strings.Join(strings.Fields(s.id), "-"); repoID.MatchString(fix) {
		d = d.WithFix(fix)
	}
	k.report(d)
}

// isEnabled tells whether s is used where the treefile names no repos. dnf's default is yes.
func (s *repoSection) isEnabled() bool {
	key, ok := s.get("enabled")
	if !ok {
		return true
	}
	value, ok := boolean(key.text())
	return value || !ok
}

// boolean reads a truth value as dnf does.
func boolean(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "1", "yes", "true", "on":
		return true, true
	case "0", "no", "false", "off":
		return false, true
	}
	return false, false
}

// isUsed tells whether packages may come from s.
func (k *checker) isUsed(s *repoSection) bool {
	is := func(i item) bool { return i.Text == s.id }
	if slices.ContainsFunc(k.Manifest.Repos, is) || slices.ContainsFunc(k.Manifest.LockfileRepos, is) {
		return true
	}
	return len(k.Manifest.Repos) == 0 && s.isEnabled()
}

// repoIDs checks the ids that the treefile names.
func (k *checker) repoIDs(set repoSet) {
	find := func(id string) *repoSection {
		i := slices.IndexFunc(set.sections, func(s *repoSection) bool { return s.id == id })
		if i < 0 {
			return nil
		}
		return set.sections[i]
	}
	for _, i := range k.Manifest.Repos {
		if find(i.Text) == nil {
			k.report(set.missing(i, i.Errorf(CodeRepoID, "no .repo file defines %s", i.Text)))
		}
	}
	for _, i := range k.Manifest.LockfileRepos {
		if find(i.Text) == nil {
			k.report(set.missing(i, i.Warnf(CodeRepoID, "no .repo file defines %s", i.Text).
				WithWhy("as soon as there is a lockfile, packages that it locks are taken from there and nothing is found")))
		}
	}
	for _, p := range k.Manifest.RepoPackages {
		i := p.Repo
		switch s := find(i.Text); {
		case s == nil:
			k.report(set.missing(i, i.Errorf(CodeRepoID, "no .repo file defines %s", i.Text)))
		case !k.isUsed(s) && len(k.Manifest.Repos) > 0:
			k.report(i.Errorf(CodeRepoID, "the repository %s is not enabled: repos does not name it", i.Text).WithHint("add it to repos"))
		case !k.isUsed(s):
			k.report(i.Errorf(CodeRepoID, "the repository %s is not enabled: enabled=0 in %s", i.Text, s.at().Short()).WithHint("name it in repos, or write enabled=1"))
		}
	}
}

// missing completes the report of an id that is defined nowhere.
func (set repoSet) missing(i item, d doc.Diagnostic) doc.Diagnostic {
	var ids, shown []string
	for _, s := range set.sections {
		if ids = append(ids, s.id); s.isEnabled() {
			shown = append(shown, s.id)
		} else {
			shown = append(shown, s.id+" (enabled=0)")
		}
	}
	if set.unread {
		d.Severity = doc.Info
		d.Why = "a .repo file could not be read and may define it"
	}
	d.Hint = "they define " + strings.Join(shown, ", ")
	if len(ids) == 0 {
		d.Hint = "they define none"
	}
	if near := doc.Nearest(i.Text, ids); near != "" {
		d.Hint = "did you mean " + near + "? " + d.Hint
		d.Fix = near
	}
	return d
}

// repoTwice finds repositories that several files define.
func (k *checker) repoTwice(set repoSet) {
	first := map[string]*repoSection{}
	for _, s := range set.sections {
		have, ok := first[s.id]
		if !ok {
			first[s.id] = s
			continue
		}
		k.report(s.at().Warnf(CodeRepoTwice, "the repository %s is also defined at %s", s.id, have.at().Short()).
			WithWhy("dnf uses the first one that it reads and ignores the other").WithHint("remove or rename one of the two"))
	}
}

// unusedRepos finds .repo files of which no treefile uses anything.
func (k *checker) unusedRepos(set repoSet) {
	if len(k.Manifest.Repos) == 0 {
		return
	}
	named := k.namedRepos()
	for _, e := range set.files {
		mine, used := 0, false
		for _, s := range set.sections {
			if s.file == e {
				mine++
				used = used || named[s.id]
			}
		}
		if mine > 0 && !used {
			k.report(e.at(0, 0).Infof(CodeUnusedRepo, "no treefile names a repository of this file").
				WithWhy("only the ids in repos are enabled"))
		}
	}
}
