package widget

import (
	"strings"
	"unicode/utf8"

	"github.com/sahilm/fuzzy"
)

// Filter is what the rows are filtered by, as it was typed.
func (t *Table) Filter() string { return string(t.filter) }

// SetFilter shows only rows that match: each word of the text fuzzily in one of the
// columns with Filter. "" shows all.
func (t *Table) SetFilter(text string) {
	t.filter = append(t.filter[:0], text...)
	t.arrange()
}

// Typing says if the keys are the filter's text.
func (t *Table) Typing() bool { return t.typing }

// StartFilter lets the user type a filter. Enter keeps it, esc drops it.
func (t *Table) StartFilter() { t.typing = true }

// StopFilter ends the typing and keeps the filter.
func (t *Table) StopFilter() { t.typing = false }

// FilterLine is the filter for the lower stroke of a frame: "" where there is none.
func (t *Table) FilterLine() string {
	switch {
	case t.typing:
		return "/" + string(t.filter) + "_"
	case len(t.filter) > 0:
		return "/" + string(t.filter)
	}
	return ""
}

// typed is a key while a filter is typed; ok is false for one that is none of its.
func (t *Table) typed(name, text string) (ok bool) {
	switch name {
	case "enter":
		t.typing = false
	case "esc":
		t.typing = false
		t.SetFilter("")
	case "backspace":
		if len(t.filter) == 0 {
			t.typing = false
			return true
		}
		_, n := utf8.DecodeLastRune(t.filter)
		t.SetFilter(string(t.filter[:len(t.filter)-n]))
	case "ctrl+u":
		t.SetFilter("")
	case "ctrl+w":
		f := strings.TrimRight(string(t.filter), " ")
		t.SetFilter(f[:strings.LastIndexByte(f, ' ')+1])
	default:
		if text == "" {
			return false
		}
		line, _, _ := strings.Cut(text, "\n")
		t.SetFilter(string(t.filter) + line)
	}
	return true
}

func (t *Table) words() []string { return strings.Fields(t.filtered) }

// column is the text of one column of some rows, as fuzzy takes it.
type column struct {
	rows  Rows
	index []int32 // nil: all
	n     int
}

// Len implements fuzzy.Source.
func (c column) Len() int {
	if c.index != nil {
		return len(c.index)
	}
	return c.rows.Len()
}

// String implements fuzzy.Source.
func (c column) String(i int) string { return c.rows.Cell(c.row(i), c.n).Text }

func (c column) row(i int) int {
	if c.index != nil {
		return int(c.index[i])
	}
	return i
}

// matching gives the rows that match all words.
func (t *Table) matching(words []string) []int32 {
	if t.rows == nil {
		return nil
	}
	var index []int32
	scores := map[int32]int{}
	for _, w := range words {
		found := make(map[int32]int, len(scores))
		for n, col := range t.Columns {
			if !col.Filter {
				continue
			}
			c := column{t.rows, index, n}
			for _, m := range fuzzy.FindFromNoSort(w, c) {
				row := int32(c.row(m.Index))
				if have, ok := found[row]; !ok || m.Score > have {
					found[row] = m.Score
				}
			}
		}
		next := make([]int32, 0, len(found))
		for i := range (column{t.rows, index, 0}).Len() {
			row := int32((column{t.rows, index, 0}).row(i))
			if s, ok := found[row]; ok {
				next = append(next, row)
				scores[row] += s
			}
		}
		index = next
	}
	if t.Ranked {
		rank(index, scores)
	}
	return index
}

// matches gives the bytes of a text where the filter's words were found in it; nil
// for none.
func matches(words []string, text string) []int {
	var at []int
	for _, w := range words {
		if m := fuzzy.FindNoSort(w, []string{text}); len(m) > 0 {
			at = append(at, m[0].MatchedIndexes...)
		}
	}
	return at
}
