package vt

import (
	"fmt"
	"regexp"
	"slices"
)

// Finder looks for a text in all lines of a Screen, a step at a time. Make it with NewFinder or NewRegexpFinder.
type Finder struct {
	re *regexp.Regexp
}

// NewFinder looks for a text as it is, in upper or lower case.
func NewFinder(text string) Finder {
	return Finder{regexp.MustCompile("(?i)" + regexp.QuoteMeta(text))}
}

// NewRegexpFinder looks for what a regular expression (RE2) matches.
func NewRegexpFinder(expr string) (Finder, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return Finder{}, fmt.Errorf("reading a pattern: %w", err)
	}
	return Finder{re}, nil
}

// Match is where a Finder found something; it goes over the ends of rows where a line was wrapped.
type Match struct{ From, End Place }

// Way is where a search goes.
type Way string

// The ways.
const (
	Forwards  Way = "forwards"
	Backwards Way = "backwards"
)

// Step looks at up to some lines from a place on and gives the nearest match that begins at it or after it, or
// before it when it goes backwards. When there was none yet, next is where to go on, and more is true as
// long as there are lines in that way. 2000 lines take some milliseconds: between steps others get their turn.
//
//nolint:revive // where, which way and how far are three things
func (s *Screen) Step(f Finder, from Place, way Way, lines int) (m *Match, next Place, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	if f.re == nil {
		return nil, from, false
	}
	from = s.inside(from)
	for range max(lines, 1) {
		first, last := s.whole(from.Line)
		found := s.matches(f, first, last)
		if way == Backwards {
			slices.Reverse(found)
			found = slices.DeleteFunc(found, func(m Match) bool { return !m.From.Before(from) })
			from = Place{first - 1, 1 << 30}
			more = from.Line >= s.history.first
		} else {
			found = slices.DeleteFunc(found, func(m Match) bool { return m.From.Before(from) })
			from = Place{last + 1, 0}
			more = from.Line < s.history.end()+s.h
		}
		if len(found) > 0 {
			return &found[0], found[0].From, true
		}
		if !more {
			break
		}
	}
	return nil, from, more
}

// Matches gives what a Finder finds in lines from number first to before end, to mark it: at most 1000 lines.
func (s *Screen) Matches(f Finder, first, end int) []Match {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	if f.re == nil {
		return nil
	}
	var out []Match
	end = min(end, s.history.end()+s.h, first+maxSide)
	for n := max(first, s.history.first); n < end; {
		from, last := s.whole(n)
		out = append(out, s.matches(f, from, last)...)
		n = last + 1
	}
	return out
}

// matches gives all of the line that is rows first to last.
func (s *Screen) matches(f Finder, first, last int) []Match {
	var buf []byte
	starts := make([]int, 0, 4)
	for n := first; n <= last; n++ {
		starts = append(starts, len(buf))
		if r, ok := s.history.raw(n); ok {
			buf = append(buf, r.text...)
		} else if l, ok := s.line(n); ok {
			buf = append(buf, l.Text...)
		}
	}
	place := func(at int) Place {
		i := len(starts) - 1
		for i > 0 && starts[i] > at {
			i--
		}
		return Place{first + i, columns(string(buf[starts[i]:at]))}
	}
	var out []Match
	for _, at := range f.re.FindAllIndex(buf, 1000) {
		if at[1] > at[0] {
			out = append(out, Match{place(at[0]), place(at[1])})
		}
	}
	return out
}
