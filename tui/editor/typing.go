package editor

import (
	"strings"
	"time"

	"github.com/nestos/nosa/tui/term"
)

// Key takes a key that was pressed at a time. It is false for keys that mean nothing here.
func (e *Editor) Key(k term.Key, now time.Time) (handled bool) {
	e.now = now
	if e.Completing() && e.popupKey(k.Name) {
		return true
	}
	if m, ok := e.keys[k.Name]; ok {
		e.move(k.Name, m, none)
		return true
	}
	if name := strings.Replace(k.Name, "shift+", "", 1); name != k.Name {
		if m, ok := e.keys[name]; ok {
			e.move(name, m, chars)
			return true
		}
	}
	if do, ok := e.edits[k.Name]; ok {
		do(e)
		return true
	}
	switch {
	case k.Name == term.Paste:
		e.Insert(k.Text)
	case k.Name == "esc":
		return e.escape()
	case k.Text != "":
		e.typed(k.Text)
	default:
		return false
	}
	return true
}

// editKeys are the keys that change text.
func editKeys() map[string]func(*Editor) {
	wordBack := func(e *Editor) { e.erase(single, (*Editor).wordBefore) }
	return map[string]func(*Editor){
		"enter":          (*Editor).newLine,
		"backspace":      (*Editor).backspace,
		"shift+enter":    (*Editor).newLine,
		"ctrl+h":         (*Editor).backspace,
		"delete":         func(e *Editor) { e.erase(cutting, (*Editor).after) },
		"ctrl+w":         wordBack,
		"ctrl+backspace": wordBack,
		"alt+backspace":  wordBack,
		"ctrl+delete":    func(e *Editor) { e.erase(single, (*Editor).wordAfter) },
		"alt+d":          func(e *Editor) { e.erase(single, (*Editor).wordAfter) },
		"ctrl+k":         (*Editor).killLine,
		"tab":            (*Editor).tabKey,
		"shift+tab":      (*Editor).Outdent,
	}
}

func (e *Editor) escape() bool {
	if e.cursor != e.anchor {
		e.anchor = e.cursor
		return true
	}
	return false
}

// Selected is the selected text with "\n" between lines; "" when nothing is selected.
func (e *Editor) Selected() string {
	from, to := e.selected()
	return e.buf.between(from, to, "\n")
}

// SelectAll selects the whole text.
func (e *Editor) SelectAll() { e.anchor, e.cursor, e.want = pos{}, e.buf.end(), -1 }

// Range is a part of the text: lines and columns from 1, the end not in it.
type Range struct{ Line, Column, EndLine, EndColumn int }

func (e *Editor) inner(r Range) (from, to pos) {
	from, to = e.buf.inner(r.Line, r.Column), e.buf.inner(r.EndLine, r.EndColumn)
	if to.before(from) {
		return to, from
	}
	return from, to
}

// Select selects a range and shows it; the cursor is at its end.
func (e *Editor) Select(r Range) {
	from, to := e.inner(r)
	e.moveTo(e.snap(to))
	e.anchor = e.snap(from)
	e.reveal = centre
	e.hist.open = false
}

// Edit replaces a range as one step to undo; the cursor goes after the new text.
func (e *Editor) Edit(r Range, text string) {
	from, to := e.inner(r)
	e.step(single, func() { e.moveTo(e.swap(from, to, lines(text))) })
}

// lines is a text from elsewhere with "\n" as the only line end.
func lines(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// Insert puts a text in place of the selection, or at the cursor, as one step to undo.
func (e *Editor) Insert(text string) {
	e.step(single, func() { e.put(lines(text)) })
}

// DeleteSelection deletes what is selected.
func (e *Editor) DeleteSelection() {
	e.step(single, func() { e.put("") })
}

// put replaces the selection within a step.
func (e *Editor) put(text string) {
	from, to := e.selected()
	e.moveTo(e.swap(from, to, text))
}

func (e *Editor) typed(text string) {
	e.step(typing, func() { e.put(lines(text)) })
	e.popupTyped()
}

// erase deletes the selection, or from the cursor to where a motion leads.
func (e *Editor) erase(k kind, to func(e *Editor, p pos) pos) {
	if e.cursor != e.anchor {
		e.DeleteSelection()
		return
	}
	e.step(k, func() {
		p := to(e, e.cursor)
		if p.before(e.cursor) {
			e.swap(p, e.cursor, "")
			e.moveTo(p)
			return
		}
		e.swap(e.cursor, p, "")
	})
	e.popupTyped()
}

// backspace deletes the character before; among the blanks that a line begins with, one step of
// the indent.
func (e *Editor) backspace() {
	e.erase(erasing, func(e *Editor, p pos) pos {
		text := e.buf.lines[p.line][:p.byte]
		unit := e.indentUnit()
		if p.byte > 1 && unit != "\t" && strings.Trim(text, " ") == "" {
			return e.snap(pos{p.line, (p.byte - 1) / len(unit) * len(unit)})
		}
		return e.before(p)
	})
}

// killLine deletes to the end of the line; at the end the line end.
func (e *Editor) killLine() {
	e.anchor = e.cursor
	e.erase(single, func(e *Editor, p pos) pos {
		if end := e.lineEnd(p); end != p {
			return end
		}
		return e.after(p)
	})
}

func (e *Editor) newLine() {
	e.step(single, func() {
		from, to := e.selected()
		before, after := e.buf.lines[from.line][:from.byte], e.buf.lines[to.line][to.byte:]
		base := indentOf(before)
		text := "\n" + e.indentAfter(before)
		if closes(before, after) {
			p := e.swap(from, to, text)
			e.swap(p, p, "\n"+base)
			e.moveTo(p)
			return
		}
		if n := len(indentOf(after)); n > 0 && strings.TrimSpace(before) != "" {
			to.byte += n
		}
		e.moveTo(e.swap(from, to, text))
	})
}

func (e *Editor) tabKey() {
	if from, to := e.selected(); from.line != to.line {
		e.Indent()
		return
	}
	e.step(typing, func() {
		unit := e.indentUnit()
		if unit != "\t" {
			from, _ := e.selected()
			unit = unit[e.column(from)%len(unit):]
		}
		e.put(unit)
	})
}

// afterEdit follows each step.
func (e *Editor) afterEdit() {
	if e.popup != nil && e.cursor.line != e.popup.from.line {
		e.popup = nil
	}
}
