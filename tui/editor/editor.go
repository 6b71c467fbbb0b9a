// Package editor is a text buffer with undo and the editor widget over it, for files such
// as manifests, scripts, unit files. It knows nothing of nosa and does no I/O: the owner
// reads and writes files, asks for completions and makes commands of the methods.
//
// In short:
//
//	New(name, text)                    the name chooses the language; Name, Language
//	Key, Mouse, Draw                   all take what they need; times are the caller's. The area of
//	                                   Draw and the Mouse share their origin
//	Text, Bytes, Lines, Line, Revision the text now; Text is made once a revision
//	Snapshot                           the text for another goroutine
//	Modified, MarkSaved, MarkSavedAs   compared by content with what is on disk
//	Reload                             theirs replaces mine; can be undone
//	Undo, Redo, CanUndo, CanRedo
//	Selected, SelectAll, Select, DeleteSelection, Insert   cut, copy, paste
//	Edit                               a replaced range: fixes
//	ToggleComment, Indent, Outdent, MoveLines, DuplicateLines, DeleteLines, JoinLines
//	Find, EndFind, Next, Prev, Replace, ReplaceAll, Matches
//	SetMarks, Marks, MarkAt, NextMark; SetChanges          gutter and underlines; they move with edits
//	Context, SetCompletions, Completing, CancelCompletions
//	Position, GoTo, ScrollTo, State, SetState
//	Settling                           another Draw has more colours
//
// Lines and columns of the API count from 1, columns in characters (a byte that is not
// UTF-8 is one); inside they are bytes from 0. All methods are for one goroutine.
//
// Keys are as in nano and Visual Studio Code, without modes; ctrl+a and ctrl+e are the ends of
// the line, as in a shell. Key takes motions and what changes text; everything else the
// owner binds to methods.
package editor

import (
	"path"
	"slices"
	"strings"
	"time"
)

// Editor is an editor of one text.
type Editor struct {
	ReadOnly bool // no edit does anything

	name string
	buf  *buffer
	hist history
	now  time.Time

	spot        // cursor and anchor
	want    int // column that vertical motions keep; -1 is that of the cursor
	pending []edit
	rulers  rulers
	keys    map[string]motion
	edits   map[string]func(*Editor)

	top, left        int
	w, h             int // of the text in the last Draw
	gutter           int // columns before the text in the last Draw
	reveal           reveal
	active           bool // in the last Draw
	dragging         drag
	grabFrom, grabTo pos // what was pressed first

	marks   []mark
	changes []lineChange
	find    *finder
	found   [][2]int // room for the matches of a row
	popup   *popup
	colours *colours
}

// reveal says how the next Draw scrolls to the cursor.
type reveal uint8

const (
	stay    reveal = iota // not at all
	nearest               // as little as needed
	centre                // to the middle, if it was outside
)

// New makes an editor of a text. The file's name, with or without a path, chooses the language.
func New(name string, text []byte) *Editor {
	return &Editor{
		name: name, buf: newBuffer(string(text)), want: -1, h: 20, w: 80,
		rulers: rulers{}, keys: motions(), edits: editKeys(), colours: newColours(path.Base(name), string(text[:min(len(text), 256)])),
	}
}

// Name is the name that New was given.
func (e *Editor) Name() string { return e.name }

// Text is the whole text, with the line ends of the file.
func (e *Editor) Text() string { return e.buf.string() }

// Bytes is the whole text, as it is to be written.
func (e *Editor) Bytes() []byte { return []byte(e.buf.string()) }

// Snapshot is a text as it was. Its methods are for any goroutine.
type Snapshot struct {
	Revision uint64
	lines    []string
	eol      string
}

// Snapshot gives the text as it is now, at the cost of a slice of its lines: where the whole text is
// only needed elsewhere, as to validate or save it.
func (e *Editor) Snapshot() Snapshot {
	return Snapshot{e.buf.rev, slices.Clone(e.buf.lines), e.buf.eol}
}

// Text is the whole text.
func (s Snapshot) Text() string { return strings.Join(s.lines, s.eol) }

// Lines is how many lines there are, an empty one after the last line end being one.
func (e *Editor) Lines() int { return len(e.buf.lines) }

// Line is the text of a line, from 1; "" where there is none.
func (e *Editor) Line(n int) string {
	if n < 1 || n > len(e.buf.lines) {
		return ""
	}
	return e.buf.lines[n-1]
}

// CRLF says if the lines end in CR and LF.
func (e *Editor) CRLF() bool { return e.buf.eol == "\r\n" }

// Revision changes with every change of the text.
func (e *Editor) Revision() uint64 { return e.buf.rev }

// Modified says if the text differs from what was saved.
func (e *Editor) Modified() bool { return e.buf.modified() }

// MarkSaved says that the text as it is now is on disk.
func (e *Editor) MarkSaved() {
	e.buf.markSaved()
	e.hist.open = false
}

// MarkSavedAs says what is on disk, where the text may have gone on since.
func (e *Editor) MarkSavedAs(text []byte) {
	e.buf.markSavedAs(string(text))
	e.hist.open = false
}

// Reload takes the text that is on disk in place of the one here, as one step to undo.
func (e *Editor) Reload(text []byte) {
	readOnly := e.ReadOnly
	e.ReadOnly = false
	e.setText(string(text))
	e.ReadOnly = readOnly
	e.buf.markSavedAs(string(text))
}

// setText replaces what differs.
func (e *Editor) setText(text string) {
	lines, eol := splitLines(text)
	old := e.buf.lines
	head := 0
	for head < min(len(old), len(lines)) && old[head] == lines[head] {
		head++
	}
	tail := 0
	for tail < min(len(old), len(lines))-head && old[len(old)-1-tail] == lines[len(lines)-1-tail] {
		tail++
	}
	line := e.cursor.line
	e.step(single, func() {
		e.buf.setEOL(eol)
		e.swapLines(head, len(old)-tail, slices.Clone(lines[head:len(lines)-tail]))
		if line >= len(old)-tail {
			line += len(lines) - len(old)
		}
		e.moveTo(e.snap(pos{line, e.cursor.byte}))
	})
}

// step does edits that are undone together. It says if anything was changed.
func (e *Editor) step(k kind, do func()) bool {
	if e.ReadOnly {
		return false
	}
	before, eol := e.spot, e.buf.eol
	join := e.hist.joins(k, before, e.now)
	e.pending = e.pending[:0]
	do()
	e.reveal, e.want = nearest, -1
	if len(e.pending) == 0 && eol == e.buf.eol {
		return false
	}
	if !join {
		e.hist.push(group{before: before, eol: eol, kind: k})
	}
	e.cursor, e.anchor = e.snapAfter(e.cursor), e.snapAfter(e.anchor)
	g := e.hist.top()
	cost := g.cost
	for _, ed := range e.pending {
		g.grow(ed)
	}
	g.after, g.eolAfter, g.last = e.spot, e.buf.eol, e.now
	e.hist.open = k != single
	e.hist.size += g.cost - cost
	e.hist.trim()
	e.afterEdit()
	return true
}

// swap replaces a text within a step and gives the end of the new one.
func (e *Editor) swap(from, to pos, text string) pos {
	if from == to && text == "" {
		return from
	}
	e.pending = append(e.pending, edit{from, e.buf.between(from, to, "\n"), text})
	return e.apply(from, to, text)
}

// apply replaces a text and moves what is attached to lines.
func (e *Editor) apply(from, to pos, text string) pos {
	c := e.buf.replace(from, to, text)
	e.dragging = none // what was pressed is somewhere else now
	e.shiftMarks(c)
	e.shiftChanges(c)
	e.find.shift(c, e.buf.lines)
	e.colours.shift(c, e.buf.lines)
	return c.end
}

// Undo takes back the last step and gives the cursor its place from before; false: there is none.
func (e *Editor) Undo() bool {
	n := len(e.hist.undo)
	if n == 0 || e.ReadOnly {
		return false
	}
	g := e.hist.undo[n-1]
	e.hist.undo, e.hist.redo = e.hist.undo[:n-1], append(e.hist.redo, g)
	e.hist.size -= g.cost
	for _, ed := range slices.Backward(g.edits) {
		e.apply(ed.at, advance(ed.at, ed.added), ed.removed)
	}
	e.restore(g.eol, g.before)
	return true
}

// Redo does again what Undo took back; false: there is nothing.
func (e *Editor) Redo() bool {
	n := len(e.hist.redo)
	if n == 0 || e.ReadOnly {
		return false
	}
	g := e.hist.redo[n-1]
	e.hist.redo, e.hist.undo = e.hist.redo[:n-1], append(e.hist.undo, g)
	e.hist.size += g.cost
	for _, ed := range g.edits {
		e.apply(ed.at, advance(ed.at, ed.removed), ed.added)
	}
	e.restore(g.eolAfter, g.after)
	return true
}

// CanUndo says if there is something to undo.
func (e *Editor) CanUndo() bool { return len(e.hist.undo) > 0 && !e.ReadOnly }

// CanRedo says if there is something to do again.
func (e *Editor) CanRedo() bool { return len(e.hist.redo) > 0 && !e.ReadOnly }

func (e *Editor) restore(eol string, s spot) {
	e.buf.setEOL(eol)
	e.spot = s
	e.hist.open = false
	e.want, e.reveal = -1, centre
	e.popup = nil
}
