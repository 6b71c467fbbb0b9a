package serial

import (
	"fmt"
	"strings"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/vt"
	"github.com/nestos/nosa/workspace/event"
)

// Draw draws the console. active says that the pane has the keys: then the cursor is shown, the guest's while that has
// the keys.
func (v *View) Draw(a canvas.Area, t *theme.Theme, active bool) {
	w, h := a.Size()
	if w <= 0 || h <= 0 {
		return
	}
	if w != v.w || h != v.h {
		v.w, v.h = w, h
		v.resize(w, h)
		v.src.typist.resize(size{w, h})
	}
	v.src.drawn.Store(true) // before: what comes later is told
	first, top, end := v.screen.Bounds()
	if b := v.back; b != nil {
		b.top = min(max(b.top, first), top)
		b.at.Line = min(max(b.at.Line, first), end-1)
		top = b.top
	}
	v.screen.Draw(a, top)
	v.active = active
	v.placeCursor(a, top)
	if v.finding != "" {
		for _, m := range v.screen.Matches(v.finder, top, top+h) {
			v.mark(a, top, span{m.From, m.End}, t.Style(v.matchRole(m)))
		}
	}
	if sel, ok := v.selection(); ok {
		from, to := v.screen.Span(sel)
		v.mark(a, top, span{from, to}, t.Style(theme.Selection))
	}
	if text := v.empty(); text != "" {
		a.PutIn(1, 0, w-2, text, t.Style(theme.Muted))
	}
}

// resize gives the guest's screen a size. That its lines are others then is nothing new from the guest.
func (v *View) resize(w, h int) {
	_, _, before := v.screen.Bounds()
	v.screen.Resize(w, h)
	if b := v.back; b != nil {
		_, _, after := v.screen.Bounds()
		b.seen += after - before
	}
}

// placeCursor shows the cursor of the scrollback, or the guest's where vt has drawn it, or none.
func (v *View) placeCursor(a canvas.Area, top int) {
	if !v.active || !v.Attached() {
		a.HideCursor()
	}
	if b := v.back; b != nil && v.active {
		a.Cursor(b.at.X, b.at.Line-top)
	}
}

func (v *View) matchRole(m vt.Match) theme.Role {
	if v.back != nil && m.From == v.back.at {
		return theme.MatchHere
	}
	return theme.Match
}

// span is from a place to before another.
type span struct{ from, end vt.Place }

// mark restyles what of a span is shown.
func (v *View) mark(a canvas.Area, top int, s span, style canvas.Style) {
	for y := max(s.from.Line-top, 0); y <= min(s.end.Line-top, v.h-1); y++ {
		x, end := 0, v.w
		if y == s.from.Line-top {
			x = s.from.X
		}
		if y == s.end.Line-top {
			end = s.end.X
		}
		a.Restyle(canvas.Rect{X: x, Y: y, W: end - x, H: 1}, func(below canvas.Style) canvas.Style { return style.Over(below) })
	}
}

// empty says why there is nothing to see; "" when there is.
func (v *View) empty() string {
	if first, _, _ := v.screen.Bounds(); first > 0 {
		return ""
	}
	if c := v.screen.Cursor(); c.Line > 0 || c.X > 0 {
		return ""
	}
	switch st := v.src.status(); st.Link {
	case Connecting:
		if st.Why != "" {
			return st.Why
		}
		return "Nobody answers at this console yet."
	case Ended:
		if st.Why != "" {
			return "Ended: " + st.Why + ". It has printed nothing."
		}
		return "Ended. It has printed nothing."
	}
	return ""
}

// Title is for the frame: whose console, and where the keys go.
func (v *View) Title(t *theme.Theme) string {
	switch st := v.src.status(); {
	case v.Attached() && st.Link == Live:
		return fmt.Sprintf("%s  %s keys %s guest", v.o.Title, t.Glyphs.Running, t.Glyphs.Arrow)
	case v.back != nil:
		return v.o.Title + "  scrollback"
	case st.Link == Ended:
		return v.o.Title + "  ended"
	case st.Link == Connecting:
		return v.o.Title + "  connecting" + t.Glyphs.Ellipsis
	}
	return v.o.Title
}

// Right is for the frame: who else is here and may type; who types now comes first.
func (v *View) Right(t *theme.Theme) string {
	st := v.src.status()
	if st.Typing != "" {
		return t.Glyphs.Warn + " " + st.Typing + " types"
	}
	if len(st.Others) == 0 {
		return ""
	}
	var names []string
	for _, o := range st.Others {
		names = append(names, who(o))
	}
	return "also here: " + strings.Join(compact(names, 3), ", ")
}

// compact names each once, and no more than n.
func compact(names []string, n int) []string {
	var out []string
	times := map[string]int{}
	for _, name := range names {
		if times[name]++; times[name] == 1 {
			out = append(out, name)
		}
	}
	for i, name := range out {
		if k := times[name]; k > 1 {
			out[i] = fmt.Sprintf("%s (%d)", name, k)
		}
	}
	if len(out) > n {
		out = append(out[:n:n], fmt.Sprintf("%d more", len(out)-n))
	}
	return out
}

// Bottom is for the frame: the place in the scrollback, a search, output that was lost, how the machine ended.
func (v *View) Bottom(t *theme.Theme) string {
	var parts []string
	st := v.src.status()
	if v.back != nil {
		parts = append(parts, v.below())
	}
	if v.finding != "" {
		parts = append(parts, "/"+v.finding)
	}
	if st.Skipped > 0 {
		parts = append(parts, fmt.Sprintf("%s %s lost", t.Glyphs.Warn, event.Bytes(int(st.Skipped))))
	}
	if st.Link != Live && st.Why != "" {
		parts = append(parts, st.Why)
	}
	return strings.Join(parts, "  ")
}
