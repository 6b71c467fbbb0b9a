package workspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/share"
)

// The bytes of cache/images/.lock: users hold keepByte shared while they look
// for an image or make it, and what takes images away holds it exclusively;
// unpackByte is that of the one who unpacks.
const (
	keepByte   = 0
	unpackByte = 1
)

// qemuByte is the byte of an image that QEMU locks, shared, as long as it has
// the image open (RAW_LOCK_PERM_BASE in block/file-posix.c, and the permission
// to read consistently).
const qemuByte = 100

// Images is cache/images: images of builds as they are before compression, by
// the checksum of their content.
func (w *Workspace) Images() string { return w.path("cache", "images") }

// KeepImages keeps images from being taken out of the cache, until Close. It
// waits as long as another takes some away, which is short.
func (w *Workspace) KeepImages(ctx context.Context) (*lock.File, error) {
	if err := share.MkdirAll(w.Images()); err != nil {
		return nil, fmt.Errorf("locking the cached images: %w", err)
	}
	return w.take(ctx, w.imagesLock(), keepByte, LockOptions{Kind: lock.Shared})
}

// LockUnpacking takes the lock of the one who unpacks an image into the cache.
// It goes with KeepImages. Close gives it up.
func (w *Workspace) LockUnpacking(ctx context.Context, o LockOptions) (*lock.File, error) {
	o.Kind = lock.Exclusive
	return w.take(ctx, w.imagesLock(), unpackByte, o)
}

func (w *Workspace) imagesLock() string { return filepath.Join(w.Images(), ".lock") }

// UseImage marks an image of the cache as used now, and says if it is there and
// has that size; 0 is any.
func UseImage(path string, size int64, now time.Time) (bool, error) {
	err := os.Chtimes(path, now, now)
	if errors.Is(err, fs.ErrPermission) { // another user's: it goes a little sooner
		err = nil
	}
	info, statErr := os.Lstat(path)
	err = cmp.Or(err, statErr)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("using a cached image: %w", err)
	}
	return size == 0 || info.Size() == size, nil
}

// freeImages removes from entries the images that cannot go: those that a
// machine has open, and all while someone looks for one. The lock, if it is not
// nil, is to be held until the others are gone.
func (w *Workspace) freeImages(ctx context.Context, entries []*cacheEntry) ([]*cacheEntry, *lock.File, error) {
	isImage := func(e *cacheEntry) bool { return e.kind == VictimUnpacked }
	if !slices.ContainsFunc(entries, isImage) {
		return entries, nil, nil
	}
	held, err := w.take(ctx, w.imagesLock(), keepByte, LockOptions{Kind: lock.Exclusive, NoWait: true})
	if errors.Is(err, ErrLocked) {
		return slices.DeleteFunc(entries, isImage), nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	entries = slices.DeleteFunc(entries, func(e *cacheEntry) bool { return isImage(e) && w.imageOpen(e) })
	return entries, held, nil
}

// imageOpen says if a machine has the image open, or was about to since it was
// listed. What cannot be asked about counts as open.
func (w *Workspace) imageOpen(e *cacheEntry) bool {
	for _, p := range e.paths {
		info, err := os.Lstat(w.path(p))
		if err != nil || info.ModTime().After(e.used) {
			return true
		}
		if open, err := lock.Probe(w.path(p), lock.Exclusive, qemuByte); err != nil || open {
			return true
		}
	}
	return false
}
