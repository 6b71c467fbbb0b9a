package milestone

// maxLine is how much of a line is looked at; what follows is dropped.
const maxLine = 4 << 10

// place is where in an escape sequence (ECMA-48) the stream is.
type place int

const (
	inText   place = iota
	inEscape       // after ESC
	inCSI          // in a control sequence
	inString       // in an OSC, DCS, APC, PM or SOS
	inStringEscape
)

// lines cuts what a terminal gets into lines, a byte at a time. Sequences are
// taken out; one that moves the cursor ends the line, for what follows stands
// elsewhere: GRUB draws its menu so, without a line feed. So does a carriage
// return: what was printed before it was to be read.
type lines struct {
	at   place
	text []byte // the unfinished line
}

// next takes a byte and says whether the line ends with it.
func (l *lines) next(b byte) bool {
	switch b {
	case '\n', '\r', '\f', '\v':
		l.at = inText // a sequence that was cut off swallows no more than its line
		return true
	case 0x1b:
		if l.at == inString {
			l.at = inStringEscape
		} else {
			l.at = inEscape
		}
		return false
	}
	switch l.at {
	case inEscape, inStringEscape:
		return l.escape(b)
	case inCSI:
		return l.control(b)
	case inString:
		if b == 0x07 {
			l.at = inText
		}
		return false
	}
	l.put(b)
	return false
}

func (l *lines) put(b byte) {
	if b == '\t' {
		b = ' '
	}
	if b >= ' ' && b != 0x7f && len(l.text) < maxLine {
		l.text = append(l.text, b)
	}
}

// escape takes the byte after ESC.
func (l *lines) escape(b byte) bool {
	switch {
	case b == '[':
		l.at = inCSI
	case b == ']' || b == 'P' || b == '_' || b == '^' || b == 'X':
		l.at = inString
	case b >= 0x20 && b <= 0x2f: // an intermediate byte: the final one is still to come
		l.at = inEscape
	case b >= 0x80: // systemd cuts a status line in the middle, sequences too
		l.at = inText
		l.put(b)
	default:
		l.at = inText
		return b == 'c' || b == 'D' || b == 'E' || b == 'M' // reset, and line up or down
	}
	return false
}

// control takes a byte of a control sequence.
func (l *lines) control(b byte) bool {
	switch {
	case b < 0x40: // a parameter, or a control character that changes nothing
		return false
	case b >= 0x80:
		l.at = inText
		l.put(b)
		return false
	}
	l.at = inText
	switch b {
	case 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J', 'd', 'f':
		return true
	}
	return false
}

// end forgets the line.
func (l *lines) end() { l.text = l.text[:0] }
