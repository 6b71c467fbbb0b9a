package source

import (
	"fmt"
	"strings"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace/doc"
)

type diagnostic = doc.Diagnostic

// showSide makes a Run that shows a view beside the editor, or puts it away where it
// is seen and has the keys.
func (s *Screen) showSide(v sideView) func() []screen.Effect {
	return func() []screen.Effect {
		if s.side == v && s.focus == paneSide {
			s.sideOpen = false
			s.SetFocus(paneEditor)
			return nil
		}
		s.side, s.sideRow = v, 0
		s.SetFocus(paneSide)
		if v == sidePlan && (!s.plan.asked || s.plan.stale || s.plan.err != "") {
			return s.preview()
		}
		return nil
	}
}

// packageHere is the package that the cursor is on: in the outline, or the word in a treefile.
func (s *Screen) packageHere() string {
	if s.focus == paneSide && s.side == sideEffective {
		r, _ := s.outlineAt()
		return r.pkg
	}
	d := s.current()
	if s.focus != paneEditor || d == nil || !d.loaded || kindOf(d.path) != treefile {
		return ""
	}
	line, column := d.ed.Position()
	text := d.ed.Line(line)
	trimmed := strings.TrimLeft(text, " ")
	rest, isItem := strings.CutPrefix(trimmed, "- ")
	if !isItem {
		return ""
	}
	begin := len(text) - len(rest)
	word := ""
	for w := range strings.FieldsSeq(rest) {
		at := begin + strings.Index(text[begin:], w)
		begin = at + len(w)
		if word == "" || len([]rune(text[:at])) < column {
			word = w
		}
	}
	return strings.Trim(word, `"',`)
}

func (s *Screen) noPackage() string {
	if pkg := s.packageHere(); pkg == "" || strings.ContainsAny(pkg, "{}#") || strings.HasPrefix(pkg, "-") {
		return "the cursor is on no package"
	}
	return ""
}

func (s *Screen) explainCommand() []string {
	pkg := s.packageHere()
	if pkg == "" {
		pkg = "PACKAGE"
	}
	return []string{"manifest", "explain", pkg}
}

func (s *Screen) notEffective() string {
	if s.side != sideEffective {
		return "only the effective manifest can be filtered"
	}
	return ""
}

// originHere is where the row under the cursor was written.
func (s *Screen) originHere() doc.Origin {
	if s.side == sideEffective {
		r, _ := s.outlineAt()
		return r.at
	}
	if lines := s.sideLines(); s.sideRow < len(lines) {
		return lines[s.sideRow].at
	}
	return doc.Origin{}
}

func (s *Screen) noOrigin() string {
	if s.originHere().File == "" {
		if r, ok := s.outlineAt(); s.side == sideEffective && ok && r.fork {
			return ""
		}
		return "this was written nowhere"
	}
	return ""
}

func (s *Screen) enterSide() []screen.Effect {
	at := s.originHere()
	if at.File == "" {
		s.effective.Toggle()
		return nil
	}
	return s.jump(at)
}

// sideLines are the lines of the plan or of what is said of a package.
func (s *Screen) sideLines() []sideLine {
	if s.side == sidePackage {
		if s.pkg.lines == nil {
			return []sideLine{{text: "asking nosa", role: theme.Muted}}
		}
		return s.pkg.lines
	}
	switch {
	case !s.plan.asked:
		return []sideLine{{text: "Not asked yet: p asks what a build would do.", role: theme.Muted}}
	case s.plan.err != "":
		return []sideLine{{text: s.plan.err, role: theme.Failure}, {text: s.plan.hint, role: theme.Muted}}
	case s.plan.steps == nil:
		return []sideLine{{text: "asking nosa", role: theme.Muted}}
	}
	lines := []sideLine{{text: planSummary(s.plan.steps), role: theme.Title}}
	for _, step := range s.plan.steps {
		sign, role := s.glyphs.Waiting, theme.Waiting
		switch step.State {
		case "run":
			sign, role = s.glyphs.Running, theme.Running
		case "skip":
			sign, role = s.glyphs.Skipped, theme.Skipped
		}
		text := sign + " " + pad(step.State, 8) + step.Title
		if step.Reason != "" {
			text += ": " + step.Reason
		}
		lines = append(lines, sideLine{text: text, role: role})
	}
	return lines
}

// planSummary says in a line what a build would do.
func planSummary(steps []planStep) string {
	n := map[string]int{}
	for _, step := range steps {
		n[step.State]++
	}
	var parts []string
	if n["run"] > 0 {
		parts = append(parts, fmt.Sprintf("%d to run", n["run"]))
	}
	if n["skip"] > 0 {
		parts = append(parts, fmt.Sprintf("%d up to date", n["skip"]))
	}
	if n["unknown"] > 0 {
		parts = append(parts, fmt.Sprintf("%d depend on those before", n["unknown"]))
	}
	return count(len(steps), "step") + ": " + strings.Join(parts, ", ")
}

func pad(text string, n int) string { return text + strings.Repeat(" ", max(n-len(text), 1)) }

// sideTitle is the title of the pane beside the editor, and what stands at its right.
func (s *Screen) sideTitle() (title, right string) {
	switch s.side {
	case sidePlan:
		title = "What a build would do"
		if s.plan.stale && s.plan.asked {
			right = "out of date"
		}
	case sidePackage:
		title = s.pkg.pkg
	default:
		title = "Effective manifest"
		if s.outline.files > 0 {
			right = count(s.outline.packages, "package request")
		}
	}
	return title, right
}

// drawSide draws the pane beside the editor.
func (s *Screen) drawSide(a canvas.Area, f screen.Frame) {
	focused := s.focus == paneSide
	title, right := s.sideTitle()
	bottom := ""
	if s.side == sideEffective {
		bottom = s.effective.FilterLine()
	}
	in := widget.Frame{Title: title, Right: right, Bottom: bottom, Focused: focused}.Draw(a, f.Theme)
	w, h := in.Size()
	if h < 2 {
		return
	}
	s.drawTabs(in, f)
	body := in.Sub(canvas.Rect{Y: 1, W: w, H: h - 1})
	if s.side == sideEffective {
		s.drawEffective(body, f)
		return
	}
	lines := s.sideLines()
	h--
	s.sideRow = max(min(s.sideRow, len(lines)-1), 0)
	s.sideTop = max(min(s.sideTop, s.sideRow, len(lines)-h), s.sideRow-h+1, 0)
	for y := range min(h, len(lines)-s.sideTop) {
		l := lines[s.sideTop+y]
		body.PutIn(1, y, w-1, l.text, f.Theme.Style(l.role))
		if s.sideTop+y == s.sideRow && focused {
			look := f.Theme.Style(theme.Selected)
			body.Restyle(canvas.Rect{Y: y, W: w, H: 1}, func(c canvas.Style) canvas.Style { return look.Over(c) })
			body.Cursor(0, y)
		}
	}
}

// drawTabs shows the views, and the keys that lead to them.
func (s *Screen) drawTabs(a canvas.Area, f screen.Frame) {
	x := 1
	for _, t := range []struct {
		view      sideView
		key, name string
	}{{sideEffective, "m", "effective"}, {sidePlan, "p", "preview"}, {sidePackage, "w", "who asks"}} {
		style := f.Theme.Style(theme.Muted)
		if t.view == s.side {
			style = f.Theme.Style(theme.Title)
			style.Attr |= canvas.Underline
		}
		x = a.Put(x, 0, t.key, f.Theme.Style(theme.Key))
		x = a.Put(x+1, 0, t.name, style) + 2
	}
}

func (s *Screen) drawEffective(a canvas.Area, f screen.Frame) {
	w, h := a.Size()
	if s.outline.broken && h > 3 {
		sign := s.glyphs.Warn + " there are errors: this is what could be read"
		a.PutIn(1, 0, w-1, sign, f.Theme.Style(theme.Warning))
		a = a.Sub(canvas.Rect{Y: 1, W: w, H: h - 1})
	}
	s.effective.Draw(a, f.Theme, widget.Focus(s.focus == paneSide && f.Active))
}
