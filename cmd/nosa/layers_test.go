package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/nestos/nosa"

// layers is the table of docs/design.md §2: which package may import which of
// ours. A pattern ending in /* is the rooms below, not the room itself.
func layers() map[string][]string {
	screen := []string{"tui/canvas", "tui/editor", "tui/feed", "tui/logpane", "tui/logview", "tui/screen", "tui/term", "tui/theme", "tui/widget", "workspace", "workspace/*"}
	return map[string][]string{
		"cmd/nosa": {
			"builder", "builder/pool", "builder/oci", "builder/live", "builder/backend", "builder/container", "builder/sandbox", "builder/tool",
			"vm", "vm/*", "workspace", "workspace/*", "assets",
		},
		"cmd/nosa-tui":         {"tui"},
		"cmd/nestos-installer": {"builder/install", "builder/live", "workspace/doc", "workspace/event"},

		"tui":        {"vm/console", "vm/milestone", "workspace", "workspace/*", "tui/*", "assets"},
		"tui/source": screen, "tui/stages": screen, "tui/builds": screen,
		"tui/console":  append(slices.Clone(screen), "tui/serial", "vm/console", "vm/milestone"),
		"tui/feed":     {"vm/milestone", "workspace", "workspace/*"},
		"tui/screen":   {"tui/canvas", "tui/term", "tui/theme", "workspace", "workspace/*"},
		"tui/editor":   {"tui/canvas", "tui/term", "tui/theme", "tui/widget"},
		"tui/logpane":  {"tui/canvas", "tui/logview", "tui/screen", "tui/term", "tui/theme", "tui/widget"},
		"tui/logview":  {"tui/canvas", "tui/term", "tui/theme", "tui/widget", "workspace", "workspace/job", "workspace/event"},
		"tui/serial":   {"vm/console", "tui/vt", "tui/canvas", "tui/screen", "tui/term", "tui/theme", "workspace/event", "workspace/machine"},
		"tui/widget":   {"tui/canvas", "tui/term", "tui/theme"},
		"tui/theme":    {"tui/canvas"},
		"tui/settings": {"tui/canvas", "tui/screen", "tui/term", "tui/theme", "workspace", "workspace/*"},
		"tui/tuitest":  {"tui", "tui/*", "workspace", "workspace/*"},
		"tui/term":     {"tui/quiet"}, "tui/canvas": {}, "tui/quiet": {}, "tui/vt": {"tui/canvas"},

		"builder":           {"builder/*", "workspace", "workspace/*", "assets"},
		"builder/compose":   {"builder/ostree", "builder/sandbox", "builder/tool", "workspace/doc", "workspace/manifest", "workspace/rpmmd", "workspace/event", "workspace/proc"},
		"builder/rpmostree": {"workspace/doc", "workspace/manifest", "workspace/rpmmd", "workspace/event", "workspace/proc"},
		"builder/tree":      {"builder/sandbox", "workspace/proc", "workspace/event", "assets"},
		"builder/live":      {"builder/disk", "workspace/proc", "workspace/event", "assets"},
		"builder/container": {"builder/backend", "workspace/proc", "workspace/event", "assets"},
		"builder/backend":   {"builder/tool", "workspace/job", "workspace/proc"},

		"builder/backend/enginetest": {},
		"builder/pool":               {"workspace/rpmmd", "workspace/proc", "workspace/event", "assets"},
		"builder/ostree":             {"workspace/proc", "workspace/event", "assets"},
		"builder/disk":               {"workspace/proc", "workspace/event", "assets"},
		"builder/install":            {"builder/osmet", "builder/disk", "workspace/event"},
		"builder/osmet":              {"workspace/proc", "workspace/event"},
		"builder/oci":                {"workspace/proc", "workspace/event", "assets"},
		"builder/sandbox":            {"workspace/proc", "workspace/event", "assets"},
		"builder/tool":               {"workspace/proc", "workspace/event", "assets"},

		"workspace":          {"workspace/*", "assets"},
		"workspace/manifest": {"workspace/doc", "workspace/rpmmd"},
		"workspace/lint":     {"workspace/doc", "workspace/manifest", "workspace/proc"},
		"workspace/job":      {"workspace/event", "workspace/proc", "workspace/lock", "workspace/share"},
		"workspace/machine":  {"workspace/event", "workspace/lock", "workspace/share"},
		"workspace/person":   {"workspace/lock", "workspace/proc", "workspace/share"},
		"workspace/lock":     {"workspace/share"},
		"workspace/loop":     {"workspace/event", "workspace/share"},
		"workspace/doc":      {},
		"workspace/rpmmd":    {"workspace/share"},
		"workspace/event":    {},
		"workspace/proc":     {},
		"workspace/share":    {},

		"vm":           {"vm/console", "vm/milestone", "vm/ignition", "builder/disk", "builder/live", "workspace", "workspace/doc", "workspace/lock", "workspace/machine", "workspace/proc", "workspace/event", "workspace/share", "assets"},
		"vm/console":   {"workspace/job", "workspace/person", "workspace/proc", "workspace/share"},
		"vm/milestone": {},
		"vm/ignition":  {},
		"vm/guest":     {"vm", "vm/console", "vm/milestone", "workspace/proc"},
		"vm/snapshot":  {"vm", "vm/console", "vm/guest", "vm/milestone", "workspace/proc", "workspace/lock", "workspace/event", "workspace/share"},
		"vm/kola":      {"vm/guest", "vm/ignition", "workspace/doc", "workspace/proc"},
		"vm/check":     {"vm", "vm/*", "workspace", "workspace/*"},

		"assets": {},
	}
}

// TestLayers fails on a package that the table does not know and on an import
// that it does not allow; the fix is in the code or in docs/design.md §2.
func TestLayers(t *testing.T) {
	table := layers()
	root := filepath.Join("..", "..")
	seen := 0
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); rel != "." && (strings.HasPrefix(base, ".") || base == "testdata" || rel == "tmp" || rel == "demo" || rel == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		seen++
		pkg := filepath.ToSlash(filepath.Dir(rel))
		allowed, ok := table[pkg]
		if !ok {
			t.Errorf("%s: package %s is not in the table of docs/design.md §2", rel, pkg)
			return nil
		}
		if pkg == "cmd/nosa" && strings.HasSuffix(name, "_test.go") {
			allowed = append(slices.Clone(allowed), "builder/*") // tests of failures make the errors of all rooms
		}
		if strings.HasPrefix(pkg, "tui") && strings.HasSuffix(name, "_test.go") {
			allowed = append(slices.Clone(allowed), "tui/tuitest") // goldens of what is drawn
		}
		if (pkg == "builder/backend" || pkg == "cmd/nosa") && strings.HasSuffix(name, "_test.go") {
			allowed = append(slices.Clone(allowed), "builder/backend/enginetest")
		}
		for _, imp := range imports(t, name) {
			if imp == pkg || allows(allowed, imp) {
				continue
			}
			t.Errorf("%s: %s may not import %s (allowed: %s)", rel, pkg, imp, strings.Join(allowed, " "))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 10 {
		t.Fatalf("only %d Go files found below %s", seen, root)
	}
}

// imports lists the packages of this module that a file imports, relative to the module.
func imports(t *testing.T, name string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, spec := range file.Imports {
		full, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if full == module {
			list = append(list, ".")
		} else if rel, ok := strings.CutPrefix(full, module+"/"); ok {
			list = append(list, rel)
		}
	}
	return list
}

// allows says whether one of the patterns matches the package.
func allows(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, pkg)
		return err == nil && ok
	})
}

// TestAllows pins what the patterns of the table mean.
func TestAllows(t *testing.T) {
	for _, tc := range []struct {
		pattern, pkg string
		want         bool
	}{
		{"workspace", "workspace", true},
		{"workspace", "workspace/doc", false},
		{"workspace/*", "workspace/doc", true},
		{"workspace/*", "workspace", false},
		{"vm/*", "vm/check/deep", false},
	} {
		if got := allows([]string{tc.pattern}, tc.pkg); got != tc.want {
			t.Errorf("allows(%q, %q) = %v, want %v", tc.pattern, tc.pkg, got, tc.want)
		}
	}
}
