package live

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/disk"
)

// Part is a directory of this host that becomes a part of a tree.
type Part struct {
	Dir string
	At  string // where in the tree: "/", "/boot"; the directory itself is there already in the part before
	// Inodes are owners, modes and attributes, as for a disk image. What is not among them is root's,
	// with the permissions that it has here. Flags are not kept: squashfs has none.
	Inodes []disk.Inode
}

// Tree is parts that make one tree, with one time.
type Tree struct {
	Parts []Part
	Time  time.Time // of everything in it
}

// squashPrefixes are the attributes that squashfs can hold (Linux, fs/squashfs/xattr.c).
var squashPrefixes = []string{"user.", "trusted.", "security."}

// tarStream writes trees as tar, in the order of their paths, so that the same tree is the same bytes.
type tarStream struct {
	ctx     context.Context //nolint:containedctx // the walk below has no other way to be cancelled
	out     *fileStream
	time    time.Time
	part    Part
	inodes  map[fileID]disk.Inode
	names   map[fileID]string // the first one of files with several
	dropped func(path, attr string)
	wrote   func(bytes int64)
}

// tarBlock is what headers and contents of a tar are padded to.
const tarBlock = 512

// fileID tells a host's inodes apart.
type fileID struct{ dev, ino uint64 }

// write writes the tree, but for its root.
func (s *tarStream) write(t Tree, out *os.File) error {
	s.time, s.out = t.Time, newFileStream(out)
	for _, p := range t.Parts {
		if err := s.writePart(p); err != nil {
			return fmt.Errorf("reading the tree: %w", err)
		}
	}
	return errors.Join(tar.NewWriter(s.out).Close(), s.out.Flush())
}

// header writes the header of a file. A tar.Writer wants the content too, and would copy it.
func (s *tarStream) header(h *tar.Header) error {
	if err := tar.NewWriter(s.out).WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	return nil
}

func (s *tarStream) writePart(p Part) error {
	s.part, s.inodes, s.names = p, map[fileID]disk.Inode{}, map[fileID]string{}
	for _, i := range p.Inodes {
		id, _, err := identify(filepath.Join(p.Dir, i.Path))
		if err != nil {
			return err
		}
		s.inodes[id] = i
	}
	return filepath.WalkDir(p.Dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if s.ctx.Err() != nil {
			return context.Cause(s.ctx)
		}
		return s.file(name)
	})
}

func identify(name string) (fileID, unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		return fileID{}, st, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	return fileID{uint64(st.Dev), st.Ino}, st, nil //nolint:unconvert // another type elsewhere
}

func (s *tarStream) file(name string) error {
	id, st, err := identify(name)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(s.part.Dir, name)
	if err != nil {
		return err
	}
	at := path.Join("/", s.part.At, filepath.ToSlash(rel))
	inode, listed := s.inodes[id]
	if !listed {
		inode = disk.Inode{Mode: st.Mode}
	}
	if inode.Mode&unix.S_IFMT == 0 {
		inode.Mode |= st.Mode & unix.S_IFMT
	}
	if inode.Mode&unix.S_IFMT != st.Mode&unix.S_IFMT {
		return fmt.Errorf("%s: it is of another type than the list says", at)
	}
	if rel == "." {
		return nil // the root, see Squash.Args, or a directory of the part before
	}
	h := &tar.Header{
		Format: tar.FormatPAX, Name: strings.TrimPrefix(at, "/"), Mode: int64(inode.Mode & 0o7777),
		Uid: int(inode.UID), Gid: int(inode.GID), ModTime: s.time, PAXRecords: s.attributes(at, inode.Xattrs),
	}
	if first, again := s.names[id]; again {
		h.Typeflag, h.Linkname, h.PAXRecords = tar.TypeLink, first, nil
		return s.header(h)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink > 1 {
		s.names[id] = h.Name
	}
	return s.content(h, name, st)
}

func (s *tarStream) content(h *tar.Header, name string, st unix.Stat_t) error {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
	case unix.S_IFLNK:
		target, err := os.Readlink(name)
		if err != nil {
			return err
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, target
	case unix.S_IFREG:
		h.Typeflag, h.Size = tar.TypeReg, st.Size
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		h.Typeflag = tar.TypeChar
		if st.Mode&unix.S_IFMT == unix.S_IFBLK {
			h.Typeflag = tar.TypeBlock
		}
		h.Devmajor, h.Devminor = int64(unix.Major(uint64(st.Rdev))), int64(unix.Minor(uint64(st.Rdev))) //nolint:unconvert // another type elsewhere
	default:
		return fmt.Errorf("%s: no squashfs has such a file", h.Name)
	}
	if err := s.header(h); err != nil || h.Typeflag != tar.TypeReg || h.Size == 0 {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	err = s.out.send(f, h.Size)
	s.wrote(h.Size)
	if err == nil {
		_, err = s.out.Write(make([]byte, -h.Size&(tarBlock-1)))
	}
	return errors.Join(err, f.Close())
}

// attributes gives a file's extended attributes as tar keeps them.
func (s *tarStream) attributes(at string, xattrs map[string][]byte) map[string]string {
	if len(xattrs) == 0 {
		return nil
	}
	records := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(xattrs)) {
		if !slices.ContainsFunc(squashPrefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			s.dropped(at, name)
			continue
		}
		records["SCHILY.xattr."+name] = string(xattrs[name])
	}
	return records
}
