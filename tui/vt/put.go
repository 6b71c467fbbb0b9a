package vt

import (
	"strings"
	"unicode/utf8"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
)

const asciiText = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"

// longest is the most bytes of one character with all that joins it.
const longest = 64

// ascii shows the printable ASCII that p begins with, and gives how much that is.
func (s *Screen) ascii(p []byte) int {
	n := 0
	for n < len(p) && p[n] >= ' ' && p[n] < 0x7f {
		if n+1 < len(p) && p[n+1] >= 0x80 || s.lastX >= 0 && n == 0 || !s.simple() {
			s.put(rune(p[n]))
			n++
			continue
		}
		run := 0
		s.untear(s.x)
		room := min(s.w-s.x, len(p)-n)
		for run < room && p[n+run] >= ' ' && p[n+run] < 0x7f {
			run++
		}
		s.untear(s.x + run)
		for i := range run {
			at := p[n+i] - ' '
			cell := uv.Cell{Content: asciiText[at : at+1], Style: s.pen, Width: 1}
			s.setCell(s.x+i, s.y, cell)
		}
		s.lastRune = rune(p[n+run-1])
		s.advance(run)
		s.lastX, s.lastY = s.x-1, s.y
		if s.pending {
			s.lastX = s.x
		}
		n += run
	}
	return n
}

// simple says if ASCII goes to the next cells as it is.
func (s *Screen) simple() bool {
	return !s.pending && !s.modes.insert && s.charset.plain() && s.modes.wrap
}

// put shows one character, or joins it to the one before.
func (s *Screen) put(r rune) {
	if r < 0x80 {
		r = s.charset.translate(r)
	}
	if r >= 0x7f && r < 0xa0 {
		return
	}
	if s.lastX >= 0 && r >= 0x80 && s.join(r) {
		return
	}
	w := runeWidth(r)
	if w == 0 || w > s.w {
		return
	}
	if s.pending && s.modes.wrap || w == 2 && s.x == s.w-1 && s.modes.wrap {
		s.wrap()
	}
	if s.x+w > s.w {
		return
	}
	if s.modes.insert {
		s.shift(w)
	}
	s.untear(s.x)
	s.untear(s.x + w)
	cell := uv.Cell{Content: content(r), Style: s.pen, Width: w}
	s.setCell(s.x, s.y, cell)
	s.lastX, s.lastY, s.lastRune = s.x, s.y, r
	s.advance(w)
}

// untear blanks a wide character of which only the part before or after a column will be overwritten.
func (s *Screen) untear(x int) {
	if x <= 0 || x >= s.w {
		return
	}
	head, tail := s.cell(x-1, s.y), s.cell(x, s.y)
	if head.Width == 2 && tail.Width == 0 {
		*head, *tail = uv.EmptyCell, uv.EmptyCell
	}
}

// wrap goes on in the next row. A row that comes in by that has no background (as in tmux).
func (s *Screen) wrap() {
	s.on.wraps[s.y] = true
	bg := s.pen.Bg
	s.pen.Bg = nil
	s.index()
	s.pen.Bg = bg
	s.x = 0
}

func (s *Screen) advance(w int) {
	if s.x += w; s.x >= s.w {
		s.x, s.pending = s.w-1, s.modes.wrap
	}
}

func content(r rune) string {
	if r >= ' ' && r < 0x7f {
		return asciiText[r-' ' : r-' '+1]
	}
	return string(r)
}

// join adds a character to the one before, where it belongs to that.
func (s *Screen) join(r rune) bool {
	c := s.cell(s.lastX, s.lastY)
	if c.Width == 0 || !joins(c.Content, r) {
		return false
	}
	if len(c.Content) < longest {
		cell := *c
		cell.Content += string(r)
		s.setCell(s.lastX, s.lastY, cell)
	}
	return true
}

const joiner = "\u200d"

// joins says if r belongs to the character before: what has no width does, and what follows a zero width
// joiner, a skin colour after what can have one, the second letter of a flag (UAX 29 GB9, GB11, GB12).
func joins(before string, r rune) bool {
	switch {
	case r >= 0x1f3fb && r <= 0x1f3ff:
		last, _ := utf8.DecodeLastRuneInString(before)
		return runeWidth(last) == 2
	case regional(r):
		last, n := utf8.DecodeLastRuneInString(before)
		return regional(last) && n == len(before)
	case runeWidth(r) == 0:
		return true
	}
	return strings.HasSuffix(before, joiner) && runeWidth(r) == 2
}

func regional(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }

// runeWidth is how many columns a character takes: 0, 1 or 2.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case regional(r):
		return 2
	}
	return min(ansi.StringWidth(string(r)), 2)
}

// charsets are the guest's character sets G0 and G1 (SCS, SI, SO): ASCII or the line drawing of the VT100.
type charsets struct {
	lines [2]bool
	shift int
}

func (c charsets) plain() bool { return !c.lines[c.shift] }

// drawing is what the VT100's line drawing shows from ` to ~.
const drawing = "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·"

func (c charsets) translate(r rune) rune {
	if c.plain() || r < '`' || r > '~' {
		return r
	}
	for _, d := range drawing {
		if r == '`' {
			return d
		}
		r--
	}
	return r
}
