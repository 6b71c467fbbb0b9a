package tui

import (
	"fmt"

	"github.com/nestos/nosa/tui/screen"
)

// badged is a screen that may have something that was not seen yet.
type badged interface{ Badge() bool }

// ticker is a screen that may show a clock.
type ticker interface{ Ticking() bool }

// tabKey is tabText where there is little room.
func (m *model) tabKey(i int, s screen.Screen) string {
	if i == m.current {
		return m.tabText(i, s)
	}
	if b, ok := s.(badged); ok && b.Badge() {
		return fmt.Sprintf(" %d%s ", i+1, m.theme.Glyphs.Fail)
	}
	return fmt.Sprintf(" %d ", i+1)
}

// tabText is a screen's name in the header, marked where it has something that was not seen yet.
func (m *model) tabText(i int, s screen.Screen) string {
	if b, ok := s.(badged); ok && i != m.current && b.Badge() {
		return fmt.Sprintf(" %d %s %s ", i+1, s.Title(), m.theme.Glyphs.Fail)
	}
	return fmt.Sprintf(" %d %s ", i+1, s.Title())
}
