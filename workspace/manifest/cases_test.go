package manifest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/doc"
)

// writeTree writes files, names to contents, below a new directory.
func writeTree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// verdict is the worst severity that matters.
func verdict(ds doc.Diagnostics) string {
	worst := "ok"
	for _, d := range ds {
		switch d.Severity {
		case doc.Error:
			return "error"
		case doc.Warning:
			worst = "warn"
		}
	}
	return worst
}

func TestCases(t *testing.T) {
	root, ds := doc.Read("testdata/cases.yaml", doc.Source{Name: "testdata/cases.yaml"})
	if ds.HasErrors() {
		t.Fatal(ds)
	}
	if len(root.Items) < 100 {
		t.Errorf("only %d cases", len(root.Items))
	}
	for _, c := range root.Items {
		t.Run(c.Get("name").Text, func(t *testing.T) {
			files := map[string]string{}
			for _, e := range c.Get("files").Entries {
				files[e.Key.Text] = e.Value.Text
			}
			entry := c.Get("files").Entries[0].Key.Text
			dir := writeTree(t, files)
			m, ds := Load(filepath.Join(dir, entry), Options{Arch: "x86_64"})
			if want, got := c.Get("want").Text, verdict(ds); want != got {
				t.Errorf("verdict: want %s, got %s", want, got)
			}
			if code := c.Get("code"); code != nil {
				wantDiagnostic(t, ds, c.Get("want").Text+" "+code.Text+" "+c.Get("at").Text)
			}
			if effect := c.Get("effect"); effect != nil {
				wantEffect(t, m, effect)
			}
			if t.Failed() {
				t.Logf("diagnostics:\n%s", excerpts(ds, files))
			}
		})
	}
}

func excerpts(ds doc.Diagnostics, files map[string]string) string {
	return doc.Excerpts(ds, func(name string) []byte { return []byte(files[name]) })
}

func wantDiagnostic(t *testing.T, ds doc.Diagnostics, want string) {
	t.Helper()
	var got []string
	for _, d := range ds {
		severity := map[doc.Severity]string{doc.Error: "error", doc.Warning: "warn", doc.Info: "note"}[d.Severity]
		line := fmt.Sprintf("%s %s %s", severity, d.Code, d.Origin)
		if line == want {
			return
		}
		got = append(got, line)
	}
	t.Errorf("want %s, got:\n%s", want, strings.Join(got, "\n"))
}

func wantEffect(t *testing.T, m *Manifest, effect *doc.Node) {
	t.Helper()
	printed, err := m.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var all, got map[string]any
	if err := json.Unmarshal(printed, &all); err != nil {
		t.Fatal(err)
	}
	// Through JSON, so that numbers are of one type.
	encoded, err := json.Marshal(effect.Value())
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(encoded, &want); err != nil {
		t.Fatal(err)
	}
	got = map[string]any{}
	for key := range want {
		got[key] = all[key]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("effect (-want +got):\n%s", diff)
	}
}
