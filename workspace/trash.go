package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/share"
)

// UndeleteFor is how long a deleted build can be had back.
const UndeleteFor = 24 * time.Hour

// Errors of Delete and Undelete.
var (
	// ErrTagged is a build that its tags keep.
	ErrTagged = errors.New("is tagged")
	// ErrNotHere is a build whose files are elsewhere.
	ErrNotHere = errors.New("is not here")
	// ErrNotDeleted is a build that Undelete does not find.
	ErrNotDeleted = errors.New("no such deleted build")
	// ErrThereAgain is a deleted build whose place was taken.
	ErrThereAgain = errors.New("is there again")
)

// Deleted is a build in builds/.trash, with what the index said of it. It lies
// there as a directory of its own: deleted.json and the build's files.
type Deleted struct {
	ID        string    `json:"id"`
	Arches    []string  `json:"arches"` // those whose files were here
	Tags      []Tag     `json:"tags,omitempty"`
	Deleted   time.Time `json:"deleted"`             // UTC
	Expires   time.Time `json:"expires"`             // from when on it may be removed for good
	Restoring bool      `json:"restoring,omitempty"` // Undelete has begun; Repair ends it
	Bytes     int64     `json:"bytes"`               // what its files take on disk
	LostTags  []string  `json:"lost_tags,omitempty"`

	dir string // below builds/.trash
}

// The names in a deleted build's directory.
const (
	deletedFile  = "deleted.json"
	deletedBuild = "build"
)

// binPath is a place in builds/.trash.
func (w *Workspace) binPath(elem ...string) string {
	return filepath.Join(append([]string{w.Builds(), ".trash"}, elem...)...)
}

// DeleteOptions say how Delete goes about it.
type DeleteOptions struct {
	Force bool // tagged builds and those in use too
	Now   time.Time
}

// Delete moves builds, given by id or tag, to builds/.trash, whence Undelete
// brings them back for a day. Entries of the index for architectures that are
// not here stay. It needs the lock on builds, exclusive. Nothing is done unless
// all can be deleted.
//
// The record in the trash is written first, then the index, then the directory
// is moved. Repair finishes a delete whose index was written and forgets one
// whose was not.
func (w *Workspace) Delete(ctx context.Context, names []string, o DeleteOptions) (gone []Deleted, err error) {
	l, err := w.lockIndex(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if _, err := w.tidyBin(o.Now); err != nil {
		return nil, err
	}
	x, err := w.ReadIndex()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		d, err := w.toDelete(&x, name, o)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(gone, func(have Deleted) bool { return have.ID == d.ID }) {
			gone = append(gone, d)
		}
	}
	for i := range gone {
		if err := w.delete(&gone[i], o.Now); err != nil {
			return gone[:i], err
		}
	}
	return gone, nil
}

// toDelete describes what deleting a build takes away.
func (w *Workspace) toDelete(x *Index, name string, o DeleteOptions) (Deleted, error) {
	id, err := w.findBuild(x, name)
	if err != nil {
		return Deleted{}, err
	}
	tags := x.TagsOf(id)
	switch {
	case len(tags) > 0 && !o.Force:
		return Deleted{}, fmt.Errorf("build %s %w: %s", id, ErrTagged, strings.Join(tags, ", "))
	case !exists(filepath.Join(w.Builds(), id)):
		return Deleted{}, fmt.Errorf("build %s %w", id, ErrNotHere)
	}
	if why := w.keptBy(id); why != "" && !o.Force {
		return Deleted{}, fmt.Errorf("build %s %w: %s", id, ErrInUse, why)
	}
	d := Deleted{ID: id, Arches: w.archesHere(x, id), Deleted: o.Now.UTC().Truncate(time.Second)}
	d.Expires = d.Deleted.Add(UndeleteFor)
	if e, _ := x.Find(id); len(e.Arches) == len(d.Arches) { // else the entry stays, and its tags
		d.Tags = slices.DeleteFunc(slices.Clone(x.Tags), func(t Tag) bool { return t.Target != id })
	}
	return d, nil
}

// findBuild gives the id of the build that is meant by an id, a tag or "latest".
func (w *Workspace) findBuild(x *Index, name string) (string, error) {
	if id, ok := w.latestHere(x); ok && name == latestLink {
		return id, nil
	}
	return x.find(name)
}

// archesHere are the architectures of a build that have a directory here.
func (w *Workspace) archesHere(x *Index, id string) []string {
	e, _ := x.Find(id)
	var here []string
	for _, arch := range e.Arches {
		if exists(w.BuildDir(id, arch)) {
			here = append(here, arch)
		}
	}
	return here
}

// delete needs the lock on the index.
func (w *Workspace) delete(d *Deleted, now time.Time) error {
	steps := w.deleteSteps(d, now)
	for i, step := range steps {
		if err := step(); err != nil {
			if i < len(steps)-1 { // not in the index's new state, or back in the old: forget it
				err = errors.Join(err, w.forget(d))
			}
			return fmt.Errorf("deleting build %s: %w", d.ID, err)
		}
	}
	d.Bytes = treeUse(w.binPath(d.dir, deletedBuild))
	return nil
}

// deleteSteps are what Delete does to one build. A crash may come between any two.
func (w *Workspace) deleteSteps(d *Deleted, now time.Time) []func() error {
	return []func() error{
		func() error { return w.makeBin(d) },
		func() error { return w.writeDeleted(d) },
		func() error {
			return w.updateIndex(now, func(x *Index) error { return x.removeArches(d.ID, d.Arches) })
		},
		func() error { return w.syncDir(w.Builds()) },
		func() error {
			err := os.Rename(filepath.Join(w.Builds(), d.ID), w.binPath(d.dir, deletedBuild))
			if err != nil {
				err = errors.Join(err, w.reindex(d, now))
			}
			return err
		},
		func() error { return w.syncDir(w.Builds()) },
	}
}

// makeBin makes the directory in the trash that is to take the build. A build
// of the same id that is in the trash already stays there beside it.
func (w *Workspace) makeBin(d *Deleted) error {
	if err := share.MkdirAll(w.binPath()); err != nil {
		return err
	}
	d.dir = d.ID
	for n := 2; exists(w.binPath(d.dir)); n++ {
		d.dir = d.ID + "@" + strconv.Itoa(n) // no id has an @
	}
	return share.Mkdir(w.binPath(d.dir))
}

func (w *Workspace) writeDeleted(d *Deleted) error {
	if err := WriteJSON(w.binPath(d.dir, deletedFile), d); err != nil {
		return err
	}
	return errors.Join(w.syncDir(w.binPath(d.dir)), w.syncDir(w.binPath()))
}

// forget removes a record whose build is not in the trash.
func (w *Workspace) forget(d *Deleted) error {
	if exists(w.binPath(d.dir, deletedBuild)) {
		return nil
	}
	if err := os.RemoveAll(w.binPath(d.dir)); err != nil {
		return err
	}
	_ = os.Remove(w.binPath()) // when it is empty
	return nil
}

// Undelete brings deleted builds back: their files, their entries in the index
// at the place that their age gives them, and those of their tags that nobody
// gave to another build since (the others are in LostTags). It needs the lock
// on builds, exclusive. Nothing is done unless all can be brought back.
func (w *Workspace) Undelete(ctx context.Context, ids []string, now time.Time) (back []Deleted, err error) {
	l, err := w.lockIndex(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := w.settleBin(now); err != nil {
		return nil, err
	}
	all, err := w.bin()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		i := slices.IndexFunc(all, func(d Deleted) bool { return d.ID == id && exists(w.binPath(d.dir, deletedBuild)) })
		if i < 0 {
			return nil, fmt.Errorf("%s: %w", id, ErrNotDeleted)
		}
		if exists(filepath.Join(w.Builds(), id)) {
			return nil, fmt.Errorf("build %s %w", id, ErrThereAgain)
		}
		if !slices.ContainsFunc(back, func(have Deleted) bool { return have.ID == id }) {
			back = append(back, all[i])
		}
	}
	for i := range back {
		back[i].Bytes = treeUse(w.binPath(back[i].dir, deletedBuild))
		for _, step := range w.undeleteSteps(&back[i], now) {
			if err := step(); err != nil {
				return back[:i], fmt.Errorf("bringing build %s back: %w", back[i].ID, err)
			}
		}
	}
	return back, nil
}

// undeleteSteps are what Undelete does to one build. The record says first that
// it has begun; from then on Repair would do the rest.
func (w *Workspace) undeleteSteps(d *Deleted, now time.Time) []func() error {
	return []func() error{
		func() error {
			d.Restoring = true
			return w.writeDeleted(d)
		},
		func() error {
			target := filepath.Join(w.Builds(), d.ID)
			err := os.Rename(w.binPath(d.dir, deletedBuild), target)
			if errors.Is(err, fs.ErrNotExist) && exists(target) {
				return nil // moved before a crash
			}
			return err
		},
		func() error { return w.syncDir(w.Builds()) },
		func() error { return w.reindex(d, now) },
		func() error {
			d.Restoring = false
			return w.forget(d)
		},
	}
}

// reindex puts a build that is here back into the index.
func (w *Workspace) reindex(d *Deleted, now time.Time) error {
	return w.updateIndex(now, func(x *Index) error {
		for _, arch := range d.Arches {
			if e, ok := x.Find(d.ID); ok && slices.Contains(e.Arches, arch) {
				continue
			}
			m, _ := ReadMeta(w.BuildDir(d.ID, arch)) // broken: the oldest
			w.insertByAge(x, foundBuild{d.ID, arch, m.BuildTimestamp})
		}
		d.LostTags = nil
		for _, t := range d.Tags {
			i := slices.IndexFunc(x.Tags, func(have Tag) bool { return have.Name == t.Name })
			switch {
			case i < 0:
				x.Tags = append(x.Tags, t)
			case x.Tags[i].Target != t.Target:
				d.LostTags = append(d.LostTags, t.Name)
			}
		}
		return nil
	})
}
