package ostree

import (
	"fmt"
	"io/fs"
	"os"
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

// Sizes gives the sizes of the tree's regular files and links, each content
// once, and the number of inodes that a deployment and its repository take:
// what a root filesystem must have room for.
func (t Tree) Sizes() (files []int64, inodes int) {
	seen := map[string]bool{}
	for _, e := range t.Entries {
		inodes++
		if e.IsDir() || seen[e.Checksum] {
			continue
		}
		seen[e.Checksum] = true
		inodes++
		files = append(files, e.Size+int64(len(e.Target)))
	}
	return files, inodes
}
