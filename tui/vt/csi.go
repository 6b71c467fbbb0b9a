package vt

import (
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
)

// csi does a control sequence. What is unknown is ignored.
func (s *Screen) csi(cmd ansi.Cmd, params ansi.Params) {
	s.lastX = -1
	if cmd == 'm' {
		uv.ReadStyle(params, &s.pen)
		s.lastRune = 0
		return
	}
	defer func() { s.lastRune = 0 }() // REP repeats what comes right before it
	switch {
	case cmd.Prefix() == 0 && cmd.Intermediate() == 0:
		if !s.move(cmd.Final(), params) && !s.change(cmd.Final(), params) {
			s.ask(cmd, params)
		}
	case cmd == ansi.Cmd(ansi.Command('?', 0, 'h')) || cmd == ansi.Cmd(ansi.Command('?', 0, 'l')):
		for _, p := range params {
			s.setMode(ansi.DECMode(p.Param(0)), setting(cmd.Final()))
		}
	case cmd == ansi.Cmd(ansi.Command(0, '!', 'p')): // DECSTR
		s.pen, s.charset, s.top, s.end = uv.Style{}, charsets{}, 0, s.h
		s.modes = Modes{wrap: true, CursorVisible: true, Paste: s.modes.Paste, Mouse: s.modes.Mouse, MouseSGR: s.modes.MouseSGR}
		s.saved = [2]saved{}
	case cmd == ansi.Cmd(ansi.Command(0, ' ', 'q')): // DECSCUSR
		n := arg(params, 0, 1)
		s.steady = n%2 == 0
		s.shape = [...]Shape{Block, Underline, Bar}[min(max(n-1, 0)/2, 2)]
	default:
		s.ask(cmd, params)
	}
}

func setting(final byte) ansi.ModeSetting {
	if final == 'h' {
		return ansi.ModeSet
	}
	return ansi.ModeReset
}

// arg is a parameter, where 0 and none mean the same: def.
func arg(params ansi.Params, i, def int) int {
	n, _, ok := params.Param(i, 0)
	if !ok || n <= 0 {
		return def
	}
	return n
}

// move does what only moves the cursor.
func (s *Screen) move(final byte, params ansi.Params) bool {
	n := min(arg(params, 0, 1), maxSide)
	switch final {
	case 'A':
		s.rows(-n)
	case 'B', 'e':
		s.rows(n)
	case 'C', 'a':
		s.x = min(s.x+n, s.w-1)
	case 'D':
		s.x = max(s.x-n, 0)
	case 'E':
		s.rows(n)
		s.x = 0
	case 'F':
		s.rows(-n)
		s.x = 0
	case 'G', '`':
		s.x = min(n, s.w) - 1
	case 'H', 'f':
		s.at(min(arg(params, 1, 1), s.w)-1, n-1)
	case 'd':
		s.at(s.x, n-1)
	case 'I', 'Z':
		s.edit("\x1b[" + itoa(min(n, s.w)) + string(final))
		s.x = s.on.cells.CursorPosition().X
	case 's':
		s.save(byDECSC)
	case 'u':
		s.restore(byDECSC)
	default:
		return false
	}
	s.pending = false
	return true
}

// at moves the cursor to a place, of the scroll region in origin mode.
func (s *Screen) at(x, y int) {
	s.x = x
	if s.modes.origin {
		s.y = min(s.top+y, s.end-1)
		return
	}
	s.y = min(y, s.h-1)
}

// rows moves the cursor by rows. It stays in the scroll region if it is there.
func (s *Screen) rows(n int) {
	first, last := 0, s.h-1
	if s.y >= s.top {
		first = s.top
	}
	if s.y < s.end {
		last = s.end - 1
	}
	s.y = min(max(s.y+n, first), last)
}

// change does what changes cells.
func (s *Screen) change(final byte, params ansi.Params) bool {
	n := min(arg(params, 0, 1), maxSide)
	switch final {
	case '@', 'P', 'X':
		s.characters(final, n)
		return true
	case 'K':
		s.eraseLine(arg(params, 0, 0))
		return true
	case 'J':
		s.erase(arg(params, 0, 0))
		return true
	case 'L', 'M':
		s.lines(final, n)
	case 'S':
		s.scrollUp(n)
	case 'T':
		s.scrollDown(n)
	case 'b':
		s.repeat(n)
		return true
	case 'g':
		for _, p := range s.pages {
			_, _ = p.cells.WriteString("\x1b[1;" + itoa(s.x+1) + "f\x1b[" + itoa(arg(params, 0, 0)) + "g")
		}
		return true
	case 'r':
		s.region(arg(params, 0, 1), arg(params, 1, s.h))
		return true
	case 'h', 'l':
		for _, p := range params {
			s.setMode(ansi.ANSIMode(p.Param(0)), setting(final))
		}
		return true
	default:
		return false
	}
	s.pending = false
	return true
}

// characters does ICH, DCH and ECH. After the last column there is nothing to do.
func (s *Screen) characters(final byte, n int) {
	if s.pending {
		return
	}
	n = min(n, s.w-s.x)
	switch final {
	case '@':
		s.shift(n)
	case 'P':
		s.shift(-n)
	case 'X':
		s.edit("\x1b[" + itoa(n) + "X")
		s.repair(s.y)
	}
	s.on.wraps[s.y] = false
}

// repeat is REP. More than fills the screen shows nothing more.
func (s *Screen) repeat(n int) {
	r := s.lastRune
	s.edits += n / 8
	for range min(n, s.w*s.h) {
		if r != 0 {
			s.put(r)
		}
	}
}

// lines inserts or deletes rows at the cursor.
func (s *Screen) lines(final byte, n int) {
	if s.y < s.top || s.y >= s.end {
		return
	}
	n = min(n, s.end-s.y)
	if final == 'L' {
		s.insertRows(s.y, n)
		return
	}
	s.deleteRows(s.y, n)
}

func (s *Screen) region(top, end int) {
	end = min(end, s.h)
	if top >= end {
		return
	}
	s.top, s.end = top-1, end
	s.at(0, 0)
	s.pending = false
}
