package editor

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sahilm/fuzzy"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// Limits of the popup of completions.
const (
	popupRows  = 8
	popupWidth = 60
	fuzzyLimit = 3000 // longer lists are filtered by parts of words only
)

// Completion is something that could stand at the cursor.
type Completion struct {
	Label  string // shown, and what is typed is compared with
	Insert string // takes the place of the word before the cursor; "" is Label
	Detail string // shown dim beside it
	Kind   string // one word, shown at the right: "key", "package"
}

// Context is what completions are computed from. The whole text is Text.
type Context struct {
	Line   int    // of the cursor, from 1
	Column int    // from 1
	Before string // the line up to the cursor
	After  string // the rest of it
	Word   string // the end of Before that a completion would replace
}

// popup is the list of completions under the cursor.
type popup struct {
	all   []Completion
	shown []int // of all
	from  pos   // where the word begins
	row   int
	top   int
	rect  canvas.Rect // in the last Draw
}

// Context gives where the cursor is.
func (e *Editor) Context() Context {
	line, column := e.Position()
	text := e.buf.lines[e.cursor.line]
	before := text[:e.cursor.byte]
	return Context{Line: line, Column: column, Before: before, After: text[e.cursor.byte:], Word: before[completionStart(before):]}
}

// completionStart is where the word begins that a completion replaces: after the last blank, quote,
// bracket, comma or ": ".
func completionStart(before string) int {
	return strings.LastIndexAny(before, " \t\"'[]{}(),=") + 1
}

// SetCompletions shows completions for the word before the cursor; none closes the list. They are filtered
// as the word is typed on.
func (e *Editor) SetCompletions(list []Completion) {
	before := e.buf.lines[e.cursor.line][:e.cursor.byte]
	e.SetCompletionsFrom(utf8.RuneCountInString(before[:completionStart(before)])+1, list)
}

// SetCompletionsFrom shows completions that replace what lies between a column (from 1) of the cursor's
// line and the cursor.
func (e *Editor) SetCompletionsFrom(column int, list []Completion) {
	from := e.buf.inner(e.cursor.line+1, column)
	if len(list) == 0 || e.ReadOnly || e.cursor.before(from) {
		e.popup = nil
		return
	}
	was, _ := e.chosenCompletion()
	e.popup = &popup{all: list, from: from}
	e.filterPopup(was.Label)
}

// Completing says if the list of completions is open.
func (e *Editor) Completing() bool { return e.popup != nil && len(e.popup.shown) > 0 }

// CancelCompletions closes the list.
func (e *Editor) CancelCompletions() { e.popup = nil }

func (e *Editor) chosenCompletion() (Completion, bool) {
	if !e.Completing() {
		return Completion{}, false
	}
	return e.popup.all[e.popup.shown[e.popup.row]], true
}

// popupTyped follows a typed or erased character.
func (e *Editor) popupTyped() {
	p := e.popup
	if p == nil {
		return
	}
	if e.cursor.line != p.from.line || e.cursor.before(p.from) || e.cursor != e.anchor {
		e.popup = nil
		return
	}
	e.filterPopup("")
}

// filterPopup chooses what to show; the label that was chosen stays so, if it is still there.
func (e *Editor) filterPopup(chosen string) {
	p := e.popup
	p.shown = match(p.all, e.buf.lines[p.from.line][p.from.byte:e.cursor.byte], p.shown[:0])
	p.row, p.top = 0, 0
	for i, n := range p.shown {
		if chosen != "" && p.all[n].Label == chosen {
			p.row = i
		}
	}
	if len(p.shown) == 0 {
		e.popup = nil
	}
}

// labels are what fuzzy compares with.
type labels []Completion

// String is one of them.
func (l labels) String(i int) string { return l[i].Label }

// Len is how many there are.
func (l labels) Len() int { return len(l) }

// match gives the completions that a word may mean: those that begin with it, those that contain it,
// those that have its letters in that order.
func match(all []Completion, word string, out []int) []int {
	if word == "" {
		for i := range all {
			out = append(out, i)
		}
		return out
	}
	word = strings.ToLower(word)
	for _, fits := range []func(label string) bool{
		func(l string) bool { return strings.HasPrefix(l, word) },
		func(l string) bool { return strings.Index(l, word) > 0 },
	} {
		for i := range all {
			if fits(strings.ToLower(all[i].Label)) {
				out = append(out, i)
			}
		}
	}
	if len(all) > fuzzyLimit {
		return out
	}
	for _, m := range fuzzy.FindFrom(word, labels(all)) {
		if !slices.Contains(out, m.Index) {
			out = append(out, m.Index)
		}
	}
	return out
}

// popupKey takes a key while the list is open.
func (e *Editor) popupKey(name string) bool {
	p := e.popup
	n := len(p.shown)
	switch name {
	case "up":
		p.row = (p.row + n - 1) % n
	case "down":
		p.row = (p.row + 1) % n
	case "pgup":
		p.row = max(p.row-popupRows, 0)
	case "pgdown":
		p.row = min(p.row+popupRows, n-1)
	case "enter", "tab":
		c, _ := e.chosenCompletion()
		if name == "enter" && e.buf.lines[p.from.line][p.from.byte:e.cursor.byte] == c.text() {
			e.popup = nil // all is typed already: the key means itself
			return false
		}
		e.accept(c)
	case "esc":
		e.popup = nil
	default:
		return false
	}
	return true
}

func (c Completion) text() string {
	if c.Insert != "" {
		return c.Insert
	}
	return c.Label
}

func (e *Editor) accept(c Completion) {
	from := e.popup.from
	e.popup = nil
	e.step(single, func() { e.moveTo(e.swap(from, e.cursor, lines(c.text()))) })
}

// drawPopup draws the list below the cursor's row, or above it where there is more room.
func (e *Editor) drawPopup(a canvas.Area, t *theme.Theme) {
	p := e.popup
	if !e.Completing() {
		return
	}
	w, h := a.Size()
	y := e.cursor.line - e.top
	rows, above := place(len(p.shown), y, h)
	if rows < 1 || w < 8 || y < 0 || y >= h {
		e.popup = nil // what is not seen must not be chosen from
		return
	}
	p.row = min(p.row, len(p.shown)-1)
	p.top = max(min(p.top, p.row), p.row-rows+1)
	p.top = max(min(p.top, len(p.shown)-rows), 0)
	label, rest := 0, 0
	for _, n := range p.shown[p.top : p.top+rows] {
		c := p.all[n]
		label = max(label, canvas.Width(c.Label))
		rest = max(rest, canvas.Width(c.Detail)+canvas.Width(c.Kind)+4)
	}
	width := min(label+rest+4, popupWidth, w)
	x := max(min(e.gutter+e.column(p.from)-e.left-2, w-width), 0)
	p.rect = canvas.Rect{X: x, Y: y + 1, W: width, H: rows + 2}
	if above {
		p.rect.Y = y - rows - 2
	}
	box := a.Sub(p.rect)
	box.Fill(box.Bounds(), " ", t.Style(theme.Text))
	more := widget.Frame{}
	if len(p.shown) > rows {
		more.Right = strconv.Itoa(p.row+1) + "/" + strconv.Itoa(len(p.shown))
	}
	e.drawRows(more.Draw(box, t), t, label)
}

// place says how many of n rows with a frame fit below row y of h, or above it.
func place(n, y, h int) (rows int, above bool) {
	rows = min(n, popupRows)
	below := h - y - 3
	if rows > below && y > h-y-1 {
		return min(rows, y-2), true
	}
	return min(rows, below), false
}

func (e *Editor) drawRows(in canvas.Area, t *theme.Theme, label int) {
	p := e.popup
	w, rows := in.Size()
	for i := range rows {
		c := p.all[p.shown[p.top+i]]
		row := in.Sub(canvas.Rect{X: 0, Y: i, W: w, H: 1})
		x := row.PutIn(1, 0, w-2, c.Label, t.Style(theme.Text))
		right := w - 1
		if n := canvas.Width(c.Kind); n > 0 && x+n+2 < right {
			right = row.PutRight(right, 0, c.Kind, t.Style(theme.Info)) - 1
		}
		if x = max(x, 1+label) + 2; right-x > 3 {
			row.PutIn(x, 0, right-x, c.Detail, t.Style(theme.Muted))
		}
		if p.top+i == p.row {
			row.Restyle(row.Bounds(), func(s canvas.Style) canvas.Style { return t.Style(theme.Selected).Over(s) })
		}
	}
}
