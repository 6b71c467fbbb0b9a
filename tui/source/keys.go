package source

import (
	"fmt"

	"github.com/nestos/nosa/tui/editor"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/widget"
)

// Key takes a key that no action has taken.
func (s *Screen) Key(k term.Key) []screen.Effect {
	switch s.focus {
	case paneFiles:
		return s.filesKey(k)
	case paneEditor:
		return s.editorKey(k)
	case paneProblems:
		if k.Name == "esc" {
			s.SetFocus(paneEditor)
			return nil
		}
		if s.sequence(k.Name) {
			s.problems.moveTo(0)
			return nil
		}
		s.problems.motion(k.Name)
	case paneSide:
		return s.sideKey(k)
	}
	return nil
}

// sequence says if g was pressed twice.
func (s *Screen) sequence(name string) bool {
	twice := s.first == 'g' && name == "g"
	s.first = 0
	if name == "g" && !twice {
		s.first = 'g'
	}
	return twice
}

func (s *Screen) filesKey(k term.Key) []screen.Effect {
	expanded := len(s.tree.Expanded())
	if s.tree.Key(k) == widget.Used {
		if expanded != len(s.tree.Expanded()) {
			s.rebuildTree() // a folded directory has the marks of what is in it
		}
		return nil
	}
	if k.Name == "esc" && s.tree.Filter() != "" {
		s.tree.SetFilter("")
	}
	return nil
}

func (s *Screen) editorKey(k term.Key) []screen.Effect {
	if s.find != nil {
		return s.findKey(k)
	}
	if s.diff != nil {
		if k.Name == "esc" || k.Name == "enter" {
			return s.leaveDifference()
		}
		s.diff.ed.Key(s.asMotion(k), s.env.Now())
		return nil
	}
	d := s.current()
	switch {
	case d == nil:
		if k.Name == "esc" {
			s.SetFocus(paneFiles)
		}
		return nil
	case s.typing && s.writing() || k.Name == term.Paste || isErasing(k.Name):
		return s.typedKey(d, k)
	case k.Name == "esc":
		if d.ed.Finding() != "" {
			d.ed.EndFind()
			return nil
		}
		s.SetFocus(paneFiles)
		return nil
	}
	if s.sequence(k.Name) {
		d.ed.GoTo(1, 1)
		return nil
	}
	if m := s.asMotion(k); m.Text == "" && isMotion(m.Name) {
		d.ed.Key(m, s.env.Now())
	}
	return nil
}

// asMotion gives the arrows for the letters that stand for them.
func (s *Screen) asMotion(k term.Key) term.Key {
	if name, ok := map[string]string{
		"h": "left", "j": "down", "k": "up", "l": "right", "G": "ctrl+end", "w": "ctrl+right", "b": "ctrl+left", "0": "home", "$": "end", "space": "pgdown",
	}[k.Name]; ok {
		return term.Key{Name: name}
	}
	return k
}

// isMotion says if a key only moves the cursor of an editor.
func isMotion(name string) bool {
	switch name {
	case "left", "right", "up", "down", "home", "end", "pgup", "pgdown", "ctrl+u", "ctrl+d", "ctrl+f", "ctrl+b", "ctrl+a", "ctrl+e",
		"ctrl+left", "ctrl+right", "ctrl+home", "ctrl+end", "shift+left", "shift+right", "shift+up", "shift+down", "shift+home", "shift+end":
		return true
	}
	return false
}

// isErasing says if a key can only be meant for the text, typed or not.
func isErasing(name string) bool { return name == "delete" || name == "backspace" }

// typedKey is a key while text is typed, or one that begins it.
func (s *Screen) typedKey(d *document, k term.Key) []screen.Effect {
	s.typing = s.typing || isErasing(k.Name)
	if k.Name == "esc" {
		if d.ed.Completing() {
			c := d.ed.Context()
			s.dismissed = [2]int{c.Line, c.Column - len([]rune(c.Word))}
		}
		if !d.ed.Key(k, s.env.Now()) {
			s.typing = false
			return s.keep(d, 0)
		}
		return nil
	}
	d.ed.Key(k, s.env.Now())
	if k.Text != "" && k.Name != term.Paste && d.rev != d.ed.Revision() {
		s.offerTyped(d)
	}
	return s.textChanged(d, quickDelay)
}

// findKey is a key while something to be found is typed.
func (s *Screen) findKey(k term.Key) []screen.Effect {
	ed := s.editing()
	switch {
	case k.Name == "esc":
		s.find = nil
		ed.EndFind()
	case k.Name == "enter":
		s.find = nil
		if _, total, _ := ed.Matches(); total == 0 && ed.Finding() != "" {
			return []screen.Effect{screen.Notice{Level: screen.Warn, Text: "not found: " + ed.Finding()}}
		}
	case k.Name == "down":
		ed.Next()
	case k.Name == "up":
		ed.Prev()
	case s.find.Key(k):
		if err := ed.Find(s.find.Value(), editor.FindOptions{}); err != nil {
			return []screen.Effect{screen.Notice{Level: screen.Warn, Text: err.Error()}}
		}
	}
	return nil
}

func (s *Screen) startFind() []screen.Effect {
	s.SetFocus(paneEditor)
	s.find = widget.NewInput("find: ", s.editing().Finding())
	return nil
}

func (s *Screen) findNext(n int) []screen.Effect {
	ed := s.editing()
	found, wrapped := false, false
	if n > 0 {
		found, wrapped = ed.Next()
	} else {
		found, wrapped = ed.Prev()
	}
	switch {
	case !found:
		return []screen.Effect{screen.Notice{Level: screen.Warn, Text: "not found: " + ed.Finding()}}
	case wrapped:
		return []screen.Effect{screen.Notice{Text: "went on from the other end"}}
	}
	return nil
}

const tagReplace = "source.replace"

func (s *Screen) askReplace() []screen.Effect {
	return []screen.Effect{screen.Ask{
		Tag: tagReplace, Title: "Replace in " + s.at,
		Fields: []screen.Field{
			{Name: "find", Title: "Find", Kind: screen.FieldText, Value: first(s.editing().Finding(), s.editing().Selected())},
			{Name: "with", Title: "Replace by", Kind: screen.FieldText},
			{Name: "regexp", Title: "Regular expression", Kind: screen.FieldBool, Value: "false"},
		},
		Choices: []screen.Choice{{ID: "ok", Title: "Replace all"}, {ID: "leave", Title: "Cancel"}},
	}}
}

func (s *Screen) replaceAll(values map[string]string) []screen.Effect {
	d := s.current()
	if d == nil || values["find"] == "" {
		return nil
	}
	if err := d.ed.Find(values["find"], editor.FindOptions{Regexp: values["regexp"] == "true"}); err != nil {
		return []screen.Effect{screen.Notice{Level: screen.Bad, Text: err.Error()}}
	}
	n := d.ed.ReplaceAll(values["with"])
	return append(s.textChanged(d, 0), screen.Notice{Text: fmt.Sprintf("%s replaced; one undo takes it back", count(n, "place"))})
}

// sideKey is a key of the pane beside the editor.
func (s *Screen) sideKey(k term.Key) []screen.Effect {
	if k.Name == "esc" {
		s.sideOpen = false
		s.SetFocus(paneEditor)
		return nil
	}
	if s.side == sideEffective {
		s.effective.Key(k)
		return nil
	}
	if s.sequence(k.Name) {
		s.sideRow = 0
		return nil
	}
	l := problemList{at: s.sideRow, h: 10, all: make([]diagnostic, len(s.sideLines()))}
	l.motion(k.Name)
	s.sideRow = l.at
	return nil
}
