package tuitest

import (
	"image/color"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"

	"github.com/nestos/nosa/tui/canvas"
)

// style is how the emulator's cell looks, in our words.
func style(s uv.Style) canvas.Style {
	out := canvas.Style{FG: colour(s.Fg), BG: colour(s.Bg)}
	for _, a := range []struct {
		theirs uint8
		ours   canvas.Attr
	}{
		{uv.AttrBold, canvas.Bold},
		{uv.AttrFaint, canvas.Dim},
		{uv.AttrItalic, canvas.Italic},
		{uv.AttrReverse, canvas.Reverse},
		{uv.AttrStrikethrough, canvas.Strike},
	} {
		if s.Attrs&a.theirs != 0 {
			out.Attr |= a.ours
		}
	}
	if s.Underline != 0 {
		out.Attr |= canvas.Underline
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

// sequences are what terminals send for keys (xterm's, which all others follow).
func sequences() map[string]string {
	list := map[string]string{
		"enter": "\r", "tab": "\t", "shift+tab": "\x1b[Z", "esc": "\x1b", "backspace": "\x7f", "space": " ",
		"up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "home": "\x1b[H", "end": "\x1b[F",
		"pgup": "\x1b[5~", "pgdown": "\x1b[6~", "insert": "\x1b[2~", "delete": "\x1b[3~",
		"shift+up": "\x1b[1;2A", "shift+down": "\x1b[1;2B", "shift+right": "\x1b[1;2C", "shift+left": "\x1b[1;2D",
		"ctrl+up": "\x1b[1;5A", "ctrl+down": "\x1b[1;5B", "ctrl+right": "\x1b[1;5C", "ctrl+left": "\x1b[1;5D",
		"ctrl+home": "\x1b[1;5H", "ctrl+end": "\x1b[1;5F", "ctrl+space": "\x00", "f1": "\x1bOP",
	}
	for c := 'a'; c <= 'z'; c++ {
		list["ctrl+"+string(c)] = string(c - 'a' + 1)
	}
	return list
}
