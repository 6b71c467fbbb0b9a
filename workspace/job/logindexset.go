package job

import "math/bits"

// LineSet is some of the lines of a log, at a bit a line. It is a value that never changes: the log
// goes on in a later one.
type LineSet struct {
	words []uint64
	ranks []uint32 // how many are in the set before each rankWords words
	last  uint64   // the word after words
	lines int
	count int
}

// member says if a line is in a set.
type member bool

const (
	wordLines = 64
	rankWords = 16
)

// Lines is how many lines have been looked at.
func (s LineSet) Lines() int { return s.lines }

// Count is how many of them are in the set.
func (s LineSet) Count() int { return s.count }

// Has says if a line is in the set.
func (s LineSet) Has(line int) bool {
	return line >= 0 && line < s.lines && s.word(line/wordLines)&(1<<(line%wordLines)) != 0
}

// Rank is how many lines before a line are in the set.
func (s LineSet) Rank(line int) int {
	if line <= 0 {
		return 0
	}
	if line >= s.lines {
		return s.count
	}
	w := line / wordLines
	n, i := 0, 0
	if block := min(w/rankWords, len(s.ranks)-1); block >= 0 { // the last word has none yet
		n, i = int(s.ranks[block]), block*rankWords
	}
	for ; i < w; i++ {
		n += bits.OnesCount64(s.word(i))
	}
	return n + bits.OnesCount64(s.word(w)&(1<<(line%wordLines)-1))
}

// At gives the line before which k others are in the set, -1 when there is none.
func (s LineSet) At(k int) int {
	if k < 0 || k >= s.count {
		return -1
	}
	lo, hi := 0, len(s.ranks) // ranks[lo] <= k < ranks[hi]
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; int(s.ranks[mid]) <= k {
			lo = mid
		} else {
			hi = mid
		}
	}
	if len(s.ranks) > 0 {
		k -= int(s.ranks[lo])
	}
	for w := lo * rankWords; ; w++ {
		word := s.word(w)
		if n := bits.OnesCount64(word); k >= n {
			k -= n
			continue
		}
		for ; k > 0; k-- {
			word &= word - 1
		}
		return w*wordLines + bits.TrailingZeros64(word)
	}
}

// Next gives the first line of the set after a line, -1 when there is none.
func (s LineSet) Next(line int) int { return s.At(s.Rank(line + 1)) }

// Prev gives the last line of the set before a line, -1 when there is none.
func (s LineSet) Prev(line int) int { return s.At(s.Rank(line) - 1) }

// with is the set with one more line at its end.
func (s LineSet) with(in member) LineSet {
	if in {
		s.last |= 1 << (s.lines % wordLines)
		s.count++
	}
	s.lines++
	return s
}

func (s LineSet) word(i int) uint64 {
	switch {
	case i < len(s.words):
		return s.words[i]
	case i == len(s.words):
		return s.last
	}
	return 0
}

// lineSetBuilder makes a LineSet. What it gave away shares its memory and stays true: only words that
// nobody has seen yet are written.
type lineSetBuilder struct{ set LineSet }

func (b *lineSetBuilder) add(in member) {
	s := &b.set // in place: this is done for every line
	if in {
		s.last |= 1 << (s.lines % wordLines)
		s.count++
	}
	if s.lines++; s.lines%wordLines == 0 {
		b.push()
	}
}

// skip adds lines that are not in the set until there are n.
func (b *lineSetBuilder) skip(n int) {
	for b.set.lines < n {
		step := min(wordLines-b.set.lines%wordLines, n-b.set.lines)
		b.set.lines += step
		if b.set.lines%wordLines == 0 {
			b.push()
		}
	}
}

func (b *lineSetBuilder) push() {
	s := &b.set
	if len(s.words)%rankWords == 0 {
		s.ranks = append(s.ranks, uint32(s.count-bits.OnesCount64(s.last)))
	}
	s.words = append(s.words, s.last)
	s.last = 0
}
