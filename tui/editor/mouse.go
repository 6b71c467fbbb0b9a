package editor

import (
	"time"

	"github.com/nestos/nosa/tui/term"
)

// drag is what a moved mouse selects.
type drag uint8

const (
	none drag = iota
	chars
	words
	whole // lines
)

// Mouse takes what a mouse did, in the coordinates of the area that was drawn into.
func (e *Editor) Mouse(m term.Mouse, now time.Time) (handled bool) {
	e.now = now
	switch m.Kind {
	case term.WheelUp, term.WheelDown:
		n := max(m.Lines, 1)
		if m.Kind == term.WheelUp {
			n = -n
		}
		e.wheel(m, n)
	case term.Press:
		if m.Button != 1 {
			return false
		}
		e.press(m)
	case term.Drag:
		if e.dragging == none {
			return false
		}
		e.drag(m)
	case term.Release:
		e.dragging = none
	default:
		return false
	}
	return true
}

func (e *Editor) wheel(m term.Mouse, n int) {
	if p := e.popup; e.Completing() && p.rect.Contains(m.X, m.Y) {
		p.row = max(min(p.row+n, len(p.shown)-1), 0)
		return
	}
	if m.Shift {
		e.left = max(e.left+4*n, 0)
		e.reveal = stay
		return
	}
	e.top = max(min(e.top+3*n, max(len(e.buf.lines)-e.h, e.top)), 0)
	e.reveal = stay
}

func (e *Editor) press(m term.Mouse) {
	e.hist.open = false
	if p := e.popup; e.Completing() {
		if p.rect.Contains(m.X, m.Y) {
			if i := p.top + m.Y - p.rect.Y - 1; m.Y > p.rect.Y && m.Y < p.rect.Y+p.rect.H-1 && i < len(p.shown) {
				p.row = i
				c, _ := e.chosenCompletion()
				e.accept(c)
			}
			return
		}
		e.popup = nil
	}
	p := e.under(m)
	e.want = -1
	e.dragging = chars
	switch {
	case m.X < e.gutter || m.Clicks >= 3:
		e.dragging = whole
	case m.Clicks == 2:
		e.dragging = words
	}
	if m.Shift {
		e.dragging, e.cursor = chars, p
		return
	}
	e.anchor, e.cursor = e.around(p)
	if e.dragging == chars {
		e.anchor, e.cursor = p, p
	}
	e.grabFrom, e.grabTo = e.anchor, e.cursor
	e.reveal = nearest
}

// drag extends the selection; beyond an edge it scrolls.
func (e *Editor) drag(m term.Mouse) {
	if m.Y < 0 {
		e.top = max(e.top+m.Y, 0)
	}
	if m.Y >= e.h {
		e.top = max(min(e.top+m.Y-e.h+1, len(e.buf.lines)-e.h), 0)
	}
	e.extend(e.under(m))
	e.reveal = nearest
}

// extend selects from what was pressed first to a place.
func (e *Editor) extend(p pos) {
	if e.dragging == chars {
		e.cursor = p
		return
	}
	from, to := e.around(p)
	e.anchor, e.cursor = e.grabFrom, to
	if from.before(e.grabFrom) {
		e.anchor, e.cursor = e.grabTo, from
	} else if to.before(e.grabTo) {
		e.cursor = e.grabTo
	}
}

// around is the word or the lines at a place, as they are dragged now.
func (e *Editor) around(p pos) (from, to pos) {
	switch e.dragging {
	case words:
		return e.wordAt(p)
	case whole:
		if p.line+1 < len(e.buf.lines) {
			return pos{p.line, 0}, pos{p.line + 1, 0}
		}
		return pos{p.line, 0}, e.buf.end()
	}
	return p, p
}

func (e *Editor) wordAt(p pos) (from, to pos) {
	text := e.buf.lines[p.line]
	from, to = p, p
	kind, first := blank, true
	for i, r := range text[p.byte:] {
		if k := classOf(r); first {
			kind, first = k, false
		} else if k != kind {
			break
		}
		to.byte = p.byte + i + 1
	}
	to = e.snapAfter(to)
	for from.byte > 0 {
		g, _ := e.glyphBefore(from)
		if classOf(firstRune(g.raw)) != kind && !first {
			break
		}
		if first {
			kind, first = classOf(firstRune(g.raw)), false
		}
		from.byte = g.byte
	}
	return from, to
}

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return 0
}

// under is the place that the mouse is over.
func (e *Editor) under(m term.Mouse) pos {
	line := e.top + max(min(m.Y, max(e.h-1, 0)), 0)
	if line >= len(e.buf.lines) {
		return e.buf.end()
	}
	col := max(m.X-e.gutter, 0) + e.left
	if m.X < e.gutter && e.dragging != none && e.left > 0 {
		col = max(e.left-1, 0)
	}
	g, ok := e.glyphIn(line, col)
	if ok && g.width > 1 && col-g.col >= (g.width+1)/2 {
		return pos{line, g.end()}
	}
	return pos{line, g.byte}
}
