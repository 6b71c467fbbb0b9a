package ostree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Exported is what Export did.
type Exported struct {
	Links   int // files that share their inode with the repository
	Copies  int
	Foreign int // files and directories whose owner could not be set
}

// Export writes the files of a commit to a new directory, with their owners, modes and capabilities
// as far as the caller may set them. A file is a hard link to its object where that has the right
// owner and mode by itself, as nearly all have in a bare-user repository (root's, no set-user-id), so
// whoever writes to a file damages the repository: show the directory read-only only.
func (r Repo) Export(ctx context.Context, t Tree, dest string) (Exported, error) {
	x := exporter{repo: r, dest: dest}
	for n, e := range t.Entries {
		if n%256 == 0 && ctx.Err() != nil {
			return x.done, context.Cause(ctx)
		}
		if err := x.place(e); err != nil {
			return x.done, fmt.Errorf("exporting %s of commit %s: %w", e.Path, t.Checksum, err)
		}
	}
	// A directory's mode comes last: it may forbid writing.
	for _, e := range slices.Backward(t.Entries) {
		if !e.IsDir() {
			continue
		}
		if err := x.own(filepath.Join(dest, e.Path), e); err != nil {
			return x.done, fmt.Errorf("exporting %s of commit %s: %w", e.Path, t.Checksum, err)
		}
	}
	return x.done, nil
}

// exporter is one run of Export.
type exporter struct {
	repo Repo
	dest string
	done Exported
}

func (x *exporter) place(e Entry) error {
	name := filepath.Join(x.dest, e.Path)
	if e.IsDir() {
		return os.Mkdir(name, 0o700)
	}
	if e.IsSymlink() {
		if err := os.Symlink(e.Target, name); err != nil {
			return err
		}
		return x.chown(name, e)
	}
	object := x.repo.object(e.Checksum, extFile)
	var st unix.Stat_t
	if err := unix.Lstat(object, &st); err != nil {
		return fmt.Errorf("asking for object %s: %w", e.Checksum, err)
	}
	if st.Mode == e.Mode && st.Uid == e.UID && st.Gid == e.GID && !hasCapability(e) {
		err := os.Link(object, name)
		if err == nil {
			x.done.Links++
			return nil
		}
		if !errors.Is(err, unix.EXDEV) && !errors.Is(err, unix.EMLINK) && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	x.done.Copies++
	if err := copyFile(object, name); err != nil {
		return err
	}
	return x.own(name, e)
}

// own gives a file or directory the owner, mode and capabilities of its entry.
func (x *exporter) own(name string, e Entry) error {
	if err := x.chown(name, e); err != nil {
		return err
	}
	if err := unix.Chmod(name, e.Mode&0o7777); err != nil {
		return err
	}
	if !hasCapability(e) {
		return nil
	}
	list, err := ParseXattrs(e.Xattrs)
	if err != nil {
		return err
	}
	_ = unix.Lsetxattr(name, capabilityXattr, list[capabilityXattr], 0) // refused in some namespaces
	return nil
}

// capabilityXattr is the one attribute that is part of what a person looks at; labels need the
// target's policy.
const capabilityXattr = "security.capability"

func hasCapability(e Entry) bool { return bytes.Contains(e.Xattrs, []byte(capabilityXattr+"\x00")) }

func (x *exporter) chown(name string, e Entry) error {
	err := os.Lchown(name, int(e.UID), int(e.GID))
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EINVAL) { // an id that has no place in the namespace
		x.done.Foreign++
		return nil
	}
	return err
}
