// Package term is what the workbench has to do with the terminal itself: keys and
// mouse, what the terminal can do, the one way out for bytes. It draws nothing and
// knows nothing of nosa.
package term

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"
)

// Key is a key that was pressed, or a text that was pasted.
type Key struct {
	// Name is the key's: a printable character as it is ("a", "A", "?"), else "space", "enter",
	// "esc", "tab", "backspace", "delete", "up", "pgdown", "f1"; before it "ctrl+", "alt+", "shift+",
	// in this order, where the terminal tells. Of a paste it is "paste".
	Name string
	Text string // what it types: a printable character, or the pasted text; else ""
}

// Paste is the Name of a pasted text.
const Paste = "paste"

// FromTea translates what Bubble Tea read.
func FromTea(m tea.KeyMsg) Key {
	if m.Paste {
		return Key{Name: Paste, Text: strings.ReplaceAll(strings.ReplaceAll(string(m.Runes), "\r\n", "\n"), "\r", "\n")}
	}
	name := m.String()
	switch {
	case m.Type == tea.KeySpace && m.Alt:
		return Key{Name: "alt+space"}
	case m.Type == tea.KeySpace:
		return Key{Name: "space", Text: " "}
	case name == "ctrl+@":
		return Key{Name: "ctrl+space"}
	case m.Type == tea.KeyRunes && !m.Alt:
		return Key{Name: name, Text: name}
	}
	return Key{Name: strings.Replace(name, "alt+ctrl+", "ctrl+alt+", 1)}
}

// MouseKind is what a mouse did.
type MouseKind string

// The kinds. Double and triple presses come as Press with Clicks 2 and 3.
const (
	Press     MouseKind = "press"
	Release   MouseKind = "release"
	Drag      MouseKind = "drag" // moved with the button down
	WheelUp   MouseKind = "wheel-up"
	WheelDown MouseKind = "wheel-down"
)

// Mouse is a mouse event. X and Y count from the origin of whoever gets it.
type Mouse struct {
	Kind             MouseKind
	X, Y             int
	Button           int // 1 left, 2 middle, 3 right; 0 for the wheel
	Clicks           int // of a Press
	Lines            int // of the wheel: how far, at least 1
	Shift, Alt, Ctrl bool
}

// In is the event as one who lies at x, y sees it.
func (m Mouse) In(x, y int) Mouse {
	m.X -= x
	m.Y -= y
	return m
}

// MouseFromTea translates what Bubble Tea read; ok is false for what nobody needs, as motion
// without a button. Clicks and Lines are 1.
func MouseFromTea(m tea.MouseMsg) (mouse Mouse, ok bool) {
	out := Mouse{X: m.X, Y: m.Y, Shift: m.Shift, Alt: m.Alt, Ctrl: m.Ctrl, Clicks: 1, Lines: 1}
	switch m.Button {
	case tea.MouseButtonLeft:
		out.Button = 1
	case tea.MouseButtonMiddle:
		out.Button = 2
	case tea.MouseButtonRight:
		out.Button = 3
	case tea.MouseButtonWheelUp:
		out.Kind = WheelUp
		return out, true
	case tea.MouseButtonWheelDown:
		out.Kind = WheelDown
		return out, true
	}
	switch {
	case m.Action == tea.MouseActionRelease:
		out.Kind = Release
	case out.Button == 0:
		return out, false
	case m.Action == tea.MouseActionMotion:
		out.Kind = Drag
	default:
		out.Kind = Press
	}
	return out, true
}

// Tea is the key as Bubble Tea's own widgets take it; the zero KeyMsg for a key that they have no name for.
func (k Key) Tea() tea.KeyMsg {
	if k.Text != "" {
		return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k.Text), Paste: k.Name == Paste}
	}
	name, alt := strings.CutPrefix(k.Name, "alt+")
	for t := tea.KeyType(-128); t <= 127; t++ {
		if t.String() == name {
			return tea.KeyMsg{Type: t, Alt: alt}
		}
	}
	if alt {
		return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(name), Alt: true}
	}
	return tea.KeyMsg{}
}
