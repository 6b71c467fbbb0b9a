package vt

import (
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi/parser"
)

// Write shows what the guest printed. It takes all of it and gives no errors. It waits for nobody, and lets
// others have their turn every few hundred edits of rows.
func (s *Screen) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		s.mu.Lock()
		s.edits = 0
		rest = rest[s.write(rest[:min(len(rest), 64<<10)]):]
		s.mu.Unlock()
	}
	return len(p), nil
}

// enoughEdits take a few ms.
const enoughEdits = 200

// write shows a part of p and gives how much that is.
func (s *Screen) write(p []byte) int {
	n := 0
	for n < len(p) && s.edits < enoughEdits {
		n += s.writeLog(p[n:])
		n += s.feed(p[n:])
	}
	return n
}

// feed shows bytes up to a place where whole lines may follow, and gives how many they were.
func (s *Screen) feed(p []byte) int {
	for i := 0; i < len(p); {
		b := p[i]
		switch {
		case s.str.kind != 0:
			i += s.collect(p[i:])
		case s.parser.State() != parser.GroundState:
			i += s.sequence(b)
		case len(s.partial) > 0 || b >= 0x80:
			i += s.decode(p[i:])
		case b >= ' ' && b < 0x7f:
			i += s.ascii(p[i:])
		case b == 0x1b:
			s.parser.Advance(b)
			i++
		default:
			s.control(b)
			i++
			if b == '\n' && s.plainAhead(p[i:]) {
				return i
			}
		}
		if s.edits >= enoughEdits && !s.log.settling {
			return i
		}
	}
	return len(p)
}

// sequence takes a byte of an escape sequence; it gives 0 when the byte is none of it.
func (s *Screen) sequence(b byte) int {
	if b >= 0x80 { // the 8-bit controls of old: in UTF-8 they are parts of characters, or broken
		s.parser.Reset()
		return 0
	}
	if s.parser.State() == parser.EscapeState {
		switch b {
		case ']', 'P', 'X', '^', '_':
			s.parser.Reset()
			s.str = sequence{kind: b, data: s.str.data[:0]}
			return 1
		}
	}
	s.parser.Advance(b)
	return 1
}

// decode reads one character of UTF-8, which may have begun in an earlier Write. What is none is U+FFFD.
func (s *Screen) decode(p []byte) int {
	if len(s.partial) == 0 && utf8.FullRune(p) {
		r, n := utf8.DecodeRune(p)
		s.put(r)
		return n
	}
	for i, b := range p {
		was := len(s.partial)
		s.partial = append(s.partial, b)
		if !utf8.FullRune(s.partial) {
			continue
		}
		r, n := utf8.DecodeRune(s.partial)
		s.partial = s.partial[:0]
		s.put(r)
		if n <= was { // broken off: this byte is the next character's
			return i
		}
		return i + 1
	}
	return len(p)
}

// control does a C0 control.
func (s *Screen) control(b byte) {
	if b != 0 && b != 0x7f {
		s.lastX, s.lastRune = -1, 0
	}
	switch b {
	case 0x07:
		s.counts.Bells++
	case 0x08:
		s.x, s.pending = max(s.x-1, 0), false
	case '\t':
		s.edit("\x1b[I")
		s.x, s.pending = s.on.cells.CursorPosition().X, false
	case '\n', 0x0b, 0x0c:
		s.index()
		if s.modes.newLine {
			s.x, s.pending = 0, false
		}
	case '\r':
		s.x, s.pending = 0, false
	case 0x0e:
		s.charset.shift = 1
	case 0x0f:
		s.charset.shift = 0
	}
}

// index is a line feed.
func (s *Screen) index() {
	s.pending = false
	switch {
	case s.y == s.end-1:
		s.scrollUp(1)
	case s.y < s.h-1:
		s.y++
	}
}

func (s *Screen) reverseIndex() {
	s.pending = false
	switch {
	case s.y == s.top:
		s.scrollDown(1)
	case s.y > 0:
		s.y--
	}
}
