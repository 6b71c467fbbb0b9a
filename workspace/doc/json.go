package doc

import (
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// ParseJSON parses one JSON text (RFC 8259): no comments, no trailing commas.
func ParseJSON(src Source, data []byte) (*Node, Diagnostics) {
	if ds := checkBytes(src, data); ds != nil {
		return nil, ds
	}
	p := jsonParser{src: src, data: trimBOM(data), line: 1, column: 1}
	p.space()
	if p.peek() == 0 && p.pos >= len(p.data) {
		return nil, Diagnostics{src.At(p.line, p.column).Errorf(CodeSyntax, "the file is empty, JSON needs a value")}
	}
	root := p.value(0)
	p.space()
	if p.fault == nil && p.pos < len(p.data) {
		p.failHere("nothing may follow the value, found %s", p.found())
	}
	if p.fault != nil {
		return nil, Diagnostics{*p.fault}
	}
	return root, nil
}

// jsonParser is at data[pos], which is at line and column.
type jsonParser struct {
	src          Source
	data         []byte
	pos          int
	line, column int
	total        int
	fault        *Diagnostic
}

func (p *jsonParser) here() Origin { return p.src.At(p.line, p.column) }

func (p *jsonParser) fail(d Diagnostic) {
	if p.fault == nil {
		p.fault = &d
	}
}

func (p *jsonParser) failHere(format string, args ...any) {
	p.fail(p.here().Errorf(CodeSyntax, format, args...))
}

// peek returns the next byte, 0 at the end.
func (p *jsonParser) peek() byte {
	if p.pos >= len(p.data) {
		return 0
	}
	return p.data[p.pos]
}

// next consumes one character.
func (p *jsonParser) next() rune {
	r, size := utf8.DecodeRune(p.data[p.pos:])
	p.pos += size
	p.column++
	if r == '\n' {
		p.line, p.column = p.line+1, 1
	}
	return r
}

func (p *jsonParser) space() {
	for {
		switch p.peek() {
		case ' ', '\t', '\n', '\r':
			p.next()
		default:
			return
		}
	}
}

// found names the next character for a message.
func (p *jsonParser) found() string {
	if p.pos >= len(p.data) {
		return "the end of the file"
	}
	r, _ := utf8.DecodeRune(p.data[p.pos:])
	if !unicode.IsPrint(r) {
		return strconv.QuoteRune(r)
	}
	return string(r)
}

func (p *jsonParser) value(depth int) *Node {
	if depth > MaxDepth {
		p.fail(p.here().Errorf(CodeLimit, "lists and mappings are nested deeper than %d levels", MaxDepth))
	}
	if p.total++; p.total > MaxNodes {
		p.fail(p.here().Errorf(CodeLimit, "the document holds more than %d values", MaxNodes))
	}
	node := &Node{Origin: p.here()}
	if p.fault != nil {
		return node
	}
	switch c := p.peek(); {
	case c == '{':
		node.Kind = Map
		p.object(node, depth)
	case c == '[':
		node.Kind = List
		p.array(node, depth)
	case c == '"':
		node.Type, node.Quoted, node.Text = String, true, p.text()
	case c == '-' || c >= '0' && c <= '9':
		p.number(node)
	default:
		p.word(node)
	}
	return node
}

func (p *jsonParser) object(node *Node, depth int) {
	open := p.here()
	p.next()
	p.space()
	if p.peek() == '}' {
		p.next()
		return
	}
	for p.fault == nil {
		p.space()
		if p.peek() != '"' {
			p.unclosed(open, "'{'", "a key in double quotes")
			return
		}
		key := &Node{Origin: p.here(), Type: String, Quoted: true}
		key.Text = p.text()
		p.space()
		if p.fault == nil && p.peek() != ':' {
			p.failHere("want ':' after the key %s, found %s", strconv.Quote(cut(key.Text, 40)), p.found())
			return
		}
		if p.fault != nil {
			return
		}
		p.next()
		p.space()
		node.Entries = append(node.Entries, Entry{Key: key, Value: p.value(depth + 1)})
		if !p.more(open, '}') {
			break
		}
	}
	markDuplicates(node.Entries)
}

func (p *jsonParser) array(node *Node, depth int) {
	open := p.here()
	p.next()
	p.space()
	if p.peek() == ']' {
		p.next()
		return
	}
	for p.fault == nil {
		p.space()
		node.Items = append(node.Items, p.value(depth+1))
		if !p.more(open, ']') {
			return
		}
	}
}

// more consumes a comma, which makes it true, or the closing bracket.
func (p *jsonParser) more(open Origin, closing byte) bool {
	if p.fault != nil {
		return false
	}
	p.space()
	switch p.peek() {
	case ',':
		comma := p.here()
		p.next()
		p.space()
		if p.peek() == closing {
			p.fail(comma.Errorf(CodeSyntax, "a comma stands before '%c'", closing).WithHint("JSON allows no comma after the last item"))
			return false
		}
		if p.pos < len(p.data) {
			return true
		}
	case closing:
		p.next()
		return false
	}
	opening := map[byte]string{']': "'['", '}': "'{'"}[closing]
	p.unclosed(open, opening, "',' or '"+string(closing)+"'")
	return false
}

// unclosed reports what was wanted; at the end of the file the bracket that
// was never closed is the place to look at.
func (p *jsonParser) unclosed(open Origin, bracket, want string) {
	if p.pos >= len(p.data) {
		p.fail(open.Errorf(CodeSyntax, "this %s is never closed", bracket))
		return
	}
	p.failHere("want %s, found %s", want, p.found())
}

func (p *jsonParser) number(node *Node) {
	start := p.pos
	node.Type = Int
	if p.peek() == '-' {
		p.next()
	}
	whole := p.pos
	if !p.digits() {
		return
	}
	if p.data[whole] == '0' && p.pos-whole > 1 {
		p.fail(node.Errorf(CodeSyntax, "a number must not begin with 0"))
		return
	}
	if p.peek() == '.' {
		node.Type = Float
		p.next()
		if !p.digits() {
			return
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		node.Type = Float
		p.next()
		if c := p.peek(); c == '+' || c == '-' {
			p.next()
		}
		if !p.digits() {
			return
		}
	}
	node.Text = string(p.data[start:p.pos])
	if node.Value() == nil {
		node.Type = Float
	}
	if node.Value() == nil {
		p.fail(node.Errorf(CodeSyntax, "the number %s is too large", cut(node.Text, 40)))
	}
}

func (p *jsonParser) digits() bool {
	if c := p.peek(); c < '0' || c > '9' {
		p.failHere("want a digit, found %s", p.found())
		return false
	}
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.next()
	}
	return true
}

func (p *jsonParser) word(node *Node) {
	start := p.pos
	for c := p.peek(); c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'; c = p.peek() {
		p.next()
	}
	node.Text = string(p.data[start:p.pos])
	switch node.Text {
	case "true", "false":
		node.Type = Bool
	case "null":
		node.Type, node.Text = Null, ""
	case "":
		p.failHere("want a value, found %s", p.found())
	default:
		p.fail(node.Errorf(CodeSyntax, "%s is no JSON value", cut(node.Text, 40)).WithHint("text needs double quotes"))
	}
}

// text consumes a string with its quotes.
func (p *jsonParser) text() string {
	open := p.here()
	p.next()
	var b []byte
	for {
		if c := p.peek(); p.pos >= len(p.data) || c == '\n' {
			p.fail(open.Errorf(CodeSyntax, "this string has no closing quote on its line"))
			return ""
		} else if c < 0x20 {
			p.failHere("the control character %s in a string must be escaped", p.found())
			return ""
		}
		switch r := p.next(); r {
		case '"':
			return string(b)
		case '\\':
			r, ok := p.escape()
			if !ok {
				return ""
			}
			b = utf8.AppendRune(b, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
}

// escape consumes what follows a backslash.
func (p *jsonParser) escape() (rune, bool) {
	at := p.src.At(p.line, p.column-1)
	if p.pos >= len(p.data) {
		return 0, true // text reports the missing quote
	}
	switch c := p.next(); c {
	case '"', '\\', '/':
		return c, true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		return p.unicode(at)
	default:
		p.fail(at.Errorf(CodeSyntax, "\\%c is no escape of JSON", c).WithHint("a backslash itself is written \\\\"))
		return 0, false
	}
}

func (p *jsonParser) unicode(at Origin) (rune, bool) {
	high, ok := p.hex(at)
	if !ok {
		return 0, false
	}
	if !utf16.IsSurrogate(high) {
		return high, true
	}
	if p.pos+1 < len(p.data) && p.data[p.pos] == '\\' && p.data[p.pos+1] == 'u' {
		p.next()
		p.next()
		low, ok := p.hex(at)
		if !ok {
			return 0, false
		}
		if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
			return r, true
		}
	}
	p.fail(at.Errorf(CodeSyntax, "this \\u escape is half of a surrogate pair"))
	return 0, false
}

func (p *jsonParser) hex(at Origin) (rune, bool) {
	end := p.pos + 4
	if end <= len(p.data) {
		if v, err := strconv.ParseUint(string(p.data[p.pos:end]), 16, 16); err == nil {
			p.pos, p.column = end, p.column+4
			return rune(v), true
		}
	}
	p.fail(at.Errorf(CodeSyntax, "\\u needs four hexadecimal digits"))
	return 0, false
}
