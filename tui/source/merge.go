package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/tui/editor"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace/proc"
)

// tagMarkers is the dialog that asks before marks of conflicts are saved; the path follows.
const tagMarkers = "source.markers "

// The lines by which git marks two texts of one place (git-merge-file(1)).
const (
	markMine   = "<<<<<<< "
	markOr     = "======="
	markTheirs = ">>>>>>> "
)

// merging is what is needed to join the text here with the one on disk, as both come from the one that was read.
type merging struct {
	path         string
	mine         editor.Snapshot
	base, theirs []byte
}

// merged is how that went.
type merged struct {
	merging
	text []byte // with marks where both have changed the same place
	err  error
}

// mergeable says if it is known what both texts come from.
func (d *document) mergeable() bool { return d.theirs != nil && !bytes.Equal(*d.theirs, d.base) }

// merge joins the text of a document with what is on disk.
func (s *Screen) merge(d *document) []screen.Effect {
	m := merging{d.path, d.ed.Snapshot(), d.base, *d.theirs}
	return []screen.Effect{screen.Work{Key: "source.merge " + d.path, Do: func(ctx context.Context) screen.Event {
		text, err := m.join(ctx)
		return merged{m, text, err}
	}}}
}

// gitFailed is the least status of git merge-file that is no number of conflicts (git-merge-file(1)).
const gitFailed = 128

// join has git merge the three texts.
func (m merging) join(ctx context.Context) ([]byte, error) {
	dir, err := os.MkdirTemp("", "nosa-merge-")
	if err != nil {
		return nil, fmt.Errorf("merging %s: %w", m.path, err)
	}
	defer os.RemoveAll(dir)
	for name, text := range map[string][]byte{"mine": []byte(m.mine.Text()), "base": m.base, "theirs": m.theirs} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, fmt.Errorf("merging %s: %w", m.path, err)
		}
	}
	out, err := proc.Output(ctx, proc.Cmd{
		Args: []string{
			"git", "-c", "merge.conflictStyle=merge", "merge-file", "-p", "-q", "-L", "mine", "-L", "what was read", "-L", "theirs",
			"mine", "base", "theirs",
		},
		Dir: dir,
		Env: []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_CEILING_DIRECTORIES=" + filepath.Dir(dir)},
	})
	if exit, ok := errors.AsType[*proc.ExitError](err); ok && exit.Code > 0 && exit.Code < gitFailed {
		err = nil // so many conflicts
	}
	if err != nil {
		return nil, fmt.Errorf("merging %s: %w", m.path, err)
	}
	return out, nil
}

// merged takes the joined text; undo brings the one of before back.
func (s *Screen) merged(e merged) []screen.Effect {
	d := s.docs[e.path]
	switch {
	case d == nil || !d.mergeable():
		return nil
	case e.err != nil:
		return []screen.Effect{screen.Notice{Level: screen.Bad, Text: e.err.Error()}}
	case d.ed.Revision() != e.mine.Revision || !bytes.Equal(*d.theirs, e.theirs) || !bytes.Equal(d.base, e.base):
		return s.merge(d) // one of them has gone on
	}
	d.base, d.theirs, d.marked = e.theirs, nil, true
	d.ed.Reload(e.text)
	d.ed.MarkSavedAs(d.base)
	effects := append(s.show(d.path, nil), s.textChanged(d, 0)...)
	s.markDocument(d)
	effects = append(effects, s.validateAll(fullDelay)...)
	s.SetFocus(paneEditor)
	s.leaveTyping()
	if d.conflicts == 0 {
		return append(effects, screen.Notice{Level: screen.Good, Text: "merged with what is on disk; undo brings your text back"})
	}
	d.ed.GoTo(d.conflictLines()[0], 1)
	return append(effects, screen.Notice{
		Level: screen.Warn, Text: count(d.conflicts, "place") + " where both have changed the same: both texts are marked, ] goes to the next",
	})
}

// conflictLines gives the first line of each place where two texts are marked.
func (d *document) conflictLines() []int {
	var lines []int
	begun, halfway := 0, false
	for n := 1; n <= d.ed.Lines(); n++ {
		switch line := d.ed.Line(n); {
		case strings.HasPrefix(line, markMine):
			begun, halfway = n, false
		case line == markOr:
			halfway = begun > 0
		case strings.HasPrefix(line, markTheirs) && halfway:
			lines = append(lines, begun)
			begun, halfway = 0, false
		}
	}
	return lines
}

// countConflicts counts the marked places anew, in a text in which there were any.
func (d *document) countConflicts() {
	if d.marked || d.conflicts > 0 {
		d.conflicts = len(d.conflictLines())
	}
}

// nextConflict goes to the next marked place, from the last to the first; n is -1 for the previous one.
func (s *Screen) nextConflict(n int) []screen.Effect {
	d := s.current()
	lines := d.conflictLines()
	if len(lines) == 0 {
		return nil
	}
	here, _ := d.ed.Position()
	to := lines[0]
	if n < 0 {
		to = lines[len(lines)-1]
	}
	for i := range lines {
		switch {
		case n > 0 && lines[i] > here:
			to = lines[i]
		case n < 0 && lines[len(lines)-1-i] < here:
			to = lines[len(lines)-1-i]
		default:
			continue
		}
		break
	}
	s.SetFocus(paneEditor)
	d.ed.GoTo(to, 1)
	return nil
}

// noMarks says why there is no marked place to go to.
func (s *Screen) noMarks() string {
	if d := s.current(); d == nil || d.conflicts == 0 || s.diff != nil {
		return "nothing is marked as a conflict"
	}
	return ""
}

// askMarkers asks before a text is saved in which two texts are marked.
func (s *Screen) askMarkers(d *document, n int) []screen.Effect {
	return []screen.Effect{screen.Ask{
		Tag: tagMarkers + d.path, Title: "Conflicts are left",
		Text: []string{fmt.Sprintf("%s has %s where mine and theirs are both in the text, between %s and %s. nosa cannot read it like that.",
			d.path, count(n, "place"), strings.TrimSpace(markMine), strings.TrimSpace(markTheirs))},
		Choices: []screen.Choice{
			{ID: "go", Title: "Go there", Key: "g"},
			{ID: "save", Title: "Save as it is", Key: "s"},
			{ID: "leave", Title: "Go on", Key: "o"},
		},
	}}
}

// answerMarkers does with such a text what the user wants.
func (s *Screen) answerMarkers(d *document, choice string) []screen.Effect {
	switch choice {
	case "save":
		return s.write(d)
	case "go":
		effects := s.show(d.path, nil)
		d.ed.GoTo(1, 1)
		if lines := d.conflictLines(); len(lines) > 0 {
			d.ed.GoTo(lines[0], 1)
		}
		s.SetFocus(paneEditor)
		s.leaveTyping()
		return effects
	}
	return nil
}
