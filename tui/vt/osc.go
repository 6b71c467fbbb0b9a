package vt

import (
	"bytes"
	"strings"
	"unicode"
)

const (
	longestString = 64 << 10 // of an OSC, DCS, APC, PM or SOS string
	longestTitle  = 256
)

// sequence is a string sequence that is being collected.
type sequence struct {
	kind byte // what came after ESC: ] P X ^ _; 0: none
	esc  bool // the last byte was ESC
	data []byte
}

// collect takes what belongs to a string sequence from the start of p. One that has no end is over after 64 KiB:
// else a stray byte would hide all that comes after.
func (s *Screen) collect(p []byte) int {
	for i, b := range p {
		switch {
		case s.str.esc:
			s.finish()
			if b == '\\' {
				return i + 1
			}
			s.parser.Advance(0x1b)
			return i
		case b == 0x1b:
			s.str.esc = true
			continue
		case b == 0x18 || b == 0x1a:
			s.str = sequence{data: s.str.data[:0]}
			return i + 1
		case b == 0x07 && s.str.kind == ']':
			s.finish()
			return i + 1
		}
		if len(s.str.data) == longestString {
			s.counts.Overlong++
			s.str = sequence{}
			return i
		}
		s.str.data = append(s.str.data, b)
	}
	return len(p)
}

// finish does what a string sequence says: a title, else nothing.
func (s *Screen) finish() {
	kind, data := s.str.kind, s.str.data
	s.str = sequence{data: data[:0]}
	if cap(data) > 4<<10 {
		s.str.data = nil
	}
	if kind != ']' {
		s.counts.Strings++
		return
	}
	cmd, rest, _ := bytes.Cut(data, []byte{';'})
	switch string(cmd) {
	case "0", "2":
		s.title = clean(string(rest))
	case "52":
		s.counts.Clipboard++
	case "9", "99", "777":
		s.counts.Notices++
	default:
		s.counts.Strings++
	}
}

// clean is a text of the guest as plain text of one line: without controls, invalid UTF-8 and what changes
// directions, at most 256 bytes.
func clean(title string) string {
	title = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(title, ""))
	if len(title) > longestTitle {
		title = strings.ToValidUTF8(title[:longestTitle], "")
	}
	return strings.TrimSpace(title)
}
