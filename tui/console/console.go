// Package console is the Console screen: the machines of the workspace, the serial console of one, how far its boot
// has come against an earlier one, and what it says of itself. It reads no files and runs nothing itself.
package console

import (
	"encoding/json"
	"maps"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace/machine"
)

// The panes.
const (
	paneMachines = "machines"
	paneConsole  = "console"
	paneBoot     = "boot"
	paneInspect  = "inspect"
)

// Screen is the Console screen.
type Screen struct {
	env      screen.Env
	machines feed.Machines
	known    bool // machines have come
	builds   feed.Builds

	list      widget.Table
	rows      *machineRows
	onlyUp    bool       // those that ended are hidden
	shown     machine.ID // the machine whose console, boot and report are seen; "" is none
	wanted    machine.ID // one that is to be shown as soon as it is known
	announced machine.ID // the last that was told of instead
	wish      launch     // a start whose machine is to be shown as soon as it is there

	loop loopWish

	terminals terminals
	boot      widget.Table
	base      string // bootKey of the boot that the user compares with; "" is the best
	marks     *markRows
	report    widget.Table
	facts     *factRows
	reports   map[machine.ID]*report
	inspects  bool // the inspect pane is open where it is not always

	last   map[string]string     // of the form of a start, as it was filled in last
	told   map[machine.ID]string // failures that were told
	unseen bool                  // one was told while another screen was shown

	actions []screen.Action
	prefix  string // that they name
	focus   string
	zoomed  bool
	w, h    int // at the last drawing
}

// New makes the screen. Machines come as feed.Machines events, builds as feed.Builds.
func New(env screen.Env) *Screen {
	s := &Screen{env: env, focus: paneMachines, rows: &machineRows{}, marks: &markRows{}, facts: &factRows{}, reports: map[machine.ID]*report{}}
	s.list = widget.Table{Columns: machineColumns(), Headless: true, Empty: []string{"Reading the machines"}}
	s.list.SetRows(s.rows)
	s.boot = widget.Table{Headless: true, Quiet: true}
	s.boot.SetRows(s.marks)
	s.report = widget.Table{Headless: true, Quiet: true}
	s.report.SetRows(s.facts)
	return s
}

// Name implements screen.Screen.
func (s *Screen) Name() screen.Name { return screen.Console }

// Title implements screen.Screen.
func (s *Screen) Title() string { return "Console" }

// Badge says in the header that something here was not seen yet.
func (s *Screen) Badge() bool { return s.unseen }

// Ticking says if something here is a clock.
func (s *Screen) Ticking() bool { return len(s.machines.Live()) > 0 }

// Actions implements screen.Screen.
func (s *Screen) Actions() []screen.Action {
	if p := prefix(s.env); p != s.prefix { // it is named in them
		s.prefix, s.actions = p, s.table()
	}
	return s.actions
}

// Focus implements screen.Screen.
func (s *Screen) Focus() string { return s.focus }

// SetFocus implements screen.Screen.
func (s *Screen) SetFocus(id string) {
	switch id {
	case paneMachines, paneBoot:
		s.focus = id
	case paneInspect:
		s.focus, s.inspects = id, true
	case paneConsole:
		s.focus = id
		return
	}
	s.terminals.leave()
}

// Zoomed implements screen.Screen.
func (s *Screen) Zoomed() bool { return s.zoomed }

// SetZoomed implements screen.Screen.
func (s *Screen) SetZoomed(z bool) { s.zoomed = z }

// Typing implements screen.Screen.
func (s *Screen) Typing() bool {
	switch s.focus {
	case paneMachines:
		return s.list.Typing()
	case paneInspect:
		return s.report.Typing()
	case paneConsole:
		return s.terminals.input != nil || s.Raw()
	}
	return false
}

// Dirty implements screen.Screen: machines live on.
func (s *Screen) Dirty() []string { return nil }

// Chosen is the machine that the user is at, and its build.
func (s *Screen) Chosen() screen.Target {
	m, _ := s.machine()
	return screen.Target{Build: m.Build, Machine: string(m.ID)}
}

// Open implements screen.Screen.
func (s *Screen) Open(t screen.Target) []screen.Effect {
	if t.Machine == "" {
		return nil
	}
	s.wanted = machine.ID(t.Machine)
	return s.showWanted()
}

// saved is what a later session finds again.
type saved struct {
	Pane    string            `json:"pane,omitempty"`
	Machine machine.ID        `json:"machine,omitempty"`
	Filter  string            `json:"filter,omitempty"`
	OnlyUp  bool              `json:"only_up,omitempty"`
	Inspect bool              `json:"inspect,omitempty"`
	Zoomed  bool              `json:"zoomed,omitempty"`
	Start   map[string]string `json:"start,omitempty"` // the form
}

// Save implements screen.Screen.
func (s *Screen) Save() json.RawMessage {
	data, err := json.Marshal(saved{
		Pane: s.focus, Machine: s.shown, Filter: s.list.Filter(), OnlyUp: s.onlyUp, Inspect: s.inspects, Zoomed: s.zoomed, Start: s.last,
	})
	if err != nil {
		return nil
	}
	return data
}

// Restore implements screen.Screen.
func (s *Screen) Restore(data json.RawMessage) []screen.Effect {
	var v saved
	if json.Unmarshal(data, &v) != nil {
		return nil
	}
	s.inspects = v.Inspect
	s.SetFocus(v.Pane)
	s.wanted, s.onlyUp, s.zoomed = v.Machine, v.OnlyUp, v.Zoomed
	s.list.SetFilter(v.Filter)
	s.last = maps.Clone(v.Start)
	return s.showWanted()
}

var (
	_ screen.Screen = (*Screen)(nil)
	_ screen.Raw    = (*Screen)(nil)
)
