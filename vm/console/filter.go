package console

import (
	"io"
	"unicode/utf8"
)

// Filter is what stands between a guest's output and a real terminal: text, the
// control characters BS HT LF VT FF CR BEL SO SI, and those escape sequences that
// change what is on the screen. It gives back whole sequences only, so nothing
// that a guest prints can make a terminal answer, write files, change its title
// or clipboard, print, lock the keyboard, or swallow what comes next.
//
// What passes (ECMA-48, and xterm's ctlseqs for the rest):
//   - CSI: cursor movement, erasing (but not the terminal's scrollback), inserting
//     and deleting, scrolling, scroll region, SGR, tabs, DECSCUSR, DECSTR,
//     insert mode, and of the private modes those in passingModes, among them the
//     alternate screen, the cursor's visibility and bracketed paste
//   - ESC 7 8 D E M = >, and ESC ( or ) with B or 0: the line drawing of a vt220
//
// What is dropped: OSC, DCS, APC, PM and SOS with all that is in them; every
// request that a terminal answers (DA, DSR, DECRQM, window operations); the
// mouse, focus and keyboard protocols, whose reports the guest would get unasked
// after it is gone; RIS; C1 controls in UTF-8; other controls. Bytes that are no
// UTF-8, C1 controls as single bytes among them, become U+FFFD. A parser that
// keeps them apart (x/ansi's) is of no use here: it takes any byte for the
// continuation of a character and bytes above 0x7f for controls.
//
// The state is held over any split of the output, in bounded memory, however
// long a sequence is. The zero value is ready to use.
type Filter struct {
	// Plain drops all escape sequences, too: what is left is text with LF and HT,
	// CR LF becomes LF, for a file or a pipe.
	Plain bool

	state   state
	seq     []byte // of a CSI sequence, what came after it; of ESC, the intermediate bytes
	char    [utf8.UTFMax]byte
	charLen int
	cr      bool // Plain: a CR that waits for what follows
	left    leftovers
}

// state is where in a sequence the filter is.
type state byte

const (
	ground state = iota
	escape
	csi
	csiIgnore    // a CSI sequence that is malformed or too long
	str          // a control string: until ST
	strEscape    // an ESC in it
	oscString    // as str, but BEL ends it, too
	oscStrEscape // an ESC in it
)

// maxSequence is the longest CSI sequence that passes; true colours of text,
// background and underline are 60 bytes.
const maxSequence = 128

const (
	bel = 0x07
	can = 0x18
	sub = 0x1a
	esc = 0x1b
	del = 0x7f
)

// Append adds to dst what may be shown of p.
func (f *Filter) Append(dst, p []byte) []byte {
	for i := 0; i < len(p); {
		if f.state == ground && f.charLen == 0 {
			n := plainRun(p[i:])
			if n > 0 {
				dst = f.text(dst, p[i:i+n])
				i += n
				continue
			}
		}
		var used bool
		if dst, used = f.step(dst, p[i]); used {
			i++
		}
	}
	return dst
}

// plainRun is how many printable ASCII characters p begins with.
func plainRun(p []byte) int {
	for i, b := range p {
		if b < ' ' || b >= del {
			return i
		}
	}
	return len(p)
}

// step takes one byte; used is false when it must be looked at again in the
// state that it led to.
func (f *Filter) step(dst []byte, b byte) (out []byte, used bool) {
	if f.charLen > 0 {
		return f.continueChar(dst, b)
	}
	switch f.state {
	case ground:
		return f.inGround(dst, b), true
	case escape:
		return f.inEscape(dst, b)
	case csi, csiIgnore:
		return f.inCSI(dst, b)
	case str, oscString:
		f.inString(b)
	case strEscape, oscStrEscape:
		// ST; any other ESC ends the string, too, and begins anew.
		if b == '\\' {
			f.state = ground
			return dst, true
		}
		f.enter(escape)
		return dst, false
	}
	return dst, true
}

func (f *Filter) enter(s state) {
	f.state = s
	f.seq = f.seq[:0]
}

func (f *Filter) inGround(dst []byte, b byte) []byte {
	switch {
	case b == esc:
		f.enter(escape)
	case b < ' ' || b == del:
		return f.control(dst, b)
	case b < utf8.RuneSelf:
		return f.text(dst, []byte{b})
	default:
		f.char[0], f.charLen = b, 1
		if utf8.FullRune(f.char[:1]) { // can begin no character
			f.charLen = 0
			return f.text(dst, replacement)
		}
	}
	return dst
}

var replacement = []byte(string(utf8.RuneError))

// continueChar takes a byte after the first of a character beyond ASCII.
func (f *Filter) continueChar(dst []byte, b byte) (out []byte, used bool) {
	f.char[f.charLen] = b
	whole := f.char[:f.charLen+1]
	if !utf8.FullRune(whole) {
		f.charLen++
		return dst, true
	}
	f.charLen = 0
	r, n := utf8.DecodeRune(whole)
	switch {
	case r == utf8.RuneError && n == 1: // b does not belong to it
		return f.text(dst, replacement), false
	case r < 0xa0: // C1: a terminal may take it for one
		return dst, true
	}
	return f.text(dst, whole), true
}

// control takes a C0 control character, as it may come within a CSI sequence, too.
func (f *Filter) control(dst []byte, b byte) []byte {
	switch b {
	case '\n', '\t':
		if f.Plain && b == '\n' {
			f.cr = false
		}
		return f.text(dst, []byte{b})
	case '\r':
		if f.Plain {
			f.cr = true
			return dst
		}
		return append(dst, b)
	case '\b', '\v', '\f', bel:
		if !f.Plain {
			return append(dst, b)
		}
	case 0x0e, 0x0f: // SO, SI
		if !f.Plain {
			f.left.shift(b == 0x0e)
			return append(dst, b)
		}
	}
	return dst
}

// text adds what is no control.
func (f *Filter) text(dst, p []byte) []byte {
	if f.cr {
		f.cr = false
		dst = append(dst, '\r')
	}
	return append(dst, p...)
}

// within takes what means the same anywhere in a sequence: a new one, the end of
// it, a control character that is carried out on the way, a
// byte that belongs to none.
func (f *Filter) within(dst []byte, b byte) (out []byte, used, done bool) {
	switch {
	case b == esc:
		f.enter(escape)
	case b == can || b == sub:
		f.state = ground
	case b < ' ':
		dst = f.control(dst, b)
	case b == del:
	case b >= utf8.RuneSelf:
		f.state = ground
		return dst, false, true
	default:
		return dst, false, false
	}
	return dst, true, true
}

func (f *Filter) inEscape(dst []byte, b byte) (out []byte, used bool) {
	if out, used, done := f.within(dst, b); done {
		return out, used
	}
	switch {
	case b < '0': // intermediate; more than one has no meaning here
		f.seq = append(f.seq[:min(len(f.seq), 1)], b)
	case len(f.seq) > 0:
		f.state = ground
		return f.designate(dst, b), true
	case b == '[':
		f.enter(csi)
	case b == ']':
		f.enter(oscString)
	case b == 'P' || b == 'X' || b == '^' || b == '_':
		f.enter(str)
	default:
		f.state = ground
		return f.escaped(dst, b), true
	}
	return dst, true
}

// escaped ends a sequence of ESC and one more byte.
func (f *Filter) escaped(dst []byte, b byte) []byte {
	if f.Plain {
		return dst
	}
	switch b {
	case '7', '8', 'D', 'E', 'M':
	case '=', '>': // the keypad's keys
		f.left.keypad(b == '=')
	default:
		return dst
	}
	return append(dst, esc, b)
}

// designate ends a sequence that chooses a character set.
func (f *Filter) designate(dst []byte, b byte) []byte {
	if f.Plain || len(f.seq) != 1 || (f.seq[0] != '(' && f.seq[0] != ')') || (b != 'B' && b != '0') {
		return dst
	}
	f.left.charset(f.seq[0], b)
	return append(dst, esc, f.seq[0], b)
}

func (f *Filter) inCSI(dst []byte, b byte) (out []byte, used bool) {
	if out, used, done := f.within(dst, b); done {
		return out, used
	}
	switch {
	case b >= '@':
		s := f.state
		f.state = ground
		if s == csi && !f.Plain {
			dst = f.sequence(dst, b)
		}
	case len(f.seq) == maxSequence:
		f.state = csiIgnore
	case f.state == csi:
		f.seq = append(f.seq, b)
	}
	return dst, true
}

func (f *Filter) inString(b byte) {
	switch {
	case b == esc && f.state == oscString:
		f.state = oscStrEscape
	case b == esc:
		f.state = strEscape
	case b == can || b == sub || (b == bel && f.state == oscString):
		f.state = ground
	}
}

// Writer gives a writer that filters what it passes on to w. What w did not take
// is lost.
func (f *Filter) Writer(w io.Writer) io.Writer { return &filterWriter{f: f, w: w} }

type filterWriter struct {
	f   *Filter
	w   io.Writer
	buf []byte
}

// Write filters p.
func (fw *filterWriter) Write(p []byte) (int, error) {
	fw.buf = fw.f.Append(fw.buf[:0], p)
	if len(fw.buf) == 0 {
		return len(p), nil
	}
	if _, err := fw.w.Write(fw.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}
