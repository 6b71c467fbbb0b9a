package manifest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// decode fills v with the value of key; false leaves the key unset.
func (f *file) decode(key Key, e doc.Entry, v *value) bool {
	switch key.Type {
	case typeText, typeBool, typeChoice, typeNumberChoice, typeRelease:
		return f.scalar(key, e.Value, v)
	case typeTexts:
		return f.texts(key, e.Value, v)
	case typeRequests:
		return f.packages(key, e)
	case typeScript:
		return f.script(e.Value, v)
	case typeIncludes:
		f.includes = slices.Concat(f.pathList(e.Value, key.Name), f.includes)
	case typeArchIncludes:
		f.archIncludes(e.Value)
	case typeConditions:
		f.archOthers = e.Value
	case typeVariables:
		f.readVariables(e.Value)
	default:
		return f.compound(key, e.Value, v)
	}
	return false
}

func (f *file) compound(key Key, n *doc.Node, v *value) bool {
	switch key.Type {
	case typeData:
		return f.metadata(key, n, v)
	case typeTextMap:
		return f.textMap(key, n, v)
	case typeRojig:
		return f.rojig(n, v)
	case typeRepoPackages:
		return f.repoPackages(n, v)
	case typeAddFiles:
		return f.addFiles(n, v)
	case typeRemovals:
		return f.removals(n, v)
	case typeAccounts:
		return f.accounts(key, n, v)
	}
	panic("key of unknown type: " + key.Name)
}

func (f *file) scalar(key Key, n *doc.Node, v *value) bool {
	v.typ = n.Type
	switch key.Type {
	case typeBool:
		b, ok := f.Bool(n, key.Name)
		v.text = map[bool]string{true: "true", false: "false"}[b]
		return ok
	case typeRelease:
		if natural := n.Is(doc.Int) && !strings.HasPrefix(n.Text, "-"); !natural && !n.Is(doc.String) {
			hint := ""
			if n.Is(doc.Float) {
				hint = "YAML reads " + n.Text + " as a fraction; put it in quotes: \"" + n.Text + "\""
			}
			f.Mismatch(n, key.Name, "text or a whole number", hint)
			return false
		}
		v.text = decimal(n)
	case typeNumberChoice:
		if !n.Is(doc.Int) {
			f.Mismatch(n, key.Name, "0 or 1", "")
			return false
		}
		v.text = decimal(n)
		return f.choice(key, n, v)
	case typeChoice:
		text, ok := f.Text(n, key.Name)
		v.text = canonical(key.Name, text)
		return ok && f.choice(key, n, v)
	default:
		text, ok := f.Text(n, key.Name)
		v.text = text
		return ok && f.checkText(key, v)
	}
	return true
}

// canonical resolves the aliases that values have.
func canonical(key, text string) string {
	switch {
	case key == "opt-usrlocal" && text == "stateoverlay":
		return "state-overlay"
	case key == "rpmdb" && text == "b-d-b":
		return "bdb"
	}
	return text
}

func (f *file) choice(key Key, n *doc.Node, v *value) bool {
	if slices.Contains(key.Values, v.text) {
		return true
	}
	near := doc.Nearest(v.text, key.Values)
	d := n.Errorf(codeChoice, "%s: %q is none of %s", key.Name, v.text, strings.Join(key.Values, ", ")).WithFix(near)
	if key.Name == "boot-location" && v.text == "both" {
		d.Hint = "both was removed in rpm-ostree 2019.3; use modules"
	}
	f.Report(d)
	return false
}

func (f *file) checkText(key Key, v *value) bool {
	if key.Name != "basearch" || v.text == f.opts.Arch {
		return true
	}
	f.Report(v.at.Errorf(codeContradiction, "basearch is %s but this build is for %s", v.text, f.opts.Arch).
		WithHint("a tree can only be composed for the architecture of the machine"))
	return false
}

// decimal prints an integer in base ten, and text as it is.
func decimal(n *doc.Node) string {
	if n.Type != doc.Int {
		return n.Text
	}
	return plain(n.Value())
}

func (f *file) texts(key Key, n *doc.Node, v *value) bool {
	if n.Kind == doc.Scalar && key.Name == "postprocess" {
		f.Mismatch(n, key.Name, "a list of scripts", "make it a list item: write \"- |\" on a line of its own and indent the script below it")
		return false
	}
	nodes, ok := f.Texts(n, key.Name)
	if !ok {
		return false
	}
	v.list = items(nodes)
	if key.Rule == RuleSet {
		v.list = sortedSet(v.list)
	}
	return true
}

func items(nodes []*doc.Node) []Item {
	list := make([]Item, 0, len(nodes))
	for _, n := range nodes {
		list = append(list, Item{Text: n.Text, Origin: n.Origin})
	}
	return list
}

// packages decodes packages and its deprecated alias, which flow together.
func (f *file) packages(key Key, e doc.Entry) bool {
	if key.Name != "packages" {
		f.Report(e.Key.Warnf(codeDeprecated, "%s is deprecated", key.Name).WithHint("write packages").WithFix("packages"))
	}
	if e.Value.Kind != doc.List {
		f.Mismatch(e.Value, key.Name, "a list of package requests", "write - and a space before each package")
		return false
	}
	f.addPackages(e.Key, f.requests(e.Value, key.Name))
	return false
}

// script decodes postprocess-script, whose file must be there even if another
// treefile's value wins.
func (f *file) script(n *doc.Node, v *value) bool {
	text, ok := f.Text(n, "postprocess-script")
	if !ok {
		return false
	}
	path, ok := f.external(n)
	v.data = File{Item: Item{Text: text, Origin: n.Origin}, Path: path}
	if !ok {
		return true
	}
	if info, err := os.Stat(path); err == nil && info.Mode()&0o111 == 0 {
		f.Report(n.Errorf(codeExecutable, "the script %s is not executable", f.name(path)).
			WithHint("run chmod +x " + f.name(path) + " and commit the change of mode"))
	}
	return true
}

// external resolves a file that n names, relative to this treefile, and
// reports it if it is not there.
func (f *file) external(n *doc.Node) (string, bool) {
	path := n.Text
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(f.path), path)
	}
	path = filepath.Clean(path)
	info, err := os.Stat(path)
	if err != nil {
		f.Report(n.Errorf(codeMissingFile, "the file %s cannot be read: %v", f.name(path), reason(err)).
			WithHint("paths are relative to the treefile that names them"))
		return path, false
	}
	if !info.Mode().IsRegular() {
		f.Report(n.Errorf(codeMissingFile, "%s is not a regular file", f.name(path)))
		return path, false
	}
	f.addFile(path)
	return path, true
}

// pathList decodes a path or a list of paths.
func (f *file) pathList(n *doc.Node, key string) []Item {
	if n.Is(doc.String) {
		return []Item{{Text: n.Text, Origin: n.Origin}}
	}
	if n.Kind != doc.List {
		f.Mismatch(n, key, "a path or a list of paths", "")
		return nil
	}
	nodes, _ := f.Texts(n, key)
	return items(nodes)
}

func (f *file) archIncludes(n *doc.Node) {
	entries, _ := f.Entries(n, "arch-include")
	for _, e := range entries {
		if !slices.Contains(architectures(), e.Key.Text) {
			near := doc.Nearest(e.Key.Text, architectures())
			f.Report(e.Key.Warnf(codeLost, "no architecture is called %q, so this is never included", e.Key.Text).WithFix(near))
		}
		paths := f.pathList(e.Value, "arch-include "+e.Key.Text)
		if e.Key.Text == f.opts.Arch {
			f.includes = append(f.includes, paths...)
		}
	}
}
