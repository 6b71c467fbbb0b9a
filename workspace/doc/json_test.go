package doc

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseJSON(t *testing.T) {
	in := "{\"a\": [1, -2.5e3, true, null],\n \"ä\\u00e9\\/\\ud83d\\ude00\\n\": {\"b\": \"x\"}, \"a\": 0}\n"
	n, ds := ParseJSON(Source{Name: "a.json"}, []byte(in))
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	want := "1:1 map\n  1:2 a\n    1:7 list\n      1:8 int 1\n      1:11 float -2.5e3\n      1:19 bool true\n      1:25 null \n" +
		"  2:2 äé/😀\n\n    2:29 map\n      2:30 b\n        2:35 string x\n  2:41 a (as on line 1)\n    2:46 int 0\n"
	if diff := cmp.Diff(want, outline(n, "")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestJSONSlips(t *testing.T) {
	for _, tc := range []struct{ in, at, message string }{
		{"", "1:1", "the file is empty"},
		{" \n", "2:1", "the file is empty"},
		{"{", "1:1", "'{' is never closed"},
		{"{\"a\": [1, 2}", "1:12", "want ',' or ']', found }"},
		{"{\"a\": [1,\n", "1:7", "is never closed"},
		{"[1,]", "1:3", "a comma stands before ']'"},
		{"{\"a\": 1,}", "1:8", "a comma stands before '}'"},
		{"{a: 1}", "1:2", "want a key in double quotes, found a"},
		{"{\"a\" 1}", "1:6", "want ':' after the key"},
		{"{\"a\": yes}", "1:7", "yes is no JSON value"},
		{"{\"a\": 'x'}", "1:7", "want a value, found '"},
		{"[01]", "1:2", "must not begin with 0"},
		{"[1.]", "1:4", "want a digit"},
		{"[1, 1e400]", "1:5", "the number 1e400 is too large"},
		{"[-]", "1:3", "want a digit"},
		{"[\"a\nb\"]", "1:2", "no closing quote"},
		{"[\"\t\"]", "1:3", "control character"},
		{"[\"\\x\"]", "1:3", "no escape of JSON"},
		{"[\"\\u12\"]", "1:3", "four hexadecimal digits"},
		{"[\"\\ud800x\"]", "1:3", "surrogate"},
		{"[1] x", "1:5", "nothing may follow"},
		{"// a\n{}", "1:1", "want a value, found /"},
		{"[\"ä\", \xff]", "1:7", "not UTF-8"},
	} {
		_, ds := ParseJSON(Source{Name: "a.json"}, []byte(tc.in))
		if len(ds) != 1 || ds[0].Origin.String() != "a.json:"+tc.at || !strings.Contains(ds[0].String(), tc.message) {
			t.Errorf("%q: want %s with %q, got %v", tc.in, tc.at, tc.message, ds)
		}
	}
}

func TestParseByName(t *testing.T) {
	_, ds := Parse(Source{Name: "manifest.yaml.in"}, []byte("a: 1\n"))
	if len(ds) != 1 || ds[0].Origin.String() != "manifest.yaml.in:1:1" || !strings.Contains(ds[0].Hint, "only files called .yaml or .yml are read as YAML") {
		t.Errorf("got %v", ds)
	}
	for _, name := range []string{"a.yaml", "b.yml"} {
		if _, ds := Parse(Source{Name: name}, []byte("a: 1\n")); len(ds) > 0 {
			t.Errorf("%s: %v", name, ds)
		}
	}
}

// FuzzLoadJSON: what we accept, the standard library accepts and reads the
// same, and the other way round, our bounds apart.
func FuzzLoadJSON(f *testing.F) {
	for _, seed := range []string{
		"", "{}", `{"a": [1, -2.5e3, true, null, "x"]}`, `"\ud83d\ude00\/"`, `["\ud800"]`, "[1,]", "[01]", "{\"a\":1,\"a\":2}", "[1e400]", "[\"\x7f\"]",
		"[18446744073709551616]", "\xef\xbb\xbf[]", "[-0]", "[1.0E+2]", "tru", "[\"\\u00e9\"]", "[[[[", "{\"a\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		n, ds := ParseJSON(Source{Name: "a.json"}, in)
		checkDocument(t, in, n, ds)
		var std any
		err := json.Unmarshal(trimBOM(in), &std)
		switch {
		case len(ds) > 0 && (ds[0].Code == CodeLimit || strings.Contains(ds[0].Message, "surrogate") || strings.Contains(ds[0].Message, "UTF-8")):
		case len(ds) == 0 && err != nil:
			t.Fatalf("%q is accepted, but: %v", in, err)
		case len(ds) > 0 && err == nil:
			t.Fatalf("%q is refused: %v", in, ds)
		case len(ds) == 0 && err == nil:
			if want, got := texts(std), texts(n.Value()); want != got {
				t.Fatalf("%q: want %s, got %s", in, want, got)
			}
		}
	})
}

// texts joins the texts and keys of v, of duplicate keys the last value's.
func texts(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	if err := e.Encode(onlyTexts(v)); err != nil {
		return err.Error()
	}
	return b.String()
}

func onlyTexts(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for key, value := range v {
			m[key] = onlyTexts(value)
		}
		return m
	case []any:
		list := []any{}
		for _, item := range v {
			list = append(list, onlyTexts(item))
		}
		return list
	case string, bool:
		return v
	}
	return nil
}
