package doc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestYAMLFromJSON(t *testing.T) {
	in := `{"b": ["x", "yes", "true", "07", "1e3", "0o17", ".inf", "~", ""], "a": {"m": 1, "f": 1.50, "t": true, "z": null},
 "postprocess": ["#!/bin/bash\nset -e\n\techo \"a: b\"\n"], "e": [], "k: v": "- # not\u00e9"}`
	got, err := YAMLFromJSON([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	want := `b:
  - x
  - "yes"
  - "true"
  - "07"
  - "1e3"
  - "0o17"
  - ".inf"
  - "~"
  - ""
a:
  m: 1
  f: 1.50
  t: true
  z: null
postprocess:
  - |
    #!/bin/bash
    set -e
    	echo "a: b"
e: []
'k: v': '- # noté'
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// Read back it is the same document.
	before, ds := ParseJSON(Source{Name: "a.json"}, []byte(in))
	after, more := ParseYAML(Source{Name: "a.yaml"}, got)
	if len(ds)+len(more) > 0 {
		t.Fatal(ds, more)
	}
	if diff := cmp.Diff(before.Value(), after.Value()); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}
