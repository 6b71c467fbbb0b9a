package console

import (
	"fmt"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace/machine"
)

// removeActions are about what machines have left that ended.
func (s *Screen) removeActions() []screen.Action {
	return []screen.Action{
		{ID: "console.mark", Title: "Mark, or take the mark away: D removes what is marked", Keys: []string{"space"}, Pane: paneMachines, Off: s.anyMachine, Run: func() []screen.Effect {
			s.list.ToggleMark()
			return s.moved(widget.Used)
		}},
		{
			ID: "console.remove", Title: "Remove what it has left, or those that are marked, once ended", Short: "remove", Keys: []string{"D"}, Pane: paneMachines,
			Off: s.removeOff, Command: func() []string { return removeArgs(s.removable()) },
			Run: func() []screen.Effect { return s.askRemove(s.removable()) },
		},
		{
			ID: "console.remove-all", Title: "Remove what all that ended have left",
			Off: func() string {
				if len(s.ended()) == 0 {
					return "no machine has ended"
				}
				return ""
			},
			Command: func() []string { return []string{"vms", "--remove", "--all"} },
			Run:     func() []screen.Effect { return s.askRemove(s.ended()) },
		},
	}
}

// ended are the machines that do not run.
func (s *Screen) ended() []feed.Machine {
	var list []feed.Machine
	for _, m := range s.machines.List {
		if !m.Live() {
			list = append(list, m)
		}
	}
	return list
}

// removable is what is marked of those that ended, where nothing is the one that is shown.
func (s *Screen) removable() []feed.Machine {
	var list []feed.Machine
	for _, id := range s.list.Marks() {
		if m, ok := s.machines.Find(machine.ID(id)); ok && !m.Live() {
			list = append(list, m)
		}
	}
	if len(s.list.Marks()) > 0 {
		return list
	}
	if m, ok := s.machine(); ok && !m.Live() {
		list = append(list, m)
	}
	return list
}

func (s *Screen) removeOff() string {
	switch {
	case len(s.removable()) > 0:
		return ""
	case len(s.list.Marks()) > 0:
		return "those that are marked run"
	case s.anyMachine() != "":
		return s.anyMachine()
	}
	return "it runs: stop it first"
}

func removeArgs(list []feed.Machine) []string {
	args := []string{"vms", "--remove"}
	for _, m := range list {
		args = append(args, string(m.ID))
	}
	return args
}

// askRemove asks if what machines have left is to be removed.
func (s *Screen) askRemove(list []feed.Machine) []screen.Effect {
	ask := screen.Ask{
		Tag: askGone, Title: "Remove " + short(list[0].ID) + "?", Danger: true,
		Choices: []screen.Choice{{ID: "remove", Title: "Remove", Key: "r"}, {ID: "cancel", Title: "Keep", Key: "n"}},
	}
	if len(list) > 1 {
		ask.Title = "Remove " + widget.Count(len(list), "machine", "machines") + "?"
	}
	for i, m := range list {
		ask.Tag += " " + string(m.ID)
		if i < 5 {
			ask.Text = append(ask.Text, fmt.Sprintf("%s  %s  %s", short(m.ID), runs(&m), stands(&m)))
		}
	}
	if more := len(list) - 5; more > 0 {
		ask.Text = append(ask.Text, fmt.Sprintf("and %d more", more))
	}
	if marked := len(s.list.Marks()); marked > len(list) {
		ask.Text = append(ask.Text, widget.Count(marked-len(list), "marked one stays: it runs.", "marked ones stay: they run."))
	}
	ask.Text = append(ask.Text, "Their consoles, records and reports go. A disk that was kept stays.")
	if len(list) == 1 {
		ask.Text[len(ask.Text)-1] = "Its console, record and report go. A disk that was kept stays."
	}
	return []screen.Effect{ask}
}
