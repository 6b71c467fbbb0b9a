package console

import "bytes"

// leftovers is what the guest has left changed in the terminal.
type leftovers struct {
	modes    map[int]bool // private modes that are not as a terminal has them
	colours  bool
	inserts  bool
	keys     bool
	style    bool
	scroll   bool
	shifted  bool
	graphics [2]bool // G0, G1
}

func (l *leftovers) keypad(on bool)      { l.keys = on }
func (l *leftovers) shift(on bool)       { l.shifted = on }
func (l *leftovers) insert(on bool)      { l.inserts = on }
func (l *leftovers) cursorStyle(on bool) { l.style = on }
func (l *leftovers) region(on bool)      { l.scroll = on }

// charset notes that G0 '(' or G1 ')' became the set that to names.
func (l *leftovers) charset(which, to byte) {
	l.graphics[which-'('] = to == '0'
}

func (l *leftovers) sgr(params []byte) {
	l.colours = len(bytes.Trim(params, "0;")) > 0
}

// mode notes that a private mode was set ('h') or reset ('l').
func (l *leftovers) mode(n int, how byte) {
	if n == modeSaveCursor {
		return
	}
	if l.modes == nil {
		l.modes = map[int]bool{}
	}
	if (how == 'h') == (n == modeWrap || n == modeCursor) { // these are on to begin with
		delete(l.modes, n)
		return
	}
	l.modes[n] = true
}

// Restore gives what brings the terminal back to what it was before the guest
// wrote to it, as far as the guest was let: only what it left changed. The
// cursor is at the bottom afterwards where it cannot be told where it was.
func (f *Filter) Restore() []byte {
	l := &f.left
	var out []byte
	add := func(on bool, seq string) {
		if on {
			out = append(out, seq...)
		}
	}
	add(l.modes[modeSynchronized], "\x1b[?2026l")
	add(l.modes[modeAltOld], "\x1b[?47l")
	add(l.modes[modeAltClear], "\x1b[?1047l")
	add(l.modes[modeAlt], "\x1b[?1049l")
	add(l.modes[modeCursorKeys], "\x1b[?1l")
	add(l.modes[modeReverse], "\x1b[?5l")
	add(l.modes[modeWrap], "\x1b[?7h")
	add(l.modes[modeBlink], "\x1b[?12l")
	add(l.modes[modeCursor], "\x1b[?25h")
	add(l.modes[modeBracketedPaste], "\x1b[?2004l")
	add(l.keys, "\x1b>")
	add(l.inserts, "\x1b[4l")
	add(l.style, "\x1b[0 q")
	add(l.shifted, "\x0f")
	add(l.graphics[0], "\x1b(B")
	add(l.graphics[1], "\x1b)B")
	add(l.colours, "\x1b[0m")
	// Both move the cursor to the top.
	add(l.modes[modeOrigin], "\x1b[?6l")
	add(l.scroll, "\x1b[r")
	add(l.modes[modeOrigin] || l.scroll, "\x1b[9999;1H")
	f.left = leftovers{}
	return out
}

// RestoreAll gives what brings a terminal back that got a guest's output without
// a Filter: everything that is likely to hurt, whether it was left on or not.
func RestoreAll() []byte {
	return []byte("\x1b\\" + // the end of a string that has none
		"\x1b[?2026l\x1b[?1049l\x1b[?1l\x1b[?5l\x1b[?7h\x1b[?25h\x1b[?2004l" +
		"\x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1005l\x1b[?1006l\x1b[?1015l" + // mouse, focus
		"\x1b[>4m\x1b[<u" + // keyboard protocols of xterm and kitty
		"\x1b>\x1b[4l\x1b[20l\x0f\x1b(B\x1b)B\x1b[0m\x1b[?6l\x1b[r\x1b[9999;1H")
}
