package widget

import (
	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
)

// Scroll is a scroll bar: the part of a content that is seen.
type Scroll struct {
	Top  int // the first line that is seen
	Page int // how many are
	Len  int // of all
}

// Draw draws the bar into the first column of the area; nothing where all is seen.
func (s Scroll) Draw(a canvas.Area, t *theme.Theme) {
	_, h := a.Size()
	from, to := s.thumb(h)
	for y := range h {
		if y >= from && y < to {
			a.Put(0, y, t.Glyphs.Thumb, t.Style(theme.Border))
			continue
		}
		if to > from {
			a.Put(0, y, t.Glyphs.Track, t.Style(theme.Border))
		}
	}
}

// thumb gives the rows of a bar of h that the thumb takes. It touches an end only
// where the content's end is seen.
func (s Scroll) thumb(h int) (from, to int) {
	if s.Len <= s.Page || s.Page <= 0 || h <= 0 {
		return 0, 0
	}
	size := max(h*s.Page/s.Len, 1)
	last := s.Len - s.Page
	from = s.Top * (h - size) / last
	if s.Top > 0 && from == 0 && h > size {
		from = 1
	}
	if s.Top < last && from == h-size && from > 0 {
		from--
	}
	return from, from + size
}

// TopAt is the first line to be seen when the bar of h rows is pressed at row y.
func (s Scroll) TopAt(y, h int) int {
	last := max(s.Len-s.Page, 0)
	if h <= 1 {
		return 0
	}
	return min(max(y, 0)*last/(h-1), last)
}
