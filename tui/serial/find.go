package serial

import (
	"context"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/vt"
)

// stepLines is how many lines are searched while others wait for the screen.
const stepLines = 2000

// found is what a search came to.
type found struct {
	view  *View
	text  string // what was looked for
	at    *vt.Match
	quiet bool // nobody asked: nothing found is nothing to say
}

// Find looks for a text, or for a regular expression between slashes, and goes to the last hit before the cursor, as
// one looks in what was printed. "" ends the search.
func (v *View) Find(text string) ([]screen.Effect, error) {
	if text == "" {
		v.finding, v.finder = "", vt.Finder{}
		return nil, nil
	}
	finder := vt.NewFinder(text)
	if len(text) > 2 && text[0] == '/' && text[len(text)-1] == '/' {
		var err error
		if finder, err = vt.NewRegexpFinder(text[1 : len(text)-1]); err != nil {
			return nil, err
		}
	}
	return v.find(text, finder, false), nil
}

// Show goes to the last line with a text in it, and says nothing where there is none: the log may have lost it.
func (v *View) Show(text string) []screen.Effect { return v.find(text, vt.NewFinder(text), true) }

func (v *View) find(text string, finder vt.Finder, quiet bool) []screen.Effect {
	v.Scroll()
	v.finding, v.finder = text, finder
	at := v.back.at
	at.X = 1 << 30
	return v.seek(at, vt.Backwards, quiet)
}

// Finding is the text of the search; "" when there is none.
func (v *View) Finding() string { return v.finding }

// Next goes to the next hit, towards the end.
func (v *View) Next() []screen.Effect {
	if v.finding == "" {
		return nil
	}
	v.Scroll()
	at := v.back.at
	at.X++
	return v.seek(at, vt.Forwards, false)
}

// Previous goes to the hit before.
func (v *View) Previous() []screen.Effect {
	if v.finding == "" {
		return nil
	}
	v.Scroll()
	return v.seek(v.back.at, vt.Backwards, false)
}

// seek looks for the nearest hit; past the end it begins at the other.
func (v *View) seek(from vt.Place, way vt.Way, quiet bool) []screen.Effect {
	h, text := hunt{v.screen, v.finder, way}, v.finding
	return []screen.Effect{screen.Work{Key: "serial.find " + v.o.Dir, Do: func(ctx context.Context) screen.Event {
		if m := h.from(ctx, from); m != nil {
			return found{v, text, m, quiet}
		}
		other := vt.Place{}
		if way == vt.Backwards {
			_, _, end := h.screen.Bounds()
			other = vt.Place{Line: end, X: 1 << 30}
		}
		return found{v, text, h.from(ctx, other), quiet}
	}}}
}

// hunt is a search on its way.
type hunt struct {
	screen *vt.Screen
	finder vt.Finder
	way    vt.Way
}

// from gives the nearest match from a place on; nil is none.
func (h hunt) from(ctx context.Context, at vt.Place) *vt.Match {
	for more := true; more && ctx.Err() == nil; {
		var m *vt.Match
		if m, at, more = h.screen.Step(h.finder, at, h.way, stepLines); m != nil {
			return m
		}
	}
	return nil
}

// arrive goes to what a search found.
func (v *View) arrive(f found) []screen.Effect {
	if f.text != v.finding {
		return nil
	}
	switch {
	case f.at == nil && f.quiet:
		v.finding, v.finder = "", vt.Finder{}
		v.Follow()
		return nil
	case f.at == nil:
		return say(screen.Note, "nothing found: "+v.finding)
	}
	v.Scroll()
	v.moveTo(f.at.From.Line)
	if v.back != nil {
		v.back.at.X = f.at.From.X
	}
	return nil
}
