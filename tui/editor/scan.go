package editor

import "strings"

// mode is what a line begins in the middle of.
type mode uint8

const (
	code      mode = iota
	block          // a block scalar of YAML
	double         // "…
	quoted         // '…
	heredoc        // a here-document
	continued      // after a line that ends in a backslash
	comment        // /* …
	raw            // `…
)

// lineState is what the lines above mean for a line.
type lineState struct {
	mode   mode
	indent int    // of the key of a block scalar: its text is deeper
	first  bool   // of a block scalar nothing has come yet
	script bool   // it is a shell script, in its own mode:
	sub    mode   // code, double, quoted or heredoc
	word   string // that ends a here-document
}

// scan gives the state after a line.
func (l language) scan(s lineState, line string) lineState {
	switch l {
	case yaml:
		return scanYAML(s, line)
	case shell:
		s.mode, s.word = scanShell(s.mode, s.word, line)
		return s
	case ini:
		if strings.HasSuffix(line, "\\") && (s.mode == continued || !iniComment(line)) {
			return lineState{mode: continued}
		}
		return lineState{mode: afterINI(s, line)}
	case docker:
		return scanDocker(s, line)
	case golang:
		return lineState{mode: scanGo(s.mode, line)}
	}
	return s
}

// afterINI keeps a continuation over the comments within it, as systemd does (systemd.syntax(7)).
func afterINI(s lineState, line string) mode {
	if s.mode == continued && iniComment(line) {
		return continued
	}
	return code
}

func iniComment(line string) bool {
	line = strings.TrimLeft(line, " \t")
	return line != "" && (line[0] == '#' || line[0] == ';')
}

func scanYAML(s lineState, line string) lineState {
	text := strings.TrimLeft(line, " ")
	indent := len(line) - len(text)
	switch s.mode {
	case block:
		if strings.TrimSpace(text) == "" {
			return s
		}
		if indent > s.indent {
			if s.first {
				s.first, s.script = false, isScript(text)
			}
			if s.script {
				s.sub, s.word = scanShell(s.sub, s.word, text)
			}
			return s
		}
	case double, quoted:
		end := closing(text, s.mode)
		if end < 0 {
			return s
		}
		text = text[end:]
	}
	return afterYAML(text, indent)
}

// isScript says if a text begins as a shell script.
func isScript(text string) bool {
	return strings.HasPrefix(text, "#!") && strings.Contains(text, "sh")
}

// closing is the place after the quote that ends a quoted text, -1 when it goes on.
func closing(text string, m mode) int {
	for i := 0; i < len(text); i++ {
		switch {
		case m == double && text[i] == '\\':
			i++
		case m == double && text[i] == '"':
			return i + 1
		case m == quoted && text[i] == '\'':
			if i+1 < len(text) && text[i+1] == '\'' {
				i++
				continue
			}
			return i + 1
		}
	}
	return -1
}

// afterYAML is the state after a line of which text is what counts.
func afterYAML(text string, indent int) lineState {
	for strings.HasPrefix(text, "- ") { // the key of an item is deeper than its dash
		rest := strings.TrimLeft(text[1:], " ")
		if isBlockHead(rest) {
			break
		}
		indent += len(text) - len(rest)
		text = rest
	}
	if strings.HasPrefix(text, "--- ") {
		indent = -1
	}
	opens := true // a quote here opens
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == '#' && (i == 0 || text[i-1] == ' ' || text[i-1] == '\t'):
			return blockAfter(text[:i], indent)
		case opens && (ch == '"' || ch == '\''):
			m := double
			if ch == '\'' {
				m = quoted
			}
			end := closing(text[i+1:], m)
			if end < 0 {
				return lineState{mode: m}
			}
			i += end
			opens = false
		case ch != ' ':
			opens = strings.IndexByte(":-[{,", ch) >= 0
		}
	}
	return blockAfter(text, indent)
}

// isBlockHead says if a text is the head of a block scalar: "|", ">-", "|2".
func isBlockHead(text string) bool {
	text, _, _ = strings.Cut(text, " #")
	text = strings.TrimRight(text, " ")
	return text != "" && len(text) <= 3 && (text[0] == '|' || text[0] == '>') && strings.Trim(text[1:], "+-123456789") == ""
}

// blockAfter is the state after a line that may end in the head of a block scalar.
func blockAfter(text string, indent int) lineState {
	text = strings.TrimRight(text, " ")
	i := strings.LastIndexByte(text, ' ')
	if !isBlockHead(text[i+1:]) {
		return lineState{}
	}
	before := strings.TrimRight(text[:i+1], " ")
	if j := strings.LastIndexByte(before, ' '); j+1 < len(before) && (before[j+1] == '!' || before[j+1] == '&') {
		before = strings.TrimRight(before[:j+1], " ")
	}
	if strings.HasSuffix(before, ":") || strings.HasSuffix(before, "-") {
		return lineState{mode: block, indent: indent, first: true}
	}
	return lineState{}
}

// scanShell gives the mode after a line of a shell script, and the word that ends its here-document.
func scanShell(m mode, word, line string) (mode, string) {
	if m == heredoc {
		if strings.TrimLeft(line, "\t ") == word {
			return code, ""
		}
		return heredoc, word
	}
	next, math := "", strings.Contains(line, "((")
	for i := 0; i < len(line); i++ {
		ch := line[i]
		switch {
		case m == quoted:
			if ch == '\'' {
				m = code
			}
		case ch == '\\':
			i++
		case ch == '"' && m == double:
			m = code
		case ch == '"':
			m = double
		case m == double:
		case ch == '\'':
			m = quoted
		case ch == '#' && (i == 0 || strings.IndexByte(" \t;&|()", line[i-1]) >= 0):
			i = len(line)
		case ch == '<' && !math && strings.HasPrefix(line[i:], "<<"):
			if strings.HasPrefix(line[i:], "<<<") {
				i += 2
				continue
			}
			next = endWord(line[i+2:])
			i++
		}
	}
	if next != "" && m == code {
		return heredoc, next
	}
	return m, ""
}

// endWord is the word that ends a here-document, of what comes after "<<"; "" when it is none.
func endWord(text string) string {
	text = strings.TrimLeft(strings.TrimPrefix(text, "-"), " \t")
	text = strings.TrimLeft(text, "\\\"'")
	n := 0
	for n < len(text) && (text[n] == '_' || lower(text[n]) >= 'a' && lower(text[n]) <= 'z' || n > 0 && text[n] >= '0' && text[n] <= '9') {
		n++
	}
	return text[:n]
}

func scanDocker(s lineState, line string) lineState {
	if s.mode != heredoc && strings.HasPrefix(strings.TrimLeft(line, " \t"), "#") {
		return s
	}
	m := s.mode
	if m == continued {
		m = code
	}
	m, word := scanShell(m, s.word, line)
	if m == heredoc {
		return lineState{mode: m, word: word}
	}
	if strings.HasSuffix(strings.TrimRight(line, " \t"), "\\") {
		return lineState{mode: continued}
	}
	return lineState{}
}

func scanGo(m mode, line string) mode {
	for i := 0; i < len(line); i++ {
		rest := line[i:]
		switch m {
		case comment:
			end := strings.Index(rest, "*/")
			if end < 0 {
				return m
			}
			i += end + 1
			m = code
		case raw:
			end := strings.IndexByte(rest, '`')
			if end < 0 {
				return m
			}
			i += end
			m = code
		default:
			switch {
			case strings.HasPrefix(rest, "//"):
				return code
			case strings.HasPrefix(rest, "/*"):
				m = comment
				i++
			case rest[0] == '`':
				m = raw
			case rest[0] == '"' || rest[0] == '\'':
				for i++; i < len(line) && line[i] != rest[0]; i++ {
					if line[i] == '\\' {
						i++
					}
				}
			}
		}
	}
	return m
}
