package tui

import "github.com/nestos/nosa/tui/canvas"

// Smaller than this, nothing sensible can be shown.
const (
	minWidth  = 40
	minHeight = 10
)

// areas is where the parts of the workbench lie.
type areas struct{ header, body, status, footer canvas.Rect }

// layout divides w by h cells. The status line goes first where there is little room.
func layout(w, h int) areas {
	var a areas
	rest := canvas.Rect{W: w, H: h}
	a.header, rest = rest.Top(1)
	a.footer, rest = rest.Bottom(1)
	if h >= 12 {
		a.status, rest = rest.Bottom(1)
	}
	a.body = rest
	return a
}
