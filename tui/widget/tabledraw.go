package widget

import (
	"slices"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
)

// The columns before the first: a blank, the pointer or the mark, a blank.
const (
	gutter = 3
	gap    = 2 // between columns
)

// layout is where the columns lie.
type layout struct {
	w, h   int
	shown  []int // columns, by their place in Columns
	x      []int // where they begin
	width  []int
	thumb  bool
	header int // rows
}

// Focus says if a widget has the keys.
type Focus bool

// The two.
const (
	Focused   Focus = true
	Unfocused Focus = false
)

// Draw draws the table into all of the area.
func (t *Table) Draw(a canvas.Area, th *theme.Theme, f Focus) {
	w, h := a.Size()
	t.arrangeColumns(w, h)
	if t.Len() == 0 {
		t.drawEmpty(a, th)
	}
	if t.layout.header > 0 {
		t.drawHeader(a, th)
	}
	words := t.words()
	for y := range min(t.page, t.Len()-t.top) {
		t.drawRow(a, t.top+y, drawing{th, f, words})
	}
	if t.layout.thumb {
		Scroll{Top: t.top, Page: t.page, Len: t.Len()}.Draw(a.Sub(canvas.Rect{X: w - 1, Y: t.layout.header, W: 1, H: t.page}), th)
	}
}

type drawing struct {
	theme *theme.Theme
	focus Focus
	words []string
}

func (t *Table) drawEmpty(a canvas.Area, th *theme.Theme) {
	text := t.Empty
	if t.Total() > 0 {
		text = []string{"Nothing matches " + string(t.filter) + ": esc shows all again"}
	}
	w, _ := a.Size()
	y := t.layout.header
	for _, line := range text {
		for _, part := range Wrap(line, w-gutter-1) {
			a.PutIn(gutter, y, w-gutter, part, th.Style(theme.Muted))
			y++
		}
	}
}

func (t *Table) drawHeader(a canvas.Area, th *theme.Theme) {
	style := th.Style(theme.Muted)
	for i, c := range t.layout.shown {
		col := t.Columns[c]
		title := col.Title
		if t.order.Column == c+1 {
			sign := th.Glyphs.Expanded
			if !t.order.Descending {
				sign = "^"
			}
			title += sign
		}
		t.put(a, 0, i, drawn{Cell{Text: title}, style, t.layout.width[i]})
	}
}

func (t *Table) drawRow(a canvas.Area, place int, d drawing) {
	row, y := t.at(place), t.layout.header+place-t.top
	g, base := d.theme.Glyphs, d.theme.Style(theme.Text)
	marked := len(t.marks) > 0 && t.marks[t.rows.Key(row)]
	if marked {
		base = d.theme.Style(theme.Marked)
	}
	for i, c := range t.layout.shown {
		cell := t.rows.Cell(row, c)
		if cell.Text == "" {
			continue
		}
		style := base
		if cell.Role != "" {
			style = d.theme.Style(cell.Role).Over(base)
		}
		width := t.over(row, i)
		if cell.Short != "" && canvas.Width(cell.Text) > width {
			cell.Text = cell.Short
		}
		t.put(a, y, i, drawn{cell, style, width})
		if len(d.words) > 0 && t.Columns[c].Filter && !t.Columns[c].Right {
			t.highlight(a, y, i, found{cell.Text, d.words, d.theme.Style(theme.Match)})
		}
	}
	if marked {
		a.Put(2, y, g.Marked, base)
	}
	if place != t.cursor || t.Quiet && d.focus == Unfocused {
		return
	}
	a.Put(1, y, g.Pointer, base)
	look := d.theme.Style(theme.SelectedOff)
	if d.focus == Focused {
		look = d.theme.Style(theme.Selected)
		a.Cursor(1, y)
	}
	w := t.layout.w
	if t.layout.thumb {
		w--
	}
	a.Restyle(canvas.Rect{X: 0, Y: y, W: w, H: 1}, func(s canvas.Style) canvas.Style { return look.Over(s) })
}

type drawn struct {
	cell  Cell
	style canvas.Style
	width int
}

// over is how wide the cell of the column shown as number i may be: where its column says so, up to the
// next that is not empty.
func (t *Table) over(row, i int) int {
	w := t.layout.width[i]
	if !t.Columns[t.layout.shown[i]].Over {
		return w
	}
	for j := i + 1; j < len(t.layout.shown); j++ {
		if t.rows.Cell(row, t.layout.shown[j]).Text != "" {
			break
		}
		w = t.layout.x[j] + t.layout.width[j] - t.layout.x[i]
	}
	return w
}

// put draws a cell into the column that is shown as number i.
func (t *Table) put(a canvas.Area, y, i int, d drawn) {
	x, w := t.layout.x[i], d.width
	if t.Columns[t.layout.shown[i]].Right {
		if n := canvas.Width(d.cell.Text); n < w {
			x += w - n
			w = n
		}
	}
	a.PutIn(x, y, w, d.cell.Text, d.style)
}

type found struct {
	text  string
	words []string
	look  canvas.Style
}

// highlight changes the looks of the characters that the filter found.
func (t *Table) highlight(a canvas.Area, y, i int, f found) {
	at := matches(f.words, f.text)
	if len(at) == 0 {
		return
	}
	x, end, offset := t.layout.x[i], t.layout.x[i]+t.layout.width[i], 0
	for c := range canvas.Clusters(f.text) {
		if x+c.Width > end {
			return
		}
		if slices.Contains(at, offset) {
			a.Restyle(canvas.Rect{X: x, Y: y, W: c.Width, H: 1}, func(s canvas.Style) canvas.Style { return f.look.Over(s) })
		}
		x += c.Width
		offset += len(c.Raw)
	}
}

// arrangeColumns finds out what fits into w by h cells.
func (t *Table) arrangeColumns(w, h int) {
	l := &t.layout
	l.w, l.h, l.header = w, h, 1
	if t.Headless {
		l.header = 0
	}
	t.page = max(h-l.header, 0)
	t.reveal()
	l.thumb = t.Len() > t.page && w > gutter+1 && t.page > 0
	room := w - gutter
	if l.thumb {
		room--
	}
	l.shown = l.shown[:0]
	for c := range t.Columns {
		l.shown = append(l.shown, c)
	}
	for t.wanted(l.shown) > room {
		drop := -1
		for i, c := range l.shown {
			if p := t.Columns[c].Priority; p > 0 && (drop < 0 || p >= t.Columns[l.shown[drop]].Priority) {
				drop = i
			}
		}
		if drop < 0 {
			break
		}
		l.shown = slices.Delete(l.shown, drop, drop+1)
	}
	t.spread(room)
}

// wanted is how many columns of the screen some columns want.
func (t *Table) wanted(shown []int) int {
	n := 0
	for _, c := range shown {
		n += t.Columns[c].Width + gap
	}
	return n - gap
}

// spread gives the columns that are shown their places and what is left over.
func (t *Table) spread(room int) {
	l := &t.layout
	l.x, l.width = l.x[:0], l.width[:0]
	for _, c := range l.shown {
		l.width = append(l.width, t.Columns[c].Width)
	}
	rest := room - t.wanted(l.shown)
	for rest > 0 {
		shares := 0
		for i, c := range l.shown {
			if t.canGrow(c, l.width[i]) {
				shares += t.Columns[c].Grow
			}
		}
		if shares == 0 {
			break
		}
		unit, given := rest/shares, 0
		for i, c := range l.shown {
			if !t.canGrow(c, l.width[i]) || given == rest {
				continue
			}
			n := max(unit*t.Columns[c].Grow, 1)
			if m := t.Columns[c].Max; m > 0 {
				n = min(n, m-l.width[i])
			}
			n = min(n, rest-given)
			l.width[i] += n
			given += n
		}
		rest -= given
	}
	x, end := gutter, gutter+max(room, 0)
	for i := range l.width {
		l.width[i] = max(min(l.width[i], end-x), 0)
		l.x = append(l.x, x)
		x += l.width[i] + gap
	}
}

func (t *Table) canGrow(c, width int) bool {
	col := t.Columns[c]
	return col.Grow > 0 && (col.Max == 0 || width < col.Max)
}
