package source

import (
	"context"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/editor"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/manifest"
)

// names are what completions are made of, beside the files.
type names struct {
	stamp    string
	packages []named
	repos    []string
}

const workNames = "source.names"

// learnNames reads the metadata and the .repo files, if they have changed.
func (s *Screen) learnNames() []screen.Effect {
	ws, have := s.env.WS, s.names
	return []screen.Effect{screen.Work{Key: workNames, Do: func(context.Context) screen.Event {
		n := names{stamp: stamp(ws.Cache()), packages: have.packages}
		if n.stamp != have.stamp {
			n.packages = packageNames(ws.Cache())
		}
		n.repos = repoIDs([]string{ws.Config(), ws.YumRepos()})
		return n
	}}}
}

// kindOfFile is what a file of the config is, as far as completions go.
type kindOfFile int

const (
	plainFile kindOfFile = iota
	treefile
	imageFile
	platformsFile
)

func kindOf(file string) kindOfFile {
	base, ext := path.Base(file), path.Ext(file)
	switch {
	case !strings.HasPrefix(file, "src/config/") || ext != ".yaml" && ext != ".yml":
		return plainFile
	case strings.HasPrefix(base, "image"):
		return imageFile
	case base == "platforms.yaml":
		return platformsFile
	case strings.HasPrefix(file, "src/config/overlay.d/") || strings.HasPrefix(file, "src/config/tests/"):
		return plainFile
	}
	return treefile
}

// at is where in a document the cursor is.
type at struct {
	top    string // the top-level key that the line belongs to
	key    string // the key whose value is being typed on this line; "" when it is a key or an item
	item   bool   // an item of a list
	isKey  bool   // a key of the top level
	inside string // the key directly above an item, by indentation
}

// where finds out what is being typed from the lines above.
func where(line func(n int) string, c editor.Context) at {
	var a at
	text := strings.TrimLeft(c.Before, " ")
	indent := len(c.Before) - len(text)
	if rest, ok := strings.CutPrefix(text, "- "); ok {
		a.item = true
		text = strings.TrimLeft(rest, " ")
	}
	if key, rest, ok := strings.Cut(text, ":"); ok && (rest == "" || rest[0] == ' ') {
		a.key = strings.Trim(key, `"'`)
		if list, _, ok := strings.Cut(strings.TrimLeft(rest, " "), "["); ok && list == "" {
			a.item, a.inside = true, a.key
		}
	}
	if indent == 0 && a.inside != "" {
		a.top = a.inside
		return a
	}
	if indent == 0 && !a.item {
		a.isKey, a.top = a.key == "", a.key
		return a
	}
	for n := c.Line - 1; n >= 1; n-- {
		above := line(n)
		trimmed := strings.TrimLeft(above, " ")
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		depth := len(above) - len(trimmed)
		key, _, isKey := strings.Cut(strings.TrimPrefix(trimmed, "- "), ":")
		if isKey && a.inside == "" && depth <= indent && (trimmed[0] != '-' || depth < indent) {
			a.inside = key
		}
		if depth == 0 && trimmed[0] != '-' {
			a.top = key
			break
		}
	}
	return a
}

// completions are what may stand where the cursor is.
func (s *Screen) completions(d *document) []editor.Completion {
	c := d.ed.Context()
	if strings.HasPrefix(strings.TrimSpace(c.Before), "#") {
		return nil
	}
	a := where(d.ed.Line, c)
	switch kindOf(d.path) {
	case treefile:
		return s.treefileCompletions(d.path, a)
	case imageFile:
		return s.imageCompletions(d.path, a)
	}
	return nil
}

func (s *Screen) treefileCompletions(file string, a at) []editor.Completion {
	if a.isKey {
		return keyCompletions()
	}
	key := a.top
	if key == "repo-packages" || key == "conditional-include" {
		key = map[string]string{"repo": "repos", "packages": "packages", "include": "include"}[first(a.key, a.inside)]
	}
	if arch, ok := strings.CutPrefix(key, "packages-"); ok && arch != "" {
		key = "packages"
	}
	switch key {
	case "packages", "bootstrap-packages", "exclude-packages":
		out := make([]editor.Completion, len(s.names.packages))
		for i, p := range s.names.packages {
			out[i] = editor.Completion{Label: p.name, Detail: p.detail, Kind: "package"}
		}
		return out
	case "repos", "lockfile-repos":
		return plainCompletions(s.names.repos, "repository")
	case "include", "arch-include":
		return s.includeCompletions(file, treefile)
	case "ostree-layers", "ostree-override-layers":
		return plainCompletions(s.layerNames(), "layer")
	}
	k, ok := manifest.FindKey(a.key)
	if !ok || a.top != a.key {
		return nil
	}
	values := k.Values
	if k.Type == "true or false" {
		values = []string{"true", "false"}
	}
	var out []editor.Completion
	for _, v := range values {
		detail := ""
		if v == k.Default {
			detail = "default"
		}
		out = append(out, editor.Completion{Label: v, Detail: detail, Kind: "value"})
	}
	return out
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func keyCompletions() []editor.Completion {
	var out []editor.Completion
	for _, k := range manifest.KeyTable() {
		out = append(out, editor.Completion{Label: k.Name, Insert: k.Name + ":", Detail: string(k.Type) + "; " + k.Doc, Kind: "key"})
	}
	return out
}

func (s *Screen) imageCompletions(file string, a at) []editor.Completion {
	var out []editor.Completion
	for _, k := range workspace.ImageKeys() {
		switch {
		case a.isKey:
			out = append(out, editor.Completion{Label: k.Name, Insert: k.Name + ":", Detail: k.Type, Kind: "key"})
		case a.key == k.Name && k.Type == "true or false":
			return plainCompletions([]string{"true", "false"}, "value")
		case a.key == k.Name && k.Name == "include":
			return s.includeCompletions(file, imageFile)
		case a.key == k.Name:
			return plainCompletions(k.Values, "value")
		}
	}
	return out
}

func plainCompletions(labels []string, kind string) []editor.Completion {
	out := make([]editor.Completion, len(labels))
	for i, l := range labels {
		out[i] = editor.Completion{Label: l, Kind: kind}
	}
	return out
}

// includeCompletions are the files that a file could include.
func (s *Screen) includeCompletions(file string, kind kindOfFile) []editor.Completion {
	var out []editor.Completion
	for _, f := range s.files.Entries {
		if f.Dir || f.Path == file || kindOf(f.Path) != kind {
			continue
		}
		if rel, err := filepath.Rel(filepath.Dir(file), f.Path); err == nil {
			out = append(out, editor.Completion{Label: rel, Kind: "file"})
		}
	}
	return out
}

// layerNames are the layers that overlay.d has.
func (s *Screen) layerNames() []string {
	var out []string
	for _, f := range s.files.Entries {
		if name, ok := strings.CutPrefix(f.Path, "src/config/overlay.d/"); ok && f.Dir && !strings.Contains(name, "/") {
			out = append(out, "overlay/"+name)
		}
	}
	slices.Sort(out)
	return out
}

// offer shows completions; those that are asked for come also where nothing was typed.
func (s *Screen) offer(d *document) {
	d.ed.SetCompletions(s.completions(d))
}

// offerTyped shows completions after something was typed: from two characters of a word on,
// unless the user has closed the list for this word.
func (s *Screen) offerTyped(d *document) {
	c := d.ed.Context()
	begin := [2]int{c.Line, c.Column - len([]rune(c.Word))}
	if s.dismissed == begin || d.ed.Completing() || len(c.Word) < 2 {
		return
	}
	s.dismissed = [2]int{}
	s.offer(d)
}
