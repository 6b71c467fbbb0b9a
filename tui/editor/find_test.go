package editor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFind(t *testing.T) {
	for _, tt := range []struct {
		name, text, query string
		options           FindOptions
		want              string
		total             int
	}{
		{"from the cursor", "ab |ab AB", "ab", FindOptions{}, "ab |ab AB", 3},
		{"around the end", "ab a|b", "AB", FindOptions{}, "ab a|b", 0},
		{"smart case", "|ab Ab AB", "Ab", FindOptions{}, "ab |Ab AB", 1},
		{"match case", "|AB ab", "ab", FindOptions{MatchCase: true}, "AB |ab", 1},
		{"beyond ASCII", "|x É é", "é", FindOptions{}, "x |É é", 2},
		{"regexp", "a\n|b1 b22\nb3", `b\d\d`, FindOptions{Regexp: true}, "a\nb1 |b22\nb3", 1},
		{"anchored", "|xa\na", `^a`, FindOptions{Regexp: true}, "xa\n|a", 1},
		{"empty matches", "|bb", `a*`, FindOptions{Regexp: true}, "|bb", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rigAt("a.txt", tt.text)
			if err := r.e.Find(tt.query, tt.options); err != nil {
				t.Fatal(err)
			}
			_, total, more := r.e.Matches()
			if got := r.at(); got != tt.want || total != tt.total || more {
				t.Errorf("got %q, %d matches, want %q, %d", got, total, tt.want, tt.total)
			}
		})
	}
}

// While a query grows the search begins where the cursor was; with nothing found it is there again.
func TestFindWhileTyping(t *testing.T) {
	r := rigAt("a.txt", "sys |s sy system")
	for query, want := range map[string]string{"s": "sys |s sy system", "sy": "sys s |sy system", "syst": "sys s sy |system", "sysx": "sys |s sy system"} {
		_ = r.e.Find("s", FindOptions{})
		_ = r.e.Find(query, FindOptions{})
		if got := r.at(); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	if err := r.e.Find("(", FindOptions{Regexp: true}); err == nil || r.e.Finding() == "(" {
		t.Errorf("a broken expression: %v", err)
	}
	if _ = r.e.Find("", FindOptions{}); r.e.Finding() != "" || r.at() != "sys |s sy system" {
		t.Errorf("after the search: %q", r.at())
	}
}

func TestNextAndPrev(t *testing.T) {
	r := rigAt("a.txt", "|a x\na a\nb")
	if err := r.e.Find("a", FindOptions{}); err != nil {
		t.Fatal(err)
	}
	var got []string
	step := func(move func() (bool, bool)) {
		found, wrapped := move()
		n, total, _ := r.e.Matches()
		got = append(got, fmt.Sprint(n, "/", total, " ", found, " ", wrapped))
	}
	for range 3 {
		step(r.e.Next)
	}
	step(r.e.Prev)
	step(r.e.Prev)
	want := []string{"2/3 true false", "3/3 true false", "1/3 true true", "3/3 true true", "2/3 true false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReplace(t *testing.T) {
	r := rigAt("a.txt", "|ab ab\nxab")
	_ = r.e.Find("ab", FindOptions{})
	if !r.e.Replace("abab") || r.at() != "abab |ab\nxab" {
		t.Errorf("replaced one: %q", r.at())
	}
	if n := r.e.ReplaceAll("c\nd"); n != 4 || r.e.Text() != "c\ndc\nd c\nd\nxc\nd" {
		t.Errorf("replaced %d: %q", n, r.e.Text())
	}
	if r.e.Undo(); r.e.Text() != "abab ab\nxab" {
		t.Errorf("one undo: %q", r.e.Text())
	}
	_ = r.e.Find(`(x?)(a)b`, FindOptions{Regexp: true})
	if n := r.e.ReplaceAll("${2}-$1"); n != 4 || r.e.Text() != "a-a- a-\na-x" {
		t.Errorf("groups: %d %q", n, r.e.Text())
	}
}

// The counts follow edits, and are the same as those of a new search.
func TestMatchesFollowEdits(t *testing.T) {
	r := newRig("a.yaml", manifestOf(9000), 60, 10)
	_ = r.e.Find("package", FindOptions{})
	if _, _, more := r.e.Matches(); !more || !r.e.Settling() {
		t.Error("a long text was counted at once")
	}
	count := func() int {
		for {
			if _, total, more := r.e.Matches(); !more {
				return total
			}
		}
	}
	count()
	for i, edit := range []func(){
		func() { r.e.GoTo(10, 1); r.keys("ctrl+k", "ctrl+k") },
		func() { r.e.Insert(strings.Repeat("package package\n", 5)) },
		func() { r.e.GoTo(400, 1); r.e.DeleteLines() },
		func() { r.e.Undo() },
		func() { r.e.SelectAll(); r.e.Insert("package") },
		func() { r.e.Undo() },
	} {
		edit()
		if got, want := count(), strings.Count(r.e.Text(), "package"); got != want {
			t.Errorf("edit %d: %d matches, want %d", i, got, want)
		}
	}
}
