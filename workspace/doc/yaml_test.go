package doc

import (
	"bytes"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// outline writes a node as lines of place, type and text.
func outline(n *Node, indent string) string {
	if n == nil {
		return indent + "-\n"
	}
	at := fmt.Sprintf("%s%d:%d ", indent, n.Line, n.Column)
	switch n.Kind {
	case List:
		s := at + "list\n"
		for _, item := range n.Items {
			s += outline(item, indent+"  ")
		}
		return s
	case Map:
		s := at + "map\n"
		for _, e := range n.Entries {
			dup := ""
			if e.First != nil {
				dup = fmt.Sprintf(" (as on line %d)", e.First.Line)
			}
			s += fmt.Sprintf("%s  %d:%d %s%s\n", indent, e.Key.Line, e.Key.Column, e.Key.Text, dup) + outline(e.Value, indent+"    ")
		}
		return s
	}
	return at + []string{"null", "bool", "int", "float", "string"}[n.Type] + " " + n.Text + "\n"
}

func TestParseYAML(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"empty", "", "-\n"},
		{"comments only", "# a\n# b\n", "-\n"},
		{"byte order mark and CRLF", "\xef\xbb\xbfa: 1\r\nb: x\r\n", "1:1 map\n  1:1 a\n    1:4 int 1\n  2:1 b\n    2:4 string x\n"},
		{"columns in characters", "{名字: ä, b: ö}", "1:1 map\n  1:2 名字\n    1:6 string ä\n  1:9 b\n    1:12 string ö\n"},
		{"empty list item", "a:\n  - b\n  -\n  - ~\n", "1:1 map\n  1:1 a\n    2:3 list\n      2:5 string b\n      3:3 null \n      4:5 null ~\n"},
		{"line breaks that editors do not count", "a: \"x\u2028y\"\nb: 1\n", "1:1 map\n  1:1 a\n    1:4 string x\u2028y\n  2:1 b\n    2:4 int 1\n"},
		{"duplicate", "a: 1\na: 2\n", "1:1 map\n  1:1 a\n    1:4 int 1\n  2:1 a (as on line 1)\n    2:4 int 2\n"},
		{"alias", "a: &x [1]\nb: *x\n", "1:1 map\n  1:1 a\n    1:4 list\n      1:8 int 1\n  2:1 b\n    2:4 list\n      1:8 int 1\n"},
		{"merge key stays", "<<: {a: 1}\n", "1:1 map\n  1:1 <<\n    1:5 map\n      1:6 a\n        1:9 int 1\n"},
		{"block", "a: |\n  x\n  y\n", "1:1 map\n  1:1 a\n    1:4 string x\ny\n\n"},
		{"str tag", "[!!str 1, !mine 1]", "1:1 list\n  1:2 string 1\n  1:11 int 1\n"},
		{"trailing separator", "a: 1\n...\n", "1:1 map\n  1:1 a\n    1:4 int 1\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n, ds := ParseYAML(Source{Name: "a.yaml"}, []byte(tc.in))
			if len(ds) > 0 {
				t.Fatal(ds)
			}
			if diff := cmp.Diff(tc.want, outline(n, "")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestPlainTypes(t *testing.T) {
	for typ, texts := range map[Type]string{
		Null:   "~ null Null NULL",
		Bool:   "true True TRUE false False FALSE",
		Int:    "0 1 -1 +1 0x1f 0o17 0b11 9223372036854775807 18446744073709551615",
		Float:  "22.03 1. .5 1e3 -1.5E-3 .inf -.Inf .NaN 18446744073709551616",
		String: "yes no on off y n Yes 07 4_0 00 0x 0xg -0x-1 --1 1.2.3 2026-11-02 1e infinity nan tRUE 24.03-LTS",
	} {
		for text := range strings.FieldsSeq(texts) {
			n, ds := ParseYAML(Source{Name: "a.yaml"}, []byte(text))
			if len(ds) > 0 || !n.Is(typ) {
				t.Errorf("%s: want type %d, got %+v %v", text, typ, n, ds)
			}
		}
	}
}

func TestValues(t *testing.T) {
	n, ds := ParseYAML(Source{Name: "a.yaml"}, []byte("[0x10, -3, 18446744073709551615, 1.5, .inf, TRUE, False, ~, 'x', {a: [b]}]"))
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	want := []any{int64(16), int64(-3), uint64(18446744073709551615), 1.5, nil, true, false, nil, "x", map[string]any{"a": []any{"b"}}}
	if diff := cmp.Diff(any(want), n.Value()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestYAMLSlips: a syntax error is reported at the place to repair.
func TestYAMLSlips(t *testing.T) {
	for _, tc := range []struct{ name, in, at, message string }{
		{"tab", "a:\n\t- b\n", "2:1", "tab character"},
		{"tab behind spaces", "a:\n  \tb: c\n", "2:3", "tab character"},
		{"conflict", "a:\n  - b\n<<<<<<< HEAD\n  - c\n=======\n  - d\n>>>>>>> x\n", "3:1", "conflict marker"},
		{"here-document", "s:\n  - |\n    cat <<-'END' >x\n[Unit]\nEND\n", "4:1", "the text block opened on line 2 ends here, within the here-document END of line 3"},
		{"here-document of a key", "a: 1\ns: |\n  cat <<EOF\n  x\nb;\nEOF\n", "5:1", "opened on line 2"},
		{"bracket", "a: [b\nc: d\n", "1:4", "'[' is never closed"},
		{"brace", "a:\n  - {b: [c]\n  - d\n", "2:5", "'{' is never closed"},
		{"quote", "a: \"b\nc: d\n", "1:4", "quote is never closed"},
		{"single quote", "a:\n  - 'b\n  - c\n", "2:5", "quote is never closed"},
		{"at sign", "a:\n  - @core\n", "2:5", "package groups are not supported"},
		{"backtick", "a: `b`\n", "1:4", "must not begin with `"},
		{"percent", "a: %b\n", "1:4", "must not begin with %"},
		{"star", "a:\n  - *\n", "2:5", "must not begin with *"},
		{"colon in a value", "s: NestOS: the OS\n", "1:10", "mapping values are not allowed"},
		{"no space behind colon", "a:\n- b\nref:x\nc: 1\n", "3:4", "a colon after a key needs a space"},
		{"indented too far", "a:\n  - b\n c: d\n", "3:2", "indentation"},
		{"indented too far below a map", "a:\n    b: 1\n   c: 2\nd: 3\n", "3:4", "indentation"},
		{"error far down", strings.Repeat("a:\n  - b\n", 300) + "x:\n  - y\n z: 1\n", "603:2", "indentation"},
		{"behind a long list", "a: [b,\n  c,\n  d]\ne:\n  - f\n g: 1\n", "6:2", "indentation"},
		{"alias without anchor", "a: *b\n", "1:1", "unknown anchor"},
		{"alias in itself", "a: &b [*b]\n", "1:8", "inside the value that it names"},
		{"two documents", "a: 1\n---\nb: 2\n", "2:1", "a second document begins here"},
		{"list as key", "a: 1\n[b]: c\n", "2:1", "a key must be a word"},
		{"not UTF-8", "a: 1\nb: x\xff\n", "2:5", "0xff is not UTF-8"},
		{"control character", "a: \x01\n", "1:1", "control characters"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, ds := ParseYAML(Source{Name: "a.yaml"}, []byte(tc.in))
			if len(ds) != 1 || ds[0].Origin.String() != "a.yaml:"+tc.at || !strings.Contains(ds[0].String(), tc.message) {
				t.Errorf("want %s with %q, got %v", tc.at, tc.message, ds)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 12 {
		ref := fmt.Sprintf("*a%d", i)
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.Join([]string{ref, ref, ref, ref, ref, ref, ref, ref, ref, ref}, ", "))
	}
	for name, in := range map[string]string{
		"aliases": bomb,
		"depth":   strings.Repeat("[", 200) + strings.Repeat("]", 200),
		"values":  "[" + strings.Repeat("1, ", MaxNodes+1) + "]",
		"size":    strings.Repeat("#", MaxBytes+1),
	} {
		if _, ds := ParseYAML(Source{Name: "a.yaml"}, []byte(in)); len(ds) != 1 || ds[0].Code != CodeLimit {
			t.Errorf("YAML %s: want %s, got %v", name, CodeLimit, ds)
		}
		if name == "aliases" {
			continue
		}
		if _, ds := ParseJSON(Source{Name: "a.json"}, []byte(strings.ReplaceAll(in, ", ]", "]"))); len(ds) != 1 || ds[0].Code != CodeLimit {
			t.Errorf("JSON %s: want %s, got %v", name, CodeLimit, ds)
		}
	}
}

func TestReadRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir:                          "a directory",
		filepath.Join(dir, "absent"): "no such file",
		"/dev/zero":                  "a device",
	} {
		if _, ds := Read(path, Source{Name: "x"}); len(ds) != 1 || ds[0].Code != CodeMissing || !strings.Contains(ds[0].Message, want) {
			t.Errorf("%s: want %q, got %v", path, want, ds)
		}
	}
}

// checkDocument fails on nodes and reports that have no place in the source.
func checkDocument(t *testing.T, in []byte, n *Node, ds Diagnostics) {
	t.Helper()
	if n != nil && len(ds) > 0 {
		t.Fatalf("both a node and %v", ds)
	}
	lines := strings.Split(string(trimBOM(in)), "\n")
	inside := func(o Origin) {
		if o.Line < 1 || o.Line > len(lines) || o.Column < 1 || o.Column > utf8.RuneCountInString(lines[o.Line-1])+1 {
			t.Fatalf("%v lies outside of the document %q", o, in)
		}
	}
	for _, d := range ds {
		inside(d.Origin)
		if Excerpt(d, in) == "" {
			t.Fatal("empty excerpt")
		}
	}
	var walk func(n *Node)
	walk = func(n *Node) {
		inside(n.Origin)
		for _, item := range n.Items {
			walk(item)
		}
		for _, e := range n.Entries {
			walk(e.Key)
			walk(e.Value)
		}
	}
	if n != nil {
		walk(n)
		n.Value()
	}
}

// FuzzLoadYAML: all places lie within the document, the second time gives the
// same, and what is JSON as well, and not written in a way that YAML reads
// otherwise, means the same.
func FuzzLoadYAML(f *testing.F) {
	for _, seed := range []string{
		"", "~", "a: 1\nb: [x, 'y', \"z\"]\n", "a:\n\t- b\n", "s:\n  - |\n    cat <<EOF\nx\nEOF\n", "a: &x {b: *x}\n", "a: [b\n",
		"? [a]\n: b\n", "--- >-\n a\n...\n", "%YAML 1.1\n---\na: 1\n", "a: \"\\u2028\u2028\u0085\"\r\rb: 1\n", "- - - -\n", "<<<<<<< a\n", "'", "\xef\xbb\xbf\ta",
		"a: !!binary x\nb: !!str 1\n", "&a a: *a\n", "{a: b, <<: c}\n", "a: b: c\n", "a:\n - *\n", "k: |2\n   x\n", "#\r#\n@",
		`{"a": [1, "b", {}, null], "c": {"d": "e f"}}`, "- &a [x]\n- *a\n- ? b\n", "a: >-\n  b\n\n  c\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		n, ds := ParseYAML(Source{Name: "a.yaml"}, in)
		checkDocument(t, in, n, ds)
		again, dsAgain := ParseYAML(Source{Name: "a.yaml"}, in)
		if outline(n, "") != outline(again, "") || !reflect.DeepEqual(ds, dsAgain) {
			t.Fatalf("%q: the second time differs", in)
		}
		if bytes.ContainsFunc(in, func(r rune) bool { return r < ' ' && r != '\n' || r > '~' || r == '\\' }) {
			return
		}
		if j, bad := ParseJSON(Source{Name: "a.json"}, in); len(bad) == 0 && len(ds) == 0 {
			if want, got := texts(j.Value()), texts(n.Value()); want != got {
				t.Fatalf("%q: as JSON %s, as YAML %s", in, want, got)
			}
		}
	})
}
