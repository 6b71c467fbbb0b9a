package source

import (
	"context"
	"errors"
	"time"

	"github.com/nestos/nosa/tui/editor"
	"github.com/nestos/nosa/tui/screen"
)

// swapped tells that a text is in its swap file.
type swapped struct {
	path string
	rev  uint64
	err  error
}

// keeping is unsaved text on its way to its swap file: what another goroutine needs of it.
type keeping struct {
	swap
	text   editor.Snapshot
	base   []byte
	absent bool
}

// write joins the text, and writes it.
func (k keeping) write(dir string) error {
	k.Text = k.text.Text()
	if !k.absent {
		k.Base = digest(k.base)
		if before := string(k.base); len(before) <= maxBefore {
			k.Before = &before
		}
	}
	return k.swap.write(dir)
}

// keep writes a document's unsaved text to its swap file, or removes that.
func (s *Screen) keep(d *document, after time.Duration) []screen.Effect {
	dir, path, rev := s.env.WS.Dir, d.path, d.ed.Revision()
	key := "source.swap " + path
	if !d.ed.Modified() {
		d.kept = 0
		return []screen.Effect{screen.Work{Key: key, Do: func(context.Context) screen.Event {
			dropSwap(dir, path)
			return nil
		}}}
	}
	left := s.keepingOf(d)
	return []screen.Effect{screen.Work{Key: key, After: after, Do: func(context.Context) screen.Event {
		return swapped{path, rev, left.write(dir)}
	}}}
}

func (s *Screen) keepingOf(d *document) keeping {
	return keeping{
		swap: swap{Path: d.path, Time: s.env.Now().UTC(), User: s.env.User},
		text: d.ed.Snapshot(), base: d.base, absent: d.absent,
	}
}

// Keep gives what writes all unsaved text to its swap files at once: for the moment before
// the workbench ends, in whatever way. It may be called once the screen is left alone.
func (s *Screen) Keep() func() error {
	var all []keeping
	for _, path := range s.open {
		if d := s.docs[path]; d.ed.Modified() {
			all = append(all, s.keepingOf(d))
		}
	}
	dir := s.env.WS.Dir
	return func() error {
		var errs []error
		for _, left := range all {
			errs = append(errs, left.write(dir))
		}
		return errors.Join(errs...)
	}
}
