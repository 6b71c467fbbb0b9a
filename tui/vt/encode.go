package vt

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Encode gives what a terminal sends for a key, by the names of term.Key: a printable character as it is, else
// "enter", "up", "f1" and so on, before it "ctrl+", "alt+", "shift+" in this order; "paste" is a text that was
// pasted. It is nil for a key that a guest cannot be told of.
func (m Modes) Encode(name, text string) []byte {
	if name == "paste" {
		return m.paste(text)
	}
	ctrl, alt, shift, key := modifiers(name)
	if seq := m.special(key, ctrl, alt, shift); seq != "" {
		return []byte(seq)
	}
	seq, ok := plainKey(key)
	switch {
	case ok && key == "tab" && shift != 0:
		seq = "\x1b[Z"
	case ok && key == "space" && ctrl != 0:
		seq = "\x00"
	case ok && key == "backspace" && ctrl != 0:
		seq = "\x08"
	case ok:
	case ctrl != 0:
		b, known := controlOf(key)
		if !known {
			return nil
		}
		seq = string(b)
	case text != "":
		seq = text
	case utf8.RuneCountInString(key) == 1:
		seq = key
	default:
		return nil
	}
	if alt != 0 {
		seq = "\x1b" + seq
	}
	return []byte(seq)
}

// modifiers takes them off a key's name. What they count in a sequence is what they are (xterm, "PC-style function keys").
func modifiers(name string) (ctrl, alt, shift int, key string) {
	key = name
	for {
		switch {
		case len(key) > 5 && strings.HasPrefix(key, "ctrl+"):
			ctrl, key = 4, key[5:]
		case len(key) > 4 && strings.HasPrefix(key, "alt+"):
			alt, key = 2, key[4:]
		case len(key) > 6 && strings.HasPrefix(key, "shift+"):
			shift, key = 1, key[6:]
		default:
			return ctrl, alt, shift, key
		}
	}
}

// special is the sequence of a cursor, editing or function key, "" for others.
//
//nolint:revive // three modifiers are one thing
func (m Modes) special(key string, ctrl, alt, shift int) string {
	mod := 1 + ctrl + alt + shift
	letters := map[string]string{
		"up": "A", "down": "B", "right": "C", "left": "D", "home": "H", "end": "F",
		"f1": "P", "f2": "Q", "f3": "R", "f4": "S",
	}
	numbers := map[string]int{
		"insert": 2, "delete": 3, "pgup": 5, "pgdown": 6, "f5": 15, "f6": 17, "f7": 18, "f8": 19, "f9": 20, "f10": 21, "f11": 23, "f12": 24,
	}
	if l, ok := letters[key]; ok {
		switch {
		case mod > 1:
			return "\x1b[1;" + strconv.Itoa(mod) + l
		case m.CursorKeys || key[0] == 'f':
			return "\x1bO" + l
		}
		return "\x1b[" + l
	}
	n, ok := numbers[key]
	if !ok {
		return ""
	}
	if mod > 1 {
		return "\x1b[" + strconv.Itoa(n) + ";" + strconv.Itoa(mod) + "~"
	}
	return "\x1b[" + strconv.Itoa(n) + "~"
}

func plainKey(key string) (seq string, ok bool) {
	switch key {
	case "enter":
		return "\r", true
	case "tab":
		return "\t", true
	case "esc":
		return "\x1b", true
	case "backspace":
		return "\x7f", true
	case "space":
		return " ", true
	}
	return "", false
}

// controlOf is the control character of a key.
func controlOf(key string) (b rune, ok bool) {
	if len(key) != 1 {
		return 0, false
	}
	switch c := key[0]; {
	case c >= 'a' && c <= 'z':
		return rune(c - 'a' + 1), true
	case c >= '@' && c <= '_':
		return rune(c - '@'), true
	case c == '/':
		return 0x1f, true
	case c == '?':
		return 0x7f, true
	}
	return 0, false
}

// paste is a pasted text: its line ends as the enter key, no other controls than tabs, so that it cannot end
// the brackets or do what nobody typed.
func (m Modes) paste(text string) []byte {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r':
			return '\r'
		case r == '\t':
			return r
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError:
			return -1
		}
		return r
	}, strings.ReplaceAll(text, "\r\n", "\n"))
	if m.Paste {
		text = "\x1b[200~" + text + "\x1b[201~"
	}
	return []byte(text)
}

// Mouse is what a mouse did, by the words of term.Mouse.
type Mouse struct {
	Kind             string // "press", "release", "drag", "motion", "wheel-up", "wheel-down"
	X, Y             int    // the cell of the screen, from 0
	Button           int    // 1 left, 2 middle, 3 right; 0 for wheel and motion
	Shift, Alt, Ctrl bool
}

// EncodeMouse gives what a terminal sends for a mouse event; nil when the guest did not ask for it (then it is ours).
func (m Modes) EncodeMouse(e Mouse) []byte {
	if !m.wants(e.Kind) || e.X < 0 || e.Y < 0 {
		return nil
	}
	b := max(e.Button-1, 0)
	switch e.Kind {
	case "drag":
		b += 32
	case "motion":
		b = 35
	case "wheel-up":
		b = 64
	case "wheel-down":
		b = 65
	}
	for bit, on := range map[int]bool{4: e.Shift, 8: e.Alt, 16: e.Ctrl} {
		if on {
			b |= bit
		}
	}
	if m.MouseSGR {
		final := byte('M')
		if e.Kind == "release" {
			final = 'm'
		}
		out := strconv.AppendInt([]byte("\x1b[<"), int64(b), 10)
		out = strconv.AppendInt(append(out, ';'), int64(e.X+1), 10)
		out = strconv.AppendInt(append(out, ';'), int64(e.Y+1), 10)
		return append(out, final)
	}
	if e.X > 222 || e.Y > 222 { // the old way has no more
		return nil
	}
	if e.Kind == "release" {
		b |= 3
	}
	return []byte{0x1b, '[', 'M', byte(b + 32), byte(e.X + 33), byte(e.Y + 33)}
}

func (m Modes) wants(kind string) bool {
	switch m.Mouse {
	case MousePress:
		return kind == "press"
	case MouseClick:
		return kind != "drag" && kind != "motion"
	case MouseDrag:
		return kind != "motion"
	case MouseMotion:
		return true
	}
	return false
}
