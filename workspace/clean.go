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

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/share"
)

// ErrLive is a clean while something runs in the workspace.
var ErrLive = errors.New("something is running here")

// CleanOptions say what Clean removes.
type CleanOptions struct {
	All   bool // the cache and the deleted builds too
	Force bool // tagged builds too
	// Live names the jobs and VMs that run at this moment; nil is none.
	Live   func() ([]string, error)
	Now    time.Time
	Report *event.Reporter
}

// Cleaned is what Clean did.
type Cleaned struct {
	Removed []string // below the workspace
	Tagged  []string // builds that stay because they have a tag
	Freed   event.Bytes
}

// Clean removes builds/ and tmp/, as far as their content is not tagged; the
// cache and what Undelete could bring back only with All. src/, overrides/ and pool/ stay, and so do entries of the
// index whose files are elsewhere. The index is written first, then everything
// is moved to a trash in tmp/ and deleted there: wherever that is interrupted,
// what is in the index is whole, and Repair puts back what was not moved yet.
func (w *Workspace) Clean(ctx context.Context, o CleanOptions) (c Cleaned, err error) {
	builds, err := w.LockBuilds(ctx, LockOptions{Kind: lock.Exclusive, NoWait: true, Holder: "nosa clean"})
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, builds.Close()) }()
	cache, err := w.LockCache(ctx, LockOptions{Kind: lock.Exclusive, NoWait: true, Holder: "nosa clean"})
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, cache.Close()) }()
	index, err := w.lockIndex(ctx)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, index.Close()) }()
	return w.clean(o)
}

// clean needs all locks.
func (w *Workspace) clean(o CleanOptions) (Cleaned, error) {
	var c Cleaned
	if _, err := w.tidyBin(o.Now); err != nil {
		return c, err
	}
	x, err := w.ReadIndex()
	if err != nil {
		return c, err
	}
	victims, err := w.victims(&x, &c, o)
	if err != nil {
		return c, err
	}
	// Asked after the list was made: what begins from now on is not in it.
	if err := o.checkLive(); err != nil {
		return Cleaned{}, err
	}
	for _, v := range victims {
		if id, ok := strings.CutPrefix(v, "builds/"); ok {
			if err := x.removeArches(id, w.archesHere(&x, id)); err != nil {
				return Cleaned{}, err
			}
		}
	}
	// Before the index forgets what then cannot be moved.
	if err := share.MkdirAll(w.trashDir()); err != nil {
		return Cleaned{}, fmt.Errorf("cleaning: %w", err)
	}
	if err := w.writeCleaned(&x, o.Now); err != nil {
		return Cleaned{}, err
	}
	for _, v := range victims {
		if err := w.trash(v); err != nil {
			return c, err
		}
		c.Removed = append(c.Removed, v)
	}
	if err := w.relink(&x); err != nil {
		return c, err
	}
	c.Freed = event.Bytes(treeUse(w.trashDir()))
	o.Report.Info("deleting " + c.Freed.String())
	_, err = w.emptyTrash()
	return c, err
}

func (o CleanOptions) checkLive() error {
	if o.Live == nil {
		return nil
	}
	live, err := o.Live()
	if err != nil {
		return err
	}
	if len(live) > 0 {
		return fmt.Errorf("%w: %s", ErrLive, strings.Join(live, ", "))
	}
	return nil
}

// victims lists what is to go, below the workspace: builds first, jobs and VMs
// one by one.
func (w *Workspace) victims(x *Index, c *Cleaned, o CleanOptions) ([]string, error) {
	dirs := []string{"builds", "tmp", "tmp/jobs", "tmp/vms"}
	if o.All {
		dirs = append(dirs, "cache", "builds/.trash")
	}
	var all []string
	for _, dir := range dirs {
		entries, err := os.ReadDir(w.path(dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cleaning: %w", err)
		}
		for _, e := range entries {
			switch name := e.Name(); {
			case stays(dir, name):
			case dir == "builds" && !o.Force && len(x.TagsOf(name)) > 0:
				c.Tagged = append(c.Tagged, name)
			default:
				all = append(all, dir+"/"+name)
			}
		}
	}
	return all, nil
}

// stays reports whether an entry of dir is not for clean to move away.
func stays(dir, name string) bool {
	switch dir {
	case "builds":
		return name == "builds.json" || name == latestLink || strings.HasPrefix(name, ".") // locks, the history
	case "cache":
		return name == ".lock"
	case "tmp":
		return name == trashName || name == "jobs" || name == "vms" ||
			name == relayName // clean itself may be in one; they are removed when they are over
	}
	return false
}

// trash moves one victim to the trash.
func (w *Workspace) trash(victim string) error {
	name := filepath.Base(victim)
	if err := share.MkdirAll(w.trashDir()); err != nil {
		return fmt.Errorf("cleaning: %w", err)
	}
	target := filepath.Join(w.trashDir(), name)
	for n := 1; exists(target); n++ { // of the same name elsewhere, or of an interrupted clean
		target = filepath.Join(w.trashDir(), name+"."+strconv.Itoa(n))
	}
	err := os.Rename(w.path(victim), target)
	if errors.Is(err, unix.EXDEV) { // builds/ or cache/ is on another filesystem than tmp/
		top, _, _ := strings.Cut(victim, "/")
		gone := w.path(top, gonePrefix+name)
		if err = errors.Join(removeTree(gone), os.Rename(w.path(victim), gone)); err == nil {
			err = removeTree(gone)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cleaning: %w", err)
	}
	return nil
}

// removeArches takes architectures out of a build's entry, and the entry when
// none is left.
func (x *Index) removeArches(id string, arches []string) error {
	i := x.at(id)
	if i < 0 {
		return nil // a directory that never was a build
	}
	e := &x.Builds[i]
	e.Arches = slices.DeleteFunc(slices.Clone(e.Arches), func(a string) bool { return slices.Contains(arches, a) })
	if len(e.Arches) > 0 {
		return nil
	}
	return x.Remove(id)
}

// writeCleaned writes the index, or removes it when it has nothing to say any
// more. The files are still here; latest is for the caller.
func (w *Workspace) writeCleaned(x *Index, now time.Time) error {
	if len(x.Builds) > 0 || len(x.Extra) > 0 {
		return w.writeIndex(x, now)
	}
	if err := os.Remove(w.indexPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cleaning: %w", err)
	}
	return w.syncDir(w.Builds())
}
