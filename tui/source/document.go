package source

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/nestos/nosa/tui/editor"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace/doc"
)

// document is an opened file. It stays open as long as the screen lives.
type document struct {
	path   string // relative to the workspace
	ed     *editor.Editor
	base   []byte // what is on disk, as far as is known
	absent bool   // it is not there (any more)
	loaded bool
	err    string      // why it cannot be edited
	jumpTo *doc.Origin // where to go when it was read
	theirs *[]byte     // what is on disk now, where that differs from base and the text is unsaved
	saving bool
	again  bool   // to be saved once more, when it was saved
	rev    uint64 // of the text that was last validated
	dirty  bool   // the tree says that it is not saved
	kept   uint64 // of the text that is in the swap file; 0 is none

	conflicts int  // places where two texts are marked
	marked    bool // such marks were made here
}

// loadedFile is what was read for a document.
type loadedFile struct {
	path string
	text []byte
	err  error
	swap *swap // to be laid over it
}

// show makes the editor show a file, and read it where that is to be done.
func (s *Screen) show(path string, to *doc.Origin) []screen.Effect {
	s.at, s.diff = path, nil
	s.tree.Select(path)
	if d := s.docs[path]; d != nil {
		if to != nil {
			d.goTo(*to)
		}
		return nil
	}
	return s.load(path, to, nil)
}

func (s *Screen) load(path string, to *doc.Origin, left *swap) []screen.Effect {
	d := s.docs[path]
	if d == nil {
		d = &document{path: path, ed: editor.New(path, nil)}
		d.ed.ReadOnly = true
		s.docs[path] = d
		s.open = append(s.open, path)
	}
	d.jumpTo = to
	dir := s.env.WS.Dir
	return []screen.Effect{screen.Work{Key: "source.load " + path, Do: func(context.Context) screen.Event {
		text, err := readText(dir, path)
		return loadedFile{path, text, err, left}
	}}}
}

// loaded takes what was read.
func (s *Screen) loaded(e loadedFile) []screen.Effect {
	d := s.docs[e.path]
	if d == nil || d.loaded && e.swap == nil {
		return nil
	}
	gone := errors.Is(e.err, fs.ErrNotExist)
	if e.err != nil && (!gone || e.swap == nil) {
		d.err = cause(e.err).Error()
		return nil
	}
	d.err, d.loaded, d.absent, d.base = "", true, gone, e.text
	to := d.jumpTo
	d.ed = editor.New(e.path, e.text)
	d.rev = d.ed.Revision()
	d.conflicts = len(d.conflictLines())
	s.recall(d)
	if e.swap != nil {
		s.restored(d, e)
	}
	d.ed.GoTo(1, 1)
	if to != nil {
		d.goTo(*to)
	}
	s.markDocument(d)
	if e.swap == nil {
		return nil
	}
	effects := s.textChanged(d, quickDelay)
	if d.mergeable() {
		effects = append(effects, s.askConflict(d)...)
	}
	return effects
}

// restored puts a text that was left over that of its file.
func (s *Screen) restored(d *document, e loadedFile) {
	d.ed.Reload([]byte(e.swap.Text))
	if !d.absent && e.swap.Base != digest(e.text) { // it was typed over something else
		theirs := e.text
		d.theirs = &theirs
		if before, ok := e.swap.before(); ok {
			d.base = before
		}
	}
	d.ed.MarkSavedAs(d.base)
}

func (d *document) goTo(o doc.Origin) {
	if !d.loaded {
		d.jumpTo = &o
		return
	}
	if o.Line > 0 {
		d.ed.GoTo(o.Line, max(o.Column, 1))
	}
}

// cause is what went wrong with a file whose name is said already: a line on the screen has no room for it twice.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// textChanged follows a change of a text: it is validated and kept.
func (s *Screen) textChanged(d *document, after time.Duration) []screen.Effect {
	if d.rev == d.ed.Revision() {
		return nil
	}
	d.rev = d.ed.Revision()
	d.countConflicts()
	if dirty := d.ed.Modified(); dirty != d.dirty {
		d.dirty = dirty
		s.rebuildTree()
	}
	effects := append(s.validate(after), s.keep(d, time.Second)...)
	if s.names.stamp == "" {
		return effects // without metadata nosa knows no more
	}
	return append(effects, s.validateAll(typedDelay)...)
}

// saved tells how saving went.
type saved struct {
	path     string
	text     []byte
	lost     string
	err      error
	conflict *conflictError
}

// save writes the document's text to its file.
func (s *Screen) save(d *document) []screen.Effect {
	if d.theirs != nil {
		return s.askConflict(d)
	}
	if d.countConflicts(); d.conflicts > 0 {
		return s.askMarkers(d, d.conflicts)
	}
	return s.write(d)
}

// write writes it, whatever is in it. One write is over before the next begins: it makes what the next takes
// for the file's content.
func (s *Screen) write(d *document) []screen.Effect {
	if d.saving {
		d.again = true
		return nil
	}
	d.saving = true
	job := saving{dir: s.env.WS.Dir, path: d.path, base: d.base, absent: d.absent, text: d.ed.Bytes(), make: d.absent}
	return []screen.Effect{screen.Work{Key: "source.save " + d.path, Do: func(context.Context) screen.Event {
		lost, err := job.save()
		e := saved{path: job.path, text: job.text, lost: lost, err: err}
		e.conflict, _ = errors.AsType[*conflictError](err)
		return e
	}}}
}

func (s *Screen) saved(e saved) []screen.Effect {
	d := s.docs[e.path]
	if d == nil {
		return nil
	}
	again := d.again
	d.saving, d.again = false, false
	switch {
	case e.conflict != nil:
		s.conflict(d, e.conflict)
		return s.askConflict(d)
	case e.err != nil:
		return []screen.Effect{screen.Notice{Level: screen.Bad, Text: e.err.Error()}}
	}
	d.base, d.absent, d.theirs = e.text, false, nil
	d.ed.MarkSavedAs(e.text)
	d.dirty = d.ed.Modified()
	s.plan.stale = true
	s.rebuildTree()
	notice := screen.Notice{Level: screen.Good, Text: "saved " + e.path}
	if e.lost != "" {
		notice = screen.Notice{Level: screen.Warn, Text: "saved " + e.path + ", but " + e.lost + " could not be kept"}
	}
	effects := append([]screen.Effect{notice}, s.keep(d, 0)...)
	effects = append(effects, s.validate(0)...)
	effects = append(effects, s.validateAll(fullDelay)...)
	if s.plan.asked {
		effects = append(effects, s.preview()...)
	}
	if again && d.ed.Modified() {
		effects = append(effects, s.save(d)...)
	}
	return effects
}
