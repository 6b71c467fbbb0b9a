// Package doc reads YAML and JSON documents into nodes that know their place
// in the file, and says what is wrong with a document as a list of Diagnostics.
//
// It knows nothing of what the documents mean: which keys a treefile or an
// image.yaml has is the business of the packages that read them.
package doc

import (
	"fmt"
	"strconv"
)

// Origin is a place in a file and the way on which the file was reached.
type Origin struct {
	File   string   `json:"file,omitempty"`   // as people should read it, relative to the config directory where possible
	Line   int      `json:"line,omitempty"`   // 1-based; 0 is the file as a whole
	Column int      `json:"column,omitempty"` // 1-based, in Unicode characters
	Chain  []string `json:"chain,omitempty"`  // the includes that led to File, outermost first: "manifest.yaml:4"
}

// String returns file:line:column, as far as known.
func (o Origin) String() string {
	switch {
	case o.Line == 0:
		return o.File
	case o.Column == 0:
		return o.File + ":" + strconv.Itoa(o.Line)
	}
	return o.File + ":" + strconv.Itoa(o.Line) + ":" + strconv.Itoa(o.Column)
}

// Short returns file:line, the form in which an Origin stands in a Chain.
func (o Origin) Short() string { return o.File + ":" + strconv.Itoa(o.Line) }

// Errorf returns an error at o.
func (o Origin) Errorf(code, format string, args ...any) Diagnostic {
	return Diagnostic{Severity: Error, Code: code, Origin: o, Message: fmt.Sprintf(format, args...)}
}

// Warnf returns a warning at o.
func (o Origin) Warnf(code, format string, args ...any) Diagnostic {
	return Diagnostic{Severity: Warning, Code: code, Origin: o, Message: fmt.Sprintf(format, args...)}
}

// Infof returns an info at o.
func (o Origin) Infof(code, format string, args ...any) Diagnostic {
	return Diagnostic{Severity: Info, Code: code, Origin: o, Message: fmt.Sprintf(format, args...)}
}

// Kind is the shape of a Node.
type Kind int

// The shapes.
const (
	Scalar Kind = iota
	List
	Map
)

// Type is what a scalar is. Plain YAML scalars are told apart by the rules of
// treefiles: only true, True, TRUE and the same of false are booleans, yes and
// no are text, 07 and 4_0 are text, 22.03 is a float.
type Type int

// The types of scalars.
const (
	Null Type = iota
	Bool
	Int
	Float
	String
)

// Node is one value of a document. Nodes are read only; nodes that an alias
// repeats share their children.
type Node struct {
	Origin
	Kind    Kind
	Type    Type    // of a Scalar
	Text    string  // of a Scalar: quotes and escapes undone, numbers as written
	Quoted  bool    // a Scalar in quotes or a text block; always set for JSON strings
	Items   []*Node // of a List
	Entries []Entry // of a Map, in the order of the file, duplicates included
}

// Entry is a key of a Map with its value.
type Entry struct {
	Key   *Node
	Value *Node
	First *Node // the same key further up, when this one is a duplicate; else nil
}

// IsNull reports whether n is absent or null, which counts as absent.
func (n *Node) IsNull() bool { return n == nil || n.Kind == Scalar && n.Type == Null }

// Is reports whether n is a scalar of type t.
func (n *Node) Is(t Type) bool { return n != nil && n.Kind == Scalar && n.Type == t }

// Get returns the value of the first entry called key, or nil.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	for _, e := range n.Entries {
		if e.Key.Text == key {
			return e.Value
		}
	}
	return nil
}

// Describe says in words what n is, for messages: text "x", the number 3, a list.
func (n *Node) Describe() string {
	if n.IsNull() {
		return "nothing"
	}
	switch n.Kind {
	case List:
		return "a list"
	case Map:
		return "a mapping"
	}
	switch n.Type {
	case Bool:
		return "the truth value " + n.Text
	case Int, Float:
		return "the number " + n.Text
	}
	return "text " + strconv.Quote(cut(n.Text, 40))
}

// Value returns n as plain Go data: nil, bool, int64, uint64, float64, string,
// []any or map[string]any. Numbers that fit none of these and not-a-number are nil.
func (n *Node) Value() any {
	if n.IsNull() {
		return nil
	}
	switch n.Kind {
	case List:
		list := make([]any, 0, len(n.Items))
		for _, item := range n.Items {
			list = append(list, item.Value())
		}
		return list
	case Map:
		m := make(map[string]any, len(n.Entries))
		for _, e := range n.Entries {
			m[e.Key.Text] = e.Value.Value()
		}
		return m
	}
	return n.scalarValue()
}

func (n *Node) scalarValue() any {
	switch n.Type {
	case Bool:
		return n.Text[0] == 't' || n.Text[0] == 'T'
	case Int:
		if i, ok := parseInt(n.Text); ok {
			return i
		}
		return nil
	case Float:
		if f, ok := parseFloat(n.Text); ok {
			return f
		}
		return nil
	}
	return n.Text
}

// cut shortens s to at most n characters.
func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
