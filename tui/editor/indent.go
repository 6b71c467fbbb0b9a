package editor

import "strings"

// indentLines is how many lines are looked at for the file's own indent.
const indentLines = 400

// indentUnit is what one step of indent is in this file: the smallest that there is, else
// what is usual in the language.
func (e *Editor) indentUnit() string {
	smallest := 0
	for _, l := range e.buf.lines[:min(len(e.buf.lines), indentLines)] {
		if strings.HasPrefix(l, "\t") {
			return "\t"
		}
		n := len(l) - len(strings.TrimLeft(l, " "))
		if n > 1 && n < len(l) && (smallest == 0 || n < smallest) {
			smallest = n
		}
	}
	if smallest == 0 || smallest > 8 {
		return e.colours.language.indent()
	}
	return strings.Repeat(" ", smallest)
}

// indentAfter is the blanks with which the line after a text begins.
func (e *Editor) indentAfter(before string) string {
	base, unit := indentOf(before), e.indentUnit()
	text := strings.TrimSpace(before)
	if text == "" || e.colours.language.commented(text) {
		return base
	}
	switch e.colours.language {
	case yaml:
		return base + yamlIndent(text, unit)
	case shell, docker:
		if opensShell(text) {
			return base + unit
		}
	case plain, ini:
		return base
	}
	if strings.HasSuffix(text, "{") || strings.HasSuffix(text, "[") || strings.HasSuffix(text, "(") {
		return base + unit
	}
	return base
}

// yamlIndent is how much deeper the line after one goes: below a key without a value, and below
// the first key of an item.
func yamlIndent(text, unit string) string {
	all := len(text)
	for strings.HasPrefix(text, "- ") {
		text = strings.TrimLeft(text[1:], " ")
	}
	dashes := strings.Repeat(" ", all-len(text))
	if text == "-" {
		return dashes + "  "
	}
	if i := strings.Index(text, " #"); i >= 0 {
		text = strings.TrimSpace(text[:i])
	}
	key, value, isKey := cutKey(text)
	switch {
	case !isKey && dashes != "":
		return strings.TrimSuffix(dashes, "  ") // an item that is a plain value: the next goes beside it
	case isKey && (value == "" || value[0] == '|' || value[0] == '>') && !strings.HasPrefix(key, "#"):
		return dashes + unit
	case strings.HasSuffix(text, "{") || strings.HasSuffix(text, "["):
		return dashes + unit
	}
	return dashes
}

// cutKey splits "key: value" of YAML.
func cutKey(text string) (key, value string, ok bool) {
	if strings.HasSuffix(text, ":") && !strings.Contains(text, ": ") {
		return text[:len(text)-1], "", true
	}
	key, value, ok = strings.Cut(text, ": ")
	return key, strings.TrimSpace(value), ok
}

func opensShell(text string) bool {
	for _, w := range []string{"then", "do", "else", "{", "("} {
		if text == w || strings.HasSuffix(text, " "+w) || strings.HasSuffix(text, ";"+w) || strings.HasSuffix(text, ")"+w) {
			return true
		}
	}
	return strings.HasSuffix(text, " in") && strings.HasPrefix(text, "case ")
}

// closes says if a bracket that was just opened is closed at once.
func closes(before, after string) bool {
	before, after = strings.TrimRight(before, " "), strings.TrimLeft(after, " ")
	if before == "" || after == "" {
		return false
	}
	switch before[len(before)-1:] + after[:1] {
	case "{}", "[]", "()":
		return true
	}
	return false
}
