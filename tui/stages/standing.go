package stages

import (
	"strings"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace"
)

// told is a row of what is said of a stage.
type told struct {
	sign string // before it; "" goes on with the row above
	text string
	role theme.Role
}

// subjectStage is the stage that the progress is about: that of the cursor while the stages have the
// keys, or when it has no job to show; nil is none.
func (s *Screen) subjectStage() *workspace.Stage {
	if s.focus != paneStages && !s.blank {
		return nil
	}
	return s.currentStage()
}

// stageTold says all of why a stage stands as it does, in rows of at most w columns, and of one without
// a job what it is.
func (s *Screen) stageTold(st *workspace.Stage, g theme.Glyphs, w int) []told {
	if st == nil {
		return nil
	}
	if _, runs := s.runningOf(st.Name); runs {
		return nil
	}
	var rows []told
	add := func(sign, text string, role theme.Role) {
		for _, line := range widget.Wrap(text, max(w-2, 8)) {
			rows = append(rows, told{sign, line, role})
			sign = ""
		}
	}
	if e := s.queuedOf(st.Name); e != nil {
		l, word := entryLook(e, g)
		add(l.glyph, joined(word, e.held), l.role)
	}
	l := stageLook(st.State, g)
	if st.Reason != "" || s.shown == "" {
		add(l.glyph, joined(string(st.State), reasonOf(st)), l.role)
	}
	if st.Hint != "" {
		add(g.Arrow, st.Hint, theme.Info)
	}
	if s.shown != "" {
		return rows
	}
	add("", st.Title, theme.Text)
	if len(st.Needs) > 0 {
		add("", "after "+strings.Join(st.Needs, ", "), theme.Muted)
	}
	usual := "no estimate"
	if st.Estimate != nil {
		usual = "takes about " + widget.Took(time.Duration(st.Estimate.MS)*time.Millisecond)
	}
	add("", usual, theme.Muted)
	return rows
}

// joined is "word: text", or what of both there is.
func joined(word, text string) string {
	if text == "" {
		return word
	}
	return word + ": " + text
}

// drawTold draws what is said of a stage and gives the rows below it. Where a job is shown too,
// the last row is the job's.
func (s *Screen) drawTold(a canvas.Area, f screen.Frame) (rest canvas.Rect) {
	w, h := a.Size()
	rows := s.stageTold(s.subjectStage(), f.Theme.Glyphs, w)
	room := h
	if s.shown != "" {
		room = max(h-1, 0)
	}
	n := min(len(rows), room)
	for y, row := range rows[:n] {
		style := f.Theme.Style(row.role)
		a.Put(0, y, row.sign, style)
		text := row.text
		if y == n-1 && n < len(rows) {
			text += f.Theme.Glyphs.Ellipsis
		}
		a.PutIn(2, y, w-2, text, style)
	}
	_, rest = canvas.Rect{W: w, H: h}.Top(n)
	return rest
}
