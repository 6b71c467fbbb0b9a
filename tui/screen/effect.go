package screen

import (
	"context"
	"time"

	"github.com/nestos/nosa/tui/term"
)

// Effect is something that a screen asks tui to do.
type Effect interface{ effect() }

// Work does something that takes time, in its own goroutine. What Do returns is
// posted as an Event, nil is not. A Work with the Key of one that is still going on
// takes its place: the older one's context ends and its Event is dropped.
type Work struct {
	Key   string        // "source.validate"; "" is independent of all others
	After time.Duration // wait so long before Do: to debounce
	Do    func(ctx context.Context) Event
}

// Follow runs something that goes on, as the following of a log, until an Unfollow of
// its Key, a new Follow with the same, or the end. What it posts comes as Events; of those that
// wait only the latest of each type (and of each PumpKey, see Keyed) is delivered.
type Follow struct {
	Key string
	Do  func(ctx context.Context, post func(Event))
}

// Unfollow ends a Follow.
type Unfollow struct{ Key string }

// Keyed is an Event of which there may be several of one type at a time, each to be delivered.
type Keyed interface{ PumpKey() string }

// Start starts a nosa command that becomes a job, as its own process that
// outlives the workbench. The answer is a Started.
type Start struct {
	Args []string // without "nosa" and global flags: "build", "qemu"
	Tag  string   // handed back in Started
}

// Started answers a Start: the job is there, or the command ended without one.
type Started struct {
	Args []string
	Tag  string
	Job  string // the job's ID; "" when there is none
	Err  error  // why there is none; nil when the command succeeded without needing one
	Text string // what it printed, where there is no job
}

// Cancel asks a job to stop.
type Cancel struct{ Job string }

// Exec gives the terminal to a program until it ends: an editor, nosa shell. Then comes a Left.
type Exec struct {
	Argv []string
	Dir  string // "" is the workspace
	Tag  string
}

// Left answers an Exec.
type Left struct {
	Tag string
	Err error
}

// Ask opens a dialog. The answer is an Answer with the same Tag; none comes when the user leaves it.
type Ask struct {
	Tag     string
	Title   string
	Text    []string // said first, wrapped
	Fields  []Field  // to be filled in; none: only the choices
	Choices []Choice // buttons; none: OK and Cancel
	Danger  bool     // looks like it, and no choice has the focus at first
	Typed   string   // the user must type this before any choice but the last can be taken
}

// Choice is a button of a dialog. The last is what esc does not answer but leaving is like.
type Choice struct {
	ID    string
	Title string
	Key   string // one printable key; "" is none
}

// Field is a line of a form.
type Field struct {
	Name    string
	Title   string
	Help    string
	Kind    FieldKind
	Value   string // what it begins with; bool: "true" or "false"
	Options []string
	Check   func(value string) string // what is wrong with it, "" is nothing; nil: all is right
}

// FieldKind is what a Field takes.
type FieldKind string

// The kinds.
const (
	FieldText   FieldKind = "text"
	FieldBool   FieldKind = "bool"
	FieldChoice FieldKind = "choice" // one of Options
	FieldMany   FieldKind = "many"   // any of Options; the value joins them by spaces
)

// Answer is what a user chose in a dialog.
type Answer struct {
	Tag    string
	Choice string            // the ID of the choice; "ok" where none were given
	Values map[string]string // of the fields, by Name
}

// Level is how much a notice matters.
type Level string

// The levels.
const (
	Note Level = "note"
	Good Level = "good"
	Warn Level = "warn"
	Bad  Level = "bad"
)

// Notice shows a line for a few seconds; it stays in the history.
type Notice struct {
	Level Level
	Text  string
}

// Copy puts text on the clipboard and says so.
type Copy struct {
	Text string
	What string // "the path of the image"
}

// Go shows a screen.
type Go struct {
	Screen Name
	Target Target
	// Gently does not take the screen away from who types or answers a dialog: they are told Notice.
	Gently bool
	Notice string
}

// LoopBegan is an Event: this workbench has begun to build and boot what was saved.
type LoopBegan struct{ At time.Time }

// TagLoop is the Tag of a Start that saves, builds and boots. The Console screen shows what it boots.
const TagLoop = "screen.loop"

// Pick opens the palette over a list that the screen gives; the answer is a Picked.
type Pick struct {
	Tag   string
	Title string
	Items []PickItem
}

// PickItem is one line of a Pick.
type PickItem struct {
	ID     string
	Title  string
	Detail string
}

// Picked answers a Pick.
type Picked struct{ Tag, ID string }

// Post posts an Event to all screens.
type Post struct{ Event Event }

// Press is a key for the workbench from a screen that has the keys of a guest (Raw): its actions and
// those of all screens. A key that means nothing there goes nowhere.
type Press struct{ Key term.Key }

func (Work) effect()     {}
func (Follow) effect()   {}
func (Unfollow) effect() {}
func (Start) effect()    {}
func (Cancel) effect()   {}
func (Exec) effect()     {}
func (Ask) effect()      {}
func (Notice) effect()   {}
func (Copy) effect()     {}
func (Go) effect()       {}
func (Pick) effect()     {}
func (Post) effect()     {}
func (Press) effect()    {}
