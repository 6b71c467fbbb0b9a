package widget

import (
	"math"
	"strconv"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
)

// Gauge is a bar that says how much of something is through.
type Gauge struct {
	Done, Total float64 // Total 0 or less: it is not known how much there is
	Percent     bool    // the percentage stands after the bar, "63%"
	Label       string  // stands after that
}

// Fraction is the part that is done, from 0 to 1; ok is false where that is not known.
func (g Gauge) Fraction() (f float64, ok bool) {
	f = g.Done / g.Total
	if g.Total <= 0 || math.IsNaN(f) {
		return 0, false
	}
	return min(max(f, 0), 1), true
}

// Draw draws the gauge into the first row of an area: the bar takes what the percentage and the label leave,
// and gives way to them where there is little room. Full is only what is through; empty only what has not begun.
func (g Gauge) Draw(a canvas.Area, t *theme.Theme) {
	w, h := a.Size()
	if w <= 0 || h <= 0 {
		return
	}
	f, ok := g.Fraction()
	after := ""
	if g.Percent && ok {
		after = percent(f)
		for canvas.Width(after) < 4 {
			after = " " + after
		}
	}
	if g.Label != "" {
		if after != "" {
			after += " "
		}
		after += g.Label
	}
	bar := w
	if after != "" {
		bar = w - canvas.Width(after) - 1
	}
	if bar < 3 {
		a.PutIn(0, 0, w, after, t.Style(theme.Text))
		return
	}
	full := 0
	if ok {
		full = int(f * float64(bar))
		if f > 0 && full == 0 {
			full = 1
		}
		if f < 1 && full == bar {
			full--
		}
	}
	for x := range bar {
		if x < full {
			a.Put(x, 0, t.Glyphs.BarFull, t.Style(theme.BarFull))
		} else {
			a.Put(x, 0, t.Glyphs.BarEmpty, t.Style(theme.BarEmpty))
		}
	}
	a.PutIn(bar+1, 0, w-bar-1, after, t.Style(theme.Text))
}

// percent is a part as whole percents; 100 only for all of it.
func percent(f float64) string {
	n := int(f * 100)
	if n == 0 && f > 0 {
		n = 1
	}
	return strconv.Itoa(n) + "%"
}
