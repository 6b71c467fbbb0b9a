package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
)

// The names of what lies in a store beside its snapshots: KEY.lock, KEY.why and,
// hidden, what is being made or removed.
const (
	lockSuffix = ".lock"
	whySuffix  = ".why"
	newPrefix  = ".new-"
	oldPrefix  = ".old-"
)

// keyLength is that of a Key, in characters.
const keyLength = 64

// remove takes a snapshot away once nobody uses it, if sure still holds then.
// Whoever is killed in between leaves what Trim and Make sweep.
func (s Store) remove(ctx context.Context, key string, sure func() bool) error {
	l, err := s.open(key)
	if err != nil {
		return fmt.Errorf("removing a snapshot: %w", err)
	}
	defer func() { _ = l.Close() }()
	if err := l.Lock(ctx, lock.Exclusive, lockByte); err != nil {
		return fmt.Errorf("removing a snapshot: %w", err)
	}
	if !sure() {
		return nil
	}
	return s.drop(key)
}

// drop removes a snapshot and what a killed maker or remover left of it. The
// caller has its lock exclusively.
func (s Store) drop(key string) error {
	old := filepath.Join(s.Dir, oldPrefix+key)
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("removing a snapshot: %w", err)
	}
	if err := os.Rename(s.path(key), old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a snapshot: %w", err)
	}
	for _, name := range []string{old, filepath.Join(s.Dir, newPrefix+key)} {
		if err := os.RemoveAll(name); err != nil {
			return fmt.Errorf("removing a snapshot: %w", err)
		}
	}
	return nil
}

// failedFor is how long a Make that failed is not tried again.
const failedFor = 24 * time.Hour

// failed is why a snapshot could not be made; "" is that none was tried.
func (s Store) failed(key string) string {
	name := s.path(key) + whySuffix
	info, err := os.Stat(name)
	if err != nil || time.Since(info.ModTime()) > failedFor {
		return ""
	}
	why, _ := os.ReadFile(name)
	return strings.TrimSpace(string(why))
}

// kept is a snapshot in the store, as Trim sees it.
type kept struct {
	key  string
	size event.Bytes // on disk
	used time.Time
}

// Trim removes the snapshots that were used longest ago until the rest takes at
// most limit on disk, and what killed processes left. One that is in use stays.
func (s Store) Trim(limit event.Bytes) error {
	list, err := s.list()
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b kept) int { return b.used.Compare(a.used) })
	var total event.Bytes
	for _, k := range list {
		total += k.size
		if total <= limit && k.size > 0 {
			continue
		}
		gone, err := s.tryDrop(k.key)
		if err != nil {
			return err
		}
		if gone {
			total -= k.size
		}
	}
	return nil
}

// tryDrop is drop for a snapshot that nobody uses; gone says whether that was so.
// The lock file goes too: whoever opened it meanwhile notices (package lock).
func (s Store) tryDrop(key string) (gone bool, err error) {
	l, err := s.open(key)
	if err != nil {
		return false, err
	}
	defer func() { _ = l.Close() }()
	if err := l.Try(lock.Exclusive, lockByte); err != nil {
		if errors.Is(err, lock.ErrHeld) {
			return false, nil
		}
		return false, err
	}
	if err := s.drop(key); err != nil {
		return false, err
	}
	names := []string{l.Path()}
	if s.failed(key) == "" {
		names = append(names, s.path(key)+whySuffix)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return true, fmt.Errorf("removing a snapshot: %w", err)
		}
	}
	return true, nil
}

// list is every key of which something is there, with the size of the finished
// snapshot.
func (s Store) list() ([]kept, error) {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("looking at the snapshots: %w", err)
	}
	found := map[string]kept{}
	for _, e := range entries {
		key := e.Name()
		for _, affix := range []string{newPrefix, oldPrefix} {
			key = strings.TrimPrefix(key, affix)
		}
		for _, affix := range []string{lockSuffix, whySuffix} {
			key = strings.TrimSuffix(key, affix)
		}
		if len(key) != keyLength {
			continue // not ours
		}
		k := found[key]
		k.key = key
		if e.Name() == key {
			k.size = onDisk(s.path(key))
		}
		if info, err := os.Stat(s.path(key) + lockSuffix); err == nil {
			k.used = info.ModTime()
		}
		found[key] = k
	}
	var list []kept
	for _, k := range found {
		list = append(list, k)
	}
	return list, nil
}

// onDisk is what a directory's files take on disk; the memory has holes.
func onDisk(dir string) event.Bytes {
	var total event.Bytes
	_ = filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if info, statErr := os.Lstat(name); err == nil && statErr == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				total += event.Bytes(st.Blocks) * 512 // stat(2): always of 512 bytes
			}
		}
		return nil
	})
	return total
}
