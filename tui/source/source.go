// Package source is the screen on which the config is edited: the tree of its files,
// an editor that keeps unsaved text safe, the problems that there are, and what all
// of it comes to.
package source

import (
	"strings"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/editor"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/person"
)

// The panes.
const (
	paneFiles    = "files"
	paneEditor   = "editor"
	paneProblems = "problems"
	paneSide     = "side"
)

// sideView is what the pane beside the editor shows.
type sideView string

const (
	sideEffective sideView = "effective"
	sidePlan      sideView = "plan"
	sidePackage   sideView = "package"
)

// Screen is the Source screen.
type Screen struct {
	env    screen.Env
	glyphs theme.Glyphs // of the last Draw; the tree's marks are made of them

	focus   string
	zoomed  bool
	typing  bool // keys are text of the editor
	looping bool // what is built when all is saved was asked for
	first   rune // of a sequence of two keys

	files  feed.Files
	tree   widget.Tree
	docs   map[string]*document // by path relative to the workspace
	open   []string             // of docs, in the order in which they were opened
	at     string               // the path that the editor shows; "" is none
	wanted string               // what the tree's cursor goes to when the files are known
	ops    []fileOp             // changes of the tree that can be undone

	find   *widget.Input  // what is typed to be found; nil: nothing is
	diff   *difference    // shown in place of the editor; nil: none
	swaps  []swap         // left by earlier sessions, not yet answered for
	others []person.State // who else is here

	revision uint64 // of all texts, for results that come late
	checking bool
	checkErr string
	full     []remembered // what nosa validate has last said of packages
	problems problemList

	names     names
	dismissed [2]int // line and column of the word whose completions the user has closed

	side      sideView
	sideOpen  bool // shown in place of the editor where there is no room for a third column
	effective widget.Tree
	outline   outline
	plan      struct {
		planned
		asked bool
		stale bool // the config has changed since
	}
	pkg     explained
	sideTop int
	sideRow int

	acts  []screen.Action
	panes []screen.Pane // of the last Draw
}

// New makes the screen.
func New(env screen.Env) *Screen {
	s := &Screen{
		env: env, glyphs: theme.New(theme.Options{}).Glyphs, focus: paneFiles, docs: map[string]*document{}, side: sideEffective,
	}
	s.tree.Empty = "No files yet."
	s.effective.Empty = "Nothing yet: the manifest is being read."
	s.acts = s.actions()
	return s
}

// Name is screen.Source.
func (s *Screen) Name() screen.Name { return screen.Source }

// Title is "Source".
func (s *Screen) Title() string { return "Source" }

// Actions is all that can be done here.
func (s *Screen) Actions() []screen.Action { return s.acts }

// Focus is the pane that has the keys.
func (s *Screen) Focus() string { return s.focus }

// SetFocus gives the keys to a pane.
func (s *Screen) SetFocus(id string) {
	switch id {
	case paneFiles, paneEditor, paneProblems:
	case paneSide:
		s.sideOpen = true
	default:
		return
	}
	if s.focus == id {
		return
	}
	s.leaveTyping()
	s.focus = id
	if id == paneEditor {
		s.sideOpen = false
	}
}

// leaveTyping ends what was being typed.
func (s *Screen) leaveTyping() {
	s.typing, s.find, s.first = false, nil, 0
	if d := s.current(); d != nil {
		d.ed.CancelCompletions()
	}
}

// Zoomed says if the focused pane has the whole screen.
func (s *Screen) Zoomed() bool { return s.zoomed }

// SetZoomed gives the focused pane the whole screen, or takes it back.
func (s *Screen) SetZoomed(yes bool) { s.zoomed = yes }

// Typing says if printable keys are text.
func (s *Screen) Typing() bool {
	return s.focus == paneFiles && s.tree.Typing() || s.focus == paneSide && s.side == sideEffective && s.effective.Typing() ||
		s.focus == paneEditor && (s.find != nil || s.typing && s.writing())
}

// writing says if the editor shows a text that can be typed in, or will once it is read.
func (s *Screen) writing() bool {
	d := s.current()
	return d != nil && d.err == "" && s.diff == nil
}

// Settling says that the text has more colours in a frame to come.
func (s *Screen) Settling() bool {
	ed := s.editing()
	return ed != nil && ed.Settling()
}

// Chosen is the file that the user is at: in the tree the one under the cursor, else
// that of the editor with its line.
func (s *Screen) Chosen() screen.Target {
	t := screen.Target{File: s.chosenFile()}
	if d := s.docs[t.File]; d != nil && d.loaded {
		t.Line, t.Column = d.ed.Position()
	}
	return t
}

// Dirty names the files with unsaved text.
func (s *Screen) Dirty() []string {
	var paths []string
	for _, path := range s.open {
		if s.docs[path].ed.Modified() {
			paths = append(paths, path)
		}
	}
	return paths
}

// unsaved is the text of each file that differs from what is on disk.
func (s *Screen) unsaved() map[string]draft {
	drafts := map[string]draft{}
	for path, d := range s.docs {
		if d.ed.Modified() {
			drafts[path] = draft{d.ed.Snapshot(), d.base}
		}
	}
	return drafts
}

// current is the document that the editor shows; nil is none.
func (s *Screen) current() *document { return s.docs[s.at] }

// editing is the editor that takes keys; nil is none.
func (s *Screen) editing() *editor.Editor {
	if s.diff != nil {
		return s.diff.ed
	}
	if d := s.current(); d != nil {
		return d.ed
	}
	return nil
}

// Open shows a file.
func (s *Screen) Open(t screen.Target) []screen.Effect {
	if t.File == "" {
		return nil
	}
	path := strings.TrimPrefix(t.File, s.env.WS.Dir+"/")
	return s.jump(doc.Origin{File: path, Line: t.Line, Column: t.Column})
}

// jump shows a place in a file.
func (s *Screen) jump(o doc.Origin) []screen.Effect {
	if o.File == "" {
		return nil
	}
	if rootOf(o.File) == "" {
		return []screen.Effect{screen.Notice{Level: screen.Warn, Text: o.File + " is not among the sources"}}
	}
	s.zoomed = s.zoomed && s.focus == paneEditor
	s.leaveTyping()
	s.SetFocus(paneEditor)
	return s.show(o.File, &o)
}

// Hint says where one is.
func (s *Screen) Hint() string {
	var parts []string
	w := s.files.Watch
	switch {
	case s.files.Revision == 0:
		parts = append(parts, "reading the files")
	case w.Notice != "":
		parts = append(parts, s.glyphs.Warn+" fs:polling: "+w.Notice+remedy(w.Remedy))
	default:
		parts = append(parts, "fs:ok, "+thousands(w.Dirs)+" directories")
	}
	if s.files.Partial != "" {
		parts = append(parts, s.files.Partial)
	}
	if n := len(s.Dirty()); n > 0 {
		parts = append(parts, count(n, "file")+" unsaved")
	}
	return strings.Join(parts, " "+s.glyphs.Bullet+" ")
}

func remedy(command string) string {
	if command == "" {
		return ""
	}
	return "; " + command + " helps"
}

// inner is the area of a pane that was drawn with a frame.
func inner(r canvas.Rect) canvas.Rect { return r.Inset(1) }
