// Package canvas is a screenful of styled cells that is drawn into and turned into
// the lines of a terminal. It knows no colours of ours (tui/theme) and no terminal
// (tui/term).
package canvas

import (
	"strings"
)

// Attr is a set of text attributes.
type Attr uint8

// The attributes.
const (
	Bold Attr = 1 << iota
	Dim
	Italic
	Underline
	Reverse
	Strike
)

// Color is a colour of a terminal. The zero Color is the terminal's own.
type Color uint32

// Indexed is colour n of the terminal's palette; 0 to 15 are those that users set.
func Indexed(n uint8) Color { return 1<<24 | Color(n) }

// RGB is a colour by its parts.
func RGB(r, g, b uint8) Color { return 2<<24 | Color(r)<<16 | Color(g)<<8 | Color(b) }

// Index gives n of a Color made by Indexed.
func (c Color) Index() (n uint8, ok bool) { return uint8(c), c>>24 == 1 }

// Parts gives the parts of a Color made by RGB.
func (c Color) Parts() (r, g, b uint8, ok bool) {
	return uint8(c >> 16), uint8(c >> 8), uint8(c), c>>24 == 2
}

// Style is how a cell looks. The zero Style is the terminal's own.
type Style struct {
	FG, BG Color
	Attr   Attr
}

// Over is s laid over below: what s does not say comes from below.
func (s Style) Over(below Style) Style {
	if s.FG == 0 {
		s.FG = below.FG
	}
	if s.BG == 0 {
		s.BG = below.BG
	}
	s.Attr |= below.Attr
	return s
}

// Cell is one column of a row.
type Cell struct {
	Text  string // one character; "" is a blank, or the second column of a wide one
	Wide  bool   // takes the next column too
	Tail  bool   // is the second column of the wide one before
	Style Style
}

// Canvas is a screenful of cells.
type Canvas struct {
	Ellipsis string // what stands for text that was cut; "…" unless set

	w, h             int
	cells            []Cell
	cursorX, cursorY int // -1: none
}

// New makes a blank Canvas.
func New(w, h int) *Canvas {
	c := &Canvas{Ellipsis: "…"}
	c.Reset(w, h)
	return c
}

// Reset gives the canvas that size and blanks it. The memory is used again.
func (c *Canvas) Reset(w, h int) {
	c.w, c.h = max(w, 0), max(h, 0)
	if n := c.w * c.h; cap(c.cells) < n {
		c.cells = make([]Cell, n)
	} else {
		c.cells = c.cells[:n]
		clear(c.cells)
	}
	c.cursorX, c.cursorY = -1, -1
}

// Size is the canvas's columns and rows.
func (c *Canvas) Size() (w, h int) { return c.w, c.h }

// Area is the whole of the canvas.
func (c *Canvas) Area() Area { return Area{c, Rect{0, 0, c.w, c.h}} }

// Cursor is where the terminal's cursor belongs; ok is false when it is hidden.
func (c *Canvas) Cursor() (x, y int, ok bool) { return c.cursorX, c.cursorY, c.cursorX >= 0 }

// Text is the row without its styles, trailing blanks cut.
func (c *Canvas) Text(y int) string {
	var b strings.Builder
	for _, cell := range c.cells[y*c.w : (y+1)*c.w] {
		switch {
		case cell.Tail:
		case cell.Text == "":
			b.WriteByte(' ')
		default:
			b.WriteString(cell.Text)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// Row gives the cells of a row. They are the canvas's own.
func (c *Canvas) Row(y int) []Cell { return c.cells[y*c.w : (y+1)*c.w] }

// AppendLines appends the rows as a terminal takes them, joined by newlines. sgr
// gives the sequence that switches from the plain style to another; "" is plain.
func (c *Canvas) AppendLines(out []byte, sgr func(Style) string) []byte {
	for y := range c.h {
		if y > 0 {
			out = append(out, '\n')
		}
		out = appendRow(out, c.Row(y), sgr)
	}
	return out
}

const plain = "\x1b[m"

func appendRow(out []byte, row []Cell, sgr func(Style) string) []byte {
	last, on := Style{}, false
	for i := range row {
		cell := &row[i]
		if cell.Tail {
			continue
		}
		if cell.Style != last {
			if on {
				out = append(out, plain...)
			}
			seq := sgr(cell.Style)
			out = append(out, seq...)
			last, on = cell.Style, seq != ""
		}
		if cell.Text == "" {
			out = append(out, ' ')
			continue
		}
		out = append(out, cell.Text...)
	}
	if on {
		out = append(out, plain...)
	}
	return out
}
