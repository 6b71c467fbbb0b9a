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
)

// drawProgress draws how far the job is and its steps.
func (s *Screen) drawProgress(a canvas.Area, f screen.Frame, focus widget.Focus) {
	frame := widget.Frame{Title: "Progress", Focused: bool(focus)}
	j, ok := s.job()
	if ok {
		frame.Title = j.Info.Stage
	}
	if st := s.subjectStage(); st != nil {
		frame.Title = st.Name
	}
	if ok {
		w, _ := a.Size()
		frame.Right = jobPlace(&j, w-canvas.Width(frame.Title)-frameRoom)
	}
	inside := frame.Draw(a, f.Theme)
	rest := s.drawTold(inside, f)
	if !ok {
		if w, _ := inside.Size(); rest.Y == 0 {
			inside.PutIn(1, 0, w-1, "No job is shown.", f.Theme.Style(theme.Muted))
		}
		return
	}
	if rest.Y > 0 && rest.H > 8 {
		_, rest = rest.Top(1)
	}
	head, rest := rest.Top(1)
	s.drawWhole(inside.Sub(head), f, named{&j, frame.Title})
	if rest.H > 8 { // room for air
		_, rest = rest.Top(1)
	}
	s.drawSteps(inside.Sub(rest), f, &j)
}

// frameRoom is what a frame's upper edge takes beside its two texts.
const frameRoom = 8

// named is a job under a title.
type named struct {
	*feed.Job
	title string
}

// drawWhole draws the job as a whole: a bar while it runs, a word after. A title of something else
// is followed by its name.
func (s *Screen) drawWhole(a canvas.Area, f screen.Frame, n named) {
	j, t := n.Job, f.Theme
	l := jobLook(j, t.Glyphs)
	a.Put(0, 0, l.glyph, t.Style(l.role))
	w, _ := a.Size()
	if n.title != j.Info.Stage {
		x := a.PutIn(2, 0, w-2, j.Info.Stage, t.Style(theme.Text))
		a = a.Sub(canvas.Rect{X: x, W: w - x, H: 1})
		w -= x
	}
	if !j.Running() {
		x := a.Put(2, 0, resultOf(j), t.Style(l.role))
		parts := slices.DeleteFunc([]string{widget.Took(j.Elapsed(f.Now)), counts(j), j.Text}, func(part string) bool { return part == "" })
		a.PutIn(x+2, 0, w-x-2, strings.Join(parts, "  "), t.Style(theme.Text))
		return
	}
	label := widget.Stopwatch(j.Elapsed(f.Now)) + "  " + remaining(j, f.Now)
	if j.Cancelling {
		label = widget.Stopwatch(j.Elapsed(f.Now)) + "  stopping"
	}
	fraction, ok := j.Fraction(f.Now)
	if !ok {
		done, all := stepsDone(j)
		text := label
		if all > 0 {
			text = fmt.Sprintf("%d of %s  %s", done, widget.Count(all, "step", "steps"), label)
		}
		a.PutIn(2, 0, w-2, text, t.Style(theme.Text))
		return
	}
	widget.Gauge{Done: fraction, Total: 1, Percent: true, Label: label}.Draw(a.Sub(canvas.Rect{X: 2, W: w - 2, H: 1}), t)
}

// stepsDone is how many steps are over, and of how many.
func stepsDone(j *feed.Job) (done, all int) {
	for _, st := range j.Steps {
		if st.State != feed.StepWaiting && st.State != feed.StepRunning {
			done++
		}
	}
	return done, len(j.Steps)
}

// counts says how many problems a job told.
func counts(j *feed.Job) string {
	var parts []string
	if j.Errors > 0 {
		parts = append(parts, widget.Count(j.Errors, "error", "errors"))
	}
	if j.Warnings > 0 {
		parts = append(parts, widget.Count(j.Warnings, "warning", "warnings"))
	}
	return strings.Join(parts, ", ")
}

// drawSteps draws the steps: those that run stay in sight.
func (s *Screen) drawSteps(a canvas.Area, f screen.Frame, j *feed.Job) {
	w, h := a.Size()
	if h <= 0 || len(j.Steps) == 0 {
		return
	}
	top := min(s.scroll, max(len(j.Steps)-h, 0))
	if s.scroll == ownWay {
		top = topStep(j, h)
	}
	s.top = top
	room := w
	if len(j.Steps) > h {
		room--
		widget.Scroll{Top: top, Page: h, Len: len(j.Steps)}.Draw(a.Sub(canvas.Rect{X: w - 1, W: 1, H: h}), f.Theme)
	}
	titles := 0
	for i := range j.Steps {
		titles = max(titles, canvas.Width(j.Steps[i].Title))
	}
	titles = min(titles, max(room*2/5, 12))
	for y := range min(h, len(j.Steps)-top) {
		drawStep(a.Sub(canvas.Rect{Y: y, W: room, H: 1}), f, &j.Steps[top+y], titles)
	}
}

// ownWay lets the steps that run be seen, whatever was scrolled before.
const ownWay = -1

// topStep is the first step to be seen: the one that runs or failed comes into sight, with one after it.
func topStep(j *feed.Job, h int) int {
	at := -1
	for i := range j.Steps {
		if st := j.Steps[i].State; st == feed.StepRunning || st == feed.StepFailed {
			at = i
		}
	}
	if at < 0 {
		return 0
	}
	return max(min(at+2, len(j.Steps))-h, 0)
}

// The columns of a step: its time at the right, and as much as a bar is worth drawing in.
const (
	stepTime = 6
	stepBar  = 8
)

func drawStep(a canvas.Area, f screen.Frame, st *feed.Step, titles int) {
	w, _ := a.Size()
	t := f.Theme
	l := stepLook(st.State, t.Glyphs)
	a.Put(0, 0, l.glyph, t.Style(l.role))
	style := t.Style(theme.Text)
	if st.State == feed.StepWaiting || st.State == feed.StepSkipped {
		style = t.Style(theme.Muted)
	}
	a.PutIn(2, 0, min(titles, w-2), st.Title, style)
	right := w
	if took := stepTook(st, f.Now); took != "" && w >= titles+2+stepTime+2 {
		a.PutRight(w, 0, took, t.Style(theme.Muted))
		right = w - stepTime - 1
	}
	x := 2 + titles + 2
	if right-x < 4 {
		return
	}
	if fraction, ok := st.Fraction(); ok && st.State == feed.StepRunning && right-x >= stepBar {
		g := widget.Gauge{Done: fraction, Total: 1, Label: amount(st)}
		if right-x < stepBar+1+canvas.Width(g.Label) {
			g.Label = ""
			g.Percent = right-x >= stepBar+5
		}
		g.Draw(a.Sub(canvas.Rect{X: x, W: right - x, H: 1}), t)
		return
	}
	a.PutIn(x, 0, right-x, stepText(st), t.Style(theme.Muted))
}

// stepTook is the time of a step: how long it runs or ran, or how long it usually does.
func stepTook(st *feed.Step, now time.Time) string {
	switch st.State {
	case feed.StepSkipped:
		return ""
	case feed.StepWaiting:
		if st.Usual >= time.Second {
			return "~" + widget.Took(st.Usual)
		}
		return ""
	case feed.StepRunning:
		return widget.Stopwatch(st.Elapsed(now))
	}
	return widget.Took(st.Took)
}

// stepText is what a step says.
func stepText(st *feed.Step) string {
	switch {
	case st.State == feed.StepSkipped:
		return st.Reason
	case st.State == feed.StepRunning && st.Text == "":
		return first(amount(st), st.Reason)
	}
	return first(st.Text, st.Reason)
}
