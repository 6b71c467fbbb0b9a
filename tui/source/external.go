package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/tui/screen"
)

const tagEditor = "source.editor"

// editorFound is the user's own editor, with what it is to open.
type editorFound struct {
	argv []string
	err  error
}

// external finds the user's own editor for a file.
func (s *Screen) external(path string) []screen.Effect {
	line := 0
	if d := s.docs[path]; d != nil && d.loaded {
		line, _ = d.ed.Position()
	}
	dir := s.env.WS.Dir
	return []screen.Effect{screen.Work{Key: tagEditor, Do: func(context.Context) screen.Event {
		abs, err := place(dir, path)
		if err == nil {
			abs, err = target(dir, abs)
		}
		if err != nil {
			return editorFound{err: err}
		}
		argv, err := editorCommand(os.Getenv)
		return editorFound{append(argv, atLine(argv, abs, line)...), err}
	}}}
}

// editorCommand is the user's editor: VISUAL, EDITOR, else one of the usual.
func editorCommand(env func(string) string) ([]string, error) {
	for _, name := range []string{"VISUAL", "EDITOR"} {
		if argv := strings.Fields(env(name)); len(argv) > 0 {
			return argv, nil
		}
	}
	for _, name := range []string{"sensible-editor", "editor", "nano", "vi"} {
		if path, err := exec.LookPath(name); err == nil {
			return []string{path}, nil
		}
	}
	return nil, errors.New("no editor is found: set EDITOR")
}

// atLine are the arguments that have an editor open a file at a line, where it is known how.
func atLine(argv []string, path string, line int) []string {
	if line < 2 || len(argv) != 1 {
		return []string{path}
	}
	switch filepath.Base(argv[0]) {
	case "vi", "vim", "nvim", "nano", "emacs", "micro", "kak", "joe", "sensible-editor", "editor":
		return []string{fmt.Sprintf("+%d", line), path}
	case "hx", "helix":
		return []string{fmt.Sprintf("%s:%d", path, line)}
	}
	return []string{path}
}

func (s *Screen) startEditor(e editorFound) []screen.Effect {
	if e.err != nil {
		return []screen.Effect{screen.Notice{Level: screen.Bad, Text: e.err.Error()}}
	}
	return []screen.Effect{screen.Exec{Argv: e.argv, Tag: tagEditor}}
}

func (s *Screen) leftEditor(e screen.Left) []screen.Effect {
	var effects []screen.Effect
	if e.Err != nil {
		effects = append(effects, screen.Notice{Level: screen.Warn, Text: "the editor ended with: " + e.Err.Error()})
	}
	return append(append(effects, s.check(nil)...), append(s.validate(0), s.validateAll(fullDelay)...)...)
}

// chosenFile is the file that an action is about: that of the tree, or the one in the editor.
func (s *Screen) chosenFile() string {
	if s.focus == paneFiles {
		f, ok := s.entry()
		if !ok || f.Dir {
			return ""
		}
		return f.Path
	}
	return s.at
}

func (s *Screen) noExternal() string {
	path := s.chosenFile()
	switch d := s.docs[path]; {
	case path == "":
		return "no file is chosen"
	case d != nil && d.ed.Modified():
		return "its text is not saved"
	}
	return ""
}

// why is what kept a nosa command from answering, and what helps.
func why(err error) (text, hint string) {
	if q, ok := errors.AsType[*screen.QueryError](err); ok {
		return q.Text, q.Hint
	}
	return err.Error(), ""
}
