package doc

import (
	"strconv"
	"strings"
)

// Decoder takes values out of nodes and reports those of a wrong type or
// shape. Its methods return false when the value is null or was reported, so
// that a caller can leave its default in place.
type Decoder struct {
	Code        string // of the reports; "" is CodeType
	Diagnostics Diagnostics

	reported map[Severity]*tally
}

// MaxReported is how many diagnostics of a severity a Decoder keeps. One more
// says how many were left out.
const MaxReported = 1000

// tally counts the reports of one severity.
type tally struct {
	n    int // all of them
	rest int // the index in Diagnostics of the one that stands for those left out
}

// Report adds diagnostic.
func (d *Decoder) Report(diagnostic Diagnostic) {
	s := diagnostic.Severity
	if d.reported == nil {
		d.reported = map[Severity]*tally{}
	}
	if d.reported[s] == nil {
		d.reported[s] = &tally{}
	}
	count := d.reported[s]
	count.n++
	switch left := count.n - MaxReported; {
	case left <= 0:
		d.Diagnostics = append(d.Diagnostics, diagnostic)
	case left == 1:
		count.rest = len(d.Diagnostics)
		d.Diagnostics = append(d.Diagnostics, Diagnostic{Severity: s, Code: CodeLimit, Origin: diagnostic.Origin})
		fallthrough
	default:
		d.Diagnostics[count.rest].Message = leftOut(s, left)
	}
}

// leftOut counts the reports that are not kept.
func leftOut(s Severity, n int) string {
	what := map[Severity]string{Error: "error", Warning: "warning", Info: "note"}[s]
	if n == 1 {
		return "and 1 more " + what + ", here, is not shown"
	}
	return "and " + strconv.Itoa(n) + " more " + what + "s, the first of them here, are not shown"
}

// Enough reports whether further reports of this severity are only counted, so
// that their words can be spared.
func (d *Decoder) Enough(s Severity) bool {
	count := d.reported[s]
	return count != nil && count.n >= MaxReported
}

// Mismatch reports that key wants something else than n. Want is a noun phrase.
func (d *Decoder) Mismatch(n *Node, key, want, hint string) {
	code := d.Code
	if code == "" {
		code = CodeType
	}
	d.Report(n.Errorf(code, "%s: want %s, got %s", key, want, n.Describe()).WithHint(hint))
}

// Text returns the text of n.
func (d *Decoder) Text(n *Node, key string) (string, bool) {
	if n.IsNull() {
		return "", false
	}
	if n.Is(String) {
		return n.Text, true
	}
	if n.Kind == Scalar {
		d.Mismatch(n, key, "text", "put it in quotes: "+strconv.Quote(n.Text))
		return "", false
	}
	d.Mismatch(n, key, "text", "")
	return "", false
}

// Bool returns the truth value of n.
func (d *Decoder) Bool(n *Node, key string) (value, ok bool) {
	if n.IsNull() {
		return false, false
	}
	if n.Is(Bool) {
		return n.Text[0] == 't' || n.Text[0] == 'T', true
	}
	hint := ""
	if n.Kind == Scalar {
		switch strings.ToLower(n.Text) {
		case "true", "false":
			hint = "remove the quotes"
		case "yes", "on", "1":
			hint = "write true; yes, on and 1 are not truth values here"
		case "no", "off", "0":
			hint = "write false; no, off and 0 are not truth values here"
		}
	}
	d.Mismatch(n, key, "true or false", hint)
	return false, false
}

// Int returns n, which must be a whole number that an int64 holds.
func (d *Decoder) Int(n *Node, key string) (int64, bool) {
	if n.IsNull() {
		return 0, false
	}
	if n.Is(Int) {
		if i, ok := n.Value().(int64); ok {
			return i, true
		}
	}
	hint := ""
	if n.Kind == Scalar && n.Quoted && plainType(n.Text) == Int {
		hint = "remove the quotes"
	}
	d.Mismatch(n, key, "a whole number", hint)
	return 0, false
}

// List returns the items of n.
func (d *Decoder) List(n *Node, key string) ([]*Node, bool) {
	if n.IsNull() {
		return nil, false
	}
	if n.Kind == List {
		return n.Items, true
	}
	hint := ""
	if n.Kind == Scalar {
		hint = "make it a list item: put it on its own line after \"- \""
	}
	d.Mismatch(n, key, "a list", hint)
	return nil, false
}

// Texts returns the items of n that are text; the others are reported.
func (d *Decoder) Texts(n *Node, key string) ([]*Node, bool) {
	items, ok := d.List(n, key)
	if !ok {
		return nil, false
	}
	texts := make([]*Node, 0, len(items))
	for _, item := range items {
		switch {
		case item.Is(String):
			texts = append(texts, item)
		case item.IsNull():
			d.Mismatch(item, key+" item", "text", "remove the empty item")
		case item.Kind == Map:
			d.Mismatch(item, key+" item", "text", "a colon followed by a space makes a mapping; put the text in quotes or remove the colon")
		case item.Kind == Scalar:
			d.Mismatch(item, key+" item", "text", "put it in quotes: "+strconv.Quote(item.Text))
		default:
			d.Mismatch(item, key+" item", "text", "")
		}
	}
	return texts, true
}

// Entries returns the entries of the mapping n. Duplicates are reported and
// left out, merge keys ("<<") are reported.
func (d *Decoder) Entries(n *Node, key string) ([]Entry, bool) {
	if n.IsNull() {
		return nil, false
	}
	if n.Kind != Map {
		d.Mismatch(n, key, "a mapping", "")
		return nil, false
	}
	entries := make([]Entry, 0, len(n.Entries))
	for _, e := range n.Entries {
		if e.First != nil {
			d.Report(Duplicate(e))
			continue
		}
		entries = append(entries, e)
	}
	return entries, true
}

// Duplicate is the report of an entry whose First is set.
func Duplicate(e Entry) Diagnostic {
	return e.Key.Errorf(CodeDuplicate, "the key %s stands here for the second time", strconv.Quote(e.Key.Text)).
		WithHint("the first one is on line " + strconv.Itoa(e.First.Line) + "; join the two")
}
