package manifest

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/nestos/nosa/workspace/doc"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	text, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("treefile.json", text); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("treefile.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance is a document as a schema sees it.
func instance(t *testing.T, n *doc.Node) any {
	t.Helper()
	data, err := json.Marshal(n.Value())
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The schema agrees with the loader: what the loader accepts in a file of its
// own, the schema accepts; what the loader says of types, keys and choices, the
// schema refuses.
func TestSchemaAgrees(t *testing.T) {
	s := compileSchema(t)
	root, ds := doc.Read("testdata/cases.yaml", doc.Source{Name: "testdata/cases.yaml"})
	if ds.HasErrors() {
		t.Fatal(ds)
	}
	// Refused for other reasons than what a schema of one file can tell.
	schemaCodes := map[string]bool{codeUnknown: true, codeType: true, codeChoice: true, codeRemoved: true, codeClient: true, codeMergeKey: true, codeReserved: true}
	refused, accepted := 0, 0
	for _, c := range root.Items {
		entry := c.Get("files").Entries[0]
		n, ds := doc.Parse(doc.Source{Name: entry.Key.Text}, []byte(entry.Value.Text))
		if len(ds) > 0 || n == nil || n.Kind != doc.Map || !doc.IsYAML(entry.Key.Text) {
			continue
		}
		err := s.Validate(instance(t, n))
		code, want := c.Get("code"), c.Get("want").Text
		at := c.Get("at")
		inFirst := at != nil && doc.IsYAML(entry.Key.Text) && len(at.Text) > len(entry.Key.Text) && at.Text[:len(entry.Key.Text)] == entry.Key.Text
		switch {
		case want != "error" && err != nil:
			t.Errorf("%s: accepted by the loader, but: %v", c.Get("name").Text, err)
		case want != "error":
			accepted++
		case inFirst && schemaCodes[code.Text] && err == nil:
			t.Errorf("%s: the loader says %s, the schema nothing", c.Get("name").Text, code.Text)
		case err != nil:
			refused++
		}
	}
	if accepted < 20 || refused < 15 {
		t.Errorf("only %d accepted and %d refused cases were compared", accepted, refused)
	}
}

func TestSchemaAcceptsCorpora(t *testing.T) {
	s := compileSchema(t)
	files := 0
	for _, dir := range []string{"corpus-nestos-master", "corpus-nestos-24.03"} {
		for _, pattern := range []string{"manifest.yaml", "manifests/*.yaml"} {
			names, err := filepath.Glob(filepath.Join("testdata", dir, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				n, ds := doc.Read(name, doc.Source{Name: name})
				if ds.HasErrors() {
					t.Fatal(ds)
				}
				if err := s.Validate(instance(t, n)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				files++
			}
		}
	}
	if files < 8 {
		t.Errorf("only %d files", files)
	}
}
