package tui

import (
	"context"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
)

// rawMsg is bytes that were typed while a guest had the keys. It is a message among the others, so that all keep
// their order; who read them waits for what is left.
type rawMsg struct {
	typed []byte
	rest  chan<- []byte // has room
}

// tap gives what is typed to the model until life ends.
func tap(life context.Context, send func(tea.Msg)) term.Tap {
	return func(typed []byte) []byte {
		rest := make(chan []byte, 1)
		send(rawMsg{typed, rest})
		select {
		case left := <-rest:
			return left
		case <-life.Done():
			return nil
		}
	}
}

// raw is the screen that has the keys for its guest; nil is none.
func (m *model) raw() screen.Raw {
	if len(m.overlays) > 0 {
		return nil
	}
	if r, ok := m.screen().(screen.Raw); ok && r.Raw() {
		return r
	}
	return nil
}

// retap has the keys go where they belong now.
func (m *model) retap() {
	if on := m.raw() != nil; on != m.tapping {
		m.tapping = on
		m.pending = ""
		if m.setTap != nil {
			m.setTap(on)
		}
	}
}

// typedRaw gives bytes to the guest; what comes after it has lost the keys is left. A key that only the guest
// gets draws nothing: the frame that shows what comes of it would wait for that.
func (m *model) typedRaw(msg rawMsg) []tea.Cmd {
	var cmds []tea.Cmd
	rest := msg.typed
	m.stale = m.hook != nil && m.hook.IdleMark(0) != "" // a test waits for each key
	for r := m.raw(); r != nil && len(rest) > 0; r = m.raw() {
		hint := r.RawHint()
		left, effects := r.Type(rest)
		m.stale = m.stale || len(left)+len(effects) > 0 || r.RawHint() != hint
		cmds = append(cmds, m.perform(effects)...)
		if len(left) == len(rest) {
			break
		}
		rest = left
	}
	m.retap() // before who reads goes on
	msg.rest <- rest
	return cmds
}

// press gives a key to the workbench although a guest has the keys.
func (m *model) press(k term.Key) []tea.Cmd {
	p := m.place()
	p.typing = false
	if action, _ := m.keys.find(p, k.Name); action != nil {
		return m.act(*action)
	}
	return nil
}
