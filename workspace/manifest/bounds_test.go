package manifest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/nestos/nosa/workspace/doc"
)

// hasLimit looks for a report of an exceeded bound at a place.
func hasLimit(t *testing.T, ds doc.Diagnostics, at, message string) {
	t.Helper()
	for _, d := range ds {
		if d.Code == doc.CodeLimit && d.Origin.String() == at && strings.Contains(d.Message, message) {
			return
		}
	}
	t.Errorf("want %s at %s with %q, got %d others, first %v", doc.CodeLimit, at, message, len(ds), ds[:min(len(ds), 3)])
}

// TestTotals: what files and texts together may take is bounded, and the report
// names the include at which it was too much.
func TestTotals(t *testing.T) {
	many := func(n int, content string) map[string]string {
		var top strings.Builder
		top.WriteString("include:\n")
		files := map[string]string{}
		for i := range n {
			fmt.Fprintf(&top, "  - p/%d.yaml\n", i)
			files[fmt.Sprintf("p/%d.yaml", i)] = content
		}
		files["manifest.yaml"] = top.String()
		return files
	}
	comment := "ref: x\n#" + strings.Repeat("x", doc.MaxBytes-10)
	for _, tc := range []struct {
		name    string
		files   map[string]string
		at      string
		message string
	}{
		{"files", many(maxFiles+5, "units: [a]\n"), "manifest.yaml:2001:5", "p/1999.yaml is more than the 2000 treefiles"},
		{"bytes", many(9, comment), "manifest.yaml:9:5", "with p/7.yaml the treefiles are larger than 16 MiB together"},
		{"values", many(20, "metadata: {x: &x ["+strings.Repeat("1,", doc.MaxNodes/16)+"1], y: ["+strings.Repeat("*x,", 13)+"*x]}\n"), "manifest.yaml:19:5", "hold more than 1048576 values"},
		{
			"requests",
			map[string]string{"manifest.yaml": "include: a.yaml\npackages:\n  - " + strings.Repeat("a ", maxValues/2) + "\n", "a.yaml": "packages: [a, " + strings.Repeat("a ", maxValues/2) + "]\n"},
			"a.yaml:1:15", "more than 1048576 values and package requests",
		},
		{
			"substitution",
			map[string]string{"manifest.yaml": "variables: {a: " + strings.Repeat("x", 1<<19) + "}\nref: " + strings.Repeat("${a}", 1<<17) + "\n"},
			"manifest.yaml:2:6", "16 MiB longer",
		},
		{"pattern", map[string]string{"manifest.yaml": "remove-from-packages:\n  - [a, " + strings.Repeat("x", maxPattern+1) + "]\n"}, "manifest.yaml:2:9", "longer than 4 KiB"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			top := filepath.Join(writeTree(t, tc.files), "manifest.yaml")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, ds := Load(top, Options{Arch: "x86_64"})
			runtime.ReadMemStats(&after)
			hasLimit(t, ds, tc.at, tc.message)
			if room := after.TotalAlloc - before.TotalAlloc; room > 512<<20 {
				t.Errorf("%d MiB", room>>20)
			}
			if n := len(ds); n > 3 {
				t.Errorf("%d diagnostics: %v", n, ds[:3])
			}
		})
	}
}

// TestWideAndDeep: what is repeated in a treefile of the largest size takes no
// more than memory in proportion, and its reports are counted rather than kept.
func TestWideAndDeep(t *testing.T) {
	numbered := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i, i)
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"unknown keys":        numbered("k%d: %d\n", 7500),
		"the same key":        strings.Repeat("packages-x86_64: [a]\n", 5000),
		"undefined variables": "variables:\n" + numbered("  v%d: a%d\n", 2500) + "metadata:\n" + numbered("  m%d: ${u%d}${u}\n", 2500),
		"undefined in one":    "variables:\n" + numbered("  v%d: a%d\n", 2000) + "ref: " + numbered("${u%d}%d", 12500) + "\n",
		"missing includes":    "include:\n" + numbered("  - %d/%d.yaml\n", 7500),
		"missing sources":     "add-files:\n" + numbered("  - [f%d, /usr/%d]\n", 2500),
		"sources":             "add-files:\n" + numbered("  - [%.0[1]da, /usr/%d]\n", 2500),
		"repo-packages":       "repo-packages:\n" + numbered("  - {repo: r%d, packages: [a, b%d]}\n", 2000),
		"excluded":            "packages:\n" + numbered("  - p%d q%d\n", 5000) + "exclude-packages:\n" + numbered("  - p%d # %d\n", 5000),
		"conditions":          "conditional-include:\n" + numbered("  - {if: 'a%d == %d', include: {packages: [a]}}\n", 2000),
		"inline bodies":       "conditional-include:\n" + numbered("  - {if: 'basearch != \"%d\"', include: {packages: [a%d]}}\n", 2000),
		"patterns":            "remove-from-packages:\n" + numbered("  - [a%d, '((\\pLx%d{30}){30})']\n", 2500),
		"rojig members":       "rojig:\n" + numbered("  n%d: %d\n", 7500),
		"accounts":            "check-passwd: {type: data, entries: {" + numbered("a%d: [%d, x], ", 2500) + "}}\n",
		"long key":            "? " + strings.Repeat("k", doc.MaxBytes-200) + "\n: 1\n",
		"long list item":      "units:\n  - " + strings.Repeat("${x}", 400000) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeTree(t, map[string]string{"manifest.yaml": text, "a": "", "0a": ""})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			m, ds := Load(filepath.Join(dir, "manifest.yaml"), Options{Arch: "x86_64"})
			runtime.ReadMemStats(&after)
			if len(ds) > 3*(doc.MaxReported+1) {
				t.Errorf("%d diagnostics", len(ds))
			}
			if room := after.TotalAlloc - before.TotalAlloc; room > 256<<20 {
				t.Errorf("%d MiB", room>>20)
			}
			if _, err := m.JSON(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWhatIsNoFile: pipes, devices and directories are never opened.
func TestWhatIsNoFile(t *testing.T) {
	dir := writeTree(t, map[string]string{
		"manifest.yaml": "include: [pipe, zero, dir]\nadd-files:\n  - [pipe, /usr/a]\n  - [zero, /usr/b]\npostprocess-script: pipe\n" +
			"check-passwd: {type: file, filename: pipe}\n",
		"dir/x":  "",
		"m.yaml": "include: ../link/a.yaml\nref: a\n",
		"a.yaml": "ref: b\n",
	})
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"zero": "/dev/zero", "loop.yaml": "loop.yaml"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	_, ds := Load(filepath.Join(dir, "manifest.yaml"), Options{Arch: "x86_64"})
	if len(ds) != 7 || !ds.HasErrors() {
		t.Errorf("%d diagnostics: %v", len(ds), ds)
	}
	for _, name := range []string{"pipe", "zero", "loop.yaml", "dir"} {
		if _, ds := Load(filepath.Join(dir, name), Options{Arch: "x86_64"}); len(ds) != 1 || ds[0].Code != doc.CodeMissing {
			t.Errorf("%s: %v", name, ds)
		}
	}
}
