package editor

import (
	"strconv"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
)

// narrow is the width below which the line numbers give their room to the text.
const narrow = 24

// Draw draws the editor. Only where it is active the terminal's cursor is in it.
func (e *Editor) Draw(a canvas.Area, t *theme.Theme, active bool) {
	w, h := a.Size()
	if w < 1 || h < 1 {
		return
	}
	e.gutter = e.gutterWidth(w)
	e.w, e.h = w-e.gutter, h
	e.scroll()
	e.colours.frame()
	p := painter{e: e, t: t, area: a.Sub(canvas.Rect{X: e.gutter, Y: 0, W: e.w, H: h})}
	p.from, p.to = e.selected()
	for y := range h {
		line := e.top + y
		if line >= len(e.buf.lines) {
			break
		}
		e.drawGutter(a, t, y)
		p.row(y, line)
	}
	e.active = active
	e.drawFocus(a, t)
}

// drawFocus draws what only the editor that has the keys shows.
func (e *Editor) drawFocus(a canvas.Area, t *theme.Theme) {
	if !e.active {
		return
	}
	x, y := e.column(e.cursor)-e.left, e.cursor.line-e.top
	if y >= 0 && y < e.h && x >= 0 && x < e.w {
		a.Cursor(e.gutter+x, y)
	}
	e.drawPopup(a, t)
}

func (e *Editor) gutterWidth(w int) int {
	if w < narrow {
		return min(1, w-1)
	}
	return 3 + max(len(strconv.Itoa(len(e.buf.lines))), 2)
}

// scroll brings the cursor into view where it has to be.
func (e *Editor) scroll() {
	line, n := e.cursor.line, len(e.buf.lines)
	outside := line < e.top || line >= e.top+e.h
	if e.reveal != stay {
		e.top = min(e.top, max(n-e.h, 0))
	}
	switch {
	case e.reveal == centre && outside:
		e.top = min(line-e.h/2, n-e.h)
	case e.reveal != stay && line < e.top:
		e.top = line
	case e.reveal != stay && line >= e.top+e.h:
		e.top = line - e.h + 1
	}
	e.top = max(min(e.top, n-1), 0)
	if e.reveal != stay {
		g, ok := e.glyphAt(e.cursor)
		if !ok || g.kind == tab {
			g.width = 1
		}
		switch {
		case g.col < e.left:
			e.left = max(g.col-min(8, e.w/4), 0)
		case g.col+g.width > e.left+e.w:
			e.left = g.col + g.width - e.w + min(8, e.w/4)
		}
	}
	e.reveal = stay
}

func (e *Editor) drawGutter(a canvas.Area, t *theme.Theme, y int) {
	line := e.top + y
	if marks := e.marksOf(line); len(marks) > 0 {
		glyph, role := severity(marks[0].Severity, t)
		a.Put(0, y, glyph, t.Style(role))
	}
	if e.gutter < 3 {
		return
	}
	switch c := e.changeOf(line); c {
	case Added:
		a.Put(1, y, string(c), t.Style(theme.Added))
	case Removed:
		a.Put(1, y, string(c), t.Style(theme.Removed))
	case Changed:
		a.Put(1, y, string(c), t.Style(theme.Changed))
	}
	style := t.Style(theme.LineNumber)
	if line == e.cursor.line {
		style = t.Style(theme.LineHere)
	}
	x := e.gutter - 2
	for n := line + 1; n > 0; n /= 10 {
		a.Set(x, y, digits[n%10:n%10+1], 1, style)
		x--
	}
}

const digits = "0123456789"

// severity gives what a mark is drawn with.
func severity(s Severity, t *theme.Theme) (glyph string, role theme.Role) {
	switch s {
	case Error:
		return t.Glyphs.Fail, theme.Failure
	case Warning:
		return t.Glyphs.Warn, theme.Warning
	}
	return t.Glyphs.Info, theme.Info
}

// painter draws rows of text.
type painter struct {
	e        *Editor
	t        *theme.Theme
	area     canvas.Area
	from, to pos      // of the selection
	found    [][2]int // matches in the row, of which some are passed
}

func (p *painter) row(y, line int) {
	e, text := p.e, p.e.buf.lines[line]
	w := e.walkTo(line, e.left)
	p.find(line, text, w.byte)
	paints := e.colours.of(e.buf.lines, line)
	marks := e.marksOf(line)
	plain := p.t.Style(theme.Text)
	for {
		g, ok := w.next()
		if !ok {
			break
		}
		if g.col+g.width <= e.left {
			continue
		}
		if g.col >= e.left+e.w {
			return
		}
		for len(paints) > 0 && paints[0].to <= g.byte {
			paints = paints[1:]
		}
		s := plain
		if len(paints) > 0 && paints[0].from <= g.byte {
			s = p.t.Style(paints[0].role)
		}
		p.glyph(y, g, p.over(pos{line, g.byte}, marks, s))
	}
	p.lineEnd(y, w.col-e.left, pos{line, len(text)}, marks)
}

// lineEnd draws what is behind the last character: the selected line end, a mark that is about it.
func (p *painter) lineEnd(y, x int, end pos, marks []mark) {
	s, drawn := p.t.Style(theme.Text), false
	for _, m := range marks {
		if m.from == end && m.to == end {
			_, role := severity(m.Severity, p.t)
			s, drawn = p.t.Style(role).Over(s), true
			s.Attr |= canvas.Underline
			break
		}
	}
	if p.selects(end) {
		s, drawn = p.t.Style(theme.Selection).Over(s), true
	}
	if drawn && x >= 0 {
		p.area.Set(x, y, " ", 1, s)
	}
}

// find looks for the matches in the shown part of a line.
func (p *painter) find(line int, text string, from int) {
	p.found = p.e.found[:0]
	f := p.e.find
	if f == nil {
		return
	}
	if len(text) <= 4*windowPast {
		p.found = f.in(text, p.found)
		p.e.found = p.found
		return
	}
	first := max(from-windowPast, 0)
	p.found = f.in(text[first:min(from+4*p.e.w+windowPast, len(text))], p.found)
	for i := range p.found {
		p.found[i][0] += first
		p.found[i][1] += first
	}
	p.e.found = p.found
}

func (p *painter) selects(at pos) bool { return !at.before(p.from) && at.before(p.to) }

// over lays marks, matches and the selection over the style of a character.
func (p *painter) over(at pos, marks []mark, s canvas.Style) canvas.Style {
	for _, m := range marks {
		if !at.before(m.from) && at.before(m.to) {
			_, role := severity(m.Severity, p.t)
			s = p.t.Style(role).Over(s)
			s.Attr |= canvas.Underline
			break
		}
	}
	for len(p.found) > 0 && p.found[0][1] <= at.byte {
		p.found = p.found[1:]
	}
	if len(p.found) > 0 && p.found[0][0] <= at.byte {
		role := theme.Match
		if p.e.cursor == (pos{at.line, p.found[0][0]}) {
			role = theme.MatchHere
		}
		s = p.t.Style(role).Over(s)
	}
	if p.selects(at) {
		s = p.t.Style(theme.Selection).Over(s)
	}
	return s
}

// glyph draws a character; of one that is cut by the left edge blanks are left.
func (p *painter) glyph(y int, g glyph, s canvas.Style) {
	x := g.col - p.e.left
	switch {
	case g.kind == tab:
		muted := p.t.Style(theme.Muted).Over(s)
		for i := range g.width {
			p.area.Set(x+i, y, " ", 1, s)
		}
		p.area.Set(x, y, p.t.Glyphs.Arrow, 1, muted)
	case x < 0:
		p.area.Set(0, y, " ", 1, s)
	case g.kind == odd:
		p.area.Set(x, y, g.shown, g.width, p.t.Style(theme.Warning).Over(s))
	default:
		p.area.Set(x, y, g.shown, g.width, s)
	}
}
