package vt

import (
	"strings"
	"unicode"
)

// Place is a column of a line.
type Place struct{ Line, X int }

// Before says if p comes before q.
func (p Place) Before(q Place) bool { return p.Line < q.Line || p.Line == q.Line && p.X < q.X }

// Unit is what a selection grows by.
type Unit string

// The units.
const (
	Characters Unit = "characters"
	Words      Unit = "words"
	WholeLines Unit = "lines" // with all rows that a line was wrapped into
)

// Selection is a part of the lines, from where it began to where it is now, both included.
type Selection struct {
	From, To Place
	Unit     Unit
}

// longestJoin is how many rows at most are taken for one line that was wrapped.
const longestJoin = 256

// longestText is the most bytes that Text gives.
const longestText = 16 << 20

// Span gives the selection's first column and the one after its last, with whole units, in order. It
// is good until the guest prints over it.
func (s *Screen) Span(sel Selection) (from, end Place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	return s.span(sel)
}

func (s *Screen) span(sel Selection) (from, end Place) {
	from, to := s.inside(sel.From), s.inside(sel.To)
	if to.Before(from) {
		from, to = to, from
	}
	switch sel.Unit {
	case Words:
		from, _ = s.word(from)
		_, end = s.word(to)
		return from, end
	case WholeLines:
		first, _ := s.whole(from.Line)
		_, last := s.whole(to.Line)
		return Place{first, 0}, Place{last, s.w}
	}
	// the whole of a wide character
	from.X = s.startOf(from)
	end = Place{to.Line, s.startOf(to)}
	if l, ok := s.line(end.Line); ok {
		_, w := at(l.Text, end.X)
		end.X += w
	}
	return from, end
}

// inside brings a place to a line that is kept.
func (s *Screen) inside(p Place) Place {
	switch last := s.history.end() + s.h - 1; {
	case p.Line < s.history.first:
		return Place{s.history.first, 0}
	case p.Line > last:
		return Place{last, s.w - 1}
	}
	p.X = max(p.X, 0)
	return p
}

// at gives the column where the character at column x begins, and its columns; after the text each column is one.
func at(text string, x int) (start, w int) {
	col := 0
	for i := 0; i < len(text); {
		c, cw := cluster(text[i:])
		if col+cw > x {
			return col, cw
		}
		col += cw
		i += len(c)
	}
	return x, 1
}

func (s *Screen) startOf(p Place) int {
	l, _ := s.line(p.Line)
	x, _ := at(l.Text, p.X)
	return x
}

// whole gives the first and last row of the line that a row belongs to.
func (s *Screen) whole(n int) (first, last int) {
	first, last = n, n
	for range longestJoin {
		if !s.wrapped(first - 1) {
			break
		}
		first--
	}
	for range longestJoin {
		if !s.wrapped(last) {
			break
		}
		last++
	}
	return first, min(last, s.history.end()+s.h-1)
}

func (s *Screen) wrapped(n int) bool {
	if y := n - s.history.end(); y >= 0 && y < s.h {
		return s.on.wraps[y]
	}
	r, _ := s.history.raw(n)
	return r.wrapped
}

// word gives the word around a place, over the ends of rows: letters, digits and what paths and addresses are made
// of, or blanks, or one other character.
func (s *Screen) word(p Place) (from, end Place) {
	first, last := s.whole(p.Line)
	var chars []string
	var places []Place
	mid := 0
	for n := first; n <= last; n++ {
		l, _ := s.line(n)
		x := 0
		for i := 0; i < len(l.Text); {
			c, w := cluster(l.Text[i:])
			if n == p.Line && x <= p.X && p.X < x+w {
				mid = len(chars)
			}
			chars, places = append(chars, c), append(places, Place{n, x})
			i += len(c)
			x += w
		}
		if n == p.Line && p.X >= x { // after the text
			return Place{n, x}, Place{n, max(s.w, x)}
		}
	}
	lo, hi := mid, mid+1
	k := kind(chars[mid])
	for k != other && lo > 0 && kind(chars[lo-1]) == k {
		lo--
	}
	for k != other && hi < len(chars) && kind(chars[hi]) == k {
		hi++
	}
	end = places[hi-1]
	l, _ := s.line(end.Line)
	_, w := at(l.Text, end.X)
	return places[lo], Place{end.Line, end.X + w}
}

type wordKind int

const (
	other wordKind = iota
	letters
	blanks
)

func kind(c string) wordKind {
	r := []rune(c)[0]
	switch {
	case r == ' ':
		return blanks
	case unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-./:@~%+=", r):
		return letters
	}
	return other
}

// Text is what is selected: rows that a line was wrapped into are one line, blanks at line ends are left
// out. At most 16 MiB.
func (s *Screen) Text(sel Selection) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	from, end := s.span(sel)
	var b strings.Builder
	for n := from.Line; n <= end.Line && b.Len() < longestText; n++ {
		l, ok := s.line(n)
		if !ok {
			break
		}
		lo, hi := 0, s.w+len(l.Text)
		if n == from.Line {
			lo = from.X
		}
		if n == end.Line {
			hi = end.X
		}
		part := slice(l.Text, lo, hi)
		if l.Wrapped && n < end.Line {
			b.WriteString(part)
			continue
		}
		b.WriteString(strings.TrimRight(part, " "))
		if n < end.Line {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// slice is the text from column lo to hi.
func slice(text string, lo, hi int) string {
	col, start, end := 0, len(text), len(text)
	for i := 0; i < len(text); {
		c, w := cluster(text[i:])
		if col+w > lo && start == len(text) {
			start = i
		}
		if col >= hi {
			end = i
			break
		}
		col += w
		i += len(c)
	}
	return text[min(start, end):end]
}
