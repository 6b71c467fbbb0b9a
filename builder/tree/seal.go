package tree

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// SealOptions are the manifest's keys about the last step.
type SealOptions struct {
	RefuseDevices bool // ignore-devices: false, a device node is an error instead of being dropped
}

// Seal removes what cannot or must not be committed (devices, pipes, sockets, locks, what
// interrupted writes left), makes every directory writable for its owner, and links the base
// database. It is the last change of the tree.
func (t Tree) Seal(ctx context.Context, o SealOptions) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.cleanEtc(); err != nil {
		return err
	}
	if err := r.dropDBState(); err != nil {
		return err
	}
	var dropped tally
	err = r.walk(".", func(name string, info fs.FileInfo) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return r.sealOne(name, info, &dropped, o)
	})
	if err != nil {
		return err
	}
	if dropped.total > 0 {
		t.Report.Warn(fmt.Sprintf("%d devices, pipes and sockets dropped: %s; the first is /%s", dropped.total, dropped.String(), dropped.first))
	}
	return r.baseDB()
}

func (r root) sealOne(name string, info fs.FileInfo, dropped *tally, o SealOptions) error {
	mode := info.Mode()
	switch {
	case mode.IsDir():
		if own := ownerOf(info).mode; own&0o200 == 0 {
			if err := r.Chmod(name, own|0o200); err != nil {
				return fmt.Errorf("making /%s writable: %w", name, err)
			}
		}
		return nil
	case mode.IsRegular(), mode&fs.ModeSymlink != 0:
		if strings.HasSuffix(name, tempSuffix) {
			return r.removeAll(name)
		}
		return nil
	}
	if whiteout(info) {
		if err := r.removeAll(name); err != nil {
			return err
		}
		return r.write(path.Join(path.Dir(name), ".ostree-wh."+path.Base(name)), nil)
	}
	if mode&fs.ModeDevice != 0 && o.RefuseDevices {
		return fmt.Errorf("/%s is a device, and ignore-devices is false", name)
	}
	dropped.add(mode.Type().String(), name)
	return r.removeAll(name)
}

// whiteout tells whether a file is overlayfs' mark of a deletion: character device 0:0.
func whiteout(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode()&fs.ModeCharDevice != 0 && st.Rdev == 0
}
