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
	var u diskUsage
	u.add(root)
	return u.taken
}

// diskUsage adds up what trees take on disk. Blocks that files share by reflink
// are counted for each of them: the kernel does not say which those are.
type diskUsage struct {
	taken int64 // by all that was added, hard links counted once
	freed int64 // of it by files whose every link was added: what deleting all of them frees
	links map[inode]uint64
}

// inode is a file with several links.
type inode struct{ dev, ino uint64 }

// add adds trees or files and gives by how much freed grew. What cannot be read
// is left out: this is for people and for limits, not for correctness.
func (u *diskUsage) add(roots ...string) int64 {
	before := u.freed
	for _, root := range roots {
		_ = filepath.WalkDir(root, func(_ string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil
			}
			if info, err := d.Info(); err == nil {
				u.file(info)
			}
			return nil
		})
	}
	return u.freed - before
}

func (u *diskUsage) file(info fs.FileInfo) {
	size := diskUse(info)
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.IsDir() || st.Nlink < 2 {
		u.taken += size
		u.freed += size
		return
	}
	if u.links == nil {
		u.links = map[inode]uint64{}
	}
	id := inode{st.Dev, st.Ino}
	u.links[id]++
	if u.links[id] == 1 {
		u.taken += size
	}
	if u.links[id] == uint64(st.Nlink) {
		u.freed += size
	}
}
