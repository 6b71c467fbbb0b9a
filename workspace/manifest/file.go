package manifest

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// file is one treefile, or one inline body of a conditional include, while it
// is read.
type file struct {
	*loader
	path   string
	src    doc.Source
	layer  *layer
	yaml   bool
	inline bool
	depth  int
	idle   string // why nothing that stands here has an effect, if that is so

	includes   []Item
	archOthers *doc.Node // conditional-include, evaluated when all keys are known
	ownVars    []namedVariable
}

type namedVariable struct {
	name string
	variable
}

func (f *file) checkRoot(root *doc.Node) bool {
	at := f.src.At(1, 1)
	switch {
	case root == nil:
		f.Report(at.Warnf(codeEmpty, "the treefile is empty"))
		return false
	case root.Kind != doc.Map:
		f.Report(at.Errorf(codeEmpty, "a treefile is a mapping of keys to values, this is %s", root.Describe()))
		return false
	}
	return true
}

// read decodes all keys.
func (f *file) read(root *doc.Node) {
	last := lastOf(root.Entries)
	for i, e := range root.Entries {
		name := e.Key.Text
		_, known := f.byName[name]
		arch, isArch := archSuffix(name)
		if !known && !isArch {
			f.unknown(e)
			continue
		}
		if e.First != nil {
			f.Report(doc.Duplicate(e))
		}
		switch {
		case isArch && i == last[name]: // the last one of a key that stands twice wins
			f.archPackages(e, arch)
		case isArch, e.First != nil:
		case f.inline && f.lostInline(e):
		case !e.Value.IsNull():
			f.entry(*f.byName[name], e)
		}
	}
	if v := f.layer.values["packages"]; v != nil {
		v.list = sortedSet(v.list)
	}
}

func (f *file) unknown(e doc.Entry) {
	name, at := e.Key.Text, e.Key
	near := doc.Nearest(name, slices.Sorted(maps.Keys(f.byName)))
	suggestion := ""
	if near != "" {
		suggestion = fmt.Sprintf("did you mean %s?", near)
	}
	switch {
	case f.yaml && name == "<<" && !at.Quoted:
		f.Report(at.Errorf(codeMergeKey, "merge keys (<<) are not resolved in treefiles").WithHint("use include instead"))
	case slices.Contains(clientKeys(), name):
		f.Report(at.Errorf(codeClient, "%s is for installed systems and cannot be composed", name))
	case !f.yaml:
		d := at.Warnf(codeLost, "the unknown key %q is ignored", name).WithHint("JSON treefiles may hold unknown keys as comments")
		if near != "" {
			d = d.WithHint(suggestion).WithFix(near)
		}
		f.Report(d)
	case removedKeys()[name] != "":
		f.Report(at.Errorf(codeRemoved, "the key %s was removed", name).WithHint(removedKeys()[name]))
	case foreignKeys()[name] != "":
		f.Report(at.Errorf(codeUnknown, "unknown key %q", name).WithHint("it belongs into " + foreignKeys()[name]))
	default:
		f.Report(at.Errorf(codeUnknown, "unknown key %q", name).WithHint(suggestion).WithFix(near))
	}
}

// archSuffix splits packages-ARCH.
func archSuffix(name string) (string, bool) {
	suffix, ok := strings.CutPrefix(name, "packages-")
	return suffix, ok && !slices.Contains(clientKeys(), name)
}

func (f *file) archPackages(e doc.Entry, arch string) {
	if !slices.Contains(architectures(), arch) {
		near := doc.Nearest(arch, architectures())
		d := e.Key.Errorf(codeArchPackages, "no architecture is called %q, so these packages would never be installed", arch)
		if near != "" {
			d = d.WithHint("did you mean packages-" + near + "?").WithFix("packages-" + near)
		}
		f.Report(d)
		return
	}
	w := written{key: f.byName["packages"], as: e.Key.Text, at: e.Key.Origin, value: e.Value, idle: f.idle}
	switch {
	case f.inline:
		w.idle = "it is ignored in an inline body"
	case arch != f.opts.Arch:
		w.idle = "it is for " + arch
	}
	f.written = append(f.written, w)
	if f.inline {
		f.Report(e.Key.Warnf(codeLost, "%s is ignored in an inline body", e.Key.Text).
			WithHint("write packages, and add basearch == \"" + arch + "\" to the condition; or include a file"))
		return
	}
	if e.Value.Kind != doc.List {
		f.Report(e.Value.Errorf(codeArchPackages, "%s: want a list of package requests, got %s", e.Key.Text, e.Value.Describe()))
		return
	}
	requests := f.requests(e.Value, e.Key.Text)
	if arch != f.opts.Arch {
		return
	}
	f.addPackages(e.Key, requests)
}

// addPackages adds to the packages, into which several keys flow. Read makes
// them a sorted set.
func (f *file) addPackages(key *doc.Node, requests []Item) {
	v := f.layer.values["packages"]
	if v == nil {
		v = &value{key: key.Origin, at: key.Origin}
		f.layer.values["packages"] = v
	}
	v.list = append(v.list, requests...)
}

// lostInline reports keys that have no effect in an inline body.
func (f *file) lostInline(e doc.Entry) bool {
	name := e.Key.Text
	hint := "move it to a file of its own and include that"
	switch key := f.byName[name]; {
	case key.Legacy == name && name != "":
		f.Report(e.Key.Warnf(codeLost, "the old spelling %s is ignored in an inline body", name).WithHint("write " + key.Name).WithFix(key.Name))
		return true
	case key.Rule == RuleConsumed:
		f.Report(e.Key.Warnf(codeLost, "%s is not followed in an inline body", name).WithHint(hint))
		return true
	case name == "variables":
		f.Report(e.Key.Warnf(codeLost, "variables of an inline body have no effect").WithHint(hint))
		return true
	case name == "releasever":
		f.Report(e.Key.Warnf(codeLost, "releasever of an inline body does not become ${releasever}").WithHint(hint))
	case name == "container", name == "edition":
		f.Report(e.Key.Warnf(codeLost, "%s of an inline body does not change other defaults", name).WithHint(hint))
	case name == "postprocess-script", name == "add-files":
		f.Report(e.Key.Errorf(codeLost, "files that %s names in an inline body are never read", name).WithHint(hint))
		return true
	}
	return false
}

// entry decodes one known key.
func (f *file) entry(key Key, e doc.Entry) {
	if old := f.layer.values[key.Name]; old != nil && key.Legacy != "" {
		f.Report(e.Key.Errorf(codeLegacyTwice, "%s and %s are the same key, the other one is on line %d", key.Name, key.Legacy, old.key.Line).
			WithHint("keep " + key.Name))
		return
	}
	v := &value{key: e.Key.Origin, at: e.Value.Origin}
	if key.Legacy != "" && e.Key.Text == key.Legacy {
		v.legacy = key.Legacy
	}
	f.wrote(key, e)
	if f.decode(key, e, v) {
		f.layer.values[key.Name] = v
	}
}

// finish does what follows when all keys of a file are known: implications,
// variables, includes.
func (f *file) finish() {
	f.implyContainer()
	f.implyEdition()
	f.foldVariables()
	f.findFinalize()
	bodies, conditional := f.conditions()
	for _, body := range bodies {
		f.mergeInline(body)
	}
	for _, include := range slices.Concat(f.includes, conditional) {
		path := include.Text
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(f.path), path)
		}
		if inc := f.load(filepath.Clean(path), include.Origin, f.depth+1); inc != nil {
			f.merge(f.layer, inc)
		}
	}
}

// implyContainer sets what container: true sets, over explicit values of the
// same file.
func (f *file) implyContainer() {
	container := f.layer.values["container"]
	if container == nil || container.text != "true" {
		return
	}
	none := Accounts{Mode: CheckNone, Origin: container.key}
	for _, imply := range []struct {
		key, text string
		data      any
	}{
		{"boot-location", "modules", nil},
		{"selinux", "false", nil},
		{"tmp-is-dir", "true", nil},
		{"preserve-passwd", "false", nil},
		{"check-passwd", "", none},
		{"check-groups", "", none},
	} {
		v := &value{key: container.key, at: container.at, implied: "container", text: imply.text, typ: doc.Bool, data: imply.data}
		if old := f.layer.values[imply.key]; old != nil && printed(old) != printed(v) {
			f.Report(old.key.Warnf(codeContradiction, "%s: %s has no effect, container: true makes it %s", imply.key, printed(old), printed(v)).
				WithHint("set it in a file that includes this one"))
		}
		f.layer.values[imply.key] = v
		f.implied[imply.key] = append(f.implied[imply.key], v)
	}
}

func (f *file) implyEdition() {
	edition := f.layer.values["edition"]
	if edition == nil || edition.text == "2014" {
		return
	}
	for key, text := range map[string]string{"boot-location": "modules", "tmp-is-dir": "true"} {
		if f.layer.values[key] == nil {
			v := &value{key: edition.key, at: edition.at, implied: "edition", text: text}
			f.layer.values[key] = v
			f.implied[key] = append(f.implied[key], v)
		}
	}
}

// foldVariables makes the variables of this file known; names that are known
// already keep their value.
func (f *file) foldVariables() {
	if v := f.layer.values["releasever"]; v != nil {
		f.ownVars = append(f.ownVars, namedVariable{"releasever", variable{text: v.text, typ: v.typ, at: v.at}})
	}
	for _, v := range f.ownVars {
		if _, known := f.variables[v.name]; !known {
			f.variables[v.name] = v.variable
		}
	}
}

// findFinalize looks for executables in finalize.d beside the treefile.
func (f *file) findFinalize() {
	dir := filepath.Join(filepath.Dir(f.path), "finalize.d")
	found, known := f.loader.finalize[dir]
	if !known {
		found = f.executables(dir)
		f.loader.finalize[dir] = found
	}
	for _, file := range found {
		f.layer.finalize[file.Text] = file
	}
}

// mergeInline merges an inline body and reports single values that it loses.
func (f *file) mergeInline(body *doc.Node) {
	b := &file{loader: f.loader, path: f.path, src: f.src, layer: newLayer(), yaml: f.yaml, inline: true, depth: f.depth}
	b.read(body)
	for _, key := range f.keys {
		mine, theirs := f.layer.values[key.Name], b.layer.values[key.Name]
		if key.Rule == RuleFirst && mine != nil && theirs != nil && (theirs.text == "" || mine.text != theirs.text) {
			f.Report(theirs.key.Warnf(codeLost, "this %s has no effect, the file itself sets it on line %d", key.Name, mine.key.Line).
				WithHint("the including file wins; remove one of the two"))
		}
	}
	f.merge(f.layer, b.layer)
}
