package builds

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace"
)

// The columns of the list.
const (
	columnID = iota
	columnWhen
	columnSize
	columnPackages
	columnArtifacts
	columnState
	columnConfig
	columnDisk
	columnTook
)

const (
	minID       = 13
	maxID       = 32
	minPackages = 5
	maxPackages = 12
)

func listColumns(id, packages int) []widget.Column {
	return []widget.Column{
		columnID:        {Title: "ID", Width: id, Sortable: true, Filter: true},
		columnWhen:      {Title: "WHEN", Width: 9, Priority: 1, Sortable: true},
		columnSize:      {Title: "SIZE", Width: 5, Right: true, Priority: 2, Sortable: true},
		columnPackages:  {Title: "PKGS", Width: packages, Priority: 3, Sortable: true},
		columnArtifacts: {Title: "IMAGES", Width: 8, Grow: 3, Max: 36, Priority: 4, Filter: true},
		columnState:     {Title: "STATE", Width: 10, Grow: 2, Max: 24, Sortable: true, Filter: true},
		columnConfig:    {Title: "CONFIG", Width: 8, Priority: 6, Filter: true},
		columnDisk:      {Title: "DISK", Width: 5, Right: true, Priority: 7, Sortable: true},
		columnTook:      {Title: "TOOK", Width: 6, Right: true, Priority: 8, Sortable: true},
	}
}

// row is a line of the list: a build, or one that was deleted.
type row struct {
	build   *feed.Build
	deleted *workspace.Deleted
}

func (r row) key() string {
	if r.deleted != nil {
		return "deleted/" + r.deleted.ID
	}
	return r.build.Key()
}

// rows is the list.
type rows struct {
	list   []row
	glyphs theme.Glyphs
	now    time.Time
	many   bool // of more than one architecture

	wanted string   // to be selected, of an earlier session
	marks  []string // to be marked, likewise
}

func newRows(b feed.Builds) *rows {
	r := &rows{}
	for _, build := range b.List {
		r.list = append(r.list, row{build: build})
		r.many = r.many || build.Arch != b.List[0].Arch
	}
	if b.Problem != "" { // it is said instead, and what was deleted cannot be had back now
		return r
	}
	for i := range b.Deleted {
		r.list = append(r.list, row{deleted: &b.Deleted[i]})
	}
	return r
}

// idWidth is what the column of the IDs needs.
func (r *rows) idWidth() int {
	w := minID
	for i := range r.list {
		w = max(w, canvas.Width(r.id(i)))
	}
	return min(w, maxID)
}

// packagesWidth is what the column of the changes needs.
func (r *rows) packagesWidth() int {
	w := minPackages
	for _, row := range r.list {
		if row.build != nil {
			w = max(w, len(packagesText(row.build)))
		}
	}
	return min(w, maxPackages)
}

func (r *rows) id(i int) string {
	switch row := r.list[i]; {
	case row.deleted != nil:
		return row.deleted.ID
	case r.many:
		return row.build.ID + " " + row.build.Arch
	}
	return r.list[i].build.ID
}

// Len implements widget.Rows.
func (r *rows) Len() int { return len(r.list) }

// Key implements widget.Rows.
func (r *rows) Key(i int) string { return r.list[i].key() }

// Cell implements widget.Rows.
func (r *rows) Cell(i, column int) widget.Cell {
	if d := r.list[i].deleted; d != nil {
		return r.deletedCell(d, column)
	}
	b := r.list[i].build
	switch column {
	case columnID:
		return widget.Cell{Text: r.id(i)}
	case columnState:
		return r.state(b)
	case columnWhen:
		return widget.Cell{Text: ago(b.Time, r.now), Role: theme.Muted}
	}
	if !b.Local || b.Problem != "" {
		return widget.Cell{}
	}
	switch column {
	case columnSize:
		return widget.Cell{Text: short(b.Size)}
	case columnPackages:
		return widget.Cell{Text: packagesText(b)}
	case columnArtifacts:
		return artifactsCell(b)
	case columnConfig:
		return r.config(b)
	case columnDisk:
		return widget.Cell{Text: short(b.Disk), Role: theme.Muted}
	case columnTook:
		if ms := b.MS(); ms > 0 {
			return widget.Cell{Text: clock(ms), Role: theme.Muted}
		}
	}
	return widget.Cell{}
}

func (r *rows) deletedCell(d *workspace.Deleted, column int) widget.Cell {
	c := widget.Cell{Role: theme.Disabled}
	switch column {
	case columnID:
		c.Text = d.ID
	case columnWhen:
		c.Text = ago(d.Deleted, r.now)
	case columnSize, columnDisk:
		c.Text = short(d.Bytes)
	case columnState:
		c.Text = "deleted: u"
	}
	return c
}

// state is the most that one should know of a build.
func (r *rows) state(b *feed.Build) widget.Cell {
	c := r.standing(b)
	words := slices.Clone(b.Tags)
	if b.Latest && len(words) == 0 && c.Text == "" {
		words = []string{"latest"}
	}
	if len(words) > 0 {
		if c.Role == theme.Success { // the tags say more than what was checked
			c.Text = r.glyphs.OK
		}
		c.Text = strings.TrimSpace(c.Text + " " + strings.Join(words, " "))
	}
	return c
}

func (r *rows) standing(b *feed.Build) widget.Cell {
	switch {
	case b.Problem != "":
		return widget.Cell{Text: r.glyphs.Fail + " broken", Role: theme.Failure}
	case !b.Local:
		return widget.Cell{Text: "not here", Role: theme.Disabled}
	case len(b.Busy) > 0:
		return widget.Cell{Text: r.glyphs.Running + " " + b.Busy[0].Type, Role: theme.Running}
	}
	for _, a := range b.Artifacts {
		if a.Changed {
			return widget.Cell{Text: r.glyphs.Fail + " " + a.Type, Role: theme.Failure}
		}
	}
	best := widget.Cell{}
	for _, k := range b.Checks {
		switch {
		case !k.OK:
			return widget.Cell{Text: r.glyphs.Fail + " " + k.Name, Role: theme.Failure}
		case k.Stale:
			best = widget.Cell{Text: r.glyphs.Warn + " " + k.Name, Role: theme.Warning}
		case best.Text == "" && len(b.Checks) > 1:
			best = widget.Cell{Text: r.glyphs.OK + fmt.Sprintf(" %d checks", len(b.Checks)), Role: theme.Success}
		case best.Text == "":
			best = widget.Cell{Text: r.glyphs.OK + " " + k.Name, Role: theme.Success}
		}
	}
	return best
}

// Compare implements widget.Rows.
func (r *rows) Compare(column, i, j int) int {
	a, b := r.list[i].build, r.list[j].build
	if a == nil || b == nil { // the deleted ones last
		return cmp.Compare(order(a), order(b))
	}
	switch column {
	case columnWhen:
		return a.Time.Compare(b.Time)
	case columnSize:
		return cmp.Compare(a.Size, b.Size)
	case columnDisk:
		return cmp.Compare(a.Disk, b.Disk)
	case columnPackages:
		return cmp.Compare(changed(a), changed(b))
	case columnState:
		return cmp.Compare(r.state(a).Text, r.state(b).Text)
	case columnTook:
		return cmp.Compare(a.MS(), b.MS())
	}
	return cmp.Compare(r.id(i), r.id(j))
}

func order(b *feed.Build) int {
	if b == nil {
		return 1
	}
	return 0
}

func changed(b *feed.Build) int {
	return len(b.Changes.Added) + len(b.Changes.Removed) + len(b.Changes.Changed)
}
