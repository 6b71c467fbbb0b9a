package editor

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Limits of a search, so that no call takes long.
const (
	countLines  = 4096      // lines that one call of Matches counts at most
	countBytes  = 512 << 10 // bytes of them
	lineMatches = 10_000    // matches of one line that count
	windowPast  = 1024      // bytes around the shown part of a long line that are searched for its highlights
)

// FindOptions say how a query is meant. The zero value is a literal text, in either case unless
// it has a capital letter.
type FindOptions struct {
	Regexp    bool // RE2; matches are within lines
	MatchCase bool
}

// finder is a search that goes on.
type finder struct {
	query   string
	options FindOptions
	re      *regexp.Regexp // nil: literal
	fold    bool           // literal in either case; ASCII, query in lower case
	origin  pos            // where the search began
	at      pos            // where it put the cursor

	counts []int32 // matches of the lines so far
	total  int
}

func newFinder(query string, o FindOptions) (*finder, error) {
	f := &finder{query: query, options: o}
	either := !o.MatchCase && !strings.ContainsFunc(query, unicode.IsUpper)
	pattern := query
	switch {
	case o.Regexp:
	case !either:
		return f, nil
	case !strings.ContainsFunc(query, func(r rune) bool { return r >= 0x80 }):
		f.fold = true
		return f, nil
	default:
		pattern = regexp.QuoteMeta(query)
	}
	if either {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("reading the regular expression: %w", err)
	}
	f.re = re
	return f, nil
}

// in appends the matches in a text; empty ones do not count.
func (f *finder) in(text string, out [][2]int) [][2]int {
	if f.re != nil {
		for _, m := range f.re.FindAllStringIndex(text, lineMatches) {
			if m[0] < m[1] {
				out = append(out, [2]int{m[0], m[1]})
			}
		}
		return out
	}
	for at := 0; len(out) < lineMatches; {
		i := f.index(text[at:])
		if i < 0 {
			break
		}
		out = append(out, [2]int{at + i, at + i + len(f.query)})
		at += i + len(f.query)
	}
	return out
}

func (f *finder) index(text string) int {
	if !f.fold {
		return strings.Index(text, f.query)
	}
	first, n := f.query[0], len(f.query)
	for i := 0; i+n <= len(text); i++ {
		if lower(text[i]) == first && foldEqual(text[i:i+n], f.query) {
			return i
		}
	}
	return -1
}

func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

func foldEqual(text, query string) bool {
	for i := range len(query) {
		if lower(text[i]) != query[i] {
			return false
		}
	}
	return true
}

func (f *finder) count(line string) int32 { return int32(len(f.in(line, nil))) }

// shift keeps the counts after a change.
func (f *finder) shift(c change, lines []string) {
	if f == nil || c.first >= len(f.counts) {
		return
	}
	end := c.first + c.removed
	if end > len(f.counts) || c.added > countLines {
		end = len(f.counts)
		c.added = 0
	}
	fresh := make([]int32, c.added)
	for i := range fresh {
		fresh[i] = f.count(lines[c.first+i])
		f.total += int(fresh[i])
	}
	for _, n := range f.counts[c.first:end] {
		f.total -= int(n)
	}
	f.counts = slices.Replace(f.counts, c.first, end, fresh...)
}

// Find searches for a query as it is typed: from where the cursor was before the search it goes to the
// first match and highlights all. An empty query ends the search. The error says what is wrong with a
// regular expression; the search before goes on then.
func (e *Editor) Find(query string, o FindOptions) error {
	origin := e.cursor
	if e.find != nil && e.find.at == e.cursor {
		origin = e.find.origin
	}
	if query == "" {
		e.moveTo(e.snap(origin))
		e.EndFind()
		e.reveal = centre
		return nil
	}
	f, err := newFinder(query, o)
	if err != nil {
		return err
	}
	f.origin = origin
	e.find = f
	at, _, ok := e.seek(origin)
	if !ok {
		at = origin
	}
	e.show(at)
	f.at = e.cursor
	return nil
}

// EndFind ends the search and its highlights.
func (e *Editor) EndFind() { e.find = nil }

// Finding is the query of the search that goes on; "" when there is none.
func (e *Editor) Finding() string {
	if e.find == nil {
		return ""
	}
	return e.find.query
}

func (e *Editor) show(p pos) {
	e.moveTo(e.snap(p))
	e.reveal, e.hist.open, e.popup = centre, false, nil
}

// seek is the first match at or after a place, around the end of the text.
func (e *Editor) seek(p pos) (at pos, wrapped, ok bool) {
	n := len(e.buf.lines)
	var room [64][2]int
	for i := range n + 1 {
		line := (p.line + i) % n
		for _, m := range e.find.in(e.buf.lines[line], room[:0]) {
			if i == 0 && m[0] < p.byte {
				continue
			}
			return pos{line, m[0]}, i > 0 && line <= p.line, true
		}
	}
	return p, false, false
}

// seekBack is the last match before a place, around the start of the text.
func (e *Editor) seekBack(p pos) (at pos, wrapped, ok bool) {
	n := len(e.buf.lines)
	var room [64][2]int
	for i := range n + 1 {
		line := ((p.line-i)%n + n) % n
		for _, m := range slices.Backward(e.find.in(e.buf.lines[line], room[:0])) {
			if i == 0 && m[0] >= p.byte {
				continue
			}
			return pos{line, m[0]}, i > 0 && line >= p.line, true
		}
	}
	return p, false, false
}

// Next goes to the next match; wrapped says that it went around the end of the text.
func (e *Editor) Next() (found, wrapped bool) {
	if e.find == nil {
		return false, false
	}
	at, wrapped, ok := e.seek(pos{e.cursor.line, e.cursor.byte + 1})
	if ok {
		e.show(at)
		e.find.at, e.find.origin = e.cursor, e.cursor
	}
	return ok, wrapped
}

// Prev goes to the match before; wrapped says that it went around the start of the text.
func (e *Editor) Prev() (found, wrapped bool) {
	if e.find == nil {
		return false, false
	}
	at, wrapped, ok := e.seekBack(e.cursor)
	if ok {
		e.show(at)
		e.find.at, e.find.origin = e.cursor, e.cursor
	}
	return ok, wrapped
}

// Matches is how many matches there are and the number, from 1, of the one that the cursor is on; 0 when on
// none. With more it has not counted all of a long text yet: the next call counts on.
func (e *Editor) Matches() (current, total int, more bool) {
	f := e.find
	if f == nil {
		return 0, 0, false
	}
	bytes := 0
	for n := 0; n < countLines && bytes < countBytes && len(f.counts) < len(e.buf.lines); n++ {
		line := e.buf.lines[len(f.counts)]
		k := f.count(line)
		f.counts = append(f.counts, k)
		f.total += int(k)
		bytes += len(line)
	}
	more = len(f.counts) < len(e.buf.lines)
	if e.cursor.line >= len(f.counts) || f.counts[e.cursor.line] == 0 {
		return 0, f.total, more
	}
	for _, n := range f.counts[:e.cursor.line] {
		current += int(n)
	}
	for i, m := range f.in(e.buf.lines[e.cursor.line], nil) {
		if m[0] == e.cursor.byte {
			return current + i + 1, f.total, more
		}
	}
	return 0, f.total, more
}
