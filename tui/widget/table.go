package widget

import (
	"slices"
	"sort"

	"github.com/nestos/nosa/tui/theme"
)

// Rows is what a Table shows. The table asks only for rows that are to be seen,
// except to filter, to sort and to find a key again.
type Rows interface {
	Len() int
	Key(row int) string // what a row is known by when the rows change; no two are the same
	Cell(row, column int) Cell
	// Compare orders two rows by a column, as cmp.Compare does. It is asked only
	// for columns with Sortable.
	Compare(column, a, b int) int
}

// Cell is what stands in a column of a row.
type Cell struct {
	Text  string
	Role  theme.Role // "" is that of the row
	Short string     // stands there where Text does not fit; "" cuts it
}

// Column is a column of a Table.
type Column struct {
	Title    string
	Width    int  // columns of the screen that it wants
	Grow     int  // its share of what is left over; 0 takes none
	Max      int  // columns beyond which it does not grow; 0 is no limit
	Right    bool // its text ends at its right edge
	Priority int  // 0 is always shown; where it is narrow the highest goes first
	Sortable bool
	Filter   bool // a filter looks at its text
	Over     bool // what does not fit goes on over the columns after it that are empty
}

// Order is how a Table is sorted. The zero Order is that of the rows.
type Order struct {
	Column     int // from 1
	Descending bool
}

// Table is a list of rows in columns with a cursor. Only rows that are seen cost
// anything to draw. The zero Table without columns is not of use; the rest may be zero.
type Table struct {
	Columns  []Column
	Headless bool     // no row with the titles: a plain list
	Empty    []string // what is said where there are no rows
	Ranked   bool     // a filter puts the best matches first
	Quiet    bool     // the cursor is not seen while another pane has the keys

	rows     Rows
	index    []int32 // rows in the order in which they are shown; nil: as they are
	order    Order
	filter   []byte // as typed
	typing   bool
	filtered string // what index is filtered by

	cursor int    // place among those shown
	key    string // of the row there
	top    int    // place of the first that is seen
	marks  map[string]bool
	first  byte // "g" when the next may make it "g g"

	page   int // rows that were seen at last
	layout layout
}

// SetRows gives the table other rows. The cursor stays on the row with the same
// key; where that is gone it stays in its place. Marks of rows that are gone go.
func (t *Table) SetRows(rows Rows) {
	t.rows = rows
	if len(t.marks) > 0 {
		kept := make(map[string]bool, len(t.marks))
		for i := range rows.Len() {
			if k := rows.Key(i); t.marks[k] {
				kept[k] = true
			}
		}
		t.marks = kept
	}
	t.arrange()
}

// Len is the number of rows that the filter lets through; Total is that of all.
func (t *Table) Len() int {
	if t.index != nil {
		return len(t.index)
	}
	return t.Total()
}

// Total is the number of all rows.
func (t *Table) Total() int {
	if t.rows == nil {
		return 0
	}
	return t.rows.Len()
}

// Current gives the row of the cursor; ok is false when there is none.
func (t *Table) Current() (row int, ok bool) {
	if t.cursor >= t.Len() {
		return 0, false
	}
	return t.at(t.cursor), true
}

// CurrentKey is the key of the row of the cursor; "" when there is none.
func (t *Table) CurrentKey() string { return t.key }

// Cursor is the place of the cursor among the rows that are shown.
func (t *Table) Cursor() int { return t.cursor }

// Select puts the cursor on the row with a key; ok is false when that is not shown.
func (t *Table) Select(key string) (ok bool) {
	place := t.find(key)
	if place < 0 {
		return false
	}
	t.MoveTo(place)
	return true
}

// MoveTo puts the cursor on a place among the rows that are shown, the nearest there is.
func (t *Table) MoveTo(place int) {
	t.cursor = max(min(place, t.Len()-1), 0)
	t.key = ""
	if t.Len() > 0 {
		t.key = t.rows.Key(t.at(t.cursor))
	}
	t.reveal()
}

// Order is how the table is sorted.
func (t *Table) Order() Order { return t.order }

// Sort orders the rows; those that a column does not tell apart keep their own order.
// An Order by a column that is not Sortable is that of the rows.
func (t *Table) Sort(o Order) {
	if o.Column < 0 || o.Column > len(t.Columns) || o.Column > 0 && !t.Columns[o.Column-1].Sortable {
		o = Order{}
	}
	t.order = o
	t.arrange()
}

// SortNext sorts by the next column that can be sorted by; after the last comes the rows' own order.
func (t *Table) SortNext() {
	for c := t.order.Column; c < len(t.Columns); c++ {
		if t.Columns[c].Sortable {
			t.Sort(Order{Column: c + 1})
			return
		}
	}
	t.Sort(Order{})
}

// Reverse turns the order round, where there is one.
func (t *Table) Reverse() {
	if t.order.Column > 0 {
		t.Sort(Order{Column: t.order.Column, Descending: !t.order.Descending})
	}
}

// Marked says if a row is marked, by its key.
func (t *Table) Marked(key string) bool { return t.marks[key] }

// Marks gives the keys of the marked rows in the order of the rows.
func (t *Table) Marks() []string {
	if len(t.marks) == 0 {
		return nil
	}
	keys := make([]string, 0, len(t.marks))
	for i := range t.rows.Len() {
		if k := t.rows.Key(i); t.marks[k] {
			keys = append(keys, k)
		}
	}
	return keys
}

// ToggleMark marks the row of the cursor, or takes its mark away, and goes on to the next row.
func (t *Table) ToggleMark() {
	if t.Len() == 0 {
		return
	}
	if t.marks == nil {
		t.marks = map[string]bool{}
	}
	if t.marks[t.key] {
		delete(t.marks, t.key)
	} else {
		t.marks[t.key] = true
	}
	t.MoveTo(t.cursor + 1)
}

// SetMarks marks the rows with these keys and no others.
func (t *Table) SetMarks(keys []string) {
	t.marks = make(map[string]bool, len(keys))
	for _, k := range keys {
		t.marks[k] = true
	}
	if t.rows != nil {
		t.SetRows(t.rows)
	}
}

// at gives the row at a place.
func (t *Table) at(place int) int {
	if t.index != nil {
		return int(t.index[place])
	}
	return place
}

// find gives the place of a key, -1 where it is not shown. The place of the
// cursor is looked at first: mostly nothing has moved.
func (t *Table) find(key string) int {
	n := t.Len()
	if key == "" {
		return -1
	}
	if t.cursor < n && t.rows.Key(t.at(t.cursor)) == key {
		return t.cursor
	}
	for i := range n {
		if t.rows.Key(t.at(i)) == key {
			return i
		}
	}
	return -1
}

// arrange makes the index anew and keeps the cursor on its key.
func (t *Table) arrange() {
	t.index = nil
	t.filtered = string(t.filter)
	if words := t.words(); len(words) > 0 {
		t.index = t.matching(words)
	}
	if t.order.Column > 0 && t.rows != nil && (t.filtered == "" || !t.Ranked) {
		t.sort()
	}
	before, offset := t.key, t.cursor-t.top
	place := t.find(before)
	if place < 0 {
		t.MoveTo(t.cursor)
		return
	}
	moved := place != t.cursor
	t.cursor = place
	if moved && t.top > 0 { // stay on the same line of the screen; at the top what is new is seen
		t.top = place - offset
	}
	t.reveal()
}

func (t *Table) sort() {
	if t.index == nil {
		t.index = make([]int32, t.rows.Len())
		for i := range t.index {
			t.index[i] = int32(i)
		}
	}
	column, sign := t.order.Column-1, 1
	if t.order.Descending {
		sign = -1
	}
	slices.SortStableFunc(t.index, func(a, b int32) int { return sign * t.rows.Compare(column, int(a), int(b)) })
}

// rank orders places by score, the best first.
func rank(index []int32, scores map[int32]int) {
	sort.SliceStable(index, func(i, j int) bool { return scores[index[i]] > scores[index[j]] })
}

// reveal scrolls as little as needed for the cursor to be seen.
func (t *Table) reveal() {
	if t.page <= 0 {
		return // never drawn: the first drawing knows how much is seen
	}
	page := t.page
	t.top = max(min(t.top, t.cursor, t.Len()-1), t.cursor-page+1, 0)
	t.top = max(min(t.top, t.Len()-page), 0)
}
