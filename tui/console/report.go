package console

import (
	"fmt"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/widget"
)

// refact shows the report of the machine that is shown.
func (s *Screen) refact() {
	rows := &factRows{glyphs: s.facts.glyphs}
	m, ok := s.machine()
	r := s.reports[m.ID]
	switch {
	case !ok:
		s.report.Empty = []string{"No machine is chosen."}
	case r != nil && r.said != nil:
		rows.list = r.facts()
	case r != nil && !r.asked.IsZero():
		s.report.Empty = []string{"Asking " + short(m.ID) + "…"}
	case r != nil && r.err != "":
		s.report.Empty = []string{"It could not be asked:", r.err, r.hint, "i asks again."}
	case !m.Live():
		s.report.Empty = []string{"It has ended, and was never asked about itself."}
	case m.Phase == feed.PhaseUp:
		s.report.Empty = []string{"i asks the machine about itself."}
	default:
		s.report.Empty = []string{"It is asked about itself when it is up."}
	}
	s.facts = rows
	s.report.SetRows(rows)
}

func (s *Screen) drawReport(a canvas.Area, f screen.Frame, focus widget.Focus) {
	frame := widget.Frame{Title: "Inspect", Bottom: s.report.FilterLine(), Focused: bool(focus)}
	m, _ := s.machine()
	if r := s.reports[m.ID]; r != nil {
		switch {
		case !r.asked.IsZero():
			frame.Right = fmt.Sprintf("%s asking %s", f.Theme.Glyphs.Running, widget.Stopwatch(f.Now.Sub(r.asked)))
		case r.said != nil:
			frame.Right = "as of " + r.said.Time.In(f.Now.Location()).Format("15:04:05")
		}
		if r.err != "" && r.said != nil && frame.Bottom == "" {
			frame.Bottom = f.Theme.Glyphs.Fail + " " + firstLine(r.err)
		}
		if r.said != nil && !m.Live() && frame.Bottom == "" {
			frame.Bottom = "it has ended since"
		}
	}
	inside := frame.Draw(a, f.Theme)
	w, _ := inside.Size()
	name := 0
	for _, one := range s.facts.list {
		if one.text != "" {
			name = max(name, canvas.Width(one.name)+2)
		}
	}
	name = max(min(name, w/2-4), 12)
	s.report.Columns = []widget.Column{{Width: name, Filter: true, Over: true}, {Width: 8, Grow: 1, Filter: true}}
	s.report.Draw(inside, f.Theme, focus)
}
