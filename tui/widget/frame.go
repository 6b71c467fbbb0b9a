// Package widget is the pieces that screens are made of: frames, lists, trees,
// inputs, forms, dialogs, bars. They know nothing of nosa: values in, cells out.
package widget

import (
	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
)

// Frame is the frame of a pane.
type Frame struct {
	Title   string
	Right   string // at the right end of the upper stroke: a position, a state
	Bottom  string // at the left end of the lower stroke: a filter, a hint
	Focused bool
}

// Draw draws the frame along the edge of the area and gives the area inside it.
func (f Frame) Draw(a canvas.Area, t *theme.Theme) canvas.Area {
	w, h := a.Size()
	if w < 2 || h < 2 {
		return a.Sub(canvas.Rect{})
	}
	strokes, edge, title := t.Glyphs.Plain, t.Style(theme.Border), t.Style(theme.Title)
	if f.Focused {
		strokes, edge, title = t.Glyphs.Focus, t.Style(theme.BorderFocus), t.Style(theme.TitleFocus)
	}
	for x := 1; x < w-1; x++ {
		a.Put(x, 0, strokes.Horizontal, edge)
		a.Put(x, h-1, strokes.Horizontal, edge)
	}
	for y := 1; y < h-1; y++ {
		a.Put(0, y, strokes.Vertical, edge)
		a.Put(w-1, y, strokes.Vertical, edge)
	}
	a.Put(0, 0, strokes.TopLeft, edge)
	a.Put(w-1, 0, strokes.TopRight, edge)
	a.Put(0, h-1, strokes.BottomLeft, edge)
	a.Put(w-1, h-1, strokes.BottomRight, edge)
	right := w - 2
	if n := canvas.Width(f.Right); n > 0 && n+6 <= w {
		right = a.PutRight(w-3, 0, " "+f.Right+" ", title) - 1
	}
	label(a, 0, right, f.Title, title)
	label(a, h-1, w-2, f.Bottom, title)
	return a.Sub(a.Bounds().Inset(1))
}

// label writes a text into a stroke, from column 2 to before right.
//
//nolint:revive // a place is two
func label(a canvas.Area, y, right int, text string, s canvas.Style) {
	if text == "" || right < 6 {
		return
	}
	x := a.Put(2, y, " ", s)
	x = a.PutIn(x, y, right-x-1, text, s)
	a.Put(x, y, " ", s)
}
