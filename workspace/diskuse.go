package workspace

import (
	"io/fs"
	"path/filepath"
	"syscall"
)

// statBlock is the unit of st_blocks, whatever the file system's is (stat(2)).
const statBlock = 512

// diskUse is what a file takes on disk, in bytes.
func diskUse(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * statBlock
	}
	return info.Size()
}

// treeUse is what a tree takes on disk, in bytes, hard links counted once. What
// cannot be read is left out.
func treeUse(root string) int64 {
	var total int64
	seen := map[[2]uint64]bool{}
	_ = filepath.WalkDir(root, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // counted as nothing: this is for people
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 && !d.IsDir() {
			id := [2]uint64{st.Dev, st.Ino}
			if seen[id] {
				return nil
			}
			seen[id] = true
		}
		total += diskUse(info)
		return nil
	})
	return total
}
