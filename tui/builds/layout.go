package builds

import (
	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
)

// Where the layout changes, in columns.
const (
	twoColumns   = 100
	threeColumns = 160
)

// Panes implements screen.Screen.
func (s *Screen) Panes(w, h int) []screen.Pane {
	all := canvas.Rect{W: w, H: h}
	if s.zoomed {
		return []screen.Pane{{ID: s.focus, Rect: all}}
	}
	switch {
	case w >= threeColumns:
		list, rest := all.Left(w * 44 / 100)
		detail, content := rest.Left(rest.W / 2)
		return s.panes(list, detail, content)
	case w >= twoColumns:
		top, content := all, canvas.Rect{}
		if s.showsThird() && h >= 12 {
			top, content = all.Top(max(h*2/5, 6))
		} else if s.showsThird() {
			return []screen.Pane{{ID: s.focus, Rect: all}}
		}
		list, detail := top.Left(w * 60 / 100)
		return s.panes(list, detail, content)
	}
	return s.stacked(all)
}

// stacked is the narrow layout: the list, and below it the detail or what is open.
func (s *Screen) stacked(all canvas.Rect) []screen.Pane {
	below := paneDetail
	if s.showsThird() && s.focus != paneDetail {
		below = s.third()
	}
	if all.H < 12 { // no room for two
		return []screen.Pane{{ID: s.focus, Rect: all}}
	}
	rows := len(s.rows.list) + 3 // a frame and the titles
	if len(s.rows.list) == 0 {   // what is said instead wants room
		rows = all.H / 2
	}
	top, bottom := all.Top(max(min(rows, all.H/2), 6))
	if s.focus != paneList {
		top, bottom = all.Top(max(min(rows, all.H/3), 6))
	}
	return []screen.Pane{{ID: paneList, Rect: top}, {ID: below, Rect: bottom}}
}

// showsThird says if the third pane needs its place.
func (s *Screen) showsThird() bool { return s.content.open() || s.focus == s.third() }

// wrapAt is how wide a text may be in a pane as it was drawn last.
func (s *Screen) wrapAt(pane string) int {
	for _, p := range s.Panes(s.w, s.h) {
		if p.ID == pane {
			return max(p.Rect.W-6, 20)
		}
	}
	return 56
}

// third is what the third pane is now.
func (s *Screen) third() string {
	if s.content.log.View() != nil {
		return paneLog
	}
	return paneContent
}

func (s *Screen) panes(list, detail, content canvas.Rect) []screen.Pane {
	all := []screen.Pane{{ID: paneList, Rect: list}, {ID: paneDetail, Rect: detail}}
	if !content.Empty() {
		all = append(all, screen.Pane{ID: s.third(), Rect: content})
	}
	return all
}
