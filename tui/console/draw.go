package console

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// Draw implements screen.Screen. What is drawn was seen.
func (s *Screen) Draw(a canvas.Area, f screen.Frame) {
	s.w, s.h = a.Size()
	s.unseen = false
	s.rows.glyphs, s.rows.now = f.Theme.Glyphs, f.Now
	s.facts.glyphs = f.Theme.Glyphs
	s.retime(f.Now)
	s.marks.glyphs = f.Theme.Glyphs
	for _, p := range s.Panes(s.w, s.h) {
		area, focus := a.Sub(p.Rect), widget.Focus(f.Active && p.ID == s.focus)
		if p.Rect.H < 3 {
			s.drawLine(area, f)
			continue
		}
		switch p.ID {
		case paneMachines:
			s.drawMachines(area, f, focus)
		case paneConsole:
			s.drawConsole(area, f, focus)
		case paneBoot:
			s.drawBoot(area, f, focus)
		case paneInspect:
			s.drawReport(area, f, focus)
		}
	}
}

// drawLine says in a row how the machine stands that is shown.
func (s *Screen) drawLine(a canvas.Area, f screen.Frame) {
	w, _ := a.Size()
	t := f.Theme
	m, ok := s.machine()
	if !ok {
		a.PutIn(1, 0, w-2, "No machine", t.Style(theme.Muted))
		return
	}
	l := machineLook(&m, t.Glyphs)
	x := a.Put(1, 0, l.glyph+" "+stands(&m), t.Style(l.role))
	if m.Live() {
		x = a.Put(x+1, 0, widget.Stopwatch(m.Elapsed(f.Now)), t.Style(theme.Text))
	}
	text := runs(&m)
	if line := s.bootLine(f.Now); line != "" {
		text += "  " + line
	}
	if n := len(s.machines.Live()); n > 1 {
		text += fmt.Sprintf("  (%d run)", n)
	}
	text += "  " + hardware(&m)
	a.PutIn(x+2, 0, w-x-3, text, t.Style(theme.Muted))
}

// bootLine is the boot in some words: how far it is of what is expected, or how long it took.
func (s *Screen) bootLine(now time.Time) string {
	m, _ := s.machine()
	b, ok := m.Boot()
	if !ok {
		return ""
	}
	if text := s.totals(&b); text != "" {
		return "boot " + text
	}
	if m.Phase != feed.PhaseBooting {
		return ""
	}
	if then, ok := total(s.marks.base); ok {
		return fmt.Sprintf("%s of %s", widget.Stopwatch(now.Sub(b.Began)), widget.Stopwatch(then))
	}
	return ""
}

func (s *Screen) drawMachines(a canvas.Area, f screen.Frame, focus widget.Focus) {
	frame := widget.Frame{Title: "Machines", Bottom: s.list.FilterLine(), Focused: bool(focus)}
	live := len(s.machines.Live())
	switch {
	case s.list.Filter() != "" && s.list.Len() != s.list.Total():
		frame.Right = fmt.Sprintf("%d of %d", s.list.Len(), s.list.Total())
	case live > 0:
		frame.Right = fmt.Sprintf("%d running", live)
	}
	if s.onlyUp && frame.Bottom == "" {
		frame.Bottom = "those that run"
	}
	if s.machines.Problem != "" && s.list.Total() > 0 {
		frame.Bottom = "old: " + s.machines.Problem
	}
	s.list.Draw(frame.Draw(a, f.Theme), f.Theme, focus)
}

func (s *Screen) drawConsole(a canvas.Area, f screen.Frame, focus widget.Focus) {
	t := f.Theme
	frame := widget.Frame{Title: "Console", Focused: bool(focus)}
	m, ok := s.machine()
	if !ok {
		inside := frame.Draw(a, t)
		w, _ := inside.Size()
		y := 0
		for _, line := range s.nothing() {
			for _, part := range widget.Wrap(line, w-4) {
				inside.PutIn(2, y, w-4, part, t.Style(theme.Muted))
				y++
			}
		}
		return
	}
	if v := s.console(); v != nil {
		frame.Title, frame.Right, frame.Bottom = v.Title(t), v.Right(t), v.Bottom(t)
	}
	if s.edgeless(a.Rect().W) {
		edgeless(a, t, frame)
	} else {
		frame.Draw(a, t)
	}
	w, h := a.Size()
	at := s.terminalRect(canvas.Rect{W: w, H: h})
	s.drawBanner(a.Sub(canvas.Rect{X: at.X, Y: 1, W: at.W, H: at.Y - 1}), t, &m)
	s.drawTerminal(a.Sub(at), t, focus)
}

// edgeless says if the console has no edges: where it has the whole width the guest gets it all.
func (s *Screen) edgeless(w int) bool { return w == s.w }

// edgeless draws the title of a frame without edges.
func edgeless(a canvas.Area, t *theme.Theme, f widget.Frame) {
	w, _ := a.Size()
	edge, title := t.Style(theme.Border), t.Style(theme.Title)
	stroke := t.Glyphs.Plain.Horizontal
	if f.Focused {
		edge, title, stroke = t.Style(theme.BorderFocus), t.Style(theme.TitleFocus), t.Glyphs.Focus.Horizontal
	}
	for x := range w {
		a.Put(x, 0, stroke, edge)
	}
	x := a.PutIn(1, 0, w-2, " "+f.Title+" ", title)
	if text := cmp.Or(f.Right, f.Bottom); text != "" && w-x > 8 {
		text = " " + text + " "
		a.PutIn(max(w-1-canvas.Width(text), x+1), 0, w-x-2, text, title)
	}
}

// terminalRect is where the guest's cells lie in a console of this size, below the title and the banner.
func (s *Screen) terminalRect(r canvas.Rect) canvas.Rect {
	in := canvas.Rect{X: 1, Y: 1, W: r.W - 2, H: r.H - 2}
	if s.edgeless(r.W) {
		in = canvas.Rect{Y: 1, W: r.W, H: r.H - 1}
	}
	m, _ := s.machine()
	n := min(len(s.banner(&m, in.W)), in.H/3)
	in.Y += n
	in.H -= n
	return in
}

// nothing explains why there is no console.
func (s *Screen) nothing() []string {
	switch {
	case !s.known:
		return []string{"Reading the machines"}
	case s.machines.Problem != "":
		return []string{"The machines cannot be listed:", s.machines.Problem}
	case len(s.machines.List) > 0:
		return []string{"No machine is chosen."}
	case len(s.builds.List) == 0:
		return []string{"Nothing was booted here yet, and there is no build to boot.", "Stages makes one: 2."}
	}
	return []string{"Nothing was booted here yet.", "s boots a build: which, and how, is asked.", "S boots the newest at once."}
}

// banner says above the console what went wrong. How a machine ended its console says.
func (s *Screen) banner(m *feed.Machine, w int) []string {
	var text []string
	if m.Failure != nil {
		text = append(text, fmt.Sprintf("%s after %s: %s", m.Failure.Kind, brief(m.Failure.At), m.Failure.Line))
	}
	if m.Phase == feed.PhaseLost && m.Why == "" {
		text = append(text, "lost: its hub was killed, and it with it")
	}
	if len(text) == 0 {
		return nil
	}
	return append(widget.Wrap(strings.Join(text, "\n"), max(w-3, 8)), "")
}

func (s *Screen) drawBanner(a canvas.Area, t *theme.Theme, m *feed.Machine) {
	w, h := a.Size()
	sign, role := t.Glyphs.Fail, theme.Failure
	lines := s.banner(m, w)
	for y, line := range lines[:min(len(lines), h)] {
		switch {
		case y == h-1 && h > 1:
			for x := range w {
				a.Put(x, y, t.Glyphs.Plain.Horizontal, t.Style(theme.Border))
			}
		case y == 0:
			a.Put(0, 0, sign, t.Style(role))
			fallthrough
		default:
			a.PutIn(2, y, w-2, line, t.Style(role))
		}
	}
}

// Hint implements screen.Screen: all that is known of the machine.
func (s *Screen) Hint() string {
	m, ok := s.machine()
	if !ok {
		return s.machines.Notice
	}
	parts := []string{string(m.ID), hardware(&m), m.Arch}
	if m.CPUs > 0 {
		parts = append(parts, widget.Count(m.CPUs, "cpu", "cpus"))
	}
	if m.MemoryMiB > 0 {
		parts = append(parts, fmt.Sprintf("%d MiB", m.MemoryMiB))
	}
	if m.Resumed {
		parts = append(parts, "resumed")
	}
	if m.Name != "" {
		parts = append(parts, "kept as "+m.Name)
	}
	parts = append(parts, "by "+m.User, wayIn(&m), s.machines.Notice)
	var said []string
	for _, p := range parts {
		if strings.TrimSpace(p) != "" {
			said = append(said, p)
		}
	}
	return strings.Join(said, "  ")
}
