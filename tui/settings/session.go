package settings

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/share"
)

// sessionVersion is of the form of state.json. One of another version is ignored.
const sessionVersion = 1

// Session is what a session leaves for the next one in this workspace, tmp/tui/state.json.
type Session struct {
	V        int                             `json:"v"`
	Screen   screen.Name                     `json:"screen,omitempty"`   // that was shown
	Screens  map[screen.Name]json.RawMessage `json:"screens,omitempty"`  // what each saved
	Palette  []string                        `json:"palette,omitempty"`  // what was typed there, latest last
	Commands []string                        `json:"commands,omitempty"` // actions that were chosen there, latest last

	Backend   string `json:"backend,omitempty"`    // that was chosen for the workspace: auto, local, podman or docker
	ImageBase string `json:"image_base,omitempty"` // from which the container's image was made
}

// The bounds of a session.
const (
	maxSession = 8 << 20 // bytes of state.json
	maxRecent  = 100     // entries of Palette and of Commands
)

// sessionDir is where the workbench keeps what is its own.
func sessionDir(ws *workspace.Workspace) string { return filepath.Join(ws.Dir, "tmp", "tui") }

// sessionPath is state.json, of the user who came first; each other's has his number in its name.
func sessionPath(ws *workspace.Workspace) string {
	path := filepath.Join(sessionDir(ws), "state.json")
	if info, err := os.Lstat(path); err != nil || owned(info) {
		return path
	}
	return filepath.Join(sessionDir(ws), fmt.Sprintf("state-%d.json", os.Geteuid()))
}

// owned says if a file is this user's.
func owned(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(st.Uid) == os.Geteuid()
}

// LoadSession reads what the last session has left. A file that is missing, broken,
// another user's or of another version is none.
func LoadSession(ws *workspace.Workspace) Session {
	var s Session
	path := sessionPath(ws)
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxSession {
		return Session{}
	}
	if !owned(info) {
		return Session{}
	}
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &s) != nil || s.V != sessionVersion {
		return Session{}
	}
	return s
}

// Save writes the session, whole or not at all.
func (s Session) Save(ws *workspace.Workspace) error {
	s.V = sessionVersion
	s.Palette, s.Commands = last(s.Palette, maxRecent), last(s.Commands, maxRecent)
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("saving the session: %w", err)
	}
	if err := share.MkdirAll(sessionDir(ws)); err != nil {
		return fmt.Errorf("saving the session: %w", err)
	}
	if err := renameio.WriteFile(sessionPath(ws), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("saving the session: %w", err)
	}
	return nil
}

// last is the end of a list, at most n of it.
func last[T any](list []T, n int) []T { return list[max(0, len(list)-n):] }
