package widget

import (
	"slices"
	"strings"

	"github.com/sahilm/fuzzy"

	"github.com/nestos/nosa/tui/theme"
)

// TreeItem is one row of a Tree.
type TreeItem struct {
	ID    string // unique, "" is none
	Depth int    // 0 is a root
	Name  string
	Note  string // muted, after the name
	Fork  bool   // others may lie below it
	Marks []Cell // at the right end, in this order
	Role  theme.Role
	Seek  string // what the filter looks at; "" is Name
}

// Tree shows items that lie below each other: a cursor, folds, a fuzzy filter. The zero
// Tree is empty. The cursor stays on its item when the items change.
type Tree struct {
	Empty string // said where there is nothing

	items  []TreeItem
	opened map[string]bool // forks that are unfolded
	shown  []int           // items that are to be seen, by their place
	cursor int             // in shown
	id     string          // of the item under the cursor
	top    int
	w, h   int // of the last Draw
	first  rune

	typing bool
	filter string
	hits   map[int][]int // of items that the filter found: bytes of Seek
}

// SetItems replaces the items: each before what lies below it, which is one deeper.
func (t *Tree) SetItems(items []TreeItem) {
	t.items = items
	t.arrange()
}

// Current is the item under the cursor; ok is false where there is none.
func (t *Tree) Current() (item TreeItem, ok bool) {
	if t.cursor >= len(t.shown) {
		return TreeItem{}, false
	}
	return t.items[t.shown[t.cursor]], true
}

// Len is how many rows are to be seen.
func (t *Tree) Len() int { return len(t.shown) }

// Select moves the cursor to an item and unfolds what it lies in; ok is false
// when it is not there, or hidden by the filter.
func (t *Tree) Select(id string) (ok bool) {
	at := slices.IndexFunc(t.items, func(i TreeItem) bool { return i.ID == id })
	if at < 0 {
		return false
	}
	depth := t.items[at].Depth
	for i := at - 1; i >= 0 && depth > 0; i-- {
		if t.items[i].Depth < depth {
			depth = t.items[i].Depth
			t.expand(t.items[i].ID)
		}
	}
	t.id = id
	t.arrange()
	return t.id == id
}

// Expanded are the IDs of the forks that are unfolded, sorted.
func (t *Tree) Expanded() []string {
	var ids []string
	for id := range t.opened {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// SetExpanded unfolds exactly these.
func (t *Tree) SetExpanded(ids []string) {
	t.opened = map[string]bool{}
	for _, id := range ids {
		t.opened[id] = true
	}
	t.arrange()
}

// IsExpanded says if a fork is unfolded.
func (t *Tree) IsExpanded(id string) bool { return t.opened[id] }

func (t *Tree) expand(id string) {
	if t.opened == nil {
		t.opened = map[string]bool{}
	}
	t.opened[id] = true
}

// Toggle folds or unfolds the item under the cursor.
func (t *Tree) Toggle() {
	item, ok := t.Current()
	if !ok || !item.Fork {
		return
	}
	if t.opened[item.ID] {
		delete(t.opened, item.ID)
	} else {
		t.expand(item.ID)
	}
	t.arrange()
}

// Filter is what the items are filtered by.
func (t *Tree) Filter() string { return t.filter }

// SetFilter shows only items that match fuzzily, and what they lie in; "" shows all.
func (t *Tree) SetFilter(text string) {
	t.filter = text
	t.arrange()
	if best := t.best(); best >= 0 && text != "" {
		t.moveTo(best)
	}
}

// Typing says if the keys are the filter's text.
func (t *Tree) Typing() bool { return t.typing }

// StartFilter lets the user type a filter. Enter keeps it, esc drops it.
func (t *Tree) StartFilter() { t.typing = true }

// FilterLine is the filter for the lower stroke of a frame: "" where there is none.
func (t *Tree) FilterLine() string {
	switch {
	case t.typing:
		return "/" + t.filter + "_"
	case t.filter != "":
		return "/" + t.filter
	}
	return ""
}

// arrange decides which items are to be seen.
func (t *Tree) arrange() {
	t.shown, t.hits = t.shown[:0], nil
	if t.filter != "" {
		t.arrangeFiltered()
	} else {
		hidden := -1 // depth of the fold that we are in
		for i, item := range t.items {
			if hidden >= 0 && item.Depth > hidden {
				continue
			}
			hidden = -1
			t.shown = append(t.shown, i)
			if item.Fork && !t.opened[item.ID] {
				hidden = item.Depth
			}
		}
	}
	at := slices.IndexFunc(t.shown, func(i int) bool { return t.items[i].ID == t.id })
	if at < 0 {
		at = t.nearest()
	}
	t.moveTo(at)
}

// nearest is where the cursor goes when its item is not to be seen any more: to what
// it lay in where that is there, else it stays at its row.
func (t *Tree) nearest() int {
	for id := t.id; ; {
		cut := strings.LastIndexByte(id, '/')
		if cut < 0 {
			return t.cursor
		}
		id = id[:cut]
		if at := slices.IndexFunc(t.shown, func(i int) bool { return t.items[i].ID == id }); at >= 0 {
			if t.wasFolded(id) {
				return at
			}
			return t.cursor
		}
	}
}

// wasFolded says if an item that the cursor was on may still be there, in a fold.
func (t *Tree) wasFolded(id string) bool { return !t.opened[id] || t.filter != "" }

// seeker is what the filter looks at.
type seeker []TreeItem

// Len is how many items there are.
func (s seeker) Len() int { return len(s) }

// String is what the filter looks at of an item.
func (s seeker) String(i int) string {
	if s[i].Seek != "" {
		return s[i].Seek
	}
	return s[i].Name
}

// arrangeFiltered shows what the filter finds, with all forks above it.
func (t *Tree) arrangeFiltered() {
	t.hits = map[int][]int{}
	for n, word := range strings.Fields(t.filter) {
		found := map[int][]int{}
		for _, m := range fuzzy.FindFromNoSort(word, seeker(t.items)) {
			if before, ok := t.hits[m.Index]; ok || n == 0 {
				found[m.Index] = append(slices.Clone(before), m.MatchedIndexes...)
			}
		}
		t.hits = found
	}
	keep := make([]bool, len(t.items))
	for i := range t.hits {
		keep[i] = true
		depth := t.items[i].Depth
		for j := i - 1; j >= 0 && depth > 0; j-- {
			if t.items[j].Depth < depth {
				depth, keep[j] = t.items[j].Depth, true
			}
		}
	}
	for i, k := range keep {
		if k {
			t.shown = append(t.shown, i)
		}
	}
}

// best is the row of the item that fits the filter best, -1 without any.
func (t *Tree) best() int {
	best, score := -1, 0
	for row, i := range t.shown {
		if t.hits[i] == nil {
			continue
		}
		m := fuzzy.FindNoSort(strings.ReplaceAll(t.filter, " ", ""), []string{seeker(t.items).String(i)})
		if len(m) > 0 && (best < 0 || m[0].Score > score) {
			best, score = row, m[0].Score
		}
	}
	return best
}
