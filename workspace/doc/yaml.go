package doc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// ParseYAML parses one YAML document. Aliases are resolved, tags other than
// !!str ignored, merge keys left as the key "<<".
func ParseYAML(src Source, data []byte) (*Node, Diagnostics) {
	if ds := checkBytes(src, data); ds != nil {
		return nil, ds
	}
	data = trimBOM(data)
	if ds := checkSize(src, data); ds != nil {
		return nil, ds
	}
	root, err := decodeYAML(data)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if second := (*secondDocument)(nil); errors.As(err, &second) {
		return nil, Diagnostics{src.At(second.line, 1).Errorf(CodeDocuments, "a second document begins here; a file holds one")}
	}
	if err != nil {
		return nil, Diagnostics{syntaxCause(src, string(data), err)}
	}
	c := converter{src: src, data: data, lines: splitLines(data), anchors: map[*yaml.Node]converted{}}
	node := c.convert(root, 0)
	if c.fault != nil {
		return nil, Diagnostics{*c.fault}
	}
	return node.node, nil
}

// checkSize refuses text in which more could be a value than four documents
// may hold, before the parser, which takes 200 times the text's size for the
// worst, makes nodes of them all. Each value has one of these characters, but
// not each of them is one: - and ? are when a space follows.
func checkSize(src Source, data []byte) Diagnostics {
	count := 0
	for i, c := range data {
		switch c {
		case '-', '?':
			if i+1 == len(data) || data[i+1] <= ' ' {
				count++
			}
		case ':', ',', '[', '{':
			count++
		}
		if count > 4*MaxNodes {
			line := 1 + bytes.Count(data[:i], []byte("\n"))
			column := 1 + utf8.RuneCount(data[bytes.LastIndexByte(data[:i], '\n')+1:i])
			return Diagnostics{src.At(line, column).Errorf(CodeLimit, "the document holds more than %d values", MaxNodes)}
		}
	}
	return nil
}

// secondDocument says on which line a second document of a file begins.
type secondDocument struct{ line int }

func (s *secondDocument) Error() string { return fmt.Sprintf("second document on line %d", s.line) }

// decodeYAML returns the root value of the only document in data, io.EOF when
// there is none. A panic of the parser becomes an error.
func decodeYAML(data []byte) (root *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, fmt.Errorf("yaml: the parser gave up: %v", r)
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	if err := decoder.Decode(&first); err != nil {
		return nil, err
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, &secondDocument{line: separatorLine(data, second.Line)}
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	if len(first.Content) == 0 {
		return nil, io.EOF
	}
	return first.Content[0], nil
}

// separatorLine returns the last line up to limit that starts with ---.
func separatorLine(data []byte, limit int) int {
	lines := bytes.Split(data, []byte("\n"))
	for i := min(limit, len(lines)) - 1; i >= 0; i-- {
		if bytes.HasPrefix(lines[i], []byte("---")) {
			return i + 1
		}
	}
	return max(1, min(limit, len(lines)))
}

// converted is a node with the number of values in it, aliases expanded.
type converted struct {
	node *Node
	size int
}

type converter struct {
	src     Source
	data    []byte
	lines   []span
	anchors map[*yaml.Node]converted // the finished values that have an anchor
	block   []Node                   // what node hands out
	total   int
	fault   *Diagnostic
}

func (c *converter) fail(o Origin, format string, args ...any) converted {
	if c.fault == nil {
		d := o.Errorf(CodeLimit, format, args...)
		c.fault = &d
	}
	return converted{}
}

func (c *converter) convert(y *yaml.Node, depth int) converted {
	at := c.origin(y)
	if depth > MaxDepth {
		return c.fail(at, "lists and mappings are nested deeper than %d levels", MaxDepth)
	}
	if y.Kind == yaml.AliasNode {
		return c.alias(y, at)
	}
	node := c.node(at)
	result := converted{node: node, size: 1}
	switch y.Kind {
	case yaml.SequenceNode:
		node.Kind = List
		c.items(y, &result, depth)
	case yaml.MappingNode:
		node.Kind = Map
		c.entries(y, &result, depth)
	default:
		node.Text = y.Value
		node.Quoted = y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
		node.Type = plainType(y.Value)
		if node.Quoted || y.Style&yaml.TaggedStyle != 0 && y.ShortTag() == "!!str" {
			node.Type = String
		}
	}
	if c.total++; c.total > MaxNodes {
		return c.fail(at, "the document holds more than %d values", MaxNodes)
	}
	if y.Anchor != "" {
		c.anchors[y] = result
	}
	return result
}

// node returns a new node. They are allocated in blocks, for speed.
func (c *converter) node(at Origin) *Node {
	if len(c.block) == 0 {
		c.block = make([]Node, 32)
	}
	n := &c.block[0]
	c.block = c.block[1:]
	n.Origin = at
	return n
}

// alias repeats an earlier node at the place of the alias. Only the head is
// copied, so a chain of aliases costs nothing but is counted in full.
func (c *converter) alias(y *yaml.Node, at Origin) converted {
	target, ok := c.anchors[y.Alias]
	if !ok {
		if c.fault == nil {
			d := at.Errorf(CodeSyntax, "the alias *%s stands inside the value that it names", y.Value)
			c.fault = &d
		}
		return converted{}
	}
	if c.total += target.size; c.total > MaxNodes {
		return c.fail(at, "aliases expand the document to more than %d values", MaxNodes)
	}
	head := *target.node
	head.Origin = at
	return converted{node: &head, size: target.size}
}

func (c *converter) items(y *yaml.Node, result *converted, depth int) {
	result.node.Items = make([]*Node, 0, len(y.Content))
	for _, item := range y.Content {
		v := c.convert(item, depth+1)
		if c.fault != nil {
			return
		}
		if v.node.IsNull() && !v.node.Quoted && v.node.Text == "" && y.Style&yaml.FlowStyle == 0 {
			v.node.Column = c.dash(item, v.node.Column)
		}
		result.node.Items = append(result.node.Items, v.node)
		result.size += v.size
	}
}

// dash returns the column of the dash of an empty list item.
func (c *converter) dash(item *yaml.Node, column int) int {
	if item.Line < 1 || item.Line > len(c.lines) {
		return column
	}
	line := c.lines[item.Line-1]
	found, i, end := column, int(line.column), int(line.column)+min(item.Column, int(line.chars))
	for offset := int(line.offset); offset < len(c.data) && i < end; i++ {
		r, size := utf8.DecodeRune(c.data[offset:])
		if r == '-' {
			found = i
		}
		offset += size
	}
	return found
}

func (c *converter) entries(y *yaml.Node, result *converted, depth int) {
	result.node.Entries = make([]Entry, 0, len(y.Content)/2)
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := c.convert(y.Content[i], depth+1)
		if c.fault != nil {
			return
		}
		if key.node.Kind != Scalar {
			d := key.node.Errorf(CodeSyntax, "a key must be a word, this is %s", key.node.Describe()).
				WithHint("text that begins with [ or { needs quotes")
			c.fault = &d
			return
		}
		value := c.convert(y.Content[i+1], depth+1)
		if c.fault != nil {
			return
		}
		result.node.Entries = append(result.node.Entries, Entry{Key: key.node, Value: value.node})
		result.size += key.size + value.size
	}
	markDuplicates(result.node.Entries)
}

// origin translates the parser's place, which also counts the line breaks of
// YAML 1.1 (NEL, LS, PS, lone CR), into the lines that an editor shows.
func (c *converter) origin(y *yaml.Node) Origin {
	line := c.lines[min(max(y.Line, 1), len(c.lines))-1]
	column := min(max(y.Column, 1), int(line.chars))
	if y.Line > len(c.lines) { // an empty value behind the last line
		column = int(line.chars)
	}
	return c.src.At(int(line.line), int(line.column)+column-1)
}

// span is a line as YAML 1.1 counts them: where it begins, in bytes and as an
// editor shows it, and the number of its characters with its break or, of the
// last one, with the end of the file.
type span struct{ offset, line, column, chars int32 }

// splitLines splits data at the line breaks of YAML 1.1.
func splitLines(data []byte) []span {
	lines := make([]span, 0, bytes.Count(data, []byte("\n"))+1)
	now := span{line: 1, column: 1}
	line, column := int32(1), int32(1) // an editor's, behind the character
	for i := 0; i < len(data); {
		c, size := rune(data[i]), 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRune(data[i:])
		}
		i += size
		now.chars++
		column++
		if c == '\n' {
			line, column = line+1, 1
		}
		if c == '\n' || c == '\r' && (i == len(data) || data[i] != '\n') || c == '\u0085' || c == '\u2028' || c == '\u2029' {
			lines = append(lines, now)
			now = span{offset: int32(i), line: line, column: column}
		}
	}
	now.chars++
	return append(lines, now)
}
