// Package builds is the Builds screen: what was built, what is in it, by what two builds
// differ, and what can be done with them. It reads no files and runs nothing itself.
package builds

import (
	"encoding/json"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace"
)

// The panes.
const (
	paneList    = "builds"
	paneDetail  = "detail"
	paneContent = "content"
	paneLog     = "log" // the same place, while it shows a log
)

// Screen is the Builds screen.
type Screen struct {
	env    screen.Env
	builds feed.Builds
	known  bool // a feed.Builds has come

	list    widget.Table
	rows    *rows
	detail  outline
	shown   *feed.Build // whose detail it is
	content content
	images  images
	history workspace.History // of how long steps took
	focus   string
	zoomed  bool
	w, h    int // at the last drawing

	actions []screen.Action
}

// New makes the screen. Builds come as feed.Builds events.
func New(env screen.Env) *Screen {
	s := &Screen{env: env, focus: paneList, rows: &rows{}}
	s.list = widget.Table{Columns: listColumns(minID, minPackages), Empty: []string{"Reading the builds"}}
	s.list.SetRows(s.rows)
	s.detail = newOutline(formSections)
	s.content.outline = newOutline(formSections)
	s.content.log.Key = "builds.log"
	s.actions = s.table()
	return s
}

// Name implements screen.Screen.
func (s *Screen) Name() screen.Name { return screen.Builds }

// Title implements screen.Screen.
func (s *Screen) Title() string { return "Builds" }

// Actions implements screen.Screen.
func (s *Screen) Actions() []screen.Action { return s.actions }

// Focus implements screen.Screen.
func (s *Screen) Focus() string { return s.focus }

// SetFocus implements screen.Screen.
func (s *Screen) SetFocus(id string) {
	switch {
	case id == paneList, id == paneDetail, id == s.third() && (s.content.open() || s.w >= threeColumns):
		s.focus = id
	}
}

// Zoomed implements screen.Screen.
func (s *Screen) Zoomed() bool { return s.zoomed }

// SetZoomed implements screen.Screen.
func (s *Screen) SetZoomed(z bool) { s.zoomed = z }

// Typing implements screen.Screen.
func (s *Screen) Typing() bool {
	switch s.focus {
	case paneList:
		return s.list.Typing()
	case paneDetail:
		return s.detail.table.Typing()
	case paneLog:
		return s.content.log.Typing()
	}
	return s.content.outline.table.Typing()
}

// Dirty implements screen.Screen.
func (s *Screen) Dirty() []string { return nil }

// Hint implements screen.Screen.
func (s *Screen) Hint() string {
	if marks := s.list.Marks(); len(marks) > 0 {
		switch len(marks) {
		case 1:
			return "1 marked: mark another and d compares them"
		case 2:
			return "2 marked: d compares them"
		}
		return widget.Count(len(marks), "build", "builds") + " marked"
	}
	if s.builds.Reading > 0 {
		return "reading " + widget.Count(s.builds.Reading, "build", "builds")
	}
	return s.builds.Notice
}

// Open implements screen.Screen.
func (s *Screen) Open(t screen.Target) []screen.Effect {
	if t.Build == "" {
		return nil
	}
	for _, b := range s.builds.List {
		if b.ID == t.Build || b.Key() == t.Build {
			s.list.SetFilter("")
			s.list.Select(b.Key())
			s.focus = paneList
			s.selected()
			return nil
		}
	}
	return []screen.Effect{screen.Notice{Level: screen.Warn, Text: "there is no build " + t.Build + " any more"}}
}

// saved is what a later session finds again.
type saved struct {
	Build      string   `json:"build,omitempty"`
	Marks      []string `json:"marks,omitempty"`
	Filter     string   `json:"filter,omitempty"`
	Sort       int      `json:"sort,omitempty"` // the column, from 1
	Descending bool     `json:"descending,omitempty"`
	Pane       string   `json:"pane,omitempty"`
	Zoomed     bool     `json:"zoomed,omitempty"`
	Folded     []string `json:"folded,omitempty"` // headings of the detail
}

// Save implements screen.Screen.
func (s *Screen) Save() json.RawMessage {
	o := s.list.Order()
	data, err := json.Marshal(saved{
		Build: s.list.CurrentKey(), Marks: s.list.Marks(), Filter: s.list.Filter(), Sort: o.Column, Descending: o.Descending,
		Pane: s.focus, Zoomed: s.zoomed, Folded: s.detail.foldedTitles(),
	})
	if err != nil {
		return nil
	}
	return data
}

// Restore implements screen.Screen.
func (s *Screen) Restore(data json.RawMessage) []screen.Effect {
	var v saved
	if json.Unmarshal(data, &v) != nil {
		return nil
	}
	s.rows.wanted, s.rows.marks = v.Build, v.Marks
	s.list.SetFilter(v.Filter)
	s.list.Sort(widget.Order{Column: v.Sort, Descending: v.Descending})
	s.detail.fold(v.Folded)
	if v.Pane == paneDetail {
		s.focus = v.Pane
	}
	s.zoomed = v.Zoomed
	s.restored()
	return nil
}

// restored selects and marks what a session wanted, once it is there.
func (s *Screen) restored() {
	if !s.known {
		return
	}
	if s.builds.Problem != "" {
		s.selected()
		return
	}
	if s.rows.wanted != "" && s.list.Select(s.rows.wanted) {
		s.rows.wanted = ""
	}
	if s.rows.marks != nil && len(s.rows.list) > 0 {
		s.list.SetMarks(s.rows.marks)
		s.rows.marks = nil
	}
	s.selected()
}

var _ screen.Screen = (*Screen)(nil)
