package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/settings"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/workspace"
)

// overlay lies over the screen and has all keys while it does.
type overlay interface {
	key(k term.Key) []tea.Cmd
	mouse(m term.Mouse) []tea.Cmd // in the coordinates of the body
	draw(a canvas.Area, t *theme.Theme)
	hint() string // its keys, for the footer
}

// model is the workbench: the one tea.Model. It routes keys to overlays, actions and
// screens, does what screens ask, and draws the frame around them.
type model struct {
	o        Options
	ws       *workspace.Workspace // nil: none yet, the welcome screen is shown
	works    *works
	commands *commands
	hook     *term.Output
	guard    *term.Guard
	handled  int // keys, clicks and sizes
	clicks   term.Clicks

	screens  []screen.Screen
	current  int
	keys     keymap
	settings settings.Settings
	stamp    string // of the settings' file when it was loaded
	caps     term.Caps
	theme    *theme.Theme
	painter  *theme.Painter
	overlays []overlay
	extra    []tea.Cmd // what actions ask of Bubble Tea itself
	user     *settings.Commands
	pending  string // keys of a sequence that is not complete
	tapping  bool   // a guest has the keys
	setTap   func(on bool)

	jobs    feed.Jobs
	files   feed.Files
	builds  feed.Builds
	ended   map[string]bool // jobs whose end was seen
	begun   map[string]bool // jobs whose start was
	blurred bool
	history []settings.Entry
	notices notices
	people  people
	leaving time.Time // the last ctrl+c
	ticking bool

	w, h   int
	canvas *canvas.Canvas
	buf    []byte
	stale  bool // what is shown no longer fits
	loop   looping
	where  backends
}

// Init starts what goes on from the beginning.
func (m *model) Init() tea.Cmd { return tea.Batch(m.begin()...) }

// Update takes what happened.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.stale = true
	cmds := m.handle(msg)
	m.retap()
	cmds = append(cmds, m.takeExtra()...)
	cmds = append(cmds, m.keepUp()...)
	m.beSeen()
	cmds = append(cmds, m.tick()...)
	for i, cmd := range cmds {
		cmds[i] = m.guarded(cmd)
	}
	return m, tea.Batch(cmds...)
}

func (m *model) handle(msg tea.Msg) []tea.Cmd {
	switch msg.(type) {
	case tea.WindowSizeMsg, tea.KeyMsg, term.Mouse, rawMsg:
		m.handled++
	}
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		first := m.w == 0
		m.w, m.h = msg.Width, msg.Height
		if m.hook != nil {
			m.hook.Repaint()
		}
		if first && m.ws != nil { // the first frame comes before
			return []tea.Cmd{m.askBackend(m.where.choice, slot)}
		}
	case tea.KeyMsg:
		return m.typed(msg)
	case term.Mouse:
		return m.mouse(msg)
	case rawMsg:
		return m.typedRaw(msg)
	case tea.FocusMsg:
		m.blurred = false
		return m.backendBack()
	case tea.BlurMsg:
		m.blurred = true
	case frameMsg:
		var cmds []tea.Cmd
		for _, e := range msg.events {
			cmds = append(cmds, m.event(e)...)
		}
		return cmds
	case posted:
		if msg.event != nil {
			return m.event(msg.event)
		}
	case tickMsg:
		m.ticking = false
		m.notices.expire(m.o.now())
	case quitMsg:
		return m.leave()
	default:
		m.stale = false
	}
	return nil
}

// guarded is a command whose panic gives the terminal back.
func (m *model) guarded(cmd tea.Cmd) tea.Cmd {
	if m.guard == nil {
		return cmd
	}
	return m.guard.Cmd(cmd)
}

// crashed is what a crash file should say of the moment. It is called in the midst of a panic.
func (m *model) crashed() []string {
	kept := "what was not saved is kept for the next start"
	if err := m.keepText(); err != nil {
		kept = "keeping what was not saved: " + err.Error()
	}
	return []string{kept, fmt.Sprintf("screen %s, %d by %d, %d overlays", m.screen().Name(), m.w, m.h, len(m.overlays))}
}

// takeExtra gives the commands of Bubble Tea that actions have asked for.
func (m *model) takeExtra() []tea.Cmd {
	extra := m.extra
	m.extra = nil
	return extra
}

// screen is the one that is shown.
func (m *model) screen() screen.Screen { return m.screens[m.current] }

func (m *model) place() place {
	s := m.screen()
	return place{s.Name(), s.Focus(), s.Typing()}
}

// typed gives on what was typed. Several letters come as one message where they were typed
// fast, or over a slow line: each is a key of its own.
func (m *model) typed(msg tea.KeyMsg) []tea.Cmd {
	if msg.Type != tea.KeyRunes || msg.Paste {
		return m.key(term.FromTea(msg))
	}
	var cmds []tea.Cmd
	for _, r := range msg.Runes {
		one := msg
		one.Runes = []rune{r}
		if r == ' ' {
			one.Type = tea.KeySpace
		}
		cmds = append(cmds, m.key(term.FromTea(one))...)
	}
	return cmds
}

// key gives a key to whom it belongs: guest, overlay, sequence, actions, screen.
func (m *model) key(k term.Key) []tea.Cmd {
	if m.raw() != nil {
		return m.perform(m.screen().Key(k))
	}
	if k.Name == "ctrl+c" {
		return m.interrupt()
	}
	if n := len(m.overlays); n > 0 {
		return m.overlays[n-1].key(k)
	}
	if k.Name == "esc" && m.people.lead.id != "" {
		m.ownWay()
		return nil
	}
	p := m.place()
	keys := k.Name
	if m.pending != "" {
		keys = m.pending + " " + k.Name
		m.pending = ""
	}
	if k.Name == term.Paste {
		m.ownWay()
		return m.perform(m.screen().Key(k))
	}
	action, more := m.keys.find(p, keys)
	switch {
	case action != nil:
		return m.act(*action)
	case more:
		m.pending = keys
		return nil
	case keys != k.Name: // not a sequence after all: the last key alone
		return m.key(k)
	}
	m.ownWay()
	return m.perform(m.screen().Key(k))
}

// act does an action, or says why it cannot.
func (m *model) act(a settings.Placed) []tea.Cmd {
	if why := reason(a.Action); why != "" {
		m.notices.add(screen.Notice{Level: screen.Warn, Text: a.Title + ": " + why}, m.o.now())
		return nil
	}
	if !harmless(a) {
		m.ownWay()
	}
	return m.perform(a.Run())
}

// interrupt is ctrl+c: it leaves the innermost thing; twice it asks to quit.
func (m *model) interrupt() []tea.Cmd {
	now := m.o.now()
	if now.Sub(m.leaving) < 2*time.Second {
		m.leaving = time.Time{}
		return m.askQuit()
	}
	m.leaving = now
	m.pending = ""
	m.ownWay()
	m.notices.add(screen.Notice{Text: "ctrl+c again quits"}, now)
	if n := len(m.overlays); n > 0 {
		return m.overlays[n-1].key(term.Key{Name: "esc"})
	}
	return m.perform(m.screen().Key(term.Key{Name: "esc"}))
}

// mouse gives a mouse event to what lies under it.
func (m *model) mouse(e term.Mouse) []tea.Cmd {
	a := layout(m.w, m.h)
	if n := len(m.overlays); n > 0 {
		return m.overlays[n-1].mouse(e.In(a.body.X, a.body.Y))
	}
	if e.Kind == term.Press && e.Button == 1 {
		if a.header.Contains(e.X, e.Y) || a.footer.Contains(e.X, e.Y) {
			return m.pressBar(e)
		}
	}
	if !a.body.Contains(e.X, e.Y) && e.Kind != term.Drag && e.Kind != term.Release {
		return nil
	}
	e = e.In(a.body.X, a.body.Y)
	s := m.screen()
	if e.Kind == term.Press {
		m.ownWay()
		for _, p := range s.Panes(a.body.W, a.body.H) {
			if p.Rect.Contains(e.X, e.Y) {
				s.SetFocus(p.ID)
			}
		}
	}
	return m.perform(s.Mouse(e))
}

// event gives an Event to all screens, after the model has taken what it needs.
func (m *model) event(e screen.Event) []tea.Cmd {
	var cmds []tea.Cmd
	switch e := e.(type) {
	case feed.Jobs:
		cmds = append(cmds, m.jobsChanged(e)...)
	case feed.Files:
		if n := e.Watch.Notice; n != "" && n != m.files.Watch.Notice {
			m.notices.add(screen.Notice{Level: screen.Warn, Text: strings.TrimSuffix(n+"; "+e.Watch.Remedy, "; ")}, m.o.now())
		}
		m.files = e
	case feed.Builds:
		m.builds = e
	case feed.Rounds:
		m.roundEnded(e)
	case screen.LoopBegan:
		m.loop.began = e.At
	case loopOver:
		m.loop.began = time.Time{}
	case feed.People:
		m.peopleChanged(e)
	case settings.Changed:
		m.settingsChanged(e)
	case screen.Notice:
		m.notices.add(e, m.o.now())
	case screen.Answer:
		cmds = append(cmds, m.answered(e)...)
	case backendSays:
		cmds = append(cmds, m.backendAnswered(e)...)
	case screen.Started:
		cmds = append(cmds, m.ran(e)...)
		cmds = append(cmds, m.imageStarted(e)...)
	case screen.Picked:
		cmds = append(cmds, m.picked(e)...)
	case opened:
		return m.opened(e)
	}
	for _, s := range m.screens {
		cmds = append(cmds, m.perform(s.Handle(e))...)
	}
	return cmds
}

// perform does what a screen asks for.
func (m *model) perform(effects []screen.Effect) []tea.Cmd {
	var cmds []tea.Cmd
	for _, e := range effects {
		switch e := e.(type) {
		case nil:
		case screen.Work:
			cmds = append(cmds, m.works.do(e))
		case screen.Follow:
			m.works.follow(e)
		case screen.Unfollow:
			m.works.unfollow(e.Key)
		case screen.Start:
			cmds = append(cmds, m.start(e))
		case screen.Cancel:
			cmds = append(cmds, m.cancel(e))
		case screen.Exec:
			cmds = append(cmds, m.exec(e))
		case screen.Ask:
			m.ask(e)
		case screen.Notice:
			m.notices.add(e, m.o.now())
		case screen.Copy:
			cmds = append(cmds, m.copy(e))
		case screen.Go:
			cmds = append(cmds, m.goTo(e)...)
		case screen.Pick:
			m.overlays = append(m.overlays, newPicker(m, e))
		case screen.Post:
			cmds = append(cmds, m.event(e.Event)...)
		case screen.Press:
			cmds = append(cmds, m.press(e.Key)...)
		default:
			panic(fmt.Sprintf("an effect that tui does not know: %T", e))
		}
	}
	return cmds
}

// goTo shows a screen.
func (m *model) goTo(g screen.Go) []tea.Cmd {
	i := slices.IndexFunc(m.screens, func(s screen.Screen) bool { return s.Name() == g.Screen })
	if i < 0 {
		return nil
	}
	typing := m.screen().Typing()
	if g.Gently && (typing || i != m.current && len(m.overlays) > 0) {
		m.notices.add(screen.Notice{Level: screen.Good, Text: g.Notice}, m.o.now())
		if i == m.current {
			return nil // what it shows is what is typed to
		}
		return m.perform(m.screens[i].Open(g.Target))
	}
	m.current = i
	return append(m.perform(m.screens[i].Open(g.Target)), m.keepSession())
}

// closeOverlay takes an overlay away, wherever it lies.
func (m *model) closeOverlay(o overlay) {
	m.overlays = slices.DeleteFunc(m.overlays, func(x overlay) bool { return x == o })
}

// settler is a screen whose look is not final yet: colours that come a frame later.
type settler interface{ Settling() bool }

type tickMsg struct{}

// tick has the model drawn again in half a second where something on the screen is a
// clock: a job runs, a notice will go. Nothing ticks while nothing moves.
func (m *model) tick() []tea.Cmd {
	if s, ok := m.screen().(settler); ok && s.Settling() && !m.ticking {
		m.ticking = true
		return []tea.Cmd{tea.Tick(slot, func(time.Time) tea.Msg { return tickMsg{} })}
	}
	if m.ticking || !m.notices.showing() && !m.running() && m.loop.began.IsZero() {
		return nil
	}
	m.ticking = true
	return []tea.Cmd{tea.Tick(500*time.Millisecond, func(time.Time) tea.Msg { return tickMsg{} })}
}
