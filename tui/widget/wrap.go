package widget

import (
	"strings"

	"github.com/nestos/nosa/tui/canvas"
)

// Wrap breaks a text into lines of at most w columns, at spaces where there are any.
// Newlines in the text stay.
func Wrap(text string, w int) []string {
	if w <= 0 {
		return nil
	}
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		out = append(out, wrapLine(line, w)...)
	}
	return out
}

func wrapLine(line string, w int) []string {
	var out []string
	for canvas.Width(line) > w {
		head := canvas.Cut(line, w, "")
		if head == "" { // a wide character in one column
			break
		}
		if i := strings.LastIndexByte(head, ' '); i > 0 && line[len(head)] != ' ' {
			head = head[:i]
		}
		out = append(out, strings.TrimRight(head, " "))
		line = strings.TrimLeft(line[len(head):], " ")
	}
	return append(out, line)
}
