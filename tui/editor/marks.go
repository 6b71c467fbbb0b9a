package editor

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Severity is how much a mark matters.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Info    Severity = "info"
)

func (s Severity) rank() int { return slices.Index([]Severity{Error, Warning, Info}, s) }

// Mark is something said of a place in the text.
type Mark struct {
	Line     int // from 1
	Column   int // from 1; 0: the whole line
	Length   int // characters; 0: the word there
	Severity Severity
	Text     string
}

// mark is a Mark with the place to which edits have moved it.
type mark struct {
	Mark
	from, to pos
}

// SetMarks takes the place of all marks.
func (e *Editor) SetMarks(marks []Mark) {
	e.marks = make([]mark, 0, len(marks))
	for _, m := range marks {
		from, to := e.span(m)
		e.marks = append(e.marks, mark{m, from, to})
	}
	slices.SortStableFunc(e.marks, func(a, b mark) int {
		return cmp.Or(cmp.Compare(a.from.line, b.from.line), cmp.Compare(a.Severity.rank(), b.Severity.rank()), cmp.Compare(a.from.byte, b.from.byte))
	})
}

// span is what a mark is about.
func (e *Editor) span(m Mark) (from, to pos) {
	from = e.buf.inner(m.Line, max(m.Column, 1))
	line := e.buf.lines[from.line]
	switch {
	case m.Column < 1:
		return pos{from.line, len(indentOf(line))}, pos{from.line, len(line)}
	case m.Length > 0:
		return from, e.buf.inner(m.Line, m.Column+m.Length)
	}
	if from.byte == len(line) {
		return from, from
	}
	_, first := utf8.DecodeRuneInString(line[from.byte:])
	end := from.byte + first
	for i, r := range line[from.byte:] {
		if unicode.IsSpace(r) || i > 0 && strings.ContainsRune(",:]}", r) {
			break
		}
		_, n := utf8.DecodeRuneInString(line[from.byte+i:])
		end = max(end, from.byte+i+n)
	}
	return from, pos{from.line, end}
}

func (e *Editor) shiftMarks(c change) {
	for i := range e.marks {
		m := &e.marks[i]
		if m.to.before(c.from) {
			continue
		}
		m.from, m.to = c.pushedStart(m.from), c.moved(m.to)
		if m.to.before(m.from) {
			m.to = m.from
		}
	}
}

// pushedStart is as moved, but what begins where a text was inserted goes behind it.
func (c change) pushedStart(p pos) pos {
	if p == c.from && c.from == c.to {
		return c.end
	}
	return c.moved(p)
}

// marksOf are the marks of a line from 0, the worst first.
func (e *Editor) marksOf(line int) []mark {
	first, _ := slices.BinarySearchFunc(e.marks, line, func(m mark, l int) int { return cmp.Compare(m.from.line, l) })
	end := first
	for end < len(e.marks) && e.marks[end].from.line == line {
		end++
	}
	return e.marks[first:end]
}

func (e *Editor) outerMark(m mark) Mark {
	out := m.Mark
	line, column := e.buf.outer(e.buf.clamp(m.from))
	out.Line = line
	if out.Column > 0 {
		out.Column = column
	}
	return out
}

// Marks gives all marks in the order of their lines, at their present places.
func (e *Editor) Marks() []Mark {
	out := make([]Mark, 0, len(e.marks))
	for _, m := range e.marks {
		out = append(out, e.outerMark(m))
	}
	return out
}

// MarkAt is the worst mark of a line, from 1; on the line of the cursor one that the cursor is in
// comes first.
func (e *Editor) MarkAt(line int) (m Mark, ok bool) {
	marks := e.marksOf(line - 1)
	if len(marks) == 0 {
		return Mark{}, false
	}
	for _, m := range marks {
		if e.cursor.line == line-1 && !e.cursor.before(m.from) && !m.to.before(e.cursor) {
			return e.outerMark(m), true
		}
	}
	return e.outerMark(marks[0]), true
}

// NextMark puts the cursor on the mark that is n marks further (back when n is negative), around the
// end of the text, and gives it.
func (e *Editor) NextMark(n int) (m Mark, ok bool) {
	if len(e.marks) == 0 || n == 0 {
		return Mark{}, false
	}
	at := slices.Clone(e.marks)
	slices.SortStableFunc(at, func(a, b mark) int { return a.from.compare(b.from) })
	i, here := slices.BinarySearchFunc(at, e.cursor, func(m mark, p pos) int { return m.from.compare(p) })
	for n < 0 && i > 0 && here && at[i-1].from == e.cursor {
		i--
	}
	for n > 0 && here && i+1 < len(at) && at[i+1].from == e.cursor {
		i++
	}
	if n > 0 && !here {
		i--
	}
	i = ((i+n)%len(at) + len(at)) % len(at)
	out := e.outerMark(at[i])
	e.moveTo(e.snap(at[i].from))
	e.reveal, e.hist.open, e.popup = centre, false, nil
	return out, true
}

func (p pos) compare(q pos) int {
	return cmp.Or(cmp.Compare(p.line, q.line), cmp.Compare(p.byte, q.byte))
}

// Change is how a line differs from what was committed.
type Change string

// The changes.
const (
	Added   Change = "+"
	Changed Change = "~"
	Removed Change = "-" // lines before it were deleted
)

type lineChange struct {
	line int
	Change
}

// SetChanges sets the signs beside the line numbers, by line from 1; nil takes them away.
func (e *Editor) SetChanges(changes map[int]Change) {
	e.changes = make([]lineChange, 0, len(changes))
	for l, c := range changes {
		e.changes = append(e.changes, lineChange{l - 1, c})
	}
	slices.SortFunc(e.changes, func(a, b lineChange) int { return cmp.Compare(a.line, b.line) })
}

func (e *Editor) shiftChanges(c change) {
	if c.removed == c.added {
		return
	}
	starts := c.from.byte == 0 && c.to.byte == 0 // whole lines: the last of the removed ones stays
	keep := c.first
	if starts {
		keep = c.to.line
	}
	e.changes = slices.DeleteFunc(e.changes, func(l lineChange) bool {
		return l.line >= c.first && l.line < c.first+c.removed && l.line != keep
	})
	for i := range e.changes {
		switch l := &e.changes[i]; {
		case l.line >= c.first+c.removed:
			l.line += c.added - c.removed
		case l.line == keep && starts:
			l.line = c.end.line
		}
	}
}

func (e *Editor) changeOf(line int) Change {
	i, ok := slices.BinarySearchFunc(e.changes, line, func(c lineChange, l int) int { return cmp.Compare(c.line, l) })
	if !ok {
		return ""
	}
	return e.changes[i].Change
}
