package logpane

import (
	"github.com/nestos/nosa/tui/logview"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/widget"
)

// Options say how the actions fit into a screen.
type Options struct {
	ID         string // of each, before its own: "stages.log."
	Pane       string // that has the keys
	Focus      func() // gives it the keys
	None       string // why there is nothing to do while no log is shown
	Everywhere bool   // the first real error can be gone to from every pane
}

// Actions are what can be done with the log.
func (p *Pane) Actions(o Options) []screen.Action {
	off := func() string {
		if p.view == nil {
			return o.None
		}
		return ""
	}
	with := func(id, title, short, key string, run func() []screen.Effect) screen.Action {
		return screen.Action{ID: o.ID + id, Title: "Log: " + title, Short: short, Keys: []string{key}, Pane: o.Pane, Off: off, Run: run}
	}
	act := func(id, title, short, key string, run func(*logview.View)) screen.Action {
		return with(id, title, short, key, func() []screen.Effect {
			run(p.view)
			return nil
		})
	}
	seek := func(id, title, key, none string, run func(*logview.View) bool) screen.Action {
		return with(id, title, "", key, func() []screen.Effect {
			if run(p.view) {
				return nil
			}
			return []screen.Effect{screen.Notice{Level: screen.Note, Text: none}}
		})
	}
	failure := seek("error", "the next error", "E", "no error further on", (*logview.View).NextError)
	failure.Short = "error"
	cause := with("cause", "the first real error", "first error", "!", func() []screen.Effect {
		o.Focus()
		p.view.FirstError()
		return nil
	})
	if o.Everywhere {
		cause.Pane = ""
	}
	return []screen.Action{
		with("find", "find", "find", "/", p.typing(find, o.Focus)),
		with("keep", "show only the lines that match", "only", "&", p.typing(keep, o.Focus)),
		with("goto", "go to a line or a time", "", "@", p.typing(goTo, o.Focus)),
		with("copy", "copy the line, or those selected", "copy", "y", func() []screen.Effect { return p.copy(p.view.Selected()) }),
		with("tail", "copy the last 50 lines", "", "Y", func() []screen.Effect { return p.copy(p.view.Tail(lastLines)) }),
		act("follow", "follow its end, or not", "follow", "F", (*logview.View).ToggleFollow),
		seek("next", "the next match", "n", "nothing matches", (*logview.View).NextMatch),
		seek("previous", "the match before", "N", "nothing matches", (*logview.View).PrevMatch),
		failure,
		seek("warning", "the next warning", "W", "no warning further on", (*logview.View).NextWarning),
		cause,
		act("wrap", "wrap long lines", "", "w", (*logview.View).ToggleWrap),
		act("clock", "another clock", "", "t", (*logview.View).NextClock),
		act("steps", "show the steps, or not", "", "T", (*logview.View).ToggleStep),
		act("step", "only the lines of this step", "", "S", (*logview.View).ToggleOnlyStep),
		act("mark", "mark the line", "", "m", (*logview.View).ToggleMark),
		seek("marked", "the next mark", "'", "no line is marked: m marks one", (*logview.View).NextMark),
		act("select", "select lines", "", "V", (*logview.View).ToggleSelect),
	}
}

// typing opens the line below the log.
func (p *Pane) typing(what purpose, focus func()) func() []screen.Effect {
	return func() []screen.Effect {
		value := ""
		switch what {
		case find:
			value = p.view.Finding()
		case keep:
			value = p.view.Keeping()
		}
		focus()
		p.what, p.line = what, widget.NewInput(string(what), value)
		return nil
	}
}
