package tui

import (
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/sahilm/fuzzy"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/settings"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// entry is a line of a palette.
type entry struct {
	title, detail, keys string
	off                 string // why it cannot be chosen
	note                string // told below the list while it is the current one
	command             func() []string
	choose              func() []tea.Cmd
}

// palette is a list with a line of text that filters it.
type palette struct {
	m       *model
	title   string
	keys    string
	entries []entry
	input   *widget.Input
	shown   []fuzzy.Match
	at, top int
	list    canvas.Rect // where the entries were drawn
	reload  func(filter string) (entries []entry, rest string)
	live    bool // what it lists changes while it is open, and its notes are shown
}

// newPalette makes the palette of all actions; "@" lists files, "#" builds.
func newPalette(m *model, text string) *palette {
	p := &palette{m: m, title: "Palette", keys: "enter run   ctrl+y copy as command   @ file   # build   esc close", input: widget.NewInput("> ", text)}
	p.reload = func(filter string) ([]entry, string) {
		switch {
		case strings.HasPrefix(filter, "@"):
			return m.fileEntries(), filter[1:]
		case strings.HasPrefix(filter, "#"):
			return m.buildEntries(), filter[1:]
		}
		return m.actionEntries(), filter
	}
	p.filter()
	return p
}

// newPicker makes a palette over what a screen gives.
func newPicker(m *model, e screen.Pick) *palette {
	p := &palette{m: m, title: e.Title, keys: "enter choose   esc close", input: widget.NewInput("> ", "")}
	for _, item := range e.Items {
		p.entries = append(p.entries, entry{title: item.Title, detail: item.Detail, choose: func() []tea.Cmd {
			return m.event(screen.Picked{Tag: e.Tag, ID: item.ID})
		}})
	}
	p.filter()
	return p
}

// filter keeps the entries that the typed text fits, the best first.
func (p *palette) filter() {
	text := p.input.Value()
	if p.reload != nil {
		p.entries, text = p.reload(text)
	}
	p.at, p.top = 0, 0
	if text = strings.TrimSpace(text); text == "" {
		p.shown = p.shown[:0]
		for i := range p.entries {
			p.shown = append(p.shown, fuzzy.Match{Index: i})
		}
		return
	}
	p.shown = fuzzy.FindFrom(text, titles(p.entries))
}

// refresh takes the entries anew and stays where it was.
func (p *palette) refresh() {
	at := p.at
	p.filter()
	p.at = min(at, max(len(p.shown)-1, 0))
}

// titles is what the filter looks at.
type titles []entry

// String implements fuzzy.Source.
func (t titles) String(i int) string { return t[i].title }

// Len implements fuzzy.Source.
func (t titles) Len() int { return len(t) }

func (p *palette) key(k term.Key) []tea.Cmd {
	switch k.Name {
	case "esc":
		p.m.closeOverlay(p)
	case "up", "ctrl+p", "shift+tab":
		p.move(-1)
	case "down", "ctrl+n", "tab":
		p.move(1)
	case "pgup":
		p.move(-10)
	case "pgdown":
		p.move(10)
	case "enter":
		return p.choose()
	case "ctrl+y":
		if e := p.current(); e != nil && e.command != nil {
			return []tea.Cmd{p.m.copy(screen.Copy{Text: p.m.commands.line(e.command()), What: "the command"})}
		}
	default:
		before := p.input.Value()
		if p.input.Key(k); p.input.Value() != before {
			p.filter()
		}
	}
	return nil
}

func (p *palette) move(n int) { p.at = max(min(p.at+n, len(p.shown)-1), 0) }

func (p *palette) current() *entry {
	if p.at >= len(p.shown) {
		return nil
	}
	return &p.entries[p.shown[p.at].Index]
}

func (p *palette) choose() []tea.Cmd {
	e := p.current()
	if e == nil || e.off != "" {
		return nil
	}
	p.m.closeOverlay(p)
	return e.choose()
}

func (p *palette) mouse(e term.Mouse) []tea.Cmd {
	switch e.Kind {
	case term.WheelUp:
		p.move(-3 * e.Lines)
	case term.WheelDown:
		p.move(3 * e.Lines)
	case term.Press:
		if i := p.top + e.Y - p.list.Y; p.list.Contains(e.X, e.Y) && i < len(p.shown) {
			p.at = i
			return p.choose()
		}
	}
	return nil
}

func (p *palette) hint() string { return p.keys }

// noteRows is the room for a note.
const noteRows = 3

func (p *palette) draw(a canvas.Area, t *theme.Theme) {
	w, h := a.Size()
	width, height := min(w-2, 90), min(h, max(len(p.shown)+3, 8), 24)
	noted := 0
	if p.live && h > height {
		noted = min(h-height, noteRows)
		height += noted
	}
	box := canvas.Rect{X: (w - width) / 2, Y: min(1, h-height), W: width, H: height}
	area := a.Sub(box)
	area.Fill(area.Bounds(), " ", t.Style(theme.Text))
	count := ""
	if len(p.entries) > 0 {
		count = strings.Join([]string{itoa(len(p.shown)), itoa(len(p.entries))}, "/")
	}
	frame := widget.Frame{Title: p.title, Right: count, Focused: true}
	if e := p.current(); e != nil && e.command != nil {
		frame.Bottom = screen.CommandLine(slices.Concat([]string{"nosa"}, p.m.commands.flags(), e.command()))
	}
	in := frame.Draw(area, t)
	p.input.Draw(in.Sub(canvas.Rect{X: 1, W: width - 4, H: 1}), t, widget.Focused)
	rows := height - 3 - noted
	p.top = max(min(p.top, p.at), p.at-rows+1, 0)
	p.list = canvas.Rect{X: box.X + 1, Y: box.Y + 2, W: width - 2, H: rows}
	for y := range min(rows, len(p.shown)-p.top) {
		p.drawEntry(in.Sub(canvas.Rect{Y: y + 1, W: width - 2, H: 1}), t, p.top+y)
	}
	if e := p.current(); e != nil && noted > 0 {
		for y, line := range widget.Wrap(e.note, width-6) {
			if y < noted {
				in.PutIn(2, rows+1+y, width-6, line, t.Style(theme.Muted))
			}
		}
	}
	if len(p.shown) == 0 {
		in.Put(2, 1, "nothing fits", t.Style(theme.Muted))
	}
}

func (p *palette) drawEntry(a canvas.Area, t *theme.Theme, i int) {
	w, _ := a.Size()
	match := p.shown[i]
	e := p.entries[match.Index]
	base, muted := t.Style(theme.Text), t.Style(theme.Muted)
	if e.off != "" {
		base = t.Style(theme.Disabled)
	}
	if i == p.at {
		a.Fill(a.Bounds(), " ", t.Style(theme.Selected))
		base, muted = t.Style(theme.Selected), t.Style(theme.Selected)
	}
	right := a.PutRight(w-1, 0, e.keys, muted)
	x := a.PutIn(2, 0, right-3, e.title, base)
	for _, at := range match.MatchedIndexes {
		col := 2 + canvas.Width(e.title[:at])
		a.Restyle(canvas.Rect{X: col, W: 1, H: 1}, func(s canvas.Style) canvas.Style { return t.Style(theme.Match).Over(s) })
	}
	detail := e.detail
	if e.off != "" {
		detail = "(" + e.off + ")"
	}
	if x+2 < right-1 {
		a.PutIn(x+2, 0, right-x-3, detail, muted)
	}
}

// actionEntries lists what can be done: here first, then on the other screens.
func (m *model) actionEntries() []entry {
	here, there := m.keys.at(m.place()), []settings.Placed{}
	for _, a := range m.keys.actions {
		if !slices.ContainsFunc(here, func(b settings.Placed) bool { return b.ID == a.ID && b.Screen == a.Screen }) {
			there = append(there, a)
		}
	}
	var out []entry
	for _, a := range slices.Concat(here, there) {
		e := entry{title: a.Title, keys: keyNames(a.Action), off: reason(a.Action), command: a.Command}
		if a.Screen != "" {
			e.detail = string(a.Screen)
		}
		e.choose = func() []tea.Cmd {
			var cmds []tea.Cmd
			if a.Screen != "" && a.Screen != m.screen().Name() {
				cmds = m.goTo(screen.Go{Screen: a.Screen})
			}
			if a.Pane != "" {
				m.screen().SetFocus(a.Pane)
			}
			return append(cmds, m.act(a)...)
		}
		out = append(out, e)
	}
	return out
}

// fileEntries lists the files of the config.
func (m *model) fileEntries() []entry {
	var out []entry
	for _, file := range m.files.Entries {
		f := file.Path
		if file.Dir {
			continue
		}
		out = append(out, entry{title: f, choose: func() []tea.Cmd {
			return m.goTo(screen.Go{Screen: screen.Source, Target: screen.Target{File: f}})
		}})
	}
	return out
}

// buildEntries lists the builds.
func (m *model) buildEntries() []entry {
	var out []entry
	for _, b := range m.builds.List {
		id := b.ID
		out = append(out, entry{title: id, choose: func() []tea.Cmd {
			return m.goTo(screen.Go{Screen: screen.Builds, Target: screen.Target{Build: id}})
		}})
	}
	return out
}
