package manifest

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// value is what one key has in one file, or in the merge of several.
type value struct {
	key     Origin // of the key
	at      Origin // of the value
	legacy  string // the spelling that was used, if an old one
	implied string // "container" or "edition", if no one wrote it

	text string   // of scalars: as substituted and printed
	typ  doc.Type // of scalars: how it was written
	list []Item   // of lists of texts and requests
	data any      // of all others: the type of the Manifest's field

	under []*value // what is merged below it, in the order of merging, until settle
}

// layer is the content of one file with what is already merged into it.
type layer struct {
	values   map[string]*value
	sources  map[string]File // add-files source as written → the file whose content is taken
	finalize map[string]File // by file name
}

func newLayer() *layer {
	return &layer{values: map[string]*value{}, sources: map[string]File{}, finalize: map[string]File{}}
}

// text returns the text of a scalar key, "" if it is not set.
func (l *layer) text(key string) string {
	if v := l.values[key]; v != nil {
		return v.text
	}
	return ""
}

func (l *layer) list(key string) []Item {
	if v := l.values[key]; v != nil {
		return v.list
	}
	return nil
}

// data returns the compound value of key, the zero value if it is not set.
func data[T any](l *layer, key string) T {
	var zero T
	if v := l.values[key]; v != nil {
		if t, ok := v.data.(T); ok {
			return t
		}
	}
	return zero
}

// merge puts inc, the content of an included file, under child. It reports
// what is lost in a surprising way.
func (l *loader) merge(child, inc *layer) {
	for _, key := range l.keys {
		from := inc.values[key.Name]
		if from == nil {
			continue
		}
		if to := child.values[key.Name]; to != nil || key.Rule == RuleDropped {
			l.mergeValue(key, to, from)
			continue
		}
		copied := *from
		child.values[key.Name] = &copied
	}
	l.mergeSources(child, inc)
	maps.Copy(child.finalize, inc.finalize)
}

func (l *loader) mergeValue(key Key, to, from *value) {
	switch key.Rule {
	case RuleDropped:
		l.Report(from.key.Warnf(codeLost, "%s has no effect in an included file", key.Name).
			WithHint("write it in the top-level treefile"))
	case RuleFirst:
		if from.implied == "container" && to.implied == "" && to.text != from.text {
			l.Report(to.key.Warnf(codeContradiction, "%s: %s undoes what container: true implies in %s", key.Name, printed(to), from.key.File).
				WithHint("an implication of container counts as a value of the file that says so, and the including file wins"))
		}
	case RuleSet, RuleList, RuleRepo, RuleMap:
		to.under = append(to.under, from)
	}
}

// settle joins what was merged below each value, once for all files: doing so
// file by file would take the square of the time.
func (l *loader) settle(top *layer) {
	for _, key := range l.keys {
		v := top.values[key.Name]
		if v == nil || len(v.under) == 0 {
			continue
		}
		all := v.downwards(nil)
		v.under = nil
		// Entries of a mapping are the includer's, then those of its first
		// include; in lists the last include comes first.
		if key.Rule == RuleMap {
			v.data = joinMetadata(all)
			continue
		}
		slices.Reverse(all)
		joinLists(v, all)
		switch key.Rule {
		case RuleSet:
			v.list = sortedSet(v.list)
		case RuleRepo:
			v.data = lastRepoWins(v.data.([]RepoPackages))
		}
	}
}

// downwards appends v and what lies below it to all, in the order of merging.
func (v *value) downwards(all []*value) []*value {
	all = append(all, v)
	for _, u := range v.under {
		all = u.downwards(all)
	}
	return all
}

func joinLists(v *value, all []*value) {
	size := 0
	for _, part := range all {
		size += len(part.list)
	}
	list, files, removals, repos := make([]Item, 0, size), []AddFile{}, []Removal{}, []RepoPackages{}
	for _, part := range all {
		list = append(list, part.list...)
		switch data := part.data.(type) {
		case []AddFile:
			files = append(files, data...)
		case []Removal:
			removals = append(removals, data...)
		case []RepoPackages:
			repos = append(repos, data...)
		}
	}
	v.list = list
	switch v.data.(type) {
	case []AddFile:
		v.data = files
	case []Removal:
		v.data = removals
	case []RepoPackages:
		v.data = repos
	}
}

// printed returns a scalar or, of check-passwd and check-groups, the mode.
func printed(v *value) string {
	if a, ok := v.data.(Accounts); ok {
		return string(a.Mode)
	}
	return v.text
}

// sortedSet returns items sorted by text; of equal ones the first stays.
func sortedSet(items []Item) []Item {
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(strings.Compare(items[a].Text, items[b].Text), a-b) })
	order = slices.CompactFunc(order, func(a, b int) bool { return items[a].Text == items[b].Text })
	set := make([]Item, len(order))
	for i, from := range order {
		set[i] = items[from]
	}
	return set
}

// joinMetadata gives each key the first entry that has it.
func joinMetadata(all []*value) Metadata {
	merged, taken := Metadata{}, map[string]bool{}
	for _, v := range all {
		own := v.data.(Metadata)
		for _, m := range own {
			if !taken[m.Key] {
				merged = append(merged, m)
			}
		}
		for _, m := range own {
			taken[m.Key] = true
		}
	}
	return sortMetadata(merged)
}

func sortMetadata(m Metadata) Metadata {
	slices.SortStableFunc(m, func(a, b Meta) int { return strings.Compare(a.Key, b.Key) })
	return m
}

// lastRepoWins leaves each package in the last entry that names it and drops
// entries that become empty.
func lastRepoWins(entries []RepoPackages) []RepoPackages {
	taken := map[string]bool{}
	var kept []RepoPackages
	for _, e := range slices.Backward(entries) {
		packages := slices.DeleteFunc(slices.Clone(e.Packages), func(p Item) bool { return taken[p.Text] })
		for _, p := range packages {
			taken[p.Text] = true
		}
		if len(packages) > 0 {
			kept = append(kept, RepoPackages{Repo: e.Repo, Packages: packages})
		}
	}
	slices.Reverse(kept)
	return kept
}

// mergeSources lets the included file's content stand for every add-files
// source of the same name, as rpm-ostree does.
func (l *loader) mergeSources(child, inc *layer) {
	for name, source := range inc.sources {
		have, ok := child.sources[name]
		if ok && have.Path != source.Path && !l.sameContent(have.Path, source.Path) {
			l.Report(source.Warnf(codeLost, "the content of this %s is copied for every add-files entry of that name, also for %s", name, l.name(have.Path)).
				WithHint("sources are told apart by their name as written; rename one of the files"))
		}
		child.sources[name] = source
	}
}
