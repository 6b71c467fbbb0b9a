package manifest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/doc"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestCorpora loads real configs: nothing may be wrong with them, nothing in
// them may be beyond our engine, and the merge must stay what it is.
func TestCorpora(t *testing.T) {
	for _, tc := range []struct{ dir, arch string }{
		{"corpus-nestos-master", "x86_64"},
		{"corpus-nestos-master", "aarch64"},
		{"corpus-nestos-24.03", "x86_64"},
		{"corpus-nestos-24.03", "aarch64"},
	} {
		t.Run(tc.dir+" "+tc.arch, func(t *testing.T) {
			m, ds := Load(filepath.Join("testdata", tc.dir, "manifest.yaml"), Options{Arch: tc.arch})
			for _, d := range append(ds, m.Unsupported(EngineDNF)...) {
				if d.Severity != doc.Info {
					t.Errorf("unexpected: %v", d)
				}
			}
			got, err := m.JSON()
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", tc.dir+"."+tc.arch+".json")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("merged treefile (-want +got):\n%s", diff)
			}
		})
	}
}
