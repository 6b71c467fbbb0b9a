package source

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/editor"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace/doc"
)

// problemList is what is wrong, the worst first.
type problemList struct {
	all doc.Diagnostics
	at  int // the one that has the cursor
	top int
	h   int // rows in the last Draw
}

// setProblems shows what is wrong. The cursor stays on what it was on.
func (s *Screen) setProblems(found doc.Diagnostics) {
	l := &s.problems
	var was doc.Diagnostic
	if l.at < len(l.all) {
		was = l.all[l.at]
	}
	rank := map[doc.Severity]int{doc.Error: 0, doc.Warning: 1, doc.Info: 2}
	l.all = slices.Clone(found)
	slices.SortStableFunc(l.all, func(a, b doc.Diagnostic) int { return cmp.Compare(rank[a.Severity], rank[b.Severity]) })
	l.at = max(min(l.at, len(l.all)-1), 0)
	if s.focus != paneProblems && len(l.all) > 0 && l.all[0].Severity != was.Severity {
		was, l.at = l.all[0], 0 // what is worse than before is seen at once
	}
	if i := slices.IndexFunc(l.all, func(d doc.Diagnostic) bool {
		return d.Code == was.Code && d.File == was.File && d.Message == was.Message
	}); i >= 0 {
		l.at = i
	}
	for _, d := range s.docs {
		s.markDocument(d)
	}
	s.rebuildTree()
}

// markDocument shows a document's problems beside its lines.
func (s *Screen) markDocument(d *document) {
	var marks []editor.Mark
	for _, p := range s.problems.all {
		if p.File == d.path && p.Line > 0 {
			marks = append(marks, editor.Mark{Line: p.Line, Column: p.Column, Severity: editor.Severity(p.Severity), Text: p.Message})
		}
	}
	d.ed.SetMarks(marks)
}

func (l *problemList) counts() (c counts, infos int) {
	for _, d := range l.all {
		switch d.Severity {
		case doc.Error:
			c.errors++
		case doc.Warning:
			c.warnings++
		default:
			infos++
		}
	}
	return c, infos
}

func (l *problemList) current() (doc.Diagnostic, bool) {
	if l.at >= len(l.all) {
		return doc.Diagnostic{}, false
	}
	return l.all[l.at], true
}

func (l *problemList) move(n int) { l.moveTo(l.at + n) }

func (l *problemList) moveTo(n int) {
	l.at = max(min(n, len(l.all)-1), 0)
	l.reveal()
}

func (l *problemList) reveal() {
	l.top = max(min(l.top, l.at, len(l.all)-l.h), l.at-l.h+1, 0)
}

// motion is a key of the list.
func (l *problemList) motion(name string) bool {
	switch name {
	case "up", "k":
		l.move(-1)
	case "down", "j":
		l.move(1)
	case "ctrl+u":
		l.move(-max(l.h/2, 1))
	case "ctrl+d":
		l.move(max(l.h/2, 1))
	case "pgup", "ctrl+b":
		l.move(-max(l.h, 1))
	case "pgdown", "ctrl+f":
		l.move(max(l.h, 1))
	case "home":
		l.moveTo(0)
	case "end", "G":
		l.moveTo(len(l.all) - 1)
	default:
		return false
	}
	return true
}

// goProblem goes to the place of the problem that has the cursor.
func (s *Screen) goProblem() []screen.Effect {
	p, ok := s.problems.current()
	if !ok {
		return nil
	}
	return s.jump(p.Origin)
}

// nextProblem goes to a problem further down or up, also from within the text.
func (s *Screen) nextProblem(n int) []screen.Effect {
	if len(s.problems.all) == 0 {
		return nil
	}
	if d := s.current(); s.focus == paneEditor && d != nil {
		if m, ok := d.ed.NextMark(n); ok {
			s.problems.choose(d.path, m)
			return nil
		}
	}
	l := &s.problems
	l.moveTo((l.at + n + len(l.all)) % len(l.all))
	focus := s.focus
	effects := s.goProblem()
	if focus == paneProblems {
		s.focus = focus
	}
	return effects
}

// choose puts the cursor on the problem of a mark.
func (l *problemList) choose(path string, m editor.Mark) {
	at := slices.IndexFunc(l.all, func(p doc.Diagnostic) bool { return p.File == path && p.Message == m.Text })
	if at >= 0 {
		l.moveTo(at)
	}
}

// fixable is the problem that the fix is for: in the editor one of the cursor's line.
func (s *Screen) fixable() (doc.Diagnostic, bool) {
	p, ok := s.problems.current()
	if d := s.current(); s.focus == paneEditor && d != nil {
		line, _ := d.ed.Position()
		for _, m := range d.ed.Marks() {
			if m.Line != line {
				continue
			}
			for _, q := range s.problems.all {
				if q.File == d.path && q.Message == m.Text && q.Fix != "" {
					q.Line, q.Column = m.Line, m.Column
					return q, true
				}
			}
		}
	}
	return p, ok && p.Fix != "" && p.Line > 0
}

func (s *Screen) noFix() string {
	p, ok := s.fixable()
	switch {
	case !ok && p.Message == "":
		return "there is no problem"
	case !ok:
		return "nosa knows no fix for this problem"
	}
	return ""
}

// fix puts the text that repairs it in place of the word there; one undo takes it back.
func (s *Screen) fix() []screen.Effect {
	p, ok := s.fixable()
	if !ok {
		return nil
	}
	d := s.docs[p.File]
	if d == nil || !d.loaded {
		effects := s.jump(p.Origin)
		return append(effects, screen.Notice{Text: "opened " + p.File + "; the fix again puts " + p.Fix})
	}
	s.at, s.diff = p.File, nil
	n := wordAt(d.ed.Line(p.Line), p.Column)
	d.ed.Edit(editor.Range{Line: p.Line, Column: p.Column, EndLine: p.Line, EndColumn: p.Column + n}, p.Fix)
	return append(s.textChanged(d, 0), screen.Notice{Level: screen.Good, Text: fmt.Sprintf("%s:%d: now %s", p.File, p.Line, p.Fix)})
}

// wordAt is how many characters the word at a column has, as diagnostics mean it: up
// to a blank, a comma, a bracket or the colon after a key; of quoted text all of it, with
// its quotes.
func wordAt(line string, column int) int {
	r := []rune(line)
	if column < 1 || column > len(r) {
		return 0
	}
	r = r[column-1:]
	if q := r[0]; q == '"' || q == '\'' {
		for i := 1; i < len(r); i++ {
			if r[i] == '\\' && q == '"' {
				i++
			} else if r[i] == q {
				return i + 1
			}
		}
		return len(r)
	}
	for i, c := range r {
		if i > 0 && (strings.ContainsRune(" \t,]}", c) || c == ':' && (i+1 == len(r) || r[i+1] == ' ')) {
			return i
		}
	}
	return len(r)
}

// counts are problems of a file, or of all files in a directory.
type counts struct{ errors, warnings int }

// byPath counts the problems of files and of the directories that they are in.
func (l *problemList) byPath() map[string]counts {
	out := map[string]counts{}
	for _, d := range l.all {
		if d.Severity == doc.Info {
			continue
		}
		for p := d.File; p != "." && p != "/" && p != ""; p = path.Dir(p) {
			c := out[p]
			if d.Severity == doc.Error {
				c.errors++
			} else {
				c.warnings++
			}
			out[p] = c
		}
	}
	return out
}
