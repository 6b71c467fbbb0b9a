package tui

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui/builds"
	"github.com/nestos/nosa/tui/console"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/settings"
	"github.com/nestos/nosa/tui/source"
	"github.com/nestos/nosa/tui/stages"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
)

// opened is a workspace that has come to be where there was none.
type opened struct {
	ws  *workspace.Workspace
	err error
}

// begin is what goes on from the start: the user's settings are watched, and the
// workspace, where there is one.
func (m *model) begin() []tea.Cmd {
	m.works.follow(screen.Follow{Key: "tui.settings", Do: func(ctx context.Context, post func(screen.Event)) {
		if m.o.settingsPath != "" {
			_ = settings.Watch(ctx, m.o.settingsPath, m.stamp, func(e any) { post(e) }) // it ends with ctx only
		}
	}})
	if m.ws == nil {
		return m.perform(m.screen().Open(screen.Target{}))
	}
	return m.enter()
}

// opened goes from the welcome screen to the workspace that is there now.
func (m *model) opened(e opened) []tea.Cmd {
	if e.err != nil {
		m.notices.add(screen.Notice{Level: screen.Bad, Text: e.err.Error()}, m.o.now())
		return nil
	}
	m.ws = e.ws
	m.o.Dir, m.commands.dir = e.ws.Dir, e.ws.Dir
	m.works.unfollow("feed.jobs")
	m.screens = m.workspaceScreens()
	m.current = 0
	m.tellSettings(m.rebind())
	return m.enter()
}

// env is what screens get.
func (m *model) env() screen.Env {
	return screen.Env{WS: m.ws, Nosa: m.o.Nosa, User: m.o.User, Now: m.o.now, Prefix: func() string { return m.settings.Prefix }, Globals: m.commands.flags}
}

// workspaceScreens makes the screens, in the order of their keys.
func (m *model) workspaceScreens() []screen.Screen {
	env := m.env()
	if m.o.screens != nil {
		return m.o.screens(env)
	}
	return []screen.Screen{source.New(env), stages.New(env), builds.New(env), console.New(env)}
}

// enter follows the workspace and brings back what the last session has left.
func (m *model) enter() []tea.Cmd {
	ws := m.ws
	for key, do := range map[string]func(context.Context, *workspace.Workspace, func(any)){
		"feed.jobs": feed.FollowJobs, "feed.builds": feed.FollowBuilds, "feed.files": feed.FollowFiles, "feed.machines": feed.FollowMachines, "feed.rounds": feed.FollowRounds,
	} {
		m.works.follow(screen.Follow{Key: key, Do: func(ctx context.Context, post func(screen.Event)) {
			do(ctx, ws, func(e any) { post(e) })
		}})
	}
	m.meet()
	session := settings.LoadSession(ws)
	m.remembered(session.Backend, session.ImageBase)
	m.history, _ = settings.ReadHistory(ws) // what cannot be read is as if nothing was run
	var cmds []tea.Cmd
	for _, s := range m.screens {
		cmds = append(cmds, m.perform(s.Restore(session.Screens[s.Name()]))...)
	}
	cmds = append(append(cmds, m.sayVersion()), m.backendAgain()...)
	return append(cmds, m.goTo(screen.Go{Screen: cmp.Or(m.o.Screen, session.Screen, screen.Source)})...)
}

// sessionNow is what a later session should find again.
func (m *model) sessionNow() settings.Session {
	s := settings.Session{Screen: m.screen().Name(), Screens: map[screen.Name]json.RawMessage{}, Backend: m.where.kept, ImageBase: m.where.base}
	for _, one := range m.screens {
		s.Screens[one.Name()] = one.Save()
	}
	return s
}

// keeper is a screen with text that is not saved; what Keep gives writes it where the next session looks.
type keeper interface{ Keep() func() error }

// keepText writes the text that is not saved to its swap files, at once.
func (m *model) keepText() error {
	var errs []error
	for _, s := range m.screens {
		if k, ok := s.(keeper); ok {
			errs = append(errs, k.Keep()())
		}
	}
	return errors.Join(errs...)
}

// keepSession writes it beside what else goes on.
func (m *model) keepSession() tea.Cmd {
	if m.ws == nil {
		return nil
	}
	session, ws := m.sessionNow(), m.ws
	return m.works.do(screen.Work{Key: "tui.session", After: time.Second, Do: func(context.Context) screen.Event {
		if err := session.Save(ws); err != nil {
			return screen.Notice{Level: screen.Warn, Text: err.Error()}
		}
		return nil
	}})
}

// saveSession writes it.
func (m *model) saveSession() error {
	if m.ws == nil {
		return nil
	}
	return m.sessionNow().Save(m.ws)
}

// settingsChanged takes the user's file as it is now.
func (m *model) settingsChanged(e settings.Changed) {
	m.settings = e.Settings
	m.user = settings.NewCommands(m.settings, m.chosen)
	m.restyle()
	m.tellSettings(append(slices.Clone(e.Diags), m.rebind()...))
}

func (m *model) tellSettings(diags doc.Diagnostics) {
	if len(diags) == 0 {
		return
	}
	d := diags[0]
	text := d.String()
	if n := len(diags); n > 1 {
		text += " (and " + itoa(n-1) + " more: What was said)"
		for _, d := range diags[1:] {
			m.notices.add(screen.Notice{Level: screen.Warn, Text: d.String()}, m.o.now())
		}
	}
	m.notices.add(screen.Notice{Level: screen.Bad, Text: text}, m.o.now())
}

// rebind makes the table of actions anew and gives what is wrong with the user's keys.
func (m *model) rebind() doc.Diagnostics {
	bound, diags := settings.Bind(append(m.table(), m.user.Actions()...), m.settings)
	m.keys = keymap{bound}
	return diags
}

// table is the one table of actions: the screens' and those of everywhere.
func (m *model) table() []settings.Placed {
	var all []settings.Placed
	for _, s := range m.screens {
		for _, a := range s.Actions() {
			all = append(all, settings.Placed{Screen: s.Name(), Action: a})
		}
	}
	return append(all, m.global()...)
}

// restyle makes the theme that the settings and the terminal ask for.
func (m *model) restyle() {
	mono := m.caps.Depth == "none" || m.settings.Base == settings.BaseMono
	light := m.caps.Light && m.settings.Base != settings.BaseDark || m.settings.Base == settings.BaseLight
	m.theme = theme.New(theme.Options{Mono: mono, Light: light, ASCII: m.caps.ASCII || m.settings.ASCII, Roles: m.settings.Roles})
}

// chooser is a screen that can say what the user has chosen on it.
type chooser interface{ Chosen() screen.Target }

// chosen is what the templates of the user's commands can name.
func (m *model) chosen() settings.Context {
	c := settings.Context{Workspace: m.o.Dir}
	for _, s := range m.screens {
		from, ok := s.(chooser)
		if !ok {
			continue
		}
		t := from.Chosen()
		if t.Build != "" {
			c.Build = &settings.BuildContext{ID: t.Build, Arch: m.arch(t.Build)}
			c.Build.Dir = m.ws.BuildDir(c.Build.ID, c.Build.Arch)
		}
		if t.Job != "" {
			c.Job = &settings.JobContext{ID: t.Job, Dir: filepath.Join(m.ws.JobsDir(), t.Job)}
		}
		if t.File != "" {
			if !filepath.IsAbs(t.File) {
				t.File = filepath.Join(m.o.Dir, t.File)
			}
			c.File = &settings.FileContext{Path: t.File, Line: max(t.Line, 1)}
		}
	}
	return c
}

// arch is the architecture of a build: this host's where the build has it.
func (m *model) arch(id string) string {
	first := ""
	for _, b := range m.builds.List {
		if b.ID == id && (first == "" || b.Local) {
			first = b.Arch
		}
	}
	return first
}
