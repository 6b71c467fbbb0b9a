package ostree

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// ReadFile gives the content of a regular file of the tree, by its absolute
// path. fs.ErrNotExist when there is none.
func (r Repo) ReadFile(t Tree, path string) ([]byte, error) {
	e, ok := t.Lookup(path)
	if !ok || !e.IsRegular() {
		return nil, fmt.Errorf("%s in commit %s: %w", path, t.Checksum, fs.ErrNotExist)
	}
	data, err := os.ReadFile(r.object(e.Checksum, extFile))
	if err != nil {
		return nil, fmt.Errorf("%s in commit %s: %w", path, t.Checksum, err)
	}
	return data, nil
}

// skeletonInodes is at most what of a deployment and its repository is not of the commit: the 256
// directories of objects and what init-fs, os-init and deploy make.
const skeletonInodes = 320

// Sizes gives what a root filesystem must have room for: the sizes in bytes of the files and
// symbolic links that a deployment and its repository consist of, each inode once, and the number
// of inodes with directories. The sizes of directory objects are estimates from above.
func (t Tree) Sizes() (files []int64, inodes int) {
	files = append(files, 4096, 4096) // the commit object without a long package list, and refs
	seen := map[string]bool{}
	trees := map[string]int64{}
	for _, e := range t.Entries {
		inEtc := strings.HasPrefix(e.Path, "/usr/etc/")
		parent := path.Dir(e.Path)
		trees[parent] += int64(len(path.Base(e.Path))) + dirtreeEntry
		inodes++
		switch {
		case e.IsDir():
			if inEtc {
				inodes++
			}
			if !seen[e.Meta] {
				seen[e.Meta] = true
				files = append(files, int64(12+len(e.Xattrs)))
			}
		case !seen[e.Checksum] || inEtc:
			seen[e.Checksum] = true
			files = append(files, e.Size+int64(len(e.Target)))
		}
	}
	for _, e := range t.Entries {
		if e.IsDir() && !seen[e.Checksum] {
			seen[e.Checksum] = true
			files = append(files, trees[e.Path])
		}
	}
	return files, inodes + len(files) + skeletonInodes
}

// dirtreeEntry is at most what a name takes in a dirtree object: NUL, two checksums, offsets.
const dirtreeEntry = 1 + 64 + 16
