package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/lock"
)

// records are the files of a machine that stay for a look when it has ended.
func records() []string {
	return []string{"vm.json", "events.jsonl", "console.log", "console.log.tail", "console.log.tail.1", "hub.log", "lock"}
}

// IsRecord says if a file of that name in a machine's directory is one that others read: the rest is for the one
// who runs it.
func IsRecord(name string) bool { return slices.Contains(records(), name) }

// End writes down how the machine ended and removes what only a running one
// needs. The lock is still held, so that nobody takes the machine for lost.
func (m *Machine) End(at time.Time, why string) error {
	err := m.Update(func(i *Info) {
		i.State, i.Ended, i.Why, i.SSH = Ended, &at, why, nil
	})
	return errors.Join(err, private(m.Dir))
}

// private removes what only a running machine needs.
func private(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("removing a machine's files: %w", err)
	}
	var failed []error
	for _, e := range entries {
		if !IsRecord(e.Name()) {
			failed = append(failed, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(failed...)
}

// Sweep removes what machines left whose hub was killed, directories that never
// became machines, and the oldest records beyond KeepRecords. It disturbs no
// machine that runs.
func Sweep(vms string) error {
	entries, err := os.ReadDir(vms)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweeping machines: %w", err)
	}
	var failed []error
	var ended []string
	for _, e := range entries { // by name, so oldest first
		if !e.IsDir() {
			continue // not ours
		}
		dir := filepath.Join(vms, e.Name())
		free, err := whileFree(dir, func() error {
			if strings.HasPrefix(e.Name(), hidden) {
				return os.RemoveAll(dir)
			}
			return errors.Join(settle(dir), private(dir))
		})
		if !errors.Is(err, fs.ErrPermission) { // else another account's, which does it itself
			failed = append(failed, err)
		}
		if free && !strings.HasPrefix(e.Name(), hidden) {
			ended = append(ended, dir)
		}
	}
	for _, dir := range ended[:max(0, len(ended)-KeepRecords)] {
		if _, err := whileFree(dir, func() error { return os.RemoveAll(dir) }); !errors.Is(err, fs.ErrPermission) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// Remove removes all that a machine has left which does not run; what is kept of its disk stays. One that runs is
// ErrRuns.
func Remove(e Entry) error {
	free, err := whileFree(e.Dir, func() error { return os.RemoveAll(e.Dir) })
	if err == nil && !free {
		if _, gone := os.Lstat(e.Dir); errors.Is(gone, fs.ErrNotExist) {
			return nil
		}
		err = ErrRuns
	}
	if err != nil {
		return fmt.Errorf("removing machine %s: %w", e.ID, err)
	}
	return nil
}

// settle writes it into the record of a machine that its hub did not, so that
// nobody who looks while its lock is held for the sweeping takes it for running.
func settle(dir string) error {
	info, err := read(dir)
	if err != nil || info.Ended != nil || info.State == Lost {
		return nil //nolint:nilerr // a record that cannot be read says nothing that could be corrected
	}
	return (&Machine{Dir: dir}).Update(func(i *Info) { i.State, i.Why, i.SSH = Lost, "its hub was killed", nil })
}

// whileFree does something with a machine that does not run, holding its lock.
func whileFree(dir string, do func() error) (bool, error) {
	l, err := lock.OpenThere(filepath.Join(dir, "lock"))
	if errors.Is(err, fs.ErrNotExist) {
		_ = os.Remove(dir) // if it is empty: just made, or left
	}
	if err != nil {
		return false, nil //nolint:nilerr // another process sweeps it
	}
	defer func() { _ = l.Close() }()
	if l.Try(lock.Exclusive, 0) != nil {
		return false, nil
	}
	return true, do()
}
