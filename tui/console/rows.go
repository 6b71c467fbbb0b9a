package console

import (
	"cmp"
	"fmt"
	"time"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// The columns of the machines.
const (
	columnLook = iota
	columnRuns
	columnState
	columnSince
	columnID
	columnHardware
	columnUser
	columnWay
)

func machineColumns() []widget.Column {
	return []widget.Column{
		columnLook:     {Width: 1},
		columnRuns:     {Width: 14, Grow: 1, Max: 30, Filter: true},
		columnState:    {Width: 10, Grow: 2, Max: 34, Filter: true},
		columnSince:    {Width: 5, Right: true, Priority: 1},
		columnID:       {Width: 5, Priority: 2, Filter: true},
		columnHardware: {Width: 14, Priority: 3, Filter: true},
		columnUser:     {Width: 8, Priority: 4, Filter: true},
		columnWay:      {Width: 24, Grow: 2, Priority: 5, Filter: true},
	}
}

// machineRows are the rows of the machines.
type machineRows struct {
	list   []feed.Machine
	glyphs theme.Glyphs
	now    time.Time
}

// Len implements widget.Rows.
func (r *machineRows) Len() int { return len(r.list) }

// Key implements widget.Rows.
func (r *machineRows) Key(row int) string { return string(r.list[row].ID) }

// Compare implements widget.Rows.
func (r *machineRows) Compare(_, a, b int) int { return cmp.Compare(a, b) }

// Cell implements widget.Rows.
func (r *machineRows) Cell(row, column int) widget.Cell {
	m := &r.list[row]
	l := machineLook(m, r.glyphs)
	over := theme.Role("")
	if !m.Live() {
		over = theme.Muted
	}
	switch column {
	case columnLook:
		return widget.Cell{Text: l.glyph, Role: l.role}
	case columnRuns:
		if m.Name != "" {
			return widget.Cell{Text: fmt.Sprintf("%s (%s)", runs(m), m.Name), Short: m.Name, Role: over}
		}
		return widget.Cell{Text: runs(m), Role: over}
	case columnState:
		return widget.Cell{Text: stands(m), Short: brieflyStands(m), Role: l.role}
	case columnSince:
		if !m.Live() {
			if m.Created.IsZero() {
				return widget.Cell{}
			}
			return widget.Cell{Text: widget.Moment(m.Created, r.now), Role: theme.Muted}
		}
		return widget.Cell{Text: widget.Stopwatch(m.Elapsed(r.now)), Role: theme.Muted}
	case columnID:
		return widget.Cell{Text: short(m.ID), Role: over}
	case columnHardware:
		return widget.Cell{Text: hardware(m), Role: over}
	case columnUser:
		return widget.Cell{Text: m.User, Role: over}
	case columnWay:
		if !m.Live() {
			return widget.Cell{Text: m.Why, Role: theme.Muted}
		}
		return widget.Cell{Text: wayIn(m), Role: theme.Muted}
	}
	return widget.Cell{}
}

// brieflyStands is stands where there is little room.
func brieflyStands(m *feed.Machine) string {
	switch {
	case m.Phase == feed.PhaseBooting && reached(m) != "":
		return string(reached(m))
	case m.Failure != nil:
		return trouble(m)
	}
	return string(m.Phase)
}
