package manifest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/doc"
)

// FuzzLoad: whatever a treefile holds, loading it gives places within the
// config, a treefile that prints, and the same again the second time.
func FuzzLoad(f *testing.F) {
	root, ds := doc.Read("testdata/cases.yaml", doc.Source{Name: "testdata/cases.yaml"})
	if ds.HasErrors() {
		f.Fatal(ds)
	}
	for _, c := range root.Items {
		for _, e := range c.Get("files").Entries {
			f.Add([]byte(e.Value.Text))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		dir := t.TempDir()
		for name, content := range map[string][]byte{
			"manifest.yaml": in, "m.json": in,
			"a.yaml": []byte("units: [a]\nvariables: {s: 1}\nplatform-module: x\ncontainer: true\n"), "passwd": nil,
		} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"manifest.yaml", "m.json"} {
			opts := Options{Arch: "x86_64", Root: dir}
			m, ds := Load(filepath.Join(dir, name), opts)
			if _, err := m.JSON(); err != nil {
				t.Fatal(err)
			}
			m.Unsupported(EngineDNF)
			for _, d := range ds {
				if d.File == "" || d.Code == "" || d.Message == "" {
					t.Fatalf("incomplete: %#v", d)
				}
			}
			_, again := Load(filepath.Join(dir, name), opts)
			if diff := cmp.Diff(ds, again); diff != "" {
				t.Fatalf("the second load differs:\n%s", diff)
			}
		}
	})
}
