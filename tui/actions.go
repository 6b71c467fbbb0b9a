package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/settings"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/widget"
)

// Tags of the model's own dialogs and lists.
const (
	tagQuit    = "tui.quit"
	tagHistory = "tui.history"
	tagSaid    = "tui.said"
)

// global is what can be done everywhere. Screens never bind these keys.
func (m *model) global() []settings.Placed {
	var out []settings.Placed
	for i, s := range m.screens {
		if m.ws == nil {
			break
		}
		out = append(out, settings.Placed{Action: screen.Action{
			ID: "app." + string(s.Name()), Title: "Show " + s.Title(), Keys: []string{itoa(i + 1)},
			Run: func() []screen.Effect { return []screen.Effect{screen.Go{Screen: s.Name()}} },
		}})
	}
	for _, a := range []screen.Action{
		{ID: "app.next-pane", Title: "Next pane", Keys: []string{"tab"}, Run: m.do(func() { m.movePane(1) })},
		{ID: "app.previous-pane", Title: "Previous pane", Keys: []string{"shift+tab"}, Text: true, Run: m.do(func() { m.movePane(-1) })},
		{ID: "app.zoom", Title: "Zoom the pane, and back", Short: "zoom", Keys: []string{"z"}, Run: m.do(func() { m.screen().SetZoomed(!m.screen().Zoomed()) })},
		{ID: "app.palette", Title: "Palette: everything that can be done", Short: "palette", Keys: []string{":"}, Run: m.do(func() { m.open(newPalette(m, "")) })},
		{ID: "app.palette-typing", Title: "Palette, while text is typed too", Short: "palette", Keys: []string{"ctrl+p"}, Text: true, Run: m.do(func() { m.open(newPalette(m, "")) })},
		{ID: "app.go-file", Title: "Go to a file", Keys: []string{"@"}, Run: m.do(func() { m.open(newPalette(m, "@")) })},
		{ID: "app.go-build", Title: "Go to a build", Run: m.do(func() { m.open(newPalette(m, "#")) })},
		{ID: "app.help", Title: "Keys", Short: "help", Keys: []string{"?"}, Run: m.do(func() { m.open(newHelp(m)) })},
		{ID: "app.history", Title: "History of what was run", Run: m.showHistory},
		{ID: "app.notices", Title: "What was said", Run: m.showNotices},
		{ID: "app.redraw", Title: "Draw the screen anew", Keys: []string{"ctrl+l"}, Text: true, Run: m.message(tea.ClearScreen)},
		{ID: "app.suspend", Title: "Suspend the workbench (fg brings it back)", Keys: []string{"ctrl+z"}, Text: true, Run: m.message(tea.Suspend)},
		{ID: "app.mouse", Title: "Mouse for the workbench or for the terminal's own selection", Keys: []string{"M"}, Run: m.toggleMouse},
		{ID: "app.quit", Title: "Quit", Short: "quit", Keys: []string{"q"}, Run: m.back},
	} {
		out = append(out, settings.Placed{Action: a})
	}
	for _, a := range slices.Concat(m.backendActions(), m.peopleActions()) {
		out = append(out, settings.Placed{Action: a})
	}
	return out
}

// do makes a Run of something that only changes the model.
func (m *model) do(change func()) func() []screen.Effect {
	return func() []screen.Effect {
		change()
		return nil
	}
}

// message makes a Run of a command of Bubble Tea.
func (m *model) message(cmd tea.Cmd) func() []screen.Effect {
	return func() []screen.Effect {
		m.extra = append(m.extra, cmd)
		return nil
	}
}

func (m *model) open(o overlay) { m.overlays = append(m.overlays, o) }

// movePane gives the keys to the next or previous pane.
func (m *model) movePane(n int) {
	s := m.screen()
	zoomed := s.Zoomed()
	s.SetZoomed(false)
	body := layout(m.w, m.h).body
	panes := s.Panes(body.W, body.H)
	if i := slices.IndexFunc(panes, func(p screen.Pane) bool { return p.ID == s.Focus() }); len(panes) > 0 {
		s.SetFocus(panes[(i+n+len(panes))%len(panes)].ID)
	}
	s.SetZoomed(zoomed)
}

// back is q: out of a zoomed pane, else out of the workbench.
func (m *model) back() []screen.Effect {
	if m.screen().Zoomed() {
		m.screen().SetZoomed(false)
		return nil
	}
	m.extra = append(m.extra, m.askQuit()...)
	return nil
}

func (m *model) toggleMouse() []screen.Effect {
	m.o.NoMouse = !m.o.NoMouse
	if m.o.NoMouse {
		m.extra = append(m.extra, tea.DisableMouse)
		return []screen.Effect{screen.Notice{Text: "the mouse is the terminal's: select as usual; M takes it back"}}
	}
	m.extra = append(m.extra, tea.EnableMouseCellMotion)
	return []screen.Effect{screen.Notice{Text: "the mouse is the workbench's; shift+drag selects in most terminals"}}
}

// askQuit ends the workbench, after a question where something would be left alone.
func (m *model) askQuit() []tea.Cmd {
	var text []string
	var mine int
	for _, j := range m.jobs.List {
		if j.Running() && m.commands.mine(j.Info) {
			mine++
			text = append(text, fmt.Sprintf("%s runs since %s.", j.Info.Stage, widget.Stopwatch(j.Elapsed(m.o.now()))))
		}
	}
	var unsaved []string
	for _, s := range m.screens {
		unsaved = append(unsaved, s.Dirty()...)
	}
	if len(unsaved) > 0 {
		text = append(text, "Not saved: "+strings.Join(unsaved, ", ")+". The text is kept and offered at the next start.")
	}
	if mine == 0 && len(unsaved) == 0 && !m.settings.ConfirmQuit {
		return m.leave()
	}
	choices := []screen.Choice{{ID: "quit", Title: "Quit", Key: "q"}}
	if mine > 0 {
		choices = []screen.Choice{{ID: "quit", Title: "Quit, jobs go on", Key: "q"}, {ID: "cancel", Title: "Cancel jobs and quit", Key: "x"}}
	}
	m.ask(screen.Ask{Tag: tagQuit, Title: "Quit?", Text: text, Choices: append(choices, screen.Choice{Title: "Stay", Key: "s"})})
	return nil
}

type quitMsg struct{}

// leave ends the workbench. Jobs are not asked.
func (m *model) leave() []tea.Cmd {
	return []tea.Cmd{tea.Quit}
}

// answered takes the answers to the model's own dialogs.
func (m *model) answered(a screen.Answer) []tea.Cmd {
	if a.Tag == tagImage {
		return m.imageAnswered(a)
	}
	if a.Tag != tagQuit {
		return m.perform(m.user.Handle(a))
	}
	if a.Choice != "cancel" {
		return m.leave()
	}
	var cmds []tea.Cmd
	for _, j := range m.jobs.List {
		if j.Running() && m.commands.mine(j.Info) {
			cmds = append(cmds, m.cancel(screen.Cancel{Job: string(j.Info.ID)}))
		}
	}
	return []tea.Cmd{tea.Sequence(tea.Batch(cmds...), func() tea.Msg { return quitMsg{} })}
}

// pressBar is a press on the header or the footer.
func (m *model) pressBar(e term.Mouse) []tea.Cmd {
	if e.Y == 0 {
		for i, t := range m.tabs(m.w) {
			if e.X >= t.x && e.X < t.x+t.w {
				return m.goTo(screen.Go{Screen: m.screens[i].Name()})
			}
		}
		if m.where.at.Contains(e.X, e.Y) && m.backendOff() == "" {
			return append(m.perform(m.pickBackend()), m.takeExtra()...)
		}
		return nil
	}
	for _, h := range m.footerHints(m.w) {
		if e.X >= h.x && e.X < h.x+h.w {
			return append(m.act(h.action), m.takeExtra()...)
		}
	}
	return nil
}
