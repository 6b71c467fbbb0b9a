package vt

import (
	"strings"
	"time"

	"github.com/nestos/nosa/tui/canvas"
)

// Resize gives the terminal another size. The main screen's lines are broken anew; rows that no longer fit go to the
// scrollback from the top, so that the line of the cursor stays, and come back from there when there is room
// again. The alternate screen is cut: programs draw it anew.
func (s *Screen) Resize(w, h int) {
	w, h = clampSide(w), clampSide(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if w == s.w && h == s.h {
		return
	}
	s.settle()
	s.held.kept = time.Time{}
	alt := s.on == s.pages[1]
	at := spot{s.x, s.y, s.pending}
	main := at
	if alt {
		s.cutAlternate(w, h, &at)
		v := &s.saved[by1049] // where the cursor will be when the alternate screen is left
		main = spot{min(v.x, s.w-1), min(v.y, s.h-1), v.pending}
		s.on = s.pages[0]
	} else {
		s.pages[1].resize(w, h)
	}
	rows := s.flow(w, &main)
	rows = s.window(rows, w, h, &main)
	s.pages[0].resize(w, h)
	s.w, s.h, s.top, s.end = w, h, 0, h
	s.on, s.lastX = s.pages[0], -1
	for y, l := range rows {
		s.place(y, l)
	}
	if alt {
		v := &s.saved[by1049]
		v.x, v.y, v.pending = main.x, main.y, main.pending
		s.on = s.pages[1]
		main = at
	}
	s.x, s.y, s.pending = min(main.x, w-1), min(max(main.y, 0), h-1), main.pending && main.x == w-1
}

// resize gives a page another size and blanks it.
func (p *page) resize(w, h int) {
	p.cells.Resize(w, h)
	_, _ = p.cells.WriteString("\x1b[m\x1b[2J")
	p.bg, p.rows, p.wraps = "", inOrder(h), make([]bool, h)
}

// spot is a place of the cursor.
type spot struct {
	x, y    int
	pending bool
}

// cutAlternate gives the alternate screen another size: rows go from the top as far as the cursor would be cut off.
func (s *Screen) cutAlternate(w, h int, at *spot) {
	drop := max(at.y-h+1, 0)
	at.y -= drop
	var rows []Line
	for y := drop; y < min(s.h, drop+h); y++ {
		l, _ := s.line(s.history.end() + y)
		l.Wrapped = false
		rows = append(rows, l)
	}
	s.on.resize(w, h)
	oldW := s.w
	s.w = w
	for y, l := range rows {
		s.place(y, l)
	}
	s.w = oldW
}

// flow gives the main screen's rows, broken at another width, without the blank ones below the cursor. It
// moves the cursor's spot along.
func (s *Screen) flow(w int, at *spot) []Line {
	n := max(s.filled(), at.y+1)
	var out []Line
	for y := 0; y < n; {
		var whole flowed
		end := y
		for {
			l, _ := s.line(s.history.end() + end)
			if end == at.y {
				whole.cursor, whole.has = whole.cells+at.x, true
			}
			whole.add(l)
			end++
			if !l.Wrapped || end >= n {
				whole.line.Wrapped = l.Wrapped
				break
			}
		}
		if w == s.w {
			for ; y < end; y++ {
				l, _ := s.line(s.history.end() + y)
				out = append(out, l)
			}
			continue
		}
		if whole.has {
			whole.locate(w, at)
			at.y += len(out)
		}
		out = append(out, whole.split(w)...)
		y = end
	}
	return out
}

// flowed is a line that several rows were made of.
type flowed struct {
	line   Line
	cells  int // its columns
	cursor int // column of the cursor in it
	has    bool
}

func (f *flowed) add(l Line) {
	base := len(f.line.Text)
	if base > 0 && (len(l.Runs) == 0 || l.Runs[0].Start > 0) && len(f.line.Runs) > 0 {
		f.line.Runs = append(f.line.Runs, canvas.Run{Start: base})
	}
	for _, r := range l.Runs {
		f.line.Runs = append(f.line.Runs, canvas.Run{Start: base + r.Start, Style: r.Style})
	}
	f.line.Text += l.Text
	f.cells += columns(l.Text)
}

// locate tells where the cursor will be in the rows of w columns, and has the line reach there.
func (f *flowed) locate(w int, at *spot) {
	if gap := f.cursor - f.cells; gap > 0 {
		f.add(Line{Text: strings.Repeat(" ", gap)})
	}
	at.pending = f.cursor > 0 && f.cursor%w == 0 && f.cursor >= f.cells
	if at.pending {
		at.x, at.y = w-1, (f.cursor-1)/w
		return
	}
	at.x, at.y = f.cursor%w, f.cursor/w
}

func columns(text string) int {
	n := 0
	for at := 0; at < len(text); {
		c, w := cluster(text[at:])
		at += len(c)
		n += w
	}
	return n
}

// split breaks the line into rows of at most w columns.
func (f *flowed) split(w int) []Line {
	var out []Line
	var b strings.Builder
	row := Line{}
	st, x, run := canvas.Style{}, 0, 0
	for at := 0; at < len(f.line.Text); {
		c, cw := cluster(f.line.Text[at:])
		if x+cw > w && x > 0 {
			row.Text, row.Wrapped = b.String(), true
			out = append(out, row)
			b.Reset()
			row, x = Line{}, 0
			if st != (canvas.Style{}) {
				row.Runs = []canvas.Run{{Style: st}}
			}
		}
		for run < len(f.line.Runs) && f.line.Runs[run].Start <= at {
			st = f.line.Runs[run].Style
			row.Runs = append(row.Runs, canvas.Run{Start: b.Len(), Style: st})
			run++
		}
		b.WriteString(c)
		x += cw
		at += len(c)
	}
	row.Text, row.Wrapped = b.String(), f.line.Wrapped
	return append(out, row)
}

// window chooses the h rows that are shown. What is above goes to the scrollback; where there is room, rows come
// back from there.
//
//nolint:revive // a size is two
func (s *Screen) window(rows []Line, w, h int, at *spot) []Line {
	if over := min(len(rows)-h, at.y); over > 0 {
		for _, l := range rows[:over] {
			s.history.add(packed{[]byte(l.Text), l.Runs, l.Wrapped})
		}
		rows = rows[over:]
		at.y -= over
	}
	var back []Line
	for range h - max(len(rows), s.h) {
		l, ok := s.history.pop()
		if !ok {
			break
		}
		if columns(l.Text) > w { // from when the screen was wider: it stays whole
			s.history.add(packed{[]byte(l.Text), l.Runs, l.Wrapped})
			break
		}
		back = append([]Line{l}, back...)
	}
	at.y += len(back)
	rows = append(back, rows...)
	return rows[:min(len(rows), h)]
}
