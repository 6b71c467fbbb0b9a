package editor

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
)

// naive is what an editor should do, done on one string. Places are bytes in it; its lines end in "\n".
type naive struct {
	text           string
	cursor, anchor int
	want           int
	unit           string // one step of indent, as the editor has it before the key
}

func (n *naive) line(at int) (start, end int) {
	start = strings.LastIndexByte(n.text[:at], '\n') + 1
	if i := strings.IndexByte(n.text[at:], '\n'); i >= 0 {
		return start, at + i
	}
	return start, len(n.text)
}

// stops are the places between the characters of a line, with their columns.
func (n *naive) stops(at int) (bytes, cols []int) {
	start, end := n.line(at)
	b, col := start, 0
	for c := range canvas.Clusters(n.text[start:end]) {
		bytes, cols = append(bytes, b), append(cols, col)
		b += len(c.Raw)
		switch {
		case c.Raw == "\t":
			col += 8 - col%8
		case c.Width == 2 && len(c.Raw) <= clusterLimit:
			col += 2
		default:
			col++
		}
	}
	return append(bytes, end), append(cols, col)
}

func (n *naive) left(at int) int {
	bytes, _ := n.stops(at)
	i, _ := slices.BinarySearch(bytes, at)
	if i > 0 {
		return bytes[i-1]
	}
	return max(at-1, 0)
}

func (n *naive) right(at int) int {
	bytes, _ := n.stops(at)
	i, _ := slices.BinarySearch(bytes, at)
	if i+1 < len(bytes) {
		return bytes[i+1]
	}
	return min(at+1, len(n.text))
}

func (n *naive) snap(at int, forward bool) int {
	bytes, _ := n.stops(at)
	i, ok := slices.BinarySearch(bytes, at)
	if ok || forward {
		return bytes[i]
	}
	return bytes[i-1]
}

func (n *naive) column() int {
	bytes, cols := n.stops(n.cursor)
	i, _ := slices.BinarySearch(bytes, n.cursor)
	return cols[i]
}

func (n *naive) vertical(to int) int {
	if n.want < 0 {
		n.want = n.column()
	}
	bytes, cols := n.stops(to)
	i, ok := slices.BinarySearch(cols, n.want)
	if !ok {
		i--
	}
	return bytes[i]
}

func (n *naive) replace(from, to int, s string) {
	n.text = n.text[:from] + s + n.text[to:]
	n.cursor = n.snap(from+len(s), true)
	n.anchor = n.cursor
}

func (n *naive) put(s string) {
	n.replace(min(n.cursor, n.anchor), max(n.cursor, n.anchor), s)
}

func (n *naive) erase(to int) {
	if n.cursor != n.anchor {
		n.put("")
		return
	}
	n.replace(min(n.cursor, to), max(n.cursor, to), "")
}

func (n *naive) enter() {
	from, to := min(n.cursor, n.anchor), max(n.cursor, n.anchor)
	start, _ := n.line(from)
	before := n.text[start:from]
	indent := before[:len(before)-len(strings.TrimLeft(before, " \t"))]
	if b, a := strings.TrimRight(before, " "), strings.TrimLeft(n.text[to:], " "); b != "" && a != "" &&
		strings.Contains("{}[]()", b[len(b)-1:]+a[:1]) && strings.Contains("{[(", b[len(b)-1:]) {
		n.replace(from, to, "\n"+indent+"\n"+indent)
		n.cursor -= len(indent) + 1
		n.anchor = n.cursor
		return
	}
	if strings.TrimSpace(before) != "" {
		to += len(n.text[to:]) - len(strings.TrimLeft(n.text[to:], " \t"))
	}
	n.replace(from, to, "\n"+indent)
}

func (n *naive) backspace() {
	start, _ := n.line(n.cursor)
	before := n.text[start:n.cursor]
	if unit := n.unit; len(before) > 1 && unit != "\t" && strings.Trim(before, " ") == "" {
		n.erase(n.snap(start+(len(before)-1)/len(unit)*len(unit), false))
		return
	}
	n.erase(n.left(n.cursor))
}

// motion gives where a key leads.
func (n *naive) motion(key string) (int, bool) {
	start, end := n.line(n.cursor)
	switch key {
	case "left":
		return n.left(n.cursor), true
	case "right":
		return n.right(n.cursor), true
	case "ctrl+a":
		return start, true
	case "end":
		return end, true
	case "ctrl+home":
		return 0, true
	case "ctrl+end":
		return len(n.text), true
	case "up":
		if start == 0 {
			return 0, true
		}
		return n.vertical(start - 1), true
	case "down":
		if end == len(n.text) {
			return end, true
		}
		return n.vertical(end + 1), true
	}
	return 0, false
}

func (n *naive) key(k term.Key) {
	base := strings.Replace(k.Name, "shift+", "", 1)
	shift := base != k.Name
	if to, ok := n.motion(base); ok {
		if from, end := min(n.cursor, n.anchor), max(n.cursor, n.anchor); !shift && from != end && base == "left" {
			to = from
		} else if !shift && from != end && base == "right" {
			to = end
		}
		n.cursor = to
		if !shift {
			n.anchor = to
		}
		if base != "up" && base != "down" {
			n.want = -1
		}
		return
	}
	n.want = -1
	switch k.Name {
	case "enter":
		n.enter()
	case "backspace":
		n.backspace()
	case "delete":
		n.erase(n.right(n.cursor))
	case "ctrl+k":
		n.anchor = n.cursor
		if _, end := n.line(n.cursor); end != n.cursor {
			n.erase(end)
		} else {
			n.erase(n.right(n.cursor))
		}
	default:
		n.put(k.Text)
	}
}

// keysOf turns the bytes of a fuzzer into keys.
func keysOf(script []byte) []term.Key {
	texts := []string{"a", "k", " ", "-", ":", "{", "}", "\u65e5", "e", "\u0301", "\t", "\u00e9", "\u200b", "\xff", "#", "\U0001F469"}
	names := []string{
		"left", "right", "up", "down", "ctrl+a", "end", "ctrl+home", "ctrl+end", "enter", "backspace", "delete", "ctrl+k",
		"shift+left", "shift+right", "shift+up", "shift+down", "shift+end",
	}
	var out []term.Key
	for _, b := range script {
		switch {
		case b < 96:
			out = append(out, term.Key{Name: texts[int(b)%len(texts)], Text: texts[int(b)%len(texts)]})
		case b < 100:
			out = append(out, term.Key{Name: term.Paste, Text: []string{"x\n  y\n", "\u65e5\u672c\n", "one: {}\n\n", "\u0301"}[b-96]})
		default:
			out = append(out, term.Key{Name: names[int(b)%len(names)]})
		}
	}
	return out
}

func (n *naive) check(t *testing.T, e *Editor, k term.Key, eol string) {
	t.Helper()
	if got, want := e.Text(), strings.ReplaceAll(n.text, "\n", eol); got != want {
		t.Fatalf("after %q:\n got %q\nwant %q", k, got, want)
	}
	at := advance(pos{}, n.text[:n.cursor])
	if e.cursor != at {
		t.Fatalf("after %q in %q: cursor %v, want %v", k, n.text, e.cursor, at)
	}
	if e.buf.size != sizeOf(e.buf.lines) {
		t.Fatalf("after %q: size %d, want %d", k, e.buf.size, sizeOf(e.buf.lines))
	}
}

// checkCursor draws and compares the cell under the terminal's cursor with the character there.
func (n *naive) checkCursor(t *testing.T, e *Editor, c *canvas.Canvas, th *theme.Theme) {
	t.Helper()
	w, h := c.Size()
	c.Reset(w, h)
	e.Draw(c.Area(), th, true)
	x, y, ok := c.Cursor()
	if !ok {
		t.Fatalf("no cursor at %v, top %d left %d", e.cursor, e.top, e.left)
	}
	want := ""
	if r := n.right(n.cursor); r > n.cursor && n.text[n.cursor] != '\n' {
		want = n.text[n.cursor:r]
		if want == "\t" {
			want = th.Glyphs.Arrow
		}
		for c := range canvas.Clusters(want) {
			if want = c.Shown; c.Width == 0 || len(c.Raw) > clusterLimit {
				want = "?"
			}
		}
	}
	got := c.Area().Cell(x, y)
	if got.Text != want && (want != "" || strings.TrimSpace(got.Text) != "") {
		t.Fatalf("under the cursor at %d,%d is %q, want %q; text %q place %v", x, y, got.Text, want, n.text, e.cursor)
	}
}

func FuzzEditor(f *testing.F) {
	f.Add([]byte("a: b\n  c\n"), []byte{0, 1, 107, 108, 109, 110, 96, 97, 98, 111, 112, 120, 121, 7, 8, 9, 10})
	f.Add([]byte("a\r\nb\r\n"), []byte{108, 108, 108, 0, 109, 109, 109, 109, 97})
	f.Add([]byte("\u65e5\u672c\xff\t x\u0301\n\n{}"), []byte{101, 101, 101, 118, 9, 9, 110, 111, 128, 200, 210, 220, 230, 240, 250})
	f.Add([]byte("a\r\nb\n"+strings.Repeat("\u65e5e\u0301\t", 300)), []byte{103, 105, 0, 109, 117, 7, 9, 116, 110, 102, 102, 107})
	f.Fuzz(func(t *testing.T, text, script []byte) {
		if len(text) > 4096 || len(script) > 400 {
			return
		}
		play(t, text, script)
	})
}

// The same with many texts that are known to be hard, the same at every run.
func TestRandomKeys(t *testing.T) {
	parts := []string{"a", "  ", "\t", "\u65e5\u672c", "e\u0301", "\u0301", "\xff", "\xe6\x97", "\n", "\r\n", "\r", "{", "}", "\u200b", "\u200d", "\U0001F469", "key: ", "- "}
	for seed := range uint64(150) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var text strings.Builder
		for range rnd.IntN(60) {
			text.WriteString(strings.Repeat(parts[rnd.IntN(len(parts))], 1+rnd.IntN(1+int(seed)%40)))
		}
		script := make([]byte, rnd.IntN(80))
		for i := range script {
			script[i] = byte(rnd.Uint32())
		}
		play(t, []byte(text.String()), script)
	}
}

// play presses keys in an editor and in the naive model, compares, undoes all and does all again.
func play(t *testing.T, text, script []byte) {
	t.Helper()
	e := New("x.txt", text)
	eol := e.buf.eol
	n := &naive{text: strings.ReplaceAll(string(text), eol, "\n"), want: -1}
	if e.Text() != string(text) || e.Modified() {
		t.Fatalf("changed by opening: %q", e.Text())
	}
	c, th := canvas.New(26, 5), theme.New(theme.Options{Mono: true})
	now := time.Date(2026, 11, 22, 12, 4, 2, 0, time.UTC)
	for i, k := range keysOf(script) {
		now = now.Add(time.Duration(i%5) * 400 * time.Millisecond)
		n.unit = e.indentUnit()
		e.Key(k, now)
		n.key(k)
		n.check(t, e, k, eol)
		n.checkCursor(t, e, c, th)
		if i%7 == 6 && e.Undo() {
			if e.Redo(); e.Text() != strings.ReplaceAll(n.text, "\n", eol) {
				t.Fatalf("undo and redo: %q, want %q", e.Text(), n.text)
			}
			e.spot = spot{e.cursor, e.cursor}
			n.cursor = len(e.buf.between(pos{}, e.cursor, "\n"))
			n.anchor, n.want = n.cursor, -1
		}
	}
	last := e.Text()
	for e.Undo() {
	}
	if e.Text() != string(text) || e.Modified() {
		t.Fatalf("all undone: %q, want %q, modified %v", e.Text(), text, e.Modified())
	}
	for e.Redo() {
	}
	if e.Text() != last {
		t.Fatalf("all redone: %q, want %q", e.Text(), last)
	}
}
