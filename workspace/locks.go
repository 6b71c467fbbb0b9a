package workspace

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/person"
	"github.com/nestos/nosa/workspace/share"
)

// ErrLocked is a part of the workspace that someone else uses.
var ErrLocked = errors.New("in use")

// The bytes of builds/.lock. A stage that reads builds holds useByte shared for
// as long as it runs and must still be able to write the index at its end, so
// the index has a byte of its own, which is held for milliseconds only.
const (
	indexByte = 0
	useByte   = 1
)

// LockOptions say how to take a lock. The zero Kind is not valid.
type LockOptions struct {
	Kind   lock.Kind
	NoWait bool   // ErrLocked at once, instead of waiting for the context's end
	Holder string // who we are, for those who wait ("build 20261122T120358Z-build-7f3a")
}

// LockBuilds takes builds/.lock: shared for a stage that reads builds, exclusive
// for one that takes builds away. Close gives it up. Whoever needs several
// locks takes them in the order builds, cache, image.
func (w *Workspace) LockBuilds(ctx context.Context, o LockOptions) (*lock.File, error) {
	return w.take(ctx, w.path("builds", ".lock"), useByte, o)
}

// LockCache takes cache/.lock: exclusive for a stage that writes the cache.
// Close gives it up.
func (w *Workspace) LockCache(ctx context.Context, o LockOptions) (*lock.File, error) {
	if err := share.MkdirAll(w.Cache()); err != nil {
		return nil, fmt.Errorf("locking the cache: %w", err)
	}
	return w.take(ctx, w.path("cache", ".lock"), 0, o)
}

// LockImage takes the lock on one image type of a build: exclusive for the
// stage that makes it. What one stage makes together has one lock. Close gives it up.
func (w *Workspace) LockImage(ctx context.Context, file ArtifactFile, o LockOptions) (*lock.File, error) {
	name := file.Type
	if t, err := FindArtifactType(name); err == nil && t.Stage != "" {
		name = t.Stage
	}
	return w.take(ctx, filepath.Join(w.BuildDir(file.ID, file.Arch), "."+name+".lock"), 0, o)
}

func (w *Workspace) lockIndex(ctx context.Context) (*lock.File, error) {
	return w.take(ctx, w.path("builds", ".lock"), indexByte, LockOptions{Kind: lock.Exclusive})
}

func (w *Workspace) take(ctx context.Context, path string, off int64, o LockOptions) (*lock.File, error) {
	l, err := lock.Open(path)
	if err != nil {
		return nil, err
	}
	if o.NoWait {
		err = l.Try(o.Kind, off)
	} else {
		err = l.Lock(ctx, o.Kind, off)
	}
	if errors.Is(err, lock.ErrHeld) {
		err = w.lockedError(l, o.Holder, err)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if o.Holder != "" {
		_ = l.SetHolder(o.Holder) // only for those who wait: a full disk is no reason to fail
	}
	return l, nil
}

func (w *Workspace) lockedError(l *lock.File, own string, err error) error {
	name, relErr := filepath.Rel(w.Dir, l.Path())
	if relErr != nil {
		name = l.Path()
	}
	who := w.holder(l.Holder(), own)
	if who == "" {
		who = "another process"
	}
	return fmt.Errorf("%s is %w by %s: %w", name, ErrLocked, w.describe(who), err)
}

// describe names a job with who started it; what is no job stays as it is.
func (w *Workspace) describe(holder string) string {
	text := job.Describe(holder)
	if text == holder {
		return text
	}
	if st, err := job.Look(filepath.Join(w.JobsDir(), holder)); err == nil && st.Info.User != "" {
		text += " of " + person.Clean(st.Info.User)
	}
	return text
}

// holder says who holds a lock on which stands the name of noted. Of a shared
// lock that is the last who took it; when that one has ended, it is another: the
// job that has run longest, own not counted.
func (w *Workspace) holder(noted, own string) string {
	if job.Describe(noted) == noted { // no job
		return noted
	}
	if st, err := job.Look(filepath.Join(w.JobsDir(), noted)); err == nil && st.State == job.Running && noted != own {
		return noted
	}
	live, err := job.Live(w.JobsDir())
	if err != nil {
		return noted
	}
	for _, st := range slices.Backward(live) {
		if string(st.Info.ID) != own {
			return string(st.Info.ID)
		}
	}
	return noted
}
