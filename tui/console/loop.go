package console

import (
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace/machine"
)

// loopWish is a round of nosa watch whose machine is to be shown; its had is nil when there is none.
type loopWish struct{ had map[machine.ID]bool }

// loopBegan notes that this workbench has begun a round.
func (s *Screen) loopBegan() {
	s.loop = loopWish{had: map[machine.ID]bool{}}
	for _, m := range s.machines.List {
		s.loop.had[m.ID] = true
	}
}

// loopMachine shows the machine of the round as soon as there is one.
func (s *Screen) loopMachine() []screen.Effect {
	if s.loop.had == nil {
		return nil
	}
	for _, m := range s.machines.List {
		if m.Loop && m.Live() && m.User == s.env.User && !s.loop.had[m.ID] {
			return s.showLoop(m.ID, "boots")
		}
	}
	return nil
}

// loopEnded is for a round that has left the machine before as it was, or has none.
func (s *Screen) loopEnded(r feed.Rounds) []screen.Effect {
	if s.loop.had == nil || r.First || r.Last.User != s.env.User {
		return nil
	}
	if m, ok := s.machines.Find(machine.ID(r.Last.VM)); ok && m.Live() {
		return s.showLoop(m.ID, "is what was saved")
	}
	s.loop = loopWish{}
	return nil
}

// showLoop goes to a machine, unless somebody types elsewhere.
func (s *Screen) showLoop(id machine.ID, what string) []screen.Effect {
	s.loop = loopWish{}
	if !s.Typing() {
		s.focus = paneConsole
	}
	return []screen.Effect{screen.Go{
		Screen: screen.Console, Target: screen.Target{Machine: string(id)}, Gently: true, Notice: "machine " + string(id) + " " + what + ": its console is on the Console screen",
	}}
}
