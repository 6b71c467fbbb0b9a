package builds

import (
	"strings"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/widget"
)

// Handle implements screen.Screen.
func (s *Screen) Handle(e screen.Event) []screen.Effect {
	switch e := e.(type) {
	case feed.Builds:
		s.take(e)
		return s.askStages()
	case feed.Jobs:
		s.takeHistory(e.History)
	case stagesRead:
		s.takeStages(e)
	case compared:
		return s.handleCompared(e)
	case planned:
		return s.handlePlanned(e)
	case textRead:
		return s.handleText(e)
	case screen.Answer:
		return s.answered(e)
	case screen.Picked:
		return s.picked(e)
	}
	effects, _ := s.content.log.Handle(e)
	return effects
}

// take shows other builds: cursor, marks and folds stay.
func (s *Screen) take(b feed.Builds) {
	rows := newRows(b)
	rows.glyphs, rows.now = s.rows.glyphs, s.rows.now
	rows.wanted, rows.marks = s.rows.wanted, s.rows.marks
	if b.Problem != "" && rows.wanted == "" { // to be found again when it is over
		rows.wanted = s.list.CurrentKey()
	}
	if b.Problem != "" && rows.marks == nil {
		rows.marks = s.list.Marks()
	}
	s.builds, s.rows, s.known = b, rows, true
	s.list.Columns = listColumns(rows.idWidth(), rows.packagesWidth())
	s.list.Empty = []string{"No builds yet.", "b builds one. Stages shows how far it is."}
	if b.Problem != "" {
		s.list.Empty = []string{"The builds cannot be listed:", b.Problem, b.Remedy}
	}
	s.list.SetRows(rows)
	s.restored()
}

// answered takes what the user chose in a dialog.
func (s *Screen) answered(e screen.Answer) []screen.Effect {
	tag, rest, _ := strings.Cut(e.Tag, " ")
	switch {
	case e.Choice == "cancel":
		return nil
	case tag == askTag:
		args := []string{"tag", "update", "--tag", e.Values["name"], "--build", rest}
		if d := e.Values["description"]; d != "" {
			args = append(args, "--description", d)
		}
		return s.quick(rest+" is "+e.Values["name"]+" now", args...)
	case tag == askDelete:
		ids := strings.Fields(strings.TrimSuffix(rest, "--force"))
		s.list.SetMarks(nil)
		return s.quick(strings.Join(ids, ", ")+" deleted; u brings it back for a day", append([]string{"delete"}, strings.Fields(rest)...)...)
	case tag == askPrune:
		return s.previewPrune(pruneArgs(e.Values))
	case tag == askPruneNow && s.content.prune != nil:
		args := s.content.prune.args
		return append(s.closeContent(), s.job(args)...)
	}
	return nil
}

// picked takes what the user chose from a list.
func (s *Screen) picked(e screen.Picked) []screen.Effect {
	tag, build, _ := strings.Cut(e.Tag, " ")
	switch tag {
	case pickCopy:
		what, text, _ := strings.Cut(e.ID, "\x00")
		return []screen.Effect{screen.Copy{Text: text, What: "the " + what}}
	case pickMake:
		return s.job(s.images.command(e.ID, build))
	case pickTag:
		s.list.SetFilter(e.ID)
		s.focus = paneList
		s.selected()
	case pickUntag:
		return s.quick("the tag "+e.ID+" is gone", "tag", "delete", "--tag", e.ID)
	}
	return nil
}

// Key implements screen.Screen.
func (s *Screen) Key(k term.Key) []screen.Effect {
	if k.Name == "esc" && !s.Typing() {
		if s.focus == paneLog && s.content.log.View().Escape() {
			return []screen.Effect{}
		}
		return s.leave()
	}
	done := false
	switch s.focus {
	case paneList:
		s.rows.wanted = ""
		done = s.list.Key(k) != widget.Ignored
		s.selected()
	case paneDetail:
		done = s.detail.key(k)
	case paneContent:
		done = s.content.outline.key(k)
	case paneLog:
		return s.content.log.OnKey(k)
	}
	if !done {
		return nil
	}
	return []screen.Effect{}
}

// leave is esc: the innermost thing goes; nil when there was nothing.
func (s *Screen) leave() []screen.Effect {
	t := s.focused()
	switch {
	case t.Filter() != "":
		t.SetFilter("")
		switch s.focus {
		case paneDetail:
			s.detail.arrange()
		case paneContent:
			s.content.outline.arrange()
		}
		s.selected()
	case s.content.open() && s.focus != paneDetail:
		return s.closeContent()
	case s.focus != paneList:
		s.focus = paneList
	case s.zoomed:
		s.zoomed = false
	case len(s.list.Marks()) > 0:
		s.list.SetMarks(nil)
	case s.content.open():
		return s.closeContent()
	default:
		return nil
	}
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
		case paneList:
			s.rows.wanted = ""
			done := s.list.Mouse(in)
			s.selected()
			if done == widget.Opened {
				return s.open()
			}
		case paneDetail:
			return s.pressed(&s.detail, in)
		case paneContent:
			return s.pressed(&s.content.outline, in)
		case paneLog:
			s.content.log.View().Mouse(in)
		}
	}
	return nil
}

// pressed is a mouse event in an outline: a click on a heading folds it.
func (s *Screen) pressed(o *outline, m term.Mouse) []screen.Effect {
	done := o.table.Mouse(m)
	l, ok := o.current()
	switch {
	case !ok || m.Kind != term.Press || done == widget.Ignored:
	case done == widget.Opened:
		if !l.heading {
			return s.open()
		}
	case l.heading && m.X < 6:
		o.toggle()
	}
	return nil
}
