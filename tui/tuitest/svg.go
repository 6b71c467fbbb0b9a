package tuitest

import (
	"bytes"
	"fmt"
	"html"
	"strings"

	"github.com/nestos/nosa/tui/canvas"
)

// The size of a cell of a picture and the margin around the screen, in pixels.
const (
	cellW  = 8.4
	cellH  = 18
	margin = 14
)

// The colours of a picture.
const (
	pictureBG = "#1c2028"
	pictureFG = "#c5cad3"
)

// palette are the sixteen colours of a calm dark terminal.
func palette() []string {
	return []string{
		"#2a303b", "#d98080", "#93b88a", "#d6b67a", "#85a6d3", "#b99ac6", "#7fb9bd", "#c5cad3",
		"#687183", "#e89c9c", "#a9cc9f", "#e6ca93", "#9dbbe4", "#ceb2d9", "#98cfd2", "#eceff4",
	}
}

// SVG is a picture of a screen as a terminal with a dark background shows it. The same screen
// gives the same bytes.
func SVG(c *canvas.Canvas) []byte {
	w, h := c.Size()
	var b bytes.Buffer
	width, height := float64(w)*cellW+2*margin, h*cellH+2*margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" viewBox="0 0 %.1f %d" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14">`+"\n",
		width, height, width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", pictureBG)
	for y := range h {
		row := c.Row(y)
		for x := 0; x < w; {
			n := x + 1
			for n < w && row[n].Style == row[x].Style {
				n++
			}
			drawRun(&b, x, y, row[x:n])
			x = n
		}
	}
	if x, y, ok := c.Cursor(); ok {
		fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" opacity=".6"/>`+"\n", left(x), margin+y*cellH, cellW, cellH, pictureFG)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func left(x int) float64 { return margin + float64(x)*cellW }

// look is how a run of cells is painted.
type look struct {
	fg, bg string
	style  canvas.Style
}

func lookOf(s canvas.Style) look {
	l := look{hex(s.FG, pictureFG), hex(s.BG, ""), s}
	if s.Attr&canvas.Reverse != 0 {
		if l.bg == "" {
			l.bg = pictureBG
		}
		l.fg, l.bg = l.bg, l.fg
	}
	return l
}

func hex(c canvas.Color, own string) string {
	if r, g, b, ok := c.Parts(); ok {
		return fmt.Sprintf("#%02x%02x%02x", r, g, b)
	}
	n, ok := c.Index()
	switch {
	case !ok:
		return own
	case n < 16:
		return palette()[n]
	case n >= 232:
		v := 8 + 10*int(n-232)
		return fmt.Sprintf("#%02x%02x%02x", v, v, v)
	}
	level := func(v int) int { return []int{0, 95, 135, 175, 215, 255}[v] }
	i := int(n) - 16
	return fmt.Sprintf("#%02x%02x%02x", level(i/36), level(i/6%6), level(i%6))
}

// attrs are the attributes of a text of that look.
func (l look) attrs() string {
	var b strings.Builder
	fmt.Fprintf(&b, ` fill="%s"`, l.fg)
	for _, a := range []struct {
		attr canvas.Attr
		text string
	}{
		{canvas.Bold, ` font-weight="bold"`},
		{canvas.Dim, ` opacity=".62"`},
		{canvas.Italic, ` font-style="italic"`},
		{canvas.Underline, ` text-decoration="underline"`},
		{canvas.Strike, ` text-decoration="line-through"`},
	} {
		if l.style.Attr&a.attr != 0 {
			b.WriteString(a.text)
		}
	}
	return b.String()
}

// drawRun paints cells of one look: their background, lines, and the words between blanks.
func drawRun(b *bytes.Buffer, x, y int, cells []canvas.Cell) {
	l := lookOf(cells[0].Style)
	if l.bg != "" {
		fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" shape-rendering="crispEdges"/>`+"\n", left(x), margin+y*cellH, float64(len(cells))*cellW, cellH, l.bg)
	}
	var lines strings.Builder
	for i := 0; i < len(cells); {
		if d, ok := stroke(cells[i].Text); ok {
			lines.WriteString(d.path(x+i, y))
			i++
			continue
		}
		n := i
		var text strings.Builder
		for ; n < len(cells) && cells[n].Text != "" || n < len(cells) && cells[n].Tail; n++ {
			if _, ok := stroke(cells[n].Text); ok {
				break
			}
			text.WriteString(cells[n].Text)
		}
		if s := text.String(); strings.TrimSpace(s) != "" {
			fmt.Fprintf(b, `<text x="%.1f" y="%d" textLength="%.1f" lengthAdjust="spacingAndGlyphs" xml:space="preserve"%s>%s</text>`+"\n",
				left(x+i), margin+y*cellH+13, float64(n-i)*cellW, l.attrs(), html.EscapeString(s))
		}
		i = max(n, i+1)
	}
	if lines.Len() > 0 {
		opacity := ""
		if l.style.Attr&canvas.Dim != 0 {
			opacity = ` opacity=".62"`
		}
		fmt.Fprintf(b, `<path d="%s" stroke="%s" fill="none"%s/>`+"\n", strings.TrimSpace(lines.String()), l.fg, opacity)
	}
}

// strokes says in which directions a character for frames goes from the middle of its cell.
type strokes struct {
	left, right, up, down bool
	heavy                 bool
}

// stroke knows the frames of theme.Glyphs. As text they would have gaps between rows.
func stroke(char string) (strokes, bool) {
	s, ok := map[string]strokes{
		"─": {left: true, right: true}, "│": {up: true, down: true},
		"┌": {right: true, down: true}, "┐": {left: true, down: true}, "└": {right: true, up: true}, "┘": {left: true, up: true},
		"├": {right: true, up: true, down: true}, "┤": {left: true, up: true, down: true}, "┬": {left: true, right: true, down: true}, "┴": {left: true, right: true, up: true},
		"━": {left: true, right: true, heavy: true}, "┃": {up: true, down: true, heavy: true},
		"┏": {right: true, down: true, heavy: true}, "┓": {left: true, down: true, heavy: true}, "┗": {right: true, up: true, heavy: true}, "┛": {left: true, up: true, heavy: true},
	}[char]
	return s, ok
}

// path draws the strokes; heavy ones are two lines side by side.
func (s strokes) path(x, y int) string {
	cx, cy := left(x)+cellW/2, float64(margin+y*cellH)+cellH/2
	var b strings.Builder
	offsets := []float64{0}
	if s.heavy {
		offsets = []float64{-0.5, 0.5}
	}
	for _, o := range offsets {
		for _, d := range []struct {
			on     bool
			dx, dy float64
		}{{s.left, -cellW / 2, 0}, {s.right, cellW / 2, 0}, {s.up, 0, -cellH / 2}, {s.down, 0, cellH / 2}} {
			if !d.on {
				continue
			}
			ox, oy := o, 0.0
			if d.dy == 0 {
				ox, oy = 0, o
			}
			fmt.Fprintf(&b, " M%.1f %.1fl%.1f %.1f", cx+ox, cy+oy, d.dx, d.dy)
		}
	}
	return b.String()
}
