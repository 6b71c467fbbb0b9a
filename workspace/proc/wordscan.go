package proc

// wordScan finds out in one pass whether a text has any of some words, in whatever case (Aho and
// Corasick, Efficient string matching, 1975). All digits are the same to it.
type wordScan struct {
	class [256]uint16 // of a byte: its column
	next  []uint16    // by state, which is the start of a row, plus class
	found uint16      // the state in which a word was seen
}

func newWordScan(words []string) wordScan {
	w := wordScan{}
	classes := uint16(1)
	for _, word := range words {
		for i := range len(word) {
			b := lower(word[i])
			if w.class[b] == 0 {
				w.class[b] = classes
				classes++
			}
		}
	}
	for b := range 256 {
		w.class[b] = w.class[lower(byte(b))]
	}
	t := trie{row: make([][]int, 1), end: make([]bool, 1), width: int(classes)}
	t.row[0] = make([]int, classes)
	for _, word := range words {
		t.add(word, &w.class)
	}
	w.next, w.found = t.table()
	return w
}

// lower folds cases and digits.
func lower(b byte) byte {
	switch {
	case b >= 'A' && b <= 'Z':
		return b + 'a' - 'A'
	case b >= '0' && b <= '9':
		return '0'
	}
	return b
}

func (w *wordScan) in(text []byte) bool {
	s := uint16(0)
	for _, b := range text {
		s = w.next[s+w.class[b]]
		if s == w.found {
			return true
		}
	}
	return false
}

// trie is the words before they are a table.
type trie struct {
	width int
	row   [][]int // of a node, by class: the child; 0 is none
	end   []bool
}

func (t *trie) add(word string, class *[256]uint16) {
	at := 0
	for i := range len(word) {
		c := class[word[i]]
		if t.row[at][c] == 0 {
			t.row[at][c] = len(t.row)
			t.row = append(t.row, make([]int, t.width))
			t.end = append(t.end, false)
		}
		at = t.row[at][c]
	}
	t.end[at] = true
}

// table fills in where to go on when a word does not: the automaton of the words. Every state
// in which a word has been seen is the one after the last.
func (t *trie) table() (next []uint16, found uint16) {
	suffix := make([]int, len(t.row)) // the longest proper suffix that begins a word
	order := make([]int, 0, len(t.row))
	for _, child := range t.row[0] {
		if child != 0 {
			order = append(order, child)
		}
	}
	for i := 0; i < len(order); i++ {
		at := order[i]
		t.end[at] = t.end[at] || t.end[suffix[at]]
		for c, child := range t.row[at] {
			if child == 0 {
				t.row[at][c] = t.row[suffix[at]][c]
				continue
			}
			suffix[child] = t.row[suffix[at]][c]
			order = append(order, child)
		}
	}
	found = uint16(len(t.row) * t.width)
	next = make([]uint16, 0, len(t.row)*t.width)
	for _, row := range t.row {
		for _, to := range row {
			if t.end[to] {
				next = append(next, found)
				continue
			}
			next = append(next, uint16(to*t.width))
		}
	}
	return next, found
}
