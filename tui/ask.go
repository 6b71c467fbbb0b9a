package tui

import (
	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// asking is a dialog that a screen has asked for.
type asking struct {
	m      *model
	tag    string
	dialog *widget.Dialog
}

// ask opens a dialog.
func (m *model) ask(e screen.Ask) {
	fields := make([]widget.FormField, len(e.Fields))
	for i, f := range e.Fields {
		fields[i] = widget.FormField{Name: f.Name, Title: f.Title, Help: f.Help, Kind: widget.Kind(f.Kind), Value: f.Value, Options: f.Options, Check: f.Check}
	}
	var buttons []widget.Button
	for _, c := range e.Choices {
		buttons = append(buttons, widget.Button{ID: c.ID, Title: c.Title, Key: c.Key})
	}
	d := widget.NewDialog(widget.Dialog{Title: e.Title, Text: e.Text, Danger: e.Danger, Typed: e.Typed, Buttons: buttons}, fields, m.o.now())
	m.overlays = append(m.overlays, &asking{m, e.Tag, d})
}

func (a *asking) key(k term.Key) []tea.Cmd { return a.result(a.dialog.Key(k, a.m.o.now())) }

func (a *asking) mouse(e term.Mouse) []tea.Cmd { return a.result(a.dialog.Mouse(e, a.m.o.now())) }

func (a *asking) result(r widget.Result) []tea.Cmd {
	if !r.Done {
		return nil
	}
	a.m.closeOverlay(a)
	if r.Button == "" {
		return nil
	}
	return a.m.event(screen.Answer{Tag: a.tag, Choice: r.Button, Values: a.dialog.Values()})
}

func (a *asking) draw(area canvas.Area, t *theme.Theme) { a.dialog.Draw(area, t) }

func (a *asking) hint() string { return "tab next   enter choose   esc leave" }
