package doc

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// syntaxCause turns an error of the YAML parser, which names at best a line
// and often the wrong one, into a Diagnostic at the place to repair. It first
// looks for the causes that people meet, then for the first line with which
// the document stops being YAML.
func syntaxCause(src Source, text string, err error) Diagnostic {
	s := scanner{src: src, lines: strings.Split(text, "\n")}
	if d := s.scan(); d != nil {
		return *d
	}
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := errorLine.FindStringSubmatch(message); m != nil {
		message = m[2]
		line, _ = strconv.Atoi(m[1])
	}
	if n := s.firstBadLine(text, line); n > 0 {
		line = n
	}
	line = max(1, min(line, len(s.lines)))
	return s.explain(line, message)
}

// maxSearch is the size in bytes up to which firstBadLine searches.
const maxSearch = 128 << 10

var errorLine = regexp.MustCompile(`(?s)^line (\d+): (.*)$`)

// scanner reads YAML line by line, as roughly as is needed to find a slip.
type scanner struct {
	src   Source
	lines []string

	block *block    // the text block that is open
	flow  []bracket // the brackets that are open
	quote bracket   // the quote that is open, or zero
}

// block is a text block (| or >): it lasts while lines are indented deeper
// than indent.
type block struct {
	line, indent int
	heredoc      string // the end word of a here-document that is open
	heredocLine  int
}

// bracket is an opening bracket or quote at a byte of a line.
type bracket struct {
	char         byte
	line, offset int
}

var (
	conflict    = regexp.MustCompile(`^(<{7}|>{7}|\|{7})( |$)|^={7}\r?$`)
	blockHeader = regexp.MustCompile(`^([&!]\S+\s+)*[|>][-+0-9]*\s*(#.*)?$`)
	hereDoc     = regexp.MustCompile(`<<-?\s*\\?["']?([A-Za-z_][A-Za-z0-9_]*)["']?`)
	itemOrKey   = regexp.MustCompile(`^((- +)*)([^\s#"'\[{][^:#]*:(\s+|$))?`)
)

// scan returns the first known cause, or nil.
func (s *scanner) scan() *Diagnostic {
	for i, line := range s.lines {
		if d := s.line(i+1, strings.TrimSuffix(line, "\r")); d != nil {
			return d
		}
	}
	if q := s.quote; q.char != 0 {
		d := s.at(q.line, q.offset).Errorf(CodeSyntax, "this quote is never closed")
		return &d
	}
	if len(s.flow) > 0 {
		b := s.flow[len(s.flow)-1]
		d := s.at(b.line, b.offset).Errorf(CodeSyntax, "this '%c' is never closed", b.char)
		return &d
	}
	return nil
}

func (s *scanner) at(number, offset int) Origin {
	return s.src.At(number, utf8.RuneCountInString(s.lines[number-1][:offset])+1)
}

func (s *scanner) line(number int, line string) *Diagnostic {
	if conflict.MatchString(line) {
		d := s.at(number, 0).Errorf(CodeSyntax, "this is a conflict marker that git left behind").
			WithHint("keep one of the two sides and delete the three marker lines")
		return &d
	}
	indent := len(line) - len(strings.TrimLeft(line, " "))
	content := line[indent:]
	if s.quote.char == 0 && len(s.flow) == 0 && s.inBlock(number, indent, content) {
		return nil
	}
	if d := s.endOfBlock(number, indent); d != nil {
		return d
	}
	if s.quote.char == 0 && len(s.flow) == 0 && strings.HasPrefix(content, "\t") && strings.TrimSpace(content) != "" {
		d := s.at(number, indent).Errorf(CodeSyntax, "a tab character indents this line").
			WithHint("YAML is indented with spaces only")
		return &d
	}
	return s.tokens(number, line, indent)
}

// inBlock reports whether the line belongs to the open text block and follows
// here-documents in it.
func (s *scanner) inBlock(number, indent int, content string) bool {
	if s.block == nil || strings.TrimSpace(content) != "" && indent <= s.block.indent {
		return false
	}
	if s.block.heredoc != "" {
		if strings.TrimSpace(content) == s.block.heredoc {
			s.block.heredoc = ""
		}
		return true
	}
	if m := hereDoc.FindStringSubmatch(content); m != nil {
		s.block.heredoc, s.block.heredocLine = m[1], number
	}
	return true
}

// endOfBlock closes the open text block, which is wrong within a here-document.
func (s *scanner) endOfBlock(number, indent int) *Diagnostic {
	b := s.block
	s.block = nil
	if b == nil || b.heredoc == "" {
		return nil
	}
	d := s.at(number, indent).Errorf(CodeSyntax,
		"the text block opened on line %d ends here, within the here-document %s of line %d", b.line, b.heredoc, b.heredocLine).
		WithHint(fmt.Sprintf("indent the body of the here-document and the closing %s as deep as the script; YAML removes that indentation", b.heredoc))
	return &d
}

// tokens follows quotes, brackets and the beginning of text blocks on a line.
func (s *scanner) tokens(number int, line string, indent int) *Diagnostic {
	i := indent
	if s.quote.char == 0 && len(s.flow) == 0 {
		lead := itemOrKey.FindStringSubmatch(line[indent:])
		dashes := len(lead[1])
		i += len(lead[0])
		if d := s.reserved(number, line, i); d != nil {
			return d
		}
		if blockHeader.MatchString(line[i:]) {
			s.block = &block{line: number, indent: indent + dashes}
			if lead[3] == "" {
				s.block.indent = max(indent, indent+dashes-2)
			}
			return nil
		}
	}
	for start := true; i < len(line); i++ {
		c := line[i]
		switch {
		case s.quote.char == '"' && c == '\\':
			i++
		case s.quote.char != 0:
			if c == s.quote.char {
				s.quote = bracket{}
			}
		case (c == '"' || c == '\'') && start:
			s.quote = bracket{c, number, i}
		case c == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t'):
			return nil
		case (c == '[' || c == '{') && start:
			s.flow = append(s.flow, bracket{c, number, i})
		case (c == ']' || c == '}') && len(s.flow) > 0:
			s.flow = s.flow[:len(s.flow)-1]
		}
		start = c == ' ' && start || len(s.flow) > 0 && strings.IndexByte(" ,:[{", c) >= 0
	}
	return nil
}

// reserved finds values that begin with a character that means something else
// to YAML.
func (s *scanner) reserved(number int, line string, i int) *Diagnostic {
	if i >= len(line) {
		return nil
	}
	hint := "put the text in quotes"
	switch line[i] {
	case '@':
		hint = "package groups are not supported, list the packages; other text that begins with @ needs quotes"
	case '`', '%':
	case '*', '&':
		if rest := line[i+1:]; rest != "" && isWordByte(rest[0]) {
			return nil
		}
	default:
		return nil
	}
	if line[i] == '%' && i == 0 {
		return nil
	}
	d := s.at(number, i).Errorf(CodeSyntax, "text must not begin with %c", line[i]).WithHint(hint)
	return &d
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// firstBadLine returns the line from which on the document does not parse, 0
// if that cannot be told. Lines before hint are taken to be good as long as
// they parse on their own. In a document too large to be parsed some dozen
// times it does not look.
func (s *scanner) firstBadLine(text string, hint int) int {
	if len(text) > maxSearch {
		return 0
	}
	parses := func(n int) bool {
		var node yaml.Node
		return safeUnmarshal(strings.Join(s.lines[:n], "\n"), &node) == nil
	}
	good, bad := 0, len(s.lines)
	if hint > 1 && hint <= bad && parses(hint-1) {
		good = hint - 1
	}
	for rounds := 0; rounds < 64 && bad-good > 1; rounds++ {
		if middle := (good + bad) / 2; parses(middle) {
			good = middle
		} else {
			bad = middle
		}
	}
	// A list or quote over many lines fails until it is closed: look whether
	// the document recovers further down.
	for n := bad + 1; n <= min(len(s.lines)-1, bad+40); n++ {
		if parses(n) {
			bad = n + 1
		}
	}
	return min(bad, len(s.lines))
}

func safeUnmarshal(text string, node *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: the parser gave up: %v", r)
		}
	}()
	return yaml.Unmarshal([]byte(text), node)
}

var missingSpace = regexp.MustCompile(`^\s*(- )*[A-Za-z0-9_-]+:[^\s:/]`)

// explain words the parser's message at the most likely column of line.
func (s *scanner) explain(number int, message string) Diagnostic {
	line := s.lines[number-1]
	offset := len(line) - len(strings.TrimLeft(line, " \t"))
	hint := ""
	switch {
	case strings.Contains(message, "mapping values are not allowed"):
		lead := itemOrKey.FindString(line[offset:])
		if i := strings.Index(line[offset+len(lead):], ": "); i >= 0 {
			offset += len(lead) + i
			hint = "put the value in quotes if the colon belongs to it; else check the indentation"
		}
	case missingSpace.MatchString(line):
		offset += strings.IndexByte(line[offset:], ':')
		hint = "a colon after a key needs a space or the end of the line behind it"
	case strings.Contains(message, "did not find expected"), strings.Contains(message, "could not find expected"):
		hint = "check the indentation of this line and the one before it"
	}
	return s.at(number, offset).Errorf(CodeSyntax, "this is not YAML: %s", message).WithHint(hint)
}
