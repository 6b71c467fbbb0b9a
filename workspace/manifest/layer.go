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
}

// layer is the content of one file with what is already merged into it.
type layer struct {
	values   map[string]*value
	sources  map[string]string // add-files source as written → path whose content is taken
	finalize map[string]File   // by file name
}

func newLayer() *layer {
	return &layer{values: map[string]*value{}, sources: map[string]string{}, finalize: map[string]File{}}
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
	case RuleSet:
		to.list = sortedSet(append(slices.Clone(from.list), to.list...))
	case RuleList, RuleRepo, RuleMap:
		joinValue(key, to, from)
	}
}

func joinValue(key Key, to, from *value) {
	to.list = slices.Concat(from.list, to.list)
	switch have := to.data.(type) {
	case []AddFile:
		to.data = slices.Concat(from.data.([]AddFile), have)
	case []Removal:
		to.data = slices.Concat(from.data.([]Removal), have)
	case []RepoPackages:
		to.data = lastRepoWins(slices.Concat(from.data.([]RepoPackages), have))
	case Metadata:
		to.data = mergeMetadata(have, from.data.(Metadata))
	}
}

// printed returns a scalar or, of check-passwd and check-groups, the mode.
func printed(v *value) string {
	if a, ok := v.data.(Accounts); ok {
		return string(a.Mode)
	}
	return v.text
}

// sortedSet sorts items by text; of equal ones the first stays.
func sortedSet(items []Item) []Item {
	slices.SortStableFunc(items, func(a, b Item) int { return cmp.Compare(a.Text, b.Text) })
	return slices.CompactFunc(items, func(a, b Item) bool { return a.Text == b.Text })
}

// mergeMetadata adds those entries of from whose key have does not name.
func mergeMetadata(have, from Metadata) Metadata {
	merged := slices.Clone(have)
	for _, m := range from {
		if !slices.ContainsFunc(have, func(h Meta) bool { return h.Key == m.Key }) {
			merged = append(merged, m)
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
	for name, path := range inc.sources {
		have, ok := child.sources[name]
		if ok && have != path && !sameContent(have, path) {
			if i := slices.IndexFunc(data[[]AddFile](inc, "add-files"), func(a AddFile) bool { return a.Source.Text == name }); i >= 0 {
				at := data[[]AddFile](inc, "add-files")[i].Source.Origin
				l.Report(at.Warnf(codeLost, "the content of this %s is copied for every add-files entry of that name, also for %s", name, l.name(have)).
					WithHint("sources are told apart by their name as written; rename one of the files"))
			}
		}
		child.sources[name] = path
	}
}
