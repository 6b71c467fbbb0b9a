package vt

import (
	"bytes"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi/parser"

	"github.com/nestos/nosa/tui/canvas"
)

// logMode is the short way for whole lines of plain text, as logs are: they go to the scrollback at once, with all
// rows of the main screen but its last, which is blank and has the cursor in its first column. When anything
// else comes or somebody looks, settle takes the screen's rows back from there.
type logMode struct {
	on       bool
	settling bool
	tail     []byte // of a line that has not ended

	text []byte // the row that is being made
	runs []canvas.Run
	last canvas.Style // of runs
	cols int          // of text
}

const (
	longestTail = 4 << 10
	enough      = 8 // lines ahead for which the short way pays
)

// plainAhead says if the short way pays for what comes.
func (s *Screen) plainAhead(p []byte) bool {
	if !s.logged() {
		return false
	}
	for range enough {
		n := s.plainLine(p)
		if n == 0 {
			return false
		}
		p = p[n:]
	}
	return true
}

// logged says if the screen is as logMode has it.
func (s *Screen) logged() bool {
	return s.x == 0 && s.y == s.h-1 && !s.pending && s.on == s.pages[0] && s.top == 0 && s.end == s.h && s.pen.Bg == nil &&
		s.modes.wrap && !s.modes.insert && s.charset.plain() && s.parser.State() == parser.GroundState && len(s.partial) == 0 && s.str.kind == 0 &&
		!s.on.wraps[s.y] && s.blankRow(s.y)
}

// plainLine is the length of the line that p begins with, if it is whole and has only characters that join no others,
// SGR that leaves the background alone, and CR LF at its end; else 0.
func (s *Screen) plainLine(p []byte) int {
	end := bytes.IndexByte(p, '\n')
	if end < 1 || p[end-1] != '\r' {
		return 0
	}
	for i := 0; i < end-1; i++ {
		n := 0
		switch b := p[i]; {
		case b >= ' ' && b < 0x7f:
			continue
		case b == 0x1b:
			n = plainSGR(p[i:end])
		case b >= 0x80:
			_, n = plainRune(p[i:end])
		}
		if n == 0 {
			return 0
		}
		i += n - 1
	}
	return end + 1
}

// plainRune is the columns and bytes of the character that p begins with; n is 0 when it could join another, or
// is none.
func plainRune(p []byte) (w, n int) {
	r, n := utf8.DecodeRune(p)
	if r < 0xa0 || r == utf8.RuneError || regional(r) || r >= 0x1f3fb && r <= 0x1f3ff {
		return 0, 0
	}
	if w = runeWidth(r); w == 0 {
		return 0, 0
	}
	return w, n
}

// plainSGR is the length of the SGR sequence that p begins with, 0 when it is something else or could
// set a background.
func plainSGR(p []byte) int {
	if len(p) < 3 || p[1] != '[' {
		return 0
	}
	for i := 2; i < min(len(p), 32); i++ {
		switch b := p[i]; {
		case b == 'm':
			return i + 1
		case b == '4' && i+2 < len(p) && p[i+1] >= '0' && p[i+1] <= '9', b == '1' && i+2 < len(p) && p[i+1] == '0': // 40–49, 100–107
			return 0
		case b != ';' && (b < '0' || b > '9'):
			return 0
		}
	}
	return 0
}

// writeLog takes whole lines of plain text from the start of p, if the short way is on or pays.
func (s *Screen) writeLog(p []byte) int {
	if !s.log.on {
		if !s.plainAhead(p) {
			return 0
		}
		for y := range s.h - 1 {
			s.keep(y)
		}
		s.log.on = true
	}
	used := 0
	if len(s.log.tail) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			return s.logTail(p)
		}
		if len(s.log.tail)+end >= longestTail {
			s.settle()
			return 0
		}
		s.log.tail = append(s.log.tail, p[:end+1]...)
		if s.plainLine(s.log.tail) == 0 {
			s.settle()
			return end + 1
		}
		s.logLine(s.log.tail)
		s.log.tail = s.log.tail[:0]
		used = end + 1
	}
	for {
		n := s.plainLine(p[used:])
		if n == 0 {
			break
		}
		s.logLine(p[used : used+n])
		used += n
	}
	if bytes.IndexByte(p[used:], '\n') < 0 {
		return used + s.logTail(p[used:])
	}
	s.settle()
	return used
}

// logTail keeps the start of a line until its end comes.
func (s *Screen) logTail(p []byte) int {
	if len(s.log.tail)+len(p) >= longestTail {
		s.settle()
		return 0
	}
	s.log.tail = append(s.log.tail, p...)
	return len(p)
}

// logLine adds a line that plainLine takes.
func (s *Screen) logLine(p []byte) {
	l := &s.log
	p = p[:len(p)-2]
	l.start()
	for i := 0; i < len(p); {
		if p[i] == 0x1b {
			for i++; p[i-1] != 'm'; i++ {
				s.parser.Advance(p[i-1])
			}
			s.parser.Advance('m')
			continue
		}
		w, n := 1, 1
		if p[i] >= 0x80 {
			w, n = plainRune(p[i:])
		}
		if w > s.w {
			i += n
			continue
		}
		if l.cols+w > s.w {
			for ; l.cols < s.w; l.cols++ { // a wide character left a column free
				l.style(canvas.Style{})
				l.text = append(l.text, ' ')
			}
			s.history.add(packed{l.text, l.runs, true})
			l.start()
		}
		l.style(style(&s.pen))
		for p[i] < 0x80 && n < min(s.w-l.cols, len(p)-i) && p[i+n] != 0x1b && p[i+n] < 0x80 {
			n, w = n+1, w+1
		}
		l.text = append(l.text, p[i:i+n]...)
		l.cols += w
		i += n
	}
	l.trim()
	s.history.add(packed{l.text, l.runs, false})
	s.lastRune = 0
}

// start begins a row.
func (l *logMode) start() {
	l.text, l.runs, l.last, l.cols = l.text[:0], l.runs[:0], canvas.Style{}, 0
}

func (l *logMode) style(st canvas.Style) {
	if st != l.last {
		l.runs = append(l.runs, canvas.Run{Start: len(l.text), Style: st})
		l.last = st
	}
}

// trim takes away blanks at the end that are not seen, as pack does.
func (l *logMode) trim() {
	for len(l.text) > 0 && l.text[len(l.text)-1] == ' ' {
		at := len(l.text) - 1
		k := len(l.runs)
		if k > 0 && seen(l.runs[k-1].Style) {
			return
		}
		l.text = l.text[:at]
		if k > 0 && l.runs[k-1].Start == at {
			l.runs = l.runs[:k-1]
		}
	}
}

// settle ends the short way: the screen is in x/vt again.
func (s *Screen) settle() {
	if !s.log.on {
		return
	}
	s.log.on = false
	s.x, s.y, s.pending, s.lastX = 0, s.h-1, false, -1
	_, _ = s.on.cells.WriteString("\x1b[m\x1b[2J")
	s.on.bg = ""
	clear(s.on.wraps)
	for y := s.h - 2; y >= 0; y-- {
		l, ok := s.history.pop()
		if !ok {
			break
		}
		s.place(y, l)
	}
	tail := s.log.tail
	s.log.tail, s.log.settling = nil, true
	s.feed(tail)
	s.log.tail, s.log.settling = tail[:0], false
}
