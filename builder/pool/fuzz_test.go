package pool

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzStanzas: what is read of a control file is written and read again as the
// same, and keeping some fields only is the same as leaving out the others.
func FuzzStanzas(f *testing.F) {
	for _, seed := range []string{"Package: a\nDepends: b,\n c\n\nPackage: d\n", "a:\n b\n\tc\n", "# c\na: b\r\n\r\nc: d", " x\n", "a\n", ":\n x\n", "a: b\na: c\n d\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		read := func(text []byte, keep ...string) (all []stanza, err error) {
			err = readStanzas(bytes.NewReader(text), keep, func(s stanza) error { all = append(all, s); return nil })
			return all, err
		}
		all, err := read(text)
		if err != nil {
			return
		}
		var b strings.Builder
		for _, s := range all {
			for _, key := range slices.Sorted(maps.Keys(s)) {
				if key == "" || strings.ContainsAny(key[:1], "# \t") {
					return // written again it would be something else
				}
				b.WriteString(key + ":" + strings.ReplaceAll(s[key], "\n", "\n ") + "\n")
			}
			b.WriteString("\n")
		}
		again, err := read([]byte(b.String()))
		if err != nil || cmp.Diff(all, again) != "" {
			t.Fatalf("%q became %q: %v\n%s", text, b.String(), err, cmp.Diff(all, again))
		}
		some, err := read(text, "a", "Package")
		if err != nil {
			t.Fatal(err)
		}
		var want []stanza
		for _, s := range all {
			maps.DeleteFunc(s, func(key, _ string) bool { return key != "a" && key != "Package" })
			if len(s) > 0 {
				want = append(want, s)
			}
		}
		if diff := cmp.Diff(want, some); diff != "" {
			t.Fatalf("%q: %s", text, diff)
		}
	})
}

// FuzzRelations: what is read of a Depends-like field has names that can stand
// in a path, and reads the same when it is written again.
func FuzzRelations(f *testing.F) {
	for _, seed := range []string{"a1, b2 (>= 1:2-3~x) | c3:any [amd64] <!nocheck>", "aa(<1),,", "../x", "aa (>= )", "aa (>> 1", "aa (= 1) (= 2)", "aa|"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		clauses, err := parseRelations(field)
		if err != nil {
			return
		}
		var text []string
		for _, c := range clauses {
			var alternatives []string
			for _, r := range c {
				if strings.ContainsAny(r.name, "/ ()|,") || strings.Trim(r.name, ".") == "" || (r.op == "") != (r.version == "") {
					t.Fatalf("%q: %+v", field, r)
				}
				one := r.name
				if r.op != "" {
					one += " (" + r.op + " " + r.version + ")"
				}
				alternatives = append(alternatives, one)
			}
			text = append(text, strings.Join(alternatives, " | "))
		}
		again, err := parseRelations(strings.Join(text, ", "))
		if err != nil || cmp.Diff(clauses, again, cmp.AllowUnexported(relation{})) != "" {
			t.Fatalf("%q became %q: %v", field, text, err)
		}
	})
}

// FuzzRelease: a release file names what it has by a checksum and a size.
func FuzzRelease(f *testing.F) {
	sum := strings.Repeat("0a", 32)
	f.Add([]byte("Codename: x\nValid-Until: Sat, 31 Jan 2026 00:00:00 UTC\nSHA256:\n " + sum + " 5 main/binary-amd64/Packages.gz\n"))
	f.Add([]byte("Codename: x\nSHA256:\n " + sum + " -5 a\n x 1 b\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseRelease(text, suite{name: "x", base: "http://h"})
		if err != nil {
			return
		}
		for name, w := range r.files {
			if !isSHA256(w.sha256) || w.size < 0 || strings.ContainsAny(name, " \n") {
				t.Fatalf("%q: %+v", name, w)
			}
		}
		if s, err := r.packages("amd64"); err == nil && !strings.HasSuffix(s.file.url, "/by-hash/SHA256/"+s.file.sha256) {
			t.Fatalf("%+v", s)
		}
	})
}
