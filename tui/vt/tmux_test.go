package vt

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/canvas"
)

// stream is something that a guest printed, or could.
type stream struct {
	name string
	w, h int
	data []byte
}

// streams are the recorded ones, named NAME-WxH.bin, and some that are made up.
func streams(t *testing.T) []stream {
	t.Helper()
	files, err := filepath.Glob("testdata/streams/*.bin*")
	if err != nil {
		t.Fatal(err)
	}
	var out []stream
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name, zipped := strings.CutSuffix(filepath.Base(f), ".gz")
		if zipped {
			r, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if data, err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
		s := stream{name: strings.TrimSuffix(name, ".bin"), data: data}
		if _, err := fmt.Sscanf(s.name[strings.LastIndexByte(s.name, '-'):], "-%dx%d", &s.w, &s.h); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		out = append(out, s)
	}
	for name, text := range map[string]string{
		"backspace": strings.Repeat("a", 20) + "\bX", "linefeed": strings.Repeat("a", 20) + "\nb", "insert": "a\r\nb\x1b[5;8r\x1b[H\x1b[L",
		"origin": "\x1b[?6h\x1b[3;5rX", "join": "👩\u200d👩\u200d👧x", "broken": "a\xffb\xe6\x97c",
	} {
		out = append(out, stream{name + "-20x10", 20, 10, []byte(text)})
	}
	for seed := range 22 {
		w, h := 20, 10
		if seed%2 == 1 {
			w, h = 41, 13
		}
		out = append(out, stream{fmt.Sprintf("random%02d-%dx%d", seed, w, h), w, h, random(uint64(seed), 400)})
	}
	return out
}

// random makes up n tokens of what programs print. Where terminals disagree (after the last column, before the
// first) some are made definite by a sequence before them.
func random(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	var b bytes.Buffer
	few := func() int { return r.IntN(7) }
	for range n {
		switch r.IntN(16) {
		case 0, 1, 2, 3:
			for range 1 + r.IntN(12) {
				b.WriteByte(byte('!' + r.IntN(90)))
			}
		case 4:
			b.WriteString([]string{"日本語", "é", "\x1b[3Ge\u0301", "漢", "ñandú", "—", "▒"}[few()])
		case 5:
			b.WriteString("\r\n")
		case 6:
			b.WriteString([]string{"\x1b[7G\n", "\r", "\x1b[5G\b", "\t", " ", "\r\x1bD", "\x1bE"}[few()])
		case 7:
			fmt.Fprintf(&b, "\x1b[%d;%dH", r.IntN(14), r.IntN(45))
		case 8:
			fmt.Fprintf(&b, "\x1b[%d%c", few(), "ABCDEFGd"[r.IntN(8)])
		case 9:
			if final := "@PXLM"[r.IntN(5)]; final < 'L' || final > 'M' {
				fmt.Fprintf(&b, "\x1b[%d%c", few(), final)
			} else { // at the top of the region: outside of it tmux inserts and deletes too, which no other does
				top := 1 + few()
				fmt.Fprintf(&b, "\x1b[?6l\x1b[%d;%dr\x1b[%d;%dH\x1b[%d%c", top, top+1+few(), top, few(), few(), final)
			}
		case 10:
			fmt.Fprintf(&b, "\x1b[%d%c", r.IntN(3), "JK"[r.IntN(2)])
		case 11:
			fmt.Fprintf(&b, "\x1b[%dm", []int{0, 0, 1, 4, 7, 22, 24, 27, 31, 42, 93, 104, 39, 49}[r.IntN(14)])
		case 12:
			fmt.Fprintf(&b, "\x1b[38;5;%dm\x1b[48;2;%d;%d;%dm", r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(256))
		case 13:
			b.WriteString([]string{"\x1b7", "\x1b8", "\r\x1bM", "\x1b[2;3H\x1b[4hA日C\x1b[4l", "\x1b[?6l", "\x1b[?7l", "\x1b[?7h"}[few()])
		case 14:
			b.WriteString([]string{"\x1b(0qqx\x1b(B", "\x1b[S", "\x1b[m", "\x1bH", "\x1b[g", "\x1b[?25l", "\x1b[?1h"}[few()])
		case 15:
			if top := 1 + few(); r.IntN(3) == 0 {
				fmt.Fprintf(&b, "\x1b[?6l\x1b[%d;%dr", top, top+1+few()) // with ?6h tmux goes to the screen's corner
			} else {
				b.WriteString([]string{"\x1b[?6l\x1b[r", "\x1b[?1049h", "\x1b[?1049l", "\x1b[?6h", "\x1b[?6l", "\x1b]2;t\a", "\ra\x1b[3b"}[few()])
			}
		}
	}
	return b.Bytes()
}

// golden is what tmux shows: a line with the cursor, then the rows as capture-pane -p -e prints them.
func golden(s stream) string { return "testdata/tmux/" + s.name + ".txt" }

// listed are the streams that are shown otherwise than by tmux, each with its reason.
func listed(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("testdata/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for l := range strings.Lines(string(data)) {
		if l = strings.TrimSpace(l); l == "" || l[0] == '#' {
			continue
		}
		name, reason, ok := strings.Cut(l, " → ")
		if !ok || reason == "" {
			t.Fatalf("%q gives no reason", l)
		}
		out[name] = reason
	}
	return out
}

// Every cell is as tmux 3.3a shows it: character, colours, attributes; and the cursor is where it has it.
func TestLikeTmux(t *testing.T) {
	known := listed(t)
	all := streams(t)
	if len(all) < 40 {
		t.Fatalf("there are %d streams", len(all))
	}
	for _, st := range all {
		t.Run(st.name, func(t *testing.T) {
			want, err := os.ReadFile(golden(st))
			if err != nil {
				t.Fatal(err)
			}
			s := New(Options{W: st.w, H: st.h})
			s.Write(st.data)
			theirs, shown := captured(st, string(want))
			diff := cmp.Diff(theirs, cells(s, shown))
			reason, expected := known[st.name]
			switch {
			case expected && diff == "":
				t.Errorf("no longer differs: strike it off testdata/differences.txt (%s)", reason)
			case !expected && diff != "":
				t.Errorf("(-tmux +ours)\n%s", diff)
			}
			delete(known, st.name)
		})
	}
	for name := range known {
		t.Errorf("testdata/differences.txt: there is no stream %s", name)
	}
}

// cells describes the screen, a line for each row's text and for each run of cells that look alike. Of
// blanks after the columns that tmux tells of the look does not count; without any, all counts.
func cells(s *Screen, shown []int) []string {
	w, h := s.Size()
	c := canvas.New(w, h)
	_, top, _ := s.Bounds()
	s.Draw(c.Area(), top)
	cur := s.Cursor()
	return append([]string{fmt.Sprint("cursor ", cur.X, " ", cur.Line-top)}, describe(c, shown)...)
}

func describe(c *canvas.Canvas, shown []int) []string {
	var out []string
	w, h := c.Size()
	for y := range h {
		out = append(out, fmt.Sprintf("%2d %q", y, c.Text(y)))
		row := c.Row(y)
		for x := 0; shown != nil && x < w; x++ {
			if x >= shown[y] && row[x].Text == "" {
				row[x].Style = canvas.Style{}
			}
		}
		for x := 0; x < w; {
			st := look(row[x])
			end := x + 1
			for end < w && (look(row[end]) == st || row[end].Tail) {
				end++
			}
			if st != (canvas.Style{}) {
				out = append(out, fmt.Sprintf("%2d %d-%d %x/%x/%b", y, x, end, st.FG, st.BG, st.Attr))
			}
			x = end
		}
	}
	return out
}

// look is what is seen of a cell's style.
func look(c canvas.Cell) canvas.Style {
	if c.Text == "" && !c.Tail {
		if !seen(c.Style) {
			return canvas.Style{}
		}
		if c.Style.Attr&canvas.Reverse == 0 {
			c.Style.FG = 0
		}
		c.Style.Attr &^= canvas.Bold | canvas.Dim | canvas.Italic
	}
	return c.Style
}

// captured describes what tmux shows as cells does, and how many columns of each row it told of: the background
// of cells that were only ever erased it does not print.
func captured(st stream, capture string) (lines []string, shownTo []int) {
	cursor, rest, _ := strings.Cut(capture, "\n")
	cursor = strings.Replace(cursor, fmt.Sprintf(" %d ", st.w), fmt.Sprintf(" %d ", st.w-1), 1) // the next character wraps
	c := canvas.New(st.w, st.h)
	text, runs := canvas.SplitSGR(rest)
	x, y, run, style, drawing := 0, 0, 0, canvas.Style{}, false
	shownTo = make([]int, st.h+1)
	for at := 0; at < len(text); {
		for run < len(runs) && runs[run].Start <= at {
			style = runs[run].Style
			run++
		}
		ch, w := cluster(text[at:])
		at += len(ch)
		switch {
		case ch == "\n":
			x, y = 0, y+1
			continue
		case ch == "\x0e" || ch == "\x0f":
			drawing = ch == "\x0e"
			continue
		case drawing && len(ch) == 1:
			ch = string(charsets{lines: [2]bool{true}}.translate(rune(ch[0])))
		}
		show(c.Area(), x, y, shown{ch, w, style})
		x += w
		shownTo[y] = x
	}
	return append([]string{cursor}, describe(c, shownTo)...), shownTo
}

// What is written in pieces looks like what is written at once.
func TestPieces(t *testing.T) {
	for _, st := range streams(t) {
		whole, parts := New(Options{W: st.w, H: st.h}), New(Options{W: st.w, H: st.h})
		whole.Write(st.data)
		r := rand.New(rand.NewPCG(1, 2))
		for p := range pieces(st.data, r) {
			parts.Write(p)
		}
		if diff := cmp.Diff(all(whole), all(parts)); diff != "" {
			t.Errorf("%s: (-whole +in pieces)\n%s", st.name, diff)
		}
	}
}

func pieces(data []byte, r *rand.Rand) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(data) > 0 {
			n := min(1+r.IntN(7), len(data))
			if !yield(data[:n]) {
				return
			}
			data = data[n:]
		}
	}
}

// all is the screen and all lines before it.
func all(s *Screen) []string {
	first, screen, _ := s.Bounds()
	var out []string
	for n := first; n < screen; n++ {
		l, _ := s.Line(n)
		out = append(out, fmt.Sprintf("%d %q %v %v", n, l.Text, l.Wrapped, l.Runs))
	}
	return slices.Concat(out, cells(s, nil))
}
