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

// files is what a walk through a stage finds.
type files struct {
	count  int                 // names; hard links counted each
	xattrs map[string][]string // names of extended attributes, by path from the stage: "/usr/bin/su"
}

// scan walks through the stage below dir.
func scan(dir string) (files, error) {
	found := files{xattrs: map[string][]string{}}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		found.count++
		names, err := listXattrs(path)
		if err != nil {
			return &fs.PathError{Op: "listing extended attributes of", Path: path, Err: err}
		}
		if len(names) > 0 {
			found.xattrs[filepath.Clean("/"+strings.TrimPrefix(path, dir))] = names
		}
		return nil
	})
	if err != nil {
		return found, fmt.Errorf("reading the stage: %w", err)
	}
	return found, nil
}

// dropped gives the attributes that mke2fs copied from the stage's file at path
// and that are to go; want is nil for a file that is not in the list.
func (f files) dropped(path string, want *Inode) []string {
	var drop []string
	for _, name := range f.xattrs[path] {
		if want == nil && hostXattr(name) || want != nil && want.drops(name) {
			drop = append(drop, name)
		}
	}
	slices.Sort(drop)
	return drop
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
