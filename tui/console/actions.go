package console

import (
	"slices"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/serial"
	"github.com/nestos/nosa/tui/widget"
)

// table is the one table of what can be done here.
func (s *Screen) table() []screen.Action {
	return slices.Concat(s.machineActions(), s.removeActions(), s.lookActions(), s.consoleActions())
}

// machineActions are about machines.
func (s *Screen) machineActions() []screen.Action {
	return []screen.Action{
		{ID: "console.show", Title: "Go to its console, and give the keys to the guest; " + prefixName(s.env) + " d takes them back", Short: "console", Keys: []string{"enter"}, Pane: paneMachines, Off: s.anyMachine, Command: s.of("console"), Run: s.attach},
		{
			ID: "console.start", Title: "Boot a build: which and how is asked", Short: "start", Keys: []string{"s"}, Off: s.noBuild,
			Command: func() []string { return runArgs(s.filled(nil)) },
			Run:     func() []screen.Effect { return []screen.Effect{s.form(nil, "")} },
		},
		{
			ID: "console.again", Title: "Boot at once, as it was filled in last", Keys: []string{"S"}, Off: s.noBuild,
			Command: func() []string { return runArgs(s.filled(nil)) },
			Run:     func() []screen.Effect { return s.look(s.filled(nil)) },
		},
		{ID: "console.stop", Title: "Stop it", Short: "stop", Keys: []string{"x"}, Off: s.running, Command: s.of("stop"), Run: s.stop},
		{ID: "console.stop-all", Title: "Stop all machines", Keys: []string{"X"}, Off: func() string {
			if len(s.machines.Live()) == 0 {
				return "no machine runs"
			}
			return ""
		}, Run: s.stopAll},
		{ID: "console.reset", Title: "Press its reset button", Short: "reset", Keys: []string{"r"}, Off: s.running, Command: s.of("reset"), Run: s.reset},
		{ID: "console.break", Title: "Send a break: the next key is magic SysRq", Keys: []string{"b"}, Off: s.running, Command: s.of("send-break"), Run: func() []screen.Effect {
			return []screen.Effect{s.quick("a break was sent to "+short(s.shown), s.of("send-break")()...)}
		}},
		{ID: "console.shell", Title: "Open a shell in it, over SSH", Short: "shell", Keys: []string{"!"}, Off: s.noSSH, Command: s.shellArgs, Run: s.shell},
		{ID: "console.copy", Title: "Copy its ssh command, the path of its log, its id", Short: "copy", Keys: []string{"c"}, Off: s.anyMachine, Run: s.pickCopy},
	}
}

// lookActions are about what is shown.
func (s *Screen) lookActions() []screen.Action {
	return []screen.Action{
		{ID: "console.inspect", Title: "Ask it about itself: failed units, packages, disks", Short: "inspect", Keys: []string{"i"}, Off: s.running, Command: s.of("inspect"), Run: func() []screen.Effect {
			m, _ := s.machine()
			s.inspects = true
			return append(s.inspect(&m), nil)
		}},
		{ID: "console.report", Title: "Show what it said of itself, or hide it", Keys: []string{"I"}, Run: func() []screen.Effect {
			s.inspects = !s.inspects
			if !s.inspects && s.focus == paneInspect {
				s.focus = paneConsole
			}
			return s.inspectOnce()
		}},
		{ID: "console.boot", Title: "Show its boot against an earlier one", Short: "boot", Keys: []string{"t"}, Off: s.anyMachine, Run: func() []screen.Effect {
			if s.focus == paneBoot {
				s.SetFocus(paneConsole)
			} else {
				s.SetFocus(paneBoot)
			}
			return nil
		}},
		{ID: "console.failure", Title: "Go to where its boot went wrong", Short: "failure", Keys: []string{"E"}, Off: func() string {
			if m, ok := s.machine(); !ok || s.failureLine(&m) == "" {
				return "nothing went wrong, as far as its console says"
			}
			return ""
		}, Run: s.jump},
		{ID: "console.place", Title: "Show the milestone on the console", Short: "on the console", Keys: []string{"enter"}, Pane: paneBoot, Off: s.anyMachine, Run: s.place},
		{ID: "console.against", Title: "Choose the boot to compare with", Short: "against", Keys: []string{"a"}, Pane: paneBoot, Off: s.baseOff, Run: s.pickBase},
		{ID: "console.ended", Title: "Show those that have ended too, or not", Keys: []string{"e"}, Command: func() []string { return []string{"vms", "--all"} }, Run: func() []screen.Effect {
			s.onlyUp = !s.onlyUp
			if m, ok := s.machine(); ok && s.onlyUp && !m.Live() && len(s.machines.Live()) > 0 {
				s.shown = ""
			}
			return s.relist()
		}},
		{ID: "console.filter", Title: "Filter the machines", Short: "filter", Keys: []string{"/"}, Pane: paneMachines, Run: func() []screen.Effect {
			s.list.StartFilter()
			return nil
		}},
		{ID: "console.filter-report", Title: "Filter what it said of itself", Short: "filter", Keys: []string{"/"}, Pane: paneInspect, Run: func() []screen.Effect {
			s.report.StartFilter()
			return nil
		}},
	}
}

// consoleActions are about the console that is shown.
func (s *Screen) consoleActions() []screen.Action {
	act := func(id, title, key string, run func(*serial.View) []screen.Effect) screen.Action {
		return screen.Action{ID: "console." + id, Title: "Console: " + title, Keys: []string{key}, Pane: paneConsole, Off: s.anyMachine, Run: func() []screen.Effect {
			if v := s.console(); v != nil {
				return run(v)
			}
			return nil
		}}
	}
	attach := act("attach", "give the keys to the guest; "+prefixName(s.env)+" d takes them back", "enter", func(*serial.View) []screen.Effect { return s.attach() })
	attach.Short, attach.Off, attach.Command = "keys to the guest", s.attachOff, s.of("console")
	find := act("find", "find in what was printed", "/", func(v *serial.View) []screen.Effect {
		s.terminals.input = widget.NewInput("/", v.Finding())
		return nil
	})
	find.Short = "find"
	scroll := act("scrollback", "look at what was printed before", "[", func(v *serial.View) []screen.Effect {
		v.Scroll()
		return nil
	})
	scroll.Short = "scrollback"
	size := act("size", "tell the guest's terminal the size of the pane", "T", (*serial.View).SetSize)
	paste := act("paste", "paste what was held back, or copied here last", "P", (*serial.View).PasteHeld)
	size.Off, paste.Off = s.attachOff, s.attachOff
	return []screen.Action{
		attach, find, scroll,
		act("next", "the next hit", "n", (*serial.View).Next),
		act("previous", "the hit before", "N", (*serial.View).Previous),
		act("yank", "copy what is selected: v and V select", "y", (*serial.View).Copy),
		paste, size,
	}
}

// The reasons why something cannot be done now.

func (s *Screen) anyMachine() string {
	if _, ok := s.machine(); !ok {
		return "no machine is chosen"
	}
	return ""
}

func (s *Screen) running() string {
	m, ok := s.machine()
	switch {
	case !ok:
		return "no machine is chosen"
	case !m.Live():
		return "it has ended"
	}
	return ""
}

func (s *Screen) noSSH() string {
	if why := s.running(); why != "" {
		return why
	}
	if m, _ := s.machine(); m.SSH == nil {
		return "it has no way in by SSH"
	}
	return ""
}

func (s *Screen) noBuild() string {
	if !slices.ContainsFunc(s.builds.List, func(b *feed.Build) bool { return b.Local }) {
		return "there is no build here; Stages makes one"
	}
	return ""
}
