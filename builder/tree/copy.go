package tree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// copyTree copies a file or a directory with what is below it: content, owners, modes, links and
// the attributes of files and directories. It is how a directory moves in an overlay, whose lower
// ones cannot be renamed. Names that are hard links of each other become files of their own.
func (r root) copyTree(from, to string) error {
	info, err := r.Lstat(from)
	if err != nil {
		return fmt.Errorf("copying /%s: %w", from, err)
	}
	o := ownerOf(info)
	switch {
	case info.IsDir():
		return r.copyDir(from, to, o)
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := r.Readlink(from)
		if err != nil {
			return fmt.Errorf("copying /%s: %w", from, err)
		}
		if err := errors.Join(r.Symlink(target, to), r.Lchown(to, o.uid, o.gid)); err != nil {
			return fmt.Errorf("copying /%s: %w", from, err)
		}
		return nil
	case !info.Mode().IsRegular():
		return fmt.Errorf("copying /%s: neither file, directory nor link (%s)", from, info.Mode().Type())
	}
	in, err := r.Open(from)
	if err != nil {
		return fmt.Errorf("copying /%s: %w", from, err)
	}
	defer in.Close()
	if err := r.put(to, in, o); err != nil {
		return err
	}
	return r.copyXattrs(from, to)
}

func (r root) copyDir(from, to string, o owner) error {
	if err := r.mkdir(to, 0o700); err != nil {
		return err
	}
	dir, err := r.Open(from)
	if err != nil {
		return fmt.Errorf("copying /%s: %w", from, err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("copying /%s: %w", from, err)
	}
	for _, name := range names {
		if err := r.copyTree(path.Join(from, name), path.Join(to, name)); err != nil {
			return err
		}
	}
	if err := errors.Join(r.Lchown(to, o.uid, o.gid), r.Chmod(to, o.mode)); err != nil {
		return fmt.Errorf("copying /%s: %w", from, err)
	}
	return r.copyXattrs(from, to)
}

// copyXattrs copies the attributes of a file or directory; the host's labels are not the target's.
func (r root) copyXattrs(from, to string) error {
	in, err := r.Open(from)
	if err != nil {
		return fmt.Errorf("copying the attributes of /%s: %w", from, err)
	}
	defer in.Close()
	size, err := unix.Flistxattr(int(in.Fd()), nil)
	if errors.Is(err, unix.ENOTSUP) || err == nil && size == 0 {
		return nil
	}
	list := make([]byte, max(size, 0))
	if err == nil {
		size, err = unix.Flistxattr(int(in.Fd()), list)
	}
	if err != nil {
		return fmt.Errorf("copying the attributes of /%s: %w", from, err)
	}
	out, err := r.Open(to)
	if err != nil {
		return fmt.Errorf("copying the attributes of /%s: %w", from, err)
	}
	defer out.Close()
	// An overlay counts its own attributes, which it does not list.
	for _, name := range strings.FieldsFunc(string(list[:size]), func(c rune) bool { return c == 0 }) {
		if name == "security.selinux" {
			continue
		}
		value := make([]byte, 64<<10) // XATTR_SIZE_MAX
		n, err := unix.Fgetxattr(int(in.Fd()), name, value)
		if err == nil {
			err = unix.Fsetxattr(int(out.Fd()), name, value[:n], 0)
		}
		if err != nil {
			return fmt.Errorf("copying the attribute %s of /%s: %w", name, from, err)
		}
	}
	return nil
}
