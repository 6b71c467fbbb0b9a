package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/share"
)

// Publish makes the finished directory dir (below tmp/) the build id for arch:
// its files are flushed to the disk, then come one rename, the index, the link
// latest. A crash in between loses nothing; Repair does the rest. Where builds/
// is another filesystem than tmp/, the build is copied.
func (w *Workspace) Publish(ctx context.Context, b IndexEntry, dir string, now time.Time) error {
	if err := CheckID(b.ID); err != nil {
		return err
	}
	if len(b.Arches) != 1 {
		return fmt.Errorf("publishing %s: %d architectures, want 1", b.ID, len(b.Arches))
	}
	arch := b.Arches[0]
	if _, err := os.Stat(filepath.Join(dir, MetaFile)); err != nil {
		return fmt.Errorf("publishing %s: %w", b.ID, err)
	}
	l, err := w.lockIndex(ctx)
	if err != nil {
		return err
	}
	return errors.Join(w.publish(ctx, foundBuild{id: b.ID, arch: arch}, dir, now), l.Close())
}

func (w *Workspace) publish(ctx context.Context, b foundBuild, dir string, now time.Time) error {
	id, arch := b.id, b.arch
	target := w.BuildDir(id, arch)
	if _, err := os.Lstat(target); err == nil {
		return fmt.Errorf("publishing %s: %s is there already", id, target)
	}
	if err := share.MkdirAll(filepath.Dir(target)); err != nil {
		return fmt.Errorf("publishing %s: %w", id, err)
	}
	if err := share.GiveTreeAs(dir, filepath.Dir(target)); err != nil {
		return fmt.Errorf("publishing %s: %w", id, err)
	}
	if !w.Transient() {
		if err := flushTree(dir); err != nil {
			return fmt.Errorf("publishing %s: %w", id, err)
		}
	}
	err := os.Rename(dir, target)
	if errors.Is(err, unix.EXDEV) {
		err = putCopy(ctx, dir, target, w.path("builds", "."+id+"-"+arch+newSuffix))
	}
	if err != nil {
		return fmt.Errorf("publishing %s: %w", id, err)
	}
	// The name of the build, then that of its architecture.
	if err := errors.Join(w.syncDir(filepath.Dir(target)), w.syncDir(w.Builds())); err != nil {
		return err
	}
	return w.updateIndex(now, func(x *Index) error {
		if e, ok := x.Find(id); ok && slices.Contains(e.Arches, arch) {
			return nil // known from a remote store, and now here
		}
		return x.Insert(id, arch)
	})
}

func (w *Workspace) syncDir(dir string) error {
	if w.Transient() {
		return nil
	}
	return flush(dir)
}

// Repaired is what Repair found and did.
type Repaired struct {
	Inserted []string // ID/ARCH that were complete and not in the index, oldest first
	Relinked bool     // latest pointed elsewhere or nowhere
	Trash    []string // leftovers of an interrupted clean that were deleted
	Expired  []string // deleted builds that can no longer be had back
}

// Repair finishes what a crash interrupted: files that were being written,
// builds that were renamed into place and are not in the index, builds half deleted or half brought back, a wrong
// link latest, a half-emptied trash. It takes nothing out of the index. It
// writes only when something is wrong, or a deleted build's day is over.
func (w *Workspace) Repair(ctx context.Context, now time.Time) (Repaired, error) {
	l, err := w.lockIndex(ctx)
	if err != nil {
		return Repaired{}, err
	}
	r, err := w.repair(now)
	return r, errors.Join(err, l.Close())
}

func (w *Workspace) repair(now time.Time) (Repaired, error) {
	var r Repaired
	if err := w.sweepBuilds(); err != nil {
		return r, err
	}
	over, err := w.tidyBin(now)
	if err != nil {
		return r, err
	}
	for _, d := range over {
		r.Expired = append(r.Expired, d.ID)
	}
	x, err := w.ReadIndex()
	if err != nil {
		return r, err
	}
	missing, err := w.unindexed(&x)
	if err != nil {
		return r, err
	}
	for _, b := range missing {
		w.insertByAge(&x, b)
		r.Inserted = append(r.Inserted, b.id+"/"+b.arch)
	}
	before, _ := os.Readlink(filepath.Join(w.Builds(), latestLink))
	if len(missing) > 0 {
		if err := w.writeIndex(&x, now); err != nil {
			return r, err
		}
	}
	if err := w.relink(&x); err != nil {
		return r, err
	}
	after, _ := os.Readlink(filepath.Join(w.Builds(), latestLink))
	r.Relinked = before != after
	r.Trash, err = w.emptyTrash()
	return r, err
}

// insertByAge adds a build to x where its age belongs, judged by the builds
// that are here; without any it is the newest.
func (w *Workspace) insertByAge(x *Index, b foundBuild) {
	if i := x.at(b.id); i >= 0 {
		x.Builds[i].Arches = append(x.Builds[i].Arches, b.arch)
		return
	}
	place := 0
	for i, e := range x.Builds {
		stamp := w.newestStamp(e)
		if stamp == "" {
			continue
		}
		if stamp <= b.stamp {
			place = i
			break
		}
		place = i + 1
	}
	x.Builds = slices.Insert(x.Builds, place, IndexEntry{ID: b.id, Arches: []string{b.arch}})
}

// newestStamp is the time of the newest of an entry's builds that is here.
func (w *Workspace) newestStamp(e IndexEntry) string {
	newest := ""
	for _, arch := range e.Arches {
		if m, err := ReadMeta(w.BuildDir(e.ID, arch)); err == nil {
			newest = max(newest, m.BuildTimestamp)
		}
	}
	return newest
}

type foundBuild struct{ id, arch, stamp string }

// unindexed finds complete builds that x does not have, oldest first.
func (w *Workspace) unindexed(x *Index) ([]foundBuild, error) {
	metas, err := filepath.Glob(filepath.Join(escapeGlob(w.Builds()), "*", "*", MetaFile))
	if err != nil {
		return nil, fmt.Errorf("looking for builds: %w", err)
	}
	var found []foundBuild
	for _, path := range metas {
		arch := filepath.Base(filepath.Dir(path))
		id := filepath.Base(filepath.Dir(filepath.Dir(path)))
		if CheckID(id) != nil { // latest, hidden names
			continue
		}
		if e, ok := x.Find(id); ok && slices.Contains(e.Arches, arch) {
			continue
		}
		m, err := ReadMeta(filepath.Dir(path))
		if err != nil || m.BuildID != id {
			continue // not ours to register: damaged, or copied under another name
		}
		found = append(found, foundBuild{id, arch, m.BuildTimestamp})
	}
	slices.SortFunc(found, func(a, b foundBuild) int {
		return strings.Compare(a.stamp+"\x00"+a.id+a.arch, b.stamp+"\x00"+b.id+b.arch)
	})
	return found, nil
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// trashName is the directory in tmp/ to which clean moves what it deletes.
const trashName = ".trash"

func (w *Workspace) trashDir() string { return w.path("tmp", trashName) }

// emptyTrash deletes what lies in the trash and says what it was.
func (w *Workspace) emptyTrash() ([]string, error) {
	entries, err := os.ReadDir(w.trashDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("emptying the trash: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if err := removeTree(w.trashDir()); err != nil && !errors.Is(err, fs.ErrPermission) {
		return names, err
	}
	return names, nil // what another user's jobs left only he or root can remove
}

// removeTree deletes a tree, directories without write permission included:
// trees of an operating system have such, and only root is free to ignore them.
func removeTree(root string) error {
	err := os.RemoveAll(root)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	walkErr := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if d == nil || !d.IsDir() {
			return nil
		}
		return os.Chmod(path, 0o700)
	})
	return errors.Join(walkErr, os.RemoveAll(root))
}
