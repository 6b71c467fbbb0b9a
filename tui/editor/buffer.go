package editor

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// pos is a place in a text: the line and the byte in it, both from 0.
type pos struct{ line, byte int }

func (p pos) before(q pos) bool { return p.line < q.line || p.line == q.line && p.byte < q.byte }

// edit is one change of a text: at a place, what went and what came. Lines end in "\n" here,
// whatever the file has.
type edit struct {
	at             pos
	removed, added string
}

// change is what an edit did to the lines: removed lines from first on became added ones.
type change struct {
	from, to, end  pos // what was between from and to is now between from and end
	first          int
	removed, added int
}

// buffer is a text as lines without their ends. A file of only CRLF ends keeps them; in one
// that mixes them the "\r" are text. So every file comes out as it went in, byte for byte.
type buffer struct {
	lines []string
	eol   string
	size  int // bytes of all lines, without their ends
	rev   uint64

	saved    []string // what is on disk
	savedEOL string
	savedLen int
	clean    bool // the answer of modified for rev cleanRev
	cleanRev uint64

	text    string // joined, for rev textRev
	textRev uint64
}

func newBuffer(text string) *buffer {
	b := &buffer{rev: 1, textRev: 1, text: text}
	b.lines, b.eol = splitLines(text)
	b.size = sizeOf(b.lines)
	b.markSaved()
	return b
}

func splitLines(text string) (lines []string, eol string) {
	eol = "\n"
	if n := strings.Count(text, "\n"); n > 0 && n == strings.Count(text, "\r\n") {
		eol = "\r\n"
	}
	return strings.Split(text, eol), eol
}

func sizeOf(lines []string) int {
	n := 0
	for _, l := range lines {
		n += len(l)
	}
	return n
}

func (b *buffer) string() string {
	if b.textRev != b.rev {
		b.text, b.textRev = strings.Join(b.lines, b.eol), b.rev
	}
	return b.text
}

func (b *buffer) markSaved() {
	b.saved, b.savedEOL, b.savedLen = slices.Clone(b.lines), b.eol, b.size
	b.clean, b.cleanRev = true, b.rev
}

func (b *buffer) markSavedAs(text string) {
	b.saved, b.savedEOL = splitLines(text)
	b.savedLen = sizeOf(b.saved)
	b.cleanRev = 0
}

// modified compares the contents, not the way that led there.
func (b *buffer) modified() bool {
	if b.cleanRev != b.rev {
		b.clean = b.size == b.savedLen && b.eol == b.savedEOL && slices.Equal(b.lines, b.saved)
		b.cleanRev = b.rev
	}
	return !b.clean
}

func (b *buffer) end() pos {
	n := len(b.lines) - 1
	return pos{n, len(b.lines[n])}
}

// clamp gives the nearest place that there is.
func (b *buffer) clamp(p pos) pos {
	if p.line < 0 {
		return pos{}
	}
	if p.line >= len(b.lines) {
		return b.end()
	}
	return pos{p.line, max(min(p.byte, len(b.lines[p.line])), 0)}
}

// between is the text from one place to another, its lines joined by sep. It is a copy: kept, it does
// not keep a long line with it.
func (b *buffer) between(from, to pos, sep string) string {
	if from.line == to.line {
		return strings.Clone(b.lines[from.line][from.byte:to.byte])
	}
	var s strings.Builder
	s.WriteString(b.lines[from.line][from.byte:])
	for _, l := range b.lines[from.line+1 : to.line] {
		s.WriteString(sep)
		s.WriteString(l)
	}
	s.WriteString(sep)
	s.WriteString(b.lines[to.line][:to.byte])
	return s.String()
}

// replace puts a text in place of another.
func (b *buffer) replace(from, to pos, text string) change {
	head, tail := b.lines[from.line][:from.byte], b.lines[to.line][to.byte:]
	c := change{from: from, to: to, first: from.line, removed: to.line - from.line + 1, added: 1}
	for _, l := range b.lines[from.line : to.line+1] {
		b.size -= len(l)
	}
	if !strings.Contains(text, "\n") {
		line := head + text + tail
		c.end = pos{from.line, from.byte + len(text)}
		b.size += len(line)
		if c.removed == 1 {
			b.lines[from.line] = line
		} else {
			b.lines = slices.Replace(b.lines, from.line, to.line+1, line)
		}
		b.rev++
		return c
	}
	lines := strings.Split(text, "\n")
	last := len(lines) - 1
	c.added = len(lines)
	c.end = pos{from.line + last, len(lines[last])}
	lines[0] = head + lines[0]
	lines[last] += tail
	b.size += sizeOf(lines)
	b.lines = slices.Replace(b.lines, from.line, to.line+1, lines...)
	b.rev++
	return c
}

// setEOL changes the line ends of the whole file.
func (b *buffer) setEOL(eol string) {
	if b.eol != eol {
		b.eol = eol
		b.rev++
	}
}

// moved is where a place is after a change. What was within the replaced text goes to its end;
// a place at the very start of the change stays.
func (c change) moved(p pos) pos {
	switch {
	case p == c.from || p.before(c.from):
		return p
	case p.before(c.to):
		if c.end.before(p) {
			return c.end
		}
		return p
	case p.line == c.to.line:
		return pos{c.end.line, c.end.byte + p.byte - c.to.byte}
	}
	return pos{p.line + c.end.line - c.to.line, p.byte}
}

// advance is the place where a text that begins at p ends.
func advance(p pos, text string) pos {
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		return pos{p.line + strings.Count(text, "\n"), len(text) - i - 1}
	}
	return pos{p.line, p.byte + len(text)}
}

// outer gives line and column from 1 as others count them: characters, a byte that is
// not UTF-8 being one.
func (b *buffer) outer(p pos) (line, column int) {
	return p.line + 1, utf8.RuneCountInString(b.lines[p.line][:p.byte]) + 1
}

// inner is the place of a line and column from 1; the nearest that there is.
func (b *buffer) inner(line, column int) pos {
	if line < 1 {
		return pos{}
	}
	if line > len(b.lines) {
		return b.end()
	}
	text := b.lines[line-1]
	i := 0
	for ; column > 1 && i < len(text); column-- {
		_, n := utf8.DecodeRuneInString(text[i:])
		i += n
	}
	return pos{line - 1, i}
}
