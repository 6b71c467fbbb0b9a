// Package screen is what a screen of the workbench is and what it can ask for. The
// screens themselves are rooms of their own (source, stages, builds); who routes
// keys to them and does what they ask is tui.
package screen

import (
	"encoding/json"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
)

// Name is a screen's name, as in --screen NAME.
type Name string

// The screens.
const (
	Source Name = "source"
	Stages Name = "stages"
	Builds Name = "builds"
	// Console has the machines.
	Console Name = "console"
)

// Screen is one screen. All methods are called from one goroutine; none blocks,
// reads a file or runs a program: that is for the Effects they return.
type Screen interface {
	Name() Name
	Title() string // in the header: "Source"

	// Actions is all that can be done here. The table is made once; what changes is
	// what its functions answer.
	Actions() []Action

	// Panes gives where the panes lie on w by h cells in the present state: a pure function,
	// panes never overlap. Only those that are shown; the focused one always is.
	Panes(w, h int) []Pane
	Focus() string      // the pane that has the keys
	SetFocus(id string) // unknown ids are ignored
	Zoomed() bool       // the focused pane has the whole screen
	SetZoomed(bool)

	Draw(a canvas.Area, f Frame)
	Key(k term.Key) []Effect     // a key that no Action of this screen has taken
	Mouse(m term.Mouse) []Effect // in the screen's coordinates; focus was set by a press before
	Handle(e Event) []Effect     // every Event that is posted, of whatever screen
	Typing() bool                // printable keys are text now and not commands
	Dirty() []string             // what would be lost if the workbench ended now, in words; nil is nothing
	Open(t Target) []Effect      // another screen sends the user here
	Hint() string                // for the status line: where one is and what goes on; "" is nothing

	// Save gives what a later session should find again (selection, folds, filter, unsaved text is
	// in swap files); Restore takes it and ignores what does not fit.
	Save() json.RawMessage
	Restore(json.RawMessage) []Effect
}

// Raw is a Screen that can have the terminal's keys as bytes, for a guest. While it does, nothing of the
// workbench is a key: no action, no sequence, not even ctrl+c.
type Raw interface {
	Raw() bool // the guest has the keys now
	// Type gives keys to the guest, as the terminal sent them: nothing that the mouse or the terminal itself
	// reports is among them; pasted text comes between its marks. Where the guest loses the keys in the midst of
	// it, rest is what comes after: keys of the workbench. Keys that were read before the guest got
	// them come to Screen.Key.
	Type(p []byte) (rest []byte, effects []Effect)
	RawHint() string // for the footer: the key that is not the guest's, and what it does
}

// Pane is a part of a screen that can have the keys.
type Pane struct {
	ID   string
	Rect canvas.Rect
}

// Frame is what Draw needs besides the screen's own state.
type Frame struct {
	Theme  *theme.Theme
	Now    time.Time
	Active bool // the screen has the keys: no dialog lies over it
}

// Target is what a screen is asked to show. Fields that do not fit a screen are empty.
type Target struct {
	File         string // below the workspace, or absolute
	Line, Column int    // from 1; columns count characters
	Job          string
	Build        string
	Machine      string
}

// Event is something that happened: a value of the feed, the result of a Work, an answer of
// a dialog. Each has its own type; who does not know a type ignores it.
type Event any

// Boot asks the Console screen to boot a build.
type Boot struct {
	Build    string // an ID or a tag
	Artifact string // "" is the one of last time
	Ask      bool   // how is asked first; else as last time
}

// Prompt is an Event that answers a key: it is delivered at once and not with the next frame of the pump,
// if Prompt says so.
type Prompt interface{ Prompt() bool }

// Action is a row of the one table of what can be done: from it come keys, footer, help, palette
// and the documented list of keys.
type Action struct {
	ID    string   // "builds.delete"; users rebind by it
	Title string   // "Delete the build", as the palette and the help show it
	Short string   // for the footer: "delete"; "" keeps it out of the footer
	Keys  []string // term.Key names; two with a space between are a sequence: "g g"
	Pane  string   // where the keys count; "" is the whole screen
	Text  bool     // the keys count while text is typed, too (they print nothing)

	Off     func() string   // why it cannot be done now, for the user; "" when it can. nil: always
	Command func() []string // the nosa command that does the same, without "nosa"; nil: there is none
	Run     func() []Effect
}
