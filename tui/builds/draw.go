package builds

import (
	"fmt"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// Draw implements screen.Screen.
func (s *Screen) Draw(a canvas.Area, f screen.Frame) {
	if w, h := a.Size(); w != s.w || h != s.h {
		s.w, s.h = w, h
		s.again() // long texts are cut into other lines
	}
	s.rows.glyphs, s.rows.now = f.Theme.Glyphs, f.Now
	for _, p := range s.Panes(s.w, s.h) {
		focus := widget.Focus(f.Active && p.ID == s.focus)
		area := a.Sub(p.Rect)
		switch p.ID {
		case paneList:
			s.drawList(area, f, focus)
		case paneDetail:
			s.drawDetail(area, f, focus)
		case paneContent:
			s.drawContent(area, f, focus)
		case paneLog:
			s.drawLog(area, f, focus)
		}
	}
}

func (s *Screen) drawList(a canvas.Area, f screen.Frame, focus widget.Focus) {
	frame := widget.Frame{Title: "Builds", Right: widget.Count(len(s.builds.List), "build", "builds"), Bottom: s.list.FilterLine(), Focused: bool(focus)}
	if s.list.Len() != s.list.Total() {
		frame.Right = fmt.Sprintf("%d of %d", s.list.Len(), s.list.Total())
	}
	if o := s.list.Order(); o.Column > 0 && frame.Bottom == "" {
		frame.Bottom = "by " + s.list.Columns[o.Column-1].Title
	}
	s.list.Draw(frame.Draw(a, f.Theme), f.Theme, focus)
}

func (s *Screen) drawDetail(a canvas.Area, f screen.Frame, focus widget.Focus) {
	frame := widget.Frame{Title: "Detail", Bottom: s.detail.table.FilterLine(), Focused: bool(focus)}
	switch d := s.currentDeleted(); {
	case s.shown != nil:
		frame.Title = s.shown.ID
	case d != nil:
		frame.Title = d.ID
	}
	s.detail.draw(frame.Draw(a, f.Theme), f, focus)
}

func (s *Screen) drawContent(a canvas.Area, f screen.Frame, focus widget.Focus) {
	c := &s.content
	frame := widget.Frame{Title: c.title, Bottom: c.outline.table.FilterLine(), Focused: bool(focus)}
	if frame.Bottom == "" {
		frame.Bottom = c.note
	}
	inside := frame.Draw(a, f.Theme)
	if c.waiting != "" {
		text := fmt.Sprintf("%s %s%s", f.Theme.Glyphs.Running, c.waiting, f.Theme.Glyphs.Ellipsis)
		if took := f.Now.Sub(c.since); took.Seconds() >= 1 {
			text += fmt.Sprintf("  %.0fs", took.Seconds())
		}
		w, _ := inside.Size()
		inside.PutIn(1, 0, w-1, text, f.Theme.Style(theme.Running))
		inside.PutIn(1, 1, w-1, "esc leaves it", f.Theme.Style(theme.Muted))
		return
	}
	c.outline.draw(inside, f, focus)
}

func (s *Screen) drawLog(a canvas.Area, f screen.Frame, focus widget.Focus) {
	c := &s.content
	frame := widget.Frame{Title: c.title, Right: c.log.View().Bar(f.Theme), Bottom: c.log.View().Note(f.Theme), Focused: bool(focus)}
	c.log.Draw(frame.Draw(a, f.Theme), f.Theme, focus)
}
