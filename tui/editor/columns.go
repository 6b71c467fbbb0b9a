package editor

import (
	"sort"

	"github.com/nestos/nosa/tui/canvas"
)

// tabStop is how far apart the stops are to which tabs reach.
const tabStop = 8

// clusterLimit is how many bytes one character may have; longer ones are shown by a stand-in.
const clusterLimit = 64

// stride is how many bytes of a long line lie between two remembered columns.
const stride = 512

// mark of a stand-in: what is drawn is not what is there.
const (
	asIs uint8 = iota
	tab
	odd // invalid, invisible or ambiguous
)

// glyph is one character of a line and where it is drawn. Each takes at least one column, so
// that the cursor can stand on it.
type glyph struct {
	byte, col int
	raw       string
	shown     string
	width     int
	kind      uint8
}

func (g glyph) end() int { return g.byte + len(g.raw) }

// walker goes through the characters of a line.
type walker struct {
	text      string
	byte, col int // of the next character
}

// next gives the next character; ok is false at the end of the line.
func (w *walker) next() (g glyph, ok bool) {
	if w.byte >= len(w.text) {
		return glyph{byte: w.byte, col: w.col, width: 1}, false
	}
	g = glyph{byte: w.byte, col: w.col}
	for c := range canvas.Clusters(w.text[w.byte:]) {
		g.raw, g.shown, g.width = c.Raw, c.Shown, c.Width
		break
	}
	switch {
	case g.raw == "\t":
		g.kind, g.shown, g.width = tab, "", tabStop-w.col%tabStop
	case g.width == 0 || len(g.raw) > clusterLimit:
		g.kind, g.shown, g.width = odd, "?", 1
	case g.shown != g.raw:
		g.kind = odd
	}
	w.byte += len(g.raw)
	w.col += g.width
	return g, true
}

// ruler remembers columns of a long line, so that its end is not counted from its start.
type ruler struct {
	text  string
	stops []stop
}

type stop struct{ byte, col int }

// fit makes a ruler for a text that may be a later version of its own. A stop holds while the
// text up to a bit beyond it is the same.
func (r *ruler) fit(text string) {
	if r.text == text {
		return
	}
	same := commonPrefix(r.text, text) - clusterLimit
	n := sort.Search(len(r.stops), func(i int) bool { return r.stops[i].byte > same })
	r.stops = r.stops[:n]
	r.text = text
}

func commonPrefix(a, b string) int {
	const chunk = 256
	n, i := min(len(a), len(b)), 0
	for i+chunk <= n && a[i:i+chunk] == b[i:i+chunk] {
		i += chunk
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// rulers are those of the long lines that were looked at last.
type rulers map[int]*ruler

func (rs rulers) of(line int, text string) *ruler {
	r := rs[line]
	if r == nil {
		if len(rs) >= 128 {
			clear(rs)
		}
		r = &ruler{}
		rs[line] = r
	}
	r.fit(text)
	return r
}

// walk gives a walker that stands at or before the character of which past is true. past must be
// false for all before it and true for all after it.
func (rs rulers) walk(line int, text string, past func(s stop) bool) walker {
	w := walker{text: text}
	if len(text) <= stride {
		return w
	}
	r := rs.of(line, text)
	n := sort.Search(len(r.stops), func(i int) bool { return past(r.stops[i]) })
	if n > 0 {
		w.byte, w.col = r.stops[n-1].byte, r.stops[n-1].col
	}
	if n < len(r.stops) {
		return w
	}
	for {
		s := stop{w.byte, w.col}
		if s.byte > 0 && (len(r.stops) == 0 || s.byte >= r.stops[len(r.stops)-1].byte+stride) {
			if past(s) {
				break
			}
			r.stops = append(r.stops, s)
		} else if past(s) {
			break
		}
		if _, ok := w.next(); !ok {
			break
		}
	}
	w.byte, w.col = 0, 0
	if n := len(r.stops); n > 0 {
		w.byte, w.col = r.stops[n-1].byte, r.stops[n-1].col
	}
	return w
}

// glyphAt is the character at or around a byte; ok is false at the end of the line.
func (e *Editor) glyphAt(p pos) (g glyph, ok bool) {
	w := e.rulers.walk(p.line, e.buf.lines[p.line], func(s stop) bool { return s.byte > p.byte })
	for {
		g, ok = w.next()
		if !ok || g.end() > p.byte {
			return g, ok
		}
	}
}

// glyphBefore is the character that ends at or around a byte; ok is false at the start.
func (e *Editor) glyphBefore(p pos) (g glyph, ok bool) {
	if p.byte == 0 {
		return glyph{}, false
	}
	return e.glyphAt(pos{p.line, p.byte - 1})
}

// glyphIn is the character that covers a column; ok is false beyond the end of the line.
func (e *Editor) glyphIn(line, col int) (g glyph, ok bool) {
	w := e.walkTo(line, col)
	for {
		g, ok = w.next()
		if !ok || g.col+g.width > col {
			return g, ok
		}
	}
}

// walkTo gives a walker that stands at or before the character in a column.
func (e *Editor) walkTo(line, col int) walker {
	return e.rulers.walk(line, e.buf.lines[line], func(s stop) bool { return s.col > col })
}

// column is where a place is drawn, from 0.
func (e *Editor) column(p pos) int {
	g, _ := e.glyphAt(p)
	return g.col
}

// snap is the place at the start of the character that a place is in.
func (e *Editor) snap(p pos) pos {
	p = e.buf.clamp(p)
	g, _ := e.glyphAt(p)
	return pos{p.line, g.byte}
}

// snapAfter is the place at the end of the character that a place is in; a place between two
// characters stays.
func (e *Editor) snapAfter(p pos) pos {
	p = e.buf.clamp(p)
	if g, ok := e.glyphAt(p); ok && g.byte != p.byte {
		return pos{p.line, g.end()}
	}
	return p
}
