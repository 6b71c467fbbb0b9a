package logview

import "github.com/nestos/nosa/tui/term"

// columnStep is how far a key scrolls sideways.
const columnStep = 8

// Key does what a key means in a log; handled is false for all others. The input lines of "/", "&" and "@" are the owner's.
//
//	j k up down · ctrl+d ctrl+u · ctrl+f ctrl+b pgdown pgup space · g g home · G end (and follow) · F follow or not
//	h l left right 0 sideways · w wrap · t clock · T step column · S only the step of this line
//	n N next and previous hit · E } { next, next and previous error · W ) ( the same for warnings · ! the first real error
//	m mark · ' next mark · V select · shift+up shift+down select · esc takes back selection, search, filter
func (v *View) Key(k term.Key) (handled bool) {
	pending := v.pending
	v.pending = ""
	if pending == "g" && k.Name == "g" {
		v.Top()
		return true
	}
	return v.motion(k.Name) || v.leap(k.Name) || v.toggle(k.Name)
}

func (v *View) motion(name string) bool {
	switch name {
	case "j", "down":
		v.MoveBy(1)
	case "k", "up":
		v.MoveBy(-1)
	case "ctrl+d":
		v.PageBy(1)
	case "ctrl+u":
		v.PageBy(-1)
	case "ctrl+f", "pgdown", "space":
		v.PageBy(2)
	case "ctrl+b", "pgup":
		v.PageBy(-2)
	case "g":
		v.pending = "g"
	case "home":
		v.Top()
	case "G", "end":
		v.Bottom()
	case "h", "left":
		v.ScrollColumns(-columnStep)
	case "l", "right":
		v.ScrollColumns(columnStep)
	case "0":
		v.FirstColumn()
	case "shift+up":
		v.SelectBy(-1)
	case "shift+down":
		v.SelectBy(1)
	default:
		return false
	}
	return true
}

func (v *View) leap(name string) bool {
	switch name {
	case "n":
		v.NextMatch()
	case "N":
		v.PrevMatch()
	case "E", "}":
		v.NextError()
	case "{":
		v.PrevError()
	case "W", ")":
		v.NextWarning()
	case "(":
		v.PrevWarning()
	case "!":
		v.FirstError()
	case "'":
		v.NextMark()
	default:
		return false
	}
	return true
}

func (v *View) toggle(name string) bool {
	switch name {
	case "F":
		v.ToggleFollow()
	case "w":
		v.ToggleWrap()
	case "t":
		v.NextClock()
	case "T":
		v.ToggleStep()
	case "S":
		v.ToggleOnlyStep()
	case "m":
		v.ToggleMark()
	case "V":
		v.ToggleSelect()
	case "esc":
		return v.Escape()
	default:
		return false
	}
	return true
}

// wheelRows is how far a step of the wheel scrolls.
const wheelRows = 3

// Mouse does what a mouse event in the coordinates of Draw's area means: the wheel scrolls, a press moves the cursor,
// dragging selects lines.
func (v *View) Mouse(m term.Mouse) {
	switch m.Kind {
	case term.WheelUp:
		v.ScrollBy(-wheelRows * max(m.Lines, 1))
	case term.WheelDown:
		v.ScrollBy(wheelRows * max(m.Lines, 1))
	case term.Press:
		if m.Button != 1 || len(v.screen) == 0 {
			return
		}
		k := v.at(m.Y)
		v.unfollow()
		if !m.Shift {
			v.anchor = -1
		} else if v.anchor < 0 {
			v.anchor = v.line
		}
		v.line = max(v.news.lineAt(k), 0)
		v.request()
	case term.Drag:
		if v.anchor < 0 {
			v.ToggleSelect()
		}
		switch {
		case m.Y < 0:
			v.MoveBy(-1)
		case m.Y >= v.h:
			v.MoveBy(1)
		default:
			v.cursorTo(v.at(m.Y))
		}
	}
}
