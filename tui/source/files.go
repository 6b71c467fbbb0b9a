package source

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// filesChanged takes a snapshot of the files.
func (s *Screen) filesChanged(f feed.Files) []screen.Effect {
	first := s.files.Revision == 0
	s.files = f
	if first && len(s.tree.Expanded()) == 0 {
		s.tree.SetExpanded([]string{"src/config"})
	}
	s.rebuildTree()
	if first {
		s.tree.Select(cmp.Or(s.wanted, "src/config/manifest.yaml"))
		s.wanted = "" // a file that is gone since
	} else if s.wanted != "" && s.tree.Select(s.wanted) {
		s.wanted = ""
	}
	if !first && len(f.Changed) == 0 && !f.All {
		return nil
	}
	changed := f.Changed
	if f.All {
		changed = nil
	}
	s.plan.stale = true
	effects := append(s.check(changed), s.validate(0)...)
	return append(append(effects, s.validateAll(fullDelay)...), s.learnNames()...)
}

// rebuildTree makes the rows of the tree anew: files, what git says, problems, unsaved text.
func (s *Screen) rebuildTree() {
	problems := s.problems.byPath()
	items := make([]widget.TreeItem, 0, len(s.files.Entries))
	for _, f := range s.files.Entries {
		root := rootOf(f.Path)
		rel := strings.TrimPrefix(f.Path, root)
		item := widget.TreeItem{ID: f.Path, Depth: strings.Count(rel, "/"), Name: path.Base(f.Path), Fork: f.Dir, Seek: strings.TrimPrefix(f.Path, "src/")}
		if f.Dir {
			item.Name += "/"
			item.Seek += "/"
		}
		if f.Link != "" {
			item.Note = s.glyphs.Arrow + " " + f.Link
		}
		if f.Ignored {
			item.Role = theme.Muted
		}
		item.Marks = s.marks(f, problems[f.Path])
		items = append(items, item)
	}
	s.tree.SetItems(items)
}

// marks are what stands at the right of a file. A directory has those of what it hides
// only while it is folded.
func (s *Screen) marks(f feed.File, c counts) []widget.Cell {
	var cells []widget.Cell
	if !f.Dir || !s.tree.IsExpanded(f.Path) {
		if c.errors > 0 {
			cells = append(cells, widget.Cell{Text: strconv.Itoa(c.errors) + s.glyphs.Fail, Role: theme.Failure})
		}
		if c.warnings > 0 {
			cells = append(cells, widget.Cell{Text: strconv.Itoa(c.warnings) + s.glyphs.Warn, Role: theme.Warning})
		}
	}
	if d := s.docs[f.Path]; d != nil && d.ed.Modified() {
		cells = append(cells, widget.Cell{Text: s.glyphs.Dirty, Role: theme.Changed})
	}
	if f.Sign != "" && (!f.Dir || !s.tree.IsExpanded(f.Path)) {
		role := theme.Changed
		switch {
		case f.Staged || f.Sign == "A":
			role = theme.Added
		case f.Sign == "D" || f.Sign == "U":
			role = theme.Removed
		}
		text := f.Sign
		if f.Staged {
			text = "+" + text
		}
		cells = append(cells, widget.Cell{Text: text, Role: role})
	}
	return cells
}

// entry is the file under the tree's cursor.
func (s *Screen) entry() (feed.File, bool) {
	item, ok := s.tree.Current()
	if !ok {
		return feed.File{}, false
	}
	at := slices.IndexFunc(s.files.Entries, func(f feed.File) bool { return f.Path == item.ID })
	if at < 0 {
		return feed.File{}, false
	}
	return s.files.Entries[at], true
}

// enterFile opens the file under the cursor, or folds the directory.
func (s *Screen) enterFile() []screen.Effect {
	f, ok := s.entry()
	switch {
	case !ok:
		return nil
	case f.Dir:
		s.tree.Toggle()
		s.rebuildTree()
		return nil
	}
	s.SetFocus(paneEditor)
	effects := s.show(f.Path, nil)
	return effects
}

// here is the directory that a new file would go to.
func (s *Screen) here() string {
	f, ok := s.entry()
	switch {
	case !ok:
		return "src/config"
	case f.Dir:
		return f.Path
	}
	return path.Dir(f.Path)
}

// noFile says why there is nothing to rename or delete.
func (s *Screen) noFile() string {
	f, ok := s.entry()
	switch {
	case !ok:
		return "no file is chosen"
	case rootOf(f.Path) == f.Path:
		return "this directory belongs to the workspace"
	}
	return ""
}
