package console

import (
	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
)

// Where the layout changes, in columns; and below how many rows the machines are one line.
const (
	twoColumns   = 100
	threeColumns = 160
	sideColumns  = 38
	leastRows    = 16
	foldedRows   = 6 // with fewer only the pane that has the keys is left
)

// Panes implements screen.Screen.
func (s *Screen) Panes(w, h int) []screen.Pane {
	all := canvas.Rect{W: max(w, 0), H: max(h, 0)}
	switch {
	case s.zoomed || h < foldedRows:
		return []screen.Pane{{ID: s.focus, Rect: all}}
	case w >= threeColumns && h >= leastRows:
		left, rest := all.Left(max(w*22/100, sideColumns))
		middle, right := rest.Left(rest.W * 64 / 100)
		return s.beside(left, middle, right)
	case w >= twoColumns && h >= leastRows:
		left, right := all.Left(sideColumns)
		below := canvas.Rect{}
		if s.inspects {
			right, below = right.Top(right.H * 55 / 100)
		}
		return s.beside(left, right, below)
	}
	return s.stacked(all)
}

func (s *Screen) beside(left, console, inspect canvas.Rect) []screen.Pane {
	machines, boot := left.Top(max(min(len(s.rows.list)+2, left.H/2), 7))
	out := []screen.Pane{{ID: paneMachines, Rect: machines}, {ID: paneConsole, Rect: console}, {ID: paneBoot, Rect: boot}}
	if !inspect.Empty() {
		out = append(out, screen.Pane{ID: paneInspect, Rect: inspect})
	}
	return out
}

// stacked is the narrow layout: the console below a line that says how its machine stands. The pane that has the
// keys, where that is another, has the upper part.
func (s *Screen) stacked(all canvas.Rect) []screen.Pane {
	line, rest := all.Top(1)
	if s.focus == paneConsole {
		return []screen.Pane{{ID: paneMachines, Rect: line}, {ID: paneConsole, Rect: rest}}
	}
	rows := map[string]int{paneMachines: len(s.rows.list) + 2, paneBoot: len(s.marks.list) + 2, paneInspect: len(s.facts.list) + 2}[s.focus]
	out := []screen.Pane{{ID: paneMachines, Rect: line}}
	if s.focus == paneMachines {
		out, rest = nil, all
	}
	share := rest.H * 2 / 3
	if s.focus == paneMachines {
		share = rest.H / 2
	}
	if rest.H < leastRows-4 { // no room for two
		return append(out, screen.Pane{ID: s.focus, Rect: rest})
	}
	upper, lower := rest.Top(max(min(rows, share), min(7, share)))
	return append(out, screen.Pane{ID: s.focus, Rect: upper}, screen.Pane{ID: paneConsole, Rect: lower})
}

// reporting says if the inspect pane is seen in the present layout.
func (s *Screen) reporting() bool { return s.inspects || s.w >= threeColumns && s.h >= leastRows }
