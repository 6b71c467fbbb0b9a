// Package settings is what a user can set of the workbench (tui.yaml: keys, looks,
// commands of one's own) and what a session leaves for the next. It draws nothing
// and runs nothing.
package settings

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/workspace/doc"
)

// The codes of the diagnostics. Those of a file that cannot be read or parsed are doc's.
const (
	CodeUnknown  = "UI001" // unknown key of tui.yaml
	CodeValue    = "UI002" // tui.yaml: wrong type or value
	CodeKey      = "UI003" // a key that no terminal sends, or sends as another
	CodeConflict = "UI004" // a key of two actions
	CodeAction   = "UI005" // unknown action
	CodeTemplate = "UI006" // template of a command
)

// Settings is tui.yaml. Default gives what counts without one.
type Settings struct {
	Keys         map[string]Binding // by action ID; Bind applies them
	Base         Base
	Roles        map[theme.Role]canvas.Style // they replace those of the theme
	Mouse        bool
	ASCII        bool
	Notify       Notify
	ConfirmQuit  bool
	ReduceMotion bool
	Prefix       string     // the key of a guest's console that is the workbench's: "ctrl+]"
	Editor       []Template // none is $VISUAL, $EDITOR, vi; see EditorArgv
	Commands     []Command
}

// DefaultPrefix is the Prefix of somebody who has chosen none.
const DefaultPrefix = "ctrl+]"

// Binding is the keys that a user gives an action; none take them away.
type Binding struct {
	At   doc.Origin
	Keys []Key
}

// Key is the name of a key, or of two with a space between, and where it is written.
type Key struct {
	Name string
	At   doc.Origin
}

// Base is the theme that Roles are laid over.
type Base string

// The themes.
const (
	BaseAuto  Base = "auto" // dark or light, as far as the terminal tells
	BaseDark  Base = "dark"
	BaseLight Base = "light"
	BaseMono  Base = "mono"
)

// Notify is how the end of a job is told to somebody who looks elsewhere.
type Notify struct {
	After   time.Duration // only jobs that took longer
	Command []string      // run with two more arguments, title and text; none: the terminal is asked to tell
	Off     bool
}

// Default is the settings of somebody who has no file.
func Default() Settings {
	return Settings{
		Keys: map[string]Binding{}, Base: BaseAuto, Roles: map[theme.Role]canvas.Style{},
		Mouse: true, Prefix: DefaultPrefix, Notify: Notify{After: 20 * time.Second},
	}
}

// PathKey is the variable that names another file than the usual one.
const PathKey = "NOSA_TUI_CONFIG"

// Path is where the user's file is, whether it exists or not; "" where there is no place for it.
func Path(env func(string) string) string {
	if p := env(PathKey); p != "" {
		return p
	}
	dir := env("XDG_CONFIG_HOME") // as os.UserConfigDir
	if !filepath.IsAbs(dir) {
		home := env("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "nosa", "tui.yaml")
}

// Load reads the file at path. Without one the settings are Default's. What is wrong
// with a file is said, and what it says there does not count; the rest does.
func Load(path string) (Settings, doc.Diagnostics) {
	data, err := doc.ReadBytes(path)
	if path == "" || errors.Is(err, fs.ErrNotExist) {
		return Default(), nil
	}
	if err != nil {
		at := doc.Origin{File: path}
		return Default(), doc.Diagnostics{at.Errorf(doc.CodeMissing, "%v", err)}
	}
	return parseFile(path, data)
}

// parseFile reads the text of a file called name.
func parseFile(name string, data []byte) (Settings, doc.Diagnostics) {
	s := Default()
	root, diags := doc.ParseYAML(doc.Source{Name: name}, data)
	if root == nil {
		return s, diags
	}
	l := loader{Decoder: doc.Decoder{Code: CodeValue, Diagnostics: diags}}
	l.mapping(root, "the file", s.fields())
	return s, l.Diagnostics.Sorted()
}
