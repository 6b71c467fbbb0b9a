package logview

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

func TestFollow(t *testing.T) {
	r := newRig(t, 60, 7, Options{Form: job.PlainLog})
	r.settle()
	if got := r.texts()[0]; got != "No log yet." {
		t.Errorf("without a file: %q", got)
	}
	r.add("0\n1\n2\n3\n4\n5\n6\n7\n8\n9")
	want := func(what string, rows ...string) {
		t.Helper()
		if diff := cmp.Diff(rows, r.texts()); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	want("at the end", "5", "6", "7", "8", "9")
	r.add("9\n10\n")
	want("it follows", "6", "7", "8", "99", "10")
	r.keys("up")
	r.add("11\n12\n")
	want("up: it stays", "6", "7", "8", "99", "10")
	if got, want := r.v.Bar(r.th), "10/13  76%  +2 new ↓ G"; got != want {
		t.Errorf("the bar says %q, want %q", got, want)
	}
	r.keys("ctrl+u", "ctrl+u")
	want("pages", "2", "3", "4", "5", "6")
	r.keys("g", "g")
	want("the top", "0", "1", "2", "3", "4")
	r.keys("ctrl+f")
	want("a page", "4", "5", "6", "7", "8")
	r.keys("ctrl+f", "ctrl+f", "ctrl+f")
	want("the end", "8", "99", "10", "11", "12")
	r.add("13\n")
	want("which is not followed", "8", "99", "10", "11", "12")
	r.keys("G")
	want("before G", "99", "10", "11", "12", "13")
	r.add("14\n")
	want("after G", "10", "11", "12", "13", "14")
	if err := os.WriteFile(r.file, []byte("new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.settle()
	want("cut off", "new", "", "", "", "")
}

// After a jump the rows are not there yet. They come with the next news.
func TestJumpIsDrawnAtOnce(t *testing.T) {
	r := newRig(t, 60, 6, Options{})
	r.add(jobLog(0, 5000))
	r.v.Top()
	r.draw()
	if diff := cmp.Diff([]string{"…", "…", "…", "…"}, r.texts()); diff != "" {
		t.Error(diff)
	}
	r.settle()
	if got := r.texts()[3]; !strings.HasSuffix(got, "package-3 (62 MB)") {
		t.Errorf("then %q", got)
	}
	r.v.PageBy(2) // is there already
	r.draw()
	if got := r.texts()[3]; !strings.HasSuffix(got, "package-6 (62 MB)") {
		t.Errorf("a page on %q", got)
	}
}

func TestJumps(t *testing.T) {
	r := newRig(t, 60, 6, Options{})
	r.add(jobLog(0, 1000))
	r.keys("g", "g")
	for _, tt := range []struct {
		do   func()
		want int
	}{
		{func() { r.keys("E") }, 7},
		{func() { r.keys("}") }, 17},
		{func() { r.keys("{") }, 7},
		{func() { r.keys("W") }, 14},
		{func() { r.keys("(") }, 4},
		{func() { r.keys("m", "G", "m", "g", "g", "'") }, 4},
		{func() { r.keys("'") }, 999},
		{func() { r.keys("'") }, 4},
		{func() { r.keys("!") }, 7},
		{func() { r.v.End(event.Event{Text: "error: package-317 is broken"}); r.keys("!") }, 317},
		{func() { _ = r.v.GoTo("501"); r.settle() }, 500},
		{func() { _ = r.v.GoTo("999999"); r.settle() }, 999},
		{func() { _ = r.v.GoTo("@12:04"); r.settle() }, 2},
		{func() { _ = r.v.GoTo("@12:05:10"); r.settle() }, 72},
		{func() { _ = r.v.GoTo("+1:30"); r.settle() }, 90},
		{func() { _ = r.v.GoTo("+10:00"); r.settle() }, 600},
		{func() { r.v.OnlyStep("install"); r.settle() }, 604},
		{func() { r.keys("j", "j") }, 614},
		{func() { r.keys("esc") }, 614},
	} {
		tt.do()
		if got := r.v.Line(); got != tt.want {
			t.Errorf("line %d, want %d", got, tt.want)
		}
	}
	if err := r.v.GoTo("soon"); err == nil {
		t.Error("soon is a place")
	}
}

func TestFind(t *testing.T) {
	r := newRig(t, 60, 6, Options{})
	r.add(jobLog(0, 1000))
	find := func(text string) {
		t.Helper()
		if err := r.v.Find(text); err != nil {
			t.Fatal(err)
		}
		r.settle()
	}
	find("package-12")
	if r.v.Line() != 129 || r.v.Following() {
		t.Errorf("while it follows the last: line %d", r.v.Line())
	}
	r.keys("N")
	if got, want := r.v.Note(r.th), "/package-12 9 of 10"; !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	r.keys("n", "n")
	if r.v.Line() != 12 {
		t.Errorf("after the last the first: line %d", r.v.Line())
	}
	find("/-9[0-2] /")
	if r.v.Line() != 90 {
		t.Errorf("from the cursor on: line %d", r.v.Line())
	}
	find("nowhere")
	if got := r.v.Note(r.th); !strings.HasPrefix(got, "/nowhere not found") || r.v.Line() != 90 || r.v.NextMatch() {
		t.Errorf("%q at line %d", got, r.v.Line())
	}
	if err := r.v.Keep("!package"); err != nil {
		t.Fatal(err)
	}
	r.settle()
	if got := r.texts()[0]; !strings.Contains(got, "retry") || !strings.Contains(r.v.Note(r.th), "100 of 1,000 lines") {
		t.Errorf("hidden: %q, %q", got, r.v.Note(r.th))
	}
	find("/(/ ")
	for _, bad := range []string{"/(/", "/[/"} {
		if r.v.Find(bad) == nil || r.v.Keep(bad) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestCopy(t *testing.T) {
	r := newRig(t, 60, 8, Options{Form: job.PlainLog})
	r.add("a\n\x1b[31mb\x1b[0m\nc\tc\nd\ne\n")
	read := func(e Excerpt) string {
		t.Helper()
		text, err := e.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(e.Lines, " ", text)
	}
	if got, want := read(r.v.Tail(2)), "2 d\ne\n"; got != want {
		t.Errorf("the tail is %q, want %q", got, want)
	}
	if got, want := read(r.v.Tail(50)), "5 a\nb\nc\tc\nd\ne\n"; got != want {
		t.Errorf("the tail is %q, want %q", got, want)
	}
	r.keys("g", "g", "j")
	if got, want := read(r.v.Selected()), "1 b\n"; got != want {
		t.Errorf("the line is %q, want %q", got, want)
	}
	r.keys("shift+down", "shift+down")
	if got, want := read(r.v.Selected()), "3 b\nc\tc\nd\n"; got != want {
		t.Errorf("selected is %q, want %q", got, want)
	}
	_ = r.v.src.r.index.Close() // nobody follows it any more
	if got, want := read(r.v.Selected()), "3 b\nc\tc\nd\n"; got != want {
		t.Errorf("selected is %q, want %q", got, want)
	}
	r.keys("esc")
	r.v.Mouse(term.Mouse{Kind: term.Press, X: 3, Y: 4, Button: 1})
	r.v.Mouse(term.Mouse{Kind: term.Drag, X: 3, Y: 3, Button: 1})
	if got, want := read(r.v.Selected()), "2 d\ne\n"; got != want {
		t.Errorf("dragged over %q, want %q", got, want)
	}
	if err := r.v.Keep("!d"); err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.keys("esc", "g", "g", "V", "j", "j", "j")
	if got, want := read(r.v.Selected()), "5 a\nb\nc\tc\ne\n"; got != want {
		t.Errorf("of what is shown %q, want %q", got, want)
	}
}

func TestWheel(t *testing.T) {
	r := newRig(t, 60, 6, Options{Form: job.PlainLog})
	r.add(strings.Repeat("x\n", 100))
	r.v.Mouse(term.Mouse{Kind: term.WheelUp, Lines: 2})
	if r.v.Following() || r.v.top != 90 {
		t.Errorf("following %v from line %d", r.v.Following(), r.v.top)
	}
	r.v.Mouse(term.Mouse{Kind: term.WheelDown, Lines: 1})
	if r.v.top != 93 {
		t.Errorf("from line %d", r.v.top)
	}
}

// A line that is higher than the screen can be read to its end.
func TestWrapTall(t *testing.T) {
	r := newRig(t, 24, 6, Options{Form: job.PlainLog})
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, "%019d ", i)
	}
	r.add("first\n" + b.String() + "\nlast\n")
	r.keys("w", "g", "g")
	seen := map[string]bool{}
	for range 60 {
		for _, row := range r.texts() {
			seen[row] = true
		}
		r.v.Mouse(term.Mouse{Kind: term.WheelDown, Lines: 1})
		r.settle()
	}
	for i := range 40 {
		if row := fmt.Sprintf("%019d", i); !seen[row] {
			t.Errorf("row %d was never shown", i)
		}
	}
	if !seen["last"] {
		t.Error("the end was not reached")
	}
}

func TestKeysThatAreNotOurs(t *testing.T) {
	r := newRig(t, 60, 6, Options{})
	for _, k := range []string{"esc", "tab", "1", "z", "q", "/", "&", "@", "enter", "y"} {
		if r.v.Key(term.Key{Name: k}) {
			t.Errorf("%s was taken", k)
		}
	}
}
