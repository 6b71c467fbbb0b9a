package stages

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/job"
)

// Draw implements screen.Screen.
func (s *Screen) Draw(a canvas.Area, f screen.Frame) {
	s.w, s.h = a.Size()
	s.stageRows.glyphs, s.stageRows.now = f.Theme.Glyphs, f.Now
	s.jobRows.glyphs, s.jobRows.now = f.Theme.Glyphs, f.Now
	all := s.Panes(s.w, s.h)
	s.terse = !slices.ContainsFunc(all, func(p screen.Pane) bool { return p.ID == paneProgress && p.Rect.H >= 4 })
	for _, p := range all {
		area, focus := a.Sub(p.Rect), widget.Focus(f.Active && p.ID == s.focus)
		if p.Rect.H < 3 {
			s.drawStrip(area, f, p.ID)
			continue
		}
		switch p.ID {
		case paneStages:
			s.drawStages(area, f, focus)
		case paneJobs:
			s.drawJobs(area, f, focus)
		case paneProgress:
			s.drawProgress(area, f, focus)
		case paneLog:
			s.drawLog(area, f, focus)
		}
	}
}

// drawStrip says in a row what the pane would say.
func (s *Screen) drawStrip(a canvas.Area, f screen.Frame, id string) {
	w, _ := a.Size()
	t := f.Theme
	x := a.Put(1, 0, t.Glyphs.Collapsed+" ", t.Style(theme.Border))
	text := ""
	switch id {
	case paneStages:
		x = a.Put(x, 0, "Stages  ", t.Style(theme.Title))
		text = s.counted()
	case paneJobs:
		x = a.Put(x, 0, "Jobs  ", t.Style(theme.Title))
		text = widget.Count(len(s.jobs.List), "job", "jobs")
		if n := len(s.jobs.Running()); n > 0 {
			text += fmt.Sprintf(", %d running", n)
		}
	case paneProgress:
		if j, ok := s.job(); ok {
			l := jobLook(&j, t.Glyphs)
			x = a.Put(x, 0, l.glyph+" ", t.Style(l.role))
			text = summary(&j, f.Now)
		} else {
			text = noJob
		}
	case paneLog:
		x = a.Put(x, 0, "Log  ", t.Style(theme.Title))
		if v := s.log.View(); v != nil {
			text = v.Bar(t)
		}
	}
	a.PutIn(x, 0, w-x, text, t.Style(theme.Muted))
}

// counted says how many stages stand how.
func (s *Screen) counted() string {
	var parts []string
	for _, state := range []workspace.StageState{workspace.StageRunning, workspace.StageFailed, workspace.StageStale, workspace.StageBlocked, workspace.StageFresh} {
		n := 0
		for _, st := range s.list.Stages {
			if st.State == state {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(parts, ", ")
}

// summary is a job in a line: "build 63% 1:12 eta 0:43".
func summary(j *feed.Job, now time.Time) string {
	parts := []string{j.Info.Stage}
	if f, ok := j.Fraction(now); ok && j.Running() {
		parts = append(parts, fmt.Sprintf("%d%%", int(f*100)))
	} else {
		parts = append(parts, resultOf(j))
	}
	parts = append(parts, widget.Stopwatch(j.Elapsed(now)))
	if j.Running() {
		parts = append(parts, remaining(j, now))
	}
	return strings.Join(parts, " ")
}

func (s *Screen) drawStages(a canvas.Area, f screen.Frame, focus widget.Focus) {
	frame := widget.Frame{Title: "Stages", Bottom: s.stages.FilterLine(), Focused: bool(focus)}
	if s.list.Build != "" {
		frame.Right = "build " + s.list.Build
	}
	if st := s.currentStage(); st != nil && frame.Bottom == "" && s.terse {
		frame.Bottom = reasonOf(st)
		if e := s.queuedOf(st.Name); e != nil && e.held != "" {
			frame.Bottom = e.held
		}
	}
	s.stages.Draw(frame.Draw(a, f.Theme), f.Theme, focus)
}

func (s *Screen) drawJobs(a canvas.Area, f screen.Frame, focus widget.Focus) {
	frame := widget.Frame{Title: "Jobs", Bottom: s.table.FilterLine(), Focused: bool(focus)}
	if e := s.currentRow().entry; e != nil && frame.Bottom == "" {
		frame.Bottom = e.held
	}
	n := len(s.jobs.Running())
	switch {
	case n > 0 && len(s.queue.list) > 0:
		frame.Right = fmt.Sprintf("%d running, %d queued", n, len(s.queue.list))
	case n > 0:
		frame.Right = fmt.Sprintf("%d running", n)
	case len(s.queue.list) > 0:
		frame.Right = fmt.Sprintf("%d queued", len(s.queue.list))
	case len(s.jobs.List) > 0:
		frame.Right = fmt.Sprintf("%d", len(s.jobs.List))
	}
	s.table.Draw(frame.Draw(a, f.Theme), f.Theme, focus)
}

func (s *Screen) drawLog(a canvas.Area, f screen.Frame, focus widget.Focus) {
	t := f.Theme
	frame := widget.Frame{Title: "Log", Focused: bool(focus)}
	j, ok := s.job()
	if !ok || s.log.View() == nil {
		inside := frame.Draw(a, t)
		text := "Nothing has run here yet."
		if st := s.currentStage(); s.blank && st != nil {
			text = st.Name + " has not run yet: enter on it starts it."
		}
		inside.PutIn(1, 0, a.Rect().W-4, text, t.Style(theme.Muted))
		return
	}
	frame.Title = j.Info.Stage + " " + t.Glyphs.Bullet + " log"
	frame.Right, frame.Bottom = s.log.View().Bar(t), s.log.View().Note(t)
	inside := frame.Draw(a, t)
	w, h := inside.Size()
	banner, body := canvas.Rect{W: w, H: h}.Top(s.bannerRows(canvas.Rect{W: w + 2, H: h + 2}))
	s.drawBanner(inside.Sub(banner), f.Theme)
	s.log.Draw(inside.Sub(body), t, focus)
}

// failure is what a job that did not end well says: its words and what to do about it.
func failure(j *feed.Job) (text, hint string) {
	switch {
	case j.State == job.Lost:
		return "lost: its processes are gone and it never said how it ended", ""
	case j.Fail == nil || j.Cancelled() || j.State != job.Failed:
		return "", ""
	}
	text = j.Fail.Text
	if j.Fail.Path != "" && !strings.HasPrefix(text, j.Fail.Path) {
		text = j.Fail.Path + ": " + text
	}
	hint = j.Fail.Hint
	if t, ok := place(j.Fail.Path); ok && t.Line > 0 {
		hint = strings.TrimPrefix(hint+"; f opens the file", "; ")
	}
	return text, hint
}

// The rows of a banner: of its text, at most, and how much of the pane it may take.
const (
	bannerText  = 3
	bannerShare = 2 // a half
)

// bannerLines are the rows of what a failed job says, w columns wide.
func (s *Screen) bannerLines(w int) (text []string, hint string) {
	j, ok := s.job()
	if !ok {
		return nil, ""
	}
	words, hint := failure(&j)
	if words == "" {
		return nil, ""
	}
	text = widget.Wrap(words, max(w-3, 8))
	return text[:min(len(text), bannerText)], hint
}

// bannerRows is how many rows of a log pane the banner takes, with the rule below it.
func (s *Screen) bannerRows(pane canvas.Rect) int {
	text, hint := s.bannerLines(pane.W - 2)
	n := len(text)
	if n == 0 {
		return 0
	}
	if hint != "" {
		n++
	}
	return min(n+1, (pane.H-2)/bannerShare)
}

func (s *Screen) drawBanner(a canvas.Area, t *theme.Theme) {
	w, h := a.Size()
	if h == 0 {
		return
	}
	text, hint := s.bannerLines(w)
	a.Put(0, 0, t.Glyphs.Fail, t.Style(theme.Failure))
	for y, line := range text {
		a.PutIn(2, y, w-2, line, t.Style(theme.Failure))
	}
	if hint != "" && len(text) < h {
		a.PutIn(2, len(text), w-2, t.Glyphs.Arrow+" "+hint, t.Style(theme.Info))
	}
	if rule := h - 1; rule > len(text) || hint == "" && rule == len(text) {
		for x := range w {
			a.Put(x, rule, t.Glyphs.Plain.Horizontal, t.Style(theme.Border))
		}
	}
}
