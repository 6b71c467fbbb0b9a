package console

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// The columns of the boot.
const (
	markLook = iota
	markName
	markAt
	markDiff
	markTook
	markBar
)

const (
	barLeast = 6
	barMost  = 60
)

// markColumns shares w columns of the screen; a bar of width bar has what the rest leaves.
func markColumns(w int) (columns []widget.Column, bar int) {
	columns = []widget.Column{
		markLook: {Width: 1},
		markName: {Width: 11, Over: true},
		markAt:   {Title: "AT", Width: 6, Right: true},
		markDiff: {Title: "DIFF", Width: 6, Right: true},
		markTook: {Title: "TOOK", Width: 6, Right: true, Priority: 1},
	}
	if bar = min(w-48, barMost); bar < barLeast {
		return columns, 0
	}
	return append(columns, widget.Column{Width: bar}), bar
}

// markRows are the rows of the boot.
type markRows struct {
	list   []markRow
	base   *feed.Boot
	glyphs theme.Glyphs
	bar    int
}

// Len implements widget.Rows.
func (r *markRows) Len() int { return len(r.list) }

// Key implements widget.Rows.
func (r *markRows) Key(row int) string { return strconv.Itoa(row) + r.list[row].name }

// Compare implements widget.Rows.
func (r *markRows) Compare(_, a, b int) int { return cmp.Compare(a, b) }

// notable is from when on a difference has a colour: a tenth, and half a second.
func notable(m markRow) bool {
	return m.diff.Abs() > 500*time.Millisecond && m.diff.Abs() > m.was/10
}

// Cell implements widget.Rows.
func (r *markRows) Cell(row, column int) widget.Cell {
	m := r.list[row]
	l := map[markState]look{
		markDone: {r.glyphs.OK, theme.Success}, markRunning: {r.glyphs.Running, theme.Running},
		markWaiting: {r.glyphs.Waiting, theme.Waiting}, markFailed: {r.glyphs.Fail, theme.Failure},
	}[m.state]
	role := theme.Role("")
	if m.state == markWaiting {
		role = theme.Muted
	}
	switch column {
	case markLook:
		return widget.Cell{Text: l.glyph, Role: l.role}
	case markName:
		if m.state == markDone {
			return widget.Cell{Text: m.name}
		}
		return widget.Cell{Text: m.name, Role: l.role}
	case markAt:
		return widget.Cell{Text: brief(m.at), Role: role}
	case markDiff:
		return r.diff(m)
	case markTook:
		if m.state == markWaiting || m.state == markFailed {
			return widget.Cell{}
		}
		return widget.Cell{Text: brief(m.took), Role: theme.Muted}
	}
	return r.strokes(m)
}

// diff is by how much a milestone came later than it did; of the one that the boot is on its way to how long that took.
func (r *markRows) diff(m markRow) widget.Cell {
	switch {
	case !m.known || m.state == markWaiting:
		return widget.Cell{}
	case m.state == markRunning && m.took < m.was:
		return widget.Cell{Text: "of " + shortly(m.was), Role: theme.Muted}
	case m.state == markRunning:
		return widget.Cell{Text: difference(m.took - m.was), Role: theme.Warning}
	case !notable(m):
		return widget.Cell{Text: difference(m.diff), Role: theme.Muted}
	case m.diff > 0:
		return widget.Cell{Text: difference(m.diff), Role: theme.Warning}
	}
	return widget.Cell{Text: difference(m.diff), Role: theme.Success}
}

// shortly is a duration in three columns.
func shortly(d time.Duration) string {
	if d < 100*time.Second {
		return fmt.Sprintf("%.0fs", d.Seconds())
	}
	return fmt.Sprintf("%.0fm", d.Minutes())
}

// strokes is a bar: full for how long it took, empty for how long it did then.
func (r *markRows) strokes(m markRow) widget.Cell {
	longest := time.Duration(1)
	for _, one := range r.list {
		longest = max(longest, one.took, one.was)
	}
	cells := func(d time.Duration) int { return int((int64(d)*int64(r.bar) + int64(longest)/2) / int64(longest)) }
	full, empty := cells(m.took), 0
	if m.known {
		empty = max(cells(m.was)-full, 0)
	}
	role := theme.BarFull
	if m.known && notable(m) && m.diff > 0 {
		role = theme.Warning
	}
	return widget.Cell{Text: strings.Repeat(r.glyphs.BarFull, full) + strings.Repeat(r.glyphs.BarEmpty, empty), Role: role}
}

// retime makes the rows of the boot that is shown anew.
func (s *Screen) retime(now time.Time) {
	r := &markRows{glyphs: s.marks.glyphs, bar: s.marks.bar}
	m, ok := s.machine()
	b, booted := m.Boot()
	s.boot.Empty = []string{"No machine is chosen."}
	switch {
	case !ok:
	case !booted:
		s.boot.Empty = []string{"It did not boot: it was resumed from a snapshot that another boot of this build left. Cold in the form of a start boots."}
	default:
		r.base = s.baseOf(b)
		elapsed := time.Duration(-1)
		if m.Phase == feed.PhaseBooting || m.Phase == feed.PhaseStarting {
			elapsed = max(now.Sub(b.Began), 0)
		}
		r.list = timeline(b, r.base, elapsed)
		s.boot.Empty = []string{"It has come to nothing yet."}
	}
	s.marks = r
	s.boot.SetRows(r)
}

func (s *Screen) drawBoot(a canvas.Area, f screen.Frame, focus widget.Focus) {
	frame := widget.Frame{Title: "Boot", Focused: bool(focus)}
	m, _ := s.machine()
	if b, ok := m.Boot(); ok {
		if b.Number > 1 {
			frame.Title = fmt.Sprintf("Boot %d", b.Number)
		}
		frame.Right = s.totals(&b)
		frame.Bottom = s.against(&b, f.Now)
	}
	inside := frame.Draw(a, f.Theme)
	w, _ := inside.Size()
	s.boot.Columns, s.marks.bar = markColumns(w)
	s.boot.Draw(inside, f.Theme, focus)
}

// totals is how long a boot took in all, and the difference.
func (s *Screen) totals(b *feed.Boot) string {
	took, ok := total(b)
	if !ok {
		return ""
	}
	text := brief(took)
	if then, ok := total(s.marks.base); ok {
		text += "  " + difference(took-then)
	}
	return text
}

// against says what a boot is compared with.
func (s *Screen) against(b *feed.Boot, now time.Time) string {
	base := s.marks.base
	if base == nil {
		return "no earlier boot to compare with"
	}
	text := "against " + base.Build
	if base.Build == b.Build {
		text = "against this build, " + widget.Moment(base.Began, now)
	}
	if base.Machine == "" {
		text += " (check)"
	}
	for _, other := range [][2]string{{base.Accel, b.Accel}, {base.Firmware, b.Firmware}, {base.Artifact, b.Artifact}} {
		if other[0] != other[1] {
			text += " " + other[0]
		}
	}
	return text
}
