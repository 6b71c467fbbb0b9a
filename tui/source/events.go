package source

import (
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/widget"
)

// Handle takes what happened.
func (s *Screen) Handle(e screen.Event) []screen.Effect {
	switch e := e.(type) {
	case feed.Files:
		return s.filesChanged(e)
	case feed.People:
		s.peopleChanged(e.List)
	case loadedFile:
		return s.loaded(e)
	case checkedFile:
		return s.checkedFile(e)
	case saved:
		return append(s.saved(e), s.loopOn()...)
	case merged:
		return s.merged(e)
	case checked:
		s.checked(e)
	case names:
		s.names = e
	case swapped:
		if e.err != nil {
			return []screen.Effect{screen.Notice{Level: screen.Bad, Text: e.err.Error()}}
		}
		if d := s.docs[e.path]; d != nil {
			d.kept = e.rev
		}
	case swapsFound:
		s.swaps = e.swaps
		return s.offerSwap()
	case swapDifference:
		return s.swapDifference(e)
	case changedTree:
		return s.changedTree(e)
	case planned:
		s.plan.planned, s.plan.stale = e, false
	case explained:
		if e.pkg == s.pkg.pkg {
			s.pkg = e
		}
	case editorFound:
		return s.startEditor(e)
	case screen.Answer:
		return s.answered(e)
	case screen.Left:
		if e.Tag == tagEditor {
			return s.leftEditor(e)
		}
	}
	return nil
}

// Mouse takes what a mouse did.
func (s *Screen) Mouse(m term.Mouse) []screen.Effect {
	for _, p := range s.panes {
		if p.Rect.Contains(m.X, m.Y) || p.ID == s.focus && (m.Kind == term.Drag || m.Kind == term.Release) {
			r := inner(p.Rect)
			return s.paneMouse(p.ID, m.In(r.X, r.Y))
		}
	}
	return nil
}

func (s *Screen) paneMouse(id string, m term.Mouse) []screen.Effect {
	switch id {
	case paneFiles:
		expanded := len(s.tree.Expanded())
		done := s.tree.Mouse(m)
		if expanded != len(s.tree.Expanded()) {
			s.rebuildTree()
		}
		if done == widget.Opened {
			return s.enterFile()
		}
	case paneEditor:
		ed := s.editing()
		if ed == nil {
			return nil
		}
		m.Y -= s.bannerRows()
		ed.Mouse(m, s.env.Now())
		if d := s.current(); d != nil && s.diff == nil {
			if m.Kind == term.Press {
				s.typing = true
			}
			return s.textChanged(d, quickDelay)
		}
	case paneProblems:
		return s.listMouse(m)
	case paneSide:
		if s.side == sideEffective {
			m.Y--
			if s.effective.Mouse(m) == widget.Opened {
				return s.enterSide()
			}
			return nil
		}
		return s.sideMouse(m)
	}
	return nil
}

func (s *Screen) listMouse(m term.Mouse) []screen.Effect {
	l := &s.problems
	switch m.Kind {
	case term.WheelUp:
		l.move(-max(m.Lines, 1))
	case term.WheelDown:
		l.move(max(m.Lines, 1))
	case term.Press:
		if row := l.top + m.Y; m.Y >= 0 && m.Y < l.h && row < len(l.all) {
			l.moveTo(row)
			if m.Clicks == 2 {
				return s.goProblem()
			}
		}
	}
	return nil
}

func (s *Screen) sideMouse(m term.Mouse) []screen.Effect {
	n := len(s.sideLines())
	switch m.Kind {
	case term.WheelUp:
		s.sideRow = max(s.sideRow-max(m.Lines, 1), 0)
	case term.WheelDown:
		s.sideRow = max(min(s.sideRow+max(m.Lines, 1), n-1), 0)
	case term.Press:
		if row := s.sideTop + m.Y - 1; row >= 0 && row < n {
			s.sideRow = row
			if m.Clicks == 2 {
				return s.enterSide()
			}
		}
	}
	return nil
}
