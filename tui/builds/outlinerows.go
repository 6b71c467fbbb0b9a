package builds

import (
	"strconv"
	"strings"

	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// Len implements widget.Rows.
func (r *outlineRows) Len() int { return len(r.shown) }

// Key implements widget.Rows.
func (r *outlineRows) Key(i int) string {
	l := r.lines[r.shown[i]]
	switch {
	case r.plain:
		return strconv.Itoa(r.shown[i])
	case l.heading:
		return "\x00" + l.name
	}
	return l.section + "\x00" + l.name + "\x00" + l.text
}

// Compare implements widget.Rows; an outline has its order.
func (r *outlineRows) Compare(int, int, int) int { return 0 }

// Cell implements widget.Rows.
func (r *outlineRows) Cell(i, column int) widget.Cell {
	l := r.lines[r.shown[i]]
	switch column {
	case 0:
		return widget.Cell{Text: r.name(l), Role: l.role}
	case 1:
		if l.heading {
			return widget.Cell{}
		}
		if l.textAs == "" {
			return widget.Cell{Text: r.text(l), Role: theme.Muted}
		}
		return widget.Cell{Text: r.text(l), Role: l.textAs}
	case 2:
		return widget.Cell{Text: l.number, Role: l.role}
	}
	if l.bar <= 0 {
		return widget.Cell{}
	}
	n := max(min(int(l.bar*barWidth+0.5), barWidth), 1)
	return widget.Cell{Text: strings.Repeat(r.glyphs.BarFull, n) + strings.Repeat(r.glyphs.BarEmpty, barWidth-n), Role: theme.BarFull}
}

func (r *outlineRows) text(l line) string {
	if l.when.IsZero() || r.now.IsZero() {
		return l.text
	}
	return l.text + "  (" + since(l.when, r.now) + ")"
}

func (r *outlineRows) name(l line) string {
	if l.heading {
		fold := r.glyphs.Expanded
		if r.folds[l.name] {
			fold = r.glyphs.Collapsed
		}
		return strings.TrimRight(fold+" "+l.name+"  "+l.text, " ")
	}
	if r.plain {
		return l.name
	}
	below := l.indent
	if l.section != "" {
		below++
	}
	return strings.Repeat("  ", below) + r.sign(l.sign) + l.name
}

func (r *outlineRows) sign(s sign) string {
	g := r.glyphs
	switch s {
	case signAdded:
		return "+ "
	case signRemoved:
		return "- "
	case signChanged:
		return "~ "
	case signOK:
		return g.OK + " "
	case signFail:
		return g.Fail + " "
	case signWarn:
		return g.Warn + " "
	case signRunning:
		return g.Running + " "
	}
	return ""
}
