package canvas

import (
	"slices"
	"strconv"
	"strings"
)

// Rect is columns and rows of a screen.
type Rect struct{ X, Y, W, H int }

// Empty says if nothing fits into it.
func (r Rect) Empty() bool { return r.W <= 0 || r.H <= 0 }

// Contains says if a cell lies in it.
func (r Rect) Contains(x, y int) bool {
	return x >= r.X && x < r.X+r.W && y >= r.Y && y < r.Y+r.H
}

// Inset is r without n cells at each side.
func (r Rect) Inset(n int) Rect {
	return Rect{r.X + n, r.Y + n, max(r.W-2*n, 0), max(r.H-2*n, 0)}
}

// Top splits off the first n rows, Bottom the last, Left and Right columns. Never more than there are.
func (r Rect) Top(n int) (top, rest Rect) {
	n = max(min(n, r.H), 0)
	return Rect{r.X, r.Y, r.W, n}, Rect{r.X, r.Y + n, r.W, r.H - n}
}

// Bottom splits off the last n rows.
func (r Rect) Bottom(n int) (bottom, rest Rect) {
	rest, bottom = r.Top(r.H - max(min(n, r.H), 0))
	return bottom, rest
}

// Left splits off the first n columns.
func (r Rect) Left(n int) (left, rest Rect) {
	n = max(min(n, r.W), 0)
	return Rect{r.X, r.Y, n, r.H}, Rect{r.X + n, r.Y, r.W - n, r.H}
}

// Right splits off the last n columns.
func (r Rect) Right(n int) (right, rest Rect) {
	rest, right = r.Left(r.W - max(min(n, r.W), 0))
	return right, rest
}

func (r Rect) clip(s Rect) Rect {
	x, y := max(r.X, s.X), max(r.Y, s.Y)
	return Rect{x, y, max(min(r.X+r.W, s.X+s.W)-x, 0), max(min(r.Y+r.H, s.Y+s.H)-y, 0)}
}

// Area is a part of a canvas with its own origin. Nothing that is drawn into it
// lands outside.
type Area struct {
	canvas *Canvas
	rect   Rect
}

// Size is the area's columns and rows.
func (a Area) Size() (w, h int) { return a.rect.W, a.rect.H }

// Rect is where the area lies on its canvas.
func (a Area) Rect() Rect { return a.rect }

// Bounds is the area in its own coordinates.
func (a Area) Bounds() Rect { return Rect{0, 0, a.rect.W, a.rect.H} }

// Sub is a part of the area, r in the area's own coordinates.
func (a Area) Sub(r Rect) Area {
	r.X += a.rect.X
	r.Y += a.rect.Y
	return Area{a.canvas, r.clip(a.rect)}
}

func (a Area) at(x, y int) *Cell {
	if x < 0 || y < 0 || x >= a.rect.W || y >= a.rect.H {
		return nil
	}
	return &a.canvas.cells[(a.rect.Y+y)*a.canvas.w+a.rect.X+x]
}

// Cell gives a cell; the zero Cell outside of the area.
func (a Area) Cell(x, y int) Cell {
	if c := a.at(x, y); c != nil {
		return *c
	}
	return Cell{}
}

// Set puts one character of w columns.
//
//nolint:revive // a place is two
func (a Area) Set(x, y int, text string, w int, s Style) {
	c := a.at(x, y)
	if c == nil {
		return
	}
	a.unwide(x, y)
	if w == 2 {
		next := a.at(x+1, y)
		if next == nil {
			*c = Cell{Style: s} // half of it would not fit
			return
		}
		a.unwide(x+1, y)
		*next = Cell{Tail: true, Style: s}
	}
	*c = Cell{Text: text, Wide: w == 2, Style: s}
}

// unwide blanks the other half of a wide character that loses one of its columns,
// also where that half lies outside of the area.
func (a Area) unwide(x, y int) {
	row := a.canvas.Row(a.rect.Y + y)
	i := a.rect.X + x
	if row[i].Tail && i > 0 {
		row[i-1] = Cell{Style: row[i-1].Style}
	}
	if row[i].Wide && i+1 < len(row) {
		row[i+1] = Cell{Style: row[i+1].Style}
	}
}

// Put draws a text at a place and gives the column after it. What is outside of the area is cut.
func (a Area) Put(x, y int, text string, s Style) int {
	for c := range Clusters(text) {
		if x >= a.rect.W {
			return x
		}
		a.put(x, y, c, s)
		x += c.Width
	}
	return x
}

func (a Area) put(x, y int, c Cluster, s Style) {
	if c.Width > 0 {
		a.Set(x, y, c.Shown, c.Width, s)
	}
}

// PutIn draws a text into at most w columns; what does not fit ends in the canvas's Ellipsis.
//
//nolint:revive // a place is two
func (a Area) PutIn(x, y, w int, text string, s Style) int {
	return a.Put(x, y, Cut(text, min(w, a.rect.W-x), a.canvas.Ellipsis), s)
}

// PutRight draws a text that ends before column right, and gives the column where it begins.
func (a Area) PutRight(right, y int, text string, s Style) int {
	x := right - Width(text)
	a.Put(x, y, text, s)
	return x
}

// PutSGR draws a text in which only colours and attributes (SGR) count; other
// sequences are dropped. The first skip columns of the text are left out. It gives
// the column after the text.
//
//nolint:revive // a place is two
func (a Area) PutSGR(x, y, skip int, text string, base Style) int {
	s := base
	at := -skip
	for text != "" {
		if text[0] == 0x1b {
			seq, rest := cutSequence(text)
			if p, ok := strings.CutPrefix(seq, "\x1b["); ok && strings.HasSuffix(p, "m") {
				s = applySGR(s, base, p[:len(p)-1])
			}
			text = rest
			continue
		}
		c := next(text)
		text = text[len(c.Raw):]
		if at >= 0 {
			if x+at >= a.rect.W {
				return x + at
			}
			a.put(x+at, y, c, s)
		}
		at += c.Width
	}
	return x + max(at, 0)
}

// cutSequence splits an escape sequence off a text that begins with one. A string
// sequence (OSC, DCS, APC, PM, SOS) without an end is the rest of the text.
func cutSequence(text string) (seq, rest string) {
	if len(text) < 2 {
		return text, ""
	}
	switch text[1] {
	case '[':
		for i := 2; i < len(text); i++ {
			if text[i] >= 0x40 && text[i] <= 0x7e {
				return text[:i+1], text[i+1:]
			}
			if text[i] < 0x20 {
				return text[:i], text[i:]
			}
		}
		return text, ""
	case ']', 'P', '_', '^', 'X':
		for i := 2; i < len(text); i++ {
			if text[i] == 0x07 {
				return text[:i+1], text[i+1:]
			}
			if text[i] == 0x1b && i+1 < len(text) && text[i+1] == '\\' {
				return text[:i+2], text[i+2:]
			}
		}
		return text, ""
	}
	return text[:2], text[2:]
}

// applySGR changes a style as the parameters of an SGR sequence say (ECMA-48 8.3.117, and
// the 38/48 colours of ISO 8613-6). What it does not know it leaves.
func applySGR(s, base Style, params string) Style {
	fields := strings.FieldsFunc(params, func(r rune) bool { return r == ';' || r == ':' })
	if len(fields) == 0 {
		return base
	}
	for i := 0; i < len(fields); i++ {
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			continue
		}
		switch {
		case n == 0:
			s = base
		case n >= 1 && n <= 9:
			s.Attr |= [...]Attr{0, Bold, Dim, Italic, Underline, 0, 0, Reverse, 0, Strike}[n]
		case n == 22:
			s.Attr &^= Bold | Dim
		case n >= 23 && n <= 29:
			s.Attr &^= [...]Attr{Italic, Underline, 0, 0, Reverse, 0, Strike}[n-23]
		case n >= 30 && n <= 37:
			s.FG = Indexed(uint8(n - 30))
		case n >= 90 && n <= 97:
			s.FG = Indexed(uint8(n - 90 + 8))
		case n >= 40 && n <= 47:
			s.BG = Indexed(uint8(n - 40))
		case n >= 100 && n <= 107:
			s.BG = Indexed(uint8(n - 100 + 8))
		case n == 39:
			s.FG = base.FG
		case n == 49:
			s.BG = base.BG
		case n == 38 || n == 48:
			color, used := extended(fields[i+1:])
			i += used
			if used == 0 {
				return s
			}
			if n == 38 {
				s.FG = color
			} else {
				s.BG = color
			}
		}
	}
	return s
}

// extended reads the colour after 38 or 48; used is how many fields it took, 0 when it is none.
func extended(fields []string) (c Color, used int) {
	n := make([]uint8, 0, 4)
	for _, f := range fields[:min(len(fields), 4)] {
		v, err := strconv.ParseUint(f, 10, 8)
		if err != nil {
			break
		}
		n = append(n, uint8(v))
	}
	switch {
	case len(n) >= 2 && n[0] == 5:
		return Indexed(n[1]), 2
	case len(n) == 4 && n[0] == 2:
		return RGB(n[1], n[2], n[3]), 4
	}
	return 0, 0
}

// Fill puts one character of one column into every cell of r, " " to blank it.
func (a Area) Fill(r Rect, text string, s Style) {
	r = r.clip(a.Bounds())
	for y := r.Y; y < r.Y+r.H; y++ {
		for x := r.X; x < r.X+r.W; x++ {
			a.Set(x, y, text, 1, s)
		}
	}
}

// Restyle changes the style of every cell of r and leaves the text.
func (a Area) Restyle(r Rect, change func(Style) Style) {
	r = r.clip(a.Bounds())
	for y := r.Y; y < r.Y+r.H; y++ {
		for x := r.X; x < r.X+r.W; x++ {
			c := a.at(x, y)
			c.Style = change(c.Style)
		}
	}
}

// Cursor puts the terminal's cursor there, if that is in the area. The last call of a frame counts.
func (a Area) Cursor(x, y int) {
	if a.at(x, y) != nil {
		a.canvas.cursorX, a.canvas.cursorY = a.rect.X+x, a.rect.Y+y
	}
}

// HideCursor takes back what was said with Cursor.
func (a Area) HideCursor() { a.canvas.cursorX, a.canvas.cursorY = -1, -1 }

// Overlap gives two of the rects that share a cell; ok is false when none do.
func Overlap(rects []Rect) (r, s Rect, ok bool) {
	for i, r := range rects {
		if j := slices.IndexFunc(rects[i+1:], func(s Rect) bool { return !r.clip(s).Empty() }); j >= 0 {
			return r, rects[i+1+j], true
		}
	}
	return Rect{}, Rect{}, false
}
