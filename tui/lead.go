package tui

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/settings"
	"github.com/nestos/nosa/workspace/person"
)

// Tags of the lists of people.
const (
	tagPeople = "tui.people"
	tagFollow = "tui.follow"
)

// lead is whom this workbench follows: it shows what that one looks at. It changes nothing here or there.
type lead struct {
	id   string       // of the workbench; "" is none
	who  string       // as it was last called
	seen person.State // what was followed last
	at   person.State // where that led
}

// spot is what of a State is followed.
func spot(st person.State) [7]any {
	return [7]any{st.Screen, st.Pane, st.File, st.Line, st.Build, st.Job, st.VM}
}

// startFollow begins to follow somebody.
func (m *model) startFollow(st person.State) []tea.Cmd {
	m.people.lead = lead{id: st.ID, who: m.who(st)}
	m.notices.add(screen.Notice{Text: "following " + m.who(st) + ": esc ends it, as does whatever you do yourself"}, m.o.now())
	return nil // what comes after every message leads there
}

// stopFollow ends it; why is said.
func (m *model) stopFollow(why string) {
	if m.people.lead.id == "" {
		return
	}
	m.people.lead = lead{}
	m.notices.add(screen.Notice{Text: why}, m.o.now())
}

// ownWay ends the following because the user does something.
func (m *model) ownWay() { m.stopFollow("you no longer follow " + m.people.lead.who) }

// harmless says if an action leaves the following as it is: it only shows or asks.
func harmless(a settings.Placed) bool {
	return slices.Contains([]string{
		"app.zoom", "app.palette", "app.palette-typing", "app.go-file", "app.go-build", "app.help", "app.history", "app.notices",
		"app.redraw", "app.suspend", "app.mouse", "app.quit", "app.people", "app.follow", "app.backend", "app.image",
	}, a.ID)
}

// keepUp shows what the one who is followed looks at now. While a dialog is open it waits.
func (m *model) keepUp() []tea.Cmd {
	l := &m.people.lead
	if l.id == "" || len(m.overlays) > 0 || !m.people.known {
		return nil
	}
	st, ok := m.other(l.id)
	switch {
	case !ok:
		m.stopFollow(l.who + " has left: you follow nobody now")
		return nil
	case m.leadsHere(st):
		m.stopFollow(l.who + " follows you: you cannot follow each other")
		return nil
	}
	if now := m.look(); l.at.Screen != "" && (now.Screen != l.at.Screen || now.File != l.at.File) {
		m.ownWay()
		return nil
	}
	if spot(st) == spot(l.seen) {
		return nil
	}
	l.seen, l.who = st, m.who(st)
	cmds := m.goTo(screen.Go{Screen: screen.Name(st.Screen), Target: screen.Target{File: st.File, Line: st.Line, Build: st.Build, Job: st.Job, Machine: st.VM}})
	if m.screen().Name() == screen.Name(st.Screen) {
		m.screen().SetFocus(st.Pane)
	}
	l.at = m.look()
	return cmds
}

// other is another workbench.
func (m *model) other(id string) (person.State, bool) {
	i := slices.IndexFunc(m.people.others, func(st person.State) bool { return st.ID == id })
	if i < 0 {
		return person.State{}, false
	}
	return m.people.others[i], true
}

// leadsHere says if somebody follows this workbench, over others even: they would chase each other.
func (m *model) leadsHere(st person.State) bool {
	for range len(m.people.others) {
		if st.Following == m.people.id {
			return true
		}
		var ok bool
		if st, ok = m.other(st.Following); !ok {
			return false
		}
	}
	return false
}

// peopleActions is what can be done about others.
func (m *model) peopleActions() []screen.Action {
	alone := func() string {
		if len(m.people.others) == 0 {
			return "nobody else is here"
		}
		return ""
	}
	follow := func() string {
		if m.people.lead.id != "" {
			return ""
		}
		return alone()
	}
	return []screen.Action{
		{ID: "app.people", Title: "People: who else is here and what they look at", Off: alone, Run: m.pickPerson(tagPeople, "People")},
		{ID: "app.follow", Title: "Follow: show what somebody else looks at, or end that", Off: follow, Run: func() []screen.Effect {
			if m.people.lead.id != "" {
				m.ownWay()
				return nil
			}
			return m.pickPerson(tagFollow, "Follow")()
		}},
	}
}

// pickPerson lists who is here.
func (m *model) pickPerson(tag, title string) func() []screen.Effect {
	return func() []screen.Effect {
		p := screen.Pick{Tag: tag, Title: title}
		for _, st := range m.people.others {
			p.Items = append(p.Items, screen.PickItem{ID: st.ID, Title: m.who(st) + ": " + where(st), Detail: m.about(st)})
		}
		return []screen.Effect{p}
	}
}

// about is what else is known of somebody.
func (m *model) about(st person.State) string {
	parts := []string{"since " + st.Since.Local().Format("Jan 2 15:04")}
	if st.Host != m.people.host {
		parts = append(parts, "on "+st.Host)
	}
	if n := len(st.Unsaved); n > 0 {
		parts = append(parts, itoa(n)+" not saved")
	}
	if st.Following == m.people.id {
		parts = append(parts, "follows you")
	}
	return strings.Join(parts, ", ")
}

// pickedPerson goes where somebody is, or follows him.
func (m *model) pickedPerson(e screen.Picked) []tea.Cmd {
	st, ok := m.other(e.ID)
	switch {
	case !ok:
		m.notices.add(screen.Notice{Level: screen.Warn, Text: "who was chosen has left"}, m.o.now())
		return nil
	case e.Tag == tagFollow:
		return m.startFollow(st)
	}
	m.ownWay()
	return m.goTo(screen.Go{Screen: screen.Name(st.Screen), Target: screen.Target{File: st.File, Line: st.Line, Build: st.Build, Job: st.Job, Machine: st.VM}})
}

// findLead finds whom --follow names, before the terminal is taken.
func findLead(o Options) (lead, error) {
	if o.Follow == "" {
		return lead{}, nil
	}
	list, err := person.List(o.Dir)
	if err != nil {
		return lead{}, fmt.Errorf("looking for %s: %w", o.Follow, err)
	}
	if found := person.Find(list, o.Follow); len(found) > 0 {
		st := found[len(found)-1] // the one who came last
		return lead{id: st.ID, who: st.User}, nil
	}
	if len(list) == 0 {
		return lead{}, errors.New("--follow " + o.Follow + ": nobody has a workbench open in " + o.Dir)
	}
	var here []string
	for _, st := range list {
		here = append(here, fmt.Sprintf("%s (%s, since %s)", st.User, where(st), hour(st.Since)))
	}
	return lead{}, fmt.Errorf("--follow %s: nobody of that name is here; there are %s", o.Follow, strings.Join(here, ", "))
}
