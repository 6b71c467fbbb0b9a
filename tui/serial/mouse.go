package serial

import (
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/vt"
)

// wheelLines is how far a step of the wheel scrolls.
const wheelLines = 3

// Mouse does what a mouse event in the coordinates of Draw's area means. A guest that wants the mouse has it while it has
// the keys, unless shift is held. Else the wheel scrolls, a press and dragging select: words and lines after
// two and three clicks.
func (v *View) Mouse(m term.Mouse) []screen.Effect {
	if v.Attached() && !m.Shift {
		if p, wants := v.guestMouse(m); wants {
			return v.send(p)
		}
	}
	switch m.Kind {
	case term.WheelUp:
		v.ScrollBy(-wheelLines * max(m.Lines, 1))
	case term.WheelDown:
		v.ScrollBy(wheelLines * max(m.Lines, 1))
	case term.Press:
		if m.Button == 1 {
			v.pressAt(m)
		}
	case term.Drag:
		v.dragTo(m)
	case term.Release:
		v.press = nil
	}
	return nil
}

// guestMouse is what a guest gets of a mouse event; wants says if it wants any.
func (v *View) guestMouse(m term.Mouse) (p []byte, wants bool) {
	modes := v.screen.Modes()
	if modes.Mouse == vt.NoMouse {
		return nil, false
	}
	if m.X < 0 || m.Y < 0 || m.X >= v.w || m.Y >= v.h {
		return nil, true
	}
	e := vt.Mouse{Kind: string(m.Kind), X: m.X, Y: m.Y, Button: m.Button, Alt: m.Alt, Ctrl: m.Ctrl}
	for range min(max(m.Lines, 1), 20) {
		p = append(p, modes.EncodeMouse(e)...)
		if m.Kind != term.WheelUp && m.Kind != term.WheelDown {
			break
		}
	}
	return p, true
}

// place is the line and column that is shown at a place of the area.
func (v *View) place(x, y int) vt.Place {
	_, top, _ := v.screen.Bounds()
	if v.back != nil {
		top = v.back.top
	}
	return vt.Place{Line: top + min(max(y, 0), max(v.h-1, 0)), X: min(max(x, 0), max(v.w-1, 0))}
}

func (v *View) pressAt(m term.Mouse) {
	at := v.place(m.X, m.Y)
	v.press = &at
	if v.back != nil {
		v.back.at, v.back.anchor = at, nil
	}
	if unit, ok := map[int]vt.Unit{2: vt.Words, 3: vt.WholeLines}[m.Clicks]; ok {
		v.Scroll()
		v.back.at, v.back.anchor, v.back.unit = at, &at, unit
	}
}

func (v *View) dragTo(m term.Mouse) {
	if v.press == nil {
		return
	}
	v.Scroll()
	b := v.back
	if b.anchor == nil {
		b.anchor, b.unit = v.press, vt.Characters
	}
	switch {
	case m.Y < 0:
		v.ScrollBy(-1)
	case m.Y >= v.h:
		v.ScrollBy(1)
	}
	b.at = v.place(m.X, m.Y)
}
