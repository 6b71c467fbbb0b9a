package source

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/screen"
)

// checkedFile is what a document's file holds now.
type checkedFile struct {
	path string
	text []byte
	err  error
}

// check looks at what is on disk of the documents among the paths; nil is all.
func (s *Screen) check(changed []string) []screen.Effect {
	var effects []screen.Effect
	dir := s.env.WS.Dir
	for _, path := range s.open {
		if changed != nil && !slices.ContainsFunc(changed, func(c string) bool { return c == path || strings.HasPrefix(path, c+"/") }) {
			continue
		}
		effects = append(effects, screen.Work{Key: "source.check " + path, Do: func(context.Context) screen.Event {
			text, err := readText(dir, path)
			return checkedFile{path, text, err}
		}})
	}
	return effects
}

// checkedFile takes what a file holds now: text that was not changed here follows it,
// for unsaved text it is said.
func (s *Screen) checkedFile(e checkedFile) []screen.Effect {
	d := s.docs[e.path]
	if d == nil || d.saving {
		return nil
	}
	if !d.loaded {
		if e.err == nil {
			return s.loaded(loadedFile{path: e.path, text: e.text})
		}
		return nil
	}
	switch {
	case errors.Is(e.err, fs.ErrNotExist):
		return s.vanished(d)
	case e.err != nil:
		return nil
	case !d.absent && bytes.Equal(e.text, d.base):
		if d.theirs != nil && !bytes.Equal(*d.theirs, d.base) {
			d.theirs = nil // it is again what was read
		}
		return nil
	}
	if d.absent && bytes.Equal(e.text, d.base) { // it is back, as after a rename to and fro
		d.absent = false
		d.ed.MarkSavedAs(d.base)
		s.rebuildTree()
		return s.keep(d, 0)
	}
	d.absent = false
	if !d.ed.Modified() || d.ed.Text() == string(e.text) {
		return s.take(d, e.text)
	}
	s.conflict(d, &conflictError{theirs: e.text})
	return []screen.Effect{screen.Notice{Level: screen.Warn, Text: e.path + " changed on disk while it is edited here"}}
}

// vanished notes that a document's file is not there any more. Where the text was saved
// nothing is lost by it, as when another branch is checked out: only the one that
// is looked at stays. Unsaved text stays, and is nowhere else now.
func (s *Screen) vanished(d *document) []screen.Effect {
	switch {
	case d.absent:
		return nil
	case d.ed.Modified():
		d.absent, d.theirs = true, nil
		d.ed.MarkSavedAs(nil)
		s.rebuildTree()
		return append(s.keep(d, 0), screen.Notice{Level: screen.Warn, Text: d.path + " was deleted on disk; saving makes it again"})
	case s.at != d.path:
		delete(s.docs, d.path)
		s.open = slices.DeleteFunc(s.open, func(p string) bool { return p == d.path })
		return nil
	}
	d.absent = true
	return []screen.Effect{screen.Notice{Level: screen.Warn, Text: d.path + " was deleted on disk; saving makes it again"}}
}

// notThere is why no file's text can take the place of what is unsaved.
func (s *Screen) notThere() string {
	if why := s.notModified(); why != "" {
		return why
	}
	if s.current().absent {
		return "it was deleted on disk"
	}
	return ""
}

// reload gives unsaved text up for what the file holds now, as far as is known.
func (s *Screen) reload() []screen.Effect {
	d := s.current()
	text := d.base
	if d.theirs != nil {
		text = *d.theirs
	}
	return s.take(d, text)
}

// take replaces the text by what is on disk; the cursor stays where it is.
func (s *Screen) take(d *document, text []byte) []screen.Effect {
	d.base, d.absent, d.theirs = text, false, nil
	d.ed.Reload(text)
	effects := s.textChanged(d, 0)
	s.markDocument(d)
	return append(effects, s.validateAll(fullDelay)...)
}
