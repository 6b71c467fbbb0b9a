package term

import (
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// Clicks makes of the terminal's mouse reports what a person did: it counts
// clicks, gathers turns of the wheel and leaves out motions that change nothing.
// The zero Clicks is ready. It is for tea.WithFilter.
type Clicks struct {
	button int
	x, y   int
	count  int
	at     time.Time // of the last press

	dragX, dragY int
	wheel        MouseKind
	turned       int // not told yet
	told         time.Time
}

// twice is how soon a click must follow another at the same cell to count on.
const twice = 400 * time.Millisecond

// wheelSlot is how often turns of the wheel are told: terminals send dozens for one
// turn, and each would be a frame.
const wheelSlot = 16 * time.Millisecond

// Filter translates a report that came at that time; ok is false for what need not be told.
func (c *Clicks) Filter(m tea.MouseMsg, now time.Time) (mouse Mouse, ok bool) {
	mouse, ok = MouseFromTea(m)
	if !ok {
		return mouse, false
	}
	switch mouse.Kind {
	case Press:
		mouse.Clicks = c.press(mouse, now)
		c.dragX, c.dragY = mouse.X, mouse.Y
	case Drag:
		if mouse.X == c.dragX && mouse.Y == c.dragY {
			return mouse, false
		}
		c.dragX, c.dragY = mouse.X, mouse.Y
		c.count = 0
	case WheelUp, WheelDown:
		mouse.Lines, ok = c.turn(mouse.Kind, now)
	}
	return mouse, ok
}

// press counts 1, 2, 3 and then 1 again.
func (c *Clicks) press(m Mouse, now time.Time) int {
	same := m.Button == c.button && m.X == c.x && m.Y == c.y && now.Sub(c.at) <= twice
	c.button, c.x, c.y, c.at = m.Button, m.X, m.Y, now
	if !same {
		c.count = 0
	}
	c.count = c.count%3 + 1
	return c.count
}

func (c *Clicks) turn(kind MouseKind, now time.Time) (lines int, ok bool) {
	if kind != c.wheel || now.Sub(c.told) > 10*wheelSlot {
		c.wheel, c.turned = kind, 0
		c.told = now
		return 1, true
	}
	c.turned++
	if now.Sub(c.told) < wheelSlot {
		return 0, false
	}
	lines, c.turned, c.told = c.turned, 0, now
	return lines, true
}
