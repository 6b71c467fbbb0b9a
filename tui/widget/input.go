package widget

import (
	"github.com/charmbracelet/bubbles/textinput"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
)

// Input is a line of text that is typed.
type Input struct {
	Prompt string // drawn before it
	Ghost  string // drawn muted while nothing is typed

	model textinput.Model
	skip  int // columns of the text left of the area
}

// NewInput makes an Input that holds value, the cursor at its end.
func NewInput(prompt, value string) *Input {
	m := textinput.New()
	m.Prompt = ""
	m.Focus()
	m.SetValue(value)
	m.CursorEnd()
	return &Input{Prompt: prompt, model: m}
}

// Value is what was typed.
func (in *Input) Value() string { return in.model.Value() }

// SetValue replaces what was typed; the cursor goes to its end.
func (in *Input) SetValue(text string) {
	in.model.SetValue(text)
	in.model.CursorEnd()
}

// Key types; it says whether the key was one for a line of text.
func (in *Input) Key(k term.Key) bool {
	switch k.Name {
	case "enter", "esc", "tab", "shift+tab", "up", "down", "pgup", "pgdown", "ctrl+p", "ctrl+n", "ctrl+c":
		return false
	}
	before, at := in.model.Value(), in.model.Position()
	in.model, _ = in.model.Update(k.Tea())
	return k.Text != "" || in.model.Value() != before || in.model.Position() != at
}

// Draw draws the line into the first row of the area, the cursor in it when active.
func (in *Input) Draw(a canvas.Area, t *theme.Theme, active Focus) {
	x := a.Put(0, 0, in.Prompt, t.Style(theme.Key))
	w, _ := a.Size()
	a = a.Sub(canvas.Rect{X: x, Y: 0, W: w - x, H: 1})
	w -= x
	value := []rune(in.model.Value())
	cursor := canvas.Width(string(value[:min(in.model.Position(), len(value))]))
	in.skip = max(min(in.skip, cursor), cursor-w+1, 0)
	a.PutSGR(0, 0, in.skip, string(value), t.Style(theme.Text))
	if len(value) == 0 {
		a.PutIn(0, 0, w, in.Ghost, t.Style(theme.Muted))
	}
	if bool(active) {
		a.Cursor(cursor-in.skip, 0)
	}
}
