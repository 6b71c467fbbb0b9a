package source

import (
	"fmt"
	"strings"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// Draw draws the panes.
func (s *Screen) Draw(a canvas.Area, f screen.Frame) {
	if s.glyphs != f.Theme.Glyphs {
		s.glyphs = f.Theme.Glyphs
		s.rebuildTree()
	}
	w, h := a.Size()
	s.panes = s.Panes(w, h)
	for _, p := range s.panes {
		area := a.Sub(p.Rect)
		switch p.ID {
		case paneFiles:
			s.drawFiles(area, f)
		case paneEditor:
			s.drawEditor(area, f)
		case paneProblems:
			s.drawProblems(area, f)
		case paneSide:
			s.drawSide(area, f)
		}
	}
	if !f.Active {
		a.HideCursor()
	}
}

func (s *Screen) drawFiles(a canvas.Area, f screen.Frame) {
	right := ""
	if s.files.Git == "marks" {
		right = s.files.Branch
	}
	in := widget.Frame{Title: "Files", Right: right, Bottom: s.tree.FilterLine(), Focused: s.focus == paneFiles}.Draw(a, f.Theme)
	if s.files.Revision == 0 {
		s.tree.Empty = "reading"
	} else {
		s.tree.Empty = "No files yet: n makes one."
	}
	s.tree.Draw(in, f.Theme, widget.Focus(s.focus == paneFiles && f.Active))
}

// bannerRows is how many rows above the text say what is the matter with the file.
func (s *Screen) bannerRows() int {
	if s.banner() != "" {
		return 1
	}
	return 0
}

func (s *Screen) banner() string {
	d := s.current()
	switch {
	case s.diff != nil:
		return "esc goes back"
	case d == nil || !d.loaded:
		return ""
	case d.theirs != nil:
		return s.glyphs.Warn + " changed on disk: ctrl+s asks; nothing is overwritten before"
	case d.absent:
		return s.glyphs.Warn + " deleted on disk: saving makes it again"
	case d.conflicts > 0:
		return s.glyphs.Warn + " " + count(d.conflicts, "conflict") + " left: ] goes to the next"
	}
	return ""
}

// editorTitle is the title of the editor, and what stands at its right.
func (s *Screen) editorTitle() (title, right string) {
	d := s.current()
	switch {
	case s.diff != nil:
		return s.diff.title, ""
	case d == nil:
		return "Editor", ""
	}
	title = strings.TrimPrefix(d.path, "src/config/")
	if d.ed.Modified() {
		title += " " + s.glyphs.Dirty + " unsaved"
	}
	if !d.loaded {
		return title, ""
	}
	line, column := d.ed.Position()
	right = fmt.Sprintf("ln %d col %d", line, column)
	if others := s.othersHere(); others != "" {
		right = others + " " + s.glyphs.Bullet + " " + right
	}
	return title, right
}

func (s *Screen) drawEditor(a canvas.Area, f screen.Frame) {
	focused := s.focus == paneEditor
	title, right := s.editorTitle()
	bottom := ""
	if d := s.current(); focused && d != nil && d.loaded && s.diff == nil && s.find == nil {
		bottom = s.editorBottom(d)
	}
	in := widget.Frame{Title: title, Right: right, Bottom: bottom, Focused: focused}.Draw(a, f.Theme)
	w, h := in.Size()
	d := s.current()
	switch {
	case s.diff == nil && d == nil:
		s.drawNothing(in, f)
		return
	case s.diff == nil && d.err != "":
		drawText(in, f, []string{d.path + " cannot be edited here: " + d.err + ".", "e opens it in $EDITOR."})
		return
	}
	if text := s.banner(); text != "" && h > 1 {
		style := f.Theme.Style(theme.Warning)
		if s.diff != nil {
			style = f.Theme.Style(theme.Muted)
		}
		in.PutIn(0, 0, w, text, style)
		in = in.Sub(canvas.Rect{Y: 1, W: w, H: h - 1})
		h--
	}
	active := focused && f.Active
	if s.find != nil && h > 1 {
		bar := in.Sub(canvas.Rect{Y: h - 1, W: w, H: 1})
		in = in.Sub(canvas.Rect{W: w, H: h - 1})
		s.editing().Draw(in, f.Theme, false)
		s.drawFind(bar, f, widget.Focus(active))
		return
	}
	s.editing().Draw(in, f.Theme, active)
}

// editorBottom says what the keys are for now, or what is the matter with the line.
func (s *Screen) editorBottom(d *document) string {
	line, _ := d.ed.Position()
	if m, ok := d.ed.MarkAt(line); ok {
		sign, _ := s.severitySign(string(m.Severity))
		return sign + " " + m.Text
	}
	if s.typing {
		return "typing: esc ends it"
	}
	return "enter types"
}

func (s *Screen) drawFind(a canvas.Area, f screen.Frame, active widget.Focus) {
	w, _ := a.Size()
	at, total, more := s.editing().Matches()
	text := ""
	if s.find.Value() != "" {
		text = fmt.Sprintf("%d of %d", at, total)
		if more {
			text += "+"
		}
	}
	n := canvas.Width(text) + 1
	s.find.Draw(a.Sub(canvas.Rect{W: w - n, H: 1}), f.Theme, active)
	a.PutRight(w, 0, text, f.Theme.Style(theme.Muted))
}

// drawNothing is what the editor says before a file is open.
func (s *Screen) drawNothing(a canvas.Area, f screen.Frame) {
	drawText(a, f, []string{
		"No file is open.", "",
		"Choose one in the tree and press enter, or @ to find one by its name.",
		"The manifest is src/config/manifest.yaml; what it comes to with all its includes is shown by m, what a build would do by p.",
	})
}

func drawText(a canvas.Area, f screen.Frame, paragraphs []string) {
	w, _ := a.Size()
	y := 1
	for _, p := range paragraphs {
		for _, line := range widget.Wrap(p, max(w-4, 1)) {
			a.PutIn(2, y, w-3, line, f.Theme.Style(theme.Muted))
			y++
		}
		if p == "" {
			y++
		}
	}
}
