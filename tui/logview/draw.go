package logview

import (
	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
)

const (
	gutter    = 2  // columns of the sign of a line
	clockWide = 8  // columns of a time
	stepWide  = 12 // columns of a step, at most
	leastText = 24 // columns of text for which the step and the time give way
)

// screenRow is what a row of the screen shows.
type screenRow struct {
	k   int // the row of the log; -1: none
	sub int // which of its rows
}

// columns is where the parts of a line are.
type columns struct {
	clock, step, text int // where they begin; 0: it is not shown
	stepWide          int
}

func (v *View) columns() columns {
	c := columns{text: gutter}
	if v.src.r.index.Form() != "job" {
		return c
	}
	wide := 0
	for _, s := range v.news.log.Steps {
		wide = max(wide, min(len(s.Name), stepWide))
	}
	if v.clock != ClockOff && v.w-c.text-clockWide-1 >= leastText {
		c.clock = c.text
		c.text += clockWide + 1
	}
	if v.step && wide > 0 && v.w-c.text-wide-1 >= leastText {
		c.step, c.stepWide = c.text, wide
		c.text += wide + 1
	}
	return c
}

// textWidth is how many columns a row has for text.
func (v *View) textWidth() int { return max(v.w-v.columns().text, 1) }

// Draw draws the log. active says that the pane has the keys.
func (v *View) Draw(a canvas.Area, t *theme.Theme, active bool) {
	if w, h := a.Size(); w != v.w || h != v.h {
		v.w, v.h = w, h
		v.show()
	}
	a.HideCursor()
	if text := v.empty(); text != "" {
		a.PutIn(gutter, 0, v.w-gutter, text, t.Style(theme.Muted))
		return
	}
	d := drawing{v: v, a: a, t: t, active: active, columns: v.columns()}
	if v.news.loose {
		d.loose()
		return
	}
	v.layout()
	for y, s := range v.screen {
		d.row(y, s)
	}
}

// layout finds out what each row of the screen shows.
func (v *View) layout() {
	v.screen = v.screen[:0]
	top, sub := v.endTop()
	if k := v.news.rowOf(v.top); !v.follow && (k < v.news.rowOf(top) || v.top == top && v.sub < sub) {
		top, sub = v.top, v.sub
	}
	for k := v.news.rowOf(top); k < v.news.count() && len(v.screen) < v.h; k++ {
		for n := v.height(k); sub < n && len(v.screen) < v.h; sub++ {
			v.screen = append(v.screen, screenRow{k, sub})
		}
		sub = 0
	}
}

// drawing is one Draw.
type drawing struct {
	v       *View
	a       canvas.Area
	t       *theme.Theme
	active  bool
	columns columns
}

// loose draws the end of a file of which the rest has not been read.
func (d *drawing) loose() {
	rows := d.v.news.rows
	rows = rows[max(0, len(rows)-d.v.h):]
	for y := range rows {
		d.head(y, &rows[y])
		d.text(y, &rows[y], 0, d.t.Style(theme.Text))
	}
}

func (d *drawing) row(y int, s screenRow) {
	line := d.v.news.lineAt(s.k)
	r := d.v.row(s.k)
	if r == nil {
		d.a.Put(d.columns.text, y, d.t.Glyphs.Ellipsis, d.t.Style(theme.Muted))
	} else {
		base := d.t.Style(theme.Text)
		if d.v.news.log.Errors.Has(line) {
			base = d.t.Style(theme.Failure)
		}
		if s.sub == 0 {
			d.head(y, r)
		}
		d.text(y, r, s.sub, base)
	}
	if s.sub == 0 {
		d.sign(y, line)
	}
	d.restyle(y, line)
}

// head draws the time and the step.
func (d *drawing) head(y int, r *row) {
	muted := d.t.Style(theme.Muted)
	if d.columns.clock > 0 {
		clock := r.clock
		if d.v.clock == ClockSince {
			clock = r.since
		}
		d.a.PutRight(d.columns.clock+clockWide, y, clock, muted)
	}
	if d.columns.step > 0 {
		d.a.PutIn(d.columns.step, y, d.columns.stepWide, r.step, muted)
	}
}

// sign draws what a line is in the first column.
func (d *drawing) sign(y, line int) {
	n := &d.v.news.log
	switch {
	case d.v.marked(line):
		d.a.Put(0, y, d.t.Glyphs.Marked, d.t.Style(theme.Marked))
	case n.Errors.Has(line):
		d.a.Put(0, y, d.t.Glyphs.Fail, d.t.Style(theme.Failure))
	case n.Warnings.Has(line):
		d.a.Put(0, y, d.t.Glyphs.Warn, d.t.Style(theme.Warning))
	}
}

// restyle shows the cursor and the selection.
func (d *drawing) restyle(y, line int) {
	from, to, selected := d.v.selection()
	role := theme.Role("")
	switch {
	case selected && line >= from && line <= to:
		role = theme.Selection
	case line == d.v.line && !d.v.follow && d.active:
		role = theme.Selected
	case line == d.v.line && !d.v.follow:
		role = theme.SelectedOff
	default:
		return
	}
	s := d.t.Style(role)
	d.a.Restyle(canvas.Rect{Y: y, W: d.v.w, H: 1}, func(below canvas.Style) canvas.Style { return s.Over(below) })
}

// text draws one of the rows that a line takes, in its own colours, with what the search found.
func (d *drawing) text(y int, r *row, sub int, base canvas.Style) {
	w := d.v.w - d.columns.text
	if w <= 0 {
		return
	}
	from, to, skip := 0, len(r.text), 0
	cut := false
	if d.v.wrap {
		from, to = d.v.breaks.row(r, w, sub)
	} else {
		from, skip = d.v.breaks.column(r, d.v.left)
		cut = r.width > d.v.left+w
	}
	a := d.a.Sub(canvas.Rect{X: d.columns.text, Y: y, W: w, H: 1})
	d.runs(a, r, piece{from, to, -skip}, base)
	if cut {
		a.Put(w-1, 0, d.t.Glyphs.Ellipsis, d.t.Style(theme.Muted))
	}
}

// piece is the bytes of a row's text from one to before another, drawn from a column on.
type piece struct{ from, to, x int }

// runs draws a piece of a text, split where its style changes.
func (d *drawing) runs(a canvas.Area, r *row, p piece, base canvas.Style) {
	match := d.t.Style(theme.Match)
	if r.line == d.v.line && !d.v.follow {
		match = d.t.Style(theme.MatchHere)
	}
	run, span := -1, 0
	w, _ := a.Size()
	for at := p.from; at < p.to && p.x < w; {
		for run+1 < len(r.runs) && r.runs[run+1].Start <= at {
			run++
		}
		for span < len(r.spans) && r.spans[span][1] <= at {
			span++
		}
		end, style := p.to, base
		if run >= 0 {
			style = r.runs[run].Style.Over(base)
		}
		if run+1 < len(r.runs) {
			end = min(end, r.runs[run+1].Start)
		}
		if span < len(r.spans) {
			if s := r.spans[span]; s[0] <= at {
				style, end = match.Over(style), min(end, s[1])
			} else {
				end = min(end, s[0])
			}
		}
		p.x = a.Put(p.x, 0, r.text[at:end], style)
		at = end
	}
}
