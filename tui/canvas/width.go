package canvas

import (
	"iter"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/clipperhouse/uax29/v2/graphemes"
)

// Cluster is what a person takes for one character.
type Cluster struct {
	Raw   string // the bytes of the text
	Shown string // what is drawn for it; "" draws nothing
	Width int    // columns: 0, 1 or 2
}

// Clusters gives the characters of a text in order. Control characters, and clusters
// about whose width terminals disagree (joined or re-presented emoji), are shown
// by a stand-in of one column. This is the one place that decides widths.
func Clusters(text string) iter.Seq[Cluster] {
	return func(yield func(Cluster) bool) {
		for len(text) > 0 {
			c := next(text)
			if !yield(c) {
				return
			}
			text = text[len(c.Raw):]
		}
	}
}

func next(text string) Cluster {
	if b := text[0]; b < 0x80 && (len(text) == 1 || text[1] < 0x80) {
		raw := text[:1]
		if b < ' ' || b == 0x7f {
			return Cluster{raw, "?", 1}
		}
		return Cluster{raw, raw, 1}
	}
	it := graphemes.FromString(text)
	if !it.Next() {
		return Cluster{text, "?", 1}
	}
	raw := it.Value()
	switch {
	case raw == "":
		return Cluster{text[:1], "?", 1}
	case strings.ContainsAny(raw, "\u200d\ufe0f"), unfit(raw):
		return Cluster{raw, "?", 1}
	}
	w := ansi.StringWidth(raw)
	if w == 0 {
		return Cluster{raw, "", 0}
	}
	return Cluster{raw, raw, min(w, 2)}
}

// unfit says if a cluster has what must not reach a terminal: controls of either
// set, directions, invalid UTF-8.
func unfit(raw string) bool {
	for _, r := range raw {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\ufffd' ||
			r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\u200e' || r == '\u200f' {
			return true
		}
	}
	return false
}

// Width is the number of columns that a text takes when it is drawn.
func Width(text string) int {
	w := 0
	for c := range Clusters(text) {
		w += c.Width
	}
	return w
}

// Cut gives the start of a text that fits into w columns, with the tail in place
// of what did not; the text itself where all of it fits.
func Cut(text string, w int, tail string) string {
	if w <= 0 {
		return ""
	}
	if len(text) <= w && ascii(text) || Width(text) <= w {
		return text
	}
	room, used, end := w-Width(tail), 0, 0
	if room < 0 {
		return ""
	}
	for c := range Clusters(text) {
		if used+c.Width > room {
			break
		}
		used += c.Width
		end += len(c.Raw)
	}
	return text[:end] + tail
}

func ascii(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}
