package term

import (
	"bytes"
)

// Tap takes what a person types as the terminal sent it, before Bubble Tea makes keys of it, and gives
// back what it does not want; that goes to Bubble Tea. It is called by who reads, and may take its time.
type Tap func(typed []byte) (rest []byte)

// Tap has everything that is typed from now on go to tap, or to Bubble Tea again with nil. No byte is lost or
// doubled: what Bubble Tea was given before it still makes into keys, and where it has the beginning of a sequence or
// a paste it gets what is read until that has ended. What the terminal itself tells goes on to Bubble Tea
// (mouse, focus) or nowhere (answers to questions that we did not ask): never to tap.
func (in *Input) Tap(tap Tap) {
	if tap == nil {
		in.tap.Store(nil)
		return
	}
	in.tap.Store(&tap)
}

// room is how much of p may be read: what a sorter keeps may come on top of it.
func (in *Input) room(p []byte) []byte {
	if in.tap.Load() == nil && len(in.sorter.held) == 0 || len(p) <= 2*maxHeld {
		return p
	}
	return p[:len(p)-maxHeld]
}

// divert gives the tap its part of what was read into p, and says how much is left for Bubble Tea.
func (in *Input) divert(p []byte, n int) int {
	tap := in.tap.Load()
	if tap == nil {
		if held := in.sorter.release(); len(held) > 0 {
			copy(p[len(held):], p[:n])
			n += copy(p, held)
		}
		in.passed(p, n)
		return n
	}
	if in.full || in.paste.open { // to the end of the read: what comes after must not be faster
		in.passed(p, n)
		return n
	}
	in.full = false
	typed, reports := in.sorter.split(p[:n])
	var rest []byte
	if len(typed) > 0 {
		rest = (*tap)(typed)
	}
	n = copy(p, reports)
	n += copy(p[n:], rest) // the tap may be off by now: what it leaves are keys
	in.paste.scan(p[:n])
	return n
}

// passed notes what Bubble Tea got.
func (in *Input) passed(p []byte, n int) {
	in.full = n > 0 && n == len(p)
	in.paste.scan(p[:n])
}

const (
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
)

// pasteScan knows if bytes that went by end within a paste.
type pasteScan struct {
	open bool
	tail []byte // the last bytes, where a mark may have begun
}

func (s *pasteScan) scan(p []byte) {
	if len(p) == 0 {
		return
	}
	b := append(s.tail, p...)
	for {
		mark := pasteBegin
		if s.open {
			mark = pasteEnd
		}
		i := bytes.Index(b, []byte(mark))
		if i < 0 {
			s.tail = bytes.Clone(b[max(len(b)-len(mark)+1, 0):])
			return
		}
		s.open = !s.open
		b = b[i+len(mark):]
	}
}

const (
	maxHeld  = 64       // of a report that is not complete
	maxReply = 16 << 10 // of an answer that is not complete
)

// sorter tells what a person types from what their terminal reports. The zero value is ready.
type sorter struct {
	held    []byte // the beginning of what can only be a report, or a mark
	pasting bool   // what comes is pasted text
}

// release gives what can still become a key, for whoever goes on.
func (s *sorter) release() []byte {
	held := s.held
	s.held, s.pasting = nil, false
	if len(held) > maxHeld {
		return nil
	}
	return held
}

// split gives what was typed or pasted, marks included, and what the mouse and the focus did. Answers of the
// terminal are dropped.
func (s *sorter) split(p []byte) (typed, reports []byte) {
	b := append(s.held, p...)
	s.held = nil
	for len(b) > 0 {
		if s.pasting {
			n := s.pasted(b)
			typed = append(typed, b[:n]...)
			b = b[n:]
			if s.pasting {
				s.held = bytes.Clone(b)
				return typed, reports
			}
			continue
		}
		n := bytes.IndexByte(b, 0x1b)
		if n < 0 {
			n = len(b)
		}
		typed, b = append(typed, b[:n]...), b[n:]
		if len(b) == 0 {
			break
		}
		what, n := classify(b)
		switch what {
		case ofPerson:
			typed = append(typed, b[:n]...)
		case ofPaste:
			typed = append(typed, b[:n]...)
			s.pasting = true
		case ofMouse:
			reports = append(reports, b[:n]...)
		case unfinished:
			s.held = bytes.Clone(b)
			return typed, reports
		case ofTerminal:
		}
		b = b[n:]
	}
	return typed, reports
}

// pasted is how much of b is pasted text for sure, its end mark included.
func (s *sorter) pasted(b []byte) int {
	if i := bytes.Index(b, []byte(pasteEnd)); i >= 0 {
		s.pasting = false
		return i + len(pasteEnd)
	}
	for n := min(len(pasteEnd)-1, len(b)); n > 0; n-- {
		if bytes.HasSuffix(b, []byte(pasteEnd[:n])) {
			return len(b) - n
		}
	}
	return len(b)
}

// sequence is whose a sequence is.
type sequence int

const (
	ofPerson   sequence = iota // a key
	ofPaste                    // the mark before a paste
	ofMouse                    // mouse, focus
	ofTerminal                 // an answer
	unfinished                 // no key, and the rest is missing
)

// classify says whose the sequence is with which b begins, and how long it is.
func classify(b []byte) (sequence, int) {
	if len(b) < 3 { // ESC, and alt with a character
		return ofPerson, len(b)
	}
	switch b[1] {
	case '[':
		return classifyCSI(b)
	case ']':
		if b[2] >= '0' && b[2] <= '9' {
			return answer(b)
		}
	case 'P':
		if isDCSAnswer(b[2:]) {
			return answer(b)
		}
	case '_':
		if b[2] == 'G' { // kitty's graphics
			return answer(b)
		}
	}
	return ofPerson, 1
}

// isDCSAnswer says if the string of a DCS begins as one of DECRQSS, XTGETTCAP, XTVERSION or DA3 does
// (xterm's ctlseqs).
func isDCSAnswer(b []byte) bool {
	for _, begin := range []string{"0$r", "1$r", "0+r", "1+r", ">|", "!|"} {
		if bytes.HasPrefix(b, []byte(begin)) {
			return true
		}
	}
	return false
}

// answer is an answer that is a string, until BEL or ST.
func answer(b []byte) (sequence, int) {
	for i := 2; i < len(b); i++ {
		switch {
		case b[i] == 0x07:
			return ofTerminal, i + 1
		case b[i] == 0x1b && i+1 < len(b):
			if b[i+1] == '\\' {
				return ofTerminal, i + 2
			}
			return ofTerminal, i // broken off: another sequence begins
		}
	}
	if len(b) > maxReply {
		return ofTerminal, len(b)
	}
	return unfinished, 0
}

func classifyCSI(b []byte) (sequence, int) {
	i := 2
	for i < len(b) && b[i] >= 0x20 && b[i] <= 0x3f {
		i++
	}
	body := string(b[2:i])
	if i == len(b) {
		if len(b) > maxHeld {
			return ofTerminal, len(b)
		}
		return unfinished, 0
	}
	final, n := b[i], i+1
	switch {
	case final < 0x40 || final > 0x7e: // broken off: no sequence
		return ofPerson, i
	case final == 'M' && body == "": // X10: three bytes follow
		if len(b) < n+3 {
			return unfinished, 0
		}
		return ofMouse, n + 3
	case body == "":
		if final == 'I' || final == 'O' {
			return ofMouse, n
		}
	case body[0] == '<' && (final == 'M' || final == 'm'):
		return ofMouse, n
	case body[0] == '<' || body[0] == '?' || body[0] == '>':
		return ofTerminal, n
	case final == '~' && body == "200":
		return ofPaste, n
	case final == '~' && body == "201":
		return ofTerminal, n
	case final == 'n' || final == 't' || final == 'y' || final == 'x':
		return ofTerminal, n
	case final == 'R' && !isF3(body): // a position of the cursor
		return ofTerminal, n
	}
	return ofPerson, n
}

// isF3 says if the numbers before an R are those of F3 with modifiers, and not a place in
// the first row: nobody of us asks for places.
func isF3(body string) bool {
	return len(body) == 3 && body[:2] == "1;" && body[2] >= '2' && body[2] <= '8'
}
