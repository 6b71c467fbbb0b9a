package source

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/nestos/nosa/tui/editor"
	"github.com/nestos/nosa/tui/screen"
)

// Tags of the dialogs; what follows the blank is the path.
const (
	tagConflict = "source.conflict "
	tagSwap     = "source.swap "
)

// difference is shown in place of the editor, read only.
type difference struct {
	title string
	ed    *editor.Editor
	then  []screen.Effect // when it is left
}

// conflict notes that a file is not as it was, while its text here is unsaved.
func (s *Screen) conflict(d *document, c *conflictError) {
	if c.gone {
		d.absent, d.theirs = true, nil
		d.ed.MarkSavedAs(nil)
		return
	}
	text := c.theirs
	d.theirs, d.absent = &text, false
}

// askConflict asks what is to become of it.
func (s *Screen) askConflict(d *document) []screen.Effect {
	if d.absent {
		return []screen.Effect{screen.Ask{
			Tag: tagConflict + d.path, Title: "Deleted on disk",
			Text:    []string{d.path + " was deleted on disk since it was read. Your text is only here."},
			Choices: []screen.Choice{{ID: "again", Title: "Save it again", Key: "s"}, {ID: "leave", Title: "Go on editing", Key: "g"}},
		}}
	}
	text := d.path + " changed on disk since it was read, and your text is not saved. Keep mine saves your text over theirs. "
	choices := []screen.Choice{
		{ID: "mine", Title: "Keep mine", Key: "m"},
		{ID: "theirs", Title: "Take theirs", Key: "t"},
		{ID: "difference", Title: "Show difference", Key: "d"},
		{ID: "leave", Title: "Go on", Key: "g"},
	}
	if d.mergeable() {
		text += "Merge puts both changes into your text. After Merge and Take theirs undo brings yours back."
		choices = slices.Insert(choices, 0, screen.Choice{ID: "merge", Title: "Merge", Key: "e"})
	} else {
		text += "After Take theirs undo brings yours back."
	}
	return []screen.Effect{screen.Ask{Tag: tagConflict + d.path, Title: "Changed on disk", Text: []string{text}, Choices: choices}}
}

// answered takes the answers of this screen's dialogs.
func (s *Screen) answered(a screen.Answer) []screen.Effect {
	if path, ok := strings.CutPrefix(a.Tag, tagConflict); ok {
		if d := s.docs[path]; d != nil {
			return s.resolve(d, a.Choice)
		}
		return nil
	}
	if path, ok := strings.CutPrefix(a.Tag, tagMarkers); ok {
		if d := s.docs[path]; d != nil {
			return s.answerMarkers(d, a.Choice)
		}
		return nil
	}
	if path, ok := strings.CutPrefix(a.Tag, tagSwap); ok {
		return s.answerSwap(path, a.Choice)
	}
	return s.answeredFiles(a)
}

// resolve ends a conflict as the user has chosen.
func (s *Screen) resolve(d *document, choice string) []screen.Effect {
	switch choice {
	case "again":
		return s.save(d)
	case "mine":
		if d.theirs == nil {
			return nil
		}
		d.base, d.theirs = *d.theirs, nil
		d.ed.MarkSavedAs(d.base)
		return s.save(d)
	case "merge":
		if d.mergeable() {
			return s.merge(d)
		}
	case "theirs":
		if d.theirs != nil {
			return append(s.take(d, *d.theirs), screen.Notice{Text: "took what is on disk; undo brings your text back"})
		}
	case "difference":
		if d.theirs != nil {
			s.showDifference(d.path+": on disk "+s.glyphs.Arrow+" mine", string(*d.theirs), d.ed.Text())
			s.at = d.path
			s.diff.then = s.askConflict(d)
		}
	}
	return nil
}

// showDifference shows what has to be done to the one text to get the other.
func (s *Screen) showDifference(title, before, after string) {
	text := udiff.Unified("on disk", "here", before, after)
	if text == "" {
		text = "There is no difference.\n"
	}
	s.diff = &difference{title: title, ed: editor.New("difference.diff", []byte(text))}
	s.diff.ed.ReadOnly = true
	s.SetFocus(paneEditor)
	s.leaveTyping()
	s.sideOpen = false
}

// leaveDifference goes back to what was shown before.
func (s *Screen) leaveDifference() []screen.Effect {
	then := s.diff.then
	s.diff = nil
	return then
}

// swapsFound are texts that earlier sessions have left.
type swapsFound struct{ swaps []swap }

// offerSwap asks for the first text that was left.
func (s *Screen) offerSwap() []screen.Effect {
	if len(s.swaps) == 0 {
		return nil
	}
	left := s.swaps[0]
	who := ""
	if left.User != "" {
		who = " by " + left.User
	}
	return []screen.Effect{screen.Ask{
		Tag: tagSwap + left.Path, Title: "Unsaved text was left",
		Text: []string{fmt.Sprintf("%s was being edited%s and not saved when the workbench ended (%s).",
			left.Path, who, left.Time.Local().Format("Jan 2 15:04"))},
		Choices: []screen.Choice{
			{ID: "restore", Title: "Restore", Key: "r"},
			{ID: "difference", Title: "Show difference", Key: "d"},
			{ID: "discard", Title: "Discard", Key: "x"},
			{ID: "later", Title: "Later", Key: "l"},
		},
	}}
}
