package vt

import (
	"image/color"
	"unicode/utf8"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"

	"github.com/nestos/nosa/tui/canvas"
)

// style is how a cell of x/vt looks, in our words. Blinking and concealed text is shown.
func style(s *uv.Style) canvas.Style {
	out := canvas.Style{FG: colour(s.Fg), BG: colour(s.Bg)}
	if s.Attrs != 0 {
		for _, a := range attrs() {
			if s.Attrs&a.theirs != 0 {
				out.Attr |= a.ours
			}
		}
	}
	if s.Underline != 0 {
		out.Attr |= canvas.Underline
	}
	return out
}

type attr struct {
	theirs uint8
	ours   canvas.Attr
}

func attrs() [5]attr {
	return [...]attr{
		{uv.AttrBold, canvas.Bold},
		{uv.AttrFaint, canvas.Dim},
		{uv.AttrItalic, canvas.Italic},
		{uv.AttrReverse, canvas.Reverse},
		{uv.AttrStrikethrough, canvas.Strike},
	}
}

// unstyle is the reverse of style.
func unstyle(s canvas.Style) uv.Style {
	out := uv.Style{Fg: uncolour(s.FG), Bg: uncolour(s.BG)}
	for _, a := range attrs() {
		if s.Attr&a.ours != 0 {
			out.Attrs |= a.theirs
		}
	}
	if s.Attr&canvas.Underline != 0 {
		out.Underline = uv.UnderlineSingle
	}
	return out
}

func colour(c color.Color) canvas.Color {
	switch c := c.(type) {
	case nil:
		return 0
	case ansi.BasicColor:
		return canvas.Indexed(uint8(c))
	case ansi.IndexedColor:
		return canvas.Indexed(uint8(c))
	}
	r, g, b, _ := c.RGBA()
	return canvas.RGB(uint8(r>>8), uint8(g>>8), uint8(b>>8))
}

func uncolour(c canvas.Color) color.Color {
	if n, ok := c.Index(); ok && n < 16 {
		return ansi.BasicColor(n)
	} else if ok {
		return ansi.IndexedColor(n)
	}
	if r, g, b, ok := c.Parts(); ok {
		return ansi.RGBColor{R: r, G: g, B: b}
	}
	return nil
}

// cluster gives the first character of a text with all that joins it, and its columns.
func cluster(text string) (c string, w int) {
	if text[0] < 0x80 && (len(text) == 1 || text[1] < 0x80) {
		return text[:1], 1
	}
	r, n := utf8.DecodeRuneInString(text)
	w = max(runeWidth(r), 1)
	for n < len(text) {
		r, m := utf8.DecodeRuneInString(text[n:])
		if r < 0x80 || !joins(text[:n], r) {
			break
		}
		n += m
	}
	return text[:n], w
}
