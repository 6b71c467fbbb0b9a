package editor

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/chroma/v2"

	"github.com/nestos/nosa/tui/theme"
)

// Limits of the work for colours in one Draw, so that the echo of a key never waits for them. What
// they leave out stays plain until the next Draw; Settling says so.
const (
	scanLines  = 20_000  // lines whose state is found
	scanBytes  = 1 << 20 // bytes of them
	lexLines   = 128     // lines that are coloured anew
	lexTokens  = 2000    // parts of them
	lexColumns = 1000    // bytes of a line that have colours
	lineTokens = 400     // parts of a line that have
	cacheLines = 2048    // coloured lines that are kept
)

// paint is a part of a line in one role.
type paint struct {
	from, to int
	role     theme.Role
}

// colours knows the roles of the parts of lines. What a line is in the middle of (a quoted text,
// a block of YAML, a here-document) is found by a scanner that is cheap enough for all lines above;
// the line itself is coloured by chroma's engine, and only when it is shown.
type colours struct {
	language language
	lexer    chroma.Lexer
	states   []lineState // before each line, as far as known
	cache    map[lineKey][]paint

	lines, tokens int  // that this frame may still colour
	scan          int  // lines that this frame may still scan
	scanBytes     int  // bytes of them
	more          bool // something was left out
}

// lineKey is all that the colours of a line depend on.
type lineKey struct {
	state lineState
	text  string
}

func newColours(name, head string) *colours {
	return &colours{language: languageOf(name, head), cache: map[lineKey][]paint{}, states: []lineState{{}}}
}

// frame begins a Draw.
func (c *colours) frame() {
	c.lines, c.tokens, c.scan, c.scanBytes, c.more = lexLines, lexTokens, scanLines, scanBytes, false
}

// shift keeps the states after a change: where the lines below begin in the same state as before,
// they stay.
func (c *colours) shift(ch change, lines []string) {
	end := ch.first + ch.removed
	if ch.first >= len(c.states) {
		return
	}
	if end >= len(c.states) || ch.added > lexLines {
		c.states = c.states[:ch.first+1]
		return
	}
	s := c.states[ch.first]
	fresh := make([]lineState, ch.added)
	for i := range fresh {
		fresh[i] = s
		s = c.language.scan(s, lines[ch.first+i])
	}
	same := s == c.states[end]
	c.states = slices.Replace(c.states, ch.first, end, fresh...)
	if !same {
		c.states = append(c.states[:ch.first+ch.added], s)
	}
}

// of gives the colours of a line; nil where it has none, or not yet.
func (c *colours) of(lines []string, line int) []paint {
	if c.language == plain {
		return nil
	}
	for len(c.states) <= line {
		n := len(c.states) - 1
		if c.scan <= 0 || c.scanBytes <= 0 {
			c.more = true
			return nil
		}
		c.scan--
		c.scanBytes -= len(lines[n])
		c.states = append(c.states, c.language.scan(c.states[n], lines[n]))
	}
	text := lines[line]
	if len(text) > lexColumns {
		text = text[:lexColumns]
	}
	if text == "" {
		return nil
	}
	key := lineKey{c.states[line], text}
	if p, ok := c.cache[key]; ok {
		return p
	}
	if c.lines <= 0 || c.tokens <= 0 {
		c.more = true
		return nil
	}
	c.lines--
	if len(c.cache) >= cacheLines {
		clear(c.cache)
	}
	p := c.lex(key)
	key.text = strings.Clone(text) // not the whole of a long line
	c.cache[key] = p
	return p
}

// lex colours a line by chroma.
func (c *colours) lex(key lineKey) []paint {
	start := c.language.start(key.state, key.text)
	switch {
	case start == "":
		return []paint{{0, len(key.text), theme.CodeString}}
	case c.lexer == nil:
		c.lexer = c.language.lexer()
	}
	it, err := c.lexer.Tokenise(&chroma.TokeniseOptions{State: start}, key.text)
	if err != nil {
		return nil
	}
	var out []paint
	at := 0
	for range lineTokens {
		tok := it()
		if tok == chroma.EOF {
			break
		}
		c.tokens--
		from := at
		at += sameRunes(key.text[at:], tok.Value)
		role := roleOf(tok.Type)
		if role == theme.Text || from == at {
			continue
		}
		if n := len(out); n > 0 && out[n-1].to == from && out[n-1].role == role {
			out[n-1].to = at
			continue
		}
		out = append(out, paint{from, at, role})
	}
	return out
}

// sameRunes is how many bytes of a text are the characters of a token: chroma makes U+FFFD of bytes
// that are not UTF-8.
func sameRunes(text, token string) int {
	if strings.HasPrefix(text, token) {
		return len(token)
	}
	n := 0
	for range token {
		_, w := utf8.DecodeRuneInString(text[n:])
		n += w
	}
	return n
}

// roleOf says what a token of chroma is to a theme.
func roleOf(t chroma.TokenType) theme.Role {
	switch {
	case t == chroma.CommentPreproc:
		return theme.CodeWord
	case t.InCategory(chroma.Comment):
		return theme.CodeComment
	case t == chroma.NameTag, t == chroma.NameAttribute, t == chroma.NameVariable:
		return theme.CodeKey
	case t == chroma.NameBuiltin, t == chroma.NameNamespace, t.InCategory(chroma.Keyword):
		return theme.CodeWord
	case t.InSubCategory(chroma.LiteralNumber):
		return theme.CodeNumber
	case t.InSubCategory(chroma.LiteralString):
		return theme.CodeString
	case t.InCategory(chroma.Operator), t.InCategory(chroma.Punctuation):
		return theme.CodeSign
	}
	return theme.Text
}

// Language is the name of the language that the file is written in.
func (e *Editor) Language() string { return string(e.colours.language) }

// Settling says that another Draw has more colours, or that Matches has more to count.
func (e *Editor) Settling() bool {
	return e.colours.more || e.find != nil && len(e.find.counts) < len(e.buf.lines)
}
