package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ExpireDeleted ends what a crash left of Delete and Undelete, and removes the
// builds for good whose day in the trash is over; it gives those. Repair does
// the same.
func (w *Workspace) ExpireDeleted(ctx context.Context, now time.Time) ([]Deleted, error) {
	l, err := w.lockIndex(ctx)
	if err != nil {
		return nil, err
	}
	gone, err := w.tidyBin(now)
	if err == nil {
		_, err = w.emptyTrash()
	}
	return gone, errors.Join(err, l.Close())
}

// tidyBin settles builds/.trash, moves what is over its time to tmp/.trash and
// gives that. It needs the lock on the index.
func (w *Workspace) tidyBin(now time.Time) ([]Deleted, error) {
	if err := w.settleBin(now); err != nil {
		return nil, err
	}
	over, err := w.expired(now)
	if err != nil {
		return nil, err
	}
	for _, d := range over {
		if err := w.discard(d); err != nil {
			return nil, err
		}
	}
	return over, nil
}

// expired gives the deleted builds that may go for good.
func (w *Workspace) expired(now time.Time) ([]Deleted, error) {
	all, err := w.bin()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(d Deleted) bool {
		return now.Before(d.Expires) || !exists(w.binPath(d.dir, deletedBuild))
	}), nil
}

// settleBin brings builds/.trash into a state in which every build in it is
// deleted and complete. It needs the lock on the index.
func (w *Workspace) settleBin(now time.Time) error {
	all, err := w.bin()
	if err != nil || len(all) == 0 {
		return err
	}
	x, err := w.ReadIndex()
	if err != nil {
		return err
	}
	for i := range all {
		if err := w.settle(&x, &all[i], now); err != nil {
			return fmt.Errorf("tidying %s: %w", w.binPath(all[i].dir), err)
		}
	}
	return nil
}

// settle ends what a crash interrupted. Which side of the crash the index is on
// decides: a delete that it does not know of did not happen.
func (w *Workspace) settle(x *Index, d *Deleted, now time.Time) error {
	here, inBin := exists(filepath.Join(w.Builds(), d.ID)), exists(w.binPath(d.dir, deletedBuild))
	switch {
	case d.Restoring && inBin && here: // its place was taken: it stays deleted
		d.Restoring = false
		return w.writeDeleted(d)
	case d.Restoring && (inBin || here):
		for _, step := range w.undeleteSteps(d, now) {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	case inBin:
		return nil
	case !here || len(d.Arches) == 0 || w.indexed(x, d):
		return w.forget(d)
	}
	if err := os.Rename(filepath.Join(w.Builds(), d.ID), w.binPath(d.dir, deletedBuild)); err != nil {
		return w.forget(d) //nolint:nilerr // it cannot be moved: Repair puts it back into the index
	}
	return w.syncDir(w.Builds())
}

// indexed says if the index has one of the architectures that were to go.
func (w *Workspace) indexed(x *Index, d *Deleted) bool {
	e, _ := x.Find(d.ID)
	return slices.ContainsFunc(d.Arches, func(a string) bool { return slices.Contains(e.Arches, a) })
}

// discard moves a deleted build to tmp/.trash: it cannot be had back any more.
func (w *Workspace) discard(d Deleted) error {
	if err := w.trash(filepath.Join("builds", ".trash", d.dir)); err != nil {
		return err
	}
	_ = os.Remove(w.binPath()) // when it is empty
	return nil
}

// DeletedBuilds gives the builds that can be had back, newest deletion first.
func (w *Workspace) DeletedBuilds() ([]Deleted, error) {
	all, err := w.bin()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(d Deleted) bool { return !exists(w.binPath(d.dir, deletedBuild)) })
	for i := range all {
		all[i].Bytes = treeUse(w.binPath(all[i].dir, deletedBuild))
	}
	return all, nil
}

// bin reads the records in the trash, newest deletion first. What a record that
// cannot be read should say is taken from the files.
func (w *Workspace) bin() ([]Deleted, error) {
	entries, err := os.ReadDir(w.binPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the trash: %w", err)
	}
	var all []Deleted
	for _, e := range entries {
		if e.IsDir() {
			all = append(all, w.readDeleted(e.Name()))
		}
	}
	slices.SortStableFunc(all, func(a, b Deleted) int { return b.Deleted.Compare(a.Deleted) })
	return all, nil
}

func (w *Workspace) readDeleted(name string) Deleted {
	d := Deleted{dir: name}
	data, err := os.ReadFile(w.binPath(name, deletedFile))
	if err == nil {
		err = json.Unmarshal(data, &d)
	}
	if err == nil && CheckID(d.ID) == nil {
		return d
	}
	d = Deleted{dir: name}
	d.ID, _, _ = strings.Cut(name, "@")
	if info, err := os.Stat(w.binPath(name)); err == nil {
		d.Deleted = info.ModTime().UTC().Truncate(time.Second)
	}
	d.Expires = d.Deleted.Add(UndeleteFor)
	arches, _ := os.ReadDir(w.binPath(name, deletedBuild))
	for _, a := range arches {
		if a.IsDir() {
			d.Arches = append(d.Arches, a.Name())
		}
	}
	return d
}
