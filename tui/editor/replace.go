package editor

import (
	"slices"
	"strings"
)

// Replace replaces the match that the cursor is on and goes to the next; where it is on none, it only goes.
// In what replaces a regular expression $1 and ${name} are its groups.
func (e *Editor) Replace(with string) (replaced bool) {
	if e.find == nil {
		return false
	}
	line := e.buf.lines[e.cursor.line]
	for _, m := range e.find.replacements(line, with) {
		if m.from == e.cursor.byte {
			replaced = e.step(single, func() {
				e.moveTo(e.swap(pos{e.cursor.line, m.from}, pos{e.cursor.line, m.to}, lines(m.text)))
			})
			break
		}
	}
	next := e.cursor
	if !replaced {
		next.byte++
	}
	if at, _, ok := e.seek(next); ok {
		e.show(at)
	}
	e.find.at, e.find.origin = e.cursor, e.cursor
	return replaced
}

type replacement struct {
	from, to int
	text     string
}

func (f *finder) replacements(line, with string) []replacement {
	var out []replacement
	if f.re != nil && f.options.Regexp {
		for _, m := range f.re.FindAllStringSubmatchIndex(line, lineMatches) {
			if m[0] < m[1] {
				out = append(out, replacement{m[0], m[1], string(f.re.ExpandString(nil, with, line, m))})
			}
		}
		return out
	}
	for _, m := range f.in(line, nil) {
		out = append(out, replacement{m[0], m[1], with})
	}
	return out
}

// ReplaceAll replaces all matches as one step to undo and gives how many there were.
func (e *Editor) ReplaceAll(with string) int {
	if e.find == nil {
		return 0
	}
	n := 0
	e.step(single, func() {
		cursor := e.cursor
		for i, line := range slices.Backward(e.buf.lines) {
			all := e.find.replacements(line, with)
			if len(all) == 0 {
				continue
			}
			n += len(all)
			first, last := all[0].from, all[len(all)-1].to
			var s strings.Builder
			at := first
			for _, r := range all {
				s.WriteString(line[at:r.from])
				s.WriteString(lines(r.text))
				at = r.to
			}
			c := change{from: pos{i, first}, to: pos{i, last}, first: i, removed: 1}
			c.end = e.swap(c.from, c.to, s.String())
			cursor = c.moved(cursor)
		}
		e.moveTo(cursor)
	})
	return n
}
