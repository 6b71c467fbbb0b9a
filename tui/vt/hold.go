package vt

import (
	"time"

	uv "github.com/charmbracelet/ultraviolet"

	"github.com/nestos/nosa/tui/canvas"
)

// Synchronised updates (DEC mode 2026): while the guest is in the midst of a picture the one before is drawn, but
// no longer than HoldMost, so that a guest that never ends its picture is seen still.
const (
	// HoldMost is how long one picture is held at most.
	HoldMost = 150 * time.Millisecond
	// holdEvery is the least time between two pictures that are kept: of a guest that makes more some are never
	// drawn, and keeping one costs as much as drawing it.
	holdEvery = 10 * time.Millisecond
)

// held is a picture that was complete.
type held struct {
	cells  []uv.Cell // row by row
	w, h   int
	x, y   int // the cursor
	cursor bool
	line   int       // the number of its first line
	kept   time.Time // zero is none
	begun  time.Time // when the guest began the picture that comes after it
}

// hold keeps the picture that is complete now: the guest begins the next.
func (s *Screen) hold() {
	now := s.now()
	s.held.begun = now
	if !s.held.kept.IsZero() && now.Sub(s.held.kept) < holdEvery {
		return
	}
	p := &s.held
	p.w, p.h, p.x, p.y, p.cursor, p.line, p.kept = s.w, s.h, s.x, s.y, s.modes.CursorVisible, s.history.end(), now
	p.cells = p.cells[:0]
	for y := range s.h {
		for x := range s.w {
			p.cells = append(p.cells, *s.cell(x, y))
		}
	}
	s.edits += s.h
}

// holding says if the picture that is kept is to be drawn.
func (s *Screen) holding() bool {
	return s.modes.Sync && !s.held.kept.IsZero() && s.now().Sub(s.held.begun) < HoldMost
}

// Held says that an older picture is drawn: who draws should do so again after HoldMost, should nothing come.
func (s *Screen) Held() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holding()
}

// drawHeld draws the picture that is kept.
func (p *held) drawHeld(a canvas.Area) {
	w, h := a.Size()
	for y := range min(h, p.h) {
		for x := range min(w, p.w) {
			if c := &p.cells[y*p.w+x]; c.Width > 0 {
				show(a, x, y, shown{c.Content, c.Width, style(&c.Style)})
			}
		}
	}
	if p.cursor && p.x < w && p.y < h {
		a.Cursor(p.x, p.y)
	}
}
