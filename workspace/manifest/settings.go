package manifest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// Fate is what became of a key where it is written.
type Fate string

// The fates.
const (
	FateWins    Fate = "wins"    // its value is the tree's
	FateJoins   Fate = "joins"   // its items or entries are part of the tree's
	FateLoses   Fate = "loses"   // another file's value counts
	FateIdle    Fate = "idle"    // it is for another architecture, or its condition does not hold
	FateFollows Fate = "follows" // it was used up while loading
)

// Setting is one place where a key is written, or implied by another one.
type Setting struct {
	Key        string `json:"key"`
	As         string `json:"as"` // as it is spelled there: packages-aarch64, boot_location; of what is implied the key that implies it
	doc.Origin        // of the key
	Value      any    `json:"value"` // as written: text, numbers, truth values, lists, mappings
	Fate       Fate   `json:"fate"`
	Why        string `json:"why,omitempty"` // of what loses, lies idle or is implied
}

// written is a Setting while the treefiles are read.
type written struct {
	key   *Key
	as    string
	at    Origin
	value *doc.Node
	idle  string // why it has no effect, if it has none
}

// wrote records that this file has a key.
func (f *file) wrote(key Key, e doc.Entry) {
	f.written = append(f.written, written{key: f.byName[key.Name], as: e.Key.Text, at: e.Key.Origin, value: e.Value, idle: f.idle})
}

// Settings are all places where key is written, in the order in which the
// treefiles were read; what is implied comes last. Key is the name of KeyTable.
func (m *Manifest) Settings(key string) []Setting {
	var list []Setting
	for _, w := range m.written {
		if w.key.Name != key {
			continue
		}
		s := Setting{Key: key, As: w.as, Origin: w.at, Value: w.value.Value()}
		s.Fate, s.Why = m.fate(w)
		list = append(list, s)
	}
	for _, v := range m.implied[key] {
		s := Setting{Key: key, As: v.implied, Origin: v.key, Value: implicit(v), Fate: FateWins, Why: "implied by " + v.implied}
		if winner, ok := m.Origins[key]; !ok || winner.String() != v.key.String() {
			s.Fate, s.Why = FateLoses, s.Why+"; "+place(winner)+" wins"
		}
		list = append(list, s)
	}
	return list
}

// implicit is the value that a key was given by another one.
func implicit(v *value) any {
	if a, ok := v.data.(Accounts); ok {
		return map[string]any{"type": string(a.Mode)}
	}
	switch v.text {
	case "true":
		return true
	case "false":
		return false
	}
	return v.text
}

func place(o Origin) string { return cmp.Or(o.Short(), "another file") }

func (m *Manifest) fate(w written) (Fate, string) {
	if w.idle != "" {
		return FateIdle, w.idle
	}
	switch w.key.Rule {
	case RuleConsumed:
		return FateFollows, ""
	case RuleList, RuleSet, RuleRepo:
		return FateJoins, ""
	case RuleMap:
		return m.fateOfEntries(w)
	}
	winner, ok := m.Origins[w.key.Name]
	switch {
	case !ok:
		return FateLoses, "it counts in the top-level treefile only"
	case winner.String() == w.at.String():
		return FateWins, ""
	case winner.File == w.at.File && len(m.implied[w.key.Name]) > 0:
		return FateLoses, "what " + m.implied[w.key.Name][0].implied + " implies on line " + fmt.Sprint(winner.Line) + " wins"
	}
	return FateLoses, place(winner) + " wins"
}

// fateOfEntries says which entries of a mapping lose to others of the same name.
func (m *Manifest) fateOfEntries(w written) (Fate, string) {
	kept := map[string]Origin{}
	switch w.key.Name {
	case "variables":
		maps.Copy(kept, m.variableOrigins)
	default:
		for _, list := range [][]Meta{m.RepoVars, m.Metadata, m.CommitMetadata} {
			for _, e := range list {
				kept[e.Origin.String()] = e.Origin
			}
		}
	}
	var lost []string
	for _, e := range w.value.Entries {
		at, ok := kept[e.Key.Text]
		if !ok {
			at, ok = kept[e.Value.Origin.String()]
		}
		if !ok || at.String() != e.Value.Origin.String() {
			lost = append(lost, e.Key.Text)
		}
	}
	switch {
	case len(lost) == 0:
		return FateJoins, ""
	case len(lost) == len(w.value.Entries):
		return FateLoses, "the includer's or an earlier include's entries win"
	}
	return FateJoins, strings.Join(lost, ", ") + " of another file wins"
}

// Element is one item or entry of a merged key, with the place that it comes from.
type Element struct {
	Text string `json:"text"`
	doc.Origin
}

// Elements are the items of a merged key that holds several, in the order in
// which they take effect; nil for keys that hold a single value.
func (m *Manifest) Elements(key string) []Element {
	var list []Element
	add := func(text string, at Origin) { list = append(list, Element{Text: text, Origin: at}) }
	for _, item := range m.items(key) {
		add(item.Text, item.Origin)
	}
	switch key {
	case "repo-packages":
		for _, rp := range m.RepoPackages {
			for _, p := range rp.Packages {
				add(p.Text+" from "+rp.Repo.Text, p.Origin)
			}
		}
	case "add-files":
		for _, a := range m.AddFiles {
			add(a.Source.Text+" -> "+a.Dest.Text, a.Source.Origin)
		}
	case "remove-from-packages":
		for _, r := range m.RemoveFromPackages {
			add(r.Package.Text+": "+joined(r.Patterns), r.Package.Origin)
		}
	case "variables":
		for name, text := range m.Variables {
			add(name+" = "+text, m.variableOrigins[name])
		}
		slices.SortFunc(list, func(a, b Element) int { return strings.Compare(a.Text, b.Text) })
	case "repovars", "metadata", "add-commit-metadata":
		for _, e := range map[string]Metadata{"repovars": m.RepoVars, "metadata": m.Metadata, "add-commit-metadata": m.CommitMetadata}[key] {
			text, err := json.Marshal(e.Value)
			if err == nil {
				add(e.Key+" = "+string(text), e.Origin)
			}
		}
	}
	return list
}

func joined(items []Item) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = item.Text
	}
	return strings.Join(texts, " ")
}

// items gives the value of a key that is a list of texts.
func (m *Manifest) items(key string) []Item {
	return map[string][]Item{
		"repos": m.Repos, "lockfile-repos": m.LockfileRepos, "packages": m.Packages, "exclude-packages": m.ExcludePackages,
		"install-langs": m.InstallLangs, "ostree-layers": m.Layers, "ostree-override-layers": m.OverrideLayers,
		"container-cmd": m.ContainerCmd, "initramfs-args": m.InitramfsArgs, "units": m.Units,
		"etc-group-members": m.EtcGroupMembers, "ignore-removed-users": m.IgnoreRemovedUsers,
		"ignore-removed-groups": m.IgnoreRemovedGroups, "postprocess": m.Postprocess, "remove-files": m.RemoveFiles,
		"cliwrap-binaries": m.CliwrapBinaries,
	}[key]
}

// FindKey finds a key of KeyTable by its name or an old spelling.
func FindKey(name string) (Key, bool) {
	if arch, ok := archSuffix(name); ok && slices.Contains(architectures(), arch) {
		name = "packages"
	}
	for _, key := range KeyTable() {
		if key.Name == name || key.Legacy == name && name != "" {
			return key, true
		}
	}
	return Key{}, false
}
