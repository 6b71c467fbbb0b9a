package vt

import (
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
)

// saved is what DECSC keeps.
type saved struct {
	set     bool
	x, y    int
	pending bool
	origin  bool
	pen     uv.Style
	charset charsets
}

// The places where a cursor is kept.
const (
	byDECSC = iota
	by1049
)

func (s *Screen) save(place int) {
	s.saved[place] = saved{true, s.x, s.y, s.pending, s.modes.origin, s.pen, s.charset}
}

func (s *Screen) restore(place int) {
	v := s.saved[place]
	s.x, s.y, s.pending = min(v.x, s.w-1), min(v.y, s.h-1), v.pending && v.x == s.w-1
	s.pen = v.pen
	if place == byDECSC {
		s.modes.origin, s.charset = v.origin, v.charset
	}
}

// esc does an escape sequence.
func (s *Screen) esc(cmd ansi.Cmd) {
	s.lastX, s.lastRune = -1, 0
	switch cmd {
	case '7':
		s.save(byDECSC)
	case '8':
		s.restore(byDECSC)
	case 'D':
		s.index()
	case 'E':
		s.index()
		s.x = 0
	case 'M':
		s.reverseIndex()
	case 'H':
		for _, p := range s.pages {
			_, _ = p.cells.WriteString("\x1b[1;" + itoa(s.x+1) + "f\x1bH")
		}
	case 'c':
		s.keepAll()
		s.reset()
	case '=', '>':
		s.modes.Keypad = cmd == '='
	case ansi.Cmd(ansi.Command(0, '#', '8')):
		s.align()
	case ansi.Cmd(ansi.Command(0, '(', '0')):
		s.charset.lines[0] = true
	case ansi.Cmd(ansi.Command(0, '(', 'B')), ansi.Cmd(ansi.Command(0, '(', 'A')):
		s.charset.lines[0] = false
	case ansi.Cmd(ansi.Command(0, ')', '0')):
		s.charset.lines[1] = true
	case ansi.Cmd(ansi.Command(0, ')', 'B')), ansi.Cmd(ansi.Command(0, ')', 'A')):
		s.charset.lines[1] = false
	}
}

// align is DECALN: a screenful of E.
func (s *Screen) align() {
	s.top, s.end, s.x, s.y, s.pending = 0, s.h, 0, 0, false
	s.edits += s.h
	for y := range s.h {
		for x := range s.w {
			s.setCell(x, y, uv.Cell{Content: "E", Width: 1})
		}
	}
	clear(s.on.wraps)
}
