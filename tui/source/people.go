package source

import (
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace/person"
)

// Shows is what the editor shows, whatever the tree's cursor is on.
func (s *Screen) Shows() screen.Target {
	t := screen.Target{File: s.at}
	if d := s.current(); d != nil && d.loaded {
		t.Line, t.Column = d.ed.Position()
	}
	return t
}

// Unsaved names the files whose text is not saved, relative to the workspace.
func (s *Screen) Unsaved() []string { return s.Dirty() }

// othersHere says who else has the file that is shown before him: "ann edits it", "ann is here".
func (s *Screen) othersHere() string {
	var edit, look []string
	for _, st := range s.others {
		switch {
		case st.Edits(s.at):
			edit = append(edit, st.User)
		case st.File == s.at && st.Screen == string(screen.Source):
			look = append(look, st.User)
		}
	}
	switch {
	case len(edit) == 1:
		return s.glyphs.Dirty + " " + edit[0] + " edits this"
	case len(edit) > 1:
		return s.glyphs.Dirty + " " + strings.Join(edit, ", ") + " edit this"
	case len(look) > 0:
		return "with " + strings.Join(slices.Compact(look), ", ")
	}
	return ""
}

// peopleChanged takes who else is here.
func (s *Screen) peopleChanged(others []person.State) { s.others = others }
