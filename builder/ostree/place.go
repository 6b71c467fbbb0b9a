package ostree

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Inode is what a file of a laid out filesystem must be in the end, whatever the file in the
// stage directory is: host files cannot carry a target's labels and owners. There is one Inode
// for each inode, so of a file with several names only one name is listed.
type Inode struct {
	Path       string // absolute, from the root of the filesystem; the first of a list is "/"
	Mode       uint32 // st_mode, with the type bits
	UID, GID   uint32
	Xattrs     map[string][]byte // all that the inode has
	DropXattrs []string          // what the file in the stage has and the inode must not
	Time       int64             // modification time in seconds since the epoch
	Immutable  bool              // the inode's immutable flag, which mke2fs does not copy
}

// stage is a directory that becomes a filesystem, and the list of its inodes.
type stage struct {
	root   string
	label  func(path string, mode uint32) []byte
	time   int64
	inodes []Inode
	dirs   []Inode // those whose time is set at the end
}

// at gives the host's path of a path in the stage.
func (s *stage) at(path string) string { return s.root + path }

// own completes an inode that is no part of the commit: root's, labelled for logical, the path
// that the policy knows it by.
func (s *stage) own(path, logical string, mode uint32) Inode {
	i := Inode{Path: path, Mode: mode, Time: s.time}
	if s.label != nil {
		if label := s.label(logical, mode); len(label) > 0 {
			i.Xattrs = map[string][]byte{"security.selinux": label}
		}
	}
	return i
}

// add puts the inode on the list and sets the time of the file in the stage, as far as nobody
// shares it.
func (s *stage) add(i Inode) error {
	s.inodes = append(s.inodes, i)
	if i.Mode&unix.S_IFMT == unix.S_IFDIR {
		s.dirs = append(s.dirs, i)
		return nil
	}
	return setTime(s.at(i.Path), i.Time)
}

// finish sets the times of directories; nothing may be made in the stage after it.
func (s *stage) finish() error {
	for _, d := range s.dirs {
		if err := setTime(s.at(d.Path), d.Time); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) dir(i Inode) error {
	if err := os.Mkdir(s.at(i.Path), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("laying out: %w", err)
	}
	return s.add(i)
}

func (s *stage) file(i Inode, content string) error {
	if err := os.WriteFile(s.at(i.Path), []byte(content), 0o644); err != nil {
		return fmt.Errorf("laying out: %w", err)
	}
	return s.add(i)
}

func (s *stage) symlink(i Inode, target string) error {
	if err := os.Symlink(target, s.at(i.Path)); err != nil {
		return fmt.Errorf("laying out: %w", err)
	}
	return s.add(i)
}

// link makes a file that shares its inode with src; where the kernel refuses (another filesystem,
// a foreign owner, too many links) it is a copy, with the attributes to drop, since an inode that
// once had one is not the same to the byte (ext4 leaves the magic number of the list).
func (s *stage) link(src string, i Inode) error {
	err := os.Link(src, s.at(i.Path))
	if err == nil {
		s.inodes = append(s.inodes, i)
		return nil
	}
	if !errors.Is(err, unix.EXDEV) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EMLINK) {
		return fmt.Errorf("laying out: %w", err)
	}
	if err := copyFile(src, s.at(i.Path)); err != nil {
		return err
	}
	for _, name := range i.DropXattrs {
		if err := copyXattr(src, s.at(i.Path), name); err != nil {
			i.DropXattrs = nil // this filesystem has none
			break
		}
	}
	return s.add(i)
}

// ownDirs makes directories whose logical path is the path itself.
func (s *stage) ownDirs(paths ...string) error {
	for _, p := range paths {
		if err := s.dir(s.own(p, p, unix.S_IFDIR|0o755)); err != nil {
			return err
		}
	}
	return nil
}

// setTime sets access and modification time of a file that may be a symbolic link.
func setTime(name string, seconds int64) error {
	at := unix.NsecToTimespec(time.Unix(seconds, 0).UnixNano())
	err := unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return fmt.Errorf("setting time of %s: %w", name, err)
	}
	return nil
}

// copyFile copies content, as a reflink where that works, and permissions, since programs of the
// deployment are run from it; owner and attributes are in the list of inodes.
func copyFile(src, dst string) (err error) {
	from, err := os.Open(src)
	if err != nil {
		return fmt.Errorf("laying out: %w", err)
	}
	defer from.Close()
	to, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("laying out: %w", err)
	}
	defer func() {
		if closeErr := to.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("writing %s: %w", dst, closeErr)
		}
	}()
	info, err := from.Stat()
	if err != nil {
		return fmt.Errorf("laying out: %w", err)
	}
	if err := to.Chmod(info.Mode().Perm()); err != nil {
		return fmt.Errorf("laying out: %w", err)
	}
	if unix.IoctlFileClone(int(to.Fd()), int(from.Fd())) == nil {
		return nil
	}
	if _, err := io.Copy(to, from); err != nil {
		return fmt.Errorf("copying %s to %s: %w", src, dst, err)
	}
	return nil
}

// copyXattr copies an extended attribute.
func copyXattr(src, dst, name string) error {
	value := make([]byte, 64<<10) // XATTR_SIZE_MAX
	n, err := unix.Lgetxattr(src, name, value)
	if err == nil {
		err = unix.Lsetxattr(dst, name, value[:n], 0)
	}
	if err != nil {
		return fmt.Errorf("copying %s of %s: %w", name, src, err)
	}
	return nil
}
