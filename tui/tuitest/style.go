package tuitest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
)

// letters stand for roles in the order of theme.Roles; text itself is a dot.
const letters = ".abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// GoldenStyles compares how the cells of a canvas look with testdata/NAME.golden: a
// letter for the role of each cell, then a legend. Roles that look alike in the
// theme share the letter of the first of them; RoleTheme tells them all apart. A
// style that is no role's gets a digit and is told by its parts.
func GoldenStyles(t testing.TB, name string, c *canvas.Canvas, th *theme.Theme) {
	t.Helper()
	compare(t, name, Styles(c, th))
}

// RoleTheme is a theme in which every role looks different from every other.
func RoleTheme() *theme.Theme {
	roles := map[theme.Role]canvas.Style{}
	for i, r := range theme.Roles() {
		if r != theme.Text {
			roles[r] = canvas.Style{FG: canvas.Indexed(uint8(100 + i))}
		}
	}
	return theme.New(theme.Options{Roles: roles})
}

// Styles is the text that GoldenStyles compares.
func Styles(c *canvas.Canvas, th *theme.Theme) string {
	l := newLegend(th)
	var b strings.Builder
	w, h := c.Size()
	for y := range h {
		row := make([]byte, w)
		for x, cell := range c.Row(y) {
			row[x] = l.letter(cell)
		}
		b.WriteString(strings.TrimRight(string(row), " "))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	if x, y, ok := c.Cursor(); ok {
		fmt.Fprintf(&b, "cursor at column %d of row %d\n", x, y)
	}
	b.WriteString(l.String())
	return b.String()
}

// legend maps styles to letters and remembers which were used.
type legend struct {
	known map[canvas.Style]byte
	names map[byte]string
	used  []byte
	next  byte
}

func newLegend(th *theme.Theme) *legend {
	l := &legend{known: map[canvas.Style]byte{}, names: map[byte]string{}, next: '0'}
	for i, r := range theme.Roles() {
		s := th.Style(r)
		b, ok := l.known[s]
		if !ok {
			b = letters[min(i, len(letters)-1)]
			l.known[s] = b
		}
		l.names[b] = strings.TrimSpace(l.names[b] + " " + string(r))
	}
	return l
}

func (l *legend) letter(c canvas.Cell) byte {
	if c.Style == (canvas.Style{}) && (c.Text == "" || c.Text == " ") && !c.Tail {
		return ' '
	}
	b, ok := l.known[c.Style]
	if !ok {
		b = l.next
		l.next = min(l.next+1, '9')
		l.known[c.Style], l.names[b] = b, describe(c.Style)
	}
	if !slices.Contains(l.used, b) {
		l.used = append(l.used, b)
	}
	return b
}

func (l *legend) String() string {
	var b strings.Builder
	for _, c := range slices.Sorted(slices.Values(l.used)) {
		fmt.Fprintf(&b, "%c %s\n", c, l.names[c])
	}
	return b.String()
}

// describe tells a style by its parts: "bold reverse fg 6".
func describe(s canvas.Style) string {
	var words []string
	for i, name := range []string{"bold", "dim", "italic", "underline", "reverse", "strike"} {
		if s.Attr&(1<<i) != 0 {
			words = append(words, name)
		}
	}
	for _, c := range []struct {
		name  string
		color canvas.Color
	}{{"fg", s.FG}, {"bg", s.BG}} {
		if n, ok := c.color.Index(); ok {
			words = append(words, fmt.Sprintf("%s %d", c.name, n))
		}
		if r, g, b, ok := c.color.Parts(); ok {
			words = append(words, fmt.Sprintf("%s #%02x%02x%02x", c.name, r, g, b))
		}
	}
	if len(words) == 0 {
		return "plain"
	}
	return strings.Join(words, " ")
}
