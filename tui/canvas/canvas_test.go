package canvas

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPutClips(t *testing.T) {
	c := New(10, 3)
	a := c.Area().Sub(Rect{2, 1, 4, 1})
	a.Put(0, 0, "abcdefgh", Style{})
	a.Put(-2, 0, "xyz", Style{})
	a.Put(0, 5, "below", Style{})
	got := []string{c.Text(0), c.Text(1), c.Text(2)}
	if diff := cmp.Diff([]string{"", "  zbcd", ""}, got); diff != "" {
		t.Error(diff)
	}
}

// A wide character never loses half of itself: not at an edge, not under another.
func TestWide(t *testing.T) {
	c := New(6, 1)
	a := c.Area()
	a.Put(0, 0, "日本語", Style{})
	a.Put(1, 0, "x", Style{})
	a.Put(4, 0, "yz", Style{})
	if got, want := c.Text(0), " x本yz"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	c.Reset(3, 1)
	c.Area().Put(0, 0, "日本", Style{})
	if got, want := c.Text(0), "日"; got != want {
		t.Errorf("at the edge: got %q, want %q", got, want)
	}
}

func TestWidths(t *testing.T) {
	for text, want := range map[string]int{
		"abc": 3, "日本": 4, "e\u0301": 1, "\x1b[31m": 5, "a\tb": 3, "👩‍👩‍👧": 1, "☺️": 1, "\xff": 1, "\u202e": 1, "한": 2, "": 0,
	} {
		if got := Width(text); got != want {
			t.Errorf("Width(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		text string
		w    int
		want string
	}{{"abcdef", 4, "abc…"}, {"abc", 3, "abc"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"abc", 0, ""}, {"abc", 1, "…"}} {
		if got := Cut(tt.text, tt.w, "…"); got != tt.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", tt.text, tt.w, got, tt.want)
		}
	}
}

// What comes from outside reaches the terminal as text or not at all.
func TestNothingEscapes(t *testing.T) {
	hostile := "a\x1b]52;c;eA==\x07b\x1b[2Jc\x9b31md\x1bPq\x1b\\e\r\nf\u202eg"
	for name, put := range map[string]func(Area){
		"Put":    func(a Area) { a.Put(0, 0, hostile, Style{}) },
		"PutSGR": func(a Area) { a.PutSGR(0, 0, 0, hostile, Style{}) },
	} {
		c := New(60, 1)
		put(c.Area())
		out := string(c.AppendLines(nil, func(Style) string { return "" }))
		if strings.ContainsAny(out, "\x1b\x07\r\n\u009b\u202e") {
			t.Errorf("%s: %q", name, out)
		}
	}
}

func TestPutSGR(t *testing.T) {
	c := New(8, 1)
	c.Area().PutSGR(0, 0, 2, "ab\x1b[1;31mcd\x1b[48;5;20me\x1b[0mf\x1b[38;2;1;2;3mg", Style{Attr: Dim})
	want := []Cell{
		{Text: "c", Style: Style{FG: Indexed(1), Attr: Dim | Bold}},
		{Text: "d", Style: Style{FG: Indexed(1), Attr: Dim | Bold}},
		{Text: "e", Style: Style{FG: Indexed(1), BG: Indexed(20), Attr: Dim | Bold}},
		{Text: "f", Style: Style{Attr: Dim}},
		{Text: "g", Style: Style{FG: RGB(1, 2, 3), Attr: Dim}},
		{},
		{},
		{},
	}
	if diff := cmp.Diff(want, c.Row(0)); diff != "" {
		t.Error(diff)
	}
}

func FuzzPutSGR(f *testing.F) {
	f.Add("\x1b[38;5", 0, 3)
	f.Add("日\x1b[mé\x1b]x", -1, 1)
	f.Fuzz(func(t *testing.T, text string, x, skip int) {
		c := New(7, 2)
		c.Area().Sub(Rect{1, 0, 5, 1}).PutSGR(x%10, 0, skip%10, text, Style{})
		for y := range 2 {
			row := c.Row(y)
			for i, cell := range row {
				if (i == 0 || i == 6 || y == 1) && cell != (Cell{}) {
					t.Fatalf("drew outside: %d,%d %+v", i, y, cell)
				}
				if cell.Wide != (i+1 < len(row) && row[i+1].Tail) {
					t.Fatalf("half a character at %d: %+v", i, row)
				}
			}
		}
	})
}
