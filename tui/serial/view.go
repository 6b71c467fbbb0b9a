// Package serial is the serial console of a machine in a pane: what the guest prints, the keys for it,
// scrollback, search, selection. It reaches the machine over its console.sock (vm/console) like every other viewer.
//
// A View is state only: its methods, Draw included, read no file and never wait. Its Source does that, in a
// goroutine that the owner runs:
//
//	v := serial.New(serial.Options{Dir: entry.Dir, Title: string(entry.ID), User: env.User})
//	screen.Follow{Key: "console.serial", Do: func(ctx context.Context, post func(screen.Event)) {
//		v.Source().Follow(ctx, post)
//	}}
//	… in Handle:  if effects, mine := v.Handle(e); mine { return effects }
//	… in Draw:    f := widget.Frame{Title: v.Title(t), Right: v.Right(t), Bottom: v.Bottom(t), Focused: focused}
//	              v.Draw(f.Draw(area, t), t, focused && frame.Active)
//	… in Key:     if effects, mine := v.Key(k); mine { return effects }    // every key has its exported method, for Actions
//	… in Mouse:   return v.Mouse(m)                                        // in the coordinates of Draw's area
//	… as screen.Raw:  func (s *Screen) Raw() bool { return s.Focus() == "serial" && s.v.Attached() }
//	                  func (s *Screen) Type(p []byte) ([]byte, []screen.Effect) { return s.v.Type(p) }
//	                  func (s *Screen) RawHint() string { return s.v.RawHint() }
//	v.Attach() gives the keys to the guest, v.Detach() takes them back; v.Attached() says which.
//
// The guest is drained always, seen or not. There is never a message per chunk: after a News none comes before the
// View was drawn, so a pane that is not drawn costs no frames.
//
// Attached, every byte is the guest's except the prefix, Ctrl-] (Ctrl-5 sends the same). After it: d detach, [ scrollback,
// p paste what was held back or copied here, b break, s tell the guest's tty its size, the prefix itself
// sends it; every other key is the workbench's (screen.Press): z zoom, : palette, ? help, 1 to 5 screens.
package serial

import (
	"cmp"
	"path/filepath"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/vt"
	"github.com/nestos/nosa/vm/console"
)

// Options say whose console is shown.
type Options struct {
	Dir    string // of the machine: tmp/vms/ID
	Title  string // the machine's name in the frame; "" is Dir's base name
	Name   string // of this viewer, as others see it; "" is "workbench"
	User   string // who sits here; "" is the login
	Prefix string // as console.ParseKey takes it; "" is ctrl-]. "none" is refused: nothing would get out
	Lines  int    // of scrollback; 0 is 100,000
}

// View is a machine's console on the screen.
type View struct {
	o      Options
	src    *Source
	screen *vt.Screen
	prefix byte

	w, h     int  // of the last Draw
	active   bool // in it
	attached bool // the guest has the keys, unless the scrollback is looked at
	prefixed bool // the prefix was the last key
	pasting  bool // pasted text comes
	pasted   []byte
	held     string // a paste that waits to be confirmed
	copied   string // what was copied here last

	back    *back // the scrollback is looked at; nil: the end is shown
	finding string
	finder  vt.Finder
	press   *vt.Place // where the mouse button went down
}

// New makes a View. Nothing is read before its Source's Follow. A prefix that is no control key is an error.
func New(o Options) (*View, error) {
	o.Title = cmp.Or(o.Title, filepath.Base(o.Dir))
	o.Name = cmp.Or(o.Name, "workbench")
	s := vt.New(vt.Options{W: 80, H: 24, Lines: o.Lines})
	v := &View{o: o, screen: s, src: newSource(o, s)}
	if err := v.SetPrefix(o.Prefix); err != nil {
		return nil, err
	}
	return v, nil
}

// SetPrefix gives it another prefix, as in Options.
func (v *View) SetPrefix(name string) error {
	prefix, ok, err := console.ParseKey(cmp.Or(name, console.DefaultDetach))
	if err != nil {
		return err
	}
	if !ok {
		return errNoPrefix
	}
	v.prefix, v.prefixed = prefix, false
	return nil
}

// Source reads the console.
func (v *View) Source() *Source { return v.src }

// Dir is the machine's.
func (v *View) Dir() string { return v.o.Dir }

// Handle takes News of the View's own Source and answers to what it asked; mine is false for all others.
func (v *View) Handle(e screen.Event) (effects []screen.Effect, mine bool) {
	switch e := e.(type) {
	case News:
		return v.src.takeNotices(), e.source == v.src
	case screen.Answer:
		switch e.Tag {
		case v.pasteTag():
			return v.confirmed(e.Choice), true
		case v.sizeTag():
			if e.Choice == choiceYes {
				v.typeSize()
			}
			return nil, true
		}
	case found:
		if e.view != v {
			return nil, false
		}
		return v.arrive(e), true
	}
	return nil, false
}

// Attached says that the guest has the keys now. It has them beyond its end, until enter, esc, q or the prefix: who types
// to a guest that goes away must not press keys of the workbench.
func (v *View) Attached() bool { return v.attached && v.back == nil }

// Off is why the keys cannot be given to the guest; "" when they can.
func (v *View) Off() string {
	switch st := v.src.status(); st.Link {
	case Live:
		return ""
	case Ended:
		return "the machine has ended"
	}
	return "nobody answers at its console yet"
}

// Attach gives the keys to the guest and tells it the pane's size. Where Off says why not it does nothing.
func (v *View) Attach() {
	if v.Off() != "" {
		return
	}
	v.back, v.prefixed, v.pasting = nil, false, false
	v.attached = true
	v.src.attach(v.w, v.h)
}

// Detach takes the keys back; the machine goes on.
func (v *View) Detach() {
	v.attached, v.prefixed, v.pasting, v.pasted = false, false, false, nil
	v.src.detach()
}

// Status says how the console stands.
func (v *View) Status() Status { return v.src.status() }
