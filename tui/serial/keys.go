package serial

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
)

var errNoPrefix = errors.New(`key "none": without a prefix nothing would get out of the console`)

const (
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
	// longestPaste is the most bytes that are pasted at once; the rest of a longer text is cut off, and that is said.
	longestPaste = 512 << 10
)

// Answers to what a View asks.
const (
	choiceYes = "yes"
	choiceNo  = "no"
)

func (v *View) pasteTag() string { return "serial.paste " + v.o.Dir }
func (v *View) sizeTag() string  { return "serial.size " + v.o.Dir }

// send types for the user.
func (v *View) send(p []byte) []screen.Effect {
	if len(p) == 0 {
		return nil
	}
	v.src.keyed.Store(time.Now().UnixNano())
	if !v.src.typist.add(p) {
		return say(screen.Warn, "the guest reads nothing: what was typed is lost")
	}
	return nil
}

func say(level screen.Level, text string) []screen.Effect {
	return []screen.Effect{screen.Notice{Level: level, Text: text}}
}

// Type takes what was typed while the guest has the keys, as screen.Raw says. It takes up to and with the first
// key that is ours; the rest is left.
func (v *View) Type(p []byte) (rest []byte, effects []screen.Effect) {
	for len(p) > 0 && v.Attached() {
		switch {
		case v.pasting:
			var done bool
			if p, done = v.collect(p); done {
				return p, append(effects, v.paste(string(v.pasted))...)
			}
		case !v.src.live():
			i := bytes.Index(p, []byte(pasteBegin))
			if i < 0 {
				v.typedToNobody(p)
				return nil, effects
			}
			if v.typedToNobody(p[:i]); !v.Attached() {
				return p[i:], effects
			}
			v.pasting, v.pasted = true, nil
			p = p[i+len(pasteBegin):]
		case v.prefixed:
			key, n := firstKey(p)
			p = p[n:]
			v.prefixed = false
			if key != string(rune(v.prefix)) {
				return p, append(effects, v.after(key)...)
			}
			effects = append(effects, v.send([]byte{v.prefix})...)
		default:
			n := bytes.IndexByte(p, v.prefix)
			if n < 0 {
				n = len(p)
			}
			if i := bytes.Index(p[:n], []byte(pasteBegin)); i >= 0 {
				effects = append(effects, v.send(v.translate(p[:i]))...)
				v.pasting, v.pasted = true, nil
				p = p[i+len(pasteBegin):]
				continue
			}
			effects = append(effects, v.send(v.translate(p[:n]))...)
			if n < len(p) {
				v.prefixed = true
				n++
			}
			p = p[n:]
		}
	}
	return p, effects
}

// typedToNobody takes keys for a guest that is not there: all of them are lost, and some give the keys back.
func (v *View) typedToNobody(p []byte) {
	if bytes.IndexByte(p, v.prefix) >= 0 || bytes.ContainsAny(p, "\rq") || string(p) == "\x1b" {
		v.Detach()
	}
}

// collect takes pasted text; done is true when it is complete.
func (v *View) collect(p []byte) (rest []byte, done bool) {
	from := max(len(v.pasted)-len(pasteEnd), 0)
	v.pasted = append(v.pasted, p...)
	i := bytes.Index(v.pasted[from:], []byte(pasteEnd))
	if i < 0 {
		if len(v.pasted) > 2*longestPaste { // remember that it was too long
			v.pasted = append(v.pasted[:longestPaste+1], v.pasted[len(v.pasted)-len(pasteEnd):]...)
		}
		return nil, false
	}
	i += from
	rest = bytes.Clone(v.pasted[i+len(pasteEnd):])
	v.pasted, v.pasting = v.pasted[:i], false
	return rest, true
}

// translate gives the cursor keys and those of the keypad as the guest wants them: the user's terminal does not
// follow its modes.
func (v *View) translate(p []byte) []byte {
	modes, form := v.screen.Modes(), byte('[')
	if modes.CursorKeys {
		form = 'O'
	}
	out := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] != 0x1b || i+2 >= len(p) || p[i+1] != '[' && p[i+1] != 'O' {
			out = append(out, p[i])
			continue
		}
		switch plain := keypad(p[i+2]); {
		case strings.IndexByte("ABCDHF", p[i+2]) >= 0:
			out = append(out, 0x1b, form, p[i+2])
		case p[i+1] == 'O' && plain != 0 && !modes.Keypad:
			out = append(out, plain)
		default:
			out = append(out, p[i])
			continue
		}
		i += 2
	}
	return out
}

// keypad is what a key of the keypad types in numeric mode, by what follows SS3 in application mode (xterm,
// ctlseqs, "VT220-style function keys"); 0 is none.
func keypad(final byte) byte {
	const application, numeric = "jklmnopqrstuvwxyXM", "*+,-./0123456789=\r"
	if i := strings.IndexByte(application, final); i >= 0 {
		return numeric[i]
	}
	return 0
}

// firstKey gives the key with which p begins, and its bytes. A sequence is a key.
func firstKey(p []byte) (key string, n int) {
	switch {
	case p[0] != 0x1b:
		_, n = utf8.DecodeRune(p)
		return string(p[:n]), n
	case len(p) == 1:
		return "esc", 1
	case p[1] == 'O' && len(p) > 2:
		return "", 3
	case p[1] != '[':
		_, n = utf8.DecodeRune(p[1:])
		return "", 1 + n
	}
	for n = 2; n < len(p); n++ {
		if p[n] >= 0x40 && p[n] <= 0x7e {
			return "", n + 1
		}
	}
	return "", len(p)
}

// after does what a key after the prefix means.
func (v *View) after(key string) []screen.Effect {
	switch key {
	case "d":
		v.Detach()
		return nil
	case "[":
		v.Scroll()
		return nil
	case "p":
		return v.PasteHeld()
	case "b":
		return v.Break()
	case "s":
		return v.SetSize()
	case "esc":
		return nil
	case " ":
		key = "space"
	}
	if key == "" || len(key) == 1 && key[0] < ' ' {
		return say(screen.Warn, v.RawHint())
	}
	return []screen.Effect{screen.Press{Key: term.Key{Name: key, Text: key}}}
}

// prefixName is how the prefix is written for people.
func (v *View) prefixName() string { return "Ctrl-" + string(rune(v.prefix+'@')) }

// RawHint says which key is not the guest's, and what it does.
func (v *View) RawHint() string {
	if !v.src.live() {
		return "the machine does not answer: enter gives the keys back to the workbench"
	}
	const menu = "d detach  [ scrollback  p paste  b break  s size  z zoom  : palette  ? help"
	if v.prefixed {
		return v.prefixName() + " ...  " + menu + "  " + v.prefixName() + " sends it"
	}
	return "keys go to the guest   " + v.prefixName() + " then: " + menu
}

// Break sends a break over the line, as for magic SysRq.
func (v *View) Break() []screen.Effect {
	v.src.typist.ask("break")
	return say(screen.Note, "a break was sent")
}

// PasteHeld asks to paste what was held back, else what was copied here last.
func (v *View) PasteHeld() []screen.Effect {
	if v.held == "" {
		v.held = v.copied
	}
	if v.held == "" {
		return say(screen.Note, "nothing to paste: copy something in the scrollback, or use your terminal's paste")
	}
	return v.confirm()
}

// paste types a text that was pasted, or asks first where it has more than one line.
func (v *View) paste(text string) []screen.Effect {
	v.pasted = nil
	if !v.src.live() {
		return say(screen.Warn, "the machine has ended: what was pasted is dropped")
	}
	var effects []screen.Effect
	if len(text) > longestPaste {
		text = strings.ToValidUTF8(text[:longestPaste], "")
		effects = say(screen.Warn, fmt.Sprintf("what was pasted is longer than %d KiB: the rest is left out", longestPaste>>10))
	}
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	if !strings.Contains(strings.TrimRight(text, "\n"), "\n") {
		return append(effects, v.send(v.screen.Modes().Encode(term.Paste, text))...)
	}
	v.held = text
	return append(effects, v.confirm()...)
}

// confirm asks if what is held back is to be pasted.
func (v *View) confirm() []screen.Effect {
	lines := strings.Split(strings.TrimRight(v.held, "\n"), "\n")
	text := []string{fmt.Sprintf("%s into the guest's console?", count(len(lines), "line")), ""}
	for _, l := range lines[:min(len(lines), 5)] {
		text = append(text, "  "+term.Plain(l, 60))
	}
	if len(lines) > 5 {
		text = append(text, fmt.Sprintf("  and %d more", len(lines)-5))
	}
	return []screen.Effect{screen.Ask{
		Tag: v.pasteTag(), Title: "Paste", Text: text,
		Choices: []screen.Choice{{ID: choiceYes, Title: "Paste", Key: "p"}, {ID: choiceNo, Title: "Keep it back", Key: "k"}},
	}}
}

// confirmed pastes what was held back, if that is the answer.
func (v *View) confirmed(choice string) []screen.Effect {
	if choice != choiceYes {
		return nil
	}
	text := v.held
	v.held = ""
	return v.send(v.screen.Modes().Encode(term.Paste, text))
}

// SetSize types `stty rows R cols C` into the guest's shell; where there is no prompt before the
// cursor it asks first.
func (v *View) SetSize() []screen.Effect {
	c := v.screen.Cursor()
	line, _ := v.screen.Line(c.Line)
	before := strings.TrimRight(line.Text, " ")
	if before != "" && strings.ContainsRune("$#>%", rune(before[len(before)-1])) && !v.screen.Modes().AltScreen {
		v.typeSize()
		return nil
	}
	return []screen.Effect{screen.Ask{
		Tag: v.sizeTag(), Title: "The size of the guest's terminal",
		Text:    []string{"The cursor is not behind a shell's prompt, and this would be typed:", "", "  " + strings.TrimSpace(v.sizeCommand())},
		Choices: []screen.Choice{{ID: choiceYes, Title: "Type it", Key: "t"}, {ID: choiceNo, Title: "No", Key: "n"}},
	}}
}

// sizeCommand begins with a blank: many shells keep such a line out of their history.
func (v *View) sizeCommand() string { return fmt.Sprintf(" stty rows %d cols %d\r", v.h, v.w) }

func (v *View) typeSize() { v.send([]byte(v.sizeCommand())) }

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
