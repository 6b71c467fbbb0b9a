package widget

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
)

// Key is a key: a motion, a fold, or text of the filter. Enter is the owner's,
// unless it ends the typing of the filter.
func (t *Tree) Key(k term.Key) Done {
	if t.typing && t.typed(k) {
		return Used
	}
	twice := t.first == 'g' && k.Name == "g"
	t.first = 0
	if k.Name == "g" && !twice {
		t.first = 'g'
		return Used
	}
	if t.fold(k.Name) || t.motion(k.Name) {
		return Used
	}
	return Ignored
}

// motion moves the cursor.
func (t *Tree) motion(name string) bool {
	page := max(t.h, 1)
	switch name {
	case "up", "k":
		t.moveTo(t.cursor - 1)
	case "down", "j":
		t.moveTo(t.cursor + 1)
	case "ctrl+u":
		t.moveTo(t.cursor - max(page/2, 1))
	case "ctrl+d":
		t.moveTo(t.cursor + max(page/2, 1))
	case "pgup", "ctrl+b":
		t.moveTo(t.cursor - page)
	case "pgdown", "ctrl+f":
		t.moveTo(t.cursor + page)
	case "home", "g":
		t.moveTo(0)
	case "end", "G":
		t.moveTo(len(t.shown) - 1)
	default:
		return false
	}
	return true
}

// fold goes out of and into forks: left folds or goes to what the item lies in,
// right unfolds or goes to the first item below.
func (t *Tree) fold(name string) bool {
	item, ok := t.Current()
	if !ok {
		return false
	}
	switch name {
	case "left", "h":
		if item.Fork && t.opened[item.ID] && t.filter == "" {
			t.Toggle()
			return true
		}
		for row := t.cursor - 1; row >= 0; row-- {
			if t.items[t.shown[row]].Depth < item.Depth {
				t.moveTo(row)
				break
			}
		}
	case "right", "l":
		switch {
		case item.Fork && !t.opened[item.ID] && t.filter == "":
			t.Toggle()
		case item.Fork && t.cursor+1 < len(t.shown) && t.items[t.shown[t.cursor+1]].Depth > item.Depth:
			t.moveTo(t.cursor + 1)
		}
	default:
		return false
	}
	return true
}

// typed is a key while the filter is typed.
func (t *Tree) typed(k term.Key) bool {
	switch k.Name {
	case "enter":
		t.typing = false
	case "esc":
		t.typing = false
		t.SetFilter("")
	case "backspace":
		if t.filter == "" {
			t.typing = false
			return true
		}
		_, n := utf8.DecodeLastRuneInString(t.filter)
		t.SetFilter(t.filter[:len(t.filter)-n])
	case "ctrl+u":
		t.SetFilter("")
	default:
		if k.Text == "" {
			return false
		}
		line, _, _ := strings.Cut(k.Text, "\n")
		t.SetFilter(t.filter + line)
	}
	return true
}

// moveTo puts the cursor on a row, or the nearest that there is.
func (t *Tree) moveTo(row int) {
	t.cursor = max(min(row, len(t.shown)-1), 0)
	if item, ok := t.Current(); ok {
		t.id = item.ID
	}
	t.reveal()
}

func (t *Tree) reveal() {
	if t.h > 0 {
		t.top = max(min(t.top, t.cursor), t.cursor-t.h+1, 0)
		t.top = max(min(t.top, len(t.shown)-t.h), 0)
	}
}

// Mouse is a mouse event in the coordinates of the area that was drawn into. A click
// on the sign of a fork, or a double click on it, folds; a double click on another
// item gives Opened.
func (t *Tree) Mouse(m term.Mouse) Done {
	switch m.Kind {
	case term.WheelUp, term.WheelDown:
		n := max(m.Lines, 1)
		if m.Kind == term.WheelUp {
			n = -n
		}
		t.top = max(min(t.top+n, len(t.shown)-t.h), 0)
		t.moveTo(max(min(t.cursor, t.top+t.h-1), t.top))
		return Used
	case term.Press:
		row := t.top + m.Y
		if m.Button != 1 || m.Y < 0 || row >= len(t.shown) {
			return Ignored
		}
		t.moveTo(row)
		item, _ := t.Current()
		if at := 2 + 2*item.Depth; item.Fork && (m.Clicks == 2 || m.X >= at && m.X <= at+1) {
			t.Toggle()
			return Used
		}
		if m.Clicks == 2 {
			return Opened
		}
		return Used
	}
	return Ignored
}

// Draw draws the tree into all of the area.
func (t *Tree) Draw(a canvas.Area, th *theme.Theme, f Focus) {
	w, h := a.Size()
	if t.w, t.h = w, h; h <= 0 {
		return
	}
	t.reveal()
	if len(t.shown) == 0 {
		text := t.Empty
		if t.filter != "" && len(t.items) > 0 {
			text = "nothing matches"
		}
		for y, line := range Wrap(text, max(w-2, 1)) {
			a.PutIn(1, y, w-1, line, th.Style(theme.Muted))
		}
		return
	}
	if len(t.shown) > h {
		Scroll{Top: t.top, Page: h, Len: len(t.shown)}.Draw(a.Sub(canvas.Rect{X: w - 1, W: 1, H: h}), th)
		w--
	}
	for y := range min(h, len(t.shown)-t.top) {
		t.drawRow(a.Sub(canvas.Rect{Y: y, W: w, H: 1}), t.top+y, th)
	}
	row := t.cursor - t.top
	look := th.Style(theme.SelectedOff)
	if f == Focused {
		look = th.Style(theme.Selected)
		a.Cursor(0, row)
	}
	a.Restyle(canvas.Rect{Y: row, W: w, H: 1}, func(s canvas.Style) canvas.Style { return look.Over(s) })
}

// drawRow draws the item of a row: the pointer, its depth, the sign of a fork, its
// name, and at the right end its marks.
func (t *Tree) drawRow(a canvas.Area, row int, th *theme.Theme) {
	i := t.shown[row]
	item, g := t.items[i], th.Glyphs
	w, _ := a.Size()
	right := w - 1
	for _, m := range slices.Backward(item.Marks) {
		if right-canvas.Width(m.Text) < 14 {
			continue
		}
		right = a.PutRight(right, 0, m.Text, th.Style(m.Role)) - 1
	}
	if row == t.cursor {
		a.Put(0, 0, g.Pointer, th.Style(theme.Text))
	}
	x := min(2+2*item.Depth, max(w/2, 2))
	if item.Fork {
		sign := g.Collapsed
		if t.opened[item.ID] || t.filter != "" {
			sign = g.Expanded
		}
		a.Put(x, 0, sign, th.Style(theme.Text))
	}
	x += 2
	name := a.Sub(canvas.Rect{W: max(right, 0), H: 1})
	end := name.PutIn(x, 0, right-x, item.Name, th.Style(item.Role))
	t.drawHits(name, i, span{x, end}, th)
	if item.Note != "" {
		name.PutIn(end+1, 0, right-end-1, item.Note, th.Style(theme.Muted))
	}
}

type span struct{ from, to int }

// drawHits marks what the filter found in the name, which Seek ends with.
func (t *Tree) drawHits(a canvas.Area, i int, at span, th *theme.Theme) {
	hits := t.hits[i]
	if len(hits) == 0 {
		return
	}
	name := t.items[i].Name
	offset, x := len(seeker(t.items).String(i))-len(name), at.from
	for c := range canvas.Clusters(name) {
		for _, hit := range hits {
			if hit == offset && x < at.to {
				a.Restyle(canvas.Rect{X: x, W: c.Width, H: 1}, func(s canvas.Style) canvas.Style { return th.Style(theme.Match).Over(s) })
			}
		}
		x += c.Width
		offset += len(c.Raw)
	}
}
