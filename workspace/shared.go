package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/nestos/nosa/workspace/machine"
	"github.com/nestos/nosa/workspace/share"
)

// Sharing is how far a workspace is shared with its group.
type Sharing struct {
	On     bool     // it is meant to be: its own directory is shared, or one of those that all is made in
	GID    int      // of the group
	Seen   int      // entries that the group is to have
	Given  int      // of them that Share gave to the group just now
	Lack   []string // of them that the group does not have, relative to the workspace
	Owners []int    // whose those are, sorted
	Linked []string // directories of the workspace that are links, which are shared where they are
}

// Whole says if the group has all that it is to have.
func (s Sharing) Whole() bool { return s.On && len(s.Lack) == 0 }

// sharedPart is a directory of which the group gets something.
type sharedPart struct {
	dir  string
	what partOf
}

// partOf is what of a directory the group gets.
type partOf int

const (
	onlyDir  partOf = iota // itself
	flatPart               // and the files in it
	deepPart               // and all below it
	jobs                   // and the directories in it, in which each one's files are his own
	machines               // the same, of which only the records
)

// sharedParts is all that a group gets. The rest is its maker's: trees and packages in cache/, what only a
// running machine needs, disks that are kept, swap files.
func sharedParts() []sharedPart {
	return []sharedPart{
		{".", onlyDir},
		{"src", deepPart},
		{"overrides", deepPart},
		{"builds", deepPart},
		{"cache", flatPart},
		{"cache/images", onlyDir},
		{"cache/snapshots", onlyDir},
		{"tmp", flatPart},
		{"tmp/jobs", jobs},
		{"tmp/vms", machines},
		{"tmp/work", onlyDir},
		{"tmp/failed", onlyDir},
		{"tmp/.trash", onlyDir},
		{"tmp/tui", onlyDir},
		{"tmp/tui/history.jsonl", onlyDir},
		{"tmp/tui/people", onlyDir},
		{"vms", onlyDir},
	}
}

// Share makes the workspace one that the group gid works in: what is there is given to that group, and what is
// made from now on is by package share. Entries of other users' only root can give; they are in Lack.
func (w *Workspace) Share(ctx context.Context, gid int) (Sharing, error) {
	if err := share.GiveRoot(w.Dir, gid); err != nil {
		return Sharing{}, fmt.Errorf("sharing the workspace: %w", err)
	}
	s, err := w.eachShared(func(root *os.Root, name string, g share.Grant) (share.Standing, error) { return g.Settle(root, name) })
	if err != nil {
		return s, fmt.Errorf("sharing the workspace: %w", err)
	}
	for _, dir := range []string{w.ConfigGit(), w.Config()} {
		info, err := os.Lstat(filepath.Join(dir, ".git"))
		if own, _ := os.Lstat(dir); err != nil || own == nil || !own.IsDir() || !info.IsDir() {
			continue
		}
		// So that git keeps to it (git-config(1)).
		if err := (git{dir: dir, ceiling: w.path("src")}).run(ctx, "config", "core.sharedRepository", "group"); err != nil {
			return s, fmt.Errorf("sharing the config's repository: %w", err)
		}
		if err := share.Give(filepath.Join(dir, ".git", "config")); err != nil {
			return s, fmt.Errorf("sharing the config's repository: %w", err)
		}
	}
	return s, nil
}

// Sharing looks how far the workspace is shared. It changes nothing.
func (w *Workspace) Sharing() (Sharing, error) {
	s, err := w.eachShared(func(root *os.Root, name string, g share.Grant) (share.Standing, error) { return g.Look(root, name) })
	if err != nil {
		return s, fmt.Errorf("looking how the workspace is shared: %w", err)
	}
	return s, nil
}

// meant says if the workspace is to be shared, and what its directory grants then.
func (w *Workspace) meant(s *Sharing) (share.Grant, error) {
	info, err := os.Stat(w.Dir)
	if err != nil {
		return share.Grant{}, err
	}
	g := share.OfInfo(info)
	for _, dir := range []string{"builds", "src", "tmp"} {
		if inner, err := os.Lstat(w.path(dir)); err == nil && inner.IsDir() && !g.Group {
			s.On = s.On || share.OfInfo(inner).Group
		}
	}
	s.On = s.On || g.Group
	if !g.Group {
		g = share.Wanted(info)
	}
	s.GID = g.GID
	return g, nil
}

// eachShared calls do with all that the group is to have.
func (w *Workspace) eachShared(do func(*os.Root, string, share.Grant) (share.Standing, error)) (s Sharing, err error) {
	g, err := w.meant(&s)
	if err != nil || !s.On {
		return s, err
	}
	root, err := os.OpenRoot(w.Dir)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	visit := func(name string, g share.Grant) error {
		st, err := do(root, name, g)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone meanwhile
		}
		if err != nil {
			return err
		}
		s.add(name, st)
		return nil
	}
	for _, p := range sharedParts() {
		if slices.Contains(s.Linked, path.Dir(p.dir)) {
			continue
		}
		info, err := root.Lstat(p.dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return s, err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			s.Linked = append(s.Linked, p.dir)
			continue
		}
		if err := p.walk(root, func(name string) error {
			if p.what >= jobs && name != p.dir {
				return visit(name, g.Kept())
			}
			return visit(name, g)
		}); err != nil {
			return s, err
		}
	}
	if info, err := os.Lstat(w.Config()); err == nil && info.Mode()&fs.ModeSymlink != 0 && !exists(w.ConfigGit()) {
		s.Linked = append(s.Linked, "src/config")
	}
	return s, nil
}

func (s *Sharing) add(name string, st share.Standing) {
	s.Seen++
	if st.Given {
		s.Given++
	}
	if st.Has {
		return
	}
	s.Lack = append(s.Lack, name)
	if i, found := slices.BinarySearch(s.Owners, st.UID); !found {
		s.Owners = slices.Insert(s.Owners, i, st.UID)
	}
}

// walk visits what of a part the group gets; links on the way are not followed.
func (p sharedPart) walk(root *os.Root, visit func(name string) error) error {
	return fs.WalkDir(root.FS(), p.dir, func(name string, d fs.DirEntry, err error) error {
		if d == nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if !d.IsDir() && !d.Type().IsRegular() || name != p.dir && !p.has(name, d) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if err != nil { // a directory that cannot be read was visited before
			return fs.SkipDir
		}
		if err := visit(name); err != nil {
			return err
		}
		if d.IsDir() && p.what == onlyDir {
			return fs.SkipDir
		}
		return nil
	})
}

// has says if the group gets an entry below the directory itself.
func (p sharedPart) has(name string, d fs.DirEntry) bool {
	switch p.what {
	case flatPart:
		return !d.IsDir()
	case deepPart:
		return true
	case jobs, machines:
		if path.Dir(name) == p.dir {
			return d.IsDir()
		}
		return !d.IsDir() && (p.what == jobs || machine.IsRecord(path.Base(name)))
	case onlyDir:
	}
	return false
}
