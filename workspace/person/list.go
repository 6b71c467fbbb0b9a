package person

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nestos/nosa/workspace/lock"
)

// List gives the State of each workbench that runs in a workspace, the longest there first, and removes what
// those have left that run no more. What cannot be read, of another version for instance, is left out.
func List(workspace string) ([]State, error) {
	dir := Dir(workspace)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []State
	for _, e := range entries {
		id := idOf(e.Name(), lockEnd)
		if id == "" {
			prune(dir, e)
			continue
		}
		held, err := lock.Probe(filepath.Join(dir, id+lockEnd), lock.Exclusive, 0)
		if err != nil {
			continue // another user's who shows nothing
		}
		if !held {
			remove(dir, id)
			continue
		}
		if st, ok := read(filepath.Join(dir, id+stateEnd)); ok && st.ID == id && len(list) < maxPeople {
			list = append(list, st)
		}
	}
	slices.SortFunc(list, func(a, b State) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

// leftFor is how old a file must be that belongs to no lock, to be removed: its workbench ended in the
// moment in which it came.
const leftFor = time.Hour

// prune removes a file that belongs to no lock.
func prune(dir string, e fs.DirEntry) {
	if id := idOf(e.Name(), stateEnd); id != "" {
		if _, err := os.Lstat(filepath.Join(dir, id+lockEnd)); err == nil {
			return
		}
	}
	if info, err := e.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > leftFor {
		_ = os.Remove(filepath.Join(dir, e.Name()))
	}
}

// read reads a State; it never waits for a file that is a pipe.
func read(path string) (st State, ok bool) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return State{}, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return State{}, false
	}
	data, err := io.ReadAll(io.LimitReader(f, maxState+1))
	if err != nil || len(data) > maxState || json.Unmarshal(data, &st) != nil || st.V != Version {
		return State{}, false
	}
	if st.User, st.Host = Clean(st.User), Clean(st.Host); st.User == "" {
		st.User = "somebody"
	}
	st.Screen, st.Pane = Clean(st.Screen), Clean(st.Pane)
	st.Line = max(st.Line, 0)
	st.Unsaved = st.Unsaved[:min(len(st.Unsaved), maxUnsaved)]
	return st, true
}

// Find gives those whose name or ID is name, letter case aside.
func Find(list []State, name string) []State {
	var found []State
	for _, st := range list {
		if strings.EqualFold(st.User, name) || st.ID == name {
			found = append(found, st)
		}
	}
	return found
}

// Edits says if a file has unsaved text there.
func (st State) Edits(file string) bool {
	return slices.ContainsFunc(st.Unsaved, func(u Unsaved) bool { return u.File == file })
}
