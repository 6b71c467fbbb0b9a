package manifest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

func (f *file) readVariables(n *doc.Node) {
	entries, _ := f.Entries(n, "variables")
	for _, e := range entries {
		name := e.Key.Text
		if reserved(name) {
			f.Report(e.Key.Errorf(codeReserved, "the variable %s is reserved", name).WithHint("it is set by the key of that name or by the build"))
			continue
		}
		if e.Value.Kind != doc.Scalar || e.Value.Type == doc.Null || e.Value.Type == doc.Float || e.Value.Type == doc.Int && strings.HasPrefix(e.Value.Text, "-") {
			f.Mismatch(e.Value, "variable "+name, "text, a whole number or a truth value", "put other values in quotes")
			continue
		}
		text := strings.ToLower(e.Value.Text)
		if e.Value.Type != doc.Bool {
			text = decimal(e.Value)
		}
		if strings.ContainsAny(name, "${}") {
			f.Report(e.Key.Errorf(codeSubstitution, "the name of a variable must not contain $, { or }"))
			continue
		}
		if strings.ContainsAny(text, "${}") {
			f.Report(e.Value.Errorf(codeSubstitution, "the value of the variable %s must not contain $, { or }", name).
				WithHint("variables are not substituted within variables"))
			continue
		}
		f.ownVars = append(f.ownVars, namedVariable{name, variable{text: text, typ: e.Value.Type, at: e.Value.Origin}})
	}
}

func reserved(name string) bool { return name == "releasever" || name == "basearch" }

func (f *file) metadata(key Key, n *doc.Node, v *value) bool {
	entries, ok := f.Entries(n, key.Name)
	if !ok {
		return false
	}
	meta := Metadata{}
	for _, e := range entries {
		meta = append(meta, Meta{Key: e.Key.Text, Value: e.Value.Value(), Origin: e.Value.Origin})
		f.nestedVariables(key.Name, e.Value)
	}
	v.data = sortMetadata(meta)
	return true
}

// nestedVariables warns of ${} below the level at which it is substituted.
func (f *file) nestedVariables(key string, n *doc.Node) {
	children := slices.Clone(n.Items)
	for _, e := range n.Entries {
		children = append(children, e.Value)
	}
	for _, child := range children {
		if child.Is(doc.String) && reference.MatchString(child.Text) {
			f.Report(child.Warnf(codeSubstitution, "%s: ${} is only substituted in top-level values, this stays as it is", key))
		}
		f.nestedVariables(key, child)
	}
}

func (f *file) textMap(key Key, n *doc.Node, v *value) bool {
	entries, ok := f.Entries(n, key.Name)
	if !ok {
		return false
	}
	meta := Metadata{}
	for _, e := range entries {
		if reserved(e.Key.Text) {
			f.Report(e.Key.Errorf(codeReserved, "%s: the name %s is reserved", key.Name, e.Key.Text).WithHint("use the key of that name"))
			continue
		}
		if strings.ContainsAny(e.Key.Text, "/\x00") || e.Key.Text == "" || e.Key.Text == "." || e.Key.Text == ".." {
			f.Report(e.Key.Errorf(codeReserved, "%s: %q cannot be the name of a variable", key.Name, e.Key.Text))
			continue
		}
		if text, ok := f.Text(e.Value, key.Name+" "+e.Key.Text); ok {
			meta = append(meta, Meta{Key: e.Key.Text, Value: text, Origin: e.Value.Origin})
		} else if e.Value.IsNull() {
			f.Mismatch(e.Value, key.Name+" "+e.Key.Text, "text", "")
		}
	}
	v.data = sortMetadata(meta)
	return true
}

func (f *file) rojig(n *doc.Node, v *value) bool {
	entries, ok := f.Entries(n, "rojig")
	if !ok {
		return false
	}
	known := []string{"name", "summary", "license", "description"}
	parts := map[string]Item{}
	for _, e := range entries {
		if !slices.Contains(known, e.Key.Text) {
			f.stray("rojig", e, known)
			continue
		}
		if text, ok := f.Text(e.Value, "rojig "+e.Key.Text); ok {
			parts[e.Key.Text] = Item{Text: text, Origin: e.Value.Origin}
		}
	}
	for _, name := range known[:3] {
		if e := n.Get(name); e.IsNull() {
			f.Report(n.Errorf(codeType, "rojig: %s is missing", name))
		}
	}
	v.data = parts
	return true
}

// stray reports a member that a nested mapping does not have.
func (f *file) stray(where string, e doc.Entry, known []string) {
	d := e.Key.Errorf(codeUnknown, "%s: unknown member %q", where, e.Key.Text).WithHint("it has " + strings.Join(known, ", "))
	f.Report(d.WithFix(doc.Nearest(e.Key.Text, known)))
}

func (f *file) repoPackages(n *doc.Node, v *value) bool {
	nodes, ok := f.List(n, "repo-packages")
	if !ok {
		return false
	}
	list := []RepoPackages{}
	for _, node := range nodes {
		entries, ok := f.Entries(node, "repo-packages item")
		if !ok {
			if node.IsNull() {
				f.Mismatch(node, "repo-packages item", "a mapping with repo and packages", "remove the empty item")
			}
			continue
		}
		var rp RepoPackages
		for _, e := range entries {
			switch e.Key.Text {
			case "repo":
				text, _ := f.Text(e.Value, "repo-packages repo")
				rp.Repo = Item{Text: text, Origin: e.Value.Origin}
			case "packages":
				if e.Value.Kind != doc.List {
					f.Mismatch(e.Value, "repo-packages packages", "a list of package requests", "")
					continue
				}
				rp.Packages = sortedSet(f.requests(e.Value, "repo-packages packages"))
			default:
				f.stray("repo-packages item", e, []string{"repo", "packages"})
			}
		}
		missing := false
		for _, name := range []string{"repo", "packages"} {
			if node.Get(name).IsNull() {
				f.Report(node.Errorf(codeType, "repo-packages item: %s is missing", name))
				missing = true
			}
		}
		if !missing {
			list = append(list, rp)
		}
	}
	v.data = list
	return true
}

func (f *file) addFiles(n *doc.Node, v *value) bool {
	nodes, ok := f.List(n, "add-files")
	if !ok {
		return false
	}
	list := []AddFile{}
	for _, node := range nodes {
		if node.Kind != doc.List || len(node.Items) != 2 || !node.Items[0].Is(doc.String) || !node.Items[1].Is(doc.String) {
			got := node.Describe()
			if node.Kind == doc.List {
				got = fmt.Sprintf("a list of %d items", len(node.Items))
			}
			f.Report(node.Errorf(codeType, "add-files item: want [source, destination], got %s", got))
			continue
		}
		source, dest := node.Items[0], node.Items[1]
		path, _ := f.external(source)
		from := File{Item: Item{Text: source.Text, Origin: source.Origin}, Path: path}
		if _, twice := f.layer.sources[source.Text]; !twice {
			f.layer.sources[source.Text] = from
		}
		f.destination(dest)
		list = append(list, AddFile{Source: from, Dest: Item{Text: dest.Text, Origin: dest.Origin}})
	}
	v.data = list
	return true
}

func (f *file) removals(n *doc.Node, v *value) bool {
	nodes, ok := f.List(n, "remove-from-packages")
	if !ok {
		return false
	}
	list := []Removal{}
	for _, node := range nodes {
		if node.Kind == doc.Scalar && !node.IsNull() {
			f.Report(node.Errorf(codeType, "remove-from-packages: want lists [package, pattern...] in the list, got %s", node.Describe()).
				WithHint("put the package and its patterns in brackets of their own"))
			return false
		}
		if node.Kind != doc.List || len(node.Items) == 0 {
			f.Mismatch(node, "remove-from-packages item", "[package, pattern...]", "")
			continue
		}
		texts, _ := f.Texts(node, "remove-from-packages")
		if len(texts) != len(node.Items) {
			continue
		}
		list = append(list, Removal{Package: items(texts)[0], Patterns: items(texts[1:])})
		f.patterns(texts)
	}
	v.data = list
	return true
}

func (f *file) accounts(key Key, n *doc.Node, v *value) bool {
	if n.Kind == doc.Scalar {
		hint := ""
		if slices.Contains([]string{"none", "previous"}, n.Text) {
			hint = fmt.Sprintf("write {type: %s}", n.Text)
		}
		f.Mismatch(n, key.Name, "a mapping with type", hint)
		return false
	}
	entries, ok := f.Entries(n, key.Name)
	if !ok {
		return false
	}
	a := Accounts{Origin: n.Origin}
	known := []string{"type", "filename", "entries"}
	for _, e := range entries {
		if !slices.Contains(known, e.Key.Text) {
			f.stray(key.Name, e, known)
		}
	}
	modes := []string{"none", "previous", "file", "data"}
	mode := n.Get("type")
	text, ok := f.Text(mode, key.Name+" type")
	switch {
	case mode.IsNull():
		f.Report(n.Errorf(codeType, "%s: type is missing", key.Name).WithHint("it is one of " + strings.Join(modes, ", ")))
		return false
	case !ok:
		return false
	case !slices.Contains(modes, text):
		f.Report(mode.Errorf(codeChoice, "%s: %q is none of %s", key.Name, text, strings.Join(modes, ", ")).WithFix(doc.Nearest(text, modes)))
		return false
	}
	a.Mode = CheckMode(text)
	ok = true
	switch a.Mode {
	case CheckFile:
		ok = f.accountFile(key, n, &a)
	case CheckData:
		ok = f.accountEntries(key, n, &a)
	}
	v.data = a
	return ok
}

func (f *file) accountFile(key Key, n *doc.Node, a *Accounts) bool {
	name := n.Get("filename")
	if name.IsNull() {
		f.Report(n.Errorf(codeType, "%s: type file needs filename", key.Name))
		return false
	}
	text, ok := f.Text(name, key.Name+" filename")
	if !ok {
		return false
	}
	if f.inline {
		f.Report(name.Errorf(codeLost, "the file that %s names in an inline body is never read", key.Name).
			WithHint("move it to a file of its own and include that"))
		return false
	}
	path, _ := f.external(name)
	a.File = File{Item: Item{Text: text, Origin: name.Origin}, Path: path}
	return true
}

func (f *file) accountEntries(key Key, n *doc.Node, a *Accounts) bool {
	table := n.Get("entries")
	if table.IsNull() {
		f.Report(n.Errorf(codeType, "%s: type data needs entries", key.Name))
		return false
	}
	entries, ok := f.Entries(table, key.Name+" entries")
	for _, e := range entries {
		account := Account{Name: e.Key.Text, GID: -1, Origin: e.Key.Origin}
		ids := []*doc.Node{e.Value}
		if e.Value.Kind == doc.List && key.Name == "check-passwd" {
			ids = e.Value.Items
		}
		want := "an id, [uid] or [uid, gid]"
		if key.Name == "check-groups" {
			want = "an id"
		}
		if len(ids) < 1 || len(ids) > 2 || slices.ContainsFunc(ids, func(id *doc.Node) bool { return !isID(id) }) {
			f.Mismatch(e.Value, key.Name+" "+e.Key.Text, want, "")
			continue
		}
		account.ID = ids[0].Value().(int64)
		if len(ids) == 2 {
			account.GID = ids[1].Value().(int64)
		}
		a.Entries = append(a.Entries, account)
	}
	slices.SortFunc(a.Entries, func(x, y Account) int { return strings.Compare(x.Name, y.Name) })
	return ok
}

func isID(n *doc.Node) bool {
	if !n.Is(doc.Int) {
		return false
	}
	id, ok := n.Value().(int64)
	return ok && id >= 0 && id <= 1<<32-2
}
