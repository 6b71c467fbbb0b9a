package manifest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nestos/nosa/workspace/doc"
)

// load loads manifest.yaml of files and fails on errors.
func load(t *testing.T, files map[string]string) *Manifest {
	t.Helper()
	m, ds := Load(filepath.Join(writeTree(t, files), "manifest.yaml"), Options{Arch: "x86_64"})
	if ds.HasErrors() {
		t.Fatalf("load: %v", ds)
	}
	return m
}

func TestItemsKnowWhereTheyWereWritten(t *testing.T) {
	m := load(t, map[string]string{
		"manifest.yaml": "packages: [top]\ninclude:\n  - d/a.yaml\n",
		"d/a.yaml":      "packages:\n  - b a\nrepos:\n  - r1\nremove-from-packages:\n  - [p, /usr/x]\n",
	})
	inc := func(line, column int) Origin {
		return Origin{File: "d/a.yaml", Line: line, Column: column, Chain: []string{"manifest.yaml:3"}}
	}
	wantPackages := []Item{{"a", inc(2, 5)}, {"b", inc(2, 5)}, {"top", Origin{File: "manifest.yaml", Line: 1, Column: 12}}}
	if diff := cmp.Diff(wantPackages, m.Packages); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Item{{"r1", inc(4, 5)}}, m.Repos); diff != "" {
		t.Errorf("repos (-want +got):\n%s", diff)
	}
	wantRemovals := []Removal{{Package: Item{"p", inc(6, 6)}, Patterns: []Item{{"/usr/x", inc(6, 9)}}}}
	if diff := cmp.Diff(wantRemovals, m.RemoveFromPackages); diff != "" {
		t.Errorf("remove-from-packages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(inc(3, 1), m.Origins["repos"]); diff != "" {
		t.Errorf("origin of repos (-want +got):\n%s", diff)
	}
}

func TestFilesListsAllThatWasRead(t *testing.T) {
	dir := writeTree(t, map[string]string{
		"manifest.yaml":   "include: sub/inc.json\nadd-files:\n  - [motd, /etc/motd]\npostprocess-script: post.sh\n",
		"motd":            "hi\n",
		"post.sh":         "#!/bin/sh\n",
		"sub/inc.json":    `{"check-passwd": {"type": "file", "filename": "passwd"}, "arch-include": {"aarch64": "never.yaml", "x86_64": ["x86.yaml"]}}`,
		"sub/passwd":      "root:x:0:0::/root:/bin/bash\n",
		"sub/x86.yaml":    "finalize: {}\n",
		"finalize.d/10.x": "#!/bin/sh\n",
	})
	if err := os.WriteFile(filepath.Join(dir, "sub/x86.yaml"), []byte("units: [a.service]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"post.sh", "finalize.d/10.x"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m, ds := Load(filepath.Join(dir, "manifest.yaml"), Options{Arch: "x86_64"})
	var want []string
	for _, name := range []string{"manifest.yaml", "motd", "post.sh", "finalize.d/10.x", "sub/inc.json", "sub/passwd", "sub/x86.yaml"} {
		want = append(want, filepath.Join(dir, name))
	}
	if diff := cmp.Diff(want, m.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s\n%v", diff, ds)
	}
	if ds.HasErrors() {
		t.Errorf("unexpected errors: %v", ds)
	}
	if want, got := filepath.Join(dir, "sub/passwd"), m.CheckPasswd.File.Path; want != got {
		t.Errorf("check-passwd: want %s, got %s", want, got)
	}
	wantDiagnostic(t, ds, "warn TF025 finalize.d/10.x")
}

// TestReports are reports beyond those of cases.yaml.
func TestReports(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"loop", map[string]string{"manifest.yaml": "include: a.yaml\n", "a.yaml": "include: ./x/../manifest.yaml\n"}, []string{"error TF015 a.yaml:1:10"}},
		{"kickstart", map[string]string{"manifest.yaml": "include: a.ks\n", "a.ks": "%packages\n"}, []string{"error TF036 manifest.yaml:1:10"}},
		{"directory", map[string]string{"manifest.yaml": "include: a\n", "a/b": ""}, []string{"error TF014 manifest.yaml:1:10"}},
		{"script mode", map[string]string{"manifest.yaml": "postprocess-script: a.sh\n", "a.sh": "#!/bin/sh\n"}, []string{"error TF032 manifest.yaml:1:21"}},
		{"add-files source", map[string]string{"manifest.yaml": "add-files:\n  - [a, /etc/a]\n"}, []string{"error TF017 manifest.yaml:2:6"}},
		{
			"everything at once",
			map[string]string{"manifest.yaml": "include: [a.yaml, b.yaml]\nx: 1\n", "a.yaml": "selinux: 1\n", "b.yaml": "\ty\n"},
			[]string{"error TF001 manifest.yaml:2:1", "error TF002 a.yaml:1:10", "error TF027 b.yaml:1:1"},
		},
		{"key of image.yaml", map[string]string{"manifest.yaml": "extra-kargs: [a]\n"}, []string{"error TF001 manifest.yaml:1:1"}},
		{"merge key in quotes is a key", map[string]string{"manifest.yaml": "\"<<\": 1\n"}, []string{"error TF001 manifest.yaml:1:1"}},
		{"condition with one equals sign", map[string]string{"manifest.yaml": "variables: {a: 1}\nconditional-include:\n  - if: a = 1\n    include: b.yaml\n"}, []string{"error TF010 manifest.yaml:3:9"}},
		{"all conditions are checked", map[string]string{"manifest.yaml": "variables: {a: 1}\nconditional-include:\n  - if: [a == 2, b == 1]\n    include: b.yaml\n"}, []string{"error TF011 manifest.yaml:3:18"}},
		{"condition without include", map[string]string{"manifest.yaml": "conditional-include:\n  - if: basearch == \"x86_64\"\n"}, []string{"error TF002 manifest.yaml:2:5"}},
		{"body of a condition that does not hold", map[string]string{"manifest.yaml": "variables: {a: 1}\nconditional-include:\n  - if: a == 2\n    include:\n      packagez: []\n"}, []string{"error TF001 manifest.yaml:5:7"}},
		{"file in an inline body", map[string]string{"manifest.yaml": "variables: {a: 1}\nconditional-include:\n  - if: a == 1\n    include:\n      postprocess-script: x\n"}, []string{"error TF025 manifest.yaml:5:7"}},
		{"unclosed reference", map[string]string{"manifest.yaml": "ref: a/${basearch\n"}, []string{"error TF009 manifest.yaml:1:6"}},
		{"date format", map[string]string{"manifest.yaml": "automatic-version-prefix: 1.<date:%Q>\n"}, []string{"error TF031 manifest.yaml:1:27"}},
		{"version tag", map[string]string{"manifest.yaml": "automatic-version-prefix: 1.<git:x>\n"}, []string{"warn TF025 manifest.yaml:1:27"}},
		{"look-ahead", map[string]string{"manifest.yaml": "remove-from-packages:\n  - [a, '/usr/(?!x)']\n"}, []string{"error TF020 manifest.yaml:2:9"}},
		{"dot-dot in remove-files", map[string]string{"manifest.yaml": "remove-files: [usr/../etc]\n"}, []string{"error TF019 manifest.yaml:1:16"}},
		{"whole tree in remove-files", map[string]string{"manifest.yaml": "remove-files: [./]\n"}, []string{"error TF019 manifest.yaml:1:16"}},
		{"carriage return", map[string]string{"manifest.yaml": "postprocess:\n  - \"#!/bin/sh\\r\\ntrue\"\n"}, []string{"error TF030 manifest.yaml:2:5"}},
		{"rojig", map[string]string{"manifest.yaml": "rojig: {name: a, summary: b, licence: c}\n"}, []string{"error TF001 manifest.yaml:1:30", "error TF002 manifest.yaml:1:8"}},
		{"account mode", map[string]string{"manifest.yaml": "check-groups: {type: files}\n"}, []string{"error TF005 manifest.yaml:1:22"}},
		{"account id", map[string]string{"manifest.yaml": "check-groups: {type: data, entries: {adm: -1, x: [1]}}\n"}, []string{"error TF002 manifest.yaml:1:43", "error TF002 manifest.yaml:1:50"}},
		{"negative variable", map[string]string{"manifest.yaml": "variables: {a: -1}\n"}, []string{"error TF002 manifest.yaml:1:16"}},
		{"arch-include", map[string]string{"manifest.yaml": "arch-include: {amd64: a.yaml, x86_64: ~}\n"}, []string{"warn TF025 manifest.yaml:1:16", "error TF002 manifest.yaml:1:39"}},
		{"JSON syntax", map[string]string{"manifest.yaml": "include: a.json\n", "a.json": "{\"units\": [\"a\",]}\n"}, []string{"error TF027 a.json:1:15"}},
		{"column in characters", map[string]string{"manifest.yaml": "metadata: {名字: ä, b: [\"${x}\"]}\n"}, []string{"warn TF009 manifest.yaml:1:23"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, ds := Load(filepath.Join(writeTree(t, tc.files), "manifest.yaml"), Options{Arch: "x86_64"})
			for _, want := range tc.want {
				wantDiagnostic(t, ds, want)
			}
			if t.Failed() {
				t.Log("\n" + excerpts(ds, tc.files))
			}
		})
	}
}

func TestIncludeDepth(t *testing.T) {
	files := map[string]string{}
	for i := range 52 {
		name := fmt.Sprintf("%d.yaml", i)
		files[name] = fmt.Sprintf("include: %d.yaml\n", i+1)
	}
	files["52.yaml"] = "units: [deep.service]\n"
	dir := writeTree(t, files)
	m, ds := Load(filepath.Join(dir, "2.yaml"), Options{Arch: "x86_64"})
	if ds.HasErrors() || len(m.Units) != 1 {
		t.Errorf("50 levels: got units %v, %v", m.Units, ds)
	}
	_, ds = Load(filepath.Join(dir, "1.yaml"), Options{Arch: "x86_64"})
	wantDiagnostic(t, ds, "error TF016 51.yaml:1:10")
}

func TestSymlinkIsTheSameFile(t *testing.T) {
	dir := writeTree(t, map[string]string{"manifest.yaml": "include: [a.yaml, b.yaml]\n", "a.yaml": "units: [a]\n"})
	if err := os.Symlink("a.yaml", filepath.Join(dir, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	_, ds := Load(filepath.Join(dir, "manifest.yaml"), Options{Arch: "x86_64"})
	wantDiagnostic(t, ds, "error TF015 manifest.yaml:1:19")
}

func TestNamesRelativeToRoot(t *testing.T) {
	dir := writeTree(t, map[string]string{"tmp/override.yaml": "include: ../config/manifest.yaml\n", "config/manifest.yaml": "x: 1\n"})
	_, ds := Load(filepath.Join(dir, "tmp/override.yaml"), Options{Arch: "x86_64", Root: filepath.Join(dir, "config")})
	want := doc.Diagnostics{{
		Severity: doc.Error, Code: "TF001", Message: `unknown key "x"`,
		Origin: Origin{File: "manifest.yaml", Line: 1, Column: 1, Chain: []string{filepath.Join(dir, "tmp/override.yaml") + ":1"}},
	}}
	if diff := cmp.Diff(want, ds, cmpopts.IgnoreFields(doc.Diagnostic{}, "Hint")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestMissingTreefile(t *testing.T) {
	m, ds := Load(filepath.Join(t.TempDir(), "manifest.yaml"), Options{Arch: "x86_64"})
	wantDiagnostic(t, ds, "error TF014 manifest.yaml")
	if m == nil {
		t.Error("no manifest")
	}
}

// TestUnsupported: what rpm-ostree builds and our engine does not is named
// with its place; values that change nothing are not.
func TestUnsupported(t *testing.T) {
	m := load(t, map[string]string{
		"manifest.yaml": "cliwrap: false\nima: true\nboot-location: modules\ninclude: a.yaml\nadvisories-metadata: detached\n",
		"a.yaml":        "boot-location: kernel-install\ncliwrap-binaries: [rpm]\nignore-devices: true\nrepo-metadata: disabled\n",
	})
	var got []string
	for _, d := range m.Unsupported(EngineDNF) {
		got = append(got, d.Code+" "+d.Origin.String()+" "+strings.SplitN(d.Message, " cannot", 2)[0])
	}
	want := []string{
		"TF036 a.yaml:2:1 cliwrap-binaries",
		"TF036 manifest.yaml:2:1 ima: true",
		"TF036 manifest.yaml:5:1 advisories-metadata: detached",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestJSONHasOnlyWhatWasSet(t *testing.T) {
	m := load(t, map[string]string{
		"manifest.yaml": "container: false\nreleasever: 0x28\nadd-commit-metadata: {v: \"<${releasever}>\", n: 1.50, l: [1, ~]}\n" +
			"check-groups: {type: data, entries: {b: 1}}\ncheck-passwd: {type: data, entries: {b: [1, 2], a: 3}}\nadd-files:\n  - [f, /etc/f]\n",
		"f": "",
	})
	m.OverrideLayers = append(m.OverrideLayers, Item{Text: "overlay/x"}) // as a builder adds it
	got, err := m.JSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "basearch": "x86_64",
  "releasever": "40",
  "ostree-override-layers": [
    "overlay/x"
  ],
  "container": false,
  "check-passwd": {
    "type": "data",
    "entries": {
      "a": 3,
      "b": [
        1,
        2
      ]
    }
  },
  "check-groups": {
    "type": "data",
    "entries": {
      "b": 1
    }
  },
  "add-files": [
    [
      "f",
      "/etc/f"
    ]
  ],
  "add-commit-metadata": {
    "l": [
      1,
      null
    ],
    "n": 1.5,
    "v": "<40>"
  }
}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestKeyTable(t *testing.T) {
	seen := map[string]bool{}
	fields := (&Manifest{}).fields()
	for _, key := range KeyTable() {
		if seen[key.Name] || key.Doc == "" || key.Type == "" || key.Rule == "" {
			t.Errorf("key %q is there twice or not described", key.Name)
		}
		seen[key.Name] = true
		if _, ok := fields[key.Name]; len(key.Refused) > 0 && !ok {
			t.Errorf("%s is refused but has no field to look at", key.Name)
		}
	}
	for name := range fields {
		if !seen[name] {
			t.Errorf("the field %s is not in the table", name)
		}
	}
}
