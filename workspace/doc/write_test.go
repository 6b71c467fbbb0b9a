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

// FuzzYAMLFromJSON: what was JSON means the same when it is written as YAML.
func FuzzYAMLFromJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a": ["x", "yes", "07", "", " x", "x ", "a\nb", "\n", "a\n\n", " a\n", "\ta", "#", "- a", "a: b"], "n": 1.50}`,
		`["\u2028\u0085\r", "\u0000\u007f", "\ufeff", {"<<": {"a": 1}}, "!!str a", "&a", "*a", "---", "%a", "'\"", "a #b", "1e3", ".5"]`, `"\ud83d\ude00"`, `{"": {"\n": []}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		want, ds := ParseJSON(Source{Name: "a.json"}, in)
		if len(ds) > 0 {
			return
		}
		text, err := YAMLFromJSON(in)
		if err != nil {
			t.Fatalf("%q: %v", in, err)
		}
		got, ds := ParseYAML(Source{Name: "a.yaml"}, text)
		if len(ds) > 0 {
			t.Fatalf("%q gives %q: %v", in, text, ds)
		}
		if want, got := texts(want.Value()), texts(got.Value()); want != got {
			t.Fatalf("%q gives %q:\nwant %s\ngot  %s", in, text, want, got)
		}
	})
}
