package logview

import (
	"slices"

	"github.com/nestos/nosa/tui/canvas"
)

// breaks is where lines go on in the next row. Of ASCII text that is known; else it is found out once for
// a width and kept while the rows are.
type breaks struct {
	width int
	of    map[int][]int // by line: the byte with which each row begins
}

func (b *breaks) forget() { clear(b.of) }

// count is how many rows a line takes.
func (b *breaks) count(r *row, w int) int {
	if r.width <= w {
		return 1
	}
	if r.ascii {
		return (r.width + w - 1) / w
	}
	return len(b.get(r, w))
}

// row gives the bytes of one of the rows.
func (b *breaks) row(r *row, w, sub int) (from, to int) {
	switch {
	case r.width <= w:
		return 0, len(r.text)
	case r.ascii:
		return min(sub*w, len(r.text)), min((sub+1)*w, len(r.text))
	}
	starts := b.get(r, w)
	if sub >= len(starts) {
		return len(r.text), len(r.text)
	}
	if sub+1 < len(starts) {
		return starts[sub], starts[sub+1]
	}
	return starts[sub], len(r.text)
}

func (b *breaks) get(r *row, w int) []int {
	if b.of == nil || b.width != w {
		b.of, b.width = map[int][]int{}, w
	}
	if starts, ok := b.of[r.line]; ok {
		return starts
	}
	starts := []int{0}
	at, x := 0, 0
	for c := range canvas.Clusters(r.text) {
		if x+c.Width > w && x > 0 {
			starts = append(starts, at)
			x = 0
		}
		x += c.Width
		at += len(c.Raw)
	}
	b.of[r.line] = starts
	return starts
}

// column gives the byte at a column, or the one after it where a character lies across: skip is how many columns
// are left of it, less than none where it begins right of the column.
func (b *breaks) column(r *row, column int) (at, skip int) {
	if r.ascii || column == 0 {
		return min(column, len(r.text)), 0
	}
	x := 0
	for c := range canvas.Clusters(r.text) {
		if x >= column {
			return at, column - x
		}
		x += c.Width
		at += len(c.Raw)
	}
	return at, 0
}

// marked says if a line is marked.
func (v *View) marked(line int) bool {
	_, found := slices.BinarySearch(v.marks, line)
	return found
}

// at gives the row of the log at a row of the screen, the nearest where there is none.
func (v *View) at(y int) int {
	if len(v.screen) == 0 {
		return 0
	}
	return v.screen[max(min(y, len(v.screen)-1), 0)].k
}
