package tui

import (
	"strings"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/settings"
)

// keymap finds the action of a key. It is made anew when actions or settings change.
type keymap struct{ actions []settings.Placed }

// place is where the keys go at a moment.
type place struct {
	screen screen.Name
	pane   string
	typing bool
}

// counts says if an action can be meant there.
func (p place) counts(a settings.Placed) bool {
	return (a.Screen == "" || a.Screen == p.screen) && (a.Pane == "" || a.Pane == p.pane) && (a.Text || !p.typing)
}

// rank orders actions that share a key: those of the pane, of the screen, of all.
func rank(a settings.Placed) int {
	switch {
	case a.Pane != "":
		return 0
	case a.Screen != "":
		return 1
	}
	return 2
}

// find gives the action of the keys pressed so far, joined by spaces; more says that
// they are the beginning of a longer sequence.
func (k *keymap) find(p place, keys string) (action *settings.Placed, more bool) {
	for i := range k.actions {
		a := &k.actions[i]
		if !p.counts(*a) {
			continue
		}
		for _, key := range a.Keys {
			if key == keys && (action == nil || rank(*a) < rank(*action)) {
				action = a
			}
			more = more || strings.HasPrefix(key, keys+" ")
		}
	}
	return action, more
}

// at gives the actions that can be meant at a place, those of the pane first.
func (k *keymap) at(p place) []settings.Placed {
	var out []settings.Placed
	for r := range 3 {
		for _, a := range k.actions {
			here := p
			here.typing = false
			if rank(a) == r && here.counts(a) {
				out = append(out, a)
			}
		}
	}
	return out
}

// reason is why an action cannot be done now; "" when it can.
func reason(a screen.Action) string {
	if a.Off == nil {
		return ""
	}
	return a.Off()
}

// keyNames is the keys of an action for a reader.
func keyNames(a screen.Action) string {
	return strings.Join(a.Keys, ", ")
}
