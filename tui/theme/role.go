// Package theme says how what has a meaning looks: roles to styles, and the glyphs
// of the workbench with their ASCII twins. It draws nothing.
package theme

// Role is what something on the screen means.
type Role string

// The roles. A theme file names them by these words.
const (
	Text        Role = "text"         // everything that has no other
	Muted       Role = "muted"        // said, but not first
	Disabled    Role = "disabled"     // cannot be chosen now
	Title       Role = "title"        // of a pane
	TitleFocus  Role = "title-focus"  // of the pane that has the keys
	Border      Role = "border"       // of a pane
	BorderFocus Role = "border-focus" // of the pane that has the keys
	Header      Role = "header"       // the first row
	Tab         Role = "tab"          // a screen in the header
	TabActive   Role = "tab-active"   // the one that is shown
	Footer      Role = "footer"       // the last row
	Key         Role = "key"          // a key's name
	Selected    Role = "selected"     // the row under the cursor, in the pane that has the keys
	SelectedOff Role = "selected-off" // the same, elsewhere
	Marked      Role = "marked"       // chosen for an action
	Match       Role = "match"        // what a search or filter found
	MatchHere   Role = "match-here"   // the one that the cursor is on
	Selection   Role = "selection"    // text chosen in an editor or a log
	Success     Role = "success"      // done, and well
	Failure     Role = "failure"      // errors
	Warning     Role = "warning"      // warnings
	Info        Role = "info"         // remarks
	Running     Role = "running"      // goes on now
	Waiting     Role = "waiting"      // will go on
	Skipped     Role = "skipped"      // was not needed
	Added       Role = "added"        // in a difference
	Removed     Role = "removed"      // in a difference
	Changed     Role = "changed"      // in a difference, and of unsaved text
	Link        Role = "link"         // leads somewhere
	BarFull     Role = "bar-full"     // the part of a bar that is done
	BarEmpty    Role = "bar-empty"    // the part that is not
	LineNumber  Role = "line-number"  // in an editor
	LineHere    Role = "line-here"    // number of the line of the cursor
	CodeKey     Role = "code-key"     // names of keys and tags in code
	CodeString  Role = "code-string"
	CodeNumber  Role = "code-number"
	CodeWord    Role = "code-word" // keywords, built-ins
	CodeComment Role = "code-comment"
	CodeSign    Role = "code-sign" // punctuation, operators
)

// Roles gives all roles, in the order in which they are documented.
func Roles() []Role {
	return []Role{
		Text, Muted, Disabled, Title, TitleFocus, Border, BorderFocus, Header, Tab, TabActive, Footer, Key, Selected, SelectedOff, Marked,
		Match, MatchHere, Selection, Success, Failure, Warning, Info, Running, Waiting, Skipped, Added, Removed, Changed, Link, BarFull, BarEmpty,
		LineNumber, LineHere, CodeKey, CodeString, CodeNumber, CodeWord, CodeComment, CodeSign,
	}
}
