package canvas

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitSGR(t *testing.T) {
	red, bold := Style{FG: Indexed(1)}, Style{FG: Indexed(1), Attr: Bold}
	for _, tt := range []struct {
		text, plain string
		runs        []Run
	}{
		{"plain", "plain", nil},
		{"a\x1b[31mb\x1b[1mc\x1b[md", "abcd", []Run{{1, red}, {2, bold}, {3, Style{}}}},
		{"\x1b[31m\x1b[1mc\x1b[2J\x1b[0m", "c", []Run{{0, bold}, {1, Style{}}}},
		{"a\x1b]0;title\x07b\x1b", "ab", nil},
	} {
		plain, runs := SplitSGR(tt.text)
		if diff := cmp.Diff(tt.runs, runs); diff != "" || plain != tt.plain {
			t.Errorf("%q: %q %s", tt.text, plain, diff)
		}
	}
}

// What SplitSGR gives, drawn run by run, looks as PutSGR draws it.
func FuzzSplitSGR(f *testing.F) {
	f.Add("a\x1b[31mb\x1b[1;4mc\x1b[22md\x1b[me\x1b]0;x\x07f\x1b[38;5;9mg")
	f.Add("日\x1b[7m本\x1b[27m語\xff\x00\x1bPq")
	f.Fuzz(func(t *testing.T, text string) {
		want, got := New(200, 1), New(200, 1)
		want.Area().PutSGR(0, 0, 0, text, Style{})
		plain, runs := SplitSGR(text)
		x, at, s := 0, 0, Style{}
		for _, r := range append(runs, Run{Start: len(plain)}) {
			x = got.Area().Put(x, 0, plain[at:r.Start], s)
			at, s = r.Start, r.Style
		}
		for i, c := range want.Row(0) {
			if d := got.Row(0)[i]; c.Style != d.Style && c.Text != "" && c.Text == d.Text {
				t.Fatalf("%q: column %d is %+v, want %+v", text, i, d, c)
			}
		}
		if plain != "" && len(runs) == 0 && want.Text(0) != got.Text(0) && len(plain) == len(text) {
			t.Fatalf("%q: %q, want %q", text, got.Text(0), want.Text(0))
		}
	})
}
