package ostree

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzFromJSON: metadata that a treefile gives can be stored and says the same
// when it is read from the commit.
func FuzzFromJSON(f *testing.F) {
	for _, seed := range []string{`{"a": "x", "b": [1, true, 1.5], "c": {"d": []}}`, `{"n": 9223372036854775808, "e": 1e300}`, `{"z": null}`, `{"\u0000": "\u0000"}`, `{"": {"": ""}}`, `[]`, `{"a": 1e999}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, err := FromJSON(raw)
		if err != nil {
			return
		}
		entries := make([]any, len(list))
		for i, m := range list {
			entries[i] = []any{m.Key, m.Value}
		}
		stored, err := encodeVariant("a{sv}", entries)
		if err != nil {
			return // text with a zero byte
		}
		back, err := decodeVariant("a{sv}", stored)
		if err != nil {
			t.Fatalf("%q is stored as %q: %v", raw, stored, err)
		}
		got, err := json.Marshal(valueJSON("a{sv}", back))
		if err != nil {
			t.Fatal(err)
		}
		var want, read any
		if json.Unmarshal(raw, &want) != nil {
			return // a number that is too large, of a key that stands twice
		}
		if json.Unmarshal(got, &read) != nil || !reflect.DeepEqual(want, read) {
			t.Fatalf("%q became %q", raw, got)
		}
	})
}

// FuzzOverrides: the modes of a checkout are those of its files with what a
// config asks for, each file once.
func FuzzOverrides(f *testing.F) {
	for _, seed := range []string{"=420 /a\n+1024 /d\n# c\n", "= /a", "=4096 /a", "+0 /a", "=1 /gone", "x", "=1  /a", "\n\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a"), nil, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := StatOverride(dir, text)
		if err != nil {
			return
		}
		if again, err := StatOverride(dir, out); err != nil || !bytes.Equal(out, again) || bytes.Count(out, []byte("\n")) != 3 {
			t.Fatalf("%q: %q, then %q, %v", text, out, again, err)
		}
	})
}

// FuzzBootTitle: a title is one line without what GRUB takes for syntax at its
// end, whatever os-release holds; and what prune says is read or taken as nothing.
func FuzzBootTitle(f *testing.F) {
	for _, seed := range []string{"PRETTY_NAME=\"A \\\"b\\\" 1\"\nID=a\n", "ID='x'", "#PRETTY_NAME=a\nID=\n", "PRETTY_NAME=\"", "Total objects: 5\nDeleted 3 objects, 1.2 MB freed\n", "Deleted x objects, 9e999 TB freed\n"} {
		f.Add([]byte(seed), "1")
	}
	f.Fuzz(func(t *testing.T, text []byte, version string) {
		if title, err := bootTitle(text, version); err == nil && !strings.Contains(version, "\n") && (strings.Contains(title, "\n") || !strings.Contains(title, version)) {
			t.Fatalf("%q and %q: %q", text, version, title)
		}
		parsePrune(string(text))
	})
}
