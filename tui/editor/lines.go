package editor

import (
	"slices"
	"strings"
)

// chosen gives the lines of the selection, or that of the cursor: first and after the last. A line
// in which the selection ends before its first character is not one.
func (e *Editor) chosen() (first, end int) {
	from, to := e.selected()
	if to.line > from.line && to.byte == 0 {
		return from.line, to.line
	}
	return from.line, to.line + 1
}

// swapLines replaces whole lines within a step.
func (e *Editor) swapLines(first, end int, lines []string) {
	n := len(e.buf.lines)
	switch {
	case first == end && len(lines) == 0:
	case len(lines) == 0 && end < n: // with their line ends
		e.swap(pos{first, 0}, pos{end, 0}, "")
	case len(lines) == 0 && first > 0: // the last ones: with the line end before them
		e.swap(pos{first - 1, len(e.buf.lines[first-1])}, e.buf.end(), "")
	case first < end:
		e.swap(pos{first, 0}, pos{end - 1, len(e.buf.lines[end-1])}, strings.Join(lines, "\n"))
	case first < n:
		e.swap(pos{first, 0}, pos{first, 0}, strings.Join(lines, "\n")+"\n")
	default:
		e.swap(e.buf.end(), e.buf.end(), "\n"+strings.Join(lines, "\n"))
	}
}

// eachLine changes each of the chosen lines within one step; the selection keeps to its text.
func (e *Editor) eachLine(change func(line string) string) {
	first, end := e.chosen()
	e.step(single, func() {
		cursor, anchor := e.cursor, e.anchor
		for i := first; i < end; i++ {
			old := e.buf.lines[i]
			line := change(old)
			if line == old {
				continue
			}
			same := commonPrefix(old, line)
			tail := 0
			for tail < min(len(old), len(line))-same && old[len(old)-1-tail] == line[len(line)-1-tail] {
				tail++
			}
			c := change1(i, same, len(old)-tail, len(line)-tail)
			cursor, anchor = c.pushed(cursor), c.pushed(anchor)
			e.swap(c.from, c.to, line[same:len(line)-tail])
		}
		e.cursor, e.anchor = cursor, anchor
	})
}

func change1(line, from, to, end int) change {
	return change{from: pos{line, from}, to: pos{line, to}, end: pos{line, end}, first: line, removed: 1, added: 1}
}

// pushed is as moved, but a place at the start of an insertion goes behind it, except at the
// start of the line.
func (c change) pushed(p pos) pos {
	if p == c.from && c.from == c.to && p.byte > 0 {
		return c.end
	}
	return c.moved(p)
}

// Indent moves the selected lines, or that of the cursor, one step to the right.
func (e *Editor) Indent() {
	unit := e.indentUnit()
	e.eachLine(func(line string) string {
		if line == "" {
			return line
		}
		return unit + line
	})
}

// Outdent moves the selected lines, or that of the cursor, one step to the left.
func (e *Editor) Outdent() {
	unit := e.indentUnit()
	e.eachLine(func(line string) string {
		if rest, ok := strings.CutPrefix(line, "\t"); ok {
			return rest
		}
		n := len(line) - len(strings.TrimLeft(line, " "))
		if unit == "\t" {
			return line[min(n, tabStop):]
		}
		return line[min(n, len(unit)):]
	})
}

// ToggleComment makes the selected lines, or that of the cursor, comments, or text again when all
// are comments. It is false where the language has no comments.
func (e *Editor) ToggleComment() bool {
	mark := e.colours.language.comment()
	if mark == "" {
		return false
	}
	first, end := e.chosen()
	all, deep := true, -1
	for _, l := range e.buf.lines[first:end] {
		text := strings.TrimLeft(l, " \t")
		if text == "" {
			continue
		}
		all = all && strings.HasPrefix(text, mark)
		if n := len(l) - len(text); deep < 0 || n < deep {
			deep = n
		}
	}
	if deep < 0 {
		return false
	}
	e.eachLine(func(line string) string {
		indent := indentOf(line)
		switch rest := line[len(indent):]; {
		case rest == "":
			return line
		case all:
			return indent + strings.TrimPrefix(rest[len(mark):], " ")
		}
		return line[:deep] + mark + " " + line[deep:]
	})
	return true
}

// MoveLines moves the selected lines, or that of the cursor, n lines down; up when n is negative.
func (e *Editor) MoveLines(n int) {
	first, end := e.chosen()
	n = max(min(n, len(e.buf.lines)-end), -first)
	if n == 0 {
		return
	}
	e.step(single, func() {
		lines := e.buf.lines
		from, to := first, end+n
		moved := slices.Concat(lines[end:max(end+n, end)], lines[first:end])
		if n < 0 {
			from, to = first+n, end
			moved = slices.Concat(lines[first:end], lines[first+n:first])
		}
		cursor, anchor := e.cursor, e.anchor
		e.swapLines(from, to, moved)
		cursor.line, anchor.line = cursor.line+n, anchor.line+n
		e.cursor, e.anchor = e.buf.clamp(cursor), e.buf.clamp(anchor)
	})
}

// DuplicateLines puts a copy of the selected lines, or that of the cursor, below them; the
// cursor goes along.
func (e *Editor) DuplicateLines() {
	first, end := e.chosen()
	e.step(single, func() {
		cursor, anchor := e.cursor, e.anchor
		e.swapLines(end, end, slices.Clone(e.buf.lines[first:end]))
		cursor.line, anchor.line = cursor.line+end-first, anchor.line+end-first
		e.cursor, e.anchor = cursor, e.buf.clamp(anchor)
	})
}

// DeleteLines deletes the selected lines, or that of the cursor.
func (e *Editor) DeleteLines() {
	first, end := e.chosen()
	column := e.cursor.byte
	e.step(single, func() {
		if first == 0 && end == len(e.buf.lines) {
			e.swap(pos{}, e.buf.end(), "")
		} else {
			e.swapLines(first, end, nil)
		}
		e.moveTo(e.snap(pos{min(first, len(e.buf.lines)-1), column}))
	})
}

// JoinLines joins the selected lines, or that of the cursor and the one below, with one blank
// in between.
func (e *Editor) JoinLines() {
	first, end := e.chosen()
	end = max(end, first+2)
	if end > len(e.buf.lines) {
		return
	}
	e.step(single, func() {
		text := e.buf.lines[first]
		at := len(text)
		for _, l := range e.buf.lines[first+1 : end] {
			text = strings.TrimRight(text, " \t")
			at = len(text)
			if l = strings.TrimLeft(l, " \t"); l != "" && text != "" {
				text += " "
			}
			text += l
		}
		e.swapLines(first, end, []string{text})
		e.moveTo(pos{first, at})
	})
}
