package source

import (
	"path"
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
)

// linkHere is the file that the text under the cursor names; "" is none.
func (s *Screen) linkHere() string {
	d := s.current()
	if d == nil || !d.loaded || s.diff != nil {
		return ""
	}
	line, _ := d.ed.Position()
	for word := range strings.FieldsFuncSeq(d.ed.Line(line), func(r rune) bool { return strings.ContainsRune(" \t\"'[],", r) }) {
		word = strings.TrimPrefix(word, "overlay/")
		for _, dir := range []string{path.Dir(d.path), "src/config", "src/config/overlay.d"} {
			file := path.Join(dir, word)
			if file != d.path && slices.ContainsFunc(s.files.Entries, func(f feed.File) bool { return f.Path == file && rootOf(file) != file && file != dir }) {
				return file
			}
		}
	}
	return ""
}

func (s *Screen) noLink() string {
	if s.linkHere() == "" {
		return "this line names no file of the sources"
	}
	return ""
}

// followLink opens the file, or shows the directory in the tree.
func (s *Screen) followLink() []screen.Effect {
	file := s.linkHere()
	i := slices.IndexFunc(s.files.Entries, func(f feed.File) bool { return f.Path == file })
	if i >= 0 && s.files.Entries[i].Dir {
		s.tree.Select(file)
		s.SetFocus(paneFiles)
		return nil
	}
	return s.show(file, nil)
}
