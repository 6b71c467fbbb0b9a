package doc

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiagnostics(t *testing.T) {
	at := func(file string, line, column int) Origin { return Origin{File: file, Line: line, Column: column} }
	ds := Diagnostics{
		at("b.yaml", 1, 1).Errorf("TF001", "x"),
		at("a.yaml", 10, 1).Warnf("TF002", "y"),
		at("a.yaml", 9, 2).Infof("TF003", "z"),
		at("b.yaml", 1, 1).Errorf("TF001", "x"),
	}
	var got []string
	for _, d := range ds.Sorted() {
		got = append(got, d.String())
	}
	want := []string{"a.yaml:9:2: info[TF003]: z", "a.yaml:10:1: warning[TF002]: y", "b.yaml:1:1: error[TF001]: x"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := ds[1:3].Err(); err != nil {
		t.Errorf("warnings are an error: %v", err)
	}
	var back Diagnostics
	if err := fmt.Errorf("loading: %w", ds.Err()); !errors.As(err, &back) || len(back) != 4 {
		t.Errorf("the report is lost in %v", err)
	}
}

func TestExcerpt(t *testing.T) {
	source := []byte("\xef\xbb\xbfname: 名字\tx\r\nref: \"a b\" # c\nlist: [a, bcd]\nend")
	for _, tc := range []struct {
		d    Diagnostic
		want string
	}{
		{
			Diagnostic{Severity: Error, Code: "TF002", Message: "no", Hint: "do", Origin: Origin{File: "m.yaml", Line: 2, Column: 6, Chain: []string{"top.yaml:3", "mid.yaml:10"}}},
			"error[TF002]: no\n --> m.yaml:2:6\n  |\n2 | ref: \"a b\" # c\n  |      ^^^^^\n  = included by mid.yaml:10\n  = included by top.yaml:3\n  = help: do\n",
		},
		{
			Diagnostic{Severity: Warning, Code: "TF002", Message: "wide", Origin: Origin{File: "m.yaml", Line: 1, Column: 10}},
			"warning[TF002]: wide\n --> m.yaml:1:10\n  |\n1 | name: 名字    x\n  |               ^\n",
		},
		{
			Diagnostic{Severity: Info, Code: "TF002", Message: "wide word", Origin: Origin{File: "m.yaml", Line: 1, Column: 7}},
			"info[TF002]: wide word\n --> m.yaml:1:7\n  |\n1 | name: 名字    x\n  |       ^^^^\n",
		},
		{
			Diagnostic{Severity: Error, Code: "TF002", Message: "in a list", Origin: Origin{File: "m.yaml", Line: 3, Column: 11}},
			"error[TF002]: in a list\n --> m.yaml:3:11\n  |\n3 | list: [a, bcd]\n  |           ^^^\n",
		},
		{
			Diagnostic{Severity: Error, Code: "TF002", Message: "beyond the line", Origin: Origin{File: "m.yaml", Line: 4, Column: 99}},
			"error[TF002]: beyond the line\n --> m.yaml:4:99\n  |\n4 | end\n  |    ^\n",
		},
		{
			Diagnostic{Severity: Error, Code: "TF014", Message: "bad \x1b[31m", Origin: Origin{File: "m.yaml", Line: 9}},
			"error[TF014]: bad \uFFFD[31m\n --> m.yaml:9\n",
		},
	} {
		if diff := cmp.Diff(tc.want, Excerpt(tc.d, source)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.d.Message, diff)
		}
	}
}

func TestExcerptOfALongLine(t *testing.T) {
	source := []byte(strings.Repeat("x", 500) + " here " + strings.Repeat("y", 500))
	got := Excerpt(Diagnostic{Severity: Error, Code: "TF002", Message: "m", Origin: Origin{File: "m", Line: 1, Column: 502}}, source)
	want := "error[TF002]: m\n --> m:1:502\n  |\n1 | …" + strings.Repeat("x", 59) + " here " + strings.Repeat("y", 95) + "…\n  | " + strings.Repeat(" ", 61) + "^^^^\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"packages", "exclude-packages", "install-langs", "ref", "repos", "selinux", "units"}
	for name, want := range map[string]string{
		"install_langs": "install-langs",
		"Packages":      "packages",
		"pacakges":      "packages",
		"package":       "packages",
		"excludes":      "",
		"rfe":           "ref",
		"unit":          "units",
		"foobar":        "",
		"":              "",
	} {
		if got := Nearest(name, keys); got != want {
			t.Errorf("%s: want %q, got %q", name, want, got)
		}
	}
}

func TestDecoder(t *testing.T) {
	n, ds := ParseYAML(Source{Name: "a.yaml"}, []byte("b: yes\nq: 'true'\ni: '3'\nt: 3\nl: x\ns: [a, 1, ~, {b: c}]\nm: {a: 1, a: 2}\nnil: ~\n"))
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	var d Decoder
	d.Bool(n.Get("b"), "b")
	d.Bool(n.Get("q"), "q")
	d.Int(n.Get("i"), "i")
	d.Text(n.Get("t"), "t")
	d.List(n.Get("l"), "l")
	if texts, ok := d.Texts(n.Get("s"), "s"); !ok || len(texts) != 1 {
		t.Errorf("texts: got %v, %v", texts, ok)
	}
	if entries, ok := d.Entries(n.Get("m"), "m"); !ok || len(entries) != 1 {
		t.Errorf("entries: got %v, %v", entries, ok)
	}
	if _, ok := d.Text(n.Get("nil"), "nil"); ok {
		t.Error("null is a text")
	}
	if _, ok := d.Text(n.Get("absent"), "absent"); ok {
		t.Error("nothing is a text")
	}
	var got []string
	for _, r := range d.Diagnostics {
		got = append(got, r.String())
	}
	want := []string{
		`a.yaml:1:4: error[TF002]: b: want true or false, got text "yes"; write true; yes, on and 1 are not truth values here`,
		`a.yaml:2:4: error[TF002]: q: want true or false, got text "true"; remove the quotes`,
		`a.yaml:3:4: error[TF002]: i: want a whole number, got text "3"; remove the quotes`,
		`a.yaml:4:4: error[TF002]: t: want text, got the number 3; put it in quotes: "3"`,
		`a.yaml:5:4: error[TF002]: l: want a list, got text "x"; make it a list item: put it on its own line after "- "`,
		`a.yaml:6:8: error[TF002]: s item: want text, got the number 1; put it in quotes: "1"`,
		`a.yaml:6:11: error[TF002]: s item: want text, got nothing; remove the empty item`,
		`a.yaml:6:14: error[TF002]: s item: want text, got a mapping; a colon followed by a space makes a mapping; put the text in quotes or remove the colon`,
		`a.yaml:7:11: error[TF003]: the key "a" stands here for the second time; the first one is on line 7; join the two`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
