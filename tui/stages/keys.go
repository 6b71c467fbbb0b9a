package stages

import (
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/widget"
)

// Key implements screen.Screen.
func (s *Screen) Key(k term.Key) []screen.Effect {
	switch s.focus {
	case paneStages:
		return s.moved(s.stages.Key(k))
	case paneJobs:
		return s.moved(s.table.Key(k))
	case paneProgress:
		return s.scrollProgress(k)
	}
	return s.log.OnKey(k)
}

// moved shows what the cursor of a list is on: the job, or the newest of the stage.
func (s *Screen) moved(d widget.Done) []screen.Effect {
	if d == widget.Ignored {
		return nil
	}
	effects := []screen.Effect{}
	switch st := s.currentStage(); {
	case s.focus == paneJobs:
		if j := s.currentRow().job; j != nil {
			effects = append(effects, s.show(string(j.Info.ID))...)
		}
	case st != nil:
		effects = append(effects, s.showStage(st.Name)...)
	}
	if d == widget.Opened {
		switch {
		case s.focus == paneJobs && s.rowOff() == "":
			effects = append(effects, s.open()...)
		case s.focus == paneStages && s.runOff() == "":
			effects = append(effects, s.run()...)
		}
	}
	return effects
}

// showStage shows the newest job of a stage, or that there is none.
func (s *Screen) showStage(stage string) []screen.Effect {
	if j, ok := s.newestOf(stage); ok {
		s.table.Select(string(j.Info.ID))
		return s.show(string(j.Info.ID))
	}
	s.blank = true
	return s.clear()
}

// scrollProgress moves the steps.
func (s *Screen) scrollProgress(k term.Key) []screen.Effect {
	j, _ := s.job()
	last := max(len(j.Steps)-1, 0)
	to := s.top
	switch k.Name {
	case "j", "down":
		to++
	case "k", "up":
		to--
	case "ctrl+d", "ctrl+f", "pgdown":
		to += 8
	case "ctrl+u", "ctrl+b", "pgup":
		to -= 8
	case "g", "home":
		to = 0
	case "G", "end":
		to = last
	case "esc":
		if s.scroll == ownWay {
			return nil
		}
		s.scroll = ownWay
		return []screen.Effect{}
	default:
		return nil
	}
	s.scroll = min(max(to, 0), last)
	return []screen.Effect{}
}

// Mouse implements screen.Screen.
func (s *Screen) Mouse(m term.Mouse) []screen.Effect {
	for _, p := range s.Panes(s.w, s.h) {
		if !p.Rect.Contains(m.X, m.Y) {
			continue
		}
		in := m.In(p.Rect.X+1, p.Rect.Y+1)
		switch p.ID {
		case paneStages:
			return s.pointed(paneStages, s.stages.Mouse(in))
		case paneJobs:
			return s.pointed(paneJobs, s.table.Mouse(in))
		case paneProgress:
			switch m.Kind {
			case term.WheelDown:
				return s.scrollProgress(term.Key{Name: "down"})
			case term.WheelUp:
				return s.scrollProgress(term.Key{Name: "up"})
			}
		case paneLog:
			if v := s.log.View(); v != nil {
				v.Mouse(in.In(0, s.bannerRows(p.Rect)))
			}
		}
	}
	return nil
}

// pointed is moved for the mouse: the wheel over a list that has not the keys only scrolls it.
func (s *Screen) pointed(pane string, d widget.Done) []screen.Effect {
	if pane != s.focus {
		return nil
	}
	return s.moved(d)
}
