package tui

import (
	"fmt"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace/loop"
)

// looping is how long it takes from a save to a system that runs.
type looping struct {
	began time.Time  // of the round of this workbench that goes on; zero: none does
	last  loop.Round // that has ended; zero: none has
	known bool
}

// roundEnded takes a round that has ended, here or elsewhere.
func (m *model) roundEnded(e feed.Rounds) {
	m.loop.last, m.loop.known = e.Last, true
	if e.First || e.Last.User != m.o.User {
		return
	}
	m.loop.began = time.Time{}
	if e.Last.Result == loop.Failed {
		text := e.Last.Error
		if e.Last.Path != "" {
			text = e.Last.Path + ": " + text
		}
		m.notices.add(screen.Notice{Level: screen.Bad, Text: "nothing was booted: " + text}, m.o.now())
	}
}

// loopOver is an Event: the command of a round of this workbench has ended.
type loopOver struct{}

// commandEnded is told of each command of this workbench that ends.
func (w *works) commandEnded(tag string) {
	if tag == screen.TagLoop {
		w.pump.post(loopOver{})
	}
}

// drawLoop says, to the right, how long ago was saved what is being built, or how long the last round took and
// on what, where there is room; it gives the column before it.
func (m *model) drawLoop(a canvas.Area, left, right int) int {
	text, role := "", theme.Muted
	switch {
	case !m.loop.began.IsZero():
		text, role = "saved "+widget.Stopwatch(m.o.now().Sub(m.loop.began))+" ago", theme.Running
	case m.loop.known:
		text = m.loop.last.String()
		if m.loop.last.Result == loop.Failed {
			role = theme.Failure
		}
		if w := canvas.Width(text); w > right-left-2 { // the parts are in nosa watch's own line
			text = fmt.Sprintf("save %s %s %.1fs", m.theme.Glyphs.Arrow, m.loop.last.Result, m.loop.last.Total().Seconds())
		}
	}
	if text == "" || canvas.Width(text) > right-left-2 {
		return right
	}
	return a.PutRight(right, 0, text, m.theme.Style(role)) - 2
}
