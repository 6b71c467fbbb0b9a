package vt

import (
	"github.com/nestos/nosa/tui/canvas"
)

// Draw draws the lines from number top on into an area, and the guest's cursor where it is seen; while Held what was
// there before. Lines
// that are not kept are blank. What does not fit is cut.
func (s *Screen) Draw(a canvas.Area, top int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	w, h := a.Size()
	screen := s.history.end()
	if top >= s.held.line && s.holding() {
		s.held.drawHeld(a)
		return
	}
	for y := range h {
		n := top + y
		if n >= screen {
			s.drawRow(a, y, n-screen)
			continue
		}
		if r, ok := s.history.raw(n); ok {
			drawLine(a, y, r)
		}
	}
	if x, y := s.x, screen+s.y-top; s.modes.CursorVisible && x < w && y >= 0 && y < h {
		a.Cursor(x, y)
	}
}

func (s *Screen) drawRow(a canvas.Area, y, row int) {
	if row >= s.h {
		return
	}
	w, _ := a.Size()
	for x := range min(w, s.w) {
		c := s.cell(x, row)
		if c.Width > 0 {
			show(a, x, y, shown{c.Content, c.Width, style(&c.Style)})
		}
	}
}

func drawLine(a canvas.Area, y int, r packed) {
	w, _ := a.Size()
	x, run := 0, 0
	st := canvas.Style{}
	rest := string(r.text)
	for at := 0; at < len(rest) && x < w; {
		for run < len(r.runs) && r.runs[run].Start <= at {
			st = r.runs[run].Style
			run++
		}
		c, cw := cluster(rest[at:])
		show(a, x, y, shown{c, cw, st})
		at += len(c)
		x += cw
	}
}

// shown is a character of the guest.
type shown struct {
	text  string
	width int
	style canvas.Style
}

// show puts a character, or what tui/canvas shows in its place.
func show(a canvas.Area, x, y int, c shown) {
	if len(c.text) <= 1 {
		if c.text == " " {
			c.text = ""
		}
		a.Set(x, y, c.text, 1, c.style)
		return
	}
	for k := range canvas.Clusters(c.text) {
		if k.Width == c.width {
			a.Set(x, y, k.Shown, k.Width, c.style)
			return
		}
		break
	}
	a.Set(x, y, "?", 1, c.style)
	if c.width == 2 {
		a.Set(x+1, y, "", 1, c.style)
	}
}

// Line gives line n as it is now; ok is false when it is not kept.
func (s *Screen) Line(n int) (l Line, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	return s.line(n)
}

func (s *Screen) line(n int) (l Line, ok bool) {
	y := n - s.history.end()
	if y < 0 {
		return s.history.line(n)
	}
	if y >= s.h {
		return Line{}, false
	}
	return s.pack(y).line(), true
}
