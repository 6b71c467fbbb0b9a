package vt

import (
	"slices"
	"strconv"

	uv "github.com/charmbracelet/ultraviolet"

	"github.com/nestos/nosa/tui/canvas"
)

func itoa(n int) string { return strconv.Itoa(n) }

// edit has x/vt do one sequence at our cursor with our background.
func (s *Screen) edit(seq string) {
	s.edits++
	p := s.on
	b := s.scratch[:0]
	if bg := background(s.pen); bg != p.bg {
		p.bg = bg
		b = append(append(b, "\x1b[m"...), bg...)
	}
	b = append(b, "\x1b["...)
	b = strconv.AppendInt(b, int64(p.rows[s.y]+1), 10)
	b = append(b, ';')
	b = strconv.AppendInt(b, int64(s.x+1), 10)
	b = append(append(b, 'f'), seq...)
	_, _ = p.cells.Write(b)
	s.scratch = b[:0]
}

// shift moves the rest of the cursor's row to the right by n, by -n to the left. x/vt tears wide characters there.
func (s *Screen) shift(n int) {
	s.edits++
	blank := uv.Cell{Content: " ", Style: uv.Style{Bg: s.pen.Bg}, Width: 1}
	if n > 0 {
		for x := s.w - 1; x >= s.x; x-- {
			if *s.cell(x, s.y) = blank; x-n >= s.x {
				*s.cell(x, s.y) = *s.cell(x-n, s.y)
			}
		}
	} else {
		for x := s.x; x < s.w; x++ {
			if *s.cell(x, s.y) = blank; x-n < s.w {
				*s.cell(x, s.y) = *s.cell(x-n, s.y)
			}
		}
	}
	s.repair(s.y)
}

func background(pen uv.Style) string {
	if pen.Bg == nil {
		return ""
	}
	bg := uv.Style{Bg: pen.Bg}
	return bg.String()
}

// cell is the cell at a place of the screen.
func (s *Screen) cell(x, y int) *uv.Cell { return s.on.cells.CellAt(x, s.on.rows[y]) }

//nolint:revive // a place is two
func (s *Screen) setCell(x, y int, c uv.Cell) { s.on.cells.SetCell(x, s.on.rows[y], &c) }

// scrollUp moves the scroll region's rows up. What leaves the main screen at its top is kept.
func (s *Screen) scrollUp(n int) {
	n = min(n, s.end-s.top)
	if s.top == 0 && s.on == s.pages[0] {
		for y := range n {
			s.keep(y)
		}
	}
	s.deleteRows(s.top, n)
}

func (s *Screen) scrollDown(n int) { s.insertRows(s.top, min(n, s.end-s.top)) }

// deleteRows takes n rows from y on out of the scroll region; blank ones come in at its end. x/vt would copy all
// cells.
func (s *Screen) deleteRows(y, n int) {
	rotate(s.on.rows[y:s.end], n)
	rotate(s.on.wraps[y:s.end], n)
	s.eraseRows(s.end-n, s.end)
}

// insertRows puts n blank rows before row y; those at the end of the scroll region go.
func (s *Screen) insertRows(y, n int) {
	rotate(s.on.rows[y:s.end], s.end-y-n)
	rotate(s.on.wraps[y:s.end], s.end-y-n)
	s.eraseRows(y, y+n)
}

// rotate brings the first n to the end.
func rotate[T any](list []T, n int) {
	slices.Reverse(list[:n])
	slices.Reverse(list[n:])
	slices.Reverse(list)
}

// keep adds a row to the scrollback.
func (s *Screen) keep(y int) {
	s.history.add(s.pack(y))
}

// pack is a row as text and styles, good until the next call. Blanks at its end are left out unless
// they are seen, or the row goes on in the next.
func (s *Screen) pack(y int) packed {
	text, runs := s.scratch[:0], s.runs[:0]
	last, end, endRuns := canvas.Style{}, 0, 0
	for x := range s.w {
		c := s.cell(x, y)
		if c.Width == 0 && c.Content == "" && x > 0 && s.cell(x-1, y).Width == 2 {
			continue
		}
		st := style(&c.Style)
		if st != last {
			runs = append(runs, canvas.Run{Start: len(text), Style: st})
			last = st
		}
		blank := c.Content == "" || c.Content == " "
		if blank {
			text = append(text, ' ')
		} else {
			text = append(text, c.Content...)
		}
		if !blank || seen(st) || s.on.wraps[y] {
			end, endRuns = len(text), len(runs)
		}
	}
	s.scratch, s.runs = text[:0], runs[:0]
	return packed{text[:end], runs[:endRuns], s.on.wraps[y]}
}

// seen says if a blank of the style differs from an empty cell.
func seen(st canvas.Style) bool {
	return st.BG != 0 || st.Attr&(canvas.Reverse|canvas.Underline|canvas.Strike) != 0
}

// place puts a line into a row that is blank.
func (s *Screen) place(y int, l Line) {
	x, run := 0, 0
	st := uv.Style{}
	for at := 0; at < len(l.Text); {
		for run < len(l.Runs) && l.Runs[run].Start <= at {
			st = unstyle(l.Runs[run].Style)
			run++
		}
		c, w := cluster(l.Text[at:])
		at += len(c)
		if x+w > s.w {
			break
		}
		cell := uv.Cell{Content: c, Style: st, Width: w}
		s.setCell(x, y, cell)
		x += w
	}
	s.on.wraps[y] = l.Wrapped
}

// repair blanks halves of wide characters that an edit of a row has left.
func (s *Screen) repair(y int) {
	for x := 0; x < s.w; x++ {
		c := s.cell(x, y)
		switch c.Width {
		case 2:
			if x+1 < s.w && s.cell(x+1, y).Width == 0 {
				x++
				continue
			}
			*c = uv.Cell{Content: " ", Style: c.Style, Width: 1}
		case 0:
			*c = uv.Cell{Content: " ", Style: c.Style, Width: 1}
		}
	}
}

// blankRow says if nothing is seen in a row.
func (s *Screen) blankRow(y int) bool {
	for x := range s.w {
		c := s.cell(x, y)
		if c.Content != " " && c.Content != "" || c.Style.Bg != nil || seen(style(&c.Style)) {
			return false
		}
	}
	return true
}
