package lint

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/manifest"
)

// treefile is a file that looks like a treefile.
type treefile struct {
	*entry
	root *doc.Node
}

// unreached finds treefiles that none includes and overlays that none names.
// Conditions and architectures do not count: every path that some treefile
// names is reached.
func (k *checker) unreached() {
	trees := k.trees()
	reached := map[string]bool{}
	for _, name := range k.Manifest.Files {
		reached[k.real(name)] = true
	}
	for _, t := range trees {
		for _, name := range t.includes() {
			reached[k.real(filepath.Join(filepath.Dir(t.path), name))] = true
		}
	}
	for _, t := range trees {
		if !reached[k.real(t.path)] && !k.isTop(t) {
			k.report(t.at(0, 0).Infof(CodeUnreached, "no treefile includes this one").
				WithHint("include it, delete it, or call it manifest-NAME.yaml if it is a variant"))
		}
	}
	k.unusedLayers()
}

// trees gives the treefiles below the config directory.
func (k *checker) trees() []*treefile {
	if k.treefiles != nil {
		return k.treefiles
	}
	k.treefiles = []*treefile{}
	known := k.knownKeys()
	for _, e := range k.files {
		if e.text == "" || !e.mode.IsRegular() || !k.mayBeTree(e) {
			continue
		}
		root, ds := doc.Parse(doc.Source{Name: e.name}, []byte(e.text))
		if ds.HasErrors() || root == nil || root.Kind != doc.Map {
			continue
		}
		read := slices.Contains(k.Manifest.Files, e.path)
		if read || isTree(root, known) {
			k.treefiles = append(k.treefiles, &treefile{entry: e, root: root})
		}
	}
	return k.treefiles
}

// mayBeTree leaves out, by name and place, what is something else.
func (k *checker) mayBeTree(e *entry) bool {
	rel, ok := strings.CutPrefix(e.path, k.Dir+"/")
	ext, base := path.Ext(rel), path.Base(rel)
	if !ok || ext != ".yaml" && ext != ".yml" && ext != ".json" {
		return false
	}
	for part := range strings.SplitSeq(rel, "/") {
		if part[0] == '.' || slices.Contains([]string{overlayDir, "tests", "test", "live", "docs", "ci", "tmp", "builds", "cache", "node_modules"}, part) {
			return false
		}
	}
	for _, prefix := range []string{"image", "platforms", "extensions", "manifest-lock", "kola-denylist", "renovate", "package"} {
		if strings.HasPrefix(base, prefix) {
			return false
		}
	}
	return true
}

// knownKeys are the keys of a treefile, old spellings too.
func (k *checker) knownKeys() map[string]bool {
	known := map[string]bool{}
	for _, key := range manifest.KeyTable() {
		known[key.Name] = true
		if key.Legacy != "" {
			known[key.Legacy] = true
		}
	}
	return known
}

// isTree tells whether all keys are those of a treefile; comments of JSON files aside.
func isTree(root *doc.Node, known map[string]bool) bool {
	some := false
	for _, e := range root.Entries {
		name := e.Key.Text
		switch {
		case known[name], strings.HasPrefix(name, "packages-"):
			some = true
		case !strings.Contains(name, "comment"):
			return false
		}
		if strings.HasPrefix(name, "packages") && e.Value.Kind != doc.List && !e.Value.IsNull() {
			return false // a lockfile
		}
	}
	return some
}

// isTop tells whether a treefile stands for itself.
func (k *checker) isTop(t *treefile) bool {
	base := filepath.Base(t.path)
	if base == "manifest.yaml" || base == "manifest.json" || strings.HasPrefix(base, "manifest-") && filepath.Dir(t.path) == k.Dir {
		return true
	}
	return !t.root.Get("ref").IsNull()
}

// includes are the paths that t names under any condition, as written.
func (t *treefile) includes() []string {
	list := pathsOf(t.root.Get("include"))
	if arches := t.root.Get("arch-include"); arches != nil {
		for _, e := range arches.Entries {
			list = append(list, pathsOf(e.Value)...)
		}
	}
	for _, body := range t.conditional() {
		list = append(list, pathsOf(body)...)
	}
	return list
}

// conditional are the values of include of all conditional includes.
func (t *treefile) conditional() []*doc.Node {
	var list []*doc.Node
	if conditions := t.root.Get("conditional-include"); conditions != nil {
		for _, item := range conditions.Items {
			list = append(list, item.Get("include"))
		}
	}
	return list
}

// pathsOf takes a text or a list of texts.
func pathsOf(n *doc.Node) []string {
	switch {
	case n == nil:
		return nil
	case n.Is(doc.String):
		return []string{n.Text}
	}
	var list []string
	for _, item := range n.Items {
		if item.Is(doc.String) {
			list = append(list, item.Text)
		}
	}
	return list
}

// bodies are the mappings of t that hold keys: the file and inline bodies.
func (t *treefile) bodies() []*doc.Node {
	list := []*doc.Node{t.root}
	for _, body := range t.conditional() {
		if body != nil && body.Kind == doc.Map {
			list = append(list, body)
		}
	}
	return list
}

// real is a path without links, as far as it exists.
func (k *checker) real(name string) string {
	if _, err := os.Lstat(name); err != nil {
		return filepath.Clean(name)
	}
	if target, err := filepath.EvalSymlinks(name); err == nil {
		return target
	}
	return filepath.Clean(name)
}

// namedRepos are the ids that any treefile names.
func (k *checker) namedRepos() map[string]bool {
	named := map[string]bool{}
	for _, list := range [][]item{k.Manifest.Repos, k.Manifest.LockfileRepos} {
		for _, i := range list {
			named[i.Text] = true
		}
	}
	for _, p := range k.Manifest.RepoPackages {
		named[p.Repo.Text] = true
	}
	for _, t := range k.trees() {
		for _, body := range t.bodies() {
			for _, id := range slices.Concat(pathsOf(body.Get("repos")), pathsOf(body.Get("lockfile-repos"))) {
				named[id] = true
			}
			if packages := body.Get("repo-packages"); packages != nil {
				for _, p := range packages.Items {
					for _, id := range pathsOf(p.Get("repo")) {
						named[id] = true
					}
				}
			}
		}
	}
	return named
}

// unusedLayers finds directories of overlay.d that no treefile names.
func (k *checker) unusedLayers() {
	named := map[string]bool{}
	for _, l := range k.layers {
		named[l.name] = true
	}
	for _, t := range k.trees() {
		for _, body := range t.bodies() {
			for _, ref := range slices.Concat(pathsOf(body.Get("ostree-layers")), pathsOf(body.Get("ostree-override-layers"))) {
				named[strings.TrimPrefix(ref, overlayPrefix)] = true
			}
		}
	}
	dir := filepath.Join(k.Dir, overlayDir)
	for _, e := range k.files {
		base := filepath.Base(e.path)
		if filepath.Dir(e.path) != dir || !e.mode.IsDir() || named[base] || base[0] == '.' {
			continue
		}
		k.report(e.at(0, 0).Warnf(CodeUnusedLayer, "the overlay %s is not used", base).
			WithWhy("only what ostree-layers names is put over the packages").
			WithHint("add " + overlayPrefix + base + " to ostree-layers, or delete the directory"))
	}
}
