package source

import (
	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
)

// The widths and heights at which the layout changes.
const (
	threeColumns = 160
	twoColumns   = 64 // below, the panes lie above each other
	tallEnough   = 27 // rows of a screen of 30 or so: problems are shown even where there are none
	lowest       = 14 // rows; below, there is room for two panes
)

// Panes gives where the panes lie.
func (s *Screen) Panes(w, h int) []screen.Pane {
	all := canvas.Rect{W: w, H: h}
	if s.zoomed || h < 6 || w < 20 {
		return []screen.Pane{{ID: s.focus, Rect: all}}
	}
	if w < twoColumns {
		return s.stacked(all)
	}
	var panes []screen.Pane
	add := func(id string, r canvas.Rect) { panes = append(panes, screen.Pane{ID: id, Rect: r}) }
	left := 26
	switch {
	case w >= threeColumns:
		left = 38
	case w >= 100:
		left = 32
	}
	files, rest := all.Left(left)
	add(paneFiles, files)
	var side canvas.Rect
	if w >= threeColumns {
		side, rest = rest.Right(max(w*3/10, 50))
	}
	problems, main := rest.Bottom(s.problemRows(h))
	switch {
	case !s.sideShown(w):
		add(paneEditor, main)
	case !side.Empty():
		add(paneEditor, main)
	default:
		add(paneSide, main)
	}
	if !problems.Empty() {
		add(paneProblems, problems)
	}
	if !side.Empty() {
		add(paneSide, side)
	}
	return panes
}

// sideShown says if the pane beside the editor is to be seen: beside it, or in its place.
func (s *Screen) sideShown(w int) bool { return w >= threeColumns || s.sideOpen }

// problemRows is how high the problems are, frame included.
func (s *Screen) problemRows(h int) int {
	n := len(s.problems.all)
	switch {
	case h >= tallEnough:
		return min(max(n+2, 6), h/3)
	case n == 0 && s.focus != paneProblems:
		return 0
	case h < lowest:
		return map[bool]int{true: h / 2, false: 0}[s.focus == paneProblems]
	}
	return min(max(n+2, 4), h/3)
}

// stacked puts the focused of files and text above a strip of the other, and below
// them the problems, where there is room.
func (s *Screen) stacked(all canvas.Rect) []screen.Pane {
	text := paneEditor
	if s.sideOpen {
		text = paneSide
	}
	problems, rest := all.Bottom(s.problemRows(all.H))
	if s.focus == paneProblems && all.H < lowest {
		return []screen.Pane{{ID: text, Rect: rest}, {ID: paneProblems, Rect: problems}}
	}
	n := max(rest.H/3, 3)
	if s.focus == paneFiles {
		n = rest.H - n
	}
	files, main := rest.Top(n)
	panes := []screen.Pane{{ID: paneFiles, Rect: files}, {ID: text, Rect: main}}
	if !problems.Empty() {
		panes = append(panes, screen.Pane{ID: paneProblems, Rect: problems})
	}
	return panes
}
