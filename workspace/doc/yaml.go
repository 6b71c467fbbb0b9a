package doc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
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
	c := converter{src: src, lines: splitLines(data), nodes: map[*yaml.Node]converted{}}
	node := c.convert(root, 0)
	if c.fault != nil {
		return nil, Diagnostics{*c.fault}
	}
	return node.node, nil
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
	src   Source
	lines [][]place
	nodes map[*yaml.Node]converted
	total int
	fault *Diagnostic
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
	node := &Node{Origin: at}
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
	c.nodes[y] = result
	return result
}

// alias repeats an earlier node at the place of the alias. Only the head is
// copied, so a chain of aliases costs nothing but is counted in full.
func (c *converter) alias(y *yaml.Node, at Origin) converted {
	target, ok := c.nodes[y.Alias]
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
	for i := min(item.Column, len(line)) - 1; i >= 0; i-- {
		if line[i].char == '-' {
			return int(line[i].column)
		}
	}
	return column
}

func (c *converter) entries(y *yaml.Node, result *converted, depth int) {
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
	p := line[min(max(y.Column, 1), len(line))-1]
	if y.Line > len(c.lines) { // an empty value behind the last line
		p = line[len(line)-1]
	}
	return c.src.At(int(p.line), int(p.column))
}

// place is a character of a YAML line and where an editor shows it.
type place struct {
	char         rune
	line, column int32
}

// splitLines splits data at the line breaks of YAML 1.1. Each line ends with
// the place of its break, the last one with the end of the file.
func splitLines(data []byte) [][]place {
	lines := [][]place{{}}
	line, column := int32(1), int32(1)
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		last := len(lines) - 1
		lines[last] = append(lines[last], place{r, line, column})
		column++
		crlf := r == '\r' && len(data) > 1 && data[1] == '\n'
		if r == '\n' {
			line, column = line+1, 1
		}
		if !crlf && strings.ContainsRune("\n\r\u0085\u2028\u2029", r) {
			lines = append(lines, nil)
		}
		data = data[size:]
	}
	last := len(lines) - 1
	lines[last] = append(lines[last], place{0, line, column})
	return lines
}
