package lint

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// hereDocStart is what opens a here-document: <<WORD, <<-WORD, <<'WORD'.
var hereDocStart = regexp.MustCompile(`(?:^|[^<(])<<(-?)[ \t]*(?:'([^'\s]+)'|"([^"\s]+)"|\\?([A-Za-z_]\w*))`)

// hereDoc is an open here-document.
type hereDoc struct {
	word string
	tabs bool // <<-: tabs before its lines do not count
	line int  // on which it opens
}

// ends tells whether line is the end of h.
func (h hereDoc) ends(line string) bool {
	if h.tabs {
		line = strings.TrimLeft(line, "\t")
	}
	return line == h.word
}

// opened gives the here-documents that a line opens.
func opened(line string, number int) []hereDoc {
	if !strings.Contains(line, "<<") || strings.HasPrefix(strings.TrimSpace(line), "#") {
		return nil
	}
	var list []hereDoc
	const most = 8
	for _, m := range hereDocStart.FindAllStringSubmatch(line, most) {
		list = append(list, hereDoc{word: m[2] + m[3] + m[4], tabs: m[1] == "-", line: number})
	}
	return list
}

// hereDocs finds here-documents that go on to the end of a later one because
// their own end is indented. Those that go on to the end of the script are
// bash's to tell. Where a line only looks as if it opened one, nothing is said.
func (s script) hereDocs() doc.Diagnostics {
	var found doc.Diagnostics
	for i := 0; i < len(s.lines); i++ {
		for _, h := range opened(s.lines[i], i+1) {
			almost, again, end := 0, false, 0
			for n := i + 1; n < len(s.lines) && end == 0; n++ {
				line := s.lines[n]
				switch {
				case h.ends(line):
					end = n
				case almost == 0 && strings.TrimSpace(line) == h.word:
					almost = n
				case almost > 0 && !again:
					for _, other := range opened(line, n+1) {
						again = again || other.word == h.word
					}
				}
			}
			if end == 0 {
				return found
			}
			if almost > 0 && again {
				found = append(found, s.almostEnd(h, almost+1).
					WithWhy("all lines up to line "+s.number(end+1)+" become its text"))
			}
			i = end
		}
	}
	return found
}

// almostEnd reports a line that was meant to end h.
func (s script) almostEnd(h hereDoc, line int) doc.Diagnostic {
	text := s.lines[line-1]
	lead := len(text) - len(strings.TrimLeft(text, " \t"))
	d := s.at(line, lead).Warnf(CodeHereDoc, "%sthis %s does not end the here-document of line %s", s.where(line), h.word, s.number(h.line))
	switch {
	case strings.TrimLeft(text, " \t") != h.word:
		return d.WithHint("remove the blanks behind it")
	case h.tabs:
		return d.WithHint("<<- takes away tabs only: indent it with tabs, or not at all")
	}
	return d.WithHint("do not indent it, or open with <<-" + h.word + " and indent with tabs")
}

// number names a line of s: in its file where it is known, else in the script.
func (s script) number(line int) string {
	if s.exact {
		line = s.at(line, 0).Line
	}
	return strconv.Itoa(line)
}
