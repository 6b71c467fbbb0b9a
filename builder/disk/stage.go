package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// same says that two entries give a file the same metadata.
func (i Inode) same(o Inode) bool {
	return i.UID == o.UID && i.GID == o.GID && i.Mode == o.Mode && i.Flags == o.Flags &&
		maps.EqualFunc(i.Xattrs, o.Xattrs, bytes.Equal) && slices.Equal(i.DropXattrs, o.DropXattrs)
}

// hostXattrs are attributes that a host gives files by itself; mke2fs would
// take them into the image, where they mean something else.
func hostXattr(name string) bool {
	switch name {
	case "security.selinux", "security.ima", "security.evm", "security.apparmor":
		return true
	}
	return strings.HasPrefix(name, "security.SMACK64") || strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.")
}

// countInodes gives how many files lie below dir, hard links counted each.
func countInodes(dir string) (int, error) {
	n := 0
	err := filepath.WalkDir(dir, func(_ string, _ fs.DirEntry, err error) error { n++; return err })
	if err != nil {
		return 0, fmt.Errorf("counting the files of the stage: %w", err)
	}
	return n, nil
}

// dropXattrs gives for each inode number the attributes that mke2fs copied from
// the stage below dir and that are to go.
func dropXattrs(dir string, nodes []node, inodes map[uint32]*Inode) (map[uint32][]string, error) {
	drop := map[uint32][]string{}
	for _, n := range nodes {
		if n.again {
			continue
		}
		have, err := listXattrs(filepath.Join(dir, n.path))
		if errors.Is(err, unix.ENOENT) && n.path == "/lost+found" {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing extended attributes of %s: %w", n.path, err)
		}
		for _, name := range have {
			want := inodes[n.ino]
			if want == nil && hostXattr(name) || want != nil && want.drops(name) {
				drop[n.ino] = append(drop[n.ino], name)
			}
		}
		slices.Sort(drop[n.ino])
	}
	return drop, nil
}

func (i *Inode) drops(name string) bool {
	_, set := i.Xattrs[name]
	return !set && (hostXattr(name) || slices.Contains(i.DropXattrs, name))
}

// listXattrs gives the names of a file's extended attributes, of a link itself.
func listXattrs(path string) ([]string, error) {
	buf := make([]byte, 256)
	for {
		n, err := unix.Llistxattr(path, buf)
		switch {
		case errors.Is(err, unix.ERANGE):
			buf = make([]byte, 4*len(buf))
		case errors.Is(err, unix.ENOTSUP):
			return nil, nil
		case err != nil:
			return nil, err
		case n == 0:
			return nil, nil
		default:
			return strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00"), nil
		}
	}
}
