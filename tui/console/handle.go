package console

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace/machine"
)

// Handle implements screen.Screen.
func (s *Screen) Handle(e screen.Event) []screen.Effect {
	if effects, mine := s.terminals.handle(e); mine {
		return effects
	}
	switch e := e.(type) {
	case feed.Machines:
		return s.take(e)
	case feed.Builds:
		s.builds = e
	case feed.Rounds:
		return s.loopEnded(e)
	case screen.LoopBegan:
		s.loopBegan()
	case inspected:
		s.takeReport(e)
	case looked:
		if e.wrong != "" {
			return []screen.Effect{s.form(e.values, e.wrong)}
		}
		return s.launch(e.values)
	case screen.Boot:
		values := map[string]string{fieldBuild: e.Build}
		if e.Artifact != "" {
			values[fieldArtifact] = e.Artifact
		}
		if e.Ask {
			return []screen.Effect{s.form(values, "")}
		}
		return s.look(s.filled(values))
	case screen.Started:
		return s.started(e)
	case screen.Answer:
		return s.answered(e)
	case screen.Picked:
		if e.Tag == pickAgainst {
			s.choseBase(e.ID)
			return nil
		}
		if what, text, ok := strings.Cut(e.ID, "\x00"); ok && e.Tag == pickCopy {
			return []screen.Effect{screen.Copy{Text: text, What: "the " + what}}
		}
	}
	return nil
}

// take takes how the machines stand now. What cannot be listed leaves what was known.
func (s *Screen) take(e feed.Machines) []screen.Effect {
	if e.Problem != "" && len(s.machines.List) > 0 {
		s.machines.Problem = e.Problem
		return nil
	}
	first := !s.known
	s.machines, s.known = e, true
	s.list.Empty = []string{"No machine runs.", "s boots a build."}
	if e.Problem != "" {
		s.list.Empty = []string{"The machines cannot be listed:", e.Problem}
	}
	effects := s.tell(first)
	if id := s.awaited(); id != "" {
		s.wish = launch{}
		effects = append(effects, s.came(id)...)
	}
	for id := range s.reports {
		if _, ok := e.Find(id); !ok {
			delete(s.reports, id)
		}
	}
	effects = append(effects, s.terminals.keep(e)...)
	effects = append(effects, s.relist()...)
	effects = append(effects, s.loopMachine()...)
	s.refact()
	return append(effects, s.inspectOnce()...)
}

// came goes to a machine that was asked for. Who types, to a guest or else, is told of it once: the rest of the
// line would go elsewhere.
func (s *Screen) came(id machine.ID) []screen.Effect {
	if !s.Typing() || id == s.shown {
		s.wanted, s.focus = id, paneConsole
		return nil
	}
	if id == s.announced {
		return nil
	}
	s.announced = id
	return []screen.Effect{screen.Notice{Level: screen.Good, Text: "machine " + short(id) + " is there: it is in the list of machines"}}
}

// tell tells the boots that went wrong since; what had gone wrong before the first look is no news. The
// machine is shown, at the place, unless the user reads or asks another.
func (s *Screen) tell(first bool) []screen.Effect { //nolint:revive // what was there before is not told
	told := map[machine.ID]string{}
	var effects []screen.Effect
	for i := range s.machines.List {
		m := &s.machines.List[i]
		if m.Failure == nil {
			continue
		}
		b, _ := m.Boot()
		told[m.ID] = fmt.Sprintf("%d %s", b.Number, m.Failure.Kind)
		if first || s.told[m.ID] == told[m.ID] {
			continue
		}
		s.unseen = true
		effects = append(effects, screen.Notice{Level: screen.Bad, Text: fmt.Sprintf("%s %s: %s: %s", runs(m), short(m.ID), m.Failure.Kind, m.Failure.Line)})
		if t := s.terminals.of(m.ID); t != nil && !s.Typing() {
			effects = append(effects, t.show(m.Failure.Line)...)
		}
	}
	s.told = told
	return effects
}

// relist shows the machines as they are now; the cursor stays.
func (s *Screen) relist() []screen.Effect {
	rows := &machineRows{glyphs: s.rows.glyphs, now: s.rows.now, list: s.machines.List}
	if s.onlyUp { // and what is looked at: its end is not taken from before one's eyes
		rows.list = slices.DeleteFunc(slices.Clone(rows.list), func(m feed.Machine) bool {
			return !m.Live() && m.ID != s.shown && m.ID != s.wanted
		})
	}
	s.rows = rows
	s.list.SetRows(rows)
	return s.showWanted()
}

// showWanted shows the machine that is waited for; where none is shown yet the newest, one that runs rather than another.
func (s *Screen) showWanted() []screen.Effect {
	if s.wanted != "" && s.known {
		m, ok := s.machines.Find(s.wanted)
		if ok {
			s.wanted = ""
			return s.show(m.ID)
		}
	}
	if m, ok := s.machine(); ok {
		s.list.Select(string(m.ID))
		return nil
	}
	if len(s.rows.list) == 0 {
		if s.shown == "" {
			return nil
		}
		s.shown = ""
		return nil
	}
	i := max(slices.IndexFunc(s.rows.list, func(m feed.Machine) bool { return m.Live() }), 0)
	return s.show(s.rows.list[i].ID)
}

// show shows a machine, with the cursor on it.
func (s *Screen) show(id machine.ID) []screen.Effect {
	if !s.list.Select(string(id)) && s.list.Filter() != "" {
		s.list.SetFilter("")
		s.list.Select(string(id))
	}
	m, ok := s.machines.Find(id)
	if !ok || id == s.shown {
		return nil
	}
	s.shown = id
	fresh := s.terminals.of(id) == nil
	effects := s.terminals.open(&m, s.env)
	if t := s.terminals.of(id); t != nil && fresh && m.Failure != nil {
		effects = append(effects, t.show(m.Failure.Line)...)
	}
	s.retime(s.env.Now())
	s.boot.MoveTo(0)
	s.refact()
	s.report.MoveTo(0)
	return append(effects, s.inspectOnce()...)
}

// machine is the one that is shown.
func (s *Screen) machine() (feed.Machine, bool) { return s.machines.Find(s.shown) }

// moved shows the machine that the cursor is on.
func (s *Screen) moved(d widget.Done) []screen.Effect {
	if d == widget.Ignored {
		return nil
	}
	effects := []screen.Effect{}
	if i, ok := s.list.Current(); ok {
		effects = append(effects, s.show(s.rows.list[i].ID)...)
	}
	if d == widget.Opened {
		effects = append(effects, s.attach()...)
	}
	return effects
}

// Key implements screen.Screen.
func (s *Screen) Key(k term.Key) []screen.Effect {
	done := widget.Ignored
	switch s.focus {
	case paneMachines:
		if k.Name == "esc" && !s.list.Typing() && s.list.Filter() != "" {
			s.list.SetFilter("")
			return []screen.Effect{}
		}
		return s.moved(s.list.Key(k))
	case paneConsole:
		if effects := s.consoleKey(k); effects != nil {
			return effects
		}
	case paneBoot:
		done = s.boot.Key(k)
	case paneInspect:
		if k.Name == "esc" && !s.report.Typing() && s.report.Filter() != "" {
			s.report.SetFilter("")
			return []screen.Effect{}
		}
		done = s.report.Key(k)
	}
	switch {
	case done != widget.Ignored:
	case k.Name != "esc":
		return nil
	case s.zoomed:
		s.zoomed = false
	default:
		s.SetFocus(paneMachines)
	}
	return []screen.Effect{}
}

// Mouse implements screen.Screen.
func (s *Screen) Mouse(m term.Mouse) []screen.Effect {
	for _, p := range s.Panes(s.w, s.h) {
		if !p.Rect.Contains(m.X, m.Y) || p.Rect.H < 3 {
			continue
		}
		in := m.In(p.Rect.X+1, p.Rect.Y+1)
		switch p.ID {
		case paneMachines:
			if p.ID == s.focus {
				return s.moved(s.list.Mouse(in))
			}
			s.list.Mouse(in)
		case paneConsole:
			if v := s.console(); v != nil {
				at := s.terminalRect(p.Rect)
				return v.Mouse(m.In(p.Rect.X+at.X, p.Rect.Y+at.Y))
			}
		case paneBoot:
			if s.boot.Mouse(in) == widget.Opened {
				return s.place()
			}
		case paneInspect:
			s.report.Mouse(in)
		}
	}
	return nil
}
