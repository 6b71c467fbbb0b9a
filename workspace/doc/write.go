package doc

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// YAMLFromJSON writes a JSON document as YAML: block style, keys in their
// order, texts of several lines as literal blocks, two spaces of indentation.
func YAMLFromJSON(data []byte) ([]byte, error) {
	root, ds := ParseJSON(Source{Name: "document"}, data)
	if err := ds.Err(); err != nil {
		return nil, fmt.Errorf("reading JSON: %w", err)
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(plainStyle(root)); err != nil {
		return nil, fmt.Errorf("writing YAML: %w", err)
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("writing YAML: %w", err)
	}
	return b.Bytes(), nil
}

// plainStyle lets the encoder choose how a value is written. In quotes stays
// what a parser would read as another type, YAML 1.1 included, and what the
// encoder cannot write as a literal block.
func plainStyle(n *Node) *yaml.Node {
	switch n.Kind {
	case List:
		y := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range n.Items {
			y.Content = append(y.Content, plainStyle(item))
		}
		return y
	case Map:
		y := &yaml.Node{Kind: yaml.MappingNode}
		for _, e := range n.Entries {
			y.Content = append(y.Content, plainStyle(e.Key), plainStyle(e.Value))
		}
		return y
	}
	if n.IsNull() {
		return &yaml.Node{Kind: yaml.ScalarNode, Value: "null"}
	}
	y := &yaml.Node{Kind: yaml.ScalarNode, Value: n.Text}
	if n.Type != String {
		return y
	}
	y.Tag = "!!str"
	old := slices.Contains([]string{"y", "n", "yes", "no", "on", "off"}, strings.ToLower(n.Text))
	if old || plainType(n.Text) != String || strings.Contains(n.Text, "\n") && !isBlock(n.Text) {
		y.Style = yaml.DoubleQuotedStyle
	}
	return y
}

// isBlock reports whether text can be a literal block: lines that begin with a
// word or are indented below one, without control characters and line breaks
// of YAML 1.1, and with one break at most at the end.
func isBlock(text string) bool {
	if strings.ContainsFunc(text[:1], unicode.IsSpace) || strings.HasSuffix(text, "\n\n") {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) })
}
