package doc

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Excerpt renders d as compilers do: the message, the place, the line of
// source with the word underlined, the chain of includes and the hint. It ends
// with a newline. Source is the content of d.File, nil if it is not at hand.
func Excerpt(d Diagnostic, source []byte) string {
	return excerpt(d, bytes.Split(trimBOM(source), []byte("\n")))
}

// excerpt is Excerpt with the lines of the source.
func excerpt(d Diagnostic, lines [][]byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s[%s]: %s\n", d.Severity, d.Code, printable(d.Message))
	number := strconv.Itoa(d.Line)
	margin := strings.Repeat(" ", len(number))
	if d.File != "" {
		fmt.Fprintf(&b, "%s--> %s\n", margin, printable(d.Origin.String()))
	}
	if line, ok := sourceLine(lines, d.Line); ok {
		line, column := window(line, d.Column)
		pad, mark := underline(line, column)
		fmt.Fprintf(&b, "%s |\n%s | %s\n%s | %s%s\n", margin, number, printable(line), margin, pad, mark)
	}
	for _, includer := range slices.Backward(d.Chain) {
		fmt.Fprintf(&b, "%s = included by %s\n", margin, printable(includer))
	}
	if d.Why != "" {
		fmt.Fprintf(&b, "%s = why: %s\n", margin, printable(d.Why))
	}
	if d.Hint != "" {
		fmt.Fprintf(&b, "%s = help: %s\n", margin, printable(d.Hint))
	}
	return b.String()
}

// Excerpts renders every entry of ds with an empty line between them. Read
// returns the content of a file as named by Origin.File, nil if there is none.
func Excerpts(ds Diagnostics, read func(file string) []byte) string {
	sources := map[string][][]byte{}
	parts := make([]string, 0, len(ds))
	for _, d := range ds {
		if _, ok := sources[d.File]; !ok {
			sources[d.File] = bytes.Split(trimBOM(read(d.File)), []byte("\n"))
		}
		parts = append(parts, excerpt(d, sources[d.File]))
	}
	return strings.Join(parts, "\n")
}

// sourceLine returns a line, from 1. Nothing behind the last break is no line.
func sourceLine(lines [][]byte, number int) (string, bool) {
	if number < 1 || number > len(lines) || number == len(lines) && len(lines[number-1]) == 0 {
		return "", false
	}
	return strings.TrimSuffix(string(lines[number-1]), "\r"), true
}

// window cuts a long line to the part around column, and column with it.
func window(line string, column int) (string, int) {
	const before, width = 60, 160
	length := utf8.RuneCountInString(line)
	if length <= width {
		return line, column
	}
	start := min(max(column-1-before, 0), length-width)
	part := line[offset(line, start):]
	part = part[:offset(part, width)]
	if start+width < length {
		part += "…"
	}
	if start > 0 {
		return "…" + part, column - start + 1
	}
	return part, column
}

// offset returns where in s the character n begins, from 0.
func offset(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// underline returns the white space before the word at column and the marks
// below it, as wide as a terminal shows them.
func underline(line string, column int) (pad, mark string) {
	runes := []rune(line)
	start := min(max(column-1, 0), len(runes))
	before, word := printable(string(runes[:start])), printable(string(runes[start:start+wordLength(runes[start:])]))
	return strings.Repeat(" ", ansi.StringWidth(before)), strings.Repeat("^", max(1, ansi.StringWidth(word)))
}

// wordLength is how many characters of rest, which begins with a YAML or JSON
// value, are worth a mark.
func wordLength(rest []rune) int {
	if len(rest) == 0 {
		return 0
	}
	if q := rest[0]; q == '"' || q == '\'' {
		for i := 1; i < len(rest); i++ {
			if rest[i] == '\\' && q == '"' {
				i++
			} else if rest[i] == q {
				return i + 1
			}
		}
		return len(rest)
	}
	for i, r := range rest {
		ends := unicode.IsSpace(r) || strings.ContainsRune(",]}", r) || r == ':' && (i+1 == len(rest) || rest[i+1] == ' ')
		if i > 0 && ends {
			return i
		}
	}
	return len(rest)
}

// printable makes s safe for a terminal: tabs become four spaces, other
// control characters a replacement character.
func printable(s string) string {
	s = strings.ReplaceAll(s, "\t", "    ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
