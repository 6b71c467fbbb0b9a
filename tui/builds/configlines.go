package builds

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/nestos/nosa/tui/theme"
)

// The kinds of changes, as nosa diff names them.
const (
	changeAdded   = "added"
	changeRemoved = "removed"
	changeChanged = "changed"
)

// counted says how many changes there are of each kind.
func counted(count map[string]int, kinds ...string) string {
	var words []string
	for _, kind := range kinds {
		if count[kind] > 0 {
			words = append(words, fmt.Sprint(count[kind], " ", kind))
		}
	}
	return cmp.Or(strings.Join(words, ", "), "the same")
}

// configFiles are the files of the config that differ, and below each its lines.
func configFiles(list []configChange) []line {
	count := map[string]int{}
	var lines []line
	for _, c := range list {
		count[c.Change]++
		l := line{name: c.Path, sign: signChanged, role: theme.Changed}
		switch c.Change {
		case changeAdded:
			l.sign, l.role = signAdded, theme.Added
		case changeRemoved:
			l.sign, l.role = signRemoved, theme.Removed
		}
		lines = append(lines, l)
		for text := range strings.Lines(c.Diff) {
			if strings.HasPrefix(text, "--- ") || strings.HasPrefix(text, "+++ ") {
				continue
			}
			of := textLine(text)
			of.indent = 1
			lines = append(lines, of)
		}
	}
	head := line{heading: true, name: "Files of the config", text: counted(count, changeAdded, changeRemoved, changeChanged)}
	return append([]line{head}, lines...)
}

// textLine is a line of a difference, as it looks.
func textLine(text string) line {
	out := line{name: strings.ReplaceAll(strings.TrimRight(text, "\r\n"), "\t", "    "), role: theme.Muted}
	switch {
	case strings.HasPrefix(text, "+"):
		out.role = theme.Added
	case strings.HasPrefix(text, "-"):
		out.role = theme.Removed
	case strings.HasPrefix(text, "@@"):
		out.role = theme.Title
	}
	return out
}
