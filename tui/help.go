package tui

import (
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

func itoa(n int) string { return strconv.Itoa(n) }

// help is all keys that count here, with why some do not.
type help struct {
	m         *model
	input     *widget.Input
	rows      []helpRow
	top       int
	shownRows int // rows that were drawn
}

type helpRow struct {
	section         string // a heading, when the rest is empty
	keys, text, off string
}

func newHelp(m *model) *help {
	h := &help{m: m, input: widget.NewInput("/ ", "")}
	h.input.Ghost = "type to search"
	h.filter()
	return h
}

// filter makes the rows: the pane's, the screen's, everywhere's, that have the typed text in them.
func (h *help) filter() {
	h.rows, h.top = nil, 0
	word := strings.ToLower(strings.TrimSpace(h.input.Value()))
	section := -1
	p := h.m.place()
	names := []string{"This pane: " + p.pane, h.m.screen().Title(), "Everywhere"}
	for _, a := range h.m.keys.at(p) {
		if len(a.Keys) == 0 {
			continue
		}
		row := helpRow{keys: keyNames(a.Action), text: a.Title, off: reason(a.Action)}
		if !strings.Contains(strings.ToLower(row.keys+" "+row.text), word) {
			continue
		}
		if r := rank(a); r != section {
			section = r
			h.rows = append(h.rows, helpRow{section: names[r]})
		}
		h.rows = append(h.rows, row)
	}
}

func (h *help) key(k term.Key) []tea.Cmd {
	switch k.Name {
	case "esc", "enter":
		h.m.closeOverlay(h)
	case "up":
		h.scroll(-1)
	case "down":
		h.scroll(1)
	case "pgup":
		h.scroll(-h.shownRows)
	case "pgdown":
		h.scroll(h.shownRows)
	default:
		if k.Name == "?" && h.input.Value() == "" {
			h.m.closeOverlay(h)
			return nil
		}
		if h.input.Key(k) {
			h.filter()
		}
	}
	return nil
}

func (h *help) scroll(n int) { h.top = max(min(h.top+n, len(h.rows)-h.shownRows), 0) }

func (h *help) mouse(e term.Mouse) []tea.Cmd {
	switch e.Kind {
	case term.WheelUp:
		h.scroll(-3 * e.Lines)
	case term.WheelDown:
		h.scroll(3 * e.Lines)
	}
	return nil
}

func (h *help) hint() string { return "type to search   up/down scroll   esc close" }

func (h *help) draw(a canvas.Area, t *theme.Theme) {
	w, height := a.Size()
	width := min(w-2, 90)
	area := a.Sub(canvas.Rect{X: (w - width) / 2, W: width, H: height})
	area.Fill(area.Bounds(), " ", t.Style(theme.Text))
	h.shownRows = max(height-3, 1)
	h.scroll(0)
	in := widget.Frame{Title: "Keys", Right: h.position(), Focused: true}.Draw(area, t)
	h.input.Draw(in.Sub(canvas.Rect{X: 1, W: width - 4, H: 1}), t, widget.Focused)
	keys := 0
	for _, r := range h.rows {
		keys = max(keys, canvas.Width(r.keys))
	}
	keys = min(keys, width/3)
	for y := range min(h.shownRows, len(h.rows)-h.top) {
		row, line := h.rows[h.top+y], y+1
		if row.section != "" {
			in.PutIn(1, line, width-4, row.section, t.Style(theme.TitleFocus))
			continue
		}
		text := t.Style(theme.Text)
		if row.off != "" {
			text = t.Style(theme.Disabled)
			row.text += "  (" + row.off + ")"
		}
		in.PutIn(3, line, keys, row.keys, t.Style(theme.Key))
		in.PutIn(keys+5, line, width-keys-8, row.text, text)
	}
	if len(h.rows) == 0 {
		in.Put(3, 1, "no key of that name", t.Style(theme.Muted))
	}
}

func (h *help) position() string {
	if len(h.rows) <= h.shownRows {
		return ""
	}
	return itoa(h.top+1) + "-" + itoa(min(h.top+h.shownRows, len(h.rows))) + "/" + itoa(len(h.rows))
}
