package widget

import "github.com/nestos/nosa/tui/term"

// Done is what came of a key or of the mouse.
type Done string

// What can come of it.
const (
	Ignored Done = ""        // it was not for the table
	Used    Done = "used"    // the cursor, the view or the filter changed
	Opened  Done = "opened"  // a double click on the row of the cursor
	Ordered Done = "ordered" // a click on a title sorted the rows
)

// Key is a key: a motion, or text of the filter.
func (t *Table) Key(k term.Key) Done {
	if t.typing {
		if t.typed(k.Name, k.Text) {
			return Used
		}
	}
	if t.typing && k.Text != "" || !t.motion(k.Name) {
		t.first = 0
		if k.Name == "g" && !t.typing {
			t.first = 'g'
			return Used
		}
		return Ignored
	}
	t.first = 0
	return Used
}

func (t *Table) motion(name string) bool {
	page := max(t.page, 1)
	switch name {
	case "up", "k":
		t.MoveTo(t.cursor - 1)
	case "down", "j":
		t.MoveTo(t.cursor + 1)
	case "ctrl+u":
		t.scroll(-max(page/2, 1))
	case "ctrl+d":
		t.scroll(max(page/2, 1))
	case "pgup", "ctrl+b":
		t.scroll(-page)
	case "pgdown", "ctrl+f":
		t.scroll(page)
	case "home":
		t.MoveTo(0)
	case "end", "G":
		t.MoveTo(t.Len() - 1)
	case "g":
		if t.first != 'g' {
			return false
		}
		t.MoveTo(0)
	default:
		return false
	}
	return true
}

// scroll moves view and cursor by n rows.
func (t *Table) scroll(n int) {
	t.top = max(min(t.top+n, t.Len()-t.page), 0)
	t.MoveTo(t.cursor + n)
}

// Mouse is a mouse event, in the coordinates of the area that was drawn into.
func (t *Table) Mouse(m term.Mouse) Done {
	switch m.Kind {
	case term.WheelUp, term.WheelDown:
		n := max(m.Lines, 1)
		if m.Kind == term.WheelUp {
			n = -n
		}
		t.view(t.top + n)
		return Used
	case term.Press:
		if m.Button == 1 {
			return t.press(m)
		}
	case term.Drag:
		if t.layout.thumb && m.X == t.layout.w-1 {
			t.view(t.bar(m.Y))
			return Used
		}
	}
	return Ignored
}

func (t *Table) press(m term.Mouse) Done {
	if m.Y < t.layout.header {
		return t.pressTitle(m.X)
	}
	if t.layout.thumb && m.X == t.layout.w-1 {
		t.view(t.bar(m.Y))
		return Used
	}
	place := t.top + m.Y - t.layout.header
	if place >= t.Len() || m.Y >= t.layout.header+t.page {
		return Ignored
	}
	t.MoveTo(place)
	if m.Clicks == 2 {
		return Opened
	}
	return Used
}

// pressTitle sorts by the column there; the second time the other way round.
func (t *Table) pressTitle(x int) Done {
	for i, c := range t.layout.shown {
		if x < t.layout.x[i] || x >= t.layout.x[i]+t.layout.width[i] || !t.Columns[c].Sortable {
			continue
		}
		t.Sort(Order{Column: c + 1, Descending: t.order.Column == c+1 && !t.order.Descending})
		return Ordered
	}
	return Ignored
}

func (t *Table) bar(y int) int {
	return Scroll{Top: t.top, Page: t.page, Len: t.Len()}.TopAt(y-t.layout.header, t.page)
}

// view scrolls to a first row; the cursor stays where it is as long as it can be seen.
func (t *Table) view(top int) {
	t.top = max(min(top, t.Len()-t.page), 0)
	if at := max(min(t.cursor, t.top+t.page-1), t.top); at != t.cursor {
		t.MoveTo(at)
	}
}
