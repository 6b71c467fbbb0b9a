package stages

import (
	"slices"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
)

// Where the layout changes, in columns; and below which size the panes lie folded over each other.
const (
	twoColumns   = 100
	threeColumns = 160
	leastColumns = 60
	leastRows    = 16
	foldedRows   = 6 // with fewer only the pane that has the keys is left
)

// Panes implements screen.Screen.
func (s *Screen) Panes(w, h int) []screen.Pane {
	all := canvas.Rect{W: max(w, 0), H: max(h, 0)}
	switch {
	case s.zoomed || h < foldedRows:
		return []screen.Pane{{ID: s.focus, Rect: all}}
	case w < leastColumns || h < leastRows:
		return s.folded(all)
	case w >= threeColumns:
		left, rest := all.Left(w * 38 / 100)
		middle, right := rest.Left(rest.W * 42 / 100)
		top, bottom := left.Top(s.stagesRows(left.H * 3 / 5))
		return panes(top, bottom, middle, right)
	case w >= twoColumns:
		left, right := all.Left(max(w*42/100, 46))
		top, rest := left.Top(s.stagesRows(left.H / 2))
		middle, bottom := rest.Top(s.jobsRows(rest.H / 2))
		return panes(top, middle, bottom, right)
	}
	upper, rest := all.Top(s.stagesRows(s.most(all.H, paneStages, paneJobs)))
	progress, log := rest.Top(min(s.progressRows(w), s.most(all.H, paneProgress)*2/3))
	left, right := upper.Left(w * 52 / 100)
	return panes(left, right, progress, log)
}

// most is how many of h rows a pane may have: more when it has the keys.
func (s *Screen) most(h int, ids ...string) int {
	if slices.Contains(ids, s.focus) {
		return h / 2
	}
	return max(h*2/5, 6)
}

// folded shows the pane that has the keys, and of the others a row each.
func (s *Screen) folded(all canvas.Rect) []screen.Pane {
	var out []screen.Pane
	names := paneNames()
	for i, id := range names {
		var r canvas.Rect
		n := 1
		if id == s.focus {
			n = all.H - (len(names) - 1 - i)
		}
		r, all = all.Top(n)
		out = append(out, screen.Pane{ID: id, Rect: r})
	}
	return out
}

// stagesRows is how high the pane of the stages is, at most.
func (s *Screen) stagesRows(most int) int { return max(min(len(s.stageRows.list)+2, most), 6) }

func (s *Screen) jobsRows(most int) int { return max(min(len(s.jobRows.list)+2, most), 5) }

// progressRows is how high the progress is, w columns wide, with all that is said of the stage and
// all steps of the job.
func (s *Screen) progressRows(w int) int {
	told := len(s.stageTold(s.subjectStage(), theme.Glyphs{}, w-2))
	j, ok := s.job()
	if !ok {
		return max(told+2, 4)
	}
	return told + len(j.Steps) + 4
}

func panes(list, jobs, progress, log canvas.Rect) []screen.Pane {
	return []screen.Pane{{ID: paneStages, Rect: list}, {ID: paneJobs, Rect: jobs}, {ID: paneProgress, Rect: progress}, {ID: paneLog, Rect: log}}
}
