package builder

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/workspace/doc"
)

// place finds a request in its line: those that were split from one text have
// the place of the first. whole is set when the word there can be replaced.
func (r *packageReview) place(item compose.Item) (at doc.Origin, whole bool) {
	at = item.Origin
	line := []rune(r.line(at))
	if at.Column < 1 || at.Column > len(line) {
		return at, false
	}
	rest, word := line[at.Column-1:], []rune(item.Text)
	if len(rest) > 1 && strings.ContainsRune(`"'`, rest[0]) && strings.HasPrefix(string(rest[1:]), item.Text+string(rest[0])) {
		return at, true
	}
	for i := range len(rest) - len(word) + 1 {
		end := i + len(word)
		if string(rest[i:end]) != item.Text || i > 0 && !endsWord(rest[i-1]) || end < len(rest) && !endsWord(rest[end]) {
			continue
		}
		at.Column += i
		quoted := i > 0 && isQuote(rest[i-1]) || end < len(rest) && isQuote(rest[end])
		return at, !quoted && !strings.Contains(item.Text, " ")
	}
	return at, false
}

func endsWord(c rune) bool { return strings.ContainsRune(" \t,]}", c) || isQuote(c) }

func isQuote(c rune) bool { return c == '"' || c == '\'' }

// line is the line of a file that a place is in, or nothing.
func (r *packageReview) line(at doc.Origin) string {
	name := at.File
	if !filepath.IsAbs(name) {
		name = filepath.Join(r.root, name)
	}
	lines, ok := r.sources[name]
	if !ok {
		data, ok := r.config.texts.Find(name)
		if !ok {
			data, _ = os.ReadFile(name) // without it the place is that of the line
		}
		lines = strings.Split(string(data), "\n")
		r.sources[name] = lines
	}
	if at.Line < 1 || at.Line > len(lines) {
		return ""
	}
	return strings.TrimSuffix(lines[at.Line-1], "\r")
}
