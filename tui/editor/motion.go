package editor

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// motion is a way to move the cursor.
type motion struct {
	to       func(e *Editor, p pos) pos
	vertical bool // keeps the column
}

// motions are the keys that move; with shift they select.
func motions() map[string]motion {
	left, right := motion{to: (*Editor).before}, motion{to: (*Editor).after}
	wordLeft, wordRight := motion{to: (*Editor).wordBefore}, motion{to: (*Editor).wordAfter}
	up, down := vertical(func(*Editor) int { return -1 }), vertical(func(*Editor) int { return 1 })
	pageUp, pageDown := vertical(func(e *Editor) int { return 1 - max(e.h, 2) }), vertical(func(e *Editor) int { return max(e.h, 2) - 1 })
	start := motion{to: func(*Editor, pos) pos { return pos{} }}
	end := motion{to: func(e *Editor, _ pos) pos { return e.buf.end() }}
	return map[string]motion{
		"left": left, "right": right, "up": up, "down": down,
		"ctrl+left": wordLeft, "ctrl+right": wordRight, "alt+b": wordLeft, "alt+f": wordRight,
		"home": {to: (*Editor).smartHome}, "end": {to: (*Editor).lineEnd},
		"ctrl+a": {to: func(_ *Editor, p pos) pos { return pos{p.line, 0} }}, "ctrl+e": {to: (*Editor).lineEnd},
		"pgup": pageUp, "pgdown": pageDown, "ctrl+b": pageUp, "ctrl+f": pageDown,
		"ctrl+u": vertical(func(e *Editor) int { return -max(e.h/2, 1) }), "ctrl+d": vertical(func(e *Editor) int { return max(e.h/2, 1) }),
		"ctrl+home": start, "ctrl+end": end,
	}
}

func vertical(lines func(e *Editor) int) motion {
	return motion{vertical: true, to: func(e *Editor, p pos) pos { return e.vertically(p, lines(e)) }}
}

// vertically is the place n lines below, in the column that the cursor came with. Beyond
// the first line is its start, beyond the last its end.
func (e *Editor) vertically(p pos, n int) pos {
	line := p.line + n
	switch {
	case line < 0 && p.line == 0:
		return pos{}
	case line >= len(e.buf.lines) && p.line == len(e.buf.lines)-1:
		return e.buf.end()
	}
	line = max(min(line, len(e.buf.lines)-1), 0)
	if e.want < 0 {
		e.want = e.column(p)
	}
	g, _ := e.glyphIn(line, e.want)
	return pos{line, g.byte}
}

// before is the place of the character before.
func (e *Editor) before(p pos) pos {
	if g, ok := e.glyphBefore(p); ok {
		return pos{p.line, g.byte}
	}
	if p.line > 0 {
		return pos{p.line - 1, len(e.buf.lines[p.line-1])}
	}
	return p
}

// after is the place after the character here.
func (e *Editor) after(p pos) pos {
	if g, ok := e.glyphAt(p); ok {
		return pos{p.line, g.end()}
	}
	if p.line < len(e.buf.lines)-1 {
		return pos{p.line + 1, 0}
	}
	return p
}

// class tells words, signs and blanks apart.
type class uint8

const (
	blank class = iota
	sign
	word
)

func classOf(r rune) class {
	switch {
	case unicode.IsSpace(r):
		return blank
	case r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
		return word
	}
	return sign
}

// wordBefore is the start of the word before.
func (e *Editor) wordBefore(p pos) pos {
	if p.byte == 0 {
		return e.before(p)
	}
	i := wordStart(e.buf.lines[p.line], p.byte)
	return e.snap(pos{p.line, i})
}

func wordStart(text string, i int) int {
	i = len(strings.TrimRightFunc(text[:i], unicode.IsSpace))
	r, _ := utf8.DecodeLastRuneInString(text[:i])
	kind := classOf(r)
	return len(strings.TrimRightFunc(text[:i], func(r rune) bool { return classOf(r) == kind && kind != blank }))
}

// wordAfter is the end of the word after.
func (e *Editor) wordAfter(p pos) pos {
	text := e.buf.lines[p.line]
	if p.byte == len(text) {
		return e.after(p)
	}
	rest := strings.TrimLeftFunc(text[p.byte:], unicode.IsSpace)
	r, _ := utf8.DecodeRuneInString(rest)
	kind := classOf(r)
	rest = strings.TrimLeftFunc(rest, func(r rune) bool { return classOf(r) == kind && kind != blank })
	to := pos{p.line, len(text) - len(rest)}
	if s := e.snap(to); s != to {
		return e.after(s)
	}
	return to
}

// smartHome is the first character that is not blank, or the start of the line when there already.
func (e *Editor) smartHome(p pos) pos {
	n := len(indentOf(e.buf.lines[p.line]))
	if p.byte == n {
		n = 0
	}
	return pos{p.line, n}
}

func (e *Editor) lineEnd(p pos) pos { return pos{p.line, len(e.buf.lines[p.line])} }

// indentOf is the blanks that a line begins with.
func indentOf(line string) string {
	return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
}

// moveTo puts the cursor somewhere and selects nothing.
func (e *Editor) moveTo(p pos) {
	e.cursor, e.anchor = p, p
	e.want = -1
}

// selected is the selection in order; equal when there is none.
func (e *Editor) selected() (from, to pos) {
	if e.anchor.before(e.cursor) {
		return e.anchor, e.cursor
	}
	return e.cursor, e.anchor
}

// move does a motion of a key.
func (e *Editor) move(name string, m motion, extend drag) {
	from, to := e.selected()
	p := e.cursor
	switch {
	case extend == none && from != to && name == "left":
		p = from
	case extend == none && from != to && name == "right":
		p = to
	default:
		p = e.snap(m.to(e, p))
	}
	want := e.want
	e.cursor = p
	if extend == none {
		e.anchor = p
	}
	e.want = -1
	if m.vertical {
		e.want = want
	}
	e.hist.open = false
	e.reveal = nearest
	e.popup = nil
}

// Position is where the cursor is, line and column from 1.
func (e *Editor) Position() (line, column int) { return e.buf.outer(e.cursor) }

// GoTo puts the cursor on a line and column from 1, the nearest that there are, and shows it.
func (e *Editor) GoTo(line, column int) {
	e.moveTo(e.snap(e.buf.inner(line, column)))
	e.reveal = centre
	e.hist.open = false
	e.popup = nil
}

// ScrollTo shows a line, from 1, at the top of the area; the cursor stays where it is.
func (e *Editor) ScrollTo(line int) {
	e.top = max(min(line-1, len(e.buf.lines)-1), 0)
	e.reveal = stay
}

// State is what a later session should find again.
type State struct {
	Line   int `json:"line,omitempty"` // of the cursor
	Column int `json:"column,omitempty"`
	Top    int `json:"top,omitempty"`  // the first line that is shown
	Left   int `json:"left,omitempty"` // columns that are scrolled out
}

// State gives where the cursor is and what is shown.
func (e *Editor) State() State {
	line, column := e.Position()
	return State{Line: line, Column: column, Top: e.top + 1, Left: e.left}
}

// SetState puts the cursor and the shown part where they were, as far as there are such lines.
func (e *Editor) SetState(s State) {
	e.GoTo(s.Line, s.Column)
	e.ScrollTo(s.Top)
	e.left = max(s.Left, 0)
	e.reveal = centre
}
