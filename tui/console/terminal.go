package console

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/serial"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace/machine"
)

// keptTerminals is how many consoles are at hand as they were left: drained, with scrollback, place and search.
const keptTerminals = 8

// followKey is the Key of what follows a machine's console.
func followKey(id machine.ID) string { return "console.serial " + string(id) }

// terminals are the consoles that were shown, the latest first.
type terminals struct {
	list  []terminal
	input *widget.Input // of a search in the first, while it is typed
}

// terminal is the console of a machine.
type terminal struct {
	id   machine.ID
	view *serial.View
	seek string // a line to go to as soon as it can be there
}

// open shows the console of a machine, as it was left or new.
func (t *terminals) open(m *feed.Machine, env screen.Env) []screen.Effect {
	t.leave()
	if i := slices.IndexFunc(t.list, func(one terminal) bool { return one.id == m.ID }); i >= 0 {
		one := t.list[i]
		t.list = slices.Insert(slices.Delete(t.list, i, i+1), 0, one)
		return nil
	}
	v, err := serial.New(serial.Options{Dir: m.Dir, Title: runs(m) + " " + short(m.ID), User: env.User, Prefix: prefix(env)})
	if err != nil {
		return []screen.Effect{screen.Notice{Level: screen.Bad, Text: err.Error()}}
	}
	t.list = slices.Insert(t.list, 0, terminal{id: m.ID, view: v})
	effects := []screen.Effect{screen.Follow{Key: followKey(m.ID), Do: func(ctx context.Context, post func(screen.Event)) {
		v.Source().Follow(ctx, post)
	}}}
	if len(t.list) > keptTerminals {
		effects = append(effects, t.drop(keptTerminals))
	}
	return effects
}

func (t *terminals) drop(i int) screen.Effect {
	id := t.list[i].id
	t.list = slices.Delete(t.list, i, i+1)
	return screen.Unfollow{Key: followKey(id)}
}

// keep forgets the consoles of machines that are no more.
func (t *terminals) keep(known feed.Machines) []screen.Effect {
	var effects []screen.Effect
	for i, one := range slices.Backward(t.list) {
		if _, ok := known.Find(one.id); !ok {
			effects = append(effects, t.drop(i))
		}
	}
	return effects
}

// leave takes the keys back from the guest.
func (t *terminals) leave() {
	t.input = nil
	if len(t.list) > 0 {
		t.list[0].view.Detach()
	}
}

// of gives the console of a machine; nil where it was not opened.
func (t *terminals) of(id machine.ID) *terminal {
	i := slices.IndexFunc(t.list, func(one terminal) bool { return one.id == id })
	if i < 0 {
		return nil
	}
	return &t.list[i]
}

// handle takes what the consoles say of themselves.
func (t *terminals) handle(e screen.Event) (effects []screen.Effect, mine bool) {
	for i := range t.list {
		if effects, mine = t.list[i].view.Handle(e); mine {
			return append(effects, t.list[i].sought()...), true
		}
	}
	return nil, false
}

// longestFind bounds what is searched of a line that a milestone quotes: it may be cut off behind.
const longestFind = 60

// show goes to a line of the console, the last that looks so: of the boot that is shown.
func (t *terminal) show(line string) []screen.Effect {
	if r := []rune(line); len(r) > longestFind {
		line = string(r[:longestFind])
	}
	t.seek = line
	return t.sought()
}

// sought goes to the line that is sought, once what was printed is there.
func (t *terminal) sought() []screen.Effect {
	if t.seek == "" || t.view.Status().Link == serial.Connecting {
		return nil
	}
	line := t.seek
	t.seek = ""
	t.view.Follow()
	return t.view.Show(line)
}

// console is the console of the machine that is shown; nil where there is none.
func (s *Screen) console() *serial.View {
	if t := s.terminals.of(s.shown); t != nil {
		return t.view
	}
	return nil
}

// Raw implements screen.Raw.
func (s *Screen) Raw() bool {
	v := s.console()
	return s.focus == paneConsole && s.terminals.input == nil && v != nil && v.Attached()
}

// Type implements screen.Raw.
func (s *Screen) Type(p []byte) (rest []byte, effects []screen.Effect) {
	if v := s.console(); v != nil {
		return v.Type(p)
	}
	return p, nil
}

// RawHint implements screen.Raw.
func (s *Screen) RawHint() string {
	if v := s.console(); v != nil {
		return v.RawHint()
	}
	return ""
}

// attach gives the keys to the guest.
func (s *Screen) attach() []screen.Effect {
	s.focus = paneConsole
	v := s.console()
	if v == nil || v.Off() != "" {
		return nil
	}
	if err := v.SetPrefix(prefix(s.env)); err != nil {
		return []screen.Effect{screen.Notice{Level: screen.Bad, Text: err.Error()}}
	}
	v.Attach()
	return nil
}

// defaultPrefix is the key that a guest does not get where none is set.
const defaultPrefix = "ctrl+]"

// prefix is the key that a guest does not get, as the user has set it.
func prefix(env screen.Env) string {
	if env.Prefix == nil {
		return defaultPrefix
	}
	return cmp.Or(env.Prefix(), defaultPrefix)
}

// prefixName is prefix for people.
func prefixName(env screen.Env) string {
	return "Ctrl-" + strings.ToUpper(strings.TrimPrefix(prefix(env), "ctrl+"))
}

// attachOff is why the guest cannot have the keys.
func (s *Screen) attachOff() string {
	v := s.console()
	if v == nil {
		return "no machine is chosen"
	}
	return v.Off()
}

// consoleKey is a key while the console has the keys.
func (s *Screen) consoleKey(k term.Key) []screen.Effect {
	v, in := s.console(), s.terminals.input
	switch {
	case v == nil:
		return nil
	case in == nil:
		effects, mine := v.Key(k)
		if mine && effects == nil {
			effects = []screen.Effect{}
		}
		return effects
	case k.Name == "esc":
		s.terminals.input = nil
	case k.Name == "enter":
		s.terminals.input = nil
		effects, err := v.Find(in.Value())
		if err != nil {
			return []screen.Effect{screen.Notice{Level: screen.Warn, Text: err.Error()}}
		}
		return append(effects, nil)
	default:
		in.Key(k)
	}
	return []screen.Effect{}
}

// drawTerminal draws the console, and below it the search that is typed.
func (s *Screen) drawTerminal(a canvas.Area, th *theme.Theme, focus widget.Focus) {
	v := s.console()
	if v == nil {
		return
	}
	w, h := a.Size()
	body, in := canvas.Rect{W: w, H: h}, s.terminals.input
	v.Draw(a.Sub(body), th, bool(focus) && in == nil)
	if in != nil && h > 0 {
		_, line := body.Top(h - 1)
		a.Fill(line, " ", canvas.Style{})
		in.Draw(a.Sub(line), th, focus)
	}
}
