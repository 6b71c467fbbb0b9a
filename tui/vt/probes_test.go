package vt

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/canvas"
)

// rows are the rows of the screen as Draw draws them, trailing blanks cut.
func rows(s *Screen) []string {
	w, h := s.Size()
	c := canvas.New(w, h)
	_, top, _ := s.Bounds()
	s.Draw(c.Area(), top)
	out := make([]string, h)
	for y := range h {
		out[y] = c.Text(y)
	}
	return out
}

func screenText(s *Screen) string { return strings.TrimRight(strings.Join(rows(s), "\n"), "\n") }

// plain is the screen's text as it was printed, also where tui/canvas draws a stand-in.
func plain(s *Screen) string {
	_, top, end := s.Bounds()
	var out []string
	for n := top; n < end; n++ {
		l, _ := s.Line(n)
		out = append(out, strings.TrimRight(l.Text, " "))
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n")
}

func answers(s *Screen) string {
	var b strings.Builder
	for {
		select {
		case r := <-s.Replies():
			b.Write(r)
		default:
			return b.String()
		}
	}
}

// What a console needs of a terminal: each a stream for 20 columns and 10 rows.
func TestProbes(t *testing.T) {
	const family = "👩\u200d👩\u200d👧"
	for _, tt := range []struct {
		name    string
		writes  []string
		want    string
		answers string
	}{
		{"CPR after 999;999H", []string{"\x1b[999;999H\x1b[6n"}, "", "\x1b[10;20R"},
		{"CSI 18t", []string{"\x1b[18t"}, "", "\x1b[8;10;20t"},
		{"DA1", []string{"\x1b[c"}, "", "\x1b[?62;22c"},
		{"DECRQM", []string{"\x1b[?7$p\x1b[?2004$p\x1b[?2004h\x1b[?2004$p\x1b[?31337$p\x1b[4$p"}, "", "\x1b[?7;1$y\x1b[?2004;2$y\x1b[?2004;1$y\x1b[?31337;0$y\x1b[4;2$y"},
		{"wide char at last column wraps", []string{"\x1b[1;20H日x"}, "\n日x", ""},
		{"combining mark kept", []string{"e\u0301x"}, "e\u0301x", ""},
		{"UTF-8 split over writes", []string{"\xe6", "\x97", "\xa5x"}, "日x", ""},
		{"ZWJ cluster split over writes", []string{"👩", "\u200d", "👩\u200d", "\xf0\x9f", "\x91\xa7x"}, family + "x", ""},
		{"alt screen 1049", []string{"ab\x1b[?1049hcd\x1b[?1049lef"}, "abef", ""},
		{"alt screen 1047", []string{"ab\x1b[?1047hcd\x1b[?1047lef"}, "ab  ef", ""},
		{"scroll region", []string{"a\r\nb\r\nc\r\nd\x1b[2;3r\x1b[3;1H\nX"}, "a\nc\nX\nd", ""},
		{"origin mode", []string{"\x1b[3;5r\x1b[?6h\x1b[2;2HX\x1b[6n\x1b[9;1HY"}, "\n\n\n X\nY", "\x1b[2;3R"},
		{"tab stops", []string{"\x1b[3g\x1b[1;5H\x1bH\ra\tb\tc"}, "a   b              c", ""},
		{"G0", []string{"\x1b(0lqk\x1b(Blqk"}, "┌─┐lqk", ""},
		{"IRM insert", []string{"abc\r\x1b[4hXY\x1b[4lZ"}, "XYZbc", ""},
		{"DECAWM off", []string{"\x1b[?7l" + strings.Repeat("a", 25) + "b"}, strings.Repeat("a", 19) + "b", ""},
		{"REP", []string{"a\x1b[3bc"}, "aaaac", ""},
		{"DECALN", []string{"x\x1b#8"}, strings.TrimRight(strings.Repeat(strings.Repeat("E", 20)+"\n", 10), "\n"), ""},
		{"NEL", []string{"ab\x1bEc"}, "ab\nc", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Options{W: 20, H: 10})
			for _, w := range tt.writes {
				if _, err := s.Write([]byte(w)); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tt.want, plain(s)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.answers, answers(s)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestShrinkKeepsCursorLine(t *testing.T) {
	s := New(Options{W: 20, H: 10})
	for i := range 9 {
		s.Write([]byte(string(rune('a'+i)) + "\r\n"))
	}
	s.Write([]byte("prompt$ "))
	s.Resize(20, 4)
	if diff := cmp.Diff("g\nh\ni\nprompt$", plain(s)); diff != "" {
		t.Error(diff)
	}
	if c := s.Cursor(); c.X != 8 || c.Line != 9 {
		t.Errorf("the cursor is at %+v", c)
	}
	if l, ok := s.Line(2); !ok || l.Text != "c" {
		t.Errorf("line 2 is %+v", l)
	}
	s.Resize(20, 10)
	if diff := cmp.Diff("a\nb\nc\nd\ne\nf\ng\nh\ni\nprompt$", plain(s)); diff != "" {
		t.Error(diff)
	}
}

func TestNarrowAndWidenKeepText(t *testing.T) {
	s := New(Options{W: 20, H: 10})
	s.Write([]byte("one\r\n\x1b[31m0123456789abcdef\x1b[m日本\r\nprompt$ "))
	s.Resize(7, 10)
	if diff := cmp.Diff("one\n0123456\n789abcd\nef日本\nprompt$", plain(s)); diff != "" {
		t.Error(diff)
	}
	s.Write([]byte("x"))
	s.Resize(20, 10)
	if diff := cmp.Diff("one\n0123456789abcdef日本\nprompt$ x", plain(s)); diff != "" {
		t.Error(diff)
	}
	l, _ := s.Line(1)
	if diff := cmp.Diff([]canvas.Run{{Style: canvas.Style{FG: canvas.Indexed(1)}}, {Start: 16}}, l.Runs); diff != "" {
		t.Error(diff)
	}
}
