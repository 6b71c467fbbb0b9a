package person

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/share"
)

// Version is the value of State.V that this package writes.
const Version = 1

// State is what one workbench shows to others. All of it comes from somebody else's process.
type State struct {
	V     int       `json:"v"`
	ID    string    `json:"id"` // of the workbench
	User  string    `json:"user"`
	Host  string    `json:"host"`
	Pid   int       `json:"pid"`   // on that host, for people only
	Since time.Time `json:"since"` // when the workbench was started, UTC

	Screen  string    `json:"screen,omitempty"`
	Pane    string    `json:"pane,omitempty"`
	File    string    `json:"file,omitempty"` // that the editor shows, relative to the workspace
	Line    int       `json:"line,omitempty"` // of it, from 1
	Shown   time.Time `json:"shown,omitzero"` // since when that file is shown
	Build   string    `json:"build,omitempty"`
	Job     string    `json:"job,omitempty"`
	VM      string    `json:"vm,omitempty"`
	Unsaved []Unsaved `json:"unsaved,omitempty"`

	Following string `json:"following,omitempty"` // ID of the workbench that this one follows
}

// Unsaved is a file whose text is not saved.
type Unsaved struct {
	File  string    `json:"file"`
	Since time.Time `json:"since"`
}

// The bounds of what is written and read.
const (
	maxState   = 64 << 10 // bytes of a file
	maxUnsaved = 100
	maxPeople  = 100
)

// The names of the files.
const (
	stateEnd = ".json"
	lockEnd  = ".lock"
	hidden   = "."
)

// Dir is where the workbenches of a workspace show themselves.
func Dir(workspace string) string { return filepath.Join(workspace, "tmp", "tui", "people") }

// NewID makes the ID of a workbench.
func NewID() string { return rand.Text()[:12] }

// Seat is the place of this process among those who work in a workspace. It is for one goroutine.
type Seat struct {
	workspace string
	id        string
	lock      *lock.File
}

// Sit takes a place in a workspace, which is seen with the first Show. Leave gives it up, as does the end of the process.
func Sit(workspace, id string) (*Seat, error) {
	s := &Seat{workspace: workspace, id: id}
	if err := s.take(); err != nil {
		return nil, fmt.Errorf("showing others who is here: %w", err)
	}
	return s, nil
}

// take makes the lock file, which appears when its lock is held.
func (s *Seat) take() error {
	dir := Dir(s.workspace)
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := share.MkdirAll(d); err != nil {
			return err
		}
	}
	fresh := filepath.Join(dir, hidden+s.id+lockEnd)
	l, err := lock.Open(fresh)
	if err != nil {
		return err
	}
	if err := l.Try(lock.Exclusive, 0); err != nil {
		return errors.Join(err, l.Close())
	}
	if err := os.Rename(fresh, filepath.Join(dir, s.id+lockEnd)); err != nil {
		return errors.Join(err, l.Close(), os.Remove(fresh))
	}
	s.lock = l
	return nil
}

// Show shows a State to the others. ID, V and Pid are filled in. A place that was cleaned away is taken again.
func (s *Seat) Show(st State) error {
	st.V, st.ID, st.Pid = Version, s.id, os.Getpid()
	st.Unsaved = st.Unsaved[:min(len(st.Unsaved), maxUnsaved)]
	data, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("showing others what is looked at: %w", err)
	}
	if _, err := os.Lstat(filepath.Join(Dir(s.workspace), s.id+lockEnd)); errors.Is(err, fs.ErrNotExist) {
		_ = s.lock.Close()
		if err := s.take(); err != nil {
			return fmt.Errorf("showing others who is here: %w", err)
		}
	}
	if err := s.write(append(data, '\n')); err != nil {
		return fmt.Errorf("showing others what is looked at: %w", err)
	}
	return nil
}

// write replaces the file in one step. It is not synced: after a crash of the machine nobody is here.
func (s *Seat) write(data []byte) error {
	fresh := filepath.Join(Dir(s.workspace), hidden+s.id+stateEnd)
	if err := share.WriteFile(fresh, data); err != nil {
		return err
	}
	return os.Rename(fresh, filepath.Join(Dir(s.workspace), s.id+stateEnd))
}

// Leave gives up the place and removes its files.
func (s *Seat) Leave() {
	remove(Dir(s.workspace), s.id)
	_ = s.lock.Close()
}

func remove(dir, id string) {
	for _, name := range []string{id + stateEnd, hidden + id + stateEnd, id + lockEnd} {
		_ = os.Remove(filepath.Join(dir, name))
	}
}

// idOf gives the ID in the name of a file; "" when it is none of a workbench.
func idOf(name, end string) string {
	id, ok := strings.CutSuffix(name, end)
	if !ok || id == "" || strings.HasPrefix(id, hidden) {
		return ""
	}
	return id
}
