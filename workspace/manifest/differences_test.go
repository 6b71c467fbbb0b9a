package manifest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/doc"
)

// Where nosa judges a treefile otherwise than rpm-ostree, a case shows it and
// the documentation tells it.
func TestDifferencesAreDocumented(t *testing.T) {
	const name, begin, end = "../../docs/differences.md", "<!-- made from workspace/manifest/testdata/cases.yaml -->\n", "<!-- end of the manifest -->\n"
	root, ds := doc.Read("testdata/cases.yaml", doc.Source{Name: "testdata/cases.yaml"})
	if ds.HasErrors() {
		t.Fatal(ds)
	}
	var b strings.Builder
	b.WriteString("| what | rpm-ostree | nosa |\n|---|---|---|\n")
	for _, c := range root.Items {
		if differs := c.Get("differs"); differs != nil {
			verdict := map[string]string{"error": "error", "warn": "warning"}[c.Get("want").Text]
			if verdict == "" {
				t.Errorf("%s: judged as upstream does", c.Get("name").Text)
			}
			fmt.Fprintf(&b, "| %s | %s | %s %s |\n", differs.Get("what").Text, differs.Get("upstream").Text, verdict, c.Get("code").Text)
		}
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(data), begin)
	got, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s: no place for the table", name)
	}
	if *update {
		if err := os.WriteFile(name, []byte(head+begin+b.String()+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(b.String(), got); diff != "" {
		t.Errorf("go test ./workspace/manifest -run DifferencesAreDocumented -update rewrites it:\n%s", diff)
	}
}
