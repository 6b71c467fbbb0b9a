package source

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// problemsTitle says how many there are.
func (s *Screen) problemsTitle() string {
	c, infos := s.problems.counts()
	var parts []string
	if c.errors > 0 {
		parts = append(parts, strconv.Itoa(c.errors)+s.glyphs.Fail)
	}
	if c.warnings > 0 {
		parts = append(parts, strconv.Itoa(c.warnings)+s.glyphs.Warn)
	}
	if infos > 0 {
		parts = append(parts, strconv.Itoa(infos)+s.glyphs.Info)
	}
	return strings.TrimSpace("Problems " + strings.Join(parts, " "))
}

func (s *Screen) drawProblems(a canvas.Area, f screen.Frame) {
	focused := s.focus == paneProblems
	right := ""
	if s.checking {
		right = "checking"
	}
	in := widget.Frame{Title: s.problemsTitle(), Right: right, Focused: focused}.Draw(a, f.Theme)
	w, h := in.Size()
	l := &s.problems
	if len(l.all) == 0 {
		s.drawNoProblems(in, f)
		return
	}
	details := s.problemDetails(w - 4)
	if h-len(details) < min(len(l.all), 2) {
		details = details[:max(h-min(len(l.all), 2), 0)]
	}
	l.h = h - len(details)
	l.reveal()
	for y := range min(l.h, len(l.all)-l.top) {
		row := in.Sub(canvas.Rect{Y: y, W: w, H: 1})
		s.drawProblem(row, f, l.top+y)
		if l.top+y != l.at {
			continue
		}
		look := f.Theme.Style(theme.SelectedOff)
		if focused {
			look = f.Theme.Style(theme.Selected)
			row.Cursor(0, 0)
		}
		row.Restyle(row.Bounds(), func(c canvas.Style) canvas.Style { return look.Over(c) })
	}
	y := min(l.h, len(l.all))
	for i, line := range details {
		in.PutIn(3, y+i, w-4, line, f.Theme.Style(theme.Muted))
	}
}

// drawNoProblems says that all is well, or why that is not known.
func (s *Screen) drawNoProblems(a canvas.Area, f screen.Frame) {
	w, _ := a.Size()
	sign, text, role := s.glyphs.OK, "", theme.Success
	switch {
	case s.checkErr != "":
		sign, text, role = s.glyphs.Warn, "the config could not be checked: "+s.checkErr, theme.Warning
	case s.outline.files == 0:
		sign, text, role = s.glyphs.Waiting, "not checked yet", theme.Muted
	default:
		text = fmt.Sprintf("%s read, nothing is wrong, %s", count(s.outline.files, "file"), count(s.outline.packages, "package request"))
	}
	a.PutIn(1, 0, w-1, sign+" "+text, f.Theme.Style(role))
}

// problemDetails are why and hint of the problem that has the cursor, wrapped.
func (s *Screen) problemDetails(w int) []string {
	p, ok := s.problems.current()
	if !ok {
		return nil
	}
	var lines []string
	for _, text := range []string{p.Why, p.Hint} {
		if text != "" {
			lines = append(lines, widget.Wrap(text, max(w, 10))...)
		}
	}
	if len(p.Chain) > 0 {
		lines = append(lines, widget.Wrap("included by "+strings.Join(p.Chain, " "+s.glyphs.Arrow+" "), max(w, 10))...)
	}
	return lines
}

func (s *Screen) drawProblem(a canvas.Area, f screen.Frame, i int) {
	p := s.problems.all[i]
	w, _ := a.Size()
	sign, role := s.severitySign(string(p.Severity))
	a.Put(1, 0, sign, f.Theme.Style(role))
	right := w - 1
	code := p.Code
	if p.Fix != "" {
		code = "[fix: f] " + code
	}
	if w > 50 {
		right = a.PutRight(w-1, 0, code, f.Theme.Style(theme.Muted)) - 1
	}
	place := p.Origin.String()
	if p.File == s.at && p.Line > 0 {
		place = fmt.Sprintf("%d:%d", p.Line, p.Column)
	} else if w < 70 {
		place = path.Base(place)
	}
	place = strings.TrimPrefix(place, "src/config/")
	x := a.PutIn(3, 0, min(canvas.Width(place), max(right/2, 8)), place, f.Theme.Style(theme.Link))
	a.PutIn(x+1, 0, right-x-1, p.Message, f.Theme.Style(theme.Text))
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

// thousands writes a number with commas.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
